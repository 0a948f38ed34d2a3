"""Values in the format of RDB files and of DUMP: their types, how long they are, and their checksum.

A value is a sequence of lengths, strings and numbers of fixed width. Its end is found without looking into its strings,
so a type that Redis stores in one string needs no more than its number here. Nothing is recursive, each step takes
at least a byte, and no memory is taken on the word of a length. The format is described by Redis's own files of it, and
by the payloads that DUMP of Redis 7.0 and of Valkey 9 returns, which the tests compare.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from redistill.engine.codec import crc64, lzf_decompress
from redistill.transfer.input import Input
from redistill.transfer.records import VALUE_MAX, BadSource, Body, Chunks

STRING = 0
TYPES = {
    STRING: "string",
    **dict.fromkeys((1, 10, 14, 18), "list"),
    **dict.fromkeys((2, 11, 20), "set"),
    **dict.fromkeys((3, 5, 12, 17), "zset"),
    **dict.fromkeys((4, 9, 13, 16, 22, 23, 24, 25), "hash"),
    **dict.fromkeys((6, 7), "module"),
    **dict.fromkeys((15, 19, 21), "stream"),
}
"""Name, as TYPE answers it, of each type that an RDB file may have."""
SINCE = {5: 8, 7: 8, 14: 7, 15: 9, 16: 10, 17: 10, 18: 10, 19: 10, 20: 11, 21: 11}
"""RDB version that introduced a type, if it is not one of the first. Types from 22 on keep the version of their
source: Redis and Valkey give these numbers different meanings."""
OLDEST = 6
FIRST_AMBIGUOUS = 22
REDIS, VALKEY = "REDIS", "VALKEY"
NEWEST = {REDIS: 12, VALKEY: 80}
"""Newest RDB version that is known of each."""
FOREIGN = range(12, 80)
"""RDB versions of Redis that Valkey refuses; its own follow."""
FOOTER = 10
INT_BYTES = {0xC0: 1, 0xC1: 2, 0xC2: 4}
LZF = 0xC3
INFLATED_MAX = 16 << 20
"""Bytes up to which a compressed string is decompressed here. A longer one is sent compressed, by RESTORE."""
MODULE_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def version_for(kind: int, version: int) -> int:
    """The lowest RDB version that has the type, so that older servers take it too; `version` is the source's."""
    return version if kind >= FIRST_AMBIGUOUS or kind == 6 else SINCE.get(kind, OLDEST)


def sealed(head: bytes, body: Body, version: int) -> Body:
    """The DUMP payload of a value: `head` (its type, or more of it), `body` and the footer."""
    footer = struct.pack("<H", version)
    if isinstance(body, bytes):
        whole = head + body + footer
        return whole + struct.pack("<Q", crc64(whole))

    def parts() -> Iterator[bytes]:
        crc = crc64(head)
        yield head
        for part in body:
            crc = crc64(part, crc)
            yield part
        yield footer + struct.pack("<Q", crc64(footer, crc))

    return Chunks(len(head) + len(body) + FOOTER, parts())


def encoded_length(number: int) -> bytes:
    """A length as RDB writes it."""
    if number < 64:
        return bytes((number,))
    if number < 16384:
        return struct.pack(">H", 0x4000 | number)
    return b"\x80" + struct.pack(">I", number) if number < 1 << 32 else b"\x81" + struct.pack(">Q", number)


def encoded_string(data: bytes) -> bytes:
    """A string as RDB writes it, not compressed."""
    return encoded_length(len(data)) + data


def payload_of(kind: str, names: Sequence[bytes], others: Sequence[bytes | float]) -> bytes:
    """The DUMP payload of a collection, entry by entry; `others` are a hash's values or a sorted set's scores."""
    parts = [bytes(({"list": 1, "set": 2, "hash": 4, "zset": 5}[kind],)), encoded_length(len(names))]
    for at, name in enumerate(names):
        parts.append(encoded_string(name))
        if others:
            other = others[at]
            parts.append(encoded_string(other) if isinstance(other, bytes) else struct.pack("<d", other))
    body = sealed(b"".join(parts), b"", version_for(parts[0][0], OLDEST))
    assert isinstance(body, bytes)
    return body


