"""Streams with walrus' consumers and redis-cli as a group's reader, on one worker and on two."""

from __future__ import annotations

import subprocess
import threading
from typing import Any

from tests.integration import servers
from tests.integration.workers import OnWorkers

ENTRIES = 60


class WalrusTests(OnWorkers):
    """walrus"""

    def setUp(self) -> None:
        try:
            import walrus
        except ImportError:
            servers.missing("walrus is not installed; it comes from PyPI")
        self.walrus: Any = walrus

    def database(self, server: servers.Server) -> Any:
        """A client of its own."""
        database = self.walrus.Database(port=server.port, protocol=2, socket_timeout=20)
        self.addCleanup(database.close)
        return database

    def groups(self, workers: int) -> None:
        """A group over two streams, whose consumers wait in threads."""
        server = self.start(workers)
        database = self.database(server)
        group = database.consumer_group("group", ["mails", "images"])
        self.assertEqual(group.create(), {"mails": True, "images": True})
        self.assertEqual(group.create(), {"mails": False, "images": False})
        got: list[tuple[bytes, bytes]] = []
        problems: list[BaseException] = []
        over = threading.Event()

        def consume(name: str) -> None:
            own = self.database(server).consumer_group("group", ["mails", "images"]).consumer(name)
            while not over.is_set():
                for stream, entries in own.read(count=3, block=100) or []:
                    for entry, fields in entries:
                        if getattr(own, stream.decode()).ack(entry) == 1:
                            got.append((stream, fields[b"n"]))

        def run(name: str) -> None:
            try:
                consume(name)
            except BaseException as problem:
                problems.append(problem)

        threads = [threading.Thread(target=run, args=(f"c{n}",), daemon=True) for n in range(3)]
        for thread in threads:
            thread.start()
        producers = [self.database(server) for _ in range(2)]
        names = ("mails", "images")
        for n in range(ENTRIES):
            producers[n % 2].Stream(names[n % 3 % 2]).add({"n": n})
        self.eventually(lambda: len(got) == ENTRIES or problems, "all are acknowledged")
        over.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(problems, [])
        self.assertEqual(sorted(got), sorted((names[n % 3 % 2].encode(), b"%d" % n) for n in range(ENTRIES)))
        self.assertEqual([stream.pending() for stream in (group.mails, group.images)], [[], []])

    def test_groups(self) -> None:
        """Each entry of two streams is acknowledged once."""
        for workers in (1, 2):
            self.groups(workers)

    def test_pending(self) -> None:
        """Entries that one consumer has, another claims; ids are set back, a consumer and the group removed."""
        for workers in (1, 2):
            database = self.database(self.start(workers))
            group = database.consumer_group("group", ["s"])
            group.create()
            ids = [group.s.add({"n": n}, id=b"%d-1" % n) for n in range(1, 6)]
            self.assertEqual([entry for entry, _ in group.s.read(count=3)], ids[:3])
            other = group.consumer("other")
            self.assertEqual(other.s.claim(ids[0]), [(ids[0], {b"n": b"1"})])
            self.assertEqual(
                [(one["message_id"], one["times_delivered"]) for one in other.s.pending(consumer="other")],
                [(ids[0], 2)],
            )
            self.assertEqual(
                other.s.autoclaim("other", 0, count=2), [ids[2], [(ids[0], {b"n": b"1"}), (ids[1], {b"n": b"2"})], []]
            )
            self.assertEqual(group.s.delete_consumer("other"), 2)
            group.reset()
            self.assertEqual([entry for entry, _ in group.s.read()], ids)
            self.assertEqual(group.s.trim(2, approximate=False), 3)
            self.assertEqual(group.s.range(), [(b"4-1", {b"n": b"4"}), (b"5-1", {b"n": b"5"})])
            series = database.time_series("events", ["s", "t"])
            series.create()
            series.set_id("0-0")
            self.assertEqual([message.data for message in series.read()], [{"n": "4"}, {"n": "5"}])
            self.assertEqual(group.destroy(), {"s": 1})


class CliTests(OnWorkers):
    """redis-cli"""

    def test_reader(self) -> None:
        """It waits for new entries of a group again and again (-r), shows each, and those that it has not
        acknowledged."""
        cli = servers.tool("redis-cli", "redis-tools")
        for workers in (1, 2):
            server = self.start(workers)
            main = self.client(server)
            main.xgroup_create("s", "g", mkstream=True)
            argv = [cli, "-p", str(server.port)]
            reading = subprocess.Popen(
                [
                    *argv,
                    "-r",
                    "2",
                    *["XREADGROUP", "GROUP", "g", "cli", "COUNT", "1", "BLOCK", "0", "STREAMS", "s", ">"],
                ],
                stdout=subprocess.PIPE,
            )
            self.addCleanup(reading.wait)
            self.addCleanup(reading.kill)
            self.eventually(lambda main=main: main.info("clients")["blocked_clients"] == 1, "redis-cli waits")
            main.xadd("s", {"temp": "12"}, id="1-1")
            main.xadd("s", {"temp": "13"}, id="1-2")
            out, _ = reading.communicate(timeout=20)
            self.assertEqual(out, b"s\n1-1\ntemp\n12\ns\n1-2\ntemp\n13\n")
            again = subprocess.run(
                [*argv, *["XREADGROUP", "GROUP", "g", "cli", "STREAMS", "s", "0"]], capture_output=True, timeout=20
            )
            self.assertEqual(again.stdout, b"s\n1-1\ntemp\n12\n1-2\ntemp\n13\n")
            done = subprocess.run([*argv, *["XACK", "s", "g", "1-1", "1-2"]], capture_output=True, timeout=20)
            self.assertEqual(done.stdout, b"2\n")
