"""How the memory of the machine, or of the cgroup, is divided: the cache, the buffers of clients, the processes.

The kernel kills what outgrows its limit, so what the configuration leaves open is chosen such that the three together
stay below it: `max_memory` and `client_memory`. What it does not leave open, and what is too much, `warning` says.
"""

from __future__ import annotations

from dataclasses import dataclass

from redistill.config import Config, cgroup_memory, machine_cpus, total_memory
from redistill.settings import AUTO, EXABYTE, MIB

LARGEST_VALUE = 513 * MIB
"""A value of the largest size and the words around it: buffers that hold one can read and write any value."""
SUPERVISION = 112 * MIB
"""What a server of several workers needs beside them: the supervisor, the process that workers are forked from, and
while they are replaced another one of those and a worker more."""
PROCESS = 48 * MIB
"""A process that serves by itself."""
WORKER = 12 * MIB
"""What each worker has to itself, beyond what it shares with the process that it was forked from."""
PAGE_TABLES = 512
"""One byte in so many of the cache is in each process's page tables: 8 for each page of 4096."""
SLACK = 4
"""Buffers may be beyond their limit by one part in so many (core/session/footprint.h)."""
LEAST_BUFFERS = 8 * MIB
PROCESSES = 4
"""The processes of as many workers as there are CPUs may have one part in so many of the memory."""


@dataclass(frozen=True)
class Machine:
    """What this process may use."""

    memory: int
    """Bytes that the cache, the buffers and the processes may have together."""
    cpus: int


def machine() -> Machine:
    """This one: of its memory a tenth is left to others, of a cgroup's a sixty-fourth to the kernel, which counts what
    it needs for the processes as theirs."""
    limit = cgroup_memory()
    room = total_memory() // 10 * 9
    return Machine(room if limit is None else min(room, limit - limit // 64), machine_cpus())


def workers(config: Config, here: Machine) -> int:
    """The number of workers: as configured, or one per CPU as far as their processes leave room for the cache."""
    if config.server.workers:
        return config.server.workers
    cache = config.memory.max_memory
    room = min(here.memory // PROCESSES, here.memory - cache - _with_slack(LEAST_BUFFERS))
    return next((count for count in range(here.cpus, 1, -1) if processes(count, cache) <= room), 1)


def processes(count: int, cache: int) -> int:
    """Bytes that the processes of a server of so many workers need beside a cache of so many bytes."""
    tables = cache // PAGE_TABLES
    if count == 1:
        return PROCESS + tables
    return SUPERVISION + count * WORKER + (count + 2) * tables


def max_memory(config: Config, here: Machine, room: int = EXABYTE) -> int:
    """Bytes of the cache: as configured, or what the processes and buffers leave, up to `room`. It is 0 or less where
    they leave nothing."""
    if config.memory.max_memory:
        return config.memory.max_memory
    count = workers(config, here)
    left = here.memory - processes(count, 0)
    fixed = config.server.max_client_memory
    if fixed == AUTO:
        left -= min(left // 4, _with_slack(LARGEST_VALUE))
    elif fixed > 0:
        left -= _with_slack(fixed)
    else:  # a share of what is left for both
        left = left * 100 * SLACK // (100 * SLACK - fixed * (SLACK + 1))
    tables = count + 2 if count > 1 else 1
    return min(left - left * tables // (PAGE_TABLES + tables), room)


def client_memory(config: Config, here: Machine, cache: int) -> int:
    """Bytes that the buffers of all clients may have beside a cache of `cache` bytes: as configured; 0: no limit.

    Where that is left open, any value that the cache can hold may be written and read, as far as the machine has room
    for it beside the rest.
    """
    limit = config.server.max_client_memory
    if limit == AUTO:
        left = here.memory - cache - processes(workers(config, here), cache)
        return max(min(LARGEST_VALUE, cache, left * SLACK // (SLACK + 1)), LEAST_BUFFERS)
    return limit if limit >= 0 else cache * -limit // 100


def warning(config: Config, here: Machine) -> str:
    """What is wrong with the sizes that are configured, in one line; empty: they fit."""
    count, cache = workers(config, here), max_memory(config, here)
    needed = processes(count, cache)
    buffers = _with_slack(client_memory(config, here, cache))
    if cache + needed + buffers <= here.memory:
        return ""
    room = max((here.memory - processes(count, here.memory) - _with_slack(LEAST_BUFFERS)) // MIB, 0)
    return (
        f"memory.max_memory: a cache of {cache // MIB} MiB, {buffers // MIB} MiB for the buffers of clients and"
        f" {needed // MIB} MiB for the processes are more than the {here.memory // MIB} MiB that may be used here,"
        f" and the system may kill the server; set memory.max_memory to {room}mb or less, or lower"
        " server.max_client_memory or server.workers"
    )


def _with_slack(buffers: int) -> int:
    return buffers + buffers // SLACK
