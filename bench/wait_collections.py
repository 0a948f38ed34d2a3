"""The largest inputs of the commands on collections, for bench/waits: values of a million elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.wait_inputs import Input, Sizes, lines, request

AT_ONCE = 1000
"""Elements that a command adds while a value is made."""

Fill = Callable[[int], tuple[bytes, ...]]


def element(number: int) -> tuple[bytes, ...]:
    return (b"element:%08d" % number,)


def field(number: int) -> tuple[bytes, ...]:
    return b"field:%08d" % number, b"value of 16 bytes"


def scored(number: int) -> tuple[bytes, ...]:
    return b"%d" % (number * 7919 % 1_000_003), b"member:%08d" % number


def placed(number: int) -> tuple[bytes, ...]:
    return b"%.4f" % (number % 3600 / 10 - 180), b"%.4f" % (number // 3600 % 1700 / 10 - 85), b"member:%08d" % number


KINDS: dict[str, tuple[bytes, Fill]] = {
    "hash": (b"HSET", field),
    "list": (b"RPUSH", element),
    "set": (b"SADD", element),
    "sorted set": (b"ZADD", scored),
    "places": (b"GEOADD", placed),
}


def adding(kind: str, key: bytes, start: int, stop: int) -> Iterator[bytes]:
    """The commands that add these elements to a value."""
    command, fill = KINDS[kind]
    for first in range(start, stop, AT_ONCE):
        words = [word for number in range(first, min(first + AT_ONCE, stop)) for word in fill(number)]
        yield request(command, key, *words)


def million(*kinds: str, keys: tuple[bytes, ...] = (b"a", b"b")) -> Callable[[Sizes], list[bytes]]:
    """Values of these kinds, one a key; half of their elements are the same."""

    def made(sizes: Sizes) -> list[bytes]:
        pieces: list[bytes] = []
        for place, (kind, key) in enumerate(zip(kinds, keys, strict=False)):
            start = place * sizes.keys // 2
            pieces += adding(kind, key, start, start + sizes.keys)
        return pieces

    return made


def at_once(kind: str) -> Callable[[Sizes], list[bytes]]:
    """A million elements in one command."""

    def made(sizes: Sizes) -> list[bytes]:
        command, fill = KINDS[kind]
        count = (sizes.keys - 2) // len(fill(0))
        return [request(command, b"a", *(word for number in range(count) for word in fill(number)))]

    return made


ENDS: dict[str, tuple[tuple[bytes, ...], ...]] = {
    "DEL": ((b"DEL", b"a"),),
    "UNLINK": ((b"UNLINK", b"a"),),
    "SET over": ((b"SET", b"a", b"x"),),
    "RENAME over": ((b"SET", b"x", b"y"), (b"RENAME", b"x", b"a")),
    "expiry of": ((b"PEXPIRE", b"a", b"1"),),
    "RENAME of": ((b"RENAME", b"a", b"c"),),
    "MOVE of": ((b"MOVE", b"a", b"1"),),
    "COPY of": ((b"COPY", b"a", b"c"),),
    "EXPIRE of": ((b"EXPIRE", b"a", b"1000"), (b"PERSIST", b"a")),
    "DUMP of": ((b"DUMP", b"a"),),
    "FLUSHALL with": ((b"FLUSHALL",),),
    "FLUSHDB with": ((b"FLUSHDB",),),
}

FROM_ZERO = (b"FROMLONLAT", b"0", b"0")
EVERYWHERE = (*FROM_ZERO, b"BYRADIUS", b"30000", b"km")

READS: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "HGETALL of a million": ("hash", (b"HGETALL", b"a")),
    "HSCAN of a million": ("hash", (b"HSCAN", b"a", b"0", b"COUNT", b"1000000000")),
    "HRANDFIELD, a million of a million": ("hash", (b"HRANDFIELD", b"a", b"1000000")),
    "LRANGE of a million": ("list", (b"LRANGE", b"a", b"0", b"-1")),
    "LPOS at the end of a million": ("list", (b"LPOS", b"a", b"none")),
    "LREM of nothing in a million": ("list", (b"LREM", b"a", b"0", b"none")),
    "LTRIM of a million": ("list", (b"LTRIM", b"a", b"500000", b"500001")),
    "LPOP of a million": ("list", (b"LPOP", b"a", b"1000000")),
    "SORT of a million": ("list", (b"SORT", b"a", b"ALPHA", b"LIMIT", b"0", b"10")),
    "SORT of a million, STORE": ("set", (b"SORT", b"a", b"ALPHA", b"STORE", b"c")),
    "SMEMBERS of a million": ("set", (b"SMEMBERS", b"a")),
    "SPOP of a million": ("set", (b"SPOP", b"a", b"1000000")),
    "ZRANGE of a million": ("sorted set", (b"ZRANGE", b"a", b"0", b"-1")),
    "ZRANGESTORE of a million": ("sorted set", (b"ZRANGESTORE", b"c", b"a", b"0", b"-1")),
    "ZREMRANGEBYRANK of a million": ("sorted set", (b"ZREMRANGEBYRANK", b"a", b"0", b"-1")),
    "ZPOPMIN of a million": ("sorted set", (b"ZPOPMIN", b"a", b"1000000")),
    "GEOSEARCH of a million": ("places", (b"GEOSEARCH", b"a", *EVERYWHERE, b"WITHDIST", b"WITHCOORD")),
    "GEOSEARCH of a million, sorted": ("places", (b"GEOSEARCH", b"a", *EVERYWHERE, b"DESC")),
    "GEOSEARCH of a million for ten": ("places", (b"GEOSEARCH", b"a", *EVERYWHERE, b"COUNT", b"10")),
    "GEOSEARCH of a million for none": ("places", (b"GEOSEARCH", b"a", *FROM_ZERO, b"BYBOX", b"40000", b"0", b"km")),
    "GEOSEARCHSTORE of a million": ("places", (b"GEOSEARCHSTORE", b"c", b"a", *EVERYWHERE)),
    "GEOSEARCHSTORE onto its source": ("places", (b"GEOSEARCHSTORE", b"a", b"a", *EVERYWHERE, b"ASC", b"STOREDIST")),
}

ALGEBRA: dict[str, tuple[str, str, tuple[bytes, ...]]] = {
    "SUNIONSTORE of two of a million": ("set", "set", (b"SUNIONSTORE", b"c", b"a", b"b")),
    "SUNIONSTORE onto a source": ("set", "set", (b"SUNIONSTORE", b"a", b"a", b"b")),
    "SINTER of two of a million": ("set", "set", (b"SINTER", b"a", b"b")),
    "SDIFFSTORE of two of a million": ("set", "set", (b"SDIFFSTORE", b"c", b"a", b"b")),
    "ZUNIONSTORE of two of a million": ("sorted set", "sorted set", (b"ZUNIONSTORE", b"c", b"2", b"a", b"b")),
    "ZINTERSTORE of a set and a sorted set": ("set", "sorted set", (b"ZINTERSTORE", b"c", b"2", b"a", b"b")),
}

COLLECTIONS = (
    *(Input(f"{KINDS[kind][0].decode()} of a million arguments", at_once(kind)) for kind in KINDS),
    *(
        Input(f"{name} a {kind} of a million", lines(*commands), million(kind))
        for name, commands in ENDS.items()
        for kind in KINDS
        if kind != "places"  # they are sorted sets
    ),
    *(Input(name, lines(command), million(kind)) for name, (kind, command) in READS.items()),
    *(Input(name, lines(command), million(first, second)) for name, (first, second, command) in ALGEBRA.items()),
)
"""By command."""
