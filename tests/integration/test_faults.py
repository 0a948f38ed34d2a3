"""Workers that are killed at any moment, under a load that verifies every reply."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import redis
from twisted.trial.unittest import TestCase

from tests.integration import servers

KILLS = 200
CLIENTS = 3
KEYS = 2000
"""Keys of each client."""
BATCH = 32
"""Commands of one pipeline."""
CONFIG = """
[server]
workers = 2
[security]
enable_debug_command = "yes"
[memory]
max_memory = "256mb"
"""


def value_of(key: int, version: int) -> bytes:
    """The value of a key's version: of any length up to some hundred bytes, and different in all of them."""
    return b"%d:%d:" % (key, version) + b"%d" % (key * 7919 + version) * (version % 40)


@dataclass
class Writer:
    """A client with keys of its own, of which it knows at any time what they may hold."""

    address: tuple[str, int]
    first: int
    seed: int
    allowed: dict[int, set[int]] = field(default_factory=dict)
    """By key, the versions that the server may have: one, or two when the reply to a write was lost."""
    shards: dict[int, int] = field(default_factory=dict)
    lost: list[tuple[float, int]] = field(default_factory=list)
    """When a key was found missing, and which."""
    replies: int = 0
    disconnections: int = 0
    refusals: int = 0
    longest: float = 0.0
    """Seconds between two replies that it got."""
    failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Write and read until `stop`."""
        try:
            self._run(stop, random.Random(self.seed))
        except BaseException as failure:
            self.failure = failure

    def _run(self, stop: threading.Event, dice: random.Random) -> None:
        heard = time.monotonic()
        while not stop.is_set():
            try:
                sock = socket.create_connection(self.address, 10)
            except OSError:
                self.refusals += 1
                continue
            with contextlib.suppress(OSError), sock:
                replies = sock.makefile("rb")
                while not stop.is_set():
                    keys = dice.sample(range(self.first, self.first + KEYS), BATCH)
                    (self._write if dice.random() < 0.5 else self._read)(sock, replies, keys)
                    now = time.monotonic()
                    self.longest, heard = max(self.longest, now - heard), now
            self.disconnections += 1

    def _write(self, sock: socket.socket, replies: socket.SocketIO, keys: list[int]) -> None:  # type: ignore[name-defined]
        versions = {key: max(self.allowed.get(key, {0})) + 1 for key in keys}
        for key, version in versions.items():
            self.allowed.setdefault(key, set()).add(version)
        sock.sendall(b"".join(command(b"SET", b"k%d" % key, value_of(key, v)) for key, v in versions.items()))
        for key, version in versions.items():
            line = replies.readline()
            if not line:
                raise ConnectionResetError
            if line != b"+OK\r\n":
                raise AssertionError(f"SET answered {line!r}")
            self.allowed[key] = {version}
            self.replies += 1

    def _read(self, sock: socket.socket, replies: socket.SocketIO, keys: list[int]) -> None:  # type: ignore[name-defined]
        sock.sendall(b"".join(command(b"GET", b"k%d" % key) for key in keys))
        for key in keys:
            head = replies.readline()
            if not head.endswith(b"\r\n"):
                raise ConnectionResetError
            length = int(head[1:])
            value = replies.read(length + 2)[:-2] if length >= 0 else None
            if value is not None and len(value) != length:
                raise ConnectionResetError
            self._judge(key, value)
            self.replies += 1

    def _judge(self, key: int, value: bytes | None) -> None:
        allowed = self.allowed.get(key)
        if value is None:
            if allowed is not None:
                self.lost.append((time.monotonic(), key))
                del self.allowed[key]
            return
        if allowed is None or value not in {value_of(key, version) for version in allowed}:
            raise AssertionError(f"wrong value of key {key}: {value!r}, allowed are the versions {allowed}")


def command(*words: bytes) -> bytes:
    """A command in RESP."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def workers_of(client: redis.Redis) -> list[int]:
    """The process ids of the workers that serve."""
    while True:
        with contextlib.suppress(redis.ConnectionError):
            return [fields["pid"] for fields in client.info("workers").values() if isinstance(fields, dict)]


class KillTests(TestCase):
    """kill -9 of workers"""

    timeout = 900

    def test_killed_workers(self) -> None:
        """200 workers are killed at random moments under load: no reply is wrong, what was acknowledged is there unless
        its shard was emptied, hardly a key is lost, and nobody waits for long."""
        server = servers.redistill(CONFIG, tcp=True)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        writers = [Writer(("127.0.0.1", server.port), n * KEYS, n) for n in range(CLIENTS)]
        client = redis.Redis(port=server.port, socket_timeout=20, single_connection_client=True)
        self.addCleanup(client.close)
        self._fill(client, writers)
        stop = threading.Event()
        threads = [threading.Thread(target=writer.run, args=(stop,)) for writer in writers]
        for thread in threads:
            thread.start()
        dice = random.Random(1)
        try:
            killed: list[int] = []
            while len(killed) < KILLS:
                time.sleep(dice.uniform(0.0, 0.5))
                if alive := [pid for pid in workers_of(client) if pid not in killed]:
                    killed.append(dice.choice(alive))
                    os.kill(killed[-1], signal.SIGKILL)
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        for writer in writers:
            if writer.failure is not None:
                raise writer.failure
        servers.until(lambda: len(workers_of(client)) == 2, 20, "all workers are there again")
        emptied = client.info("stats")["shards_lost"]
        lost = [(writer.shards[key], key) for writer in writers for _, key in writer.lost]
        missing = [
            (writer.shards[key], key) for writer in writers for key in writer.allowed if client.get(f"k{key}") is None
        ]
        kept = 1 - len(lost + missing) / (KILLS * CLIENTS * KEYS)
        longest = max(writer.longest for writer in writers)
        print(
            f"{KILLS} workers killed, {sum(writer.disconnections for writer in writers)} connections lost,"
            f" {sum(writer.replies for writer in writers)} replies verified, {emptied} shards emptied,"
            f" {len(lost + missing)} keys lost of {CLIENTS * KEYS} ({kept:.4%} kept a kill),"
            f" longest wait {longest:.2f} s"
        )
        self.assertEqual(client.execute_command("DEBUG", "CHECK"), b"OK")
        self.assertLessEqual(len({shard for shard, _ in lost + missing}), emptied)
        self.assertGreaterEqual(kept, 0.999)
        self.assertEqual(sum(writer.refusals for writer in writers), 0)
        self.assertLess(longest, 15.0)  # below 1 s on a quiet machine; a busy one takes its time to start a process
        self.assertGreater(sum(writer.disconnections for writer in writers), KILLS // 2)

    def _fill(self, client: redis.Redis, writers: list[Writer]) -> None:
        """All keys are there, and it is known in which shards."""
        for writer in writers:
            keys = range(writer.first, writer.first + KEYS)
            with client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.set(f"k{key}", value_of(key, 1))
                    pipeline.execute_command("DEBUG", "OBJECT", f"k{key}")
                answers = pipeline.execute()
            writer.allowed = {key: {1} for key in keys}
            writer.shards = {
                key: int(found.rpartition(b"shard:")[2]) for key, found in zip(keys, answers[1::2], strict=True)
            }