class Values:
    """Reads lengths, strings and values from an Input."""

    def __init__(self, data: Input) -> None:
        self.input = data

    def bad(self, problem: str, offset: int | None = None) -> BadSource:
        """The error that the bytes at `offset`, otherwise those before the next, are wrong."""
        where = self.input.offset if offset is None else offset
        return BadSource(f"{self.input.name}: offset {where}: {problem}")

    def head(self) -> tuple[int, bool]:
        """A length, or the first byte of a string that is encoded otherwise, and whether it is that."""
        first = self.input.byte()
        if first < 0x40:
            return first, False
        if first < 0x80:
            return (first & 0x3F) << 8 | self.input.byte(), False
        if first >= 0xC0:
            return first, True
        if first > 0x81:
            raise self.bad(f"0x{first:02x} begins no length", self.input.offset - 1)
        return int.from_bytes(self.input.take(4 if first == 0x80 else 8), "big"), False

    def length(self) -> int:
        """A length, or a number that is written as one."""
        number, encoded = self.head()
        if encoded:
            raise self.bad("a length is expected, and a string begins here", self.input.offset - 1)
        return number

    def bounded(self) -> int:
        """The length of a string. BadSource if no string is so long."""
        at, number = self.input.offset, self.length()
        return self._checked(number, at)

    def _checked(self, number: int, at: int) -> int:
        if number > VALUE_MAX:
            raise self.bad(f"a string of {number} bytes; Redis has none beyond {VALUE_MAX}", at)
        return number

    def string(self, limit: int = VALUE_MAX) -> bytes:
        """A string, decoded. BadSource if it has more than `limit` bytes."""
        at = self.input.offset
        number, encoded = self.head()
        if not encoded:
            if number > limit:
                raise self.bad(f"a string of {number} bytes, at most {limit} are allowed", at)
            return self.input.take(number)
        if number in INT_BYTES:
            return b"%d" % int.from_bytes(self.input.take(INT_BYTES[number]), "little", signed=True)
        packed, length = self.compressed(number, at)
        if length > limit:
            raise self.bad(f"a string of {length} bytes, at most {limit} are allowed", at)
        return self.inflated(self.input.take(packed), length, at)

    def compressed(self, encoding: int, at: int) -> tuple[int, int]:
        """The bytes of a compressed string, which follow, and those that it stands for."""
        if encoding != LZF:
            raise self.bad(f"unknown encoding 0x{encoding:02x} of a string", at)
        return self.bounded(), self.bounded()

    def inflated(self, packed: bytes, length: int, at: int) -> bytes:
        """A compressed string."""
        data = lzf_decompress(packed, length)
        if data is None:
            raise self.bad("a compressed string is damaged", at)
        return data

    def skip_string(self) -> None:
        """Pass over a string."""
        data = self.input
        at = data.offset
        number, encoded = self.head()
        if not encoded:
            data.skip(self._checked(number, at))
        elif number in INT_BYTES:
            data.skip(INT_BYTES[number])
        else:
            data.skip(self.compressed(number, at)[0])

    def skip_strings(self, count: int) -> None:
        """Pass over so many strings."""
        for _ in range(count):
            self.skip_string()

    def expect_known(self, kind: int, valkey: bool) -> None:
        """BadSource unless the length of a value of the type, whose number is the last byte, can be found."""
        if kind not in TYPES or (valkey and kind > FIRST_AMBIGUOUS):
            at = self.input.offset - 1
            raise self.bad(f"unknown type {kind} of a value; the file is damaged, or of a newer server", at)

    def skip_value(self, kind: int, valkey: bool) -> str:
        """Pass over a value, from behind its type; the name of its type."""
        name = TYPES[kind]
        if kind in (0, 9, 10, 11, 12, 13, 16, 17, 20, 23):
            self.skip_string()
        elif kind in (1, 2, 14):
            self.skip_strings(self.length())
        elif kind in (3, 5):
            self._skip_scores(kind)
        elif kind == 4:
            self.skip_strings(2 * self.length())
        elif kind == 18:
            for _ in range(self.length()):
                self.length()  # the kind of the node
                self.skip_string()
        elif kind == 25:
            self.input.skip(8)  # when the first field expires
            self.skip_string()
        elif kind in (22, 24):
            self._skip_expiring_fields(kind, valkey)
        elif kind == 7:
            name = self._skip_module()
        elif kind == 6:
            raise self.bad("a value of a module of Redis 4.0's candidates, whose length is not known")
        else:
            self._skip_stream(kind)
        return name

    def _skip_scores(self, kind: int) -> None:
        """A sorted set: members and scores, as text or as doubles."""
        for _ in range(self.length()):
            self.skip_string()
            if kind == 5:
                self.input.skip(8)
            elif (length := self.input.byte()) < 253:  # otherwise it is a NaN or infinite
                self.input.skip(length)

    def _skip_expiring_fields(self, kind: int, valkey: bool) -> None:
        """A hash whose fields may expire."""
        if kind == 24:
            self.input.skip(8)  # when the first field expires
        for _ in range(self.length()):
            if not valkey:
                self.length()
            self.skip_strings(2)
            if valkey:
                self.input.skip(8)

    def module_name(self) -> str:
        """The name of a module's type, from its number."""
        number = self.length()
        return "".join(MODULE_NAME[number >> 10 + 6 * (8 - place) & 63] for place in range(9))

    def _skip_module(self) -> str:
        name = self.module_name()
        self.skip_module_fields()
        return f"module {name}"

    def skip_module_fields(self) -> None:
        """Read a module's data up to its end."""
        while kind := self.length():
            if kind in (1, 2):
                self.length()
            elif kind in (3, 4):
                self.input.skip(4 * (kind - 2))
            elif kind == 5:
                self.skip_string()
            else:
                raise self.bad(f"unknown kind {kind} of a module's field")

    def _skip_lengths(self, count: int) -> None:
        for _ in range(count):
            self.length()

    def _skip_stream(self, kind: int) -> None:
        """A stream: blocks, figures, groups with their entries and consumers."""
        self.skip_strings(2 * self.length())
        self._skip_lengths(3 if kind == 15 else 8)
        for _ in range(self.length()):
            self.skip_string()
            self._skip_lengths(2 if kind == 15 else 3)
            for _ in range(self.length()):
                self.input.skip(16 + 8)
                self.length()
            for _ in range(self.length()):
                self.skip_string()
                self.input.skip(8 if kind < 21 else 16)
                self.input.skip(16 * self.length())


def string_of(payload: bytes) -> bytes | None:
    """The string of a payload of DUMP; None if it is of another type, or damaged."""
    if payload[:1] != bytes((STRING,)) or len(payload) < 2 + FOOTER:
        return None
    end = len(payload) - FOOTER
    number, at = _length_at(payload, 1)
    if payload[1] in INT_BYTES:
        width = INT_BYTES[payload[1]]
        return b"%d" % int.from_bytes(payload[2 : 2 + width], "little", signed=True) if end == 2 + width else None
    if payload[1] != LZF:
        return payload[at:end] if payload[1] < 0xC0 and number == end - at else None
    packed, at = _length_at(payload, 2)
    length, at = _length_at(payload, at)
    return lzf_decompress(payload[at:end], length) if packed == end - at and length <= VALUE_MAX else None


def _length_at(payload: bytes, at: int) -> tuple[int, int]:
    """A length, and where it ends."""
    first = payload[at]
    width = 0 if first < 0x40 else 1 if first < 0x80 else 4 if first == 0x80 else 8
    low = first & 0x3F if first < 0x80 else 0
    return low << 8 * width | int.from_bytes(payload[at + 1 : at + 1 + width], "big"), at + 1 + width
