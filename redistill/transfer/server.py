"""The keys of a running server: SCAN, and for each key DUMP and its time to live."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from redistill.base import words
from redistill.transfer.commands import packed
from redistill.transfer.payload import FOOTER, TYPES, sealed, version_for
from redistill.transfer.peer import BATCH_BYTES, Peer
from redistill.transfer.records import VALUE_MAX, BadSource, Broken, Item, Record, shown

PAGE = 500
"""Keys that SCAN is asked for at once."""
GROUP_BYTES = 4 << 20
"""Bytes of values that are asked for at once; a larger value is asked for alone."""
GROUP_BLIND = 16
"""Keys that are asked for at once if the server does not answer MEMORY USAGE."""
TIMEOUT = 60.0
"""Seconds to wait for an answer, since a large value takes its time."""
JITTER_MS = 60_000
"""Milliseconds by which a time to live may pass between two questions."""
KEYSPACE = re.compile(r"^db(\d+):keys=(\d+)", re.MULTILINE)
PLAIN_URL = re.compile(r"(rediss?|unix)://")


def pool(where: str, environ: Mapping[str, str], password: str) -> tuple[Any, int | None]:
    """A redis-py pool of connections to a URL, or to HOST:PORT, and the database that the URL names.

    `password` is the environment variable whose value is the password if the URL has none. click.ClickException if
    `where` is no address.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    url = where if PLAIN_URL.match(where) else f"redis://{where}"
    options: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT / 10}
    options |= {"retry": Retry(NoBackoff(), 0), "encoding_errors": "surrogateescape"}
    if environ.get(password):
        options["password"] = environ[password]
    try:
        made = redis.ConnectionPool.from_url(url, **options)
    except (ValueError, TypeError):  # whose text may have a part of the password
        raise click.ClickException(
            f"{public(where)} is no address; write redis://[USER:PASSWORD@]HOST[:PORT][/DB],"
            " with %2F for a / in the password"
        ) from None
    named = re.search(r"//[^/]*/(\d+)", url) if not url.startswith("unix:") else re.search(r"[?&]db=(\d+)", url)
    return made, int(named[1]) if named else None


def public(where: str) -> str:
    """An address without its password."""
    shortened = re.sub(r"([?&]password=)[^&]*", r"\1...", where)
    return re.sub(r"^(\w+://)?.*@", r"\1", shortened)


