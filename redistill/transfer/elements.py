"""Compares lists, sets, sorted sets, hashes and streams of two servers, in portions that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from redistill.transfer.records import shown
from redistill.transfer.server import GROUP_BYTES, Keyspace

PORTION = 1000
"""Elements that are asked for at once; fewer if they are large."""
SIZES = {"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN"}
SCANS = {"set": "SSCAN", "zset": "ZSCAN", "hash": "HSCAN"}
NOUNS = {"list": "element", "set": "member", "zset": "member", "hash": "field", "stream": "entry"}
UNKNOWN_COMMAND = "unknown command"

Elements = dict[bytes, Any]
"""The elements of a portion: a set's members with None, a sorted set's with scores, a hash's fields with values."""
Request = Sequence[bytes | str | int]


class Unread(Exception):
    """A server answers a question with an error; the text says which one."""


class Pair:
    """Two servers, `a` and `b`. `close` says whether two times to live count as equal, in milliseconds."""

    def __init__(self, a: Keyspace, b: Keyspace, close: Callable[[Any, Any], bool]) -> None:
        self._spaces = (a, b)
        self._close = close
        self._untimed: set[int] = set()
        """The servers on which no field of a hash can expire: they do not know HPTTL."""

    def read(self, place: int, db: int, requests: Sequence[Request]) -> list[Any]:
        """The replies of the server `place`, 0 or 1. Raises Unread."""
        replies = self._spaces[place].ask(db, requests)
        for reply in replies:
            if isinstance(reply, Exception):
                raise Unread(f"{'AB'[place]} answers: {reply}")
        return replies

    def both(self, db: int, request: Request) -> tuple[Any, Any]:
        """The replies of both to a request. Raises Unread."""
        (mine,), (others,) = self.read(0, db, [request]), self.read(1, db, [request])
        return mine, others

    def difference(self, db: int, key: bytes, kind: str) -> tuple[str, str] | None:
        """The first difference between the two values of a key, as ``"value"`` or ``"ttl"``, that of a field, and a
        text; None if there is none. Raises Unread."""
        if kind in SCANS:
            return self._elements(db, key, kind)
        mine, others = self.both(db, (SIZES[kind], key))
        if mine != others:
            return "value", f"{kind} of {mine} and {others} elements"
        return self._list(db, key) if kind == "list" else self._stream(db, key)

    def _portion(self, db: int, key: bytes, kind: str) -> int:
        """The number of elements that fit into memory together, as far as A can tell."""
        size, length = self._spaces[0].ask(db, [("MEMORY", "USAGE", key), (SIZES[kind], key)])
        if not isinstance(size, int) or not isinstance(length, int) or not size:
            return PORTION
        return max(1, min(PORTION, GROUP_BYTES * length // size))

    # -- in order: lists, streams --

    def _list(self, db: int, key: bytes) -> tuple[str, str] | None:
        count, at = self._portion(db, key, "list"), 0
        while True:
            mine, others = self.both(db, ("LRANGE", key, at, at + count - 1))
            if mine != others:
                same = zip(mine, others, strict=False)
                first = next((n for n, (one, two) in enumerate(same) if one != two), min(len(mine), len(others)))
                return "value", f"list, of which element {at + first} differs"
            if len(mine) < count:
                return None
            at += count

    def _stream(self, db: int, key: bytes) -> tuple[str, str] | None:
        count, begin = self._portion(db, key, "stream"), b"-"
        while True:
            mine, others = self.both(db, ("XRANGE", key, begin, "+", "COUNT", count))
            if mine != others:
                same = zip(mine, others, strict=False)
                first = next((one[0] for one, two in same if one != two), begin)
                return "value", f"stream, which differs from {shown(first)} on"
            if len(mine) < count:
                return None
            milliseconds, _, number = mine[-1][0].partition(b"-")
            begin = b"%b-%d" % (milliseconds, int(number) + 1)

    # -- in any order: sets, sorted sets, hashes --

    def _elements(self, db: int, key: bytes, kind: str) -> tuple[str, str] | None:
        """Small values arrive as a whole. In large ones each looks up the elements of the other."""
        count = self._portion(db, key, kind)
        left, right = (self._scan(place, db, key, kind, count) for place in (0, 1))
        first, other_first = next(left), next(right)
        if first[1] and other_first[1]:
            return self._differing(db, key, kind, first[0], other_first[0])
        for mine, _ in chain([first], left):
            if found := self._differing(db, key, kind, mine, self._look_up(1, db, key, kind, [*mine])):
                return found
        for others, _ in chain([other_first], right):
            if found := self._differing(db, key, kind, self._look_up(0, db, key, kind, [*others]), others):
                return found
        return None

    def _scan(self, place: int, db: int, key: bytes, kind: str, count: int) -> Iterator[tuple[Elements, bool]]:
        """The elements in portions, each with whether it is the whole value."""
        cursor, first = 0, True
        while True:
            ((following, flat),) = self.read(place, db, [(SCANS[kind], key, cursor, "COUNT", count)])
            cursor = int(following)
            yield elements(kind, flat), first and not cursor
            first = False
            if not cursor:
                return

    def _look_up(self, place: int, db: int, key: bytes, kind: str, names: list[bytes]) -> Elements:
        """Those of the elements that a server has."""
        if not names:
            return {}
        if kind == "hash":
            (values,) = self.read(place, db, [("HMGET", key, *names)])
        else:
            values = self.read(place, db, [("ZSCORE" if kind == "zset" else "SISMEMBER", key, one) for one in names])
        there = zip(names, values, strict=True)
        if kind == "set":
            return {name: None for name, value in there if value}
        return {name: float(value) if kind == "zset" else value for name, value in there if value is not None}

    def _differing(self, db: int, key: bytes, kind: str, mine: Elements, others: Elements) -> tuple[str, str] | None:
        if mine != others:
            alone, shared = mine.keys() ^ others.keys(), mine.keys() & others.keys()
            name = min(alone or (name for name in shared if mine[name] != others[name]))
            what = f"{kind}, {NOUNS[kind]} {shown(name)}: "
            if name not in mine or name not in others:
                return "value", what + f"only in {'A' if name in mine else 'B'}"
            if kind == "zset":
                return "value", what + f"score {mine[name]:g} in A, {others[name]:g} in B"
            return "value", what + f"{len(mine[name])} bytes in A, {len(others[name])} others in B"
        return self._differing_times(db, key, [*mine]) if kind == "hash" else None

    def _differing_times(self, db: int, key: bytes, names: list[bytes]) -> tuple[str, str] | None:
        left, right = (self._times(place, db, key, names) for place in (0, 1))
        for name, mine, others in zip(names, left, right, strict=True):
            if not self._close(mine, others):
                return "ttl", f"field {shown(name)}: {seconds(mine)} in A, {seconds(others)} in B"
        return None

    def _times(self, place: int, db: int, key: bytes, names: list[bytes]) -> list[int]:
        """The time to live of each field; -1: it does not expire."""
        none = [-1] * len(names)
        if not names or place in self._untimed:
            return none
        try:
            (times,) = self.read(place, db, [("HPTTL", key, "FIELDS", len(names), *names)])
        except Unread as problem:
            if UNKNOWN_COMMAND not in str(problem):
                raise
            self._untimed.add(place)
            return none
        return list(times or none)


def elements(kind: str, flat: list[Any]) -> Elements:
    """The elements in a reply of SSCAN, ZSCAN or HSCAN."""
    if kind == "set":
        return dict.fromkeys(flat)
    return {name: float(other) if kind == "zset" else other for name, other in zip(flat[::2], flat[1::2], strict=True)}


def seconds(ttl: Any) -> str:
    """A time to live, for messages."""
    return "none" if ttl == -1 else f"{ttl / 1000:.3f} s" if isinstance(ttl, int) else str(ttl)
