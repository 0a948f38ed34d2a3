"""Memory and CPUs."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.machine import machine_cpus, machine_memory

GIB = 2**30


class MachineTests(SynchronousTestCase):
    """`machine_memory` and `machine_cpus`, on file trees that look like those of machines."""

    def tree(self, files: Mapping[str, str]) -> str:
        """The root of a machine with these files."""
        root = pathlib.Path(self.mktemp())
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return str(root)

    def machine(self, files: Mapping[str, str]) -> int:
        """The memory of a machine of 8 GiB with these files."""
        return machine_memory(self.tree({"proc/meminfo": f"MemTotal: {8 * GIB // 1024} kB\nMemFree: 1 kB\n", **files}))

    def test_cpus(self) -> None:
        """As many as the process may run on, or fewer when its cgroup has a share, which is rounded up."""
        self.patch(os, "sched_getaffinity", lambda pid: set(range(8)))
        two = {"proc/self/cgroup": "0::/a/b\n"}
        one = {"proc/self/cgroup": "3:cpu,cpuacct:/x\n2:memory:/c\n"}
        for files, cpus in (
            ({}, 8),
            (two | {"sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 8),
            (two | {"sys/fs/cgroup/a/cpu.max": "250000 100000\n", "sys/fs/cgroup/cpu.max": "900000 100000"}, 3),
            (two | {"sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, 1),
            (two | {"sys/fs/cgroup/a/b/cpu.max": "nonsense\n"}, 8),
            (
                one
                | {
                    f"sys/fs/cgroup/cpu/x/cpu.cfs_{end}_us": f"{us}\n"
                    for end, us in (("quota", 200000), ("period", 100000))
                },
                2,
            ),
            (
                one
                | {
                    f"sys/fs/cgroup/cpu/x/cpu.cfs_{end}_us": f"{us}\n"
                    for end, us in (("quota", -1), ("period", 100000))
                },
                8,
            ),
        ):
            self.assertEqual(machine_cpus(self.tree(files)), cpus, files)

    def test_whole_machine(self) -> None:
        """Without a cgroup's limit it is all of the machine's."""
        self.assertEqual(self.machine({}), 8 * GIB)
        self.assertEqual(self.machine({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}), 8 * GIB)

    def test_cgroups(self) -> None:
        """The lowest limit among the cgroup and those above it counts, in both versions."""
        two = {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": f"{GIB}\n"}
        self.assertEqual(self.machine(two | {"sys/fs/cgroup/a/b/memory.max": f"{2 * GIB}\n"}), GIB)
        self.assertEqual(self.machine(two | {"sys/fs/cgroup/a/b/memory.max": f"{GIB // 2}\n"}), GIB // 2)
        one = {"proc/self/cgroup": "3:cpu:/x\n2:memory:/c\n"}
        self.assertEqual(self.machine(one | {"sys/fs/cgroup/memory/c/memory.limit_in_bytes": f"{GIB}\n"}), GIB)

    def test_container(self) -> None:
        """In a container, whose own cgroup is mounted as the root, the root's limit counts."""
        files = {"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": f"{GIB}\n"}
        self.assertEqual(self.machine(files), GIB)

    def test_this_machine(self) -> None:
        """It says something of the machine that runs the test."""
        self.assertGreater(machine_memory(), 2**24)
