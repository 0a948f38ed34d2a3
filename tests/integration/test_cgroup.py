"""A server in a memory cgroup is not killed, whatever its clients do."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.cgroups import MIB, trial


class CgroupTests(SynchronousTestCase):
    """Writes, large replies, slow readers and values without an end, in a cgroup of 256 MiB"""

    def check(self, workers: int, config: str, cache: int, later: str = "") -> None:
        found = trial(256 * MIB, workers, config, seconds=2, later=later)
        self.assertEqual(found["kills"], 0)
        self.assertGreater(found["maxmemory"], cache)
        self.assertGreater(found["closed"], 0)

    def test_one_worker(self) -> None:
        """By default the cache has the most of it, and the largest value that can be written can be read."""
        self.check(1, "", 140)

    def test_three_quarters(self) -> None:
        """max_memory may be three quarters of it, as the operator's guide advises."""
        self.check(0, '[memory]\nmax_memory = "75%"\n', 190)

    def test_more_than_fits(self) -> None:
        """With two workers three quarters do not fit, and are lowered."""
        self.check(2, '[memory]\nmax_memory = "75%"\n', 100)

    def test_more_than_fits_at_run_time(self) -> None:
        """So it is when they are set while the server is full."""
        self.check(2, "", 80, later="75%")

    def test_workers(self) -> None:
        """With eight workers no process is killed, and the cache has the rest of the memory."""
        self.check(8, "", 20)
