"""A tmpfs that holds the arena, and that somebody else fills."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import redis
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.settings import Memory
from redistill.engine import Store
from redistill.lifetime.arena import find_arena
from tests.integration import servers
from tests.support.arena import call, session

MIB = 1 << 20
SIZE = 48 * MIB
CONFIG = """
[server]
workers = {workers}
num_shards = 16
[security]
enable_debug_command = "yes"
[memory]
max_memory = "40mb"
arena_path = "{path}"
eviction_policy = "{policy}"
"""


class FullTmpfsTests(SynchronousTestCase):
    """Nobody dies for want of a page"""

    def setUp(self) -> None:
        self.place = servers.directory()
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "redistill-test", str(self.place)],
            capture_output=True,
        )
        if mounted.returncode:
            servers.missing(f"a tmpfs cannot be mounted: {mounted.stderr.decode()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(self.place)], check=True)

    def server(self, workers: int, policy: str = "noeviction") -> redis.Redis:
        """A client of a server on the tmpfs."""
        config = CONFIG.format(workers=workers, policy=policy, path=self.place / "arena")
        self.process = servers.redistill(config, tcp=True)
        self.addCleanup(lambda: self.process.process.poll() is None and self.process.stop(signal.SIGKILL))
        return self.client()

    def client(self) -> redis.Redis:
        """One more, on a connection of its own."""
        client = redis.Redis(port=self.process.port, socket_timeout=20, single_connection_client=True)
        self.addCleanup(client.close)
        return client

    def take_all(self) -> Path:
        """Another file takes every page that is left."""
        path = self.place / "other"
        with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        self.assertEqual(os.statvfs(self.place).f_bavail, 0)
        return path

    def write(self, client: redis.Redis, first: int, count: int, size: int = 20_000) -> int:
        """How many of so many keys could be set; the others were refused for the want of memory."""
        stored = 0
        for number in range(first, first + count):
            with contextlib.suppress(redis.exceptions.OutOfMemoryError):
                stored += bool(client.set(f"key:{number}", f"{number}:".ljust(size, "v")))
        return stored

    def pids(self, client: redis.Redis, workers: int) -> set[int]:
        """The process ids of the workers, when all are there."""

        def there() -> set[int]:
            return {one["pid"] for one in client.info("workers").values() if isinstance(one, dict)}

        servers.until(lambda: len(there()) == workers, 20, "all workers are there")
        return there()

    def assert_alive(self, client: redis.Redis, pids: set[int]) -> None:
        """The processes are those of the beginning, and the arena is whole."""
        self.assertEqual(client.execute_command("DEBUG", "CHECK"), b"OK")
        self.assertEqual(self.pids(client, len(pids)), pids)
        self.assertIsNone(self.process.process.poll())
        self.assertNotIn("killed by", self.process.logged())

    def test_writes_are_refused(self) -> None:
        """Without eviction what needs memory is refused; all else works, and so do new clients. When the other file is
        gone, all goes on."""
        self.refuses(1)

    def test_writes_are_refused_by_workers(self) -> None:
        """So it is with a supervisor and two workers, and none of them dies."""
        self.refuses(2)

    def refuses(self, workers: int) -> None:
        """See the two tests above."""
        client = self.server(workers)
        pids = self.pids(client, workers)
        stored = self.write(client, 0, 200)
        self.assertEqual(stored, 200)
        other = self.take_all()
        more = self.write(client, 1000, 2000)
        self.assertLess(more, 1900)
        for number in range(200):
            self.assertTrue(client.get(f"key:{number}").startswith(b"%d:" % number))
        for command in (
            ("SETBIT", "bits", 80_000_000, 1),
            ("APPEND", "key:1", "x" * 3_000_000),
            ("COPY", "key:2", "copy"),
            ("PFADD", "hll", *range(3000)),
            ("MSET", *(word for n in range(500) for word in (f"m:{n}", "v" * 9000))),
        ):
            with contextlib.suppress(redis.exceptions.OutOfMemoryError):
                client.execute_command(*command)
        others = [self.client() for _ in range(50)]
        for one in others:
            one.ping()
            one.execute_command("MULTI")
            one.execute_command("DISCARD")
            one.execute_command("WATCH", "key:1")
            one.close()
        self.assertGreater(client.info("stats")["regions_refused"], 0)
        self.assert_alive(client, pids)
        other.unlink()
        servers.until(lambda: self.write(client, 5000, 1), 20, "writes succeed again")
        self.assertGreater(self.write(client, 6000, 300), 290)
        client.flushall()
        self.assertEqual(self.write(client, 0, 1000), 1000)
        self.assert_alive(client, pids)

    def test_keys_are_evicted(self) -> None:
        """With eviction a cache goes on in the memory that it has."""
        client = self.server(2, "allkeys-lru")
        pids = self.pids(client, 2)
        self.assertEqual(self.write(client, 0, 300), 300)
        self.take_all()
        self.assertGreater(self.write(client, 1000, 1000), 990)
        self.assertGreater(client.info("stats")["evicted_keys"], 0)
        self.assert_alive(client, pids)

    def test_monitor(self) -> None:
        """Commands of the other worker have no room on their way to a client that monitors, until the other file is
        gone: then they are shown. No client waits for that."""
        client = self.server(2)
        pids = self.pids(client, 2)
        other = self.take_all()
        self.write(client, 0, 2000)
        with client.monitor() as monitor:
            clients: dict[int, redis.Redis] = {}
            while len(clients) < 2:
                one = self.client()
                clients.setdefault(one.info("server")["worker_number"], one)
            for word in ("first", "second"):
                for one in clients.values():
                    one.echo(word)
                if word == "first":
                    other.unlink()
            seen: list[str] = []
            while seen.count("ECHO second") < 2:
                seen.append(monitor.next_command()["command"])
            self.assertEqual(seen.count("ECHO first"), 2)
        self.assert_alive(client, pids)

    def test_memory_that_was_given_back(self) -> None:
        """Pages that a flush gave back, and that another program took, are not relied on."""
        client = self.server(1)
        pids = self.pids(client, 1)
        self.write(client, 0, 1000)
        before = os.statvfs(self.place).f_bavail
        client.flushall()
        servers.until(lambda: os.statvfs(self.place).f_bavail > before + 4000, 20, "the memory is given back")
        self.take_all()
        self.assertLess(self.write(client, 0, 1000), 500)
        self.assert_alive(client, pids)

    def test_places_of_workers(self) -> None:
        """Keys do not take the memory that the workers of a new run need to join, however soon they come."""
        memory = Memory(max_memory=40 * MIB, arena_path=str(self.place / "arena"), eviction_policy="noeviction")
        for restarted in (False, True):
            arena, first = find_arena(memory), Store()
            arena.open(first, memory, 16, processes=3)
            self.addCleanup(arena.close)
            self.addCleanup(first.close)
            first.join()
            if restarted:
                self.take_all()
                client = session(first)
                replies = [call(client, "SET", f"key:{number}", "v" * 20_000)[:4] for number in range(3000)]
                self.assertEqual(replies[-1], b"-OOM")
            others = [Store(), Store()]
            for other in others:
                self.addCleanup(other.close)
                other.attach(arena.fd)
                other.join()
            for store in (*others, first):
                store.close()
            arena.close()

    def test_start(self) -> None:
        """A server that has data on a tmpfs which is full now goes on with it; a new arena is refused with a line."""
        client = self.server(2)
        self.assertEqual(self.write(client, 0, 100), 100)
        other = self.take_all()
        self.process.process.kill()
        self.process.process.wait()
        again = self.server(2)
        self.assertEqual(again.dbsize(), 100)
        self.assertLess(self.write(again, 1000, 500), 400)
        self.assert_alive(again, self.pids(again, 2))
        self.assertIn("remove other files", self.process.logged())
        servers.until(lambda: "the system has no memory for the arena" in self.process.logged(), 20, "the log says so")
        self.assertEqual(self.process.stop(), 0)
        (self.place / "arena").unlink()
        other.unlink()
        self.take_all()
        config = CONFIG.format(workers=2, policy="noeviction", path=self.place / "arena")
        elsewhere = servers.directory()
        self.addCleanup(shutil.rmtree, elsewhere, ignore_errors=True)
        status, said = servers.refused(servers.with_address(config, 0, str(elsewhere / "s")))
        self.assertEqual((status, len(said.strip().splitlines())), (1, 1), said)
