"""The figures that the system gives about this process and its machine."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.process import private_memory, total_memory


class MachineTests(SynchronousTestCase):
    """The figures that the system gives."""

    def test_memory(self) -> None:
        """Memory of the process and of the machine is read from /proc; that of the process is 0 where it cannot be."""
        self.assertGreater(private_memory(), 1024 * 1024)
        self.assertGreater(total_memory(), private_memory())
        self.assertEqual(private_memory(self.mktemp()), 0)

    def test_machine_without_meminfo(self) -> None:
        """Without /proc/meminfo, or with one that lacks the line, the kernel is asked for the machine's memory."""
        empty = self.mktemp()
        with open(empty, "w"):
            pass
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self.assertEqual((total_memory(self.mktemp()), total_memory(empty)), (pages, pages))
