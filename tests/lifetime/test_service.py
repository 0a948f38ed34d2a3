"""The lifetimes of the store and of the clients."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.settings import Memory
from redistill.engine import Store
from redistill.lifetime.arena import find_arena
from redistill.lifetime.service import (
    CHATTER,
    DRAIN,
    RESTED,
    BackgroundService,
    ServerService,
    SignalService,
    StoreService,
)
from redistill.net.loop import Loop
from tests.support.arena import MIB, NOW_MS, call, session


class PlayedControl:
    """A control plane that only remembers."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.events: set[str] = set()

    def opened(self) -> None:
        self.log.append("opened")

    def tick(self) -> None:
        self.log.append("tick")

    def event(self, name: str, nanoseconds: int) -> None:
        self.events.add(name)


class StoreServiceTests(SynchronousTestCase):
    """StoreService, and BackgroundService in it"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.control = PlayedControl()

    def started(self) -> tuple[StoreService, Store]:
        """A service that runs, and its store."""
        store = Store()
        self.addCleanup(store.close)
        memory = Memory(max_memory=32 * MIB)
        self.arena = find_arena(memory)
        self.arena.open(store, memory, 4)
        keeper = StoreService(store, self.arena, 0)
        self.background = BackgroundService(self.clock, store, self.control)
        self.background.setServiceParent(keeper)  # type: ignore[no-untyped-call]
        keeper.startService()
        store.frozen_ms = NOW_MS
        return keeper, store

    def test_control_plane_is_told(self) -> None:
        """The control plane hears that the store is there, and then of every second."""
        keeper, _ = self.started()
        self.clock.advance(1)
        self.assertEqual(self.control.log, ["opened", "tick", "tick"])
        self.successResultOf(keeper.stopService())

    def test_expired_memory_comes_back(self) -> None:
        """Keys that have expired go without anybody asking for them."""
        keeper, store = self.started()
        client = session(store)
        for number in range(500):
            call(client, "set", number, "v", "px", 100)
        store.frozen_ms += 101
        self.clock.pump([RESTED] * 100)
        self.assertEqual((store.count(0), store.counter("expired_keys")), (0, 500))
        self.assertEqual(self.control.events, {"expire-cycle"})
        self.successResultOf(keeper.stopService())

    def test_stop_leaves_nothing(self) -> None:
        """After the stop there is no timer, no session and no arena."""
        keeper, store = self.started()
        client = session(store)
        self.successResultOf(keeper.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertRaises(TypeError, client.feed, b"PING\r\n")
        self.assertEqual(self.arena.fd, -1)

    def test_store_outlives_its_children(self) -> None:
        """The arena is there, and the background work goes on, until the services that use it have stopped."""
        keeper, store = self.started()
        ended: Deferred[None] = Deferred()

        class Child(Service):
            def stopService(self) -> Deferred[None]:
                return ended

        Child().setServiceParent(self.background)  # type: ignore[no-untyped-call]
        stopped = keeper.stopService()
        self.clock.advance(1)
        self.assertEqual((store.count(0), self.control.log), (0, ["opened", "tick", "tick"]))
        self.assertNoResult(stopped)
        ended.callback(None)
        self.successResultOf(stopped)

    def test_mistake_in_the_background_does_not_end_it(self) -> None:
        """An exception of the background work is logged, and it goes on."""
        keeper, store = self.started()
        sweeps: list[int] = []

        def sweep(budget_ns: int, part: int, parts: int) -> bool:
            sweeps.append(budget_ns)
            raise ZeroDivisionError

        store.sweep = sweep  # type: ignore[method-assign]
        self.clock.pump([RESTED] * 3)
        self.assertEqual((len(sweeps), len(self.flushLoggedErrors(ZeroDivisionError))), (3, 3))
        self.successResultOf(keeper.stopService())


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
