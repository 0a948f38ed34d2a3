"""The lifetimes of the store and of the clients."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from redistill import service
from redistill.engine import Store, min_memory
from redistill.loop import Loop
from redistill.service import CHATTER, DRAIN, RESTED, ServerService, SignalService, StoreService
from redistill.settings import Memory
from redistill.sockets import StartError
from tests.arena import MIB, NOW_MS, call, session


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
    """StoreService"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.control = PlayedControl()

    def keeper(self) -> tuple[StoreService, Store]:
        """A service whose arena is not there yet, and its store."""
        store = Store()
        self.addCleanup(store.close)
        return StoreService(self.clock, store, self.control), store

    def started(self, memory: Memory, num_shards: int = 4) -> tuple[StoreService, Store]:
        """A service that runs."""
        keeper, store = self.keeper()
        keeper.open(memory, num_shards)
        keeper.startService()
        store.frozen_ms = NOW_MS
        return keeper, store

    def test_arena_is_as_configured(self) -> None:
        """The arena has the size, the shards and the policy that the configuration asks for, and is empty."""
        keeper, store = self.started(Memory(max_memory=32 * MIB, eviction_policy="volatile-lfu"), 8)
        self.assertEqual(
            (store.max_memory, store.num_shards, store.policy, store.count(0)), (32 * MIB, 8, "volatile-lfu", 0)
        )
        self.assertEqual(self.control.log, ["opened", "tick"])
        self.successResultOf(keeper.stopService())

    def test_as_much_as_the_machine_allows(self) -> None:
        """max_memory 0 is nine tenths of what the machine or its cgroup has."""
        self.patch(service, "machine_memory", lambda: 1000 * MIB)
        keeper, store = self.started(Memory())
        self.assertEqual((store.max_memory, store.map_size >= 900 * MIB), (900 * MIB, True))
        self.successResultOf(keeper.stopService())

    def test_limit_can_grow_to_what_the_machine_has(self) -> None:
        """An arena that begins small can grow at run time."""
        self.patch(service, "machine_memory", lambda: 1000 * MIB)
        keeper, store = self.started(Memory(max_memory=32 * MIB))
        store.set_max_memory(800 * MIB)
        self.assertEqual(store.max_memory, 800 * MIB)
        self.successResultOf(keeper.stopService())

    def test_too_little_memory(self) -> None:
        """A limit that the shards do not fit into is refused with the numbers; what is named as least works."""
        keeper, _ = self.keeper()
        with self.assertRaises(StartError) as raised:
            keeper.open(Memory(max_memory=min_memory(256) - 1), 256)
        self.assertIn(f"set it to {min_memory(256)} or more", str(raised.exception))
        again, _ = self.keeper()
        again.open(Memory(max_memory=min_memory(256)), 256)

    def test_expired_memory_comes_back(self) -> None:
        """Keys that have expired go without anybody asking for them."""
        keeper, store = self.started(Memory(max_memory=32 * MIB))
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
        keeper, store = self.started(Memory(max_memory=32 * MIB))
        client = session(store)
        self.successResultOf(keeper.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertRaises(TypeError, client.feed, b"PING\r\n")

    def test_store_outlives_its_children(self) -> None:
        """The arena is there until the services that use it have stopped."""
        keeper, store = self.started(Memory(max_memory=32 * MIB))
        ended: Deferred[None] = Deferred()

        class Child(Service):
            def stopService(self) -> Deferred[None]:
                return ended

        Child().setServiceParent(keeper)  # type: ignore[no-untyped-call]
        stopped = keeper.stopService()
        self.assertEqual(store.count(0), 0)
        self.assertNoResult(stopped)
        ended.callback(None)
        self.successResultOf(stopped)

    def test_mistake_in_the_background_does_not_end_it(self) -> None:
        """An exception of the background work is logged, and it goes on."""
        keeper, store = self.started(Memory(max_memory=32 * MIB))
        sweeps: list[int] = []

        def sweep(budget_ns: int) -> bool:
            sweeps.append(budget_ns)
            raise ZeroDivisionError

        store.sweep = sweep  # type: ignore[method-assign]
        self.clock.pump([RESTED] * 3)
        self.assertEqual((len(sweeps), len(self.flushLoggedErrors(ZeroDivisionError))), (3, 3))
        self.successResultOf(keeper.stopService())


class ArenaFileTests(SynchronousTestCase):
    """memory.arena_path"""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.logged: list[str] = []

    def open(self, **changes: Any) -> tuple[StoreService, Store]:
        """A service that found or made the arena in the file."""
        store = Store()
        self.addCleanup(store.close)
        keeper = StoreService(Clock(), store, PlayedControl())
        shards = changes.pop("num_shards", 4)
        keeper.open(Memory(arena_path=self.path, **{"max_memory": 16 * MIB, **changes}), shards)
        keeper.startService()
        return keeper, store

    def test_keys_outlive_the_process(self) -> None:
        """What was stored is there after a restart, under the limit that is configured now."""
        keeper, store = self.open()
        call(session(store), "set", "key", "value")
        self.successResultOf(keeper.stopService())
        keeper, store = self.open(max_memory=8 * MIB, eviction_policy="noeviction")
        self.assertEqual(call(session(store), "get", "key"), b"$5\r\nvalue\r\n")
        self.assertEqual((store.max_memory, store.policy), (8 * MIB, "noeviction"))
        self.successResultOf(keeper.stopService())

    def test_other_number_of_shards(self) -> None:
        """An arena of another shape is not used: the store starts empty."""
        keeper, store = self.open()
        call(session(store), "set", "key", "value")
        self.successResultOf(keeper.stopService())
        keeper, store = self.open(num_shards=8)
        self.assertEqual((store.count(0), store.num_shards), (0, 8))
        self.successResultOf(keeper.stopService())

    def test_file_that_is_no_arena(self) -> None:
        """A file that holds something else is written over by an empty arena."""
        with open(self.path, "w", encoding="ascii") as file:
            file.write("no arena" * 1000)
        keeper, store = self.open()
        self.assertEqual((store.count(0), store.check()), (0, (0, "")))
        self.successResultOf(keeper.stopService())

    def test_file_in_use(self) -> None:
        """Two daemons never share one file by accident."""
        keeper, _ = self.open()
        with self.assertRaises(StartError) as raised:
            self.open()
        self.assertIn("is in use by another process", str(raised.exception))
        self.successResultOf(keeper.stopService())

    def test_not_enough_room(self) -> None:
        """A limit that the file system cannot hold is refused: a missing page would kill the process later."""
        with self.assertRaises(StartError) as raised:
            self.open(max_memory=2**50)
        self.assertIn("lower it, or enlarge the tmpfs", str(raised.exception))

    def test_path_that_cannot_be(self) -> None:
        """A directory that is not there is told in words."""
        self.path = "/none/such/arena"
        with self.assertRaises(StartError) as raised:
            self.open()
        self.assertIn("No such file or directory", str(raised.exception))

    def test_only_the_owner_reads_it(self) -> None:
        """Others on the machine cannot read the cache."""
        keeper, _ = self.open()
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
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
        self.server = ServerService(self.reactor, self.loop, [], None, self.clients, 30)  # type: ignore[arg-type]
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
        signals = SignalService(self.reactor, self.server)
        signals.startService()
        signals.stop()
        self.assertEqual((self.reactor.stops, self.server.grace), (1, 30))
        signals.stop()
        self.assertEqual((self.reactor.stops, self.server.grace), (1, 0))

    def test_shutdown_now(self) -> None:
        """SHUTDOWN NOW does not wait at all."""
        SignalService(self.reactor, self.server).stop(now=True)
        self.assertEqual((self.reactor.stops, self.server.grace), (1, 0))
