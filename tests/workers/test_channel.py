"""The words between supervisor and workers, on their way through AMP."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IUNIXTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.amp import AMP, AmpBox, Command, Integer, UnhandledCommand, Unicode, UnknownRemoteError
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from redistill.workers.channel import PIECE, Blob, End, Handle, Json, NoAnswer, was_refused, within


class Say(Command):
    """Both kinds of argument, beside one of AMP's own."""

    arguments = ((b"blob", Blob()), (b"number", Integer()), (b"plain", Json()))
    response = ((b"blob", Blob()), (b"plain", Json()))


class Echo(AMP):
    """Answers with what it got."""

    @Say.responder
    def say(self, blob: bytes, number: int, plain: Any) -> dict[str, Any]:
        return {"blob": blob * number, "plain": plain}


class ArgumentTests(SynchronousTestCase):
    """`Blob` and `Json`."""

    def said(self, blob: bytes, plain: Any, number: int = 1) -> tuple[bytes, Any]:
        """The result of a call of `Say`."""
        here, there = AMP(), Echo()
        for side in (here, there):
            side.makeConnection(StringTransport())
        answer = here.callRemote(Say, blob=blob, plain=plain, number=number)
        there.dataReceived(here.transport.value())
        here.dataReceived(there.transport.value())
        box = self.successResultOf(answer)
        return box["blob"], box["plain"]

    def test_blob_of_any_length(self) -> None:
        """Bytes arrive as they were, however many: AMP's own values end at 65,535 bytes."""
        for length in (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 1_000_000):
            blob = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
            self.assertEqual(self.said(blob, None), (blob, None))
        self.assertEqual(self.said(b"ab", None, 100_000)[0], b"ab" * 100_000)

    def test_json(self) -> None:
        """So does what JSON can hold, and text with bytes that are not UTF-8."""
        for plain in (None, 0, [], {"a": [1, "\udcff\u20ac", {"b": None}]}, "x" * 100_000):
            self.assertEqual(self.said(b"", plain), (b"", plain))


class Fails(Command):
    """An answer that something goes wrong with."""

    arguments = ((b"how", Unicode()),)
    response = ((b"number", Integer()),)


class Notice(Command):
    """A command without an answer."""

    arguments = ((b"how", Unicode()),)
    requiresAnswer = False


class Passed(Command):
    """A file, and what belongs to it."""

    arguments = ((b"file", Handle()), (b"name", Unicode()))
    response = ((b"content", Unicode()),)


class Failing(End):
    """Fails in all ways."""

    @Fails.responder
    @Notice.responder
    def how(self, how: str) -> Any:
        if how == "raises":
            raise OSError(24, "Too many open files")
        if how == "fails later":
            return fail(MemoryError())
        return {"number": "none"} if how == "is of another type" else {"number": 7}

    @Passed.responder
    def passed(self, file: int, name: str) -> dict[str, str]:
        with open(file, encoding="ascii") as content:
            return {"content": f"{name}: {content.read()}"}


