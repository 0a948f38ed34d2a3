"""Writes the keys of a server to a file."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from redistill.transfer.commands import LINE_MAX, packed, quoted
from redistill.transfer.jsonlines import as_line
from redistill.transfer.payload import string_of
from redistill.transfer.rdb import RdbWriter
from redistill.transfer.records import Broken, Record
from redistill.transfer.server import Keyspace

SUFFIXES = {".rdb": "rdb", ".jsonl": "json", ".json": "json", ".ndjson": "json", ".resp": "resp"}
FORMATS = ("rdb", "json", "commands", "resp")


class Writer(Protocol):
    """Writes records in one format."""

    def write(self, record: Record) -> bool:
        """Write a record; False if it is there already."""

    def end(self) -> None:
        """No more follow."""


class JsonWriter:
    """JSON lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, record: Record) -> bool:
        """A line."""
        self._file.write(as_line(with_value(record)))
        return True

    def end(self) -> None:
        """Nothing."""


class CommandWriter:
    """Commands, one a line or as RESP, that set the keys whatever was there."""

    def __init__(self, file: BinaryIO, lines: bool) -> None:
        self._file, self._lines, self._db = file, lines, 0

    def write(self, record: Record) -> bool:
        """A command, and SELECT before it if the database changes."""
        if record.db != self._db:
            self._db = record.db
            self._command([b"SELECT", b"%d" % record.db])
        record = with_value(record)
        if isinstance(record.value, bytes):
            argv = [b"SET", record.key, record.value]
            if record.expire_at is not None:
                argv += [b"PXAT", b"%d" % record.expire_at]
        else:
            assert isinstance(record.payload, bytes)
            argv = [b"RESTORE", record.key, b"%d" % (record.expire_at or 0), record.payload, b"REPLACE", b"ABSTTL"]
        self._command(argv)
        return True

    def _command(self, argv: list[bytes]) -> None:
        line = b" ".join((argv[0], *(word if word.isalnum() else quoted(word) for word in argv[1:]))) + b"\n"
        self._file.write(line if self._lines and len(line) <= LINE_MAX else packed(argv))

    def end(self) -> None:
        """Nothing."""


def with_value(record: Record) -> Record:
    """The record; that of a string with its value."""
    assert isinstance(record.payload, bytes)
    record.value = string_of(record.payload)
    return record


def writer(form: str, file: BinaryIO) -> Writer:
    """A writer of `FORMATS`."""
    if form == "rdb":
        return RdbWriter(file)
    return JsonWriter(file) if form == "json" else CommandWriter(file, form == "commands")


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file of mode 0600 that takes its place at `path`, on the disk, when the body has succeeded; ``-``: stdout."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    directory, name = os.path.split(os.path.abspath(path))
    fd, made = tempfile.mkstemp(dir=directory, prefix=f".{name}.")
    try:
        with open(fd, "wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, os.path.join(directory, name))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
    place = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def dump(
    space: Keyspace,
    databases: list[int],
    into: Writer,
    rate: float | None,
    complain: Callable[[str], None],
    progress: Callable[[int], None],
) -> tuple[Counter[str], int, int]:
    """Write all keys: how many of each type, how many vanished meanwhile, and how many could not be read."""
    counts: Counter[str] = Counter()
    vanished = failed = done = 0
    begun = time.monotonic()
    for db in databases:
        for _, keys in space.scan(db):
            for item in space.records(db, keys):
                if item is None:
                    vanished += 1
                elif isinstance(item, Broken):
                    failed += 1
                    complain(f"{item.where}: {item.reason}")
                elif isinstance(item, Record):
                    left = item.left()
                    item.ttl = None
                    item.expire_at = None if left is None else round(time.time() * 1000) + left
                    if into.write(item):
                        counts[item.type] += 1
            done += len(keys)
            progress(done)
            if rate and (early := done / rate - (time.monotonic() - begun)) > 0:
                time.sleep(early)
    into.end()
    return counts, vanished, failed
