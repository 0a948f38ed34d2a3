"""RDB files made by hand, and inputs of any bytes."""

from __future__ import annotations

import os
import struct
import tempfile
import threading

from redistill.engine.codec import crc64
from redistill.transfer.input import Input
from redistill.transfer.payload import encoded_string
from redistill.transfer.rdb import RdbSource
from redistill.transfer.records import Broken, Chunks, Command, Record

FLOAT = struct.pack("<d", 1.5)
ID = bytes(16)
VALUES = {
    1: b"\x02\x01a\x01b",
    2: b"\x01\x01a",
    3: b"\x03\x01a\x031.5\x01b\xfe\x01c\xfd",
    4: b"\x01\x01f\x01v",
    5: b"\x01\x01a" + FLOAT,
    7: b"\x81" + struct.pack(">Q", 0x0102030405060400) + b"\x02\x05\x01\x07\x03" + bytes(4) + b"\x04" + FLOAT + b"\x05\x01s\x00",
    9: b"\x04abcd",
    10: b"\x03abc",
    11: b"\xc3\x02\x01\x00a",
    12: b"\x00",
    13: b"\x01z",
    14: b"\x02\x01a\x02bc",
    15: b"\x01\x10" + ID + b"\x02lp" + b"\x01\x05\x00" + b"\x01" + b"\x01g\x05\x00" + b"\x01" + ID + bytes(8) + b"\x01" + b"\x01" + b"\x01c" + bytes(8) + b"\x01" + ID,
    16: b"\x01l",
    17: b"\x01l",
    18: b"\x02\x02\x02lp\x01\x02pl",
    19: b"\x00\x01\x05\x00\x05\x00\x00\x00\x01" + b"\x01" + b"\x01g\x05\x00\x01" + b"\x00" + b"\x01" + b"\x01c" + bytes(8) + b"\x00",
    20: b"\x01l",
    21: b"\x00\x01\x05\x00\x05\x00\x00\x00\x01" + b"\x01" + b"\x01g\x05\x00\x01" + b"\x00" + b"\x01" + b"\x01c" + bytes(16) + b"\x00",
    24: bytes(8) + b"\x01\x00\x01f\x01v",
    25: bytes(8) + b"\x02lp",
}  # fmt: skip
"""A small value of each type of Redis, as an RDB file has it."""


def rdb(*parts: bytes, version: int = 12, magic: bytes = b"", checksum: int | None = None) -> bytes:
    """A file with these parts between its head and its end."""
    body = (magic or b"REDIS%04d" % version) + b"".join(parts) + b"\xff"
    if version < 5:
        return body
    return body + struct.pack("<Q", crc64(body) if checksum is None else checksum)


def string(key: bytes, value: bytes) -> bytes:
    """A key with a string."""
    return b"\x00" + encoded_string(key) + encoded_string(value)


def file_input(data: bytes, name: str = "FILE") -> Input:
    """The bytes as a file. Its descriptor is closed with the process."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return Input(os.dup(file.fileno()), name)


def pipe_input(data: bytes) -> Input:
    """The bytes as a pipe."""
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as file:
            file.write(data)

    threading.Thread(target=write, daemon=True).start()
    return Input(reading, "stdin")


def source(data: bytes, pipe: bool = False) -> RdbSource:
    """An RDB file."""
    return RdbSource(pipe_input(data) if pipe else file_input(data))


def read(body: bytes | Chunks | None) -> bytes | None:
    """A body, whole."""
    if isinstance(body, Chunks):
        length, data = len(body), b"".join(body)
        assert len(data) == length, (len(data), length)
        return data
    return body


def flat(item: Record | Command | Broken) -> tuple[object, ...]:
    """The parts of an item that are compared."""
    if isinstance(item, Record):
        return item.db, item.key, item.type, read(item.value), read(item.payload), item.expire_at
    if isinstance(item, Command):
        return item.db, item.name, read(item.request)
    return item.db, item.reason
