"""The core as the control plane sees it: values that the engine returns, and protocols of its objects.

`store.Store` and `session.Session` provide these; the tests provide small fakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from redistill.engine import stats
from redistill.engine.shared import Secret

if TYPE_CHECKING:
    from redistill.engine.permissions import Permissions


class TypeLimits(NamedTuple):
    """The core's ``rd_type_limits`` (core/arena/arena.h), in its order."""

    hash_entries: int
    hash_value: int
    set_integers: int
    set_entries: int
    set_value: int
    zset_entries: int
    zset_value: int
    list_size: int
    stream_bytes: int
    stream_entries: int


class Tracking(NamedTuple):
    """How a session tracks (core/session/tracking.h)."""

    on: bool = False
    broadcasts: bool = False
    opt_in: bool = False
    opt_out: bool = False
    no_loop: bool = False
    caching: bool = False
    """CLIENT CACHING was called for the next command."""
    broken: bool = False
    """The client that it redirected to has gone."""
    redirect: int = 0
    """The id of the client that gets the messages; 0: itself."""
    prefixes: list[bytes] = []  # noqa: RUF012
    """Of BCAST, in the order of their bytes."""


class SessionState(Protocol):
    """The core's ``rd_session_state`` (core/session/session.h), read and written in place."""

    db: int
    resp: int
    authenticated: bool
    no_touch: bool
    no_evict: bool
    subscribed: bool
    monitors: bool
    close_after_reply: bool
    reply_mode: int
    in_multi: bool
    in_exec: bool
    locked: bool
    """In a transaction, with its shards locked: what a command does it does at once, an answer that takes time is given
    by a Deferred or a `Later`."""
    multi_queued: int
    multi_bytes: int
    watching: int
    query_bytes: int
    query_cap: int
    output_bytes: int
    output_cap: int
    commands: int
    tracking: int
    """Flags of `tracking` (core/session/tracking.h); 0: it does not track."""
    redirect: int
    denied: int
    """`permissions.Denial`: why its user may not run the command that the core has passed on; 0: it may."""
    denied_at: int
    """The place in argv of the key or channel that it is denied for."""


class Session(Protocol):
    """One client's conversation with the core."""

    @property
    def state(self) -> SessionState: ...

    @property
    def last_command(self) -> str:
        """Full name of the command executed last, ``client|list``; empty before the first."""
        ...

    def permit(self, permissions: Permissions | None) -> None:
        """Set the permissions of the session's user; None: everything is allowed."""
        ...

    @property
    def watch_changed(self) -> bool:
        """Whether a key that it watches seems to have changed: EXEC will do nothing."""
        ...

    @property
    def subscriptions(self) -> tuple[int, int, int]:
        """The number of its channels, patterns and shard channels."""
        ...

    def may_stay(self, permissions: Permissions | None) -> bool:
        """Whether a user with these permissions may have its subscriptions."""
        ...

    @property
    def tracking(self) -> Tracking:
        """How it tracks."""
        ...

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
        """Track so from now on; the prefixes are new ones, in the order of their bytes. False: no memory."""
        ...

    def stop_tracking(self) -> None:
        """Track no longer."""
        ...

    def set_caching(self) -> None:
        """CLIENT CACHING: the next command is an exception."""
        ...

    def receive_redirected(self) -> bool:
        """Get the messages of others that redirect to this client. False: no memory."""
        ...

    def unblock(self, error: bool) -> bool:
        """End its wait in a blocking command. False: it does not wait."""
        ...

    def argument(self, position: int) -> bytes:
        """The beginning of one of the command's arguments."""
        ...

    def answer_part(self, data: bytes) -> bool:
        """A part of the reply, which the command's answer ends. False: no more is wanted."""
        ...

    def monitor(self) -> None:
        """Enter the mode of MONITOR, until `reset`."""
        ...

    def reset(self) -> None:
        """Leave MULTI and MONITOR, end subscriptions and tracking, forget watches, database 0, RESP2, replies on."""
        ...


class SlowEntry(NamedTuple):
    """A command of the data plane that took long."""

    nanoseconds: int
    now_ms: int
    """Time of execution, milliseconds since the epoch."""
    argv: Sequence[bytes]
    """At most 32 arguments of at most 128 bytes, cut in Redis's words."""
    fast: bool
    """Whether the command is one that should never take long (its flag FAST)."""