class PassingTransport(StringTransport):
    """A transport over which descriptors go; which get lost, others say."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptors: list[int] = []

    def sendFileDescriptor(self, fileno: int) -> None:
        self.descriptors.append(os.dup(fileno))


class EndTests(SynchronousTestCase):
    """`End`: what goes wrong in one answer ends no channel."""

    def setUp(self) -> None:
        self.here, self.there = End(), Failing()
        self.transports = [PassingTransport(), PassingTransport()]
        for side, transport in zip((self.here, self.there), self.transports, strict=True):
            directlyProvides(transport, IUNIXTransport)
            side.makeConnection(transport)

    def call(self, command: type[Command], **arguments: Any) -> Deferred[Any]:
        """`callRemote` of somebody who looks at the outcome."""
        return within(self.here.callRemote(command, **arguments), Clock(), 0)

    def exchange(self) -> None:
        """Messages sent so far arrive."""
        here, there = self.transports
        while here.value() or there.value():
            for transport, side in ((here, self.there), (there, self.here)):
                data = transport.value()
                transport.clear()
                side.dataReceived(data)

    def alive(self) -> bool:
        """Whether a question is answered."""
        answer = self.call(Fails, how="not")
        self.exchange()
        return self.successResultOf(answer) == {"number": 7} and not any(one.disconnecting for one in self.transports)

    def test_answers_that_fail(self) -> None:
        """Whatever an answer fails with is logged, and told to who asked."""
        for how, error, words in (
            ("raises", OSError, "internal error: OSError: [Errno 24] Too many open files"),
            ("fails later", MemoryError, "internal error: MemoryError: "),
            ("is of another type", Exception, "internal error: BadLocalReturn: "),
        ):
            answer = self.call(Fails, how=how)
            self.exchange()
            failure = self.failureResultOf(answer, UnknownRemoteError)
            self.assertTrue(was_refused(failure))
            self.assertIn(words, str(failure.value))
            self.assertEqual(len(self.flushLoggedErrors(error)), 1)
            self.assertTrue(self.alive())

    def test_notices_that_fail(self) -> None:
        """So it is where nobody waits for an answer, and where nobody looks at it."""
        self.here.callRemote(Notice, how="raises")
        self.exchange()
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.here.callRemote(Fails, how="raises")
        self.exchange()
        self.assertEqual(len(self.flushLoggedErrors(OSError, UnknownRemoteError)), 2)
        self.assertTrue(self.alive())

    def test_unknown_commands(self) -> None:
        """A command of a newer build is refused, and that is all."""
        answer = self.call(Say, blob=b"", plain=None, number=1)
        self.exchange()
        self.failureResultOf(answer, UnhandledCommand)
        self.assertTrue(self.alive())

    def test_boxes_that_make_no_sense(self) -> None:
        """An answer to nothing, a box that is neither question nor answer, and one without its arguments, are logged."""
        for box in (AmpBox(_answer=b"99"), AmpBox(_error=b"99"), AmpBox(x=b"y"), AmpBox(_command=b"Fails", _ask=b"77")):
            self.there.dataReceived(box.serialize())
            self.transports[1].clear()
            self.assertGreaterEqual(len(self.flushLoggedErrors()), 1)
            self.assertTrue(self.alive())

    def test_what_cannot_be_sent(self) -> None:
        """A value too long for a box fails the sender's call."""
        failure = self.failureResultOf(self.call(Fails, how="x" * 70_000))
        self.assertFalse(was_refused(failure))
        self.transports[0].clear()
        self.assertTrue(self.alive())

    def pass_file(self, name: str) -> Any:
        """A file that holds its name is passed on."""
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write(name)
        with open(path, "rb") as file:
            return self.call(Passed, file=file.fileno(), name=name)

    def test_lost_descriptors(self) -> None:
        """A descriptor that did not come, since there were no more, is missed by its own question only: none goes on
        with another's."""
        answers = [self.pass_file(name) for name in ("a", "b", "c")]
        lost, *come = self.transports[0].descriptors
        os.close(lost)
        for descriptor in come:
            self.there.fileDescriptorReceived(descriptor)
        self.exchange()
        self.assertTrue(was_refused(self.failureResultOf(answers[0])))
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)
        self.assertEqual(
            [self.successResultOf(answer) for answer in answers[1:]], [{"content": "b: b"}, {"content": "c: c"}]
        )

    def test_descriptors_that_nobody_took(self) -> None:
        """They are closed with the channel."""
        descriptor = os.open(os.devnull, os.O_RDONLY)
        self.there.fileDescriptorReceived(descriptor)
        self.there.connectionLost(Failure(ConnectionDone()))
        self.assertRaises(OSError, os.fstat, descriptor)


class WithinTests(SynchronousTestCase):
    """`within`"""

    def test_in_time(self) -> None:
        """A result in time is passed on, an error too."""
        clock = Clock()
        for outcome in (7, Failure(ConnectionDone())):
            call: Deferred[Any] = Deferred()
            result = within(call, clock, 3)
            clock.advance(2)
            (call.errback if isinstance(outcome, Failure) else call.callback)(outcome)
            if isinstance(outcome, Failure):
                self.failureResultOf(result, ConnectionDone)
            else:
                self.assertEqual(self.successResultOf(result), outcome)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_too_late(self) -> None:
        """A late result is NoAnswer; the call itself goes on."""
        clock = Clock()
        call: Deferred[Any] = Deferred()
        result = within(call, clock, 3)
        clock.advance(3)
        self.failureResultOf(result, NoAnswer)
        call.callback(7)
        self.assertNoResult(within(Deferred(), clock, 0))
