"""The cache outlives its process when its arena is a file."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from . import servers
from .test_start import talk


class RestartTests(SynchronousTestCase):
    """memory.arena_path."""

    def setUp(self) -> None:
        self.place = servers.directory()
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.config = (
            f'[server]\nnum_shards = 16\n[memory]\nmax_memory = "64mb"\narena_path = "{self.place / "arena"}"\n'
        )

    def server(self, config: str = "") -> servers.Server:
        """A server on the arena."""
        server = servers.redistill(config or self.config)
        self.addCleanup(server.stop, signal.SIGKILL)
        return server

    def fill(self, server: servers.Server) -> None:
        """A thousand keys; every tenth with an expiry, one of them past."""
        lines = b"".join(b"SET key:%d %d%s\r\n" % (n, n, b" EX 1000" if n % 10 == 0 else b"") for n in range(1000))
        with server.connect() as sock:
            self.assertEqual(talk(sock, lines, 5000), b"+OK\r\n" * 1000)
            self.assertEqual(talk(sock, b"SELECT 3\r\nSET k three\r\nSET gone v PXAT 1\r\n", 15), b"+OK\r\n" * 3)

    def assert_kept(self, server: servers.Server) -> None:
        """All of it is there."""
        with server.connect() as sock:
            self.assertEqual(talk(sock, b"DBSIZE\r\n", 7), b":1000\r\n")
            self.assertEqual(talk(sock, b"GET key:777\r\n", 9), b"$3\r\n777\r\n")
            self.assertIn(talk(sock, b"TTL key:10\r\n", 6), [b":%d\r\n" % n for n in range(900, 1001)])
            self.assertEqual(talk(sock, b"SELECT 3\r\nGET k\r\nGET gone\r\n", 21), b"+OK\r\n$5\r\nthree\r\n$-1\r\n")

    def test_after_a_kill(self) -> None:
        """SIGKILL, and a new process goes on with every key."""
        first = self.server()
        self.fill(first)
        first.process.kill()
        first.process.wait()
        again = self.server()
        self.assert_kept(again)
        self.assertIn("attached", again.logged())

    def test_after_a_stop(self) -> None:
        """So does it after a clean stop, and with less memory."""
        first = self.server()
        self.fill(first)
        self.assertEqual(first.stop(), 0)
        again = self.server(self.config.replace("64mb", "32mb"))
        self.assert_kept(again)

    def test_what_cannot_be_used(self) -> None:
        """Another number of shards, and a file that is no arena: said in the log, and started empty."""
        first = self.server()
        self.fill(first)
        first.stop()
        other = self.server(self.config.replace("num_shards = 16", "num_shards = 32"))
        self.assert_empty(other)
        other.stop()
        Path(self.place / "arena").write_bytes(b"no arena at all" * 10000)
        self.assert_empty(self.server())

    def assert_empty(self, server: servers.Server) -> None:
        """It said why, and serves."""
        with server.connect() as sock:
            self.assertEqual(talk(sock, b"DBSIZE\r\nSET k v\r\n", 9), b":0\r\n+OK\r\n")
        self.assertIn("cannot go on with the arena", server.logged())

    def test_two_at_once(self) -> None:
        """A second server on the same arena is refused; the first goes on."""
        first = self.server()
        self.fill(first)
        config = servers.with_address(self.config, servers.free_port(), str(self.place / "other"))
        status, said = servers.refused(config)
        self.assertEqual(status, 1, said)
        self.assertIn(str(self.place / "arena"), said)
        self.assert_kept(first)
