"""Publish/subscribe beside redis-server: the server's CPU time for each message that a subscriber gets."""

from __future__ import annotations

import contextlib
import select
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import load, servers

SERVERS = ("redistill", "redistill, 2 workers", "redis", "valkey")
ROUNDS, SECONDS = 5, 0.6
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.3
VALUE = 32
CHANNEL = "news"
MESSAGE = len(f"*3\r\n$7\r\nmessage\r\n${len(CHANNEL)}\r\n{CHANNEL}\r\n${VALUE}\r\n\r\n") + VALUE
"""Bytes of a message as a subscriber gets it."""
LONGEST_WAIT = 20.0


@dataclass(frozen=True)
class Row:
    """Subscribers, publishers, commands in a pipeline, and the most CPU time in relation to Redis's."""

    subscribers: int
    publishers: int
    pipeline: int
    most: float | None = None

    @property
    def title(self) -> str:
        """The row's name."""
        who = "nobody" if self.subscribers == 0 else f"{self.subscribers:,} subscriber" + "s" * (self.subscribers > 1)
        return f"PUBLISH to {who}, {self.publishers} publisher{'s' * (self.publishers > 1)}"


ROWS = (
    Row(0, 50, 16, 0.6),
    Row(1, 1, 1),
    Row(1, 50, 16),
    Row(50, 1, 1, 0.8),
    Row(50, 50, 1),
    Row(50, 1, 16),
    Row(1000, 1, 1),
    Row(1000, 1, 16),
)


class Subscribers:
    """Connections that subscribe to the channel and read what comes, in a thread."""

    def __init__(self, server: servers.Server, count: int) -> None:
        self.received = 0
        self._over = False
        self._sockets = {}
        self._poll = select.epoll()
        for _ in range(count):
            conversation = server.connect()
            conversation.sendall(f"SUBSCRIBE {CHANNEL}\r\n".encode())
            while not conversation.recv(1000).endswith(b":1\r\n"):
                pass
            self._sockets[conversation.fileno()] = conversation
            self._poll.register(conversation, select.EPOLLIN)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        buffer = bytearray(1 << 18)
        while not self._over:
            for number, _ in self._poll.poll(0.1):
                self.received += self._sockets[number].recv_into(buffer)

    def wait_for(self, messages: int) -> None:
        """Wait until all subscribers together have so many messages; an error if some do not come, or more do."""
        until = time.monotonic() + LONGEST_WAIT
        while self.received < messages * MESSAGE and time.monotonic() < until:
            time.sleep(0.01)
        if self.received != messages * MESSAGE:
            sys.exit(f"{self.received / MESSAGE:.1f} messages came, and {messages} were sent")

    def close(self) -> None:
        self._over = True
        self._thread.join()
        self._poll.close()
        for conversation in self._sockets.values():
            with contextlib.suppress(OSError):
                conversation.shutdown(socket.SHUT_RDWR)
            conversation.close()


@contextlib.contextmanager
def _subscribed(server: servers.Server, count: int) -> Iterator[Subscribers]:
    subscribers = Subscribers(server, count)
    try:
        yield subscribers
    finally:
        subscribers.close()


def _measure(server: servers.Server, row: Row, seconds: float) -> float:
    """CPU microseconds for each message that is delivered, or for each PUBLISH to nobody."""
    options: tuple[object, ...] = ("--workload", "command", "--command", f"PUBLISH {CHANNEL} %v", "--value", VALUE)
    options += ("--pipeline", row.pipeline, "--connections", row.publishers, "--requests", 100_000_000)
    with _subscribed(server, row.subscribers) as subscribers:
        before = server.cpu_seconds()
        measured = load.run(server, *options, "--seconds", seconds)
        subscribers.wait_for(measured["commands"] * row.subscribers)
        cpu: float = 1e6 * (server.cpu_seconds() - before)
    sent: int = measured["commands"] * max(1, row.subscribers)
    return cpu / sent


def messages(quick: bool) -> dict[str, Any]:
    """For each server one result a round, the rounds of the servers taking turns."""
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    results: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "rows": [], "lacking": {}}
    with servers.started(SERVERS, results["lacking"]) as running:
        for row in ROWS:
            got: dict[str, list[float]] = {}
            for _ in range(rounds):
                for server in running.values():
                    got.setdefault(server.name, []).append(_measure(server, row, seconds))
            medians = {who: statistics.median(each) for who, each in got.items()}
            results["rows"].append(
                {"title": row.title, "pipeline": row.pipeline, "most": row.most, "servers": got, "medians": medians}
            )
            said = ", ".join(f"{who} {value:.3f} µs" for who, value in medians.items())
            print(f"    {row.title}, P={row.pipeline}: {said}", flush=True)
    return results
