"""Clients and their factory, with a session that only plays the core's part."""

from __future__ import annotations

import itertools
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine import Overflow, Status
from redistill.engine.interfaces import SlowEntry
from redistill.engine.stats import DaemonCounters
from redistill.net import protocol
from redistill.net.protocol import RespFactory, RespProtocol
from redistill.net.protocol.client import SHARE
from redistill.net.protocol.idle import LINGER
from tests.support import arena


class PlayedSession:
    """Executes words that end in a space, as the core executes commands.

    ``ask:x`` is one of the control plane, ``quit`` closes, ``hold`` waits while `paused`, ``big:n`` gives n bytes and stops
    there, ``busy`` has had its share, ``busy:x`` in the middle of a command, ``bug`` raises. Any other word is its own reply.
    """

    def __init__(self) -> None:
        self.input = b""
        self.out = b""
        self.paused = False
        self.closed = False
        self.trimmed = 0
        self.asked: list[bytes] = []
        self.piece = 65536
        self.on_slow: Any = None
        self.state = self
        self.close_after_reply = self.in_exec = self.locked = self.owed = self.monitors = False
        self.shown_peer = ""
        self.overflowed = Overflow.NONE
        self.limit = 10**9
        self.parted = self.suspended = False
        self.busy = False
        self.last_active = 0.0

    def feed(self, data: bytes) -> Status:
        assert not self.closed, "fed after its end"
        self.input += data
        return self.resume()

    def resume(self) -> Status:
        assert not self.closed, "resumed after its end"
        self.suspended = False
        while b" " in self.input:
            if self.close_after_reply:
                return Status.CLOSE
            word, _, rest = self.input.partition(b" ")
            if word == b"hold" and self.paused:
                return Status.PAUSED
            self.input = rest
            name, _, value = word.partition(b":")
            if name == b"ask":
                self.asked = [name, value]
                return Status.CONTROL
            if name == b"busy":
                self.suspended = bool(value)
                return Status.BUSY
            if name == b"quit":
                self.out += b"bye "
                return Status.CLOSE
            if name == b"bug":
                raise ZeroDivisionError("a bug")
            if name == b"big":
                self.out += b"x" * int(value)
                return Status.FULL
            self.out += word + b" "
        return Status.CLOSE if self.close_after_reply else Status.MORE

    def output(self) -> bytes:
        out, self.out = self.out[: self.piece], self.out[self.piece :]
        return out

    @property
    def waiting(self) -> int:
        return len(self.out)

    def argv(self) -> list[bytes]:
        return self.asked

    def answer(self, data: bytes) -> None:
        self.out += data

    def abandon(self) -> bool:
        return False

    def push(self, data: bytes) -> bool:
        if len(self.out) + len(data) > self.limit:
            self.overflowed = Overflow.OUTPUT
            return False
        self.out += data
        return True

    def set_peer(self, text: str) -> None:
        self.shown_peer = text

    def trim(self) -> None:
        self.trimmed += 1

    def drop(self) -> None:
        self.out = self.input = b""

    def close(self) -> None:
        self.closed, self.suspended = True, False


class Transport(StringTransport):
    """A transport that tells its producer to pause at `room` bytes, until the client has `read` them."""

    room = 10**9

    def __init__(self, **addresses: Any) -> None:
        super().__init__(**addresses)
        self.aborted = False
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)
        if len(self.value()) > self.room and self.producer is not None:
            self.producer.pauseProducing()

    def read(self) -> bytes:
        """What was written so far; then there is room again."""
        data: bytes = self.value()
        self.clear()
        if self.producer is not None:
            self.producer.resumeProducing()
        return data

    def abortConnection(self) -> None:
        self.aborted = True


