"""The lifetimes of the store and of the clients."""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from redistill.lifetime.service import CHATTER, DRAIN, ServerService
from redistill.lifetime.signals import SignalService
from redistill.net.loop import Loop


class PlayedClient:
    """A client that ends when it is told to, unless it is `busy`."""

    def __init__(self, clients: dict[int, Any], number: int) -> None:
        self.clients, self.number = clients, number
        self.last_active = 0.0
        self.busy = False
        self.log: list[str] = []
        clients[number] = self

    def finish(self) -> None:
        self.log.append("finish")
        if not self.busy:
            self.clients.pop(self.number, None)

    def abort(self) -> None:
        self.log.append("abort")
        self.clients.pop(self.number, None)


class PlayedReactor(Clock):
    """A clock that can be stopped."""

    stops = 0
    loop: Loop

    def callWhenRunning(self, call: Any) -> None:
        """Signals are not for tests."""

    def stop(self) -> None:
        self.stops += 1


class DrainTests(SynchronousTestCase):
    """The end of ServerService"""

    def setUp(self) -> None:
        self.reactor = PlayedReactor()
        self.clients: dict[int, Any] = {}
        self.loop = self.reactor.loop = Loop()
        self.addCleanup(self.loop.close)
        self.server = ServerService(self.reactor, self.loop, [[]], 0, None, self.clients, 30)  # type: ignore[arg-type]
        self.server.startService()
        self.reactor.advance(100)

    def test_without_clients(self) -> None:
        """With nobody there the stop takes one turn of the reactor."""
        stopped = self.server.stopService()
        self.reactor.advance(0)
        self.successResultOf(stopped)

    def test_silent_client_is_closed_at_once(self) -> None:
        """A client that has nothing to say is closed after one turn, in which what it had sent was read."""
        client = PlayedClient(self.clients, 1)
        stopped = self.server.stopService()
        self.assertEqual(client.log, [])
        self.reactor.advance(0)
        self.reactor.advance(DRAIN)
        self.assertEqual(client.log, ["finish"])
        self.successResultOf(stopped)

    def test_client_that_sends_is_read(self) -> None:
        """A client whose bytes are still arriving is closed when they have arrived."""
        client = PlayedClient(self.clients, 1)
        stopped = self.server.stopService()
        for _ in range(5):
            client.last_active = self.reactor.seconds()
            self.reactor.advance(DRAIN)
        self.assertEqual(client.log, [])
        self.reactor.advance(DRAIN)
        self.assertEqual(client.log, ["finish"])
        self.reactor.advance(DRAIN)
        self.successResultOf(stopped)

    def test_client_that_never_stops_sending(self) -> None:
        """A client that goes on and on is closed after CHATTER seconds all the same."""
        client = PlayedClient(self.clients, 1)
        self.server.stopService()
        for _ in range(int(CHATTER / DRAIN) + 2):
            client.last_active = self.reactor.seconds()
            self.reactor.advance(DRAIN)
        self.assertEqual(client.log, ["finish"])

    def test_grace_period(self) -> None:
        """A client that does not let itself be closed is cut at the end of the grace period, and not before."""
        client = PlayedClient(self.clients, 1)
        client.busy = True
        stopped = self.server.stopService()
        self.reactor.pump([0.5] * 59)
        self.assertNoResult(stopped)
        self.assertNotIn("abort", client.log)
        self.reactor.pump([0.5] * 2)
        self.assertEqual(client.log[-1], "abort")
        self.reactor.advance(DRAIN)
        self.successResultOf(stopped)

    def test_signal_stops_once(self) -> None:
        """The first signal stops the daemon in peace, the second one does not wait for the clients."""
        signals = SignalService(self.reactor, self.server, self.fail, self.fail, lambda: 0)
        signals.startService()
        signals.stop()
        self.assertEqual((self.reactor.stops, self.server.grace), (1, 30))
        signals.stop()
        self.assertEqual((self.reactor.stops, self.server.grace), (1, 0))

    def test_signal_before_the_start(self) -> None:
        """A signal that comes before the services start is kept until the reactor runs."""
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        kept: list[object] = []
        self.reactor.callFromThread = kept.append  # type: ignore[attr-defined]
        reload = lambda: None  # noqa: E731
        SignalService(self.reactor, self.server, reload, self.fail, lambda: 0).privilegedStartService()
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(kept, [reload])

    def test_shutdown_now(self) -> None:
        """SHUTDOWN NOW does not wait at all."""
        SignalService(self.reactor, self.server, self.fail, self.fail, lambda: 5).stop(now=True)
        self.assertEqual((self.reactor.stops, self.server.grace), (1, 0))

    def test_drain_delay(self) -> None:
        """For some seconds only the word is out that the server stops; a second signal cuts them short."""
        for seconds in (5, 1):
            before = self.reactor.stops
            signals = SignalService(self.reactor, self.server, self.fail, self.fail, lambda: 5)
            self.assertFalse(signals.stopping)
            signals.stop()
            self.assertTrue(signals.stopping)
            self.reactor.advance(seconds - 0.5)
            self.assertEqual(self.reactor.stops, before)
            if seconds < 5:
                signals.stop()
            self.reactor.advance(0.5)
            self.assertEqual(self.reactor.stops, before + 1)
