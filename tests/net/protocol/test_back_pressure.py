"""Clients that do not read, and pushes to them."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from redistill.engine import Overflow
from redistill.engine.counters import DaemonCounters
from tests.support.played import PlayedCase


class BackPressureTests(PlayedCase):
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
        """A client with as many waiting replies as the limit says is served; with more it is closed, counted and logged."""
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
        """A push leaves at once, behind unread replies, and counts as activity of the client."""
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

    def test_pushes_that_are_not_read(self) -> None:
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
        """An exception in a push closes the connection, and does not reach the caller."""
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
        """A kill does not wait for unread replies."""
        self.client.dataReceived(b"big:110 ")
        self.client.kill()
        self.assertTrue(self.transport.aborted)
