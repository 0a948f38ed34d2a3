"""This process and its machine: calls to the system and the C library, and the figures that they give."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence

from redistill._core import ffi, lib


def bound_heap() -> None:
    """Have what is freed in large blocks go back to the system at once, from now on."""
    lib.rd_host_bound_heap()


def trim_memory() -> None:
    """Give the system back what was freed, and would be kept for later."""
    lib.rd_host_trim()


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, whatever it is doing then."""
    if not lib.rd_host_die_with_parent():
        raise OSError(ffi.errno, "prctl")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent has ended: to wait for them is up to this process then."""
    if not lib.rd_host_adopt_orphans():
        raise OSError(ffi.errno, "prctl")


def name_arguments(argv: Sequence[str]) -> None:
    """Have ps show another command line than the one that this process was started with, if it is not longer."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # 48 and 49 of proc_pid_stat(5)
    text = b"".join(os.fsencode(argument) + b"\0" for argument in argv)
    if len(text) <= end - start:
        ffi.memmove(ffi.cast("char *", start), text.ljust(end - start, b"\0"), end - start)


def name_process(name: str) -> None:
    """Set the name of this process for ps, top and pgrep, up to 15 characters (proc_pid_comm(5))."""
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def cpu_time() -> tuple[float, float]:
    """Seconds of CPU that this process has used, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime


def private_memory(path: str = "/proc/self/statm") -> int:
    """Bytes of private memory of this process; 0 if there is no /proc."""
    try:
        with open(path, encoding="ascii") as file:
            _, resident, shared, *_ = (int(word) for word in file.read().split())
            return (resident - shared) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def total_memory(path: str = "/proc/meminfo") -> int:
    """Bytes of memory of the machine, or of the container that has a /proc/meminfo of its own."""
    try:
        with open(path, encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    except (OSError, ValueError, IndexError, StopIteration):  # there is none with ProcSubset=pid of systemd.exec(5)
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
