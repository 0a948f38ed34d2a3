"""Values in the format of DUMP, made without a server: an RDB value, the version, a CRC-64."""

from __future__ import annotations

import functools
import struct

from hypothesis import strategies as st

RDB_VERSION = 10  # of Redis 7.0; a server refuses a payload that is newer than itself


@functools.cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x95AC9329AC4BC9B5 if n & 1 else 0)
        table.append(n)
    return tuple(table)


def crc64(data: bytes) -> int:
    """CRC-64 with the Jones polynomial, reflected, as Redis puts it behind a payload."""
    crc, table = 0, _crc_table()
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def length(n: int) -> bytes:
    """A length as RDB writes it, in the smallest form."""
    if n < 64:
        return bytes([n])
    if n < 16384:
        return bytes([0x40 | n >> 8, n & 255])
    return b"\x80" + struct.pack(">I", n)


def sealed(body: bytes, version: int = RDB_VERSION) -> bytes:
    """The body with its version and checksum."""
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def string(data: bytes) -> bytes:
    """The payload of a string, uncompressed."""
    return sealed(b"\x00" + length(len(data)) + data)


def literals_lzf(data: bytes) -> bytes:
    """The payload of a string "compressed" to literal runs only, which every LZF decoder must read."""
    runs = [data[i : i + 32] for i in range(0, len(data), 32)]
    packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
    return sealed(b"\x00\xc3" + length(len(packed)) + length(len(data)) + packed)


def wanted(body: bytes) -> int:
    """How many bytes a string's payload body (after the type byte) needs, going by the lengths it states."""
    if not body:
        return 1
    head, rest = body[0] >> 6, body[0] & 63
    if head == 3:
        if rest < 3:
            return 1 + (1 << rest)
        packed = stated(body[1:])
        unpacked = stated(body[1 + packed[0] :])
        return 1 + packed[0] + unpacked[0] + packed[1] if rest == 3 else 0
    return sum(stated(body))


def stated(data: bytes) -> tuple[int, int]:
    """The size of a length's own bytes, and the length; (1, 0) when there are not enough."""
    kind = data[0] >> 6 if data else 2
    if kind == 0:
        return 1, data[0] & 63
    if kind == 1:
        return 2, (data[0] & 63) << 8 | int.from_bytes(data[1:2], "big")
    size = 4 if data[:1] == b"\x80" else 8
    return 1 + size, int.from_bytes(data[1 : 1 + size], "big")


GOOD = (
    string(b""),
    string(b"hello"),
    string(b"x" * 100),
    string(b"\x00\xff" * 10000),
    sealed(b"\x00\xc0\x7f"),
    sealed(b"\x00\xc0\x80"),
    sealed(b"\x00\xc1" + struct.pack("<h", -12345)),
    sealed(b"\x00\xc2" + struct.pack("<i", 2147483647)),
    literals_lzf(b"hello world, hello world, hello world"),
    sealed(b"\x00\xc3" + length(5) + length(100) + b"\x00a\xe0\x5a\x00"),  # one literal, then 99 times the same
    sealed(b"\x00\x80" + struct.pack(">I", 3) + b"abc"),
    sealed(b"\x00\x81" + struct.pack(">Q", 3) + b"abc"),
    sealed(b"\x00" + length(5) + b"older", version=6),
)
_HELLO = string(b"hello")
BAD = (
    b"",
    b"\x00",
    b"junk that is long enough",
    _HELLO[:-1] + bytes([_HELLO[-1] ^ 1]),
    _HELLO[:3] + b"X" + _HELLO[4:],
    sealed(b"\x00" + length(5) + b"newer", version=999),
    sealed(b""),
    sealed(b"\x00"),
    sealed(b"\x00" + length(50) + b"short"),
    sealed(b"\x00\xc3" + length(4) + length(10) + b"\x03abc"),
    sealed(b"\x00\xc3" + length(3) + length(10) + b"\xe0\xff\xff"),
    sealed(b"\x00\xc4\x00"),
    sealed(b"\xff" + length(5) + b"hello"),
)
payload = st.sampled_from(GOOD + GOOD + BAD)
