"""SLOWLOG: the slow commands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain, count, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from redistill.base import resp
from redistill.control.arguments import integer, surplus, text
from redistill.control.peers import Question, over_all
from redistill.control.slices import streamed
from redistill.net.interfaces import Client, Command, Reply

if TYPE_CHECKING:
    from redistill.control.state import ServerState

MAX_ARGUMENTS = 32
MAX_BYTES = 128
MOST = 2 * 1024 * 1024
"""Bytes of all entries of a worker: some thousands of the longest, which go from worker to worker in one piece."""
ENTRY_BYTES, ARGUMENT_BYTES = 200, 40
"""Bytes of overhead of an entry, and of each of its arguments."""

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

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return ENTRY_BYTES + len(self.name) + sum(ARGUMENT_BYTES + len(word) for word in self.argv)


class SlowLog:
    """The last slow commands of this worker, newest first: at most `MOST` bytes, and at most as many entries as
    each call says, since CONFIG SET may change the number."""

    def __init__(self, next_number: Callable[[], int] | None = None) -> None:
        """`next_number` gives each entry its number; all workers count as one."""
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._next_number = next_number or count().__next__

    def add(
        self, unix_time: int, microseconds: int, argv: Sequence[bytes], peer: str, name: bytes, max_len: int
    ) -> None:
        """Keep one more, and no more than `max_len` of all. `argv` is cut already (see `trimmed`)."""
        entry = Entry(self._next_number(), unix_time, microseconds, tuple(argv), peer, name)
        self._entries.appendleft(entry)
        self._bytes += entry.size
        self.trim(max_len)

    def trim(self, max_len: int) -> None:
        """Drop the oldest beyond `max_len`."""
        while len(self._entries) > max_len or self._bytes > MOST:
            self._bytes -= self._entries.pop().size

    def first(self, count: int) -> list[Entry]:
        """The newest `count`; all for -1."""
        return list(self._entries if count < 0 else islice(self._entries, count))

    def clear(self) -> None:
        """Forget all; numbers go on."""
        self._entries.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)


def trimmed(argv: Sequence[bytes]) -> list[bytes]:
    """`argv` as the log keeps it: at most 32 arguments of at most 128 bytes, and a remark on the rest."""
    kept = argv if len(argv) <= MAX_ARGUMENTS else argv[: MAX_ARGUMENTS - 1]
    words = [
        word if len(word) <= MAX_BYTES else b"%s... (%d more bytes)" % (word[:MAX_BYTES], len(word) - MAX_BYTES)
        for word in kept
    ]
    if len(argv) > MAX_ARGUMENTS:
        words.append(b"... (%d more arguments)" % (len(argv) - len(kept)))
    return words


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""

    def get(client: Client, argv: list[bytes]) -> Reply:
        if len(argv) > 3:
            return surplus(argv)
        count = integer(argv[2]) if len(argv) == 3 else 10
        if count is None or count < -1:
            return resp.error("ERR count should be greater than or equal to -1")

        def reply(answers: list[list[Any]]) -> bytes | Deferred[bytes]:
            there = sum(map(len, answers))
            wanted = there if count < 0 else min(count, there)
            newest = islice(merge(*answers, key=itemgetter(0), reverse=True), wanted)
            return streamed(server, client, chain([resp.array_head(wanted)], (encoded(*entry) for entry in newest)))

        return over_all(server, client, "slowlog-get", count, reply)

    def length(client: Client, argv: list[bytes]) -> Reply:
        longest = server.config.performance.slowlog_max_len
        return over_all(server, client, "slowlog-len", None, lambda lengths: resp.integer(min(sum(lengths), longest)))

    def reset(client: Client, argv: list[bytes]) -> Reply:
        return over_all(server, client, "slowlog-reset", None, lambda done: resp.OK, changes=True)

    return {
        "slowlog|get": get,
        "slowlog|len": length,
        "slowlog|reset": reset,
        "slowlog|help": lambda client, argv: resp.lines(HELP),
    }


def questions(server: ServerState) -> Mapping[str, Question]:
    """The questions to each worker about its log."""
    return {
        "slowlog-get": lambda count: ([plain(entry)] for entry in server.slowlog.first(count)),
        "slowlog-len": lambda nothing: len(server.slowlog),
        "slowlog-reset": lambda nothing: server.slowlog.clear(),
    }


def plain(entry: Entry) -> list[Any]:
    """An entry as JSON can hold it, its number first: it counts over all workers, so it is their order in time."""
    words = [text(word) for word in entry.argv]
    return [entry.number, entry.unix_time, entry.microseconds, words, entry.peer, text(entry.name)]


def encoded(number: int, unix_time: int, microseconds: int, argv: Sequence[str], peer: str, name: str) -> bytes:
    """An entry as SLOWLOG GET shows it."""
    return resp.array(
        [
            resp.integer(number),
            resp.integer(unix_time),
            resp.integer(microseconds),
            resp.array([resp.bulk(word) for word in argv]),
            resp.bulk(peer),
            resp.bulk(name),
        ]
    )
