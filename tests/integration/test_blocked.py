"""Blocked clients of several workers: CLIENT PAUSE, reloads, workers that die, CPU time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import redis

from tests.integration import servers
from tests.integration.workers import OnWorkers, workers_of

MANY = int(os.environ.get("REDISTILL_TEST_BLOCKED", "400"))


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

    def wake_ups(self, client: redis.Redis, pids: list[int]) -> int:
        """How often these processes have slept in three seconds, which the server itself measures: two that do nothing
        some 75 times. A poll of 10 ms in one of them would add 300."""

        def slept() -> int:
            lines = "".join(Path(f"/proc/{pid}/status").read_text() for pid in pids).splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

        before = slept()
        client.wait(1, 3000)
        return slept() - before


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
        """Clients that wait wake no worker, however many they are."""
        server = self.start()
        each = self.on_each(server)
        pids = list(workers_of(each[0]).values())
        each[0].client_pause(600_000, all=False)
        held = [self.connect(server, b"SET k%d v" % n) for n in range(MANY)]
        self.blocked(each[0], MANY)
        self.assertLess(self.wake_ups(each[0], pids), 200)
        each[1].client_unpause()
        for sock in held:
            self.said(sock, b"+OK\r\n")


class CommandTests(Case):
    """Commands that block"""

    def number_of(self, client: redis.Redis, sock: socket.socket) -> int:
        """The id of a connection."""
        host, port = sock.getsockname()[:2]
        return next(int(one["id"]) for one in client.client_list() if one["addr"] == f"{host}:{port}")

    def test_unblock(self) -> None:
        """CLIENT UNBLOCK ends a wait from any worker, once, with a null or an error, WAIT included; it does not end a
        pause, nor anything of a client that does not wait."""
        server = self.start()
        each = self.on_each(server)
        for command, null in (
            (b"BLPOP a b 0", b"*-1\r\n"),
            (b"BLMOVE a b LEFT LEFT 1000", b"*-1\r\n"),
            (b"BZPOPMIN a 1000", b"*-1\r\n"),
            (b"WAIT 1 0", b":0\r\n"),
            (b"WAITAOF 0 1 1000000", b"*2\r\n:0\r\n:0\r\n"),
        ):
            waiting = [self.connect(server, command, b"PING") for _ in range(6)]
            self.blocked(each[0], 6)
            for n, sock in enumerate(waiting):
                number, by = self.number_of(each[0], sock), each[n % 2]
                if n < 3:
                    self.assertEqual(by.client_unblock(number), 1, command)
                    self.said(sock, null + b"+PONG\r\n")
                else:
                    self.assertEqual(by.client_unblock(number, error=True), 1, command)
                    self.said(sock, b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n")
                self.assertEqual(by.client_unblock(number), 0)
                sock.close()
            self.blocked(each[0], 0)
        self.assertEqual(each[0].client_unblock(2**40), 0)
        each[0].client_pause(600_000, all=False)
        held = self.connect(server, b"SET k v")
        self.blocked(each[0], 1)
        self.assertEqual(each[1].client_unblock(self.number_of(each[0], held)), 0)
        self.blocked(each[0], 1)
        each[1].client_unpause()
        self.said(held, b"+OK\r\n")

    def test_figures(self) -> None:
        """INFO and CLIENT LIST show blocked clients, those with a timeout and the keys, over all workers."""
        server = self.start()
        each = self.on_each(server)
        waiting = [self.connect(server, b"BLPOP a b 1000"), self.connect(server, b"BRPOP a c 0")]
        waiting.append(self.connect(server, b"WAIT 1 1000000"))
        self.blocked(each[0], 3)
        for client in each.values():
            info = client.info("clients")
            names = ("blocked_clients", "clients_in_timeout_table", "total_blocking_keys")
            self.assertEqual([info[name] for name in names], [3, 2, 3])
            self.assertEqual(info["total_blocking_keys_on_nokey"], 0)
        listed = sorted((one["cmd"], one["flags"]) for one in each[0].client_list() if "b" in one["flags"])
        self.assertEqual(listed, [("blpop", "b"), ("brpop", "b"), ("wait", "b")])
        each[0].rpush("a", 1, 2)
        self.blocked(each[1], 1)
        calls = each[1].info("commandstats")
        self.assertEqual((calls["cmdstat_blpop"]["calls"], calls["cmdstat_brpop"]["calls"]), (1, 1))
        for sock in waiting:
            sock.close()
        self.blocked(each[0], 0)
        self.eventually(lambda: each[0].info("clients")["total_blocking_keys"] == 0, "no key is waited for")
        slow = [one["command"].split()[0] for client in each.values() for one in client.slowlog_get(128)]
        self.assertFalse({b"BLPOP", b"BRPOP", b"WAIT"} & set(slow))

    def test_ends(self) -> None:
        """A client that disconnects, closes its sending half or is killed waits no more, and takes no element."""
        server = self.start()
        each = self.on_each(server)
        gone, half, killed = (self.connect(server, b"BLPOP k 0") for _ in range(3))
        self.blocked(each[0], 3)
        gone.close()
        half.shutdown(socket.SHUT_WR)
        self.blocked(each[0], 1)
        self.assertEqual(half.recv(1), b"")
        self.assertEqual(each[1].client_kill_filter(_id=self.number_of(each[0], killed)), 1)
        self.assertEqual(killed.recv(1), b"")
        self.blocked(each[0], 0)
        each[0].rpush("k", 1)
        self.assertEqual(each[1].llen("k"), 1)

    def test_what_follows(self) -> None:
        """Commands that a blocked client sends are executed after its wait; more than its query limit closes it."""
        server = self.start()
        each = self.on_each(server)
        sock = self.connect(server, b"BLPOP k 0", b"INCR n")
        self.blocked(each[0], 1)
        for _ in range(100):
            sock.sendall(b"INCR n\r\n" * 50)
        each[0].set("other", 1)
        self.assertIsNone(each[1].get("n"))
        each[0].rpush("k", "v")
        self.said(sock, b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n" + b"".join(b":%d\r\n" % (n + 1) for n in range(5001)))
        sock.sendall(b"BLPOP k 0\r\nRESET\r\n")
        self.blocked(each[0], 1)
        each[1].rpush("k", "w")
        self.said(sock, b"*2\r\n$1\r\nk\r\n$1\r\nw\r\n+RESET\r\n")

    def test_idle_clients(self) -> None:
        """The idle timeout does not close a blocked client."""
        server = self.start()
        each = self.on_each(server)
        waiting = self.connect(server, b"BLPOP k 0")
        self.blocked(each[0], 1)
        idle = self.connect(server, b"PING")
        self.said(idle, b"+PONG\r\n")
        each[0].config_set("timeout", 1)
        self.assertEqual(idle.recv(1), b"")
        each[0].rpush("k", "v")
        self.said(waiting, b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n")

    def test_reload(self) -> None:
        """At a reload blocked clients keep their places and their remaining time."""
        server = self.start()
        each = self.on_each(server)
        waiting = []
        for n in range(12):
            waiting.append(self.connect(server, b"BLPOP k 0"))
            self.blocked(each[0], n + 1)
        began = time.monotonic()
        timed = [self.connect(server, b"BLPOP none 8"), self.connect(server, b"WAIT 1 8000")]
        self.blocked(each[0], 14)
        for number in range(2):
            server.process.send_signal(signal.SIGHUP)
            self.eventually(
                lambda number=number: server.logged().count("all workers were replaced") == number + 1,
                "all workers are replaced",
            )
        # The machine may be so slow that the other two have ended.
        self.eventually(lambda: each[0].info("clients")["blocked_clients"] >= 12, "the others are blocked")
        for n, sock in enumerate(waiting):
            each[n % 2].rpush("k", n)
            self.said(sock, b"*2\r\n$1\r\nk\r\n$%d\r\n%d\r\n" % (len(str(n)), n))
        self.said(timed[0], b"*-1\r\n")
        self.said(timed[1], b":0\r\n")
        self.assertGreaterEqual(time.monotonic() - began, 8)

    def test_worker_that_dies(self) -> None:
        """A worker's death ends its blocked clients, and no others; no element is lost."""
        server = self.start()
        each = self.on_each(server)
        pids = workers_of(each[0])
        waiting = [self.connect(server, b"BLPOP k 0") for _ in range(20)]
        self.blocked(each[0], 20)
        os.kill(pids[1], signal.SIGKILL)
        self.eventually(lambda: workers_of(each[0]).get(1, pids[1]) != pids[1], "a new worker")
        self.eventually(
            lambda: each[0].info("clients")["blocked_clients"] < 20, "the clients of the dead worker count no more"
        )
        left = each[0].info("clients")["blocked_clients"]
        each[0].rpush("k", *range(20))
        self.eventually(lambda: each[0].llen("k") == 20 - left, "the others are served")
        got = 0
        for sock in waiting:
            with contextlib.suppress(ConnectionError):
                got += bool(sock.recv(100))
        self.assertEqual(got, left)

    def test_cost(self) -> None:
        """Clients that wait wake no worker, with and without a timeout."""
        server = self.start()
        each = self.on_each(server)
        pids = list(workers_of(each[0]).values())
        waiting = [self.connect(server, b"BLPOP k%d %d" % (n, n % 2 * 1000)) for n in range(MANY)]
        self.blocked(each[0], MANY)
        self.assertLess(self.wake_ups(each[0], pids), 200)
        for n, sock in enumerate(waiting):
            each[0].rpush(f"k{n}", 1)
            self.assertTrue(sock.recv(100).startswith(b"*2\r\n"))


