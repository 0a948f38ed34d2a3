"""SLOWLOG: the commands that took long."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from redistill import resp
from redistill.commands.arguments import integer
from redistill.commands.interfaces import Client, Command

if TYPE_CHECKING:
    from redistill.commands.state import ServerState

MAX_ARGUMENTS = 32
MAX_BYTES = 128

HELP = """\
SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
GET [<count>]
    Return top <count> entries from the slowlog (default: 10, -1 mean all).
    Entries are made of:
    id, timestamp, time in microseconds, arguments array, client IP and port,
    client name
LEN
    Return the length of the slowlog.
RESET
    Reset the slowlog.
HELP
    Prints this help.""".splitlines()


@dataclass(frozen=True, slots=True)
class Entry:
    """One slow command."""

    number: int
    unix_time: int
    microseconds: int
    argv: tuple[bytes, ...]
    peer: str
    name: bytes


class SlowLog:
    """The last slow commands, newest first. Its bound is given with each call, since CONFIG SET may change it."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._next = 0

    def add(
        self, unix_time: int, microseconds: int, argv: Sequence[bytes], peer: str, name: bytes, max_len: int
    ) -> None:
        """Keep one more, and no more than `max_len` of all. `argv` is cut already (see `trimmed`)."""
        self._entries.appendleft(Entry(self._next, unix_time, microseconds, tuple(argv), peer, name))
        self._next += 1
        self.trim(max_len)

    def trim(self, max_len: int) -> None:
        """Drop the oldest beyond `max_len`."""
        while len(self._entries) > max_len:
            self._entries.pop()

    def first(self, count: int) -> list[Entry]:
        """The newest `count`; all for -1."""
        return list(self._entries if count < 0 else islice(self._entries, count))

    def clear(self) -> None:
        """Forget all; numbers go on."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def trimmed(argv: Sequence[bytes]) -> list[bytes]:
    """`argv` as the log keeps it: at most 32 arguments of at most 128 bytes, with a word on what was left out."""
    kept = argv if len(argv) <= MAX_ARGUMENTS else argv[: MAX_ARGUMENTS - 1]
    words = [
        word if len(word) <= MAX_BYTES else b"%s... (%d more bytes)" % (word[:MAX_BYTES], len(word) - MAX_BYTES)
        for word in kept
    ]
    if len(argv) > MAX_ARGUMENTS:
        words.append(b"... (%d more arguments)" % (len(argv) - len(kept)))
    return words


def redacted(argv: Sequence[bytes]) -> list[bytes]:
    """`argv` without its secrets: passwords must not be read back from the log."""
    words, shown = list(argv), [word.lower() for word in argv]
    if shown[0] == b"auth":
        words[1:] = [b"(redacted)"] * (len(words) - 1)
    elif shown[0] == b"hello" and b"auth" in shown:
        start = shown.index(b"auth") + 1
        words[start : start + 2] = [b"(redacted)"] * len(words[start : start + 2])
    elif shown[:2] == [b"config", b"set"]:
        for i in range(2, len(words) - 1, 2):
            if b"pass" in shown[i] or b"auth" in shown[i]:
                words[i + 1] = b"(redacted)"
    return words


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""

    def get(client: Client, argv: list[bytes]) -> bytes:
        if len(argv) > 3:
            return resp.error(
                f"ERR unknown subcommand or wrong number of arguments for '{resp.shown(argv[1])}'. Try SLOWLOG HELP."
            )
        count = integer(argv[2]) if len(argv) == 3 else 10
        if count is None or count < -1:
            return resp.error("ERR count should be greater than or equal to -1")
        return resp.array([encoded(entry) for entry in server.slowlog.first(count)])

    def length(client: Client, argv: list[bytes]) -> bytes:
        return resp.integer(len(server.slowlog))

    def reset(client: Client, argv: list[bytes]) -> bytes:
        server.slowlog.clear()
        return resp.OK

    return {
        "slowlog|get": get,
        "slowlog|len": length,
        "slowlog|reset": reset,
        "slowlog|help": lambda client, argv: resp.lines(HELP),
    }


def encoded(entry: Entry) -> bytes:
    """An entry as SLOWLOG GET shows it."""
    return resp.array(
        [
            resp.integer(entry.number),
            resp.integer(entry.unix_time),
            resp.integer(entry.microseconds),
            resp.array([resp.bulk(word) for word in entry.argv]),
            resp.bulk(entry.peer),
            resp.bulk(entry.name),
        ]
    )
