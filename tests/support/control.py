"""A control plane without a daemon: a store, sessions and clients that only remember."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from redistill.base.failures import Refused
from redistill.config.config import Config
from redistill.config.effect import apply_to_all
from redistill.control import ControlPlane
from redistill.engine.command_table import CommandTable
from redistill.engine.counters import CommandCount, DaemonCounters
from redistill.engine.interfaces import KeyDetails, Tracking, TypeLimits
from redistill.engine.permissions import Permissions
from redistill.engine.shared import Secret
from redistill.lifetime.memory_limit import MemoryLimit
from redistill.net.interfaces import Certificate

NOW = 1_700_000_000.25
"""The wall clock at the beginning of a test."""

MIB = 1024 * 1024
GAUGES = (
    *("blocked_clients", "timed_clients", "pubsub_clients"),
    *("tracking_clients", "tracking_keys", "tracking_items", "tracking_prefixes"),
)
TABLE = CommandTable()


@dataclass
class State:
    """rd_session_state of a session that is idle."""

    db: int = 0
    resp: int = 2
    authenticated: bool = True
    no_touch: bool = False
    no_evict: bool = False
    subscribed: bool = False
    monitors: bool = False
    close_after_reply: bool = False
    reply_mode: int = 0
    in_multi: bool = False
    in_exec: bool = False
    locked: bool = False
    multi_queued: int = 0
    multi_bytes: int = 0
    watching: int = 0
    query_bytes: int = 26
    query_cap: int = 20474
    output_bytes: int = 0
    output_cap: int = 1024
    commands: int = 0
    tracking: int = 0
    redirect: int = 0
    denied: int = 0
    denied_at: int = 0


@dataclass
class FakeSession:
    """A session that counts how often it was reset."""

    state: State = field(default_factory=State)
    last_command: str = ""
    resets: int = 0
    permissions: Permissions | None = None
    argv: Sequence[bytes] = ()
    parts: bytes = b""
    """The parts that `answer_part` got."""
    room: int = 2**60
    """Bytes that `parts` may become."""
    waits: bool = False
    """Whether it is in a blocking command."""
    stays: bool = True
    """Whether its user may have its subscriptions."""
    subscriptions: tuple[int, int, int] = (0, 0, 0)
    watch_changed: bool = False
    tracking: Tracking = field(default_factory=Tracking)
    received: int = 0
    """Times that it was named by REDIRECT."""

    def track(
        self,
        *,
        broadcasts: bool = False,
        opt_in: bool = False,
        opt_out: bool = False,
        no_loop: bool = False,
        redirect: int = 0,
        prefixes: Sequence[bytes] = (),
    ) -> bool:
        all_prefixes = sorted([*self.tracking.prefixes, *prefixes])
        self.tracking = Tracking(True, broadcasts, opt_in, opt_out, no_loop, False, False, redirect, all_prefixes)
        return True

    def stop_tracking(self) -> None:
        self.tracking = Tracking()

    def set_caching(self) -> None:
        self.tracking = self.tracking._replace(caching=True)

    def receive_redirected(self) -> bool:
        self.received += 1
        return True

    def may_stay(self, permissions: Permissions | None) -> bool:
        return self.stays

    def unblock(self, error: bool) -> bool:
        waited, self.waits = self.waits, False
        return waited

    def argument(self, position: int) -> bytes:
        return self.argv[position][:1024]

    def answer_part(self, data: bytes) -> bool:
        if len(self.parts) + len(data) > self.room:
            return False
        self.parts += data
        return True

    def permit(self, permissions: Permissions | None) -> None:
        self.permissions = permissions

    def monitor(self) -> None:
        self.state.monitors = True

    def reset(self) -> None:
        """RESET's part of the core."""
        self.resets += 1
        self.state = State(authenticated=self.state.authenticated)


@dataclass(eq=False)
class FakeClient:
    """A connection over TCP from this machine."""

    client_id: int = 7
    peer: str = "127.0.0.1:51000"
    local: str = "127.0.0.1:6379"
    fd: int = 8
    name: bytes = b""
    lib_name: bytes = b""
    lib_ver: bytes = b""
    user: str = "default"
    secret: int = 0
    changes: bool = False
    certificate: Certificate | None = None
    connected_at: float = 0.0
    last_active: float = 0.0
    session: FakeSession = field(default_factory=FakeSession)
    blocked: bool = False
    killed: bool = False
    pushed: bytes = b""
    told: int = 0
    """Times that it was to send its messages."""
    reads: bool = True
    """Whether it takes what it is sent."""

    def push(self, data: bytes) -> None:
        self.pushed += data

    def send_pushed(self) -> None:
        self.told += 1

    def flush(self, on_read: Callable[[], None]) -> bool:
        self.on_read = on_read
        return self.reads

    def kill(self) -> None:
        """Remember it."""
        self.killed = True