class LimitTests(Case):
    """Limits, and the end of the server"""

    def test_stop(self) -> None:
        """A stop closes clients that wait, in a command or in a pause, without a reply, and waits for none of them."""
        server = self.start()
        each = self.on_each(server)
        waiting = [self.connect(server, command) for command in (b"BLPOP k 0", b"BZPOPMIN z 100", b"WAIT 1 0") * 4]
        waiting.append(self.connect(server, b"SUBSCRIBE news"))
        self.said(waiting[-1], b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
        self.blocked(each[0], 12)
        began = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - began, 10)
        for sock in waiting:
            self.assertEqual(sock.recv(1), b"")
        self.assertNotIn("[error]", server.logged())

    def test_client_memory(self) -> None:
        """Clients that wait for long keys are closed, the largest first, when they need more than all clients may; the
        others are served, and nothing of the closed ones is left."""
        server = self.start()
        each = self.on_each(server)
        each[0].config_set("maxmemory-clients", "8mb")
        names = [b"%05d" % n + b"k" * 20_000 for n in range(MANY)]
        waiting = {}
        for name in names:
            waiting[name] = self.connect(server, b"BLPOP " + name + b" 0")
        self.eventually(lambda: each[0].info("stats")["evicted_clients"] > 0, "some are closed")

        def settled() -> bool:
            info = each[0].info()
            closed = info["evicted_clients"]
            return bool(info["blocked_clients"] == info["total_blocking_keys"] == MANY - closed)

        self.eventually(settled, "the others wait, and no queue of another one is left")
        served = 0
        for name, sock in waiting.items():
            each[0].rpush(name, 1)
            with contextlib.suppress(ConnectionError):
                served += sock.recv(1) == b"*"
        closed = each[0].info("stats")["evicted_clients"]
        self.assertEqual(served, MANY - closed)
        self.assertGreater(served, 20)
        self.assertEqual(sum(each[1].llen(name) for name in names), closed)

    def test_most_connections(self) -> None:
        """Clients that wait count toward the limit of connections, and free their places when they are killed."""
        server = self.start()
        each = self.on_each(server)
        there = each[0].info("clients")["connected_clients"]
        each[0].config_set("maxclients", there + 3)
        waiting = [self.connect(server, b"BLPOP k 0") for _ in range(3)]
        self.blocked(each[0], 3)
        refused = self.connect(server)
        self.assertEqual(refused.recv(100), b"-ERR max number of clients reached\r\n")
        host, port = waiting[0].getsockname()[:2]
        (number,) = (one["id"] for one in each[1].client_list() if one["addr"] == f"{host}:{port}")
        self.assertEqual(each[1].client_kill_filter(_id=number), 1)
        self.blocked(each[0], 2)
        self.eventually(lambda: each[0].info("clients")["connected_clients"] == there + 2, "its place is free")
        new = self.connect(server, b"BLPOP k 0")
        self.blocked(each[0], 3)
        each[1].rpush("k", 1, 2, 3)
        for sock in (*waiting[1:], new):
            self.assertTrue(sock.recv(100).startswith(b"*2\r\n"))

    def test_output_limit(self) -> None:
        """A client that waits and is given more than its output may be is closed, whichever worker pushed."""
        server = self.start()
        each = self.on_each(server)
        each[0].config_set("client-output-buffer-limit", "normal 1mb 0 0")
        for client in each.values():
            waits = self.connect(server, b"BLPOP k 0")
            self.blocked(each[0], 1)
            client.rpush("k", b"x" * 8_000_000)
            self.blocked(each[0], 0)
            got = 0
            with contextlib.suppress(ConnectionError):
                while more := waits.recv(1 << 20):
                    got += len(more)
            self.assertLess(got, 8_000_000)
            client.delete("k")
