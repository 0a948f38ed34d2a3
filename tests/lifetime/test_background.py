"""The store's lifetime, and the background work within it."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.settings import Memory
from redistill.engine import Store
from redistill.lifetime.arena import find_arena
from redistill.lifetime.background import RESTED, BackgroundService
from redistill.lifetime.store import StoreService
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
