"""Sends the items of a source to a server, in batches, and keeps account of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redistill.engine.glob import glob_match
from redistill.transfer.commands import Keys, is_repeatable
from redistill.transfer.peer import BATCH_BYTES, Peer, segments, whole
from redistill.transfer.records import BadSource, Body, Broken, Chunks, Command, Item, Record, Source, shown
from redistill.transfer.signals import Signals
from redistill.transfer.state import State

BATCH_COMMANDS = 1000
STATE_SECONDS = 1.0
"""Seconds between two writes of the state, if no command needs more."""
ERRORS_SHOWN = 20
REASONS = 100
"""Reasons that are counted apart, since a reason may name the key."""


@dataclass
class Counts:
    """Counts of the items by result and type of value; commands have the type "command"."""

    loaded: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    expired: int = 0
    unmatched: int = 0
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By type and reason."""

    def as_json(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "loaded": dict(self.loaded),
            "kept": self.kept,
            "expired": self.expired,
            "unmatched": self.unmatched,
            "failed": [[*pair, number] for pair, number in self.failed.items()],
        }

    @classmethod
    def from_json(cls, read: dict[str, Any]) -> Counts:
        """From the state file."""
        failed = Counter({(kind, reason): number for kind, reason, number in read["failed"]})
        return cls(Counter(read["loaded"]), read["kept"], read["expired"], read["unmatched"], failed)


@dataclass
class Options:
    """The options of a load."""

    match: bytes | None = None
    db: int | None = None
    replace: bool = False
    rate: float | None = None


