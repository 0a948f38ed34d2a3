"""The data that processes over one arena share."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from redistill.engine import Store
from redistill.engine.counters import DAEMON_COUNTERS, DaemonCounters
from redistill.engine.shared import SUPERVISOR
from tests.support.arena import MIB, arena_file

ADDRESS = b"\0" * 10 + b"\xff\xff\x7f\0\0\1"


class Two(SynchronousTestCase):
    """Two stores over one arena, as a supervisor and a worker have them."""

    def setUp(self) -> None:
        fd = arena_file(self)
        self.supervisor, self.worker = Store(), Store()
        self.supervisor.create(
            fd, max_memory=16 * MIB, map_size=16 * MIB, num_shards=4, policy="noeviction", sample_size=5
        )
        self.addCleanup(self.supervisor.close)
        self.supervisor.join()
        self.worker.attach(fd)
        self.addCleanup(self.worker.close)
        self.worker.join(5)


class WorkersTests(Two):
    """Workers"""

    def test_each_is_seen(self) -> None:
        """A process that has joined is visible with its number and figures, until it leaves."""
        self.worker.workers.beat()
        self.worker.workers.set_gauges(connected_clients=3, largest_output=100)
        self.worker.workers.set_cpu(1.5, 0.25)
        self.worker.admission.enter(True, 0, 0)
        first, second = self.supervisor.workers
        self.assertEqual((first.number, first.pid, first.heartbeat), (SUPERVISOR, os.getpid(), 0))
        self.assertEqual((second.number, second.cpu_user, second.cpu_system), (5, 1.5, 0.25))
        self.assertEqual((second.gauges["connected_clients"], second.connections), (3, 1))
        self.assertGreater(second.heartbeat, 0)
        self.worker.close()
        self.assertEqual([one.number for one in self.supervisor.workers], [SUPERVISOR])

    def test_together(self) -> None:
        """Gauges add up, but the largest is the largest; CPU time stays when its worker has left."""
        self.supervisor.workers.set_gauges(connected_clients=1, largest_output=200)
        self.worker.workers.set_gauges(connected_clients=3, largest_output=100)
        self.worker.workers.set_cpu(1.5, 0.25)
        gauges = self.supervisor.workers.gauges()
        self.assertEqual((gauges["connected_clients"], gauges["largest_output"]), (4, 200))
        self.worker.close()
        self.assertEqual(self.supervisor.workers.gauges()["connected_clients"], 1)
        self.assertEqual(self.supervisor.workers.cpu(), (1.5, 0.25))

    def test_the_living_are_not_reaped(self) -> None:
        """Only the block of a dead process is freed, and nobody holds a lock here."""
        self.assertEqual([self.supervisor.workers.reap(place) for place in (0, 1, 2)], [False] * 3)
        self.assertEqual(self.supervisor.workers.lock_owner(), 0)

    def test_numbers(self) -> None:
        """No number is given twice."""
        numbers = [self.supervisor.next_client_id(), self.worker.next_client_id(), self.worker.next_slowlog_id()]
        self.assertEqual(numbers, [1, 2, 1])

    def test_counters_are_sums(self) -> None:
        """The counters of each daemon arrive in the arena, under the core's names."""
        for store in (self.supervisor, self.worker):
            counters = DaemonCounters(publish=store.add)
            for number, name in enumerate(DAEMON_COUNTERS):
                setattr(counters, name, number)
        found = self.supervisor.counters()
        self.assertEqual([found[name] for name in DAEMON_COUNTERS], [2 * n for n in range(len(DAEMON_COUNTERS))])

    def test_pause_is_everybodys(self) -> None:
        """Every worker sees a pause."""
        self.worker.set_pause(1, 12345)
        self.assertEqual(self.supervisor.get_pause(), (1, 12345))

    def test_sweep_in_parts(self) -> None:
        """Each part ends with nothing left to do, also when there are more parts than shards."""
        for parts in (1, 3, 7):
            for part in range(parts):
                self.assertTrue(any(self.worker.sweep(1_000_000, part, parts) for _ in range(1000)))


class AdmissionTests(Two):
    """Admission"""

    def test_limits_hold_over_both(self) -> None:
        """A connection that entered there counts here."""
        here, there = self.supervisor.admission, self.worker.admission
        self.assertEqual([there.enter(True, 2, 0), here.enter(True, 2, 0), here.enter(True, 2, 0)], [True, True, False])
        there.leave(True)
        self.assertTrue(here.enter(True, 2, 0))
        self.assertEqual([there.enter_address(ADDRESS, 1), here.enter_address(ADDRESS, 1)], [True, False])
        there.leave_address(ADDRESS)
        self.assertTrue(here.enter_address(ADDRESS, 1))
        self.assertEqual(
            [there.take(True, 2, 0, 9.0), here.take(True, 2, 0, 9.0), here.take(True, 2, 0, 9.499)], [True, True, False]
        )
        self.assertTrue(here.take(True, 2, 0, 9.5))

    def test_what_a_closed_store_counted_is_gone(self) -> None:
        """Clients whose end is told after the store was closed do no harm."""
        admission = self.worker.admission
        admission.enter(True, 0, 0)
        admission.enter_address(ADDRESS, 0)
        self.worker.close()
        admission.leave(True)
        admission.leave_address(ADDRESS)
        self.assertTrue(self.supervisor.admission.enter(True, 1, 0))
        self.assertTrue(self.supervisor.admission.enter_address(ADDRESS, 1))