class KeyDetails(NamedTuple):
    """The details of a key that DEBUG OBJECT shows."""

    place: int
    """Offset in the arena."""
    encoding: str
    length: int
    """Bytes of the value in an RDB file, as `rd_serialized_len` counts them."""
    idle_seconds: int
    shard: int
    """Number of the part of the store that the key is in."""


class Workers(stats.Workers, Protocol):
    """The figures of all processes; this process writes its own here."""

    def set_gauges(self, **values: int) -> None: ...

    def set_cpu(self, user: float, system: float) -> None: ...


class Secrets(Protocol):
    """See shared.Secrets."""

    def enter(self, number: int, unix_time: float) -> None: ...

    def leave(self, number: int) -> None: ...

    def __iter__(self) -> Iterator[Secret]: ...


class Store(stats.Engine, Protocol):
    """The keyspace, its counters, and what the control plane does with them."""

    def reset_stats(self) -> None: ...

    @property
    def workers(self) -> Workers: ...

    def clients_with_buffers(self, most: int) -> list[int]:
        """Ids of up to `most` clients of this process that hold anything."""
        ...

    def set_max_memory(self, size: int) -> None:
        """Raises ValueError, and changes nothing, when the arena cannot be of that size."""
        ...

    def set_policy(self, policy: str, sample_size: int) -> None: ...

    @property
    def secrets(self) -> Secrets: ...

    def next_denial_id(self) -> int: ...

    def set_pause(self, mode: int, until_ms: int) -> None:
        """Hold commands of all clients until then, by the monotonic clock: 0 none, 1 writes, 2 all."""
        ...

    def get_pause(self) -> tuple[int, int]:
        """The last pause that any worker set; it may be over."""
        ...

    def set_value_limits(self, bulk: int, sparse: int) -> None:
        """Bytes that an argument, or a value that a command makes, may have, and those of a sparse HyperLogLog."""
        ...

    def set_tracking_limit(self, keys: int) -> None:
        """The number of keys that are tracked for clients of all workers; 0: no limit."""
        ...

    def set_notify(self, letters: str) -> None:
        """Publish events of the classes with these letters, on the channels of K and E."""
        ...

    def set_type_limits(self, limits: TypeLimits) -> None:
        """The thresholds of the encodings that OBJECT ENCODING shows."""
        ...

    def set_slow_threshold(self, nanoseconds: int | None) -> None:
        """Hand up commands that take this long or longer; None: none."""
        ...

    def set_busy_threshold(self, milliseconds: int) -> None:
        """Answer BUSY for a script that takes longer; 0: never."""
        ...

    def check(self) -> tuple[int, str]:
        """Walk the whole arena: the number of violated invariants, and the first of them in words."""
        ...

    def details(self, db: int, key: bytes) -> KeyDetails | None:
        """The details of a key, whose access time does not change; None if there is no such key."""
        ...

    @property
    def monitors(self) -> int:
        """Clients of all workers that monitor."""
        ...

    def monitored(self) -> bytes:
        """Take the lines of MONITOR that are to be shown here, and send the other workers those that came of this
        process's clients; b"" when none wait."""
        ...

    def deliver(self) -> bool:
        """Deliver a slice of the messages that take long; whether more wait."""
        ...

    def pushed(self) -> Iterator[int]:
        """Ids of clients that no loop serves, and that have new messages or do not read them."""
        ...

    def woken(self) -> Iterator[int]: ...

    def enforce_pause(self) -> None: ...

    def end_slow_subscribers(self) -> bool:
        """End subscribers that have not read for too long. Whether messages to this process were lost."""
        ...

    def subscribed_channels(self, shard: bool) -> Iterator[list[bytes]]:
        """The channels that clients of this process subscribe to, some at a time."""
        ...

    @property
    def monitor_dropped(self) -> int:
        """Number of lines of MONITOR lost since the start, because too many waited."""
        ...

    @property
    def rings_reset(self) -> int:
        """Times since the start that what others sent to this process was damaged, and dropped."""
        ...

    active_expire: bool
    """Whether the background sweep runs (DEBUG SET-ACTIVE-EXPIRE)."""
