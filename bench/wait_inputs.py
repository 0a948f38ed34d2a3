"""The largest legal inputs of the data commands, for bench/waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


def request(*arguments: bytes) -> bytes:
    """A command as clients send it."""
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in arguments)


@dataclass(frozen=True)
class Sizes:
    """How large the largest is."""

    value: int
    keys: int


@dataclass(frozen=True)
class Input:
    """One row: what is sent, and what is there before. Both are lists of pieces, made before anybody pings."""

    name: str
    input: Callable[[Sizes], list[bytes]]
    before: Callable[[Sizes], list[bytes]] | None = None
    flush: bool = True
    """Whether the store is emptied after it."""


def big(*names: bytes, fill: bytes = b"\xa5") -> Callable[[Sizes], list[bytes]]:
    """Keys with the largest value."""
    return lambda sizes: [request(b"SET", name, fill * sizes.value) for name in names]


def names(count: int) -> Iterable[bytes]:
    return (b"k%07d" % number for number in range(count))


def many(*words: bytes, value: bytes | None = None) -> Callable[[Sizes], list[bytes]]:
    """A command with as many keys as it may have; behind each a value, if one is given."""

    def made(sizes: Sizes) -> list[bytes]:
        room = sizes.keys - len(words)
        if value is None:
            return [request(*words, *names(room))]
        return [request(*words, *(part for name in names(room // 2) for part in (name, value)))]

    return made


def filled(count: int, value: bytes = b"v" * 16) -> Callable[[Sizes], list[bytes]]:
    """So many keys, each set by itself."""

    def made(sizes: Sizes) -> list[bytes]:
        each = min(count, sizes.keys)
        return [b"".join(request(b"SET", name, value) for name in names(each))]

    return made


def alike(sizes: Sizes) -> list[bytes]:
    """6,000 keys of 4 KB that a pattern nearly matches."""
    return [b"".join(request(b"SET", b"a" * 4000 + b"%04d" % number, b"v") for number in range(6000))]


def lines(*commands: tuple[bytes, ...]) -> Callable[[Sizes], list[bytes]]:
    return lambda sizes: [b"".join(request(*command) for command in commands)]


def sparse(sizes: Sizes) -> list[bytes]:
    """HyperLogLogs that are dense."""
    elements = [b"%d" % number for number in range(20_000)]
    return [request(b"PFADD", b"h%d" % number, *elements) for number in range(4)]


DATA = (
    Input("BITCOUNT of 512 MiB, 20 times in a read", lambda s: [request(b"BITCOUNT", b"a") * 20], big(b"a")),
    Input("BITPOS over 512 MiB", lines((b"BITPOS", b"a", b"1")), big(b"a", fill=b"\0")),
    Input("BITOP AND of two 512 MiB", lines((b"BITOP", b"AND", b"c", b"a", b"b")), big(b"a", b"b")),
    Input("BITOP NOT of 512 MiB", lines((b"BITOP", b"NOT", b"c", b"a")), big(b"a")),
    Input("BITOP XOR, 10 sources of 512 MiB", lambda s: [request(b"BITOP", b"XOR", b"c", *[b"a"] * 10)], big(b"a")),
    Input("SET of 512 MiB", big(b"a")),
    Input("SET of 512 MiB over 512 MiB", big(b"a"), big(b"a")),
    Input("GET of 512 MiB", lines((b"GET", b"a")), big(b"a")),
    Input("GETRANGE of 512 MiB", lines((b"GETRANGE", b"a", b"0", b"-1")), big(b"a")),
    Input("GETDEL of 512 MiB", lines((b"GETDEL", b"a")), big(b"a")),
    Input(
        "APPEND to 512 MiB less one",
        lines((b"APPEND", b"a", b"x")),
        lambda s: [request(b"SET", b"a", b"x" * (s.value - 1))],
    ),
    Input("APPEND of 512 MiB", lambda s: [request(b"APPEND", b"a", b"x" * s.value)]),
    Input("SETRANGE at the end of nothing", lambda s: [request(b"SETRANGE", b"a", b"%d" % (s.value - 1), b"x")]),
    Input("SETBIT at the end of nothing", lambda s: [request(b"SETBIT", b"a", b"%d" % (s.value * 8 - 1), b"1")]),
    Input(
        "BITFIELD at the end of nothing",
        lambda s: [request(b"BITFIELD", b"a", b"SET", b"u8", b"%d" % (s.value * 8 - 8), b"1")],
    ),
    Input(
        "BITFIELD of 300,000 operations",
        lambda s: [request(b"BITFIELD", b"a", *(b"INCRBY", b"u8", b"0", b"1") * (s.keys // 4 - 1))],
    ),
    Input("COPY of 512 MiB", lines((b"COPY", b"a", b"c")), big(b"a")),
    Input("RENAME of 512 MiB", lines((b"RENAME", b"a", b"other")), big(b"a")),
    Input("MOVE of 512 MiB", lines((b"MOVE", b"a", b"1")), big(b"a")),
    Input("DUMP of 512 MiB", lines((b"DUMP", b"a")), big(b"a")),
    Input("DEL of 512 MiB", lines((b"DEL", b"a")), big(b"a")),
    Input("ECHO of 512 MiB", lambda s: [request(b"ECHO", b"x" * s.value)]),
    Input("LCS of two 8 KB", lines((b"LCS", b"a", b"b")), lines((b"MSET", b"a", b"ab" * 4096, b"b", b"ba" * 4096))),
    Input(
        "LCS LEN of two 1 MB",
        lines((b"LCS", b"a", b"b", b"LEN")),
        lines((b"MSET", b"a", b"ab" * 500000, b"b", b"ba" * 500000)),
    ),
    Input("MSET of 524,287 pairs", many(b"MSET", value=b"v" * 16)),
    Input("MSETNX of 524,287 pairs", many(b"MSETNX", value=b"v" * 16)),
    Input("MGET of a million keys", many(b"MGET"), filled(1_048_575)),
    Input("MGET of 512 MiB, four times", lines((b"MGET", b"a", b"a", b"a", b"a")), big(b"a")),
    Input("EXISTS of a million keys", many(b"EXISTS"), filled(1_048_575)),
    Input("TOUCH of a million keys", many(b"TOUCH"), filled(1_048_575)),
    Input("DEL of a million keys", many(b"DEL"), filled(1_048_575)),
    Input("UNLINK of a million keys", many(b"UNLINK"), filled(1_048_575)),
    Input("WATCH of a million keys", many(b"WATCH")),
    Input("PFADD of a million elements", many(b"PFADD", b"h")),
    Input(
        "PFCOUNT of a million times four",
        lambda s: [request(b"PFCOUNT", *[b"h0", b"h1", b"h2", b"h3"] * (s.keys // 4))],
        sparse,
    ),
    Input(
        "PFMERGE of a million times four",
        lambda s: [request(b"PFMERGE", b"d", *[b"h0", b"h1", b"h2", b"h3"] * (s.keys // 4 - 1))],
        sparse,
    ),
    Input("KEYS * of a million", lines((b"KEYS", b"*")), filled(1_048_575)),
    Input("KEYS, 2,000 a, 6,000 keys of 4 KB", lines((b"KEYS", b"*" + b"a" * 2000 + b"b*")), alike),
    Input(
        "SCAN with COUNT 10^9 that filters all",
        lines((b"SCAN", b"0", b"COUNT", b"1000000000", b"MATCH", b"none")),
        filled(1_048_575),
    ),
    Input(
        "SCAN, 2,000 a, 6,000 keys of 4 KB",
        lines((b"SCAN", b"0", b"COUNT", b"1000000000", b"MATCH", b"*" + b"a" * 2000 + b"b*")),
        alike,
    ),
    Input(
        "RANDOMKEY, a million expired",
        lines((b"RANDOMKEY",)),
        lambda s: [b"".join(request(b"SET", name, b"v", b"PX", b"1") for name in names(s.keys))],
    ),
    Input("DBSIZE of a million", lines((b"DBSIZE",)), filled(1_048_575), flush=False),
    Input("SWAPDB with a million", lines((b"SWAPDB", b"0", b"1"))),
    Input("FLUSHALL SYNC of a million", lines((b"FLUSHALL", b"SYNC")), filled(1_048_575)),
    Input("FLUSHALL of 512 MiB", lines((b"FLUSHALL", b"SYNC")), big(b"a")),
    Input(
        "MULTI, 10 BITCOUNT of 512 MiB, EXEC",
        lambda s: [request(b"MULTI") + request(b"BITCOUNT", b"a") * 10 + request(b"EXEC")],
        big(b"a"),
    ),
    Input(
        "MULTI, SET of 512 MiB, EXEC",
        lambda s: [request(b"MULTI"), request(b"SET", b"a", b"x" * s.value), request(b"EXEC")],
    ),
    Input(
        "MULTI, a million SET, EXEC",
        lambda s: [
            request(b"MULTI"),
            b"".join(request(b"SET", b"k%d" % i, b"v") for i in range(s.keys)),
            request(b"EXEC"),
        ],
    ),
    Input("PING of a million arguments", lambda s: [request(b"PING", *[b""] * (s.keys - 1))]),
    Input("an inline line of 64 KiB, 100 times", lambda s: [(b"x " * 32_000 + b"\r\n") * 100]),
    Input(
        "half of a SET of 512 MiB",
        lambda s: [b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n" % s.value + b"x" * s.value + b"\r\n"],
    ),
    Input("two million PING in a pipeline", lambda s: [request(b"PING") * 2_000_000]),
)
"""By command."""
