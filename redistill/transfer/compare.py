"""Compares the keys of two servers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redistill.transfer.elements import SIZES, Pair, Unread, seconds
from redistill.transfer.payload import FOOTER
from redistill.transfer.records import LARGE, shown
from redistill.transfer.server import Keyspace

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


class Comparison:
    """Two servers, `a` and `b`."""

    def __init__(self, a: Keyspace, b: Keyspace, tolerance_ms: int) -> None:
        self._a, self._b, self._tolerance = a, b, tolerance_ms
        self._pair = Pair(a, b, self._close)

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
        try:
            difference = self._value(db, key, mine.decode())
        except Unread as problem:
            difference = "unread", str(problem)
        if difference is not None:
            found.append(Difference(difference[0], db, key, difference[1]))
        if not self._close(ttl, other_ttl):
            found.append(Difference("ttl", db, key, f"{seconds(ttl)} in A, {seconds(other_ttl)} in B"))
        return found

    def _close(self, ttl: Any, other: Any) -> bool:
        if isinstance(ttl, Exception) or isinstance(other, Exception) or min(ttl, other) < 0:
            return bool(ttl == other)
        return bool(abs(ttl - other) <= self._tolerance)

    def _value(self, db: int, key: bytes, kind: str) -> tuple[str, str] | None:
        """The first difference between two values of a type, and its kind. Raises Unread."""
        if kind == "string":
            return self._string(db, key)
        if kind in SIZES:
            return self._pair.difference(db, key, kind)
        mine, others = ((reply or b"")[:-FOOTER] for reply in self._pair.both(db, ("DUMP", key)))
        return None if mine == others else ("value", f"{kind} of {len(mine)} and {len(others)} bytes")

    def _string(self, db: int, key: bytes) -> tuple[str, str] | None:
        """Compare strings, long ones piece by piece."""
        length, other = self._pair.both(db, ("STRLEN", key))
        if length != other:
            return "value", f"{length} and {other} bytes"
        for at in range(0, max(length, 1), LARGE):
            mine, others = self._pair.both(db, ("GETRANGE", key, at, at + LARGE - 1))
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
