"""A worker's end of its channel: whatever goes wrong in what it is told, it goes on, and the supervisor hears of it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.testing import StringTransport
from twisted.protocols.amp import UnknownRemoteError
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.failures import Refused
from redistill.workers import channel
from redistill.workers.serving import Channel


class Supervisor(channel.End):
    """The other end, as far as a worker needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.served = False
        self.unable = ""

    @channel.Hello.responder
    def hello(self, version: int) -> dict[str, Any]:
        return {"orders": {"number": 3}}

    @channel.Ready.responder
    def ready(self) -> dict[str, Any]:
        self.served = True
        return {}

    @channel.Unable.responder
    def cannot(self, reason: str) -> dict[str, Any]:
        self.unable = reason
        return {}


class Failing:
    """A worker in which everything fails that is not foreseen to."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.generation = 0

    def apply(self, plain: Any) -> None:
        if self.problem is not None:
            raise self.problem

    def caught_up(self, generation: int) -> None:
        self.generation = generation

    def answer(self, question: str, argument: Any) -> Any:
        raise KeyError(question)

    def cover(self, number: int, on: bool) -> None:
        raise OSError(24, "Too many open files")

    def measure_work(self) -> int:
        raise MemoryError

    def move_work(self, percent: int) -> Deferred[int]:
        return fail(ValueError("nothing to give"))

    def retire(self) -> Deferred[None]:
        raise RuntimeError("no")

    def stop(self, now: bool) -> Deferred[None]:
        return fail(RuntimeError("no"))


class ChannelTests(SynchronousTestCase):
    """worker.Channel"""

    def setUp(self) -> None:
        self.serving = Failing()
        self.ends = 0
        self.connect(lambda link, orders: self.serving)

    def connect(self, begin: Any) -> None:
        """A worker begins."""
        self.supervisor, self.worker = Supervisor(), Channel(begin, self.end)
        self.transports = [StringTransport(), StringTransport()]
        self.supervisor.makeConnection(self.transports[0])
        self.worker.makeConnection(self.transports[1])
        self.exchange()

    def end(self) -> None:
        self.ends += 1

    def exchange(self) -> None:
        """Messages sent so far arrive."""
        theirs, ours = self.transports
        while theirs.value() or ours.value():
            for transport, side in ((theirs, self.worker), (ours, self.supervisor)):
                data = transport.value()
                transport.clear()
                side.dataReceived(data)

    def tell(self, command: Any, **arguments: Any) -> Any:
        """The worker's answer to a command of the supervisor: a box, or a failure."""
        found: list[Any] = []
        self.supervisor.callRemote(command, **arguments).addBoth(found.append)
        self.exchange()
        return found[0]

    def test_begins(self) -> None:
        """It says that it serves."""
        self.assertEqual((self.supervisor.served, self.ends), (True, 0))

    def test_cannot_begin(self) -> None:
        """Whatever keeps it from beginning is told, and it ends."""

        def begin(link: Channel, orders: Any) -> Any:
            raise OSError(24, "Too many open files")

        self.connect(begin)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertIn("OSError: [Errno 24] Too many open files", self.supervisor.unable)
        self.assertEqual((self.supervisor.served, self.ends), (False, 1))

    def test_applies(self) -> None:
        """A configuration is applied or refused; what fails is a refusal too. In each case it was dealt with."""
        for number, (problem, told) in enumerate(
            (
                (None, None),
                (Refused("maxclients", "too many"), ["maxclients", "too many"]),
                (UnicodeError("not that"), ["", "internal error: UnicodeError: not that"]),
                (OSError(24, "Too many open files"), ["", "internal error: OSError: [Errno 24] Too many open files"]),
                (MemoryError(), ["", "internal error: MemoryError: "]),
            )
        ):
            self.serving.problem = problem
            self.assertEqual(self.tell(channel.Apply, config={}, generation=number, sockets=0), {"problem": told})
            self.assertEqual(self.serving.generation, number)
        self.assertEqual(len(self.flushLoggedErrors(UnicodeError, OSError, MemoryError)), 3)
        self.assertEqual(self.ends, 0)

    def test_fails(self) -> None:
        """Nothing that fails ends it."""
        self.assertEqual(self.tell(channel.Question, question="x", argument=None), {"answer": None})
        for command, arguments in (
            (channel.Cover, {"number": 1, "on": True}),
            (channel.MeasureWork, {}),
            (channel.MoveWork, {"percent": 5}),
        ):
            self.assertTrue(self.tell(command, **arguments).check(UnknownRemoteError))
        self.assertEqual(len(self.flushLoggedErrors()), 4)
        self.assertEqual((self.ends, self.transports[1].disconnecting), (0, False))

    def test_ends_all_the_same(self) -> None:
        """When it is to end it does, whatever fails on the way."""
        for command, arguments in ((channel.Retire, {}), (channel.Stop, {"now": False})):
            self.connect(lambda link, orders: self.serving)
            self.assertEqual(self.tell(command, **arguments), {})
            self.assertTrue(self.transports[1].disconnecting)
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
