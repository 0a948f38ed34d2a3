"""The snapshot of all figures."""

from __future__ import annotations

import dataclasses

from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.counters import DAEMON_COUNTERS, DaemonCounters
from redistill.engine.stats import Rate, Rates, Snapshot
from tests.support.control import NOW, FakeStore, Server


class SnapshotTests(SynchronousTestCase):
    """`stats.take`, as the control plane calls it."""

    def test_does_not_change(self) -> None:
        """A snapshot stays as it is while everything goes on."""
        server = Server()
        server.store.values["keyspace_hits"] = 1
        server.run("FOO")
        before = server.plane.snapshot()
        server.store.values["keyspace_hits"] = 2
        server.state.counters.idle_disconnections = 9
        server.run("FOO")
        self.assertEqual(
            (before.hits, before.daemon.idle_disconnections, before.daemon.unknown_commands),
            (1, 0, 1),
        )
        with self.assertRaises(dataclasses.FrozenInstanceError):
            before.uptime = 5.0  # type: ignore[misc]

    def test_everything_counted_is_in_it(self) -> None:
        """Each counter of the core and of the daemon is there, under its own name, summed over all workers."""
        server = Server()
        server.store.values = {name: number for number, name in enumerate(("keyspace_hits", *DAEMON_COUNTERS), 1)}
        server.state.counters.internal_errors += 100
        now = server.plane.snapshot()
        self.assertEqual((now.counters, now.hits, now.unix_time), (server.store.values, 1, NOW))
        self.assertEqual(now.daemon, DaemonCounters(**{name: server.store.values[name] for name in DAEMON_COUNTERS}))
        self.assertEqual(now.daemon.internal_errors, 101 + list(server.store.values).index("internal_errors"))

    def test_what_the_daemon_counts_is_published(self) -> None:
        """Each change of a counter is told, by how much; the first values and other counters are not."""
        told: list[tuple[str, int]] = []
        counters = DaemonCounters(failed_auths=5, publish=lambda *change: told.append(change))
        counters.failed_auths += 2
        counters.internal_errors += 1
        self.assertEqual(told, [("failed_auths", 2), ("internal_errors", 1)])
        self.assertEqual(counters, DaemonCounters(failed_auths=7, internal_errors=1))

    def test_hit_ratio(self) -> None:
        """The hit ratio is hits by reads, and 0 as long as nothing was read."""
        server = Server()
        self.assertEqual(server.plane.snapshot().hit_ratio, 0.0)
        server.store.values = {"keyspace_hits": 9, "keyspace_misses": 3}
        self.assertEqual(server.plane.snapshot().hit_ratio, 0.75)

    def test_keys(self) -> None:
        """Databases without keys are left out; the keys of the others add up."""
        server = Server()
        server.store.databases = {0: (5, 1, 10), 15: (7, 0, 0)}
        now = server.plane.snapshot()
        self.assertEqual([database.number for database in now.databases], [0, 15])
        self.assertEqual(now.keys, 12)

    def test_commands_on_demand(self) -> None:
        """The figures of each command, the costly part, are gathered only when asked for."""
        server = Server()
        asked: list[int] = []
        server.store.command_counts = lambda: asked.append(1) or []  # type: ignore[func-returns-value,method-assign]
        server.plane.snapshot()
        self.assertEqual(asked, [])
        server.plane.snapshot(with_commands=True)
        self.assertEqual(asked, [1])

    def test_buffers(self) -> None:
        """A snapshot has the number of connections, their largest buffers and all their memory."""
        server = Server()
        server.connect().session.state.query_bytes = 5000
        now: Snapshot = server.plane.snapshot()
        self.assertEqual((now.clients.connected, now.clients.largest_input), (2, 5000))
        self.assertGreater(now.clients.memory, 2 * 20474)


class RatesTests(SynchronousTestCase):
    """Figures per second."""

    def setUp(self) -> None:
        self.store = FakeStore()
        self.rates = Rates()

    def sample(self, now: float, commands: int) -> None:
        """The core has executed so many commands by then."""
        self.store.values = {"total_commands_processed": commands}
        self.rates.sample(self.store, now)

    def test_needs_two(self) -> None:
        """One sample is no rate, and neither are two at the same moment."""
        self.sample(5.0, 100)
        self.assertEqual(self.rates.rate(), Rate())
        self.sample(5.0, 200)
        self.assertEqual(self.rates.rate(), Rate())

    def test_last_seconds(self) -> None:
        """Samples older than the span do not count."""
        for second in range(20):
            self.sample(float(second), 0 if second < 10 else (second - 10) * 8)
        self.assertEqual(self.rates.rate().commands, 8.0)

    def test_counters_set_back(self) -> None:
        """After CONFIG RESETSTAT the rate is 0, not negative."""
        self.sample(0.0, 1000)
        self.sample(1.0, 5)
        self.assertEqual(self.rates.rate().commands, 0.0)

    def test_peak(self) -> None:
        """The peak is the highest use of memory that any look at it saw."""
        self.store.used_memory = 10
        self.sample(0.0, 0)
        self.store.used_memory = 5
        self.sample(1.0, 0)
        self.assertEqual(self.store.note_peak(), 10)