class PlayedControl:
    """Answers with the word asked for in capitals, at once or when the test says so."""

    def __init__(self) -> None:
        self.deferred: Deferred[bytes] | None = None
        self.raises: Exception | None = None
        self.runs: list[list[bytes]] = []
        self.came: list[int] = []
        self.taken: list[int] = []
        self.slow_ones: list[tuple[int, SlowEntry]] = []

    def run(self, client: RespProtocol, argv: list[bytes]) -> bytes | Deferred[bytes]:
        self.runs.append(argv)
        if self.raises:
            raise self.raises
        return argv[1].upper() + b" " if self.deferred is None else self.deferred

    def connected(self, client: RespProtocol) -> None:
        self.came.append(client.client_id)

    def adopted(self, client: RespProtocol) -> None:
        self.taken.append(client.client_id)

    def left(self, client: RespProtocol) -> None:
        """Nobody keeps account."""

    def slow(self, client: RespProtocol, entry: SlowEntry) -> None:
        self.slow_ones.append((client.client_id, entry))


class Case(SynchronousTestCase):
    """Some clients of one factory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.control = PlayedControl()
        self.counters = DaemonCounters()
        self.clients: dict[int, RespProtocol] = {}
        self.sessions: list[PlayedSession] = []
        self.blocked: list[int] = []
        self.factory = RespFactory(
            self.clock,
            self.open_session,  # type: ignore[arg-type]
            self.control,
            self.clients,
            counters=self.counters,
            next_id=itertools.count(1).__next__,
            output_limit=1000,
            idle_timeout=60,
            read_size=4096,
            on_blocked=self.blocked.append,
        )
        self.client, self.transport, self.session = self.connect()

    def open_session(self) -> PlayedSession:
        """What the factory opens for a client."""
        self.sessions.append(PlayedSession())
        return self.sessions[-1]

    def connect(self) -> tuple[RespProtocol, Transport, PlayedSession]:
        """One more client."""
        client, transport = self.factory.buildProtocol(None), Transport()  # type: ignore[arg-type]
        client.makeConnection(transport)
        return client, transport, client.session  # type: ignore[return-value]

    def lose(self, client: RespProtocol | None = None) -> None:
        """The connection is gone."""
        (client or self.client).connectionLost(Failure(ConnectionDone()))


class ReplyTests(Case):
    """Bytes in, replies out"""

    def test_one_read_is_one_write(self) -> None:
        """All replies to one read leave in one write."""
        self.client.dataReceived(b"a b c ")
        self.assertEqual((self.transport.value(), self.transport.writes), (b"a b c ", 1))

    def test_command_in_two_reads(self) -> None:
        """A command that comes in pieces is answered when it is whole; nothing is written before."""
        self.client.dataReceived(b"wo")
        self.assertEqual(self.transport.writes, 0)
        self.client.dataReceived(b"rd ")
        self.assertEqual(self.transport.value(), b"word ")

    def test_answers_of_the_control_plane_keep_their_place(self) -> None:
        """Replies of the core and of the control plane leave in the order of the requests, in one write."""
        self.client.dataReceived(b"a ask:b c ask:d e ")
        self.assertEqual((self.transport.value(), self.transport.writes), (b"a B c D e ", 1))
        self.assertEqual(self.control.runs, [[b"ask", b"b"], [b"ask", b"d"]])

    def test_long_pipelines_let_others_in(self) -> None:
        """After its share of answers a client waits for its next turn, in which it goes on."""
        self.client.dataReceived(b"ask:b " * (SHARE + 2) + b"c ")
        self.assertEqual(self.transport.value(), b"B " * SHARE)
        other, transport, _ = self.connect()
        other.dataReceived(b"x ")
        self.clock.advance(0)
        self.assertEqual((transport.value(), self.transport.value()), (b"x ", b"B " * (SHARE + 2) + b"c "))

    def test_long_answers_let_others_in(self) -> None:
        """A share is a time, too: an answer that took it all is the last one of the turn."""
        self.patch(protocol.client, "SHARE_SECONDS", 0.0)
        self.client.dataReceived(b"ask:b ask:c d ")
        self.assertEqual(self.transport.value(), b"B ")
        self.clock.advance(0)
        self.assertEqual(self.transport.value(), b"B C d ")

    def test_client_that_goes_before_its_turn(self) -> None:
        """A client that is lost before its next turn does not get it."""
        self.client.dataReceived(b"ask:b " * (SHARE + 2))
        self.lose()
        self.clock.advance(0)
        self.assertEqual(self.transport.value(), b"B " * SHARE)

    def test_full_output_is_written_before_more_is_executed(self) -> None:
        """When the session stops for its output, that is written and the rest executed."""
        self.client.dataReceived(b"big:100 a big:50 b ")
        self.assertEqual(self.transport.value(), b"x" * 100 + b"a " + b"x" * 50 + b"b ")

    def test_quit_closes_after_its_reply(self) -> None:
        """After QUIT the reply is written, the connection closed, and what follows is not executed."""
        self.client.dataReceived(b"a quit b ")
        self.client.dataReceived(b"c ")
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"a bye ", True))

    def test_slow_commands_are_handed_on(self) -> None:
        """What the session reports as slow reaches the control plane with its client."""
        entry = SlowEntry(1, 2, [b"get"], True)
        self.session.on_slow(entry)
        self.assertEqual(self.control.slow_ones, [(1, entry)])


class BusyTests(Case):
    """Sessions that have had their share of a turn"""

    def test_others_go_first(self) -> None:
        """It goes on in the next turn; what comes meanwhile is kept, and nothing more is read."""
        self.client.dataReceived(b"a busy b ")
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"a ", "producing"))
        self.client.dataReceived(b"c ")
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"a ", "paused"))
        self.clock.advance(0)
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"a b c ", "producing"))

    def test_within_a_command(self) -> None:
        """One that is in the middle of a command goes on, too, as often as it takes."""
        self.client.dataReceived(b"a busy:x busy:x b ")
        self.assertEqual(self.transport.value(), b"a ")
        self.clock.advance(0)
        self.assertEqual(self.transport.value(), b"a b ")

    def test_client_that_does_not_read(self) -> None:
        """It does not go on before it has read, unless it is in the middle of a command: others may wait for it."""
        for word, left in ((b"busy", b"busy-not-begun "), (b"busy:x", b"")):
            self.client, self.transport, session = self.connect()
            self.transport.room = 1
            self.client.dataReceived(b"aa " + word + b" busy-not-begun ")
            self.clock.advance(0)
            self.assertEqual((self.transport.value(), session.input), (b"aa ", left))
            self.transport.room = 10**9
            self.assertEqual(self.transport.read(), b"aa ")
            self.assertEqual(self.transport.value(), b"busy-not-begun ")

    def test_client_that_goes(self) -> None:
        """Nothing is executed for one that has gone."""
        for word in (b"busy", b"busy:x"):
            self.client, self.transport, _ = self.connect()
            self.client.dataReceived(word + b" b ")
            self.client.connectionLost()
            self.clock.advance(0)
            self.assertEqual(self.flushLoggedErrors(), [])

    def test_mistake(self) -> None:
        """What raises in a later turn closes the connection."""
        for word in (b"busy", b"busy:x"):
            self.client, self.transport, _ = self.connect()
            self.client.dataReceived(word + b" bug ")
            self.clock.advance(0)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            self.assertTrue(self.transport.disconnecting)


class DeferredTests(Case):
    """Commands that are answered later"""

    def setUp(self) -> None:
        super().setUp()
        self.later: Deferred[bytes] = Deferred()
        self.control.deferred = self.later

    def test_later_commands_wait(self) -> None:
        """What was written before leaves at once; what comes after waits for the answer, in its place."""
        self.client.dataReceived(b"a ask:b c ")
        self.client.dataReceived(b"d ")
        self.assertEqual(self.transport.value(), b"a ")
        self.later.callback(b"B ")
        self.assertEqual(self.transport.value(), b"a B c d ")

    def test_waiting_is_told_at_once(self) -> None:
        """How many clients wait is told whenever it changes: when one begins to, is answered, or goes."""
        self.client.dataReceived(b"ask:b ")
        self.control.deferred = Deferred(lambda cancelled: None)
        other, _, _ = self.connect()
        other.dataReceived(b"ask:b ")
        self.later.callback(b"B ")
        self.lose(other)
        self.assertEqual(self.blocked, [1, 2, 1, 0])

    def test_other_clients_do_not_wait(self) -> None:
        """Another client is served meanwhile."""
        self.client.dataReceived(b"ask:b ")
        other, transport, _ = self.connect()
        other.dataReceived(b"x ")
        self.assertEqual(transport.value(), b"x ")

    def test_reading_stops_and_goes_on(self) -> None:
        """At most one read is held; then the transport is paused until the answer is there."""
        self.client.dataReceived(b"ask:b ")
        self.assertEqual(self.transport.producerState, "producing")
        self.client.dataReceived(b"c ")
        self.assertEqual(self.transport.producerState, "paused")
        self.later.callback(b"B ")
        self.assertEqual((self.transport.producerState, self.transport.value()), ("producing", b"B c "))

    def test_answer_that_is_there_already(self) -> None:
        """A pipeline of Deferreds that have fired is answered in order, without recursion."""
        self.control.run = lambda client, argv: succeed(argv[1])  # type: ignore[assignment]
        self.client.dataReceived(b"ask:b " * 5000)
        self.clock.pump([0] * 5000)
        self.assertEqual(self.transport.value(), b"b" * 5000)

    def test_client_that_has_gone_is_not_answered(self) -> None:
        """When the connection is lost the command is cancelled, and nothing is written or logged."""
        cancelled: list[object] = []
        self.control.deferred = Deferred(cancelled.append)
        self.client.dataReceived(b"ask:b ")
        self.lose()
        self.assertEqual((len(cancelled), self.transport.value(), self.flushLoggedErrors()), (1, b"", []))

    def test_failure_later(self) -> None:
        """A Deferred that fails is logged; the client is told and closed, after what it was owed."""
        self.client.dataReceived(b"a ask:b c ")
        self.later.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"a -ERR internal error\r\n", True))


class MistakeTests(Case):
    """Mistakes of ours"""

    def test_command_that_raises(self) -> None:
        """An exception of the control plane is logged; the client is told and closed."""
        self.control.raises = ZeroDivisionError()
        self.client.dataReceived(b"a ask:b c ")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"a -ERR internal error\r\n", True))

    def test_session_that_raises(self) -> None:
        """Nothing raises past dataReceived."""
        self.client.dataReceived(b"a bug ")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.transport.disconnecting)

    def test_others_do_not_notice(self) -> None:
        """Another client is served after it."""
        other, transport, _ = self.connect()
        self.client.dataReceived(b"bug ")
        other.dataReceived(b"x ")
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual((transport.value(), transport.disconnecting), (b"x ", False))

    def test_no_memory_for_a_session(self) -> None:
        """A client for which there is no session is closed, and leaves nothing behind."""

        def fail() -> Any:
            raise MemoryError

        self.factory.open_session = fail
        client, transport = self.factory.buildProtocol(None), Transport()  # type: ignore[arg-type]
        client.makeConnection(transport)
        self.assertTrue(transport.aborted)
        client.dataReceived(b"a ")
        self.lose(client)
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)
        self.assertEqual(list(self.clients), [1])


class TransactionTests(Case):
    """Commands of the control plane in a transaction of the real core"""

    def open_session(self) -> Any:
        if not hasattr(self, "store"):
            self.store = arena.opened(self)
        return arena.session(self.store)

    def test_command_that_raises(self) -> None:
        """A transaction with such a command is executed to its end, its locks are free, and the client is closed."""
        self.control.raises = ZeroDivisionError()
        self.client.dataReceived(b"MULTI\r\nSET k 1\r\nCLIENT ID\r\nINCR k\r\nEXEC\r\nPING\r\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(
            self.transport.value(), b"+OK\r\n" + b"+QUEUED\r\n" * 3 + b"*3\r\n+OK\r\n-ERR internal error\r\n:2\r\n"
        )
        self.assertTrue(self.transport.disconnecting)
        other, transport, _ = self.connect()
        other.session.state.authenticated = True
        other.dataReceived(b"GET k\r\n")
        self.assertEqual(transport.value(), b"$1\r\n2\r\n")


class BackPressureTests(Case):
    """Clients that do not read"""

    def setUp(self) -> None:
        super().setUp()
        self.transport.room = 100
        self.session.piece = 60

    def test_client_that_does_not_read_is_not_served(self) -> None:
        """With enough unread nothing more is executed, and after one read more nothing is read."""
        self.client.dataReceived(b"big:110 a ")
        self.assertEqual((self.transport.value(), self.session.input), (b"x" * 110, b"a "))
        self.client.dataReceived(b"b ")
        self.assertEqual((self.session.input, self.transport.producerState), (b"a ", "paused"))

    def test_client_that_reads_again_is_served_again(self) -> None:
        """When it has read, execution and reading go on."""
        self.client.dataReceived(b"big:110 a ")
        self.client.dataReceived(b"b ")
        self.assertEqual(self.transport.read(), b"x" * 110)
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"a b ", "producing"))

    def test_large_output_leaves_in_pieces(self) -> None:
        """A large reply stays in the session, and leaves as the client reads."""
        self.client.dataReceived(b"big:500 a ")
        received = []
        while data := self.transport.read():
            received.append(len(data))
        self.assertEqual(received, [120, 120, 120, 120, 22])

    def test_output_limit(self) -> None:
        """With as much waiting as the limit says a client is served, with more it is cut, counted and logged."""
        self.client.dataReceived(b"big:1120 ")
        self.assertEqual((self.session.waiting, self.transport.aborted), (1000, False))
        other, transport, session = self.connect()
        transport.room, session.piece = 100, 60
        other.dataReceived(b"big:1121 ")
        self.assertTrue(transport.aborted)
        self.assertEqual(self.counters, DaemonCounters(output_disconnections=1))

    def test_no_output_limit(self) -> None:
        """0 is no limit."""
        self.factory.output_limit = 0
        self.client.dataReceived(b"big:100000 ")
        self.assertFalse(self.transport.aborted)

    def test_push(self) -> None:
        """What is pushed leaves at once, behind what a client has not read; it counts as a sign of life."""
        self.clock.advance(5)
        self.client.push(b"one ")
        self.assertEqual((self.transport.value(), self.client.last_active), (b"one ", 5.0))
        self.client.dataReceived(b"big:500 ")
        self.client.push(b"two ")
        received = b""
        while data := self.transport.read():
            received += data
        self.assertEqual(received, b"one " + b"x" * 500 + b"two ")
        self.client.dataReceived(b"a ")
        self.assertEqual(self.transport.value(), b"a ")

    def test_pushes_to_who_does_not_read(self) -> None:
        """Pushes wait while a client does not read, up to the limit; with more it is closed."""
        self.client.dataReceived(b"big:120 ")
        self.client.push(b"x" * 1000)
        self.assertEqual((self.session.waiting, self.transport.aborted), (1000, False))
        self.client.push(b"x")
        self.assertEqual((self.transport.aborted, self.counters), (True, DaemonCounters(output_disconnections=1)))
        self.client.push(b"x")
        self.assertEqual(self.counters, DaemonCounters(output_disconnections=1))

    def test_pushes_that_find_no_room(self) -> None:
        """A client is closed, too, when its session takes no more."""
        self.session.limit = 100
        self.client.push(b"x" * 100)
        self.client.push(b"x" * 101)
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual((self.transport.value(), self.counters), (b"x" * 100, DaemonCounters(output_disconnections=1)))

    def test_evicted_client_is_closed_at_once(self) -> None:
        """A client that has the largest buffers of all is closed without its replies, which are forgotten."""
        self.client.dataReceived(b"big:300 ")
        self.client.evict()
        self.assertTrue(self.transport.aborted)
        self.assertEqual((self.session.out, self.counters), (b"", DaemonCounters(evicted_clients=1)))

    def test_reply_beyond_what_all_may_have(self) -> None:
        """A client whose reply is larger than all buffers may be is closed as one that is evicted."""
        self.session.overflowed = Overflow.CLIENTS
        self.client.dataReceived(b"quit ")
        self.assertTrue(self.transport.aborted)
        self.assertEqual(self.counters, DaemonCounters(evicted_clients=1))

    def test_reply_beyond_the_output_limit(self) -> None:
        """A client with a reply that is larger than its output may be is closed and counted."""
        self.session.overflowed = Overflow.OUTPUT
        self.client.dataReceived(b"quit ")
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.counters, DaemonCounters(output_disconnections=1))

    def test_mistake_in_a_push(self) -> None:
        """It costs the connection, and does not come to who pushes."""
        self.session.push = lambda data: 1 // 0  # type: ignore[assignment, method-assign]
        self.client.push(b"x")
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_close_waits_for_the_reader(self) -> None:
        """QUIT behind a large reply: all of it leaves before the connection is closed."""
        self.client.dataReceived(b"big:300 quit ")
        self.assertFalse(self.transport.disconnecting)
        received = b""
        while not self.transport.disconnecting:
            received += self.transport.read()
        self.assertEqual(received + self.transport.value(), b"x" * 300 + b"bye ")

    def test_answer_comes_while_unread(self) -> None:
        """An answer for a client that has enough unread is written when it has read, in its place."""
        self.control.deferred = later = Deferred()
        self.client.dataReceived(b"big:110 ")
        self.transport.read()
        self.client.dataReceived(b"big:110 ask:b c ")
        self.transport.read()
        self.client.pauseProducing()
        later.callback(b"B ")
        self.assertEqual(self.transport.value(), b"")
        self.transport.read()
        self.assertEqual(self.transport.value(), b"B c ")

    def test_killed_client_that_does_not_read_is_aborted(self) -> None:
        """A kill does not wait for what is unread."""
        self.client.dataReceived(b"big:110 ")
        self.client.kill()
        self.assertTrue(self.transport.aborted)


class PauseTests(Case):
    """CLIENT PAUSE"""

    def test_held_commands_go_on_after_the_pause(self) -> None:
        """A held command and what follows it are executed soon after the pause, in order."""
        self.session.paused = True
        self.client.dataReceived(b"a hold b ")
        self.client.dataReceived(b"c ")
        self.clock.pump([0.01] * 50)
        self.assertEqual((self.transport.value(), self.blocked), (b"a ", [1]))
        self.session.paused = False
        self.clock.advance(0.01)
        self.assertEqual((self.transport.value(), self.blocked), (b"a hold b c ", [1, 0]))

    def test_all_held_clients_go_on(self) -> None:
        """When the pause has ended every client goes on, and nobody is asked any more."""
        others = [self.connect() for _ in range(3)]
        for client, _, session in others:
            session.paused = True
            client.dataReceived(b"hold ")
        self.clock.advance(0.01)
        for _, _, session in others:
            session.paused = False
        self.clock.advance(0.01)
        self.assertEqual([transport.value() for _, transport, _ in others], [b"hold "] * 3)
        self.assertFalse(self.factory.blocked._retry.running)

    def test_held_client_that_goes(self) -> None:
        """A client that is lost while it is held is not asked again."""
        self.session.paused = True
        self.client.dataReceived(b"hold ")
        self.lose()
        self.clock.pump([0.01] * 3)
        self.assertEqual(self.transport.value(), b"")


class EndTests(Case):
    """Ends of connections"""

    def test_half_closed(self) -> None:
        """A client that sends no more gets the replies to what it sent, then the connection is closed."""
        self.client.dataReceived(b"a b ")
        self.client.readConnectionLost()
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"a b ", True))

    def test_half_closed_while_it_waits(self) -> None:
        """It is closed after the answer that it waits for, not before."""
        self.control.deferred = later = Deferred()
        self.client.dataReceived(b"ask:b c ")
        self.client.readConnectionLost()
        self.assertFalse(self.transport.disconnecting)
        later.callback(b"B ")
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"B c ", True))

    def test_half_a_command_and_a_close(self) -> None:
        """An unfinished command is not waited for: the connection closes, and no timer is left."""
        self.client.dataReceived(b"unfinish")
        self.client.readConnectionLost()
        self.lose()
        self.assertEqual((self.transport.disconnecting, self.clock.getDelayedCalls()), (True, []))

    def test_lost_client_leaves_nothing(self) -> None:
        """When a connection is lost its session is closed, its place free, and those who wait for it are told."""
        told: list[str] = []
        self.client.leaving += (lambda: told.append("limit"),)
        self.lose()
        self.assertEqual((self.session.closed, self.clients, told), (True, {}, ["limit"]))

    def test_kill(self) -> None:
        """A killed client is closed at once; what it sent after is not executed."""
        self.client.kill()
        self.client.dataReceived(b"a ")
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"", True))

    def test_finish_of_an_idle_client(self) -> None:
        """When the server stops a client with nothing to do is closed at once."""
        self.client.finish()
        self.assertTrue(self.transport.disconnecting)

    def test_finish_waits_for_the_answer(self) -> None:
        """When the server stops a command that is being answered is still answered."""
        self.control.deferred = later = Deferred()
        self.client.dataReceived(b"ask:b ")
        self.client.finish()
        self.assertFalse(self.transport.disconnecting)
        later.callback(b"B ")
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"B ", True))

    def test_client_that_does_not_let_itself_be_closed(self) -> None:
        """A closed client that does not read its last replies is cut after LINGER seconds."""
        self.transport.room = 100
        self.client.dataReceived(b"w" * 200 + b" quit ")
        self.clock.pump([1.0] * int(LINGER - 1))
        self.assertFalse(self.transport.aborted)
        self.clock.pump([1.0] * 2)
        self.assertTrue(self.transport.aborted)


class IdleTests(Case):
    """The idle timeout"""

    def test_idle_client_is_closed_in_time(self) -> None:
        """A client that is silent for the timeout is closed and counted, not earlier."""
        self.clock.pump([1.0] * 59)
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(1.0)
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.counters, DaemonCounters(idle_disconnections=1))

    def test_shortest_timeout(self) -> None:
        """A timeout of one second is kept, too."""
        self.factory.idle_timeout = 1
        self.clock.advance(1.0)
        self.assertTrue(self.transport.disconnecting)

    def test_client_that_sends_stays(self) -> None:
        """Whatever a client sends, if it is only a part of a command, it is not idle."""
        for _ in range(10):
            self.clock.pump([1.0] * 50)
            self.client.dataReceived(b"x")
        self.assertFalse(self.transport.disconnecting)

    def test_waiting_client_stays(self) -> None:
        """A client that waits for an answer is not idle."""
        self.control.deferred = Deferred()
        self.client.dataReceived(b"ask:b ")
        self.clock.pump([1.0] * 200)
        self.assertFalse(self.transport.disconnecting)

    def test_reading_is_progress(self) -> None:
        """A client that takes a large reply slowly is not idle."""
        self.transport.room, self.session.piece = 100, 101
        self.client.dataReceived(b"big:900 ")
        for _ in range(5):
            self.clock.pump([1.0] * 50)
            self.transport.read()
        self.assertFalse(self.transport.disconnecting or self.transport.aborted)

    def test_monitoring_client_stays(self) -> None:
        """A client that monitors only listens, and is not idle."""
        self.session.monitors = True
        self.clock.pump([1.0] * 200)
        self.assertFalse(self.transport.disconnecting)
        self.session.monitors = False
        self.clock.advance(1.0)
        self.assertTrue(self.transport.disconnecting)

    def test_no_timeout(self) -> None:
        """0 is never."""
        self.factory.idle_timeout = 0
        self.clock.pump([100.0] * 100)
        self.assertFalse(self.transport.disconnecting)

    def test_buffers_of_a_quiet_client_are_given_back_once(self) -> None:
        """After two seconds of silence the session is told to give memory back, and not each second again."""
        self.clock.pump([1.0] * 30)
        self.assertEqual(self.session.trimmed, 1)

    def test_no_timer_without_clients(self) -> None:
        """With the last client the timer goes."""
        self.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RegistryTests(Case):
    """What the control plane knows of clients"""

    def test_ids_count_up(self) -> None:
        """Each client gets a number of its own, which no later client gets."""
        self.connect()
        self.lose()
        self.connect()
        self.assertEqual((list(self.clients), self.control.came), ([2, 3], [1, 2, 3]))

    def test_names(self) -> None:
        """Peer and local address are shown as Redis shows them."""
        self.assertEqual((self.client.peer, self.client.local), ("192.168.1.1:54321", "10.0.0.1:12345"))
        self.assertEqual(self.session.shown_peer, "192.168.1.1:54321")
        client, transport = self.factory.buildProtocol(None), Transport(hostAddress=UNIXAddress("/run/s"))  # type: ignore[arg-type]
        transport.peerAddr = UNIXAddress(None)
        client.makeConnection(transport)
        self.assertEqual((client.peer, client.session.shown_peer), ("/run/s:0", "unix:/run/s"))  # type: ignore[attr-defined]
