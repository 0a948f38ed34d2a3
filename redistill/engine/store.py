"""One process's view of the arena. core/arena/arena.h and core/store/store.h describe the calls in detail."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redistill._core import ffi, lib
from redistill.engine.command_table import FULL_NAMES
from redistill.engine.counters import CommandCount
from redistill.engine.interfaces import KeyDetails, SlowEntry, TypeLimits
from redistill.engine.session import KINDS, PIECE, Saved, Session
from redistill.engine.shared import GAUGES, STATS, SUPERVISOR, Admission, Secrets, Workers

DATABASES: int = lib.RD_DATABASES
PLACES: int = lib.RD_MAX_WORKERS
"""Processes that can join an arena."""
MAGIC: bytes = lib.RD_MAGIC.to_bytes(8, sys.byteorder)
"""The first bytes of every arena, whatever its layout."""
_ERROR_TEXT = 256
_UINT32_MAX = 2**32 - 1
_NAMES = 65536
"""Bytes of channels' names that are taken at once."""

POLICIES: tuple[str, ...] = tuple(ffi.string(lib.rd_policy_name(i)).decode() for i in range(lib.RD_POLICIES))


class ArenaError(Exception):
    """An arena could not be made or attached; the text says why."""


class NotNow(Exception):
    """Nothing has changed, and the same may succeed a moment later."""


def min_memory(num_shards: int, workers: int = 1) -> int:
    """The least max_memory, in bytes, that an arena of so many shards can work in when so many processes join it."""
    return int(lib.rd_min_memory(num_shards, workers))


