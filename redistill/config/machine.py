"""The memory and the CPUs that this process may use: the machine's, or its cgroup's share of them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from redistill.engine.process import total_memory


def machine_memory(root: str = "/") -> int:
    """Bytes of memory that this process may use: the machine's, or its cgroup's limit where that is lower."""
    total, limit = total_memory(os.path.join(root, "proc/meminfo")), cgroup_memory(root)
    return total if limit is None else min(total, limit)


def cgroup_memory(root: str = "/") -> int | None:
    """Bytes of memory that the cgroup of this process, and those above it, may have; None: there is no limit."""
    limits = []
    for directory, version in _cgroups(root, "memory"):
        words = _words(os.path.join(directory, "memory.max" if version == 2 else "memory.limit_in_bytes"))
        if words and words[0].isdigit():
            limits.append(int(words[0]))
    return min(limits, default=None)


def machine_cpus(root: str = "/") -> int:
    """CPUs that this process may use: those it may run on, or as many as its cgroup's share is worth, rounded up."""
    limits = [len(os.sched_getaffinity(0))]
    for directory, version in _cgroups(root, "cpu"):
        if version == 2:
            words = _words(os.path.join(directory, "cpu.max"))
        else:
            words = [
                word for end in ("quota", "period") for word in _words(os.path.join(directory, f"cpu.cfs_{end}_us"))
            ]
        if len(words) == 2 and all(word.isdigit() and int(word) for word in words):
            limits.append(-(-int(words[0]) // int(words[1])))
    return min(limits)


def _words(path: str) -> list[str]:
    """The contents of a small file; empty if there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except (OSError, ValueError):
        return []


def _cgroups(root: str, controller: str) -> Iterable[tuple[str, int]]:
    """The directories of this process's cgroup and of all cgroups above it, and the version of each (2, or 1)."""
    try:
        with open(os.path.join(root, "proc/self/cgroup"), encoding="utf-8") as text:
            lines = [line.rstrip("\n").split(":", 2) for line in text]
    except OSError:
        return
    for number, subsystems, path in (line for line in lines if len(line) == 3):
        if number != "0" and controller not in subsystems.split(","):
            continue
        mount, version = ("sys/fs/cgroup", 2) if number == "0" else (f"sys/fs/cgroup/{controller}", 1)
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            yield os.path.join(root, mount, *parts[:depth]), version
