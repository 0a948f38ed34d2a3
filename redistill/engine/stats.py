"""One immutable snapshot of all counts of the core and the daemon.

INFO and everything else that shows figures is made from it, so that all of them agree.
"""

from __future__ import annotations

import os
import resource
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Protocol

from redistill.engine.shared import Secret, Worker


@dataclass
class DaemonCounters:
    """The counters of this process that the core does not count. They only grow; `publish` gets the name and the
    increase, so that the arena has the sums over all workers (core/arena/stats.h)."""

    connections_received: int = 0
    """Connections accepted, except for those that a limit refused, which the core counts, too."""
    idle_disconnections: int = 0
    """Closed for sending nothing in server.connection_timeout."""
    output_disconnections: int = 0
    """Closed for not reading their replies."""
    evicted_clients: int = 0
    """Closed since the buffers of all clients together were too large, and theirs the largest."""
    query_disconnections: int = 0
    """Closed for sending more than may wait to be executed."""
    failed_auths: int = 0
    denied_commands: int = 0
    """Not run, since the user may not run the command; the next: may not have the key."""
    denied_keys: int = 0
    tls_handshakes_failed: int = 0
    """Clients that came to speak TLS and did not get so far."""
    internal_errors: int = 0
    """Commands of the control plane that raised."""
    unknown_commands: int = 0
    """Calls to unknown commands."""
    connections_moved: int = 0
    """From a busy worker to another. Counted by the supervisor."""
    publish: Callable[[str, int], None] | None = field(default=None, compare=False, repr=False)

    def __setattr__(self, name: str, value: Any) -> None:
        if self.publish is not None:
            self.publish(name, value - getattr(self, name))
        super().__setattr__(name, value)


DAEMON_COUNTERS = tuple(one.name for one in fields(DaemonCounters) if one.name != "publish")


class CommandCount(NamedTuple):
    """The core's counts of one command, over all workers."""

    name: str
    """Full and in lower case: ``client|list``."""
    calls: int
    nanoseconds: int
    rejected: int
    """Refused before it ran."""
    failed: int
    """Ran and answered an error."""
    histogram: Sequence[int]
    """Durations: [0] below 1 us, [i] from 2**(i-1) to below 2**i us, the last: all that is longer."""


class Workers(Protocol):
    """See shared.Workers."""

    def __iter__(self) -> Iterator[Worker]: ...
    def connections(self) -> int: ...
    def gauges(self) -> Mapping[str, int]: ...
    def cpu(self) -> tuple[float, float]: ...


class Engine(Protocol):
    """The figures of the store, of which snapshots are made."""

    def counters(self) -> Mapping[str, int]:
        """The counters of core/arena/stats.h by name, summed over all workers."""
        ...

    def command_counts(self) -> Iterable[CommandCount]:
        """The counts of the commands that were called or rejected."""
        ...

    def error_counts(self) -> Mapping[str, int]:
        """Error replies by their code."""
        ...

    def note_peak(self) -> int:
        """The highest use of memory that was ever seen, now included."""
        ...

    def count(self, db: int) -> int: ...
    def count_volatile(self, db: int) -> int: ...
    def average_ttl(self, db: int) -> int: ...
    @property
    def workers(self) -> Workers: ...
    @property
    def secrets(self) -> Iterable[Secret]: ...
    @property
    def used_memory(self) -> int: ...
    @property
    def fixed_memory(self) -> int: ...
    @property
    def committed_memory(self) -> int: ...
    @property
    def max_memory(self) -> int: ...
    @property
    def map_size(self) -> int: ...
    @property
    def num_shards(self) -> int: ...
    @property
    def policy(self) -> str: ...


class Database(NamedTuple):
    """One database that holds keys."""

    number: int
    keys: int
    expires: int
    """Number of keys with a TTL."""
    average_ttl: int
    """Milliseconds."""


class Rate(NamedTuple):
    """Per second, over the last seconds."""

    commands: float = 0.0
    input_bytes: float = 0.0
    output_bytes: float = 0.0


