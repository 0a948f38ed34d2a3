"""The bytes of a file or a pipe, read in pieces, with their offset and checksum."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redistill.engine.codec import crc64
from redistill.transfer.records import LARGE, PIECE, BadSource, Body, Chunks

HEAD = 4096
"""Bytes at the beginning by which a file is recognised."""


class Truncated(BadSource):
    """The bytes end too early."""


class Recording:
    """The bytes that were taken since a point."""

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.parts: list[bytes] | None = []
        """Parts that are no longer in the buffer; None: too many, so they are read again."""
        self.kept = 0
        self.body: Body = b""
        """All of them, once the recording has ended."""


class Input:
    """A file, by its descriptor, that is read once from its beginning or from an offset. A pipe is read up to there."""

    def __init__(self, fd: int, name: str) -> None:
        self.name = name
        self._fd = fd
        status = os.fstat(fd)
        self.seekable = stat.S_ISREG(status.st_mode)
        self.size = status.st_size if self.seekable else 0
        self._changed = status.st_mtime_ns if self.seekable else 0
        self._buffer = b""
        self._at = 0
        self._base = os.lseek(fd, 0, os.SEEK_CUR) if self.seekable else 0
        """Offset of the buffer's first byte."""
        self._crc, self._crc_at = 0, 0
        self._recording: Recording | None = None

    @property
    def offset(self) -> int:
        """Bytes before the next one."""
        return self._base + self._at

    @property
    def crc(self) -> int:
        """CRC-64 of all bytes before `offset`."""
        if self._at > self._crc_at:
            self._crc = crc64(memoryview(self._buffer)[self._crc_at : self._at], self._crc)
        self._crc_at = self._at
        return self._crc

    def identity(self) -> dict[str, object]:
        """By which the same file is recognised: its first bytes, and its size and time if it is a file."""
        head = hashlib.sha256(self.peek(HEAD)).hexdigest()
        name = os.path.abspath(self.name) if self.seekable else self.name
        return {"name": name, "size": self.size, "changed": self._changed, "head": head}

    def restart(self, offset: int, crc: int = 0) -> None:
        """Go on at a later offset, whose checksum was `crc`. BadSource if there are not so many bytes."""
        if self.seekable:
            if offset > self.size:
                raise BadSource(f"{self.name} has only {self.size} bytes, and the load was interrupted at {offset}")
            os.lseek(self._fd, offset, os.SEEK_SET)
            self._buffer, self._at, self._crc_at, self._base = b"", 0, 0, offset
        else:
            self.skip(offset - self.offset)
        self._crc, self._crc_at = crc, self._at

    def _more(self) -> bool:
        """Read a piece behind those in the buffer that were not taken; whether there was one."""
        piece = os.read(self._fd, PIECE)
        if not piece:
            return False
        _ = self.crc
        if self._recording is not None:
            self._keep(self._recording)
        self._base += self._at
        self._buffer = self._buffer[self._at :] + piece
        self._at = self._crc_at = 0
        return True

    def _keep(self, recording: Recording) -> None:
        """Keep the bytes that leave the buffer."""
        if recording.parts is None:
            return
        first = max(recording.begin - self._base, 0)
        recording.parts.append(self._buffer[first : self._at])
        recording.kept += self._at - first
        if self.seekable and recording.kept > LARGE:
            recording.parts = None

    def at_end(self) -> bool:
        """Whether there is no further byte."""
        return self._at == len(self._buffer) and not self._more()

    def peek(self, count: int) -> bytes:
        """The next bytes, fewer at the end, without taking them."""
        while len(self._buffer) - self._at < count and self._more():
            pass
        return self._buffer[self._at : self._at + count]

    def byte(self) -> int:
        """The next byte."""
        if self._at == len(self._buffer) and not self._more():
            raise self.truncated()
        self._at += 1
        return self._buffer[self._at - 1]

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Memory is taken as they come, not on the word of `count`."""
        end = self._at + count
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[bytes]:
        """The next `count` bytes, in pieces."""
        while count:
            if self._at == len(self._buffer) and not self._more():
                raise self.truncated()
            data = self._buffer[self._at : self._at + count]
            self._at += len(data)
            count -= len(data)
            yield data

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""
        end = self._at + count
        if end <= len(self._buffer):
            self._at = end
            return
        for _ in self.pieces(count):
            pass

    def line(self, limit: int) -> bytes:
        """The next line, with its end; the last one may have none. BadSource if it has more than `limit` bytes."""
        found = self._buffer.find(b"\n", self._at)
        if found >= 0:
            return self.take(found + 1 - self._at)
        begin, parts, length = self.offset, [], 0
        while True:
            data = self.take(len(self._buffer) - self._at)
            length += len(data)
            parts.append(data)
            if length > limit:
                raise BadSource(f"{self.name}: offset {begin}: the line has more than {limit} bytes")
            if not self._more():
                return b"".join(parts)
            found = self._buffer.find(b"\n", self._at)
            if found >= 0:
                parts.append(self.take(found + 1 - self._at))
                return b"".join(parts)

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """The bytes that are taken within. Those of a file are read once more if they are many."""
        recording = self._recording = Recording(self.offset)
        try:
            yield recording
        finally:
            self._recording = None
        if recording.parts is None:
            length = self.offset - recording.begin
            recording.body = Chunks(length, self._again(recording.begin, length))
        else:
            first = max(recording.begin - self._base, 0)
            recording.body = b"".join((*recording.parts, self._buffer[first : self._at]))

    def _again(self, offset: int, count: int) -> Iterator[bytes]:
        """Bytes of the file at an offset."""
        while count:
            data = os.pread(self._fd, min(count, PIECE), offset)
            if not data:
                raise Truncated(f"{self.name}: offset {offset}: the file has become shorter")
            offset += len(data)
            count -= len(data)
            yield data

    def truncated(self) -> Truncated:
        """The error that the bytes end here."""
        return Truncated(f"{self.name}: offset {self._base + len(self._buffer)}: the file is truncated, it ends here")


class FileSource:
    """The part that the sources of all formats of files have in common; see `records.Source`."""

    unit = "bytes"
    form: str
    """Name of the format."""

    def __init__(self, data: Input) -> None:
        self.input = data
        self.notes: list[str] = []
        self._identity = data.identity()

    @property
    def total(self) -> int:
        """The file's size."""
        return self.input.size

    @property
    def done(self) -> int:
        """Bytes read."""
        return self.input.offset

    def identity(self) -> dict[str, Any]:
        """The identity of the file that is read."""
        return {"format": self.form, **self._identity}
