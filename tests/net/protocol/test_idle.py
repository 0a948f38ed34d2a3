"""Silent clients."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from redistill.engine.counters import DaemonCounters
from tests.support.played import PlayedCase


class IdleTests(PlayedCase):
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
