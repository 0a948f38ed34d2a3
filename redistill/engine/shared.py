"""The figures that the processes of one arena share in it: live processes, the gauges of each, and the connections.

`engine.store.Store` has `Workers` and `Admission` as attributes. core/arena/worker.h and core/arena/admission.h
describe the calls in detail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from redistill._core import ffi, lib

SUPERVISOR = 2**32 - 1
"""The number of the process that looks after the workers."""

STATS: Mapping[str, int] = {ffi.string(lib.rd_host_stat_name(i)).decode(): i for i in range(lib.RD_STAT_COUNT)}
"""Place of each counter of core/arena/stats.h."""
GAUGES: Mapping[str, int] = {ffi.string(lib.rd_host_gauge_name(i)).decode(): i for i in range(lib.RD_GAUGE_COUNT)}


class Worker(NamedTuple):
    """The figures that one process has written."""

    place: int
    """Place of the process's block in the arena: see `Workers.reap`."""
    pid: int
    number: int
    """The number that was given to `Store.join`."""
    heartbeat: float
    """Time of the last call of `beat`, seconds of the monotonic clock; 0: never."""
    gauges: Mapping[str, int]
    commands: int
    """Processed, by its predecessors in the same block, too."""
    cpu_user: float
    """Seconds, as is `cpu_system`."""
    cpu_system: float
    connections: int


class Workers:
    """The processes that have joined an arena."""

    def __init__(self, core: Callable[[], Any]) -> None:
        """`core` gives the open rd_store, None when it is closed."""
        self._core = core

    def __iter__(self) -> Iterator[Worker]:
        """The processes that have joined and not left, including dead ones that are not reaped yet."""
        core, found = self._core(), ffi.new("rd_worker_figures *")
        for place in range(lib.RD_MAX_WORKERS):
            if lib.rd_worker_info(core, place, found):
                yield Worker(
                    place,
                    found.pid,
                    found.number,
                    found.heartbeat / 1000,
                    {name: found.gauge[gauge] for name, gauge in GAUGES.items()},
                    found.commands,
                    found.user_us / 1e6,
                    found.system_us / 1e6,
                    found.connections,
                )

    def has(self, number: int) -> bool:
        """Whether a worker of this number is there."""
        return any(one.number == number for one in self)

    def reap(self, place: int) -> bool:
        """Free the block of a process that has died: what it had counts no longer. False: it lives, or has left."""
        return bool(lib.rd_worker_reap(self._core(), place))

    def lock_owner(self) -> int:
        """The thread (in a process's main thread, its pid) that holds a lock for which others wait now; 0: none."""
        return int(lib.rd_lock_owner(self._core()))

    # ---- what this process says of itself ----

    def beat(self) -> None:
        """This process is alive."""
        lib.rd_worker_beat(self._core(), lib.rd_monotonic_ns() // 1_000_000)

    def set_gauges(self, **values: int) -> None:
        """Write the gauges of this process, by the names of `GAUGES`."""
        for name, value in values.items():
            lib.rd_gauge_set(self._core(), GAUGES[name], value)

    def set_cpu(self, user: float, system: float) -> None:
        """CPU time of this process so far, in seconds."""
        lib.rd_worker_cpu(self._core(), int(user * 1e6), int(system * 1e6))

    # ---- all of them together ----

    def connections(self) -> int:
        """Number of connections of all workers, exact and current."""
        return sum(one.connections for one in self)

    def gauges(self) -> dict[str, int]:
        """Sums over all workers; of ``largest_...`` the largest."""
        return {name: int(lib.rd_gauge_sum(self._core(), gauge)) for name, gauge in GAUGES.items()}

    def cpu(self) -> tuple[float, float]:
        """Seconds of CPU, user and system, of all that ever worked since the arena was last taken up."""
        user, system = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        lib.rd_cpu_sum(self._core(), user, system)
        return user[0] / 1e6, system[0] / 1e6


class Secret(NamedTuple):
    """The use that is made of one password."""

    number: int
    """The secret's number: see `redistill.config.acl.number_of`."""
    last_used: float
    """Seconds since the epoch; 0: never."""
    uses: int
    connections: int
    """Open connections that authenticated with it, over all workers."""
    place: int = 0
    """The secret's place among those that are remembered, from 1. It reveals nothing about the password."""


class Secrets:
    """The use that is made of passwords (core/arena/secrets.h). Each `enter` is paired with a `leave`."""

    def __init__(self, core: Callable[[], Any]) -> None:
        """`core` gives the open rd_store, None when it is closed."""
        self._core = core

    def enter(self, number: int, unix_time: float) -> None:
        """Note a connection that authenticated with this secret; time 0: earlier, in another process."""
        lib.rd_secret_enter(self._core(), number, int(unix_time * 1000))

    def leave(self, number: int) -> None:
        """Note that a connection that `enter` noted has closed, or has another user."""
        if core := self._core():
            lib.rd_secret_leave(core, number)

    def __iter__(self) -> Iterator[Secret]:
        """All that were ever used, but for those that others took the place of."""
        found = ffi.new("rd_secret_figures *")
        for place in range(lib.RD_SECRETS):
            if lib.rd_secret_info(self._core(), place, found):
                yield Secret(found.id, found.last_used_ms / 1000, found.uses, found.connections, place + 1)


class Admission:
    """Admits or refuses connections, and counts both, over all workers (core/arena/admission.h). Each `enter` that
    returns True is paired with a `leave`; limit 0: no limit.

    Once the store is closed, leaving does nothing: what this process counted went with it.
    """

    def __init__(self, core: Callable[[], Any]) -> None:
        """`core` gives the open rd_store, None when it is closed."""
        self._core = core

    def accept_limits(self) -> Any:
        """An rd_accept_limits over this arena, without limits."""
        limits = ffi.new("rd_accept_limits *")
        limits.st = self._core()
        return limits

    def enter(self, local: bool, limit: int, kept: int) -> bool:
        """Count one more connection, if there are fewer than `limit`; `kept` of these places are for `local` ones.
        False: it is refused, and counted as refused."""
        return bool(lib.rd_open_enter(self._core(), local, limit, kept))

    def leave(self, local: bool) -> None:
        """One less."""
        if core := self._core():
            lib.rd_open_leave(core, local)

    def enter_address(self, address: bytes, limit: int) -> bool:
        """Count a connection of an address (16 bytes, IPv4 in IPv6). False: it has `limit` connections already."""
        return bool(lib.rd_address_enter(self._core(), address, limit))

    def leave_address(self, address: bytes) -> None:
        """One less."""
        if core := self._core():
            lib.rd_address_leave(core, address)

    def take(self, local: bool, per_second: int, kept: int, seconds: float) -> bool:
        """Count a new connection at `seconds` (monotonic). False: more than `per_second` have come; `kept` of them are
        for `local` ones."""
        return bool(lib.rd_rate_take(self._core(), local, per_second, kept, int(seconds * 1e9)))
