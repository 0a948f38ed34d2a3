"""Blocked clients of several workers: CLIENT PAUSE, reloads, workers that die, CPU time."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import redis

from tests.integration import servers
from tests.integration.workers import OnWorkers, workers_of

MANY = int(os.environ.get("REDISTILL_TEST_BLOCKED", "400"))
TICKS = os.sysconf("SC_CLK_TCK")


class Case(OnWorkers):
    """Clients as sockets, which wait."""

    def connect(self, server: servers.Server, *commands: bytes) -> socket.socket:
        """A connection that sends commands."""
        sock = server.connect()
        self.addCleanup(sock.close)
        sock.settimeout(20)
        sock.sendall(b"".join(command + b"\r\n" for command in commands))
        return sock

    def said(self, sock: socket.socket, expected: bytes) -> None:
        """The next bytes of a connection."""
        got = b""
        while len(got) < len(expected) and (more := sock.recv(len(expected) - len(got))):
            got += more
        self.assertEqual(got, expected)

    def silent(self, sock: socket.socket) -> None:
        """No byte has come."""
        sock.setblocking(False)
        self.assertRaises(BlockingIOError, sock.recv, 1)
        sock.settimeout(20)

    def blocked(self, client: redis.Redis, count: int) -> None:
        """Wait until so many clients are blocked."""
        self.eventually(lambda: client.info("clients")["blocked_clients"] == count, f"{count} clients are blocked")

    def flags(self, client: redis.Redis, command: str) -> list[str]:
        """The flags of the clients whose last command is this one."""
        return [one["flags"] for one in client.client_list() if one["cmd"] == command]

    @staticmethod
    def cpu(pids: list[int]) -> float:
        """CPU seconds of processes."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(words[11]) + int(words[12]) for words in stats) / TICKS


class PauseTests(Case):
    """CLIENT PAUSE"""

    def test_every_worker(self) -> None:
        """A pause holds the clients of all workers, which are counted and flagged; each worker's UNPAUSE lets them all
        go on, and what they sent meanwhile is executed after that, in order."""
        server = self.start()
        each = self.on_each(server)
        for one, other in ((0, 1), (1, 0)):
            each[one].flushall()
            each[one].client_pause(600_000, all=False)
            held = [self.connect(server, b"INCR n", b"GET n") for _ in range(8)]
            self.blocked(each[other], 8)
            self.assertEqual(self.flags(each[one], "incr"), ["b"] * 8)
            self.assertIsNone(each[other].get("n"))
            for sock in held:
                sock.sendall(b"PING\r\n")
                self.silent(sock)
            each[other].client_unpause()
            for sock in held:
                lines = b""
                while lines.count(b"\r\n") < 4:
                    lines += sock.recv(100)
                self.assertRegex(lines, rb"^:(\d)\r\n\$1\r\n\d\r\n\+PONG\r\n$")
            self.blocked(each[one], 0)
            self.assertEqual(each[one].get("n"), b"8")

    def test_its_time(self) -> None:
        """A pause ends at its time; a second one makes it longer and stricter, and a shorter one does not."""
        server = self.start()
        each = self.on_each(server)
        began = time.monotonic()
        each[0].client_pause(300, all=False)
        each[1].client_pause(1, all=False)
        each[0].client_pause(500, all=False)
        each[1].set("k", "v")
        self.assertGreaterEqual(time.monotonic() - began, 0.5)
        began = time.monotonic()
        each[0].client_pause(300, all=True)
        self.assertEqual(each[1].get("k"), b"v")
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_held_clients_end(self) -> None:
        """A held client that disconnects has its commands executed after the pause; one that is killed has not, and
        its connection ends at once."""
        server = self.start()
        each = self.on_each(server)
        each[0].client_pause(600_000, all=False)
        gone, killed = self.connect(server, b"SET gone 1"), self.connect(server, b"SET killed 1")
        self.blocked(each[0], 2)
        gone.shutdown(socket.SHUT_WR)
        host, port = killed.getsockname()[:2]
        (number,) = (one["id"] for one in each[1].client_list() if one["addr"] == f"{host}:{port}")
        self.assertEqual(each[1].client_kill_filter(_id=number), 1)
        self.said(killed, b"")
        self.assertEqual(killed.recv(1), b"")
        self.blocked(each[0], 1)
        each[1].client_unpause()
        self.said(gone, b"+OK\r\n")
        self.assertEqual(gone.recv(1), b"")
        self.assertEqual(each[0].mget("gone", "killed"), [b"1", None])

    def test_transactions(self) -> None:
        """Commands that write wait before they are queued; so does the EXEC of a transaction that writes."""
        server = self.start()
        each = self.on_each(server)
        begun = self.connect(server, b"MULTI", b"SET a 1")
        self.said(begun, b"+OK\r\n+QUEUED\r\n")
        each[0].client_pause(600_000, all=False)
        begun.sendall(b"EXEC\r\n")
        queues = self.connect(server, b"MULTI", b"GET a", b"SET b 1", b"EXEC")
        self.said(queues, b"+OK\r\n+QUEUED\r\n")
        reads = self.connect(server, b"MULTI", b"GET a", b"EXEC")
        self.said(reads, b"+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n")
        self.blocked(each[0], 2)
        each[1].client_unpause()
        self.said(begun, b"*1\r\n+OK\r\n")
        self.said(queues, b"+QUEUED\r\n")

    def test_reload(self) -> None:
        """Held clients go to new workers at a reload, stay held, and go on when the pause ends."""
        server = self.start()
        each = self.on_each(server)
        before = workers_of(each[0])
        each[0].client_pause(600_000, all=False)
        held = [self.connect(server, b"INCR n") for _ in range(20)]
        self.blocked(each[0], 20)
        server.process.send_signal(signal.SIGHUP)
        self.eventually(
            lambda: len(now := workers_of(each[0])) == 2 and not set(now.values()) & set(before.values()), "new workers"
        )
        self.blocked(each[0], 20)
        for sock in held:
            self.silent(sock)
        each[1].client_unpause()
        self.assertEqual(sorted(sock.recv(10) for sock in held), sorted(b":%d\r\n" % (n + 1) for n in range(20)))

    def test_worker_that_dies(self) -> None:
        """A worker's death ends its held clients, and no others."""
        server = self.start()
        each = self.on_each(server)
        pids = workers_of(each[0])
        each[0].client_pause(600_000, all=False)
        held = [self.connect(server, b"INCR n") for _ in range(20)]
        self.blocked(each[0], 20)
        os.kill(pids[1], signal.SIGKILL)
        self.eventually(lambda: workers_of(each[0]).get(1, pids[1]) != pids[1], "a new worker")
        each[0].client_unpause()
        replies = []
        for sock in held:
            try:
                replies.append(sock.recv(10))
            except ConnectionError:
                replies.append(b"")
        alive = len([reply for reply in replies if reply])
        self.assertEqual(each[0].get("n"), b"%d" % alive if alive else None)

    def test_cost(self) -> None:
        """Clients that wait cost no CPU time, however many they are."""
        server = self.start()
        each = self.on_each(server)
        pids = list(workers_of(each[0]).values())
        each[0].client_pause(600_000, all=False)
        held = [self.connect(server, b"SET k%d v" % n) for n in range(MANY)]
        self.blocked(each[0], MANY)
        before, began = self.cpu(pids), time.monotonic()
        time.sleep(3)
        share = (self.cpu(pids) - before) / (time.monotonic() - began)
        self.assertLess(share, 0.05)
        each[1].client_unpause()
        for sock in held:
            self.said(sock, b"+OK\r\n")
