"""DUMP payloads of hashes, lists, sets and sorted sets in each encoding that Redis has had, made without a server."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from .dumps import length, sealed

Pairs = Sequence[tuple[bytes, bytes]]


def string(data: bytes) -> bytes:
    """A string as it is."""
    return length(len(data)) + data


def number(data: bytes) -> int | None:
    """The number that has this decimal text, if it fits into 64 bits."""
    try:
        n = int(data)
    except ValueError:
        return None
    return n if -(1 << 63) <= n < 1 << 63 and b"%d" % n == data else None


def short(n: int, widths: Sequence[tuple[int, bytes]]) -> bytes:
    """A number in the first of these widths that is wide enough, behind the width's mark."""
    width, mark = next((width, mark) for width, mark in widths if -(1 << 8 * width - 1) <= n < 1 << 8 * width - 1)
    return mark + n.to_bytes(width, "little", signed=True)


# ---- packed strings ----


def listpack(elements: Sequence[bytes]) -> bytes:
    """A listpack."""
    body = b"".join(map(_listpack_entry, elements))
    return struct.pack("<IH", len(body) + 7, min(len(elements), 65535)) + body + b"\xff"


def _listpack_entry(data: bytes) -> bytes:
    n = number(data)
    if n is None:
        size = len(data)
        head = bytes([0x80 | size]) if size < 64 else struct.pack(">H", 0xE000 | size) if size < 4096 else b""
        body = (head or b"\xf0" + struct.pack("<I", size)) + data
    elif 0 <= n < 128:
        body = bytes([n])
    elif -4096 <= n < 4096:
        body = struct.pack(">H", 0xC000 | n & 0x1FFF)
    else:
        body = short(n, ((2, b"\xf1"), (3, b"\xf2"), (4, b"\xf3"), (8, b"\xf4")))
    size, back = len(body), []
    groups = 1 if size < 128 else 2 if size < 16384 else 3
    for i in range(groups):
        back.append(size >> 7 * (groups - 1 - i) & 127 | (128 if i else 0))
    return body + bytes(back)


def ziplist(elements: Sequence[bytes]) -> bytes:
    """A ziplist."""
    body, before, last = b"", 0, 10
    for data in elements:
        entry = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        n = number(data)
        if n is not None and 0 <= n <= 12:
            entry += bytes([0xF1 + n])
        elif n is not None:
            entry += short(n, ((1, b"\xfe"), (2, b"\xc0"), (3, b"\xf0"), (4, b"\xd0"), (8, b"\xe0")))
        elif len(data) < 64:
            entry += bytes([len(data)]) + data
        elif len(data) < 16384:
            entry += struct.pack(">H", 0x4000 | len(data)) + data
        else:
            entry += b"\x80" + struct.pack(">I", len(data)) + data
        last, before = 10 + len(body), len(entry)
        body += entry
    return struct.pack("<IIH", len(body) + 11, last, min(len(elements), 65535)) + body + b"\xff"


def intset(numbers: Sequence[int]) -> bytes:
    """An intset."""
    numbers = sorted(numbers)
    width = next(w for w in (2, 4, 8) if all(-(1 << 8 * w - 1) <= n < 1 << 8 * w - 1 for n in numbers))
    return struct.pack("<II", width, len(numbers)) + b"".join(n.to_bytes(width, "little", signed=True) for n in numbers)


def zipmap(pairs: Pairs) -> bytes:
    """A zipmap, with some free bytes behind values."""

    def size(data: bytes) -> bytes:
        return bytes([len(data)]) if len(data) < 254 else b"\xfe" + struct.pack("<I", len(data))

    body = b"".join(
        size(field) + field + size(value) + bytes([len(value) % 3]) + value + b"?" * (len(value) % 3)
        for field, value in pairs
    )
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


# ---- whole values ----


def joined(pairs: Pairs) -> list[bytes]:
    """The strings of the pairs, one after another."""
    return [data for pair in pairs for data in pair]


def apart(kind: int, count: int, strings: Sequence[bytes]) -> bytes:
    """Strings one by one."""
    return bytes([kind]) + length(count) + b"".join(map(string, strings))