class FakeWorker(NamedTuple):
    """The figures that a process has written into the arena."""

    pid: int = 4711
    number: int = 0
    commands: int = 0
    cpu_user: float = 0.0
    cpu_system: float = 0.0
    connections: int = 0
    gauges: Mapping[str, int] = {"resident_memory": 0}


class FakeWorkers:
    """The processes over an arena: `others`, and this one."""

    def __init__(self) -> None:
        self.others: list[FakeWorker] = []
        self.own: dict[str, int] = dict.fromkeys(GAUGES, 0)
        self.cpu_time = (0.0, 0.0)
        self.clients: Mapping[int, FakeClient] = {}

    def __iter__(self) -> Iterator[FakeWorker]:
        return iter((FakeWorker(connections=len(self.clients), gauges=self.own), *self.others))

    def connections(self) -> int:
        return sum(one.connections for one in self)

    def gauges(self) -> Mapping[str, int]:
        return self.own

    def cpu(self) -> tuple[float, float]:
        return self.cpu_time

    def set_gauges(self, **values: int) -> None:
        self.own.update(values)

    def set_cpu(self, user: float, system: float) -> None:
        self.cpu_time = user, system


class FakeSecrets:
    """The secrets that were used, and the times."""

    def __init__(self) -> None:
        self.used: dict[int, list[float]] = {}
        self.connections: dict[int, int] = {}

    def enter(self, number: int, unix_time: float) -> None:
        self.connections[number] = self.connections.get(number, 0) + 1
        if unix_time:
            self.used.setdefault(number, []).append(unix_time)

    def leave(self, number: int) -> None:
        self.connections[number] -= 1

    def __iter__(self) -> Iterator[Secret]:
        for place, (number, count) in enumerate(self.connections.items(), 1):
            times = self.used.get(number, [])
            yield Secret(number, max(times, default=0.0), len(times), count, place)


