"""The items that sources yield: keys with their values, and commands."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

VALUE_MAX = 512 << 20
"""Bytes of the largest string that Redis has, and of the largest argument of a command."""
LARGE = 1 << 20
"""Bytes beyond which a value is passed on in pieces rather than held."""
PIECE = 256 << 10
"""Bytes of a piece."""


class BadSource(Exception):
    """The source cannot be read further; the text says where and why."""


class Chunks:
    """Bytes of a known length that are read, once, while they are sent."""

    def __init__(self, length: int, parts: Iterable[bytes]) -> None:
        self.length = length
        self._parts = iter(parts)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def drain(self) -> None:
        """Read what nobody has read."""
        for _ in self._parts:
            pass


Body = bytes | Chunks


@dataclass(slots=True)
class Record:
    """A key and its value: `value` for a string, `payload`, in the format of DUMP, for any type."""

    where: str
    """The place in the source, for messages: ``line 7``, ``offset 512``."""
    db: int
    key: bytes
    type: str
    value: Body | None = None
    payload: Body | None = None
    expire_at: int | None = None
    """Milliseconds of Unix time."""
    ttl: int | None = None
    """Milliseconds from `read_at` on, a time of the monotonic clock. One of `ttl` and `expire_at` is None."""
    read_at: float = 0.0
    idle: int | None = None
    """Seconds since the last use."""
    freq: int | None = None
    """The counter of LFU, 0 to 255."""

    def left(self) -> int | None:
        """Milliseconds until the key expires, at most 0 if it has expired; None if it does not."""
        if self.ttl is not None:
            return self.ttl - round((time.monotonic() - self.read_at) * 1000)
        return None if self.expire_at is None else self.expire_at - round(time.time() * 1000)

    def drain(self) -> None:
        """Read what is left of the value."""
        for body in (self.value, self.payload):
            if isinstance(body, Chunks):
                body.drain()


@dataclass(slots=True)
class Command:
    """A command from a file."""

    where: str
    db: int
    name: str
    """In upper case."""
    argv: list[bytes]
    """Its words; empty in place of a long one."""
    request: Body
    """The command as RESP."""

    def drain(self) -> None:
        """Read what is left of the request."""
        if isinstance(self.request, Chunks):
            self.request.drain()


@dataclass(slots=True)
class Broken:
    """A record that cannot be loaded; the source goes on behind it."""

    where: str
    db: int
    type: str
    reason: str


Item = Record | Command | Broken


class Source(Protocol):
    """Where records come from."""

    unit: str
    """"bytes" or "keys"."""
    notes: list[str]
    """Messages for the user, shown at the end."""

    @property
    def total(self) -> int:
        """Bytes, or keys, for a progress bar; 0: not known."""

    @property
    def done(self) -> int:
        """How much of `total` was read."""

    def items(self) -> Iterator[Item]:
        """The items behind the position."""

    def identity(self) -> dict[str, Any]:
        """Figures of the source that must be unchanged for a position to be valid."""

    def position(self) -> dict[str, Any]:
        """Where to begin again: behind all items that were yielded, or before some of them."""

    def resume(self, position: dict[str, Any]) -> None:
        """Begin there. BadSource if that cannot be."""


def printable(text: str) -> str:
    """Text from a file or a server as a terminal may get it: control characters and bytes that are no text are
    escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(data: bytes, limit: int = 64) -> str:
    """Bytes as messages show them, in quotes and shortened."""
    text = data[:limit].decode("latin-1").encode("unicode_escape").decode()
    return '"' + text.replace('"', '\\"') + ('"' if len(data) <= limit else '..."')