def nodes(kind: int, elements: Sequence[bytes], each: int, pack: Callable[[Sequence[bytes]], bytes]) -> bytes:
    """A list in packed strings of `each` elements; in type 18 an element that is alone lies plain."""
    parts = [elements[at : at + each] for at in range(0, len(elements), each)]
    body = b""
    for part in parts:
        if kind == 18:
            plain = len(part) == 1 and len(part[0]) > 0  # Redis has no empty plain node
            body += length(1 if plain else 2) + string(part[0] if plain else pack(part))
        else:
            body += string(pack(part))
    return bytes([kind]) + length(len(parts)) + body


def score_text(score: bytes) -> bytes:
    """A score as type 3 has it."""
    if score in (b"inf", b"-inf"):
        return b"\xfe" if score == b"inf" else b"\xff"
    return bytes([len(score)]) + score


def lists(elements: Sequence[bytes]) -> list[bytes]:
    """A list in each encoding."""
    made = [
        apart(1, len(elements), elements),
        b"\x0a" + string(ziplist(elements)),
        *(nodes(14, elements, each, ziplist) for each in (1, 3, 1000)),
        *(nodes(18, elements, each, listpack) for each in (1, 3, 1000)),
    ]
    return list(map(sealed, made))


def sets(members: Sequence[bytes]) -> list[bytes]:
    """A set in each encoding that Redis 7.0 knows."""
    made = [apart(2, len(members), members)]
    numbers = [n for n in map(number, members) if n is not None]
    if len(numbers) == len(members):
        made.append(b"\x0b" + string(intset(numbers)))
    return list(map(sealed, made))


def new_sets(members: Sequence[bytes]) -> list[bytes]:
    """A set as Redis 7.2 and Valkey have it."""
    return [sealed(b"\x14" + string(listpack(members)), 11)]


def hashes(pairs: Pairs) -> list[bytes]:
    """A hash in each encoding that Redis 7.0 knows."""
    made = [
        apart(4, len(pairs), joined(pairs)),
        b"\x09" + string(zipmap(pairs)),
        b"\x0d" + string(ziplist(joined(pairs))),
        b"\x10" + string(listpack(joined(pairs))),
    ]
    return list(map(sealed, made))


def sorted_sets(pairs: Pairs) -> list[bytes]:
    """A sorted set, of members and the texts of their scores, in each encoding."""
    made = [
        b"\x03" + length(len(pairs)) + b"".join(string(member) + score_text(score) for member, score in pairs),
        b"\x05" + length(len(pairs)) + b"".join(string(m) + struct.pack("<d", float(score)) for m, score in pairs),
        b"\x0c" + string(ziplist(joined(pairs))),
        b"\x11" + string(listpack(joined(pairs))),
    ]
    return list(map(sealed, made))


# ---- hashes with fields that expire: a time in milliseconds, or None ----

Timed = Sequence[tuple[bytes, bytes, int | None]]


def valkey_hash(fields: Timed) -> bytes:
    """As Valkey 9 has it."""
    body = b"".join(string(f) + string(v) + struct.pack("<q", -1 if at is None else at) for f, v, at in fields)
    return sealed(b"\x16" + length(len(fields)) + body, 80)


def redis_hashes(fields: Timed) -> list[bytes]:
    """As Redis 7.4 has it."""
    first = min((at for _, _, at in fields if at is not None), default=0)
    body = b"".join(length(0 if at is None else at - first + 1) + string(f) + string(v) for f, v, at in fields)
    packed = listpack([part for f, v, at in fields for part in (f, v, b"%d" % (at or 0))])
    return [
        sealed(b"\x18" + struct.pack("<q", first) + length(len(fields)) + body, 12),
        sealed(b"\x19" + struct.pack("<q", first) + string(packed), 12),
    ]


_WORDS = (b"a", b"b", b"12", b"-5000", b"", b"y" * 70)
_FIELDS = tuple((word, word[::-1]) for word in _WORDS)
_SCORES = ((b"m", b"-1"), (b"a", b"0"), (b"b", b"1.5"), (b"c", b"1.5"), (b"12", b"inf"))
GOOD = (
    *lists(_WORDS),
    *lists([b"%d" % n for n in range(200)]),
    *sets(_WORDS),
    *sets([b"3", b"-70000", b"1"]),
    *hashes(_FIELDS),
    *sorted_sets(_SCORES),
)
"""A few that redis-server 7.0 reads."""
