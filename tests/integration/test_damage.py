"""Servers that are started on arenas with bytes that are not what they were."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import struct
import tempfile
from pathlib import Path

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

ROUNDS = int(os.environ.get("REDISTILL_TEST_DAMAGED", "8"))
KEYS = 6000
CONFIG = """
[server]
workers = {workers}
num_shards = 16
[security]
enable_debug_command = "yes"
[memory]
max_memory = "16mb"
arena_path = "{path}"
eviction_policy = "allkeys-lru"
"""


class DamageTests(SynchronousTestCase):
    """Damaged shards are emptied, and cause no loop of crashes"""

    def setUp(self) -> None:
        # The file is on a tmpfs, where there is one: what is tried here should not be written to a disk.
        home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.place = Path(tempfile.mkdtemp(dir=home))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.path = self.place / "arena"

    def server(self, workers: int) -> servers.Server:
        """A server on the file."""
        server = servers.redistill(CONFIG.format(workers=workers, path=self.path), tcp=True)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def fill(self) -> None:
        """An arena with keys of all sizes, of a server that has ended."""
        server = self.server(1)
        with redis.Redis(port=server.port, socket_timeout=20) as client, client.pipeline(transaction=False) as pipeline:
            for number in range(KEYS):
                size = 30_000 if number % 300 == 7 else 9000 if number % 100 == 3 else number % 400
                pipeline.set(f"key:{number}", b"v" * size, ex=1000 if number % 3 == 0 else None)
            pipeline.execute()
        self.assertEqual(server.stop(), 0)

    def used(self) -> list[tuple[int, bytes]]:
        """The parts of the file that hold anything, and where; all else is a hole, and larger than memory."""
        parts, at = [], 0
        with open(self.path, "rb") as file, contextlib.suppress(OSError):
            while True:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
                at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
                parts.append((begin, os.pread(file.fileno(), at - begin, begin)))
        self.assertLess(sum(len(data) for _, data in parts), 64 << 20)
        return parts

    def lay(self, size: int, parts: list[tuple[int, bytes]]) -> None:
        """Make the file what it was."""
        with open(self.path, "r+b") as file:
            file.truncate(0)
            file.truncate(size)
            for at, data in parts:
                os.pwrite(file.fileno(), data, at)

    def damage(self, dice: random.Random, parts: list[tuple[int, bytes]]) -> None:
        """Change some bytes of the file, somewhere."""
        with open(self.path, "r+b") as file:
            for _ in range(dice.choice((1, 8, 100, 2000))):
                begin, data = dice.choices(parts, [len(data) for _, data in parts])[0]
                at = dice.randrange(len(data))
                byte = dice.choice((0, 255, dice.randrange(256), data[at] ^ 1 << dice.randrange(8)))
                what = bytes([byte])
                if dice.random() < 0.1:
                    at &= ~7
                    what = struct.pack("<Q", dice.choice((dice.randrange(2**64), dice.randrange(begin + len(data)), 0)))
                os.pwrite(file.fileno(), what, begin + at)

    def use(self, server: servers.Server) -> None:
        """Read and write all keys, through as many connections as are lost."""
        for number in range(0, KEYS, 50):
            for _ in range(20):
                with (
                    contextlib.suppress(redis.ConnectionError, redis.ResponseError),
                    redis.Redis(port=server.port, socket_timeout=20) as client,
                    client.pipeline(transaction=False) as pipeline,
                ):
                    for key in range(number, number + 50):
                        pipeline.get(f"key:{key}")
                        pipeline.append(f"key:{key}", "more")
                        pipeline.expire(f"key:{key}", 500)
                        pipeline.set(f"new:{key}", "n" * 3000)
                    pipeline.execute(raise_on_error=False)
                    break

    def test_damaged_arenas(self) -> None:
        """Whatever bytes were changed, hardly a worker dies, no two of the same, and the server serves."""
        self.fill()
        size, whole = self.path.stat().st_size, self.used()
        dice = random.Random(1)
        died = []
        for _ in range(ROUNDS):
            self.lay(size, whole)
            self.damage(dice, whole)
            server = self.server(2)
            self.use(server)
            with redis.Redis(port=server.port, socket_timeout=20) as client:
                client.set("it", "serves")
                self.assertEqual(client.get("it"), b"serves")
                # Damage that no command has met may still be there; this finds it, and the shard is emptied.
                with contextlib.suppress(redis.ResponseError):
                    client.execute_command("DEBUG", "CHECK")
            log = server.logged()
            died.append(log.count("has ended: killed by"))
            self.assertLessEqual(died[-1], 2, log)
            self.assertIsNone(server.process.poll())
            server.stop(signal.SIGKILL)
        print(f"{ROUNDS} damaged arenas: {sum(map(bool, died))} killed workers, {max(died)} at most")

    def test_worker_that_crashes(self) -> None:
        """A worker's death by a signal has every shard verified, and what is whole is kept."""
        self.fill()
        server = self.server(2)
        with redis.Redis(port=server.port, socket_timeout=20) as client:
            before = client.dbsize()
            for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT):
                pid = next(one["pid"] for one in client.info("workers").values() if isinstance(one, dict))
                os.kill(pid, number)
                servers.until(lambda name=number.name: f"killed by {name}" in server.logged(), 20, "its end is noticed")
        with redis.Redis(port=server.port, socket_timeout=20) as client:
            servers.until(lambda: client.ping(), 20, "somebody serves")
            self.assertEqual(client.execute_command("DEBUG", "CHECK"), b"OK")
            self.assertEqual((client.dbsize(), client.info("stats")["shards_lost"]), (before, 0))
