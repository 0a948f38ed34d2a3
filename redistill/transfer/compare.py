"""Compares the keys of two servers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from redistill.transfer.records import LARGE, shown
from redistill.transfer.server import Keyspace

READ: dict[str, Callable[[bytes], tuple[Any, ...]]] = {
    "list": lambda key: ("LRANGE", key, 0, -1),
    "set": lambda key: ("SMEMBERS", key),
    "zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    "hash": lambda key: ("HGETALL", key),
    "stream": lambda key: ("XRANGE", key, "-", "+"),
}
"""The command that reads a whole value."""
PAGE = 100


@dataclass(frozen=True)
class Difference:
    """A difference between the two values of a key."""

    kind: str
    """"missing", "type", "value", "ttl" or "unread"."""
    db: int
    key: bytes
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: db {self.db}, key {shown(self.key)}: {self.detail}"


def canonical(kind: str, value: Any) -> Any:
    """A value in a form that is equal for equal values, whatever the order and the protocol."""
    if kind == "set":
        return sorted(value)
    if kind == "hash":
        pairs = value.items() if isinstance(value, dict) else zip(value[::2], value[1::2], strict=True)
        return sorted(pairs)
    if kind == "zset":
        if value and isinstance(value[0], (list, tuple)):
            value = [part for pair in value for part in pair]
        return sorted((member, float(score)) for member, score in zip(value[::2], value[1::2], strict=True))
    return value


class Comparison:
    """Two servers, `a` and `b`."""

    def __init__(self, a: Keyspace, b: Keyspace, tolerance_ms: int) -> None:
        self._a, self._b, self._tolerance = a, b, tolerance_ms

    def run(
        self, databases: list[int], others: list[int], sample: int | None
    ) -> Iterator[tuple[int, list[Difference]]]:
        """Compare the keys of `a`, at most `sample` in each database; then look for keys that only `b` has, in the
        databases `others`. Yields the number of keys of `a` looked at and what differs in them."""
        for db in databases:
            for keys in pages(self._a, db, sample):
                yield len(keys), self.keys(db, keys)
        for db in others:
            for keys in pages(self._b, db, sample):
                there = self._a.ask(db, [("EXISTS", key) for key in keys])
                only = [key for key, count in zip(keys, there, strict=True) if count == 0]
                yield 0, [one for key in only for one in self.key(db, key)] if only else []

    def keys(self, db: int, keys: list[bytes]) -> list[Difference]:
        """Compare keys. Those that differ are read once more, since they may have changed meanwhile."""
        requests = [r for key in keys for r in (("TYPE", key), ("PTTL", key), ("STRLEN", key))]
        left, right = self._a.ask(db, requests), self._b.ask(db, requests)
        small: list[bytes] = []
        differing = []
        for at, key in enumerate(keys):
            mine, others = left[3 * at : 3 * at + 3], right[3 * at : 3 * at + 3]
            string = mine[0] == others[0] == b"string"
            if string and mine[2] == others[2] and mine[2] <= LARGE and self._close(mine[1], others[1]):
                small.append(key)
            else:
                differing.append(key)
        for group in self._a.groups(db, small):
            read = [("GET", key) for key in group]
            pairs = zip(group, self._a.ask(db, read), self._b.ask(db, read), strict=True)
            differing += [key for key, mine, others in pairs if mine != others]
        return [one for key in differing for one in self.key(db, key)]

    def key(self, db: int, key: bytes) -> list[Difference]:
        """The difference in a key, which is read alone."""
        (mine, ttl), (others, other_ttl) = (
            space.ask(db, [("TYPE", key), ("PTTL", key)]) for space in (self._a, self._b)
        )
        for name, reply in (("A", mine), ("B", others)):
            if isinstance(reply, Exception):
                return [Difference("unread", db, key, f"{name} answers: {reply}")]
        if mine == others == b"none":
            return []
        if b"none" in (mine, others):
            return [Difference("missing", db, key, f"only in {'A' if others == b'none' else 'B'}")]
        if mine != others:
            return [Difference("type", db, key, f"{mine.decode()} in A, {others.decode()} in B")]
        found = []
        if not self._close(ttl, other_ttl):
            found.append(Difference("ttl", db, key, f"{seconds(ttl)} in A, {seconds(other_ttl)} in B"))
        detail = self._value(db, key, mine.decode())
        if detail is not None:
            found.insert(0, Difference(detail[0], db, key, detail[1]))
        return found

    def _close(self, ttl: Any, other: Any) -> bool:
        if isinstance(ttl, Exception) or isinstance(other, Exception) or min(ttl, other) < 0:
            return bool(ttl == other)
        return bool(abs(ttl - other) <= self._tolerance)

    def _value(self, db: int, key: bytes, kind: str) -> tuple[str, str] | None:
        """How the values differ, if they do."""
        if kind == "string":
            return self._string(db, key)
        request = READ[kind](key) if kind in READ else ("DUMP", key)
        (mine,), (others,) = self._a.ask(db, [request]), self._b.ask(db, [request])
        for name, reply in (("A", mine), ("B", others)):
            if isinstance(reply, Exception):
                return "unread", f"{name} answers: {reply}"
        if kind not in READ:
            mine, others = (mine or b"")[:-10], (others or b"")[:-10]  # without version and checksum
        if canonical(kind, mine) == canonical(kind, others):
            return None
        return "value", f"{kind} of {len(mine)} and {len(others)} parts"

    def _string(self, db: int, key: bytes) -> tuple[str, str] | None:
        """Compare strings, long ones piece by piece."""
        (length,), (other,) = (space.ask(db, [("STRLEN", key)]) for space in (self._a, self._b))
        if length != other:
            return "value", f"{length} and {other} bytes"
        for at in range(0, max(length, 1), LARGE):
            request = ("GETRANGE", key, at, at + LARGE - 1)
            (mine,), (others,) = self._a.ask(db, [request]), self._b.ask(db, [request])
            for name, reply in (("A", mine), ("B", others)):
                if isinstance(reply, Exception):
                    return "unread", f"{name} answers: {reply}"
            if mine != others:
                pairs = enumerate(zip(mine, others, strict=False))
                first = next((place for place, (one, two) in pairs if one != two), min(len(mine), len(others)))
                return "value", f"{length} bytes, of which byte {at + first} differs"
        return None


def pages(space: Keyspace, db: int, sample: int | None) -> Iterator[list[bytes]]:
    """Keys of a database, a page at a time; at most `sample` of them."""
    keys = (key for _, page in space.scan(db) for key in page)
    kept = keys if sample is None else itertools.islice(keys, sample)
    while page := list(itertools.islice(kept, PAGE)):
        yield page


def seconds(ttl: Any) -> str:
    """A time to live, for messages."""
    return "none" if ttl == -1 else f"{ttl / 1000:.3f} s" if isinstance(ttl, int) else str(ttl)