class Keyspace:
    """Reads the keys of a server, page by page. An error of the connection is a BadSource that `explain` words."""

    def __init__(
        self, pool: Any, explain: Callable[[Exception], str], match: bytes | None = None, page: int = PAGE
    ) -> None:
        """`pool` is a ConnectionPool of redis-py, of which one connection is used, until `close`."""
        import redis

        self._explain = explain
        try:
            self._client = redis.Redis(connection_pool=pool, single_connection_client=True)
        except redis.RedisError as problem:
            raise BadSource(explain(problem)) from None
        self._peer = Peer(self._client)
        self._match = match
        self._page = page
        self._sizes = True

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def info(self, section: str) -> str:
        """A section of INFO."""
        (reply,) = self.ask(None, [("INFO", section)])
        if isinstance(reply, Exception):
            raise BadSource(self._explain(reply))
        return words.text(reply) if isinstance(reply, bytes) else str(reply)

    def run_id(self) -> str:
        """The server's run id, as long as SCAN's cursors are valid."""
        found = re.search(r"^run_id:(\w+)", self.info("server"), re.MULTILINE)
        return found[1] if found else ""

    def databases(self) -> dict[int, int]:
        """The databases that have keys, and how many."""
        return {int(db): int(keys) for db, keys in KEYSPACE.findall(self.info("keyspace"))}

    def ask(self, db: int | None, requests: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
        """The replies to requests, in a database unless it is None; an error reply is in its place."""
        import redis

        replies: list[Any] = []
        batch: list[bytes] = []
        size = 0
        try:
            if db is not None and (why := self._peer.select(db)):
                raise BadSource(f"database {db}: {why}")
            for request in requests:
                one = packed([word if isinstance(word, bytes) else str(word).encode() for word in request])
                if batch and size + len(one) > BATCH_BYTES:
                    replies += self._peer.exchange([b"".join(batch)], len(batch))
                    batch, size = [], 0
                batch.append(one)
                size += len(one)
            if batch:
                replies += self._peer.exchange([b"".join(batch)], len(batch))
        except redis.RedisError as problem:
            raise BadSource(self._explain(problem)) from None
        return replies

    def scan(self, db: int, cursor: int = 0) -> Iterator[tuple[int, list[bytes]]]:
        """For each page: the cursor behind it, 0 at the end, and its keys, each once."""
        extra: list[Any] = [] if self._match is None else ["MATCH", self._match]
        while True:
            (reply,) = self.ask(db, [("SCAN", cursor, "COUNT", self._page, *extra)])
            if isinstance(reply, Exception):
                raise BadSource(self._explain(reply))
            cursor = int(reply[0])
            yield cursor, list(dict.fromkeys(reply[1]))
            if not cursor:
                return

    def groups(self, db: int, keys: list[bytes]) -> Iterator[list[bytes]]:
        """The keys in groups whose values fit into memory together."""
        sizes: list[Any] = [None] * len(keys)
        if self._sizes and keys:
            sizes = self.ask(db, [("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys])
            self._sizes = not any(isinstance(size, Exception) for size in sizes)
        group: list[bytes] = []
        total = 0
        for key, size in zip(keys, sizes, strict=True):
            bytes_ = int(size or 0) if self._sizes else GROUP_BYTES // GROUP_BLIND
            if group and total + bytes_ > GROUP_BYTES:
                yield group
                group, total = [], 0
            group.append(key)
            total += bytes_
        if group:
            yield group

    def records(self, db: int, keys: list[bytes]) -> Iterator[Item | None]:
        """A record for each key; None for one that is gone, Broken for one that the server does not give out."""
        for group in self.groups(db, keys):
            replies = self.ask(db, [r for key in group for r in (("PTTL", key), ("DUMP", key), ("PTTL", key))])
            read_at = time.monotonic()
            for at, key in enumerate(group):
                yield self._record(db, key, replies[3 * at : 3 * at + 3], read_at)
                replies[3 * at + 1] = None  # its memory

    def _record(self, db: int, key: bytes, replies: list[Any], read_at: float) -> Item | None:
        """A record; if the key was replaced between the questions, they are asked again."""
        for _ in range(3):
            first, payload, last = replies
            for reply in replies:
                if isinstance(reply, Exception):
                    return Broken(f"db {db}, key {shown(key)}", db, "key", f"the source answers: {reply}")
            if payload is None or last == -2 or first == -2:
                return None
            if first == last == -1 or 0 <= last <= first <= last + JITTER_MS:
                return record(db, key, payload, None if last == -1 else int(last), read_at)
            replies = self.ask(db, [("PTTL", key), ("DUMP", key), ("PTTL", key)])
            read_at = time.monotonic()
        return Broken(f"db {db}, key {shown(key)}", db, "key", "it was replaced each time it was read")


def record(db: int, key: bytes, payload: bytes, ttl: int | None, read_at: float) -> Record:
    """The record of a key of a server."""
    kind = payload[0] if payload else -1
    made = Record(f"db {db}", db, key, TYPES.get(kind, f"type {kind}"), payload=payload)
    if ttl is not None:
        made.ttl, made.read_at = max(ttl, 1), read_at
    return made


def portable(payload: bytes) -> bytes:
    """The payload with the lowest version that has its type, so that older servers take it as well."""
    version = int.from_bytes(payload[-FOOTER : 2 - FOOTER], "little")
    lowest = version_for(payload[0], version)
    if lowest >= version:
        return payload
    sealed_again = sealed(payload[:1], payload[1:-FOOTER], lowest)
    assert isinstance(sealed_again, bytes)
    return sealed_again


class ServerSource:
    """The keys of a server as a source. Those that vanish while it is read are counted."""

    unit = "keys"

    def __init__(self, space: Keyspace, where: str, match: bytes | None, db: int | None) -> None:
        self._space = space
        self._where, self._match, self._only = public(where), match, db
        self.notes: list[str] = []
        self.vanished = 0
        found = self._space.databases()
        self._databases = sorted(found if db is None else found.keys() & {db})
        self.total = 0 if match is not None else sum(found[one] for one in self._databases)
        self.done = 0
        self._db, self._cursor = (self._databases or [0])[0], 0

    def identity(self) -> dict[str, Any]:
        """The server as long as it runs."""
        return {"format": "server", "server": self._where, "run_id": self._space.run_id()}

    def position(self) -> dict[str, Any]:
        """Before the page that is being read."""
        return {"db": self._db, "cursor": self._cursor, "done": self.done, "vanished": self.vanished}

    def resume(self, position: dict[str, Any]) -> None:
        """Begin with that page."""
        self._db, self._cursor = int(position["db"]), int(position["cursor"])
        self.done, self.vanished = int(position["done"]), int(position["vanished"])
        self._databases = [one for one in self._databases if one >= self._db]

    def items(self) -> Iterator[Item]:
        """The keys, database by database."""
        for db in self._databases:
            if db != self._db:
                self._db, self._cursor = db, 0
            for cursor, keys in self._space.scan(db, self._cursor):
                for item in self._space.records(db, keys):
                    if item is None:
                        self.vanished += 1
                        continue
                    if isinstance(item, Record) and isinstance(item.payload, bytes):
                        item.payload = portable(item.payload)
                        if len(item.payload) > VALUE_MAX:
                            item = Broken(item.where, db, item.type, f"its payload has more than {VALUE_MAX} bytes")
                    yield item
                self.done += len(keys)
                if cursor:
                    self._cursor = cursor
        if self.vanished:
            self.notes.append(f"{self.vanished} keys vanished while they were read")
