"""RDB files of Redis and Valkey: reading them as records, and writing them."""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator
from typing import Any, BinaryIO

from redistill.engine.codec import crc64
from redistill.transfer.input import FileSource, Input
from redistill.transfer.payload import (
    FOOTER,
    INFLATED_MAX,
    INT_BYTES,
    NEWEST,
    REDIS,
    STRING,
    VALKEY,
    Values,
    encoded_length,
    encoded_string,
    sealed,
    version_for,
)
from redistill.transfer.records import LARGE, VALUE_MAX, BadSource, Body, Broken, Chunks, Item, Record

MAGIC = re.compile(rb"REDIS(\d{4})|VALKEY(\d{3})")
MAGIC_BYTES = 9
WITH_CHECKSUM = 5
"""First RDB version that ends with a checksum."""
DATABASES = 1 << 31
"""Bound of a database's number."""

SLOT_IMPORT, SLOT_INFO, FUNCTION, FUNCTION_OLD, MODULE_AUX = 243, 244, 245, 246, 247
IDLE, FREQ, AUX, RESIZE, EXPIRE_MS, EXPIRE, SELECT, EOF = range(248, 256)
AUX_MAX = 1 << 20
KEY_MAX = 64 << 20
"""Bytes of a key, which is held in memory, decompressed."""


class RdbSource(FileSource, Values):
    """The keys of an RDB file."""

    form = "rdb"

    def __init__(self, data: Input) -> None:
        FileSource.__init__(self, data)
        Values.__init__(self, data)
        head = data.take(MAGIC_BYTES) if len(data.peek(MAGIC_BYTES)) == MAGIC_BYTES else data.peek(MAGIC_BYTES)
        found = MAGIC.fullmatch(head)
        if found is None:
            raise BadSource(f"{data.name}: offset 0: an RDB file begins with REDIS and its version, not with {head!r}")
        self.valkey = found[1] is None
        self.version = int(found[1] or found[2])
        newest = NEWEST[VALKEY if self.valkey else REDIS]
        if self.version > newest:
            self.notes.append(f"RDB version {self.version} is newer than {newest}, the newest that is known")
        self._db = self._functions = 0
        self._between = True
        self._position: dict[str, Any] = {}

    def position(self) -> dict[str, Any]:
        """Behind a key; within one, the position that was asked for last."""
        if self._between:
            self._position = {"offset": self.input.offset, "crc": self.input.crc}
            self._position |= {"db": self._db, "functions": self._functions}
        return self._position

    def resume(self, position: dict[str, Any]) -> None:
        """Begin behind the last key that was loaded."""
        self.input.restart(int(position["offset"]), int(position["crc"]))
        self._db, self._functions = int(position["db"]), int(position["functions"])

    def items(self) -> Iterator[Item]:
        """The keys. BadSource when the file is damaged: those before have been yielded."""
        self._between, where = False, self.input.offset
        expire_at: int | None = None
        idle: int | None = None
        freq: int | None = None
        while (code := self.input.byte()) != EOF:
            if code == EXPIRE_MS:
                expire_at = int.from_bytes(self.input.take(8), "little", signed=True)
            elif code == EXPIRE:
                expire_at = int.from_bytes(self.input.take(4), "little", signed=True) * 1000
            elif code == IDLE:
                idle = self.length()
            elif code == FREQ:
                freq = self.input.byte()
            elif code >= SLOT_IMPORT:
                self._other(code)
                where = self.input.offset
            else:
                item = self._key(code, where)
                if isinstance(item, Record):
                    item.expire_at, item.idle, item.freq = expire_at, idle, freq
                self._between = True
                yield item
                if isinstance(item, Record):
                    item.drain()
                self._between = False
                expire_at = idle = freq = None
                where = self.input.offset
        self._end()

    def _other(self, code: int) -> None:
        """Read an entry that is not a key."""
        if code == SELECT:
            at, self._db = self.input.offset, self.length()
            if self._db >= DATABASES:
                raise self.bad(f"database {self._db}", at)
        elif code == RESIZE:
            self._skip_lengths(2)
        elif code == AUX:
            name, value = self.string(AUX_MAX), self.string(AUX_MAX)
            if name in (b"redis-ver", b"valkey-ver"):
                self.notes.append(f"written by {name[:-4].decode()} {value.decode('ascii', 'replace')}")
        elif code == FUNCTION:
            self.skip_string()
            self._functions += 1
        elif code == SLOT_INFO:
            self._skip_lengths(3)
        elif code == MODULE_AUX:
            name_of = self.module_name()
            self.skip_module_fields()
            self.notes.append(f"data of module {name_of} that belongs to no key was skipped")
        elif code == SLOT_IMPORT and self.valkey:
            self.skip_string()
            self._skip_lengths(2 * self.length())
        else:
            raise self.bad(f"unknown mark {code}; the file is damaged, or of a newer server", self.input.offset - 1)

    def _key(self, kind: int, where: int) -> Item:
        at = f"offset {where}"
        self.expect_known(kind, self.valkey)
        key = self.string(KEY_MAX)
        if kind == STRING:
            return self._string(at, key)
        with self.input.recording() as recording:
            name = self.skip_value(kind, self.valkey)
        payload = sealed(bytes((kind,)), recording.body, version_for(kind, self.version))
        if len(payload) > VALUE_MAX:
            return Broken(at, self._db, name, f"its payload has {len(payload)} bytes, and RESTORE takes {VALUE_MAX}")
        return Record(at, self._db, key, name, payload=payload)

    def _string(self, where: str, key: bytes) -> Record:
        """A string: in one piece if it is short, otherwise as it is read."""
        at = self.input.offset
        number, encoded = self.head()
        value: Body | None = None
        payload: Body | None = None
        if not encoded:
            if number > VALUE_MAX:
                raise self.bad(f"a string of {number} bytes; Redis has none beyond {VALUE_MAX}", at)
            value = self.input.take(number) if number <= LARGE else Chunks(number, self.input.pieces(number))
        elif number in INT_BYTES:
            value = b"%d" % int.from_bytes(self.input.take(INT_BYTES[number]), "little", signed=True)
        else:
            packed, length = self.compressed(number, at)
            if length <= INFLATED_MAX and packed <= INFLATED_MAX:
                value = self.inflated(self.input.take(packed), length, at)
            else:
                head = bytes((STRING, number)) + encoded_length(packed) + encoded_length(length)
                parts = Chunks(packed, self.input.pieces(packed))
                payload = sealed(head, parts, version_for(STRING, self.version))
        return Record(where, self._db, key, "string", value=value, payload=payload)

    def _end(self) -> None:
        """The checksum, and that nothing follows."""
        if self._functions:
            self.notes.append(
                f"{self._functions} function libraries were skipped; copy them with FUNCTION DUMP and FUNCTION RESTORE"
            )
        if self.version >= WITH_CHECKSUM:
            self._verify()
        self._expect_end()

    def _verify(self) -> None:
        """BadSource if the checksum, which follows, is wrong."""
        at, computed = self.input.offset, self.input.crc
        stored = int.from_bytes(self.input.take(8), "little")
        if stored == 0:
            self.notes.append("the file has no checksum (rdbchecksum no)")
        elif stored != computed:
            raise BadSource(
                f"{self.input.name}: offset {at}: the checksum is wrong, so the file is damaged; all its keys were"
                " read, and some may have wrong values"
            )

    def _expect_end(self) -> None:
        """BadSource if bytes follow."""
        if not self.input.at_end():
            raise BadSource(
                f"{self.input.name}: offset {self.input.offset}: bytes follow the end of the RDB file. If it is an"
                f" append-only file, load what follows, too: tail -c +{self.input.offset + 1} FILE | redistill load -"
            )


