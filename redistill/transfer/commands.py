"""Files of commands: one a line, as redis-cli reads them, or RESP, as `redis-cli --pipe` takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from redistill.base import words
from redistill.engine.command_table import CommandTable
from redistill.transfer.input import FileSource, Input
from redistill.transfer.records import VALUE_MAX, BadSource, Command, Item

LINE_MAX = 64 << 20
"""Bytes of a line; a longer command is written as RESP."""
ARGUMENTS_MAX = 1 << 20
WORD_MAX = 64 << 10
"""Bytes of an argument that is looked at: as a name, or as a key."""
HEAD = re.compile(rb"([*$])(0|[1-9]\d{0,9})\r\n")
HEAD_MAX = 16
PLAIN = re.compile(rb"[^\"'\\]*")
DATABASE = re.compile(rb"\d{1,9}")
QUOTED = re.compile(rb'[\x00-\x1f\x7f-\xff"\\]')

REFUSED = {
    **dict.fromkeys(("AUTH", "HELLO"), "the user is named by options"),
    **dict.fromkeys(("MONITOR", "SYNC", "PSYNC"), "it does not answer once"),
    **dict.fromkeys((f"{a}{b}SUBSCRIBE" for a in ("", "P", "S") for b in ("", "UN")), "it does not answer once"),
    **dict.fromkeys(("QUIT", "RESET", "SHUTDOWN"), "it ends the connection"),
}
"""Commands that cannot be loaded, and why."""
REPEATABLE = frozenset(
    (
        *("SET", "SETEX", "PSETEX", "SETNX", "MSET", "MSETNX", "SETBIT", "SETRANGE", "DEL", "UNLINK", "RESTORE"),
        *("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT", "PERSIST", "TOUCH", "FLUSHALL", "FLUSHDB", "PFADD"),
        *("HSET", "HMSET", "HSETNX", "HDEL", "SADD", "SREM"),
        *("GET", "MGET", "TTL", "PTTL", "EXISTS", "TYPE", "STRLEN", "PING", "ECHO"),
    )
)
"""Commands that leave the same values if they are executed once more in the same order."""


def packed(argv: Sequence[bytes]) -> bytes:
    """A command as RESP."""
    return b"*%d\r\n%b" % (len(argv), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in argv]))


def quoted(data: bytes) -> bytes:
    """A word as redis-cli reads it from a line."""
    return b'"' + QUOTED.sub(lambda found: b"\\x%02x" % found[0][0], data) + b'"'


class CommandSource(FileSource):
    """The commands of a file.

    SELECT changes the database of those that follow. A position is never within a transaction, since the server
    discards what a lost connection has queued.
    """

    form = "commands"

    def __init__(self, data: Input, db: int = 0) -> None:
        super().__init__(data)
        self._db = db
        self._line = 0
        self._only_lines = True
        self._transaction: dict[str, Any] | None = None
        """The position before the transaction that is being read."""
        self._position = self._here()

    def position(self) -> dict[str, Any]:
        """Behind the last command, or before the transaction that it is in."""
        return self._transaction or self._position

    def _here(self) -> dict[str, Any]:
        line = self._line if self._only_lines else None
        return {"offset": self.input.offset, "line": line, "db": self._db}

    def resume(self, position: dict[str, Any]) -> None:
        """Begin there."""
        self.input.restart(int(position["offset"]))
        self._db, self._only_lines = int(position["db"]), position["line"] is not None
        self._line, self._position = int(position["line"] or 0), position

    def items(self) -> Iterator[Item]:
        """The commands. BadSource when one cannot be read."""
        while not self.input.at_end():
            before = self._here()
            command = self._resp() if self.input.peek(1) == b"*" else self._from_line()
            if command is None:
                continue
            if command.name == "MULTI" and self._transaction is None:
                self._transaction = before
            elif command.name in ("EXEC", "DISCARD"):
                self._transaction = None
            if command.name == "SELECT":
                self._select(command)
                continue
            self._check(command)
            self._position = self._here()
            yield command
            command.drain()
        if self._transaction is not None:
            self.notes.append("the file ends within a transaction, which has no effect without EXEC")

    def _select(self, command: Command) -> None:
        """Another database for the commands that follow."""
        if self._transaction is not None:
            raise self._bad("SELECT within a transaction cannot be loaded", command.where)
        if len(command.argv) != 2 or not DATABASE.fullmatch(command.argv[1]):
            raise self._bad("SELECT takes the number of a database", command.where)
        self._db = int(command.argv[1])

    def _check(self, command: Command) -> None:
        """BadSource if the command cannot be loaded."""
        why = REFUSED.get(command.name)
        if command.name == "CLIENT" and command.argv[1:2] and command.argv[1].upper() in (b"REPLY", b"TRACKING"):
            why = "it changes the replies"
        if why:
            raise self._bad(f"{command.name} cannot be loaded: {why}", command.where)

    def _bad(self, problem: str, where: str) -> BadSource:
        return BadSource(f"{self.input.name}: {where}: {problem}")

    def _from_line(self) -> Command | None:
        """A line; None if it is empty or a comment."""
        raw = self.input.line(LINE_MAX)
        self._line += 1
        where = f"line {self._line}" if self._only_lines else f"offset {self.input.offset - len(raw)}"
        line = raw.strip(b" \t\n\v\f\r")
        if self._line == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line or line.startswith(b"#"):
            return None
        if PLAIN.fullmatch(line):
            argv = line.split()
        else:
            read = words.unquoted(words.text(line))
            if read is None:
                raise self._bad("the quotes are not balanced", where)
            argv = [words.data(word) for word in read]
        return Command(where, self._db, words.text(argv[0]).upper(), argv, packed(argv))

    def _resp(self) -> Command:
        """A command as RESP; its long arguments are passed on as they are read."""
        self._only_lines = False
        where = f"offset {self.input.offset}"
        argv = []
        with self.input.recording() as recording:
            count = self._number(b"*", ARGUMENTS_MAX, where)
            for _ in range(count):
                length = self._number(b"$", VALUE_MAX, where)
                if length <= WORD_MAX:
                    argv.append(self.input.take(length))
                else:
                    self.input.skip(length)
                    argv.append(b"")
                if self.input.take(2) != b"\r\n":
                    raise self._bad(f"no CR LF behind an argument, at offset {self.input.offset - 2}", where)
        if not count:
            raise self._bad("a command without a name", where)
        return Command(where, self._db, words.text(argv[0]).upper(), argv, recording.body)

    def _number(self, mark: bytes, limit: int, where: str) -> int:
        at = self.input.offset
        head = self.input.peek(HEAD_MAX)
        found = HEAD.match(head)
        if found is None or found[1] != mark:
            if len(head) < HEAD_MAX and b"\n" not in head:
                raise self.input.truncated()
            raise self._bad(f"no RESP at offset {at}: {head!r}", where)
        number = int(found[2])
        if number > limit:
            raise self._bad(f"{number} at offset {at} is more than {limit}", where)
        self.input.skip(found.end())
        return number


class Keys:
    """Finds the keys of commands."""

    def __init__(self) -> None:
        self._table = CommandTable()

    def of(self, argv: Sequence[bytes]) -> list[bytes]:
        """The keys; of a command that is not known here, its first argument."""
        entry = self._table.find(argv)
        if entry is None:
            return list(argv[1:2])
        found = self._table.keys(entry, argv) if entry.takes(len(argv)) else None
        return [key for key, _ in found or ()]


def is_repeatable(command: Command) -> bool:
    """Whether the command may be executed twice without harm."""
    return command.name in REPEATABLE