class FakeStore:
    """A store with settable figures."""

    def __init__(self) -> None:
        self.workers = FakeWorkers()
        self.secrets = FakeSecrets()
        self.denials = 0
        self.fixed_memory = 3 * MIB
        self.values: dict[str, int] = {}
        self.commands: list[CommandCount] = []
        self.errors: dict[str, int] = {}
        self.databases: dict[int, tuple[int, int, int]] = {}
        self.keys: dict[tuple[int, bytes], KeyDetails] = {}
        self.used_memory, self.committed_memory, self.map_size = 3 * MIB, 4 * MIB, 64 * MIB
        self.max_memory, self.num_shards, self.policy, self.sample_size = 64 * MIB, 256, "allkeys-lru", 5
        self.pause = (0, 0)
        self.peak = 0
        self.slow_threshold: int | None = None
        self.value_limits = (0, 0)
        self.violations: tuple[int, str] = (0, "")
        self.active_expire = True
        self.monitors = self.monitor_dropped = self.rings_reset = 0
        self.lines = b""
        self.channels: list[bytes] = []
        self.shard_channels: list[bytes] = []

    def counters(self) -> Mapping[str, int]:
        return self.values

    def clients_with_buffers(self, most: int) -> list[int]:
        """All that a `Server` has made."""
        return list(range(7, 7 + most))

    def command_counts(self) -> Iterable[CommandCount]:
        return self.commands

    def error_counts(self) -> Mapping[str, int]:
        return self.errors

    def add(self, name: str, n: int) -> None:
        """Count up."""
        self.values[name] = self.values.get(name, 0) + n

    def note_peak(self) -> int:
        self.peak = max(self.peak, self.used_memory)
        return self.peak

    def reset_stats(self) -> None:
        self.values, self.commands, self.errors = {}, [], {}

    def count(self, db: int) -> int:
        return self.databases.get(db, (0, 0, 0))[0]

    blocking_keys = 0

    def count_volatile(self, db: int) -> int:
        return self.databases.get(db, (0, 0, 0))[1]

    def average_ttl(self, db: int) -> int:
        return self.databases.get(db, (0, 0, 0))[2]

    def set_max_memory(self, size: int) -> None:
        if size > self.map_size:
            raise ValueError("larger than the mapping")
        self.max_memory = size

    def set_policy(self, policy: str, sample_size: int) -> None:
        self.policy, self.sample_size = policy, sample_size

    def next_denial_id(self) -> int:
        self.denials += 1
        return self.denials

    def set_pause(self, mode: int, until_ms: int) -> None:
        self.pause = mode, until_ms

    def get_pause(self) -> tuple[int, int]:
        return self.pause

    def set_value_limits(self, bulk: int, sparse: int) -> None:
        self.value_limits = bulk, sparse

    def set_notify(self, letters: str) -> None:
        self.notify = letters

    def set_tracking_limit(self, keys: int) -> None:
        self.tracking_limit = keys

    def set_type_limits(self, limits: TypeLimits) -> None:
        self.type_limits = limits

    def set_busy_threshold(self, milliseconds: int) -> None:
        self.busy_threshold = milliseconds

    def set_slow_threshold(self, nanoseconds: int | None) -> None:
        self.slow_threshold = nanoseconds

    def check(self) -> tuple[int, str]:
        return self.violations

    def distinct_subscriptions(self) -> tuple[int, int, int]:
        return 0, 0, 0

    def deliver(self) -> bool:
        return False

    def pushed(self) -> Iterator[int]:
        return iter(())

    def woken(self) -> Iterator[int]:
        return iter(())

    def enforce_pause(self) -> None: ...

    def end_slow_subscribers(self) -> bool:
        return False

    def subscribed_channels(self, shard: bool) -> Iterator[list[bytes]]:
        yield self.shard_channels if shard else self.channels

    def monitored(self) -> bytes:
        lines, self.lines = self.lines, b""
        return lines

    def details(self, db: int, key: bytes) -> KeyDetails | None:
        return self.keys.get((db, key))


class Server:
    """A control plane with one client, `client`, whose commands `run` answers."""

    def __init__(self, changes: Mapping[str, Any] | None = None, config: Config | None = None) -> None:
        self.store = FakeStore()
        self.clock = Clock()
        self.clients: dict[int, FakeClient] = {}
        self.applied: list[Config] = []
        self.shutdowns: list[bool] = []
        self.plane = ControlPlane(
            config or Config().replace(changes or {}),
            self.store,
            self.clock,
            self.clients,
            TABLE,
            counters=DaemonCounters(publish=self.store.add),
            shutdown=self.shutdowns.append,
        )
        self.store.workers.clients = self.clients
        self.state = self.plane.state
        objects = (self, MemoryLimit(self.store, self.state.config, 1), self.plane)
        self.state.apply = lambda new: apply_to_all(objects, new, self.state.config)
        self.state.identity = dataclasses.replace(self.state.identity, started=NOW, began=0.0)
        self.state.wall = lambda: NOW + self.clock.seconds()
        self.state.ticks = lambda: int(self.clock.seconds() * 1_000_000_000)
        self.client = self.connect()

    def apply(self, config: Config) -> None:
        """Apply a configuration as the daemon would; it refuses 1234 clients."""
        if config.server.max_connections == 1234:
            raise Refused("maxclients", "too many")
        self.applied.append(config)

    def connect(self, **values: Any) -> FakeClient:
        """One more client."""
        values.setdefault("client_id", 7 + len(self.clients))
        client = FakeClient(connected_at=self.clock.seconds(), last_active=self.clock.seconds(), **values)
        self.clients[client.client_id] = client
        self.plane.connected(client)
        return client

    def ask(self, *argv: bytes | str, client: FakeClient | None = None) -> bytes | Deferred[bytes]:
        """The answer to a command."""
        words = [word.encode() if isinstance(word, str) else word for word in argv]
        client = client or self.client
        client.session.argv, client.session.parts = words, b""
        answer = self.plane.run(client, words)
        return client.session.parts + answer if isinstance(answer, bytes) else answer

    def run(self, line: str, client: FakeClient | None = None) -> bytes:
        """The reply to a command of words without blanks, which comes at once."""
        return cast(bytes, self.ask(*line.split(" "), client=client))
