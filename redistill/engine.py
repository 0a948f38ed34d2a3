"""The typed face of the core: the arena as `Store`, one client's conversation as `Session`.

Nothing here knows a command or a socket. What the calls mean in detail is said in core/arena/arena.h and
core/session/session.h.
"""

from __future__ import annotations

import enum
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redistill._core import ffi, lib
from redistill.commands.interfaces import CommandCount, KeyDetails, SlowEntry
from redistill.permissions import Permissions
from redistill.shared import GAUGES, STATS, SUPERVISOR, Admission, Secrets, Workers

PIECE = 65536
"""Bytes of output that leave a session at once."""

QUOTED: int = lib.RD_MAX_QUOTED_BYTES
DATABASES: int = lib.RD_DATABASES
MAGIC: bytes = lib.RD_MAGIC.to_bytes(8, sys.byteorder)
"""What every arena begins with, whatever its layout."""
_ERROR_TEXT = 256


class Status(enum.IntEnum):
    """What a session wants after it was fed (core/session/session.h)."""

    MORE = lib.RD_MORE
    CONTROL = lib.RD_CONTROL
    CLOSE = lib.RD_CLOSE
    FULL = lib.RD_FULL
    PAUSED = lib.RD_PAUSED
    BUSY = lib.RD_BUSY


class Overflow(enum.IntEnum):
    """Which bound a reply would have passed."""

    NONE = lib.RD_OVERFLOW_NONE
    OUTPUT = lib.RD_OVERFLOW_OUTPUT
    CLIENTS = lib.RD_OVERFLOW_CLIENTS


_SLOW: int = lib.RD_HOST_SLOW
_MONITORED: int = lib.RD_HOST_MONITORED
STATUSES = tuple(Status(code) for code in range(len(Status)))
_feed = lib.rd_host_feed
_resume = lib.rd_host_resume
_take = lib.rd_host_take

POLICIES: tuple[str, ...] = tuple(ffi.string(lib.rd_policy_name(i)).decode() for i in range(lib.RD_POLICIES))


class ArenaError(Exception):
    """An arena could not be made or attached; the text says why."""


def min_memory(num_shards: int, workers: int = 1) -> int:
    """The least max_memory, in bytes, that an arena of so many shards can work in when so many processes join it."""
    return int(lib.rd_min_memory(num_shards, workers))


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
    """What ps, top and pgrep call this process, up to 15 characters (proc_pid_comm(5))."""
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def _full_name(number: int) -> str:
    command = lib.rd_command_by_id(number)
    return str(ffi.string(command.name if command.full_name == ffi.NULL else command.full_name).decode())


