"""One immutable snapshot of all counts of the core and the daemon.

INFO and everything else that shows figures is made from it, so that all of them agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from redistill.engine.counters import DAEMON_COUNTERS, CommandCount, DaemonCounters
from redistill.engine.shared import Secret, Worker


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

    @property
    def blocking_keys(self) -> int: ...
    def count(self, db: int) -> int: ...
    def count_volatile(self, db: int) -> int: ...
    def average_ttl(self, db: int) -> int: ...
    def distinct_subscriptions(self) -> tuple[int, int, int]:
        """The numbers of different channels, patterns and shard channels."""
        ...

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


class Tracked(NamedTuple):
    """Client-side caching."""

    clients: int = 0
    keys: int = 0
    """Keys that clients have read; one that was read in two workers counts twice, as do prefixes."""
    items: int = 0
    """Pairs of a key and a client."""
    prefixes: int = 0


class Buffers(NamedTuple):
    """The buffers of the connections."""

    connected: int = 0
    blocked: int = 0
    """Held by CLIENT PAUSE, or waiting for the answer of a command."""
    timed: int = 0
    """Waiting in a blocking command that has a timeout."""
    blocking_keys: int = 0
    """Keys that clients wait for."""
    largest_input: int = 0
    largest_output: int = 0
    memory: int = 0
    """Bytes of all their buffers and objects, about."""
    watching: int = 0
    subscribed: int = 0
    subscriptions: tuple[int, int, int] = (0, 0, 0)
    """Different channels, patterns and shard channels."""
    tracked: Tracked = Tracked()


class Configured(NamedTuple):
    """Figures shown with a snapshot that are not the store's."""

    max_clients: int
    certificate_ends: float
    """In seconds since the epoch; 0: TLS is not spoken."""
    certificate_begins: float = 0.0
    """In seconds since the epoch; 0: TLS is not spoken."""
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
            timed=gauges["timed_clients"],
            blocking_keys=engine.blocking_keys,
            largest_input=gauges["largest_input"],
            largest_output=gauges["largest_output"],
            memory=gauges["client_memory"],
            watching=gauges["watching_clients"],
            subscribed=gauges["pubsub_clients"],
            subscriptions=engine.distinct_subscriptions(),
            tracked=Tracked(
                gauges["tracking_clients"],
                gauges["tracking_keys"],
                gauges["tracking_items"],
                gauges["tracking_prefixes"],
            ),
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