class Seen:
    """A set of keys in 16 bytes each, by their CRC-64 and their database."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 << 10))
        self._count = 0

    def add(self, db: int, key: bytes) -> bool:
        """Whether the key is new."""
        if 2 * self._count >= len(self._slots):
            old, self._slots, self._count = self._slots, array("Q", bytes(16 * len(self._slots))), 0
            for mark in filter(None, old):
                self._put(mark)
        return self._put(crc64(key, crc64(b"%d:" % db, 1)) or 1)

    def _put(self, mark: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        at = mark & mask
        while slots[at]:
            if slots[at] == mark:
                return False
            at = at + 1 & mask
        slots[at] = mark
        self._count += 1
        return True


def head_for(version: int) -> bytes:
    """The first bytes of a file of this version."""
    return b"REDIS%04d" % version if version <= NEWEST[REDIS] else b"VALKEY%03d" % version


class RdbWriter:
    """Writes an RDB file.

    Its head has the version of the first payload. A later one may need a higher version: a hash whose fields expire
    needs Valkey's. Then the head is corrected; for that, the checksum that the file would have is computed, too.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._crcs: dict[bytes, int] = {}
        """Checksum by head."""
        self._head = b""
        self._version = 0
        self._db = -1
        self._seen = Seen()

    def _write(self, data: bytes) -> None:
        self._crcs = {head: crc64(data, crc) for head, crc in self._crcs.items()}
        self._file.write(data)

    def _begin(self, version: int) -> None:
        from redistill import __version__

        self._version, self._head = version, head_for(version)
        heads = {self._head}
        if self._file is not sys.stdout.buffer and self._file.seekable():
            heads.add(head_for(NEWEST[VALKEY]))
        self._crcs = {head: crc64(head) for head in heads}
        self._file.write(self._head)
        name = b"redistill-ver"
        self._write(bytes((AUX,)) + encoded_string(name) + encoded_string(__version__.encode()))

    def _raise(self, version: int) -> None:
        """Correct the head. BadSource if the file is a pipe, or no head fits."""
        head = head_for(version)
        if head not in self._crcs:
            raise BadSource(
                f"a key needs RDB version {version}, and the file's head says {self._version}, which cannot be"
                " corrected; write to a file whose name ends with .jsonl"
            )
        self._version, self._head = version, head
        end = self._file.tell()
        self._file.seek(0)
        self._file.write(head)
        self._file.seek(end)

    def write(self, record: Record) -> bool:
        """Add a key with its payload; False if the file has it already (SCAN may return a key twice)."""
        payload = record.payload
        assert isinstance(payload, bytes)
        if not self._seen.add(record.db, record.key):
            return False
        version = int.from_bytes(payload[-FOOTER : 2 - FOOTER], "little")
        if not self._version:
            self._begin(version)
        elif version > self._version:
            self._raise(version)
        if record.db != self._db:
            self._db = record.db
            self._write(bytes((SELECT,)) + encoded_length(record.db))
        if record.expire_at is not None:
            self._write(bytes((EXPIRE_MS,)) + record.expire_at.to_bytes(8, "little", signed=True))
        self._write(payload[:1] + encoded_string(record.key))
        self._write(payload[1:-FOOTER])
        return True

    def end(self) -> None:
        """The end and the checksum."""
        if not self._version:
            self._begin(10)
        self._write(bytes((EOF,)))
        self._file.write(self._crcs[self._head].to_bytes(8, "little"))
