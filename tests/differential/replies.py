"""RESP replies as raw trees, so that two servers can be compared to the byte.

This parser is the tests' own on purpose: one that shares code with the product would share its mistakes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_LINES = b"+-:,(#_"
_BULKS = b"$=!"
_AGGREGATES = b"*~>"
_MAPS = b"%|"


class Reply(NamedTuple):
    """One reply. `kind` is RESP's type byte as text, or "closed" when the server hung up instead of replying.

    `value` by kind: bytes for "+", "-", "$", "=", "!", ",", "(", "#"; int for ":"; a tuple of replies for "*", "~"
    and ">"; a tuple of pairs of replies for "%" and "|"; None for the nulls ("$", "*" and "_") and for "closed".
    """

    kind: str
    value: Any

    def __repr__(self) -> str:
        if isinstance(self.value, tuple):
            return f"{self.kind}{list(self.value)!r}"
        return f"{self.kind}{self.value!r}"


CLOSED = Reply("closed", None)


class Malformed(Exception):
    """The bytes are no RESP."""


class Parser:
    """Bytes in, whole replies out."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        if self._at:
            del self._data[: self._at]
            self._at = 0
        self._data += data

    @property
    def rest(self) -> bytes:
        """The bytes that do not make a whole reply yet."""
        return bytes(self._data[self._at :])

    @property
    def held(self) -> int:
        """How many bytes have not made a whole reply yet."""
        return len(self._data) - self._at

    def get(self) -> Reply | None:
        """The next whole reply, or None when more bytes are wanted."""
        start = self._at
        try:
            return self._reply()
        except IndexError:
            self._at = start
            return None

    def _line(self) -> bytes:
        end = self._data.find(b"\r\n", self._at)
        if end < 0:
            raise IndexError
        line = bytes(self._data[self._at : end])
        self._at = end + 2
        return line

    def _exactly(self, n: int) -> bytes:
        if len(self._data) < self._at + n + 2:
            raise IndexError
        data = bytes(self._data[self._at : self._at + n])
        if self._data[self._at + n : self._at + n + 2] != b"\r\n":
            raise Malformed(f"no CRLF after {data[:40]!r}")
        self._at += n + 2
        return data

    def _reply(self) -> Reply:
        line = self._line()
        if not line:
            raise Malformed("an empty line")
        mark, rest = line[0], line[1:]
        kind = chr(mark)
        if mark in _LINES:
            return Reply(kind, int(rest) if kind == ":" else None if kind == "_" else rest)
        if mark in _BULKS:
            return Reply(kind, None if rest == b"-1" else self._exactly(int(rest)))
        if mark in _AGGREGATES:
            return Reply(kind, None if rest == b"-1" else tuple(self._reply() for _ in range(int(rest))))
        if mark in _MAPS:
            return Reply(kind, tuple((self._reply(), self._reply()) for _ in range(int(rest))))
        raise Malformed(f"type byte {line[:40]!r}")


def as_pairs(reply: Reply) -> dict[bytes, Reply]:
    """A map, or the flat array that RESP2 sends in its place, as a dictionary by name."""
    if reply.kind == "%":
        return {key.value: value for key, value in reply.value}
    flat = reply.value
    return {flat[i].value: flat[i + 1] for i in range(0, len(flat), 2)}


def shape(reply: Reply, depth: int = 8) -> Any:
    """The types of a reply without its values: what is compared where values must differ."""
    if depth and reply.kind in "*~>" and reply.value is not None:
        return (reply.kind, tuple(shape(item, depth - 1) for item in reply.value))
    if depth and reply.kind == "%":
        return (reply.kind, tuple((key.value, shape(value, depth - 1)) for key, value in reply.value))
    return reply.kind if reply.value is not None or reply.kind == "_" else f"{reply.kind} null"
