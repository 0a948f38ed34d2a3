"""A connection to a server, on which requests go out in batches, and how they are put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redistill.transfer.commands import packed
from redistill.transfer.records import Body, Chunks, Item

BATCH_BYTES = 32 << 10
"""Bytes of requests that go out before their replies are read. The receiver's buffers hold so many, whatever it does,
so that the two never wait for each other; a longer request goes alone."""


class Peer:
    """A server, over the connection of a redis-py client that has a single one."""

    def __init__(self, made: Any) -> None:
        self._connection = made.connection
        self._db = int(self._connection.db or 0)
        self._refused: dict[int, str] = {}

    def select(self, db: int) -> str:
        """Change the database; why the server refuses it, or nothing."""
        if db == self._db:
            return ""
        if db in self._refused:
            return self._refused[db]
        (reply,) = self.exchange([packed((b"SELECT", b"%d" % db))], 1)
        if isinstance(reply, Exception):
            self._refused[db] = str(reply)
            return str(reply)
        self._db = db
        return ""

    def exchange(self, parts: Any, count: int) -> list[Any]:
        """Send requests and return so many replies; an error reply is in its place. redis.RedisError if the
        connection fails: then nobody knows which requests were executed."""
        from redis import ResponseError

        self._connection.send_packed_command(parts, check_health=False)
        replies = []
        for _ in range(count):
            try:
                replies.append(self._connection.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies


def parts(argv: list[Body]) -> Iterator[bytes]:
    """A request with a long argument, piece by piece."""
    head = b"*%d\r\n" % len(argv)
    for word in argv:
        head += b"$%d\r\n" % len(word)
        if isinstance(word, bytes):
            head += word
        else:
            yield head
            yield from word
            head = b""
        head += b"\r\n"
    yield head


def whole(argv: list[Body]) -> Body:
    """A request of these words, in pieces if one of them is."""
    if not any(isinstance(word, Chunks) for word in argv):
        return packed([word for word in argv if isinstance(word, bytes)])
    return Chunks(sum(len(word) for word in argv), parts(argv))


def segments(batch: list[tuple[Item, Body]]) -> Iterator[tuple[int, list[tuple[Item, Body]]]]:
    """Parts of a batch that go out at once: of one database, and a long request alone."""
    part: list[tuple[Item, Body]] = []
    for item, request in batch:
        alone = len(request) > BATCH_BYTES
        if part and (alone or part[-1][0].db != item.db or len(part[-1][1]) > BATCH_BYTES):
            yield part[0][0].db, part
            part = []
        part.append((item, request))
    if part:
        yield part[0][0].db, part