_COMMANDS = tuple(_full_name(number) for number in range(lib.rd_command_count()))


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
        self.on_monitored: Callable[[], None] | None = None
        """Called during a session's `feed` and `resume` when lines of MONITOR wait (`monitored`)."""
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
        """Map the arena that is in the file `fd`. Raises ArenaError when it is none, torn, or of another version.

        `alone`: the caller knows that no other process has it. Otherwise its words are believed (see `began`).
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
            raise ArenaError(f"all {lib.RD_MAX_WORKERS} workers of the arena are taken")

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
        """Of them, those that an empty store takes."""
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
        """Bytes of address space, which `max_memory` cannot exceed."""
        return int(self._c.size)

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

    def count_volatile(self, db: int) -> int:
        """Keys with an expiry."""
        return int(lib.rd_count_volatile(self._at_now(), db))

    def average_ttl(self, db: int) -> int:
        """Milliseconds, estimated; 0 when no key has an expiry."""
        return int(lib.rd_average_ttl(self._at_now(), db))

    def details(self, db: int, key: bytes) -> KeyDetails | None:
        """Of a key, which is not touched by it; None: there is none."""
        found = ffi.new("rd_details *")
        if not lib.rd_host_details(self._at_now(), db, key, len(key), found):
            return None
        return KeyDetails(
            found.place, ffi.string(found.encoding).decode(), found.len, found.idle_ms // 1000, found.shard
        )

    def set_pause(self, mode: int, until_ms: int) -> None:
        """Hold commands of the sessions of all workers until then, by the monotonic clock: 0 none, 1 those that write,
        2 all."""
        lib.rd_set_pause(self._c, mode, until_ms)

    def get_pause(self) -> tuple[int, int]:
        """What was set last, by any worker; it may be over."""
        until = ffi.new("uint64_t *")
        return int(lib.rd_get_pause(self._c, until)), int(until[0])

    # ---- numbers that no two workers get both, from 1 on ----

    def next_client_id(self) -> int:
        """For CLIENT ID."""
        return int(lib.rd_next(self._c, lib.RD_SEQ_CLIENT))

    def next_slowlog_id(self) -> int:
        """For an entry of SLOWLOG."""
        return int(lib.rd_next(self._c, lib.RD_SEQ_SLOWLOG))

    def next_denial_id(self) -> int:
        """For an entry of ACL LOG."""
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
        """Of the commands that were called or rejected."""
        stats = ffi.new("rd_command_stats *")
        for number, name in enumerate(_COMMANDS):
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
        """Take the lines of what this process's sessions executed, whole ones; b"" when none wait, or it is closed."""
        length: int = lib.rd_monitor_pending(self._c) if self._c is not None else 0
        if not length:
            return b""
        lines = ffi.new("uint8_t[]", length)
        return bytes(ffi.buffer(lines, lib.rd_monitor_take(self._c, lines, length)))

    @property
    def monitor_dropped(self) -> int:
        """Lines lost since the store was opened: a MiB of them waited."""
        return int(lib.rd_monitor_dropped(self._c))

    def reset_stats(self) -> None:
        """Set all counters to 0, and the peak of memory to what is in use."""
        lib.rd_reset_stats(self._c)

    def set_client_limit(self, limit: int) -> None:
        """Bytes that the buffers of all clients may have, over all processes; 0: any number
        (core/session/footprint.h)."""
        lib.rd_set_client_limit(self._c, limit)

    def client_to_cut(self) -> int:
        """`owner` (of `Session.state`) of the session that this process is to drop since they have more; 0: none."""
        return int(lib.rd_client_to_cut(self._c))

    def buffers_shrank(self) -> bool:
        """Whether the buffers of this process's clients have shrunk by so much that `trim_memory` is worth its time."""
        return bool(lib.rd_buffers_shrank(self._c))

    def clients_with_buffers(self, most: int) -> list[int]:
        """`owner` of up to `most` sessions of this process: those that hold anything, which idle ones do not."""
        owners = ffi.new("uint64_t[]", most)
        return ffi.unpack(owners, lib.rd_clients_with_buffers(self._c, owners, most)) if most else []

    def session(
        self, *, batch_size: int, output_high: int, query_limit: int, multi_limit: int, output_limit: int
    ) -> Session:
        """A new conversation; the bounds are those of rd_limits, in commands and bytes. MemoryError."""
        limits = ffi.new("rd_limits *", [batch_size, output_high, query_limit, multi_limit, output_limit])
        core = lib.rd_session_new(self._c, limits)
        if core == ffi.NULL:
            raise MemoryError("no memory for a session")
        return self._added(core)

    def load_session(
        self, data: bytes, *, batch_size: int, output_high: int, query_limit: int, multi_limit: int, output_limit: int
    ) -> Session:
        """The conversation that another process over this arena saved: write its output, then `resume` it.

        ValueError, and nothing is left behind, when the bytes are none.
        """
        limits = ffi.new("rd_limits *", [batch_size, output_high, query_limit, multi_limit, output_limit])
        error = ffi.new("char[]", _ERROR_TEXT)
        core = lib.rd_session_load(self._c, limits, data, len(data), error, _ERROR_TEXT)
        if core == ffi.NULL:
            raise ValueError(ffi.string(error).decode())
        return self._added(core)

    def _added(self, core: Any) -> Session:
        session = Session(self, core)
        self._sessions.add(session)
        return session