class Load:
    """One run: `target` None only counts."""

    def __init__(
        self,
        source: Source,
        target: Peer | None,
        options: Options,
        state: State | None,
        complain: Callable[[str], None],
    ) -> None:
        self.counts = Counts()
        self._source, self._target, self._options, self._state = source, target, options, state
        self._complain = complain
        self._complaints = 0
        self._keys = Keys() if options.match is not None else None
        self._batch: list[tuple[Item, Body]] = []
        self._bytes = 0
        self._most = BATCH_COMMANDS
        if options.rate:
            self._most = max(1, min(BATCH_COMMANDS, int(options.rate / 10)))
        self._next = 0.0
        self._written = 0.0
        self._position = source.position()
        self._saved_counts = self.counts.as_json()
        self._unconfirmed: dict[str, Any] | None = None

    def run(self, signals: Signals, progress: Callable[[int], None] = lambda done: None) -> None:
        """Load all; `progress` is told how far the source was read. BadSource, Interrupted or redis.RedisError leave a
        state that can be resumed: what was confirmed before is counted, and what was read in addition is read again."""
        self._signals, self._progress = signals, progress
        self._save()
        seen = 0
        try:
            for item in self._source.items():
                seen += 1
                if isinstance(item, Broken) or not self._wanted(item):
                    self._passed(item)
                else:
                    self._add(item)
                if not seen & 1023 and not self._batch:
                    self._passed_over()
            self._flush()
        except BadSource:
            self._flush()
            raise
        finally:
            self._save()

    # -- which items --

    def _wanted(self, item: Record | Command) -> bool:
        """Whether the item is to be loaded; if not, it is counted."""
        options = self._options
        if options.db is not None and item.db != options.db:
            self.counts.unmatched += 1
            return False
        if options.match is not None and not self._matches(item, options.match):
            self.counts.unmatched += 1
            return False
        if isinstance(item, Record) and (left := item.left()) is not None and left <= 0:
            self.counts.expired += 1
            return False
        return True

    def _passed(self, item: Item) -> None:
        """An item that is not loaded."""
        if isinstance(item, Broken):
            if self._options.db in (None, item.db):
                self._failed(item, item.type, item.reason)
            else:
                self.counts.unmatched += 1
        else:
            item.drain()

    def _passed_over(self) -> None:
        """Nothing waits to be sent: the position is behind what was passed over."""
        self._position, self._saved_counts = self._source.position(), self.counts.as_json()
        self._progress(self._source.done)

    def _matches(self, item: Record | Command, pattern: bytes) -> bool:
        if isinstance(item, Record):
            return glob_match(pattern, item.key)
        if item.name in ("MULTI", "EXEC", "DISCARD"):
            return True
        assert self._keys is not None
        return any(glob_match(pattern, key) for key in self._keys.of(item.argv))

    def _failed(self, item: Item, kind: str, reason: str) -> None:
        counted = (kind, " ".join(reason.split())[:200])
        if counted not in self.counts.failed and len(self.counts.failed) >= REASONS:
            counted = (kind, "other reasons")
        self.counts.failed[counted] += 1
        self._complaints += 1
        if self._complaints <= ERRORS_SHOWN:
            key = f": {shown(item.key)} ({kind})" if isinstance(item, Record) else ""
            name = f": {item.name[:64]}" if isinstance(item, Command) else ""
            self._complain(f"{item.where}{key}{name}: {reason}")
        elif self._complaints == ERRORS_SHOWN + 1:
            self._complain("further errors are only counted")

    # -- requests --

    def _argv(self, item: Record) -> list[Body]:
        """The command that stores a record."""
        replace = self._options.replace
        left = item.left()
        if item.value is not None:
            argv: list[Body] = [b"SET", item.key, item.value]
            if item.expire_at is not None:
                argv += [b"PXAT", b"%d" % item.expire_at]
            elif left is not None:
                argv += [b"PX", b"%d" % max(left, 1)]
            return argv if replace else [*argv, b"NX"]
        assert item.payload is not None
        ttl = 0 if left is None else item.expire_at if item.expire_at is not None else max(left, 1)
        argv = [b"RESTORE", item.key, b"%d" % ttl, item.payload]
        if replace:
            argv.append(b"REPLACE")
        if item.expire_at is not None:
            argv.append(b"ABSTTL")
        if item.freq is not None:
            argv += [b"FREQ", b"%d" % item.freq]
        elif item.idle is not None:
            argv += [b"IDLETIME", b"%d" % item.idle]
        return argv

    def _add(self, item: Record | Command) -> None:
        """Put an item into the batch, which goes out when it is full."""
        if self._target is None:
            self._stored(item)
            item.drain()
            self._progress(self._source.done)
            return
        argv: list[Body] = self._argv(item) if isinstance(item, Record) else []
        request = item.request if isinstance(item, Command) else whole(argv)
        self._batch.append((item, request))
        self._bytes += len(request)
        if self._bytes >= BATCH_BYTES or len(self._batch) >= self._most:
            self._flush()

    def _flush(self) -> None:
        """Send the batch and read the replies."""
        batch, self._batch, self._bytes = self._batch, [], 0
        if not batch:
            return
        self._pause(len(batch))
        self._signals.begin()
        if self._state is not None and not all(is_harmless(item) for item, _ in batch):
            # Written before: whatever ends this process, the next one knows which commands may have been executed.
            self._unconfirmed = {"first": batch[0][0].where, "last": batch[-1][0].where}
            self._unconfirmed["position"] = self._source.position()
            self._save()
        for db, requests in segments(batch):
            self._send(db, requests)
        self._position, self._saved_counts = self._source.position(), self.counts.as_json()
        written, self._unconfirmed = self._unconfirmed is not None, None
        if self._state is not None and (written or time.monotonic() > self._written + STATE_SECONDS):
            self._save()
        self._progress(self._source.done)
        self._signals.end()

    def _send(self, db: int, requests: list[tuple[Item, Body]]) -> None:
        """Send requests for one database, and count the replies."""
        assert self._target is not None
        if why := self._target.select(db):
            for item, _ in requests:
                item_drain(item)
                self._failed(item, kind_of(item), f"database {db}: {why}")
            return
        sent = (part for _, request in requests for part in ((request,) if isinstance(request, bytes) else request))
        first = requests[0][1]
        stream = sent if isinstance(first, Chunks) else [b"".join(sent)]
        for (item, _), reply in zip(requests, self._target.exchange(stream, len(requests)), strict=True):
            self._answered(item, reply)

    def _answered(self, item: Item, reply: Any) -> None:
        """Count a reply."""
        errors = [one for one in (reply if isinstance(reply, list) else [reply]) if isinstance(one, Exception)]
        if isinstance(item, Record) and (reply is None or (errors and str(errors[0]).startswith("BUSYKEY"))):
            self.counts.kept += 1
        elif errors:
            for error in errors:
                unknown = isinstance(item, Record) and str(error).endswith("Bad data format")
                self._failed(item, kind_of(item), f"{error}{unsupported(kind_of(item)) if unknown else ''}")
        else:
            self._stored(item)

    def _stored(self, item: Item) -> None:
        self.counts.loaded[kind_of(item)] += 1

    def _pause(self, count: int) -> None:
        """Wait until the rate allows so many commands."""
        if self._options.rate:
            now = time.monotonic()
            if now < self._next:
                time.sleep(self._next - now)
            self._next = max(now, self._next) + count / self._options.rate

    # -- the state --

    @property
    def can_resume(self) -> bool:
        """Whether the state is written."""
        return self._state is not None

    def resume(self, read: dict[str, Any], repeat: bool | None) -> None:
        """Go on from what the state file says. `repeat` decides about commands that may have been executed; BadSource
        if there are any and it is None."""
        unconfirmed = read["unconfirmed"]
        if unconfirmed is not None and repeat is None:
            raise BadSource(
                f"the commands from {unconfirmed['first']} to {unconfirmed['last']} were sent, and their replies were"
                " not received: some may have been executed. Compare with the server, and say --unconfirmed repeat or"
                " --unconfirmed skip"
            )
        position = read["position"] if unconfirmed is None or repeat else unconfirmed["position"]
        self._source.resume(position)
        self._position = position
        self.counts = Counts.from_json(read["counts"])
        self._saved_counts = read["counts"]

    def _save(self) -> None:
        """Write the state. If that fails, the load goes on without."""
        if self._state is None:
            return
        self._written = time.monotonic()
        try:
            self._state.write(position=self._position, counts=self._saved_counts, unconfirmed=self._unconfirmed)
        except OSError as problem:
            self._complain(f"the load cannot be resumed if it is interrupted: {self._state.path}: {problem.strerror}")
            self._state = None


def unsupported(kind: str) -> str:
    """The likely reasons for which a server refuses a value of this type as "Bad data format"."""
    if kind in ("string", "list", "set", "zset", "hash"):
        return f" (the value is damaged, or the server does not have this encoding of a {kind})"
    return f" (the server has no values of type {kind}, or not this encoding of them)"


def kind_of(item: Item) -> str:
    """The type that an item is counted as."""
    return "command" if isinstance(item, Command) else item.type


def is_harmless(item: Item) -> bool:
    """Whether the item may be sent twice."""
    return not isinstance(item, Command) or is_repeatable(item)


def item_drain(item: Item) -> None:
    """Read what is left of an item that is not loaded."""
    if not isinstance(item, Broken):
        item.drain()