class Rates:
    """Rates of what the core counts. `sample` is called about once a second."""

    SPAN = 8
    """Samples over which a rate is taken."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int, int]] = deque(maxlen=self.SPAN)

    def sample(self, engine: Engine, now: float) -> None:
        """Note the state of the counters at `now` (seconds of any clock that does not jump)."""
        counters = engine.counters()
        self._samples.append(
            (
                now,
                counters.get("total_commands_processed", 0),
                counters.get("total_net_input_bytes", 0),
                counters.get("total_net_output_bytes", 0),
            )
        )
        engine.note_peak()

    def rate(self) -> Rate:
        """From the oldest sample to the newest; 0 as long as there are not two. Counters that went back to 0 give 0."""
        if len(self._samples) < 2 or self._samples[-1][0] <= self._samples[0][0]:
            return Rate()
        first, last = self._samples[0], self._samples[-1]
        seconds = last[0] - first[0]
        return Rate(*(max(0, new - old) / seconds for new, old in zip(last[1:], first[1:], strict=True)))


class Buffers(NamedTuple):
    """The buffers of the connections."""

    connected: int = 0
    blocked: int = 0
    """Held by CLIENT PAUSE or waiting for the answer of a command."""
    largest_input: int = 0
    largest_output: int = 0
    memory: int = 0
    """Bytes of all their buffers and objects, about."""
    watching: int = 0


class Configured(NamedTuple):
    """Figures shown with a snapshot that are not the store's."""

    max_clients: int
    certificate_ends: float
    """In seconds since the epoch; 0: TLS is not spoken."""
    certificate_begins: float = 0.0
    """The same."""
    name: str = ""
    """The server's host and port, or the path of its UNIX socket."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All figures at one moment. Memory in bytes, times in seconds unless the name says otherwise."""

    unix_time: float
    started: float
    """Seconds since the epoch, as is `unix_time`."""
    uptime: float
    """Seconds of the monotonic clock, so not exactly the difference of `unix_time` and `started`."""
    clients: Buffers
    counters: Mapping[str, int]
    """The counters of core/arena/stats.h, by name, summed over all workers."""
    daemon: DaemonCounters
    """The counters that the daemon counts."""
    errors: Mapping[str, int]
    databases: tuple[Database, ...]
    used_memory: int
    peak_memory: int
    committed_memory: int
    max_memory: int
    map_size: int
    num_shards: int
    policy: str
    fixed_memory: int
    """The part of `used_memory` that an empty store takes."""
    resident_memory: int
    """Memory of all processes: the private memory of each, and the arena's regions in use."""
    total_memory: int
    """Memory of the machine."""
    cpu_user: float
    cpu_system: float
    """CPU time of all processes."""
    rate: Rate
    workers: tuple[Worker, ...]
    secrets: tuple[Secret, ...] = field(default=())
    """The use that is made of passwords."""
    commands: tuple[CommandCount, ...] = field(default=())
    """Per command; empty unless asked for, since it is the costly part."""

    @property
    def hits(self) -> int:
        """Reads that found their key."""
        return self.counters.get("keyspace_hits", 0)

    @property
    def misses(self) -> int:
        """Reads that did not."""
        return self.counters.get("keyspace_misses", 0)

    @property
    def hit_ratio(self) -> float:
        """Part of the reads that found their key, 0 to 1; 0 before the first."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else 0.0

    @property
    def keys(self) -> int:
        """In all databases."""
        return sum(database.keys for database in self.databases)


def take(
    engine: Engine,
    *,
    rates: Rates,
    unix_time: float,
    started: float,
    uptime: float,
    machine_memory: int,
    databases: int = 16,
    with_commands: bool = False,
) -> Snapshot:
    """The snapshot of now. Its cost does not grow with the number of keys."""
    counters = dict(engine.counters())
    daemon = DaemonCounters()
    for name in DAEMON_COUNTERS:
        setattr(daemon, name, counters.get(name, 0))
    gauges, (user, system) = engine.workers.gauges(), engine.workers.cpu()
    live = [(index, keys) for index in range(databases) if (keys := engine.count(index))]
    return Snapshot(
        unix_time=unix_time,
        started=started,
        uptime=uptime,
        clients=Buffers(
            connected=engine.workers.connections(),
            blocked=gauges["blocked_clients"],
            largest_input=gauges["largest_input"],
            largest_output=gauges["largest_output"],
            memory=gauges["client_memory"],
            watching=gauges["watching_clients"],
        ),
        counters=counters,
        daemon=daemon,
        errors=dict(engine.error_counts()),
        databases=tuple(
            Database(index, keys, engine.count_volatile(index), engine.average_ttl(index)) for index, keys in live
        ),
        used_memory=engine.used_memory,
        peak_memory=engine.note_peak(),
        committed_memory=engine.committed_memory,
        max_memory=engine.max_memory,
        map_size=engine.map_size,
        num_shards=engine.num_shards,
        policy=engine.policy,
        fixed_memory=engine.fixed_memory,
        resident_memory=gauges["resident_memory"] + engine.committed_memory,
        total_memory=machine_memory,
        secrets=tuple(engine.secrets),
        cpu_user=user,
        cpu_system=system,
        rate=rates.rate(),
        workers=tuple(engine.workers),
        commands=tuple(engine.command_counts()) if with_commands else (),
    )


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