class Session:
    """One client's conversation: bytes in, replies out, in request order. `Store.session` makes them.

    `feed` what was read, write what `output` gives, and do what the status says; see core/session/session.h for the
    loop. After `close` every call but `close` raises TypeError.
    """

    __slots__ = (
        "_c",
        "_out",
        "_permissions",
        "_scratch",
        "_scratch_view",
        "_store",
        "_store_c",
        "line",
        "on_slow",
        "parted",
    )

    busy = False
    """As `loop.Line.busy`: a session that is fed goes on only when it is told to."""
    last_active = 0.0

    def __init__(self, store: Store, core: Any) -> None:
        self._store = store
        self._store_c = store._c
        self._c = core
        self._out = b""
        self._scratch = store._scratch
        self._scratch_view = store._scratch_view
        self.on_slow: Callable[[SlowEntry], None] | None = None
        """Called during `feed` and `resume` with each command that took long (`Store.set_slow_threshold`)."""
        self._permissions: Permissions | None = None
        self.parted = False
        """Whether an answer is there in part: what is pushed now would stand in its middle."""
        self.line: Any = None
        """The `loop.Line` that serves it, while one does; then nobody else feeds it or takes its output."""

    @property
    def core(self) -> Any:
        """The rd_session; the caller stops using it before `close`."""
        return self._c

    def feed(self, data: bytes) -> Status:
        """Execute what is whole in `data` and what was fed before. `data` is copied as far as it is needed later."""
        return self._turned(
            _feed(self._store_c, self._c, data, len(data), self._store._frozen_ms, self._scratch, PIECE)
        )

    def resume(self) -> Status:
        """Go on after CONTROL (once answered), FULL (once `output` is written), PAUSED, or BUSY (in a later turn)."""
        return self._turned(_resume(self._store_c, self._c, self._store._frozen_ms, self._scratch, PIECE))

    def _turned(self, code: int) -> Status:
        if length := code >> 5:
            self._out += self._scratch_view[:length]
        if code & _SLOW:
            self.hand_slow()
        if code & _MONITORED and self._store.on_monitored:
            self._store.on_monitored()
        return STATUSES[code & 7]

    def hand_slow(self) -> None:
        """Hand its slow commands to `on_slow`; to be called before another session executes."""
        for entry in self._store._slow_entries():
            if self.on_slow:
                self.on_slow(entry)

    def output(self) -> bytes:
        """Take what is to be written, or a piece of it; b"" when there is no more."""
        out = self._out
        if out:
            self._out = b""
            return out
        length: int = _take(self._c, self._scratch, PIECE)
        return self._scratch_view[:length]  # type: ignore[no-any-return]

    @property
    def state(self) -> Any:
        """The core's rd_session_state as of now, read and written in place; not to be kept, for `close` frees it."""
        return lib.rd_session_state_of(self._c)

    @property
    def suspended(self) -> bool:
        """Whether it is in the middle of a command or a transaction, after BUSY: it is to be resumed in any case."""
        return self._c is not None and bool(lib.rd_session_suspended(self._c))

    @property
    def waiting(self) -> int:
        """Bytes of output that were not taken yet."""
        return len(self._out) + int(self.state.output_bytes)

    @property
    def overflowed(self) -> Overflow:
        """Why it says CLOSE, if that is for the want of room for a reply."""
        return Overflow(self.state.overflowed)

    def argv(self) -> list[bytes]:
        """The command that CONTROL stopped at, its name included. It is bounded (core/base/base.h): of one that is
        unknown, or denied, the beginning."""
        core, count = self._c, lib.rd_host_argc(self._c)
        lengths = ffi.new("uint32_t[]", count)
        data = ffi.new("uint8_t[]", lib.rd_host_argv(core, lengths, ffi.NULL))
        lib.rd_host_argv(core, lengths, data)
        text, words, at = ffi.buffer(data)[:], [], 0
        for length in ffi.unpack(lengths, count):
            words.append(text[at : at + length])
            at += length
        return words

    def argument(self, position: int) -> bytes:
        """One of its arguments, up to 1 KiB of it: what an error, or the log of denials, quotes."""
        one = lib.rd_session_arg(self._c, position)
        return ffi.buffer(one.data, min(one.len, QUOTED))[:] if one.len else b""

    @property
    def last_command(self) -> str:
        """Full name of the command executed last, ``client|list``; empty before the first."""
        last = self.state.last
        return "" if last == ffi.NULL else _COMMANDS[last.id]

    def answer_part(self, data: bytes) -> bool:
        """A part of the reply, which `answer` ends. False: it would be more than the limit, and the session ends; the
        rest need not be made."""
        self.parted = True
        return bool(lib.rd_session_answer_part(self._c, data, len(data)))

    def answer(self, data: bytes) -> None:
        """The reply to the command that CONTROL stopped at, in RESP; b"" for none."""
        self.parted = False
        lib.rd_session_answer(self._c, data, len(data))

    def push(self, data: bytes) -> bool:
        """Add bytes to the output that answer nothing. False: it would be more than the limit, and the session ends."""
        return bool(lib.rd_session_push(self._c, data, len(data)))

    def permit(self, permissions: Permissions | None) -> None:
        """What its user may do from now on, what it has queued included; None: everything. `save` does not save it."""
        self._permissions = permissions
        lib.rd_session_set_acl(self._c, ffi.NULL if permissions is None else permissions.core)

    def monitor(self) -> None:
        """MONITOR: count as one that monitors (`Store.monitors`) until `reset` or `close`; `save` keeps it."""
        lib.rd_session_monitor(self._c, True)

    def save(self, unwritten: bytes = b"") -> bytes | None:
        """All that a successor in another process over this arena needs to go on (`Store.load_session`); None when it
        is in the middle of a command. `unwritten` is output that was taken and not written.

        Nothing changes here. Do not feed it any more, and close it when the successor has loaded it, not before: until
        then its watches are watched here.
        """
        taken = unwritten + self._out
        data, length = ffi.new("uint8_t **"), ffi.new("size_t *")
        memory = ffi.from_buffer("uint8_t[]", taken)
        saved = lib.rd_session_save(self._c, ffi.new("rd_bytes *", [memory, len(taken)])[0], data, length)
        if saved == lib.RD_SAVE_LATER:
            return None
        if saved == lib.RD_SAVE_NO_MEMORY:
            raise MemoryError("no memory for a saved session")
        try:
            return bytes(ffi.buffer(data[0], length[0]))
        finally:
            lib.free(data[0])

    def set_peer(self, text: str) -> None:
        """The client's address as MONITOR shows it, "127.0.0.1:50000"; without one "?:0". `save` does not save it."""
        if not lib.rd_session_set_peer(self._c, text.encode(errors="replace")):
            raise MemoryError("no memory for a peer's address")

    def bound(
        self, *, batch_size: int, output_high: int, query_limit: int, multi_limit: int, output_limit: int
    ) -> None:
        """Other bounds from now on, as in `Store.session`; `batch_size` is the one that it was made with."""
        limits = ffi.new("rd_limits *", [batch_size, output_high, query_limit, multi_limit, output_limit])
        lib.rd_session_set_limits(self._c, limits)

    def reset(self) -> None:
        """Leave MULTI and MONITOR, forget watches, database 0, RESP2, replies on."""
        lib.rd_session_reset(self._c)

    def trim(self) -> None:
        """Give back memory that an idle session does not need."""
        lib.rd_session_trim(self._c)

    def drop(self) -> None:
        """Give all buffers back at once: its connection is being closed, nothing more is executed or sent."""
        self._out = b""
        lib.rd_session_drop(self._c)

    def close(self) -> None:
        """Give everything back, its watches too. A second call does nothing."""
        if self.line is not None:
            self.line.remove()
        if self._c is not None:
            lib.rd_session_free(self._c)
            self._c = None
            self._store._sessions.discard(self)
