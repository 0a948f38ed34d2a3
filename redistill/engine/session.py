"""One client's conversation with the core."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from mmap import mmap
from typing import TYPE_CHECKING, Any

from redistill._core import ffi, lib
from redistill.engine.command_table import FULL_NAMES
from redistill.engine.interfaces import SlowEntry, Tracking
from redistill.engine.permissions import Permissions

if TYPE_CHECKING:
    from redistill.engine.store import Store

PIECE = 65536
"""Bytes of output that leave a session at once."""
QUOTED: int = lib.RD_MAX_QUOTED_BYTES
KINDS: tuple[int, ...] = (lib.RD_CHANNEL, lib.RD_PATTERN, lib.RD_SHARD_CHANNEL)


class Status(enum.IntEnum):
    """The state of a session after it was fed (core/session/session.h)."""

    MORE = lib.RD_MORE
    CONTROL = lib.RD_CONTROL
    CLOSE = lib.RD_CLOSE
    FULL = lib.RD_FULL
    PAUSED = lib.RD_PAUSED
    BUSY = lib.RD_BUSY
    BLOCKED = lib.RD_BLOCKED


class Blocked(enum.IntEnum):
    """The reason why a session is blocked (core/session/blocked.h)."""

    NOT = lib.RD_NOT_BLOCKED
    PAUSE = lib.RD_BLOCKED_PAUSE
    TURN = lib.RD_BLOCKED_TURN
    COMMAND = lib.RD_BLOCKED_COMMAND


class Overflow(enum.IntEnum):
    """The bound that a reply or a message would have exceeded."""

    NONE = lib.RD_OVERFLOW_NONE
    OUTPUT = lib.RD_OVERFLOW_OUTPUT
    CLIENTS = lib.RD_OVERFLOW_CLIENTS
    PUBSUB = lib.RD_OVERFLOW_PUBSUB
    LOST = lib.RD_OVERFLOW_LOST
    """Messages to this subscriber were lost."""


BROADCASTS: int = lib.RD_TRACKING_BCAST
BROKEN: int = lib.RD_TRACKING_BROKEN
"""Flags of `SessionState.tracking`."""
_SLOW: int = lib.RD_HOST_SLOW
_MONITORED: int = lib.RD_HOST_MONITORED
_PUSHED: int = lib.RD_HOST_PUSHED
STATUSES = tuple(Status(code) for code in range(len(Status)))
_feed = lib.rd_host_feed
_resume = lib.rd_host_resume
_take = lib.rd_host_take

Saved = bytes | memoryview | mmap
"""A session as it is saved."""


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
        "connection",
        "on_slow",
        "parted",
    )

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
        self.connection: Any = None
        """The `loop.LoopConnection` that serves it, while one does; then nobody else feeds it or takes its output."""

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
        """Go on after CONTROL (once answered), FULL (once `output` is written), BUSY (in a later turn), or PAUSED and
        BLOCKED (after `wait`, or when `Store.woken` names it)."""
        return self._turned(_resume(self._store_c, self._c, self._store._frozen_ms, self._scratch, PIECE))

    def _turned(self, code: int) -> Status:
        if length := code >> 6:
            self._out += self._scratch_view[:length]
        if code & _SLOW:
            self.hand_slow()
        if code & _MONITORED and self._store.on_monitored:
            self._store.on_monitored()
        if code & _PUSHED and self._store.on_pushed:
            self._store.on_pushed()
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
    def wait(self) -> float | None:
        """Seconds after which it is to be resumed, after PAUSED or BLOCKED; None: only when it is woken."""
        nanoseconds: int = lib.rd_blocked_wait(self._c)
        return None if nanoseconds == 2**64 - 1 else nanoseconds / 1e9

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
        return "" if last == ffi.NULL else FULL_NAMES[last.id]

    def answer_part(self, data: bytes) -> bool:
        """A part of the reply, which `answer` ends. False: it would be more than the limit, and the session ends; the
        rest need not be made."""
        self.parted = True
        return bool(lib.rd_session_answer_part(self._c, data, len(data)))

    def answer(self, data: bytes) -> None:
        """The reply to the command that CONTROL stopped at, in RESP; b"" for none."""
        self.parted = False
        lib.rd_session_answer(self._c, data, len(data))

    def defer(self) -> None:
        """The command that CONTROL stopped at, with its transaction's shards locked (`state.locked`), has acted, and
        its answer takes time. CONTROL stops at it once more (`state.deferred`) when the locks are released."""
        lib.rd_session_defer(self._c)

    def abandon(self) -> bool:
        """The client is gone. True: it is in the middle of a transaction, without locks: `resume` it until CLOSE, so
        that what is left of it and changes something is done. CONTROL stops at each such command."""
        return self._c is not None and bool(lib.rd_session_abandon(self._c))

    def push(self, data: bytes) -> bool:
        """Add bytes to the output that answer nothing. False: it would be more than the limit, and the session ends."""
        return bool(lib.rd_session_push(self._c, data, len(data)))

    def permit(self, permissions: Permissions | None) -> None:
        """Set the permissions of the session's user, also for queued commands; None: everything is allowed. `save` does
        not save them."""
        self._permissions = permissions
        lib.rd_session_set_acl(self._c, ffi.NULL if permissions is None else permissions.core)

    def monitor(self) -> None:
        """MONITOR: count as one that monitors (`Store.monitors`) until `reset` or `close`; `save` keeps it."""
        lib.rd_session_monitor(self._c, True)

    def save(self, unwritten: bytes = b"") -> memoryview | None:
        """All that a successor in another process over this arena needs to go on (`Store.load_session`); None when it
        is in the middle of a command, or cannot be saved just now. `unwritten` is output that was taken and not
        written.

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
        return memoryview(ffi.buffer(ffi.gc(data[0], lib.rd_host_free, length[0]), length[0]))

    def set_peer(self, text: str) -> None:
        """The client's address as MONITOR shows it, "127.0.0.1:50000"; without one "?:0". `save` does not save it."""
        if not lib.rd_session_set_peer(self._c, text.encode(errors="replace")):
            raise MemoryError("no memory for a peer's address")

    def bound(
        self,
        *,
        batch_size: int,
        output_high: int,
        query_limit: int,
        multi_limit: int,
        output_limit: int,
        pubsub_limits: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        """Other bounds from now on, as in `Store.session`; `batch_size` is the one that it was made with."""
        limits = [batch_size, output_high, query_limit, multi_limit, output_limit, *pubsub_limits]
        lib.rd_session_set_limits(self._c, ffi.new("rd_limits *", limits))

    @property
    def watch_changed(self) -> bool:
        """Whether a key that it watches seems to have changed: EXEC will do nothing."""
        return bool(lib.rd_session_watch_changed(self._c))

    @property
    def subscriptions(self) -> tuple[int, int, int]:
        """The number of its channels, patterns and shard channels."""
        channels, patterns, shard = (lib.rd_session_subscriptions(self._c, kind) for kind in KINDS)
        return channels, patterns, shard

    def unsubscribe(self) -> None:
        """End all subscriptions, and tracking: from now on no publication counts it."""
        if self._c is not None:
            lib.rd_unsubscribe_all(self._c)

    @property
    def tracking(self) -> Tracking:
        """How it tracks."""
        core = self._c
        flags = lib.rd_tracking_flags(core)
        if not flags:
            return Tracking()
        prefixes = (lib.rd_tracking_prefix(core, i) for i in range(lib.rd_tracking_prefix_count(core)))
        return Tracking(
            on=True,
            broadcasts=bool(flags & lib.RD_TRACKING_BCAST),
            opt_in=bool(flags & lib.RD_TRACKING_OPTIN),
            opt_out=bool(flags & lib.RD_TRACKING_OPTOUT),
            no_loop=bool(flags & lib.RD_TRACKING_NOLOOP),
            caching=bool(flags & lib.RD_TRACKING_CACHING),
            broken=bool(flags & lib.RD_TRACKING_BROKEN),
            redirect=lib.rd_tracking_redirect(core),
            prefixes=sorted(ffi.buffer(one.data, one.len)[:] if one.len else b"" for one in prefixes),
        )

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
        flags = (
            (lib.RD_TRACKING_BCAST if broadcasts else 0)
            | (lib.RD_TRACKING_OPTIN if opt_in else 0)
            | (lib.RD_TRACKING_OPTOUT if opt_out else 0)
            | (lib.RD_TRACKING_NOLOOP if no_loop else 0)
        )
        memory = [ffi.from_buffer("uint8_t[]", prefix) for prefix in prefixes]
        names = ffi.new("rd_bytes[]", [(one, len(one)) for one in memory])
        return bool(lib.rd_tracking_on(self._c, flags, redirect, names, len(memory)))

    def stop_tracking(self) -> None:
        """Track no longer."""
        lib.rd_tracking_off(self._c)

    def set_caching(self) -> None:
        """CLIENT CACHING: the next command is an exception."""
        lib.rd_tracking_caching(self._c)

    def receive_redirected(self) -> bool:
        """Get the messages of others that redirect to this client. False: no memory."""
        return bool(lib.rd_tracking_receive(self._c))

    def may_stay(self, permissions: Permissions | None) -> bool:
        """Whether a user with these permissions may have its subscriptions."""
        return bool(lib.rd_session_may_stay(self._c, ffi.NULL if permissions is None else permissions.core))

    def reset(self) -> None:
        """Leave MULTI and MONITOR, end subscriptions and tracking, forget watches, database 0, RESP2, replies on."""
        lib.rd_session_reset(self._c)

    def unblock(self, error: bool) -> bool:
        """End its wait in a blocking command, with the reply of a timeout or with an error. False: it does not wait."""
        return bool(lib.rd_session_unblock(self._c, lib.RD_UNBLOCK_ERROR if error else lib.RD_UNBLOCK_TIMEOUT))

    def trim(self) -> None:
        """Give back memory that an idle session does not need."""
        lib.rd_session_trim(self._c)

    def drop(self) -> None:
        """Give all buffers back at once: its connection is being closed, nothing more is executed or sent."""
        self._out = b""
        lib.rd_session_drop(self._c)

    def close(self) -> None:
        """Give everything back, its watches too. A second call does nothing."""
        if self.connection is not None:
            self.connection.remove()
        if self._c is not None:
            lib.rd_session_free(self._c)
            self._c = None
            self._store._sessions.discard(self)
