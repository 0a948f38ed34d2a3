"""How the memory of the machine, or of the cgroup, is divided: the cache, the buffers of clients, the processes.

The kernel kills what outgrows its limit. So `memory.max_memory` and `server.max_client_memory` are bounds: what the
configuration leaves open is chosen such that the three together stay below the limit, and what it sets is lowered to
what fits.
"""

from __future__ import annotations

from dataclasses import dataclass

from redistill.config.config import Config
from redistill.config.machine import cgroup_memory, machine_cpus
from redistill.config.settings import AUTO, EXABYTE, MIB
from redistill.engine.process import total_memory

LARGEST_VALUE = 513 * MIB
"""A value of the largest size and the words around it: buffers that hold one can read and write any value."""
SUPERVISION = 112 * MIB
"""Memory of a server of several workers beside them: the supervisor, the process from which workers are forked, and
during a reload another one of these and one more worker."""
PROCESS = 48 * MIB
"""A process that serves by itself."""
WORKER = 12 * MIB
"""Private memory of each worker, beyond the memory that it shares with the process from which it was forked."""
PAGE_TABLES = 512
"""One byte in so many of the cache is in each process's page tables: 8 for each page of 4096."""
SLACK = 4
"""Buffers may be beyond their limit by one part in so many (core/session/footprint.h)."""
LEAST_BUFFERS = 8 * MIB
AROUND_A_VALUE = 1024
"""Bytes of a reply beside the value in it."""
PROCESSES = 4
"""The processes of as many workers as there are CPUs may have one part in so many of the memory."""
LEAST_CACHE = 8
"""A configured cache is not lowered below one part in so many of the memory."""


@dataclass(frozen=True)
class Machine:
    """The memory and CPUs that this process may use."""

    memory: int
    """Bytes that the cache, the buffers and the processes may have together."""
    cpus: int


@dataclass(frozen=True)
class Sizes:
    """How the memory is divided."""

    max_memory: int
    """Bytes of the cache; 0 or less where a configuration that leaves it open has no room for one."""
    client_memory: int
    """Bytes of the buffers of all clients; 0: no limit."""
    problem: str
    """One line that says which size was lowered, by how much and why, or that the system may kill the server; empty if
    all fits."""

    @property
    def largest_value(self) -> int:
        """Bytes of the largest value that the buffers can hold, with the words around it, so that it can be read. Where
        they can hold all that the cache can, it is the cache that decides."""
        limit = self.client_memory
        return EXABYTE if limit == 0 or limit >= self.max_memory else max(limit - AROUND_A_VALUE, 0)


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


def settings(config: Config) -> tuple[int, int]:
    """The settings on which `sizes` depends and that may change at run time."""
    return config.memory.max_memory, config.server.max_client_memory


def sizes(config: Config, here: Machine, count: int, room: int = EXABYTE) -> Sizes:
    """How a server of `count` workers divides the memory. A cache whose size is left open has at most `room` bytes.

    The cache yields first, until `LEAST_BUFFERS` are left for the buffers, and then the buffers.
    """
    wanted, fixed = config.memory.max_memory, config.server.max_client_memory
    left = here.memory - processes(count, 0)
    if wanted:
        most = _beside(count, left - _with_slack(LEAST_BUFFERS if fixed < 0 else min(fixed, LEAST_BUFFERS)))
        cache = min(wanted, max(most, here.memory // LEAST_CACHE))
    else:
        cache = min(_default(fixed, count, left), room)
    needed = processes(count, cache)
    left = (here.memory - cache - needed) * SLACK // (SLACK + 1)
    if fixed == AUTO:
        asked = buffers = max(min(LARGEST_VALUE, cache, left), LEAST_BUFFERS)
    else:
        asked = fixed if fixed >= 0 else cache * -fixed // 100
        buffers = min(asked, max(left, LEAST_BUFFERS))
    parts = [
        f"{name} is lowered from {before // MIB} to {after // MIB} MiB"
        for name, before, after in (
            ("memory.max_memory", wanted or cache, cache),
            ("server.max_client_memory", asked, buffers),
        )
        if after < before
    ]
    buffers_most = _with_slack(buffers)
    if cache + needed + buffers_most > here.memory:
        parts.append(f"the system may kill the server, whose cache has {cache // MIB} MiB")
    problem = (
        f"{' and '.join(parts)}: of the {here.memory // MIB} MiB that may be used here the processes of {count}"
        f" worker{'s' * (count > 1)} need {needed // MIB} MiB, and the buffers of clients {buffers_most // MIB} MiB"
    )
    return Sizes(cache, buffers, problem if parts else "")


def _default(fixed: int, count: int, left: int) -> int:
    """Bytes of a cache whose size is left open, out of `left` for the cache and the buffers."""
    if fixed == AUTO:
        return _beside(count, left - min(left // 4, _with_slack(LARGEST_VALUE)))
    if fixed >= 0:
        return _beside(count, left - _with_slack(fixed))
    return _beside(count, left * 100 * SLACK // (100 * SLACK - fixed * (SLACK + 1)))  # a share of what is left for both


def _beside(count: int, left: int) -> int:
    """The cache's part of so many bytes, if its page tables get the rest."""
    tables = count + 2 if count > 1 else 1
    return left - left * tables // (PAGE_TABLES + tables)


def _with_slack(buffers: int) -> int:
    return buffers + buffers // SLACK