class Store:
    """One process's view of an arena: closed at first, then made (`create`) or found (`attach`), then joined.

    The descriptor of the arena stays the caller's.
    """

    def __init__(self) -> None:
        self._c: Any = None
        self._sessions: set[Session] = set()
        self._scratch = ffi.new("uint8_t[]", PIECE)
        self._scratch_view = ffi.buffer(self._scratch)
        # Drained after each turn of a session, so it need not be long.
        self._slow = ffi.gc(lib.rd_slowlog_new(64, 2**64 - 1), lib.rd_slowlog_free)
        self._frozen_ms = 0
        self._wakers: Any = None
        self.place = 0
        """Place of this process's block in the arena, once it has joined."""
        self.on_monitored: Callable[[], None] | None = None
        """Called during a session's `feed` and `resume` when lines of MONITOR wait (`monitored`)."""
        self.on_pushed: Callable[[], None] | None = None
        """Called during a session's `feed` and `resume` when messages wait for others (`pushed`)."""
        self.workers = Workers(lambda: self._c)
        self.admission = Admission(lambda: self._c)
        self.secrets = Secrets(lambda: self._c)

    def create(
        self, fd: int, *, max_memory: int, map_size: int, num_shards: int, policy: str, sample_size: int
    ) -> None:
        """Make an empty arena in the file `fd`, whatever it held. Raises ArenaError."""
        options = ffi.new("rd_options *")
        options.max_memory, options.map_size, options.num_shards = max_memory, map_size, num_shards
        options.policy, options.sample_size = POLICIES.index(policy), sample_size
        options.seed[0], options.seed[1] = secrets.randbits(64), secrets.randbits(64)
        self._open(lambda store, error: lib.rd_create(store, fd, options, error, _ERROR_TEXT))

    def attach(self, fd: int, alone: bool = False) -> None:
        """Map the arena in the file `fd`. Raises ArenaError if there is none, or it is damaged or of another version.

        `alone`: the caller knows that no other process has it. Otherwise the arena tells whether one has (see `began`).
        """
        call = lib.rd_attach_alone if alone else lib.rd_attach
        self._open(lambda store, error: call(store, fd, error, _ERROR_TEXT))

    @property
    def began(self) -> bool:
        """Whether a run began when the store was attached: no other process had the arena."""
        return bool(self._c.began)

    def _open(self, call: Any) -> None:
        if self._c is not None:
            raise ArenaError("the store is open already")
        store, error = ffi.new("rd_store *"), ffi.new("char[]", _ERROR_TEXT)
        if call(store, error):
            raise ArenaError(ffi.string(error).decode(errors="replace"))
        store.clock = ffi.addressof(lib, "rd_monotonic_ns")
        store.slowlog = self._slow
        self._c = store
        self.frozen_ms = self._frozen_ms

    def join(self, number: int = SUPERVISOR) -> None:
        """Take a worker's block of the arena for this process, which others know by `number`; sessions, counters and
        admission need it. Raises ArenaError if all are taken."""
        place = lib.rd_worker_join(self._c, number)
        if place == -2:
            raise ArenaError("no memory for one more process: the file system of the arena, or the machine, is full")
        if place < 0:
            raise ArenaError(f"all {PLACES} workers of the arena are taken")
        self.place = place

    def reserve(self, processes: int) -> None:
        """Reserve the memory that so many processes need to join, before keys can take it. If the system has too
        little, a process that joins asks again."""
        lib.rd_workers_back(self._c, processes)

    @property
    def core(self) -> Any:
        """The open rd_store."""
        return self._c

    def set_wakers(self, fds: Sequence[int]) -> None:
        """The eventfds that wake the processes of the arena by their places, `PLACES` of them: used until it is closed,
        and the caller's."""
        self._wakers = ffi.new("int[]", list(fds))
        lib.rd_ring_set_wakers(self._c, self._wakers)

    def announce(self, generation: int) -> None:
        """From now on no process serves a client that has not applied the configuration of this generation."""
        lib.rd_announce(self._c, generation)

    @property
    def announced(self) -> int:
        """The generation that was announced last."""
        return int(lib.rd_announced(self._c))

    def caught_up(self, generation: int) -> None:
        """This process has applied the configuration of this generation, or cannot."""
        lib.rd_caught_up(self._c, generation)

    def close(self) -> None:
        """Close all sessions, leave and unmap the arena. A second call does nothing."""
        if self._c is None:
            return
        for session in list(self._sessions):
            session.close()
        lib.rd_worker_leave(self._c)
        lib.rd_detach(self._c)
        self._c = None

    @property
    def frozen_ms(self) -> int:
        """Milliseconds since the epoch that stand for the time; 0: the clock is read."""
        return self._frozen_ms

    @frozen_ms.setter
    def frozen_ms(self, now_ms: int) -> None:
        self._frozen_ms = now_ms
        if self._c is not None:
            self._c.wall = ffi.NULL if now_ms else ffi.addressof(lib, "rd_wall_us")

    @property
    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._frozen_ms or int(lib.rd_wall_ms())

    def _at_now(self) -> Any:
        """The store, its time set: for calls outside of a session."""
        self._c.now_ms = self.now_ms
        lib.rd_events_begin(self._c)
        return self._c

    # ---- memory and policy ----

    @property
    def used_memory(self) -> int:
        """Bytes in use, exact."""
        return int(lib.rd_used_memory(self._c))

    def note_peak(self) -> int:
        """The highest use of memory that any worker saw when it called this."""
        return int(lib.rd_note_peak(self._c))

    @property
    def fixed_memory(self) -> int:
        """Bytes in use that an empty store takes."""
        return int(lib.rd_fixed_memory(self._c))

    @property
    def committed_memory(self) -> int:
        """Bytes of the regions in use, and of the fixed part."""
        return int(lib.rd_committed_memory(self._c))

    @property
    def max_memory(self) -> int:
        """The limit in bytes."""
        return int(lib.rd_max_memory(self._c))

    @property
    def map_size(self) -> int:
        """The bytes that `max_memory` cannot exceed."""
        return int(lib.rd_most_memory(self._c))

    @property
    def num_shards(self) -> int:
        """How many shards the arena was made with."""
        return int(self._c.num_shards)

    @property
    def policy(self) -> str:
        """Name of the eviction policy."""
        return POLICIES[int(lib.rd_get_policy(self._c))]

    def set_policy(self, policy: str, sample_size: int) -> None:
        """Evict by `policy` from now on; ValueError when there is none of that name."""
        lib.rd_set_policy(self._c, POLICIES.index(policy), sample_size)

    def set_max_memory(self, size: int) -> None:
        """Change the limit; what is over it goes in steps of `shrink`. ValueError, and no change, when it cannot be."""
        reason = lib.rd_set_max_memory(self._at_now(), size)
        if reason != ffi.NULL:
            made_for = f"{ffi.string(reason).decode()}, {self.map_size} bytes"
            raise ValueError(f"{made_for}; set memory.max_memory in the configuration and restart for a larger one")

    @property
    def is_over(self) -> bool:
        """Whether more is in use than the limit allows, so that nothing may grow."""
        return bool(lib.rd_is_over(self._c))

    def shrink(self, regions: int) -> bool:
        """Evict up to `regions` regions of what lies over the limit. True: nothing does, or nothing may go now."""
        return not bool(lib.rd_shrink_step(self._at_now(), regions))

    def sweep(self, budget_ns: int, part: int = 0, parts: int = 1) -> bool:
        """Remove what has expired for about `budget_ns`, from where the last call stopped. True: nothing is left.

        Of several processes each sweeps its `part`, 0 to `parts` - 1.
        """
        first, last = (self.num_shards * edge // parts for edge in (part, part + 1))
        return bool(lib.rd_sweep(self._at_now(), first, last, budget_ns))

    @property
    def active_expire(self) -> bool:
        """Whether `sweep` removes what has expired (DEBUG SET-ACTIVE-EXPIRE)."""
        return bool(lib.rd_get_active_expire(self._c))

    @active_expire.setter
    def active_expire(self, on: bool) -> None:
        lib.rd_set_active_expire(self._c, on)

    def doubt(self) -> None:
        """Have each shard verified before its next use: a process died of what may be damage in the arena."""
        lib.rd_doubt(self._c)

    def check(self) -> tuple[int, str]:
        """Walk the whole arena: the count of violated invariants, and the first of them in words."""
        error = ffi.new("char[]", _ERROR_TEXT)
        return int(lib.rd_check(self._at_now(), error, _ERROR_TEXT)), ffi.string(error).decode(errors="replace")

    # ---- databases ----

    def count(self, db: int) -> int:
        """Keys of a database, the expired but not yet swept included."""
        return int(lib.rd_count(self._at_now(), db))

    @property
    def blocking_keys(self) -> int:
        """Keys that clients of any process wait for."""
        return int(lib.rd_waits_keys(self._at_now()))

    def count_volatile(self, db: int) -> int:
        """Keys with an expiry."""
        return int(lib.rd_count_volatile(self._at_now(), db))

    def average_ttl(self, db: int) -> int:
        """Milliseconds, estimated; 0 when no key has an expiry."""
        return int(lib.rd_average_ttl(self._at_now(), db))

    def details(self, db: int, key: bytes) -> KeyDetails | None:
        """The details of a key, whose access time does not change; None if there is no such key."""
        found = ffi.new("rd_details *")
        if not lib.rd_host_details(self._at_now(), db, key, len(key), found):
            return None
        return KeyDetails(
            found.place, ffi.string(found.encoding).decode(), found.len, found.idle_ms // 1000, found.shard
        )

    def set_pause(self, mode: int, until_ms: int) -> None:
        """Hold commands of the sessions of all workers until then, by the monotonic clock: 0 none, 1 those that write,
        2 all."""
        lib.rd_blocked_pause(self._c, mode, until_ms)

    def get_pause(self) -> tuple[int, int]:
        """The last pause that any worker set; it may be over."""
        until = ffi.new("uint64_t *")
        return int(lib.rd_get_pause(self._c, until)), int(until[0])

    # ---- numbers that no two workers get both, from 1 on ----

    def next_client_id(self) -> int:
        """A new number for CLIENT ID."""
        return int(lib.rd_next(self._c, lib.RD_SEQ_CLIENT))

    def next_slowlog_id(self) -> int:
        """A new number for an entry of SLOWLOG."""
        return int(lib.rd_next(self._c, lib.RD_SEQ_SLOWLOG))

    def next_denial_id(self) -> int:
        """A new number for an entry of ACL LOG."""
        return int(lib.rd_next(self._c, lib.RD_SEQ_DENIAL))

    # ---- counters, summed over all workers ----

    def counters(self) -> dict[str, int]:
        """The counters of core/arena/stats.h by name."""
        return {name: int(lib.rd_counter(self._c, stat)) for name, stat in STATS.items()}

    def counter(self, name: str) -> int:
        """One of them."""
        return int(lib.rd_counter(self._c, STATS[name]))

    def add(self, name: str, n: int) -> None:
        """Count up one of them by `n`, 0 or more."""
        lib.rd_count_add(self._c, STATS[name], n)

    def command_counts(self) -> Iterator[CommandCount]:
        """The counts of the commands that were called or rejected."""
        stats = ffi.new("rd_command_stats *")
        for number, name in enumerate(FULL_NAMES):
            lib.rd_host_command_stats(self._c, number, stats)
            if stats.calls or stats.rejected:
                yield CommandCount(
                    name, stats.calls, stats.nanoseconds, stats.rejected, stats.failed, tuple(stats.histogram)
                )

    def error_counts(self) -> dict[str, int]:
        """Error replies by their code."""
        counts: dict[str, int] = {}
        for worker in range(lib.RD_MAX_WORKERS):
            errors = lib.rd_host_error_stats(self._c, worker)
            for i in range(lib.RD_ERROR_CODES if errors != ffi.NULL else 0):
                code = ffi.string(errors[i].code).decode("ascii", "replace")
                if code:
                    counts[code] = counts.get(code, 0) + errors[i].count
        return counts

    def set_value_limits(self, bulk: int, sparse: int) -> None:
        """Bytes that an argument, or a value that a command makes, may have, and those of a sparse HyperLogLog."""
        lib.rd_set_value_limits(self._c, bulk, sparse)

    def set_notify(self, letters: str) -> None:
        """Publish events of the classes with these letters (core/store/event.h), on the channels of K and E; in all
        processes."""
        ways = {"K": lib.RD_NOTIFY_KEYSPACE, "E": lib.RD_NOTIFY_KEYEVENT}
        what = 0
        for letter in letters:
            what |= ways.get(letter) or lib.rd_event_letter(letter.encode())
        lib.rd_set_notify(self._c, what)

    def set_tracking_limit(self, keys: int) -> None:
        """The number of keys that are tracked for clients of all workers; 0: no limit."""
        lib.rd_set_tracking_limit(self._c, keys)

    def set_type_limits(self, limits: TypeLimits) -> None:
        """The thresholds of the encodings that OBJECT ENCODING shows."""
        lib.rd_set_type_limits(self._c, ffi.new("rd_type_limits *", [min(limit, _UINT32_MAX) for limit in limits]))

    def set_busy_threshold(self, milliseconds: int) -> None:
        """Answer BUSY to clients that need what a script has that takes longer; 0, and so at first: never."""
        lib.rd_set_busy_threshold(self._c, milliseconds)

    def set_slow_threshold(self, nanoseconds: int | None) -> None:
        """Hand up commands that take this long or longer (`Session.on_slow`); None, and so at first: none."""
        lib.rd_slowlog_set_threshold(self._slow, 2**64 - 1 if nanoseconds is None else nanoseconds)

    def _slow_entries(self) -> Iterator[SlowEntry]:
        while (entry := lib.rd_slowlog_take(self._slow)) != ffi.NULL:
            text, argv = ffi.buffer(entry.text, entry.text_len)[:], []
            while text:
                end = 4 + int.from_bytes(text[:4], sys.byteorder)
                argv.append(text[4:end])
                text = text[end:]
            yield SlowEntry(entry.nanoseconds, entry.now_ms, argv, bool(entry.command.flags & lib.RD_FAST))

    # ---- MONITOR ----

    @property
    def monitors(self) -> int:
        """Sessions of all workers that monitor. While there are any, every store collects lines
        (core/session/monitor.h)."""
        return int(lib.rd_gauge_sum(self._c, GAUGES["monitors"]))

    def monitored(self) -> bytes:
        """Take the lines that are to be shown here, whole ones; b"" when none wait, or the store is closed. Lines
        from this process's sessions go to the other workers as well, if a client monitors there."""
        if self._c is None:
            return b""
        lib.rd_monitor_share(self._c)
        length: int = lib.rd_monitor_pending(self._c)
        if not length:
            return b""
        lines = ffi.new("uint8_t[]", length)
        return bytes(ffi.buffer(lines, lib.rd_monitor_take(self._c, lines, length)))

    def send_kept(self) -> bool:
        """Send what waits here for room in other processes' rings; whether nothing waits any more."""
        return self._c is None or bool(lib.rd_ring_flush(self._c))

    def deliver(self) -> bool:
        """Deliver a slice of the messages that take long; whether more wait. The loop does the same."""
        if self._c is None:
            return False
        lib.rd_backlog_go_on(self._c)
        return bool(lib.rd_backlog_waits(self._c))

    def pushed(self) -> Iterator[int]:
        """The owners' numbers of sessions that no loop serves, and that have new messages or are to be closed since
        their clients do not read (`Session.overflowed`)."""
        while self._c is not None and (owner := lib.rd_pushed_owner(self._c)):
            yield owner

    def woken(self) -> Iterator[int]:
        """The owners' numbers of sessions that were woken, and that no loop serves."""
        while self._c is not None and (owner := lib.rd_woken_owner(self._c)):
            yield owner

    def set_asking(self, sessions: int) -> None:
        """So many sessions of this process wait for the control plane."""
        if self._c is not None:
            lib.rd_blocked_ask(self._c, sessions)

    def enforce_pause(self) -> None:
        """Once a second: wake held sessions if CLIENT PAUSE has changed and its message was lost."""
        if self._c is not None:
            lib.rd_blocked_enforce(self._c)

    def end_slow_subscribers(self) -> bool:
        """Once a second: end subscribers above the soft limit for too long; `pushed`, or the loop, names them. Whether
        messages to this process were lost, which has ended all its subscribers."""
        if self._c is None:
            return False
        lib.rd_pushed_enforce(self._c)
        lib.rd_waits_tend(self._c)
        return bool(lib.rd_subscribed_lost(self._c))

    def distinct_subscriptions(self) -> tuple[int, int, int]:
        """The numbers of different channels, patterns and shard channels, over all workers."""
        channels, patterns, shard = (lib.rd_roll_distinct(self._c, kind) for kind in KINDS)
        return channels, patterns, shard

    def subscribed_channels(self, shard: bool) -> Iterator[list[bytes]]:
        """The channels that clients of this process subscribe to, some at a time."""
        kind = lib.RD_SHARD_CHANNEL if shard else lib.RD_CHANNEL
        at, size = ffi.new("uint32_t *"), _NAMES
        while True:
            here, room = at[0], ffi.new("uint8_t[]", size)
            data = ffi.buffer(room, lib.rd_subscribed_names(self._c, kind, room, size, at))[:]
            if at[0] == here != 0 or (not data and at[0]):
                size *= 2  # a name that is longer than the room
                continue
            names, start = [], 0
            while start < len(data):
                end = start + 4 + int.from_bytes(data[start : start + 4], "little")
                names.append(data[start + 4 : end])
                start = end
            yield names
            if not at[0]:
                return

    @property
    def monitor_dropped(self) -> int:
        """Lines lost here since the store was opened: a MiB of them waited, here or for another worker."""
        return int(lib.rd_monitor_dropped(self._c))

    @property
    def rings_reset(self) -> int:
        """How often messages to this process were found damaged, so that all that waited were dropped."""
        return int(self._c.rings_reset)

    def reset_stats(self) -> None:
        """Set all counters to 0, and the peak of memory to what is in use."""
        lib.rd_reset_stats(self._c)

    def set_client_limit(self, limit: int, readable: int) -> None:
        """Bytes that the buffers of all clients may have, over all processes; 0: any number. No command makes a value
        of more than `readable` bytes (core/session/footprint.h)."""
        lib.rd_set_client_limit(self._c, limit, readable)

    def client_to_close(self) -> int:
        """`owner` (of `Session.state`) of the session that this process is to drop since they have more; 0: none."""
        return int(lib.rd_client_to_close(self._c))

    def buffers_shrank(self) -> bool:
        """Whether the buffers of this process's clients have shrunk by so much that `trim_memory` is worth its time."""
        return bool(lib.rd_buffers_shrank(self._c))

    def clients_with_buffers(self, most: int) -> list[int]:
        """`owner` of up to `most` sessions of this process: those that hold anything, which idle ones do not."""
        owners = ffi.new("uint64_t[]", most)
        return ffi.unpack(owners, lib.rd_clients_with_buffers(self._c, owners, most)) if most else []

    def session(
        self,
        *,
        batch_size: int,
        output_high: int,
        query_limit: int,
        multi_limit: int,
        output_limit: int,
        pubsub_limits: tuple[int, int, int] = (0, 0, 0),
    ) -> Session:
        """A new conversation; the bounds are those of rd_limits, in commands and bytes, and `pubsub_limits` the hard
        and the soft one of a subscriber and the seconds of the soft one. MemoryError."""
        limits = [batch_size, output_high, query_limit, multi_limit, output_limit, *pubsub_limits]
        core = lib.rd_session_new(self._c, ffi.new("rd_limits *", limits))
        if core == ffi.NULL:
            raise MemoryError("no memory for a session")
        return self._added(core)

    def load_session(
        self,
        data: Saved,
        *,
        batch_size: int,
        output_high: int,
        query_limit: int,
        multi_limit: int,
        output_limit: int,
        pubsub_limits: tuple[int, int, int] = (0, 0, 0),
    ) -> Session:
        """The conversation that another process over this arena saved: write its output, then `resume` it.

        ValueError, and nothing is left behind, when the bytes are none; NotNow when a subscriber cannot be taken now,
        but perhaps when it is saved again.
        """
        limits = ffi.new(
            "rd_limits *", [batch_size, output_high, query_limit, multi_limit, output_limit, *pubsub_limits]
        )
        error = ffi.new("char[]", _ERROR_TEXT)
        core = lib.rd_session_load(self._c, limits, ffi.from_buffer("uint8_t[]", data), len(data), error, _ERROR_TEXT)
        if core == ffi.NULL:
            reason = ffi.string(error).decode()
            raise ValueError(reason) if reason else NotNow("a subscriber cannot be taken now")
        return self._added(core)

    def _added(self, core: Any) -> Session:
        session = Session(self, core)
        self._sessions.add(session)
        return session
