"""Files of JSON lines: an object for each key.

    {"key": "user:1", "value": "Ada", "ttl": 3600}
    {"key": "user:2", "value": {"base64": "/wA="}, "expire_at": 1893456000.5, "db": 3}
    {"key": "queue", "type": "list", "value": ["first", "second"]}
    {"key": "user:3", "type": "hash", "value": {"name": "Ada", "visits": 7}}
    {"key": "board", "type": "zset", "value": {"Ada": 12.5}}
    {"key": "queue", "type": "list", "dump": {"base64": "..."}}

`ttl` is seconds from the time of the load, `expire_at` Unix time; without both the key does not expire. A text stands
for its UTF-8 bytes, {"base64": TEXT} for any bytes, a number as a value for its digits. `type` is "string" unless it is
given. The value of a list or set is an array, that of a hash or sorted set an object, or an array of pairs, whose first
parts may be any bytes. Any type may have the payload of DUMP instead.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import math
import re
import time
from collections.abc import Iterator
from typing import Any

from redistill.transfer.input import FileSource, Input
from redistill.transfer.payload import payload_of
from redistill.transfer.records import VALUE_MAX, Broken, Item, Record

LINE_MAX = (VALUE_MAX // 3 + 1) * 4 + (2 << 20)
"""Bytes of a line: those of the longest value in base64, and a key."""
FIELDS = {"key", "value", "type", "dump", "ttl", "expire_at", "db"}
MS_MAX = 1 << 62
CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Digits(str):
    """A number as it is written."""

    __slots__ = ()


class BadLine(ValueError):
    """The line is no record; the text says why."""


def constant(name: str) -> None:
    """JSON has no NaN."""
    raise BadLine(f"{name} is not JSON")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadLine("a field is given twice")
    return found


DECODER = json.JSONDecoder(
    parse_int=Digits, parse_float=Digits, parse_constant=constant, object_pairs_hook=unique, strict=False
)


def octets(read: Any, field: str) -> bytes:
    """The bytes of a field."""
    if isinstance(read, str):
        try:
            return read.encode()
        except UnicodeEncodeError:
            raise BadLine(f'{field} has a lone surrogate; write other bytes as {{"base64": "..."}}') from None
    if isinstance(read, dict) and read.keys() == {"base64"} and isinstance(read["base64"], str):
        try:
            return base64.b64decode(read["base64"], validate=True)
        except (binascii.Error, ValueError):
            raise BadLine(f"{field} is not base64") from None
    raise BadLine(f'{field} is a text, or {{"base64": "..."}}')


def milliseconds(read: Any, field: str) -> int | None:
    """A time that is given in seconds."""
    if read is None:
        return None
    seconds = float(read) if isinstance(read, Digits) else math.nan
    if not abs(seconds) < MS_MAX / 1000:
        raise BadLine(f"{field} is a number of seconds")
    return round(seconds * 1000)


def paired(kind: str, read: Any) -> list[tuple[Any, Any]]:
    """The fields of a hash, or the members of a sorted set, with what belongs to them."""
    if isinstance(read, dict):
        return list(read.items())
    if isinstance(read, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in read):
        return [(first, second) for first, second in read]
    raise BadLine(f"the value of a {kind} is an object, or an array of pairs")


def score(read: Any) -> float:
    """The score of a member."""
    if isinstance(read, Digits) or read in ("inf", "-inf"):
        return float(read)
    raise BadLine('a score is a number, "inf" or "-inf"')


def collection(kind: str, read: Any) -> bytes:
    """The payload of DUMP of a value that is no string."""
    if kind in ("hash", "zset"):
        names, others = [], []
        for first, second in paired(kind, read):
            names.append(octets(first, "a field" if kind == "hash" else "a member"))
            others.append(octets(second, "a value") if kind == "hash" else score(second))
    elif kind in ("list", "set") and isinstance(read, list):
        names, others = [octets(one, "an element") for one in read], []
    elif kind in ("list", "set"):
        raise BadLine(f"the value of a {kind} is an array")
    else:
        raise BadLine(f"a {kind} has its value as dump, the payload of DUMP")
    if not names:
        raise BadLine(f"an empty {kind}")
    if kind != "list" and len(set(names)) < len(names):
        raise BadLine(f"a {kind} in which something is twice")
    return payload_of(kind, names, others)


def record(line: bytes, where: str, db: int) -> Record:
    """The record of a line; `db` is the database if it names none. BadLine if it is none."""
    try:
        read = DECODER.decode(line.decode())
    except UnicodeDecodeError as problem:
        raise BadLine(f"not UTF-8 at byte {problem.start}") from None
    except RecursionError:
        raise BadLine("nested too deeply") from None
    except json.JSONDecodeError as problem:
        raise BadLine(f"not JSON: {problem.msg} at character {problem.pos + 1}") from None
    if not isinstance(read, dict):
        raise BadLine("not an object")
    if unknown := read.keys() - FIELDS:
        raise BadLine(f"unknown field {min(unknown)}; the fields are {', '.join(sorted(FIELDS))}")
    if read.get("key") is None:
        raise BadLine("no key")
    if read.get("ttl") is not None and read.get("expire_at") is not None:
        raise BadLine("both ttl and expire_at")
    database = read.get("db")
    if database is not None:
        if not isinstance(database, Digits) or not database.isascii() or not database.isdigit() or len(database) > 9:
            raise BadLine("db is the number of a database")
        db = int(database)
    kind = read.get("type", "string")
    if not isinstance(kind, str):
        raise BadLine("type is a text")
    made = Record(where, db, octets(read["key"], "key"), kind)
    made.ttl, made.expire_at = (milliseconds(read.get(field), field) for field in ("ttl", "expire_at"))
    if made.ttl is not None:
        made.read_at = time.monotonic()
    if ("value" in read) == ("dump" in read):
        raise BadLine("a record has either a value or a dump")
    if "dump" in read:
        made.payload = octets(read["dump"], "dump")
    elif kind != "string":
        made.payload = collection(kind, read["value"])
    else:
        made.value = octets(read["value"], "value")
    if max(len(made.key), len(made.value or b""), len(made.payload or b"")) > VALUE_MAX:
        raise BadLine(f"more than {VALUE_MAX} bytes")
    return made


class JsonSource(FileSource):
    """The records of a file. A line that is none is counted, and the others are loaded."""

    form = "json"

    def __init__(self, data: Input, db: int = 0) -> None:
        super().__init__(data)
        self._db = db
        self._line = 0
        self._position = {"offset": data.offset, "line": 0}

    def position(self) -> dict[str, Any]:
        """Behind a line."""
        return self._position

    def resume(self, position: dict[str, Any]) -> None:
        """Begin there."""
        self.input.restart(int(position["offset"]))
        self._line, self._position = int(position["line"]), position

    def items(self) -> Iterator[Item]:
        """The records."""
        while not self.input.at_end():
            line = self.input.line(LINE_MAX).strip(b" \t\r\n")
            self._line += 1
            if self._line == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line:
                where = f"line {self._line}"
                self._position = {"offset": self.input.offset, "line": self._line}
                try:
                    yield record(line, where, self._db)
                except BadLine as problem:
                    yield Broken(where, self._db, "line", str(problem))


def _field(data: bytes) -> str | dict[str, str]:
    """Bytes as a field: text, unless most of it would be escapes."""
    if not CONTROLS.search(data):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode()
    return {"base64": base64.b64encode(data).decode()}


def as_line(made: Record) -> bytes:
    """A record as a line."""
    line: dict[str, Any] = {"key": _field(made.key), "type": made.type}
    if isinstance(made.value, bytes):
        line["value"] = _field(made.value)
    else:
        assert isinstance(made.payload, bytes)
        line["dump"] = {"base64": base64.b64encode(made.payload).decode()}
    if made.expire_at is not None:
        line["expire_at"] = float(f"{made.expire_at / 1000:.3f}")
    if made.db:
        line["db"] = made.db
    return json.dumps(line, ensure_ascii=False, separators=(", ", ": ")).encode() + b"\n"
