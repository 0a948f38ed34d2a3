"""TIME, LOLWUT, SHUTDOWN and the server's part of MEMORY."""

from __future__ import annotations

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.support.control import MIB, Server

SYNTAX = b"-ERR syntax error\r\n"


class TimeTests(SynchronousTestCase):
    """TIME and LOLWUT."""

    def test_time(self) -> None:
        """TIME is seconds and microseconds, as two strings."""
        self.assertEqual(Server().run("TIME"), b"*2\r\n$10\r\n1700000000\r\n$6\r\n250000\r\n")

    def test_lolwut(self) -> None:
        """LOLWUT ends with the version, as Redis's does; only its version argument is judged."""
        server = Server()
        for line in ("LOLWUT", "LOLWUT 1 2", "LOLWUT VERSION 6 80"):
            self.assertIn(b"\nRedis ver. 7.4.0\n", server.run(line))
        self.assertEqual(server.run("LOLWUT version x"), b"-ERR value is not an integer or out of range\r\n")


class ShutdownTests(SynchronousTestCase):
    """SHUTDOWN."""

    def setUp(self) -> None:
        self.server = Server()

    def test_shutdown(self) -> None:
        """SHUTDOWN is not answered: the connection closes and the daemon stops, at once with NOW."""
        for line, now in (
            ("SHUTDOWN", False),
            ("SHUTDOWN NOSAVE", False),
            ("shutdown nosave now force", True),
            ("SHUTDOWN SAVE FORCE", False),
        ):
            self.assertEqual(self.server.run(line), b"")
            self.assertEqual(self.server.shutdowns.pop(), now)
            self.assertTrue(self.server.client.session.state.close_after_reply)

    def test_refused(self) -> None:
        """An option that a cache cannot fulfil is refused, and the server goes on."""
        with capturedLogs() as events:
            for line, reply in (
                ("SHUTDOWN foo", SYNTAX),
                ("SHUTDOWN NOSAVE SAVE", SYNTAX),
                ("SHUTDOWN ABORT NOSAVE", SYNTAX),
                ("SHUTDOWN ABORT", b"-ERR No shutdown in progress.\r\n"),
                ("SHUTDOWN SAVE", b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"),
            ):
                self.assertEqual(self.server.run(line), reply)
        self.assertEqual(self.server.shutdowns, [])
        self.assertEqual(len(events), 1)


class MemoryTests(SynchronousTestCase):
    """MEMORY STATS, DOCTOR and PURGE."""

    def setUp(self) -> None:
        self.server = Server()
        self.server.plane.opened()

    def test_stats(self) -> None:
        """STATS has Redis's 28 fields, one more for each database with keys; ratios are doubles."""
        self.assertTrue(self.server.run("MEMORY STATS").startswith(b"*54\r\n$14\r\npeak.allocated\r\n:3145728\r\n"))
        store = self.server.store
        store.used_memory, store.databases = 5 * MIB, {0: (1024, 0, 0), 3: (1024, 7, 9)}
        self.server.client.session.state.resp = 3
        reply = self.server.run("MEMORY STATS")
        self.assertTrue(reply.startswith(b"%29\r\n"))
        for name, value in (
            (b"startup.allocated", b":3145728"),
            (b"keys.count", b":2048"),
            (b"keys.bytes-per-key", b":1024"),
            (b"dataset.bytes", b":2097152"),
            (b"dataset.percentage", b",40"),
            (b"peak.percentage", b",100"),
            (b"db.3", b"%3"),
        ):
            self.assertIn(b"$%d\r\n%s\r\n%s\r\n" % (len(name), name, value), reply)

    def test_doctor(self) -> None:
        """DOCTOR reports problems that the counters show, or that there is none."""
        self.assertEqual(self.server.run("MEMORY DOCTOR"), b"$18\r\nNo problem found.\n\r\n")
        store = self.server.store
        store.values = {"oom_errors": 3, "shards_lost": 1, "keyspace_hits": 100, "keyspace_misses": 1000}
        store.used_memory = store.committed_memory = 63 * MIB
        said = self.server.run("MEMORY DOCTOR")
        for part in (b"3 commands were refused", b"1 shards were emptied", b"Memory is full (63.00M of 64.00M)"):
            self.assertIn(part, said)

    def test_purge(self) -> None:
        """PURGE is answered, as there is nothing left to do."""
        self.assertEqual(self.server.run("MEMORY PURGE"), b"+OK\r\n")
