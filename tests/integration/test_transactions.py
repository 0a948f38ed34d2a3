"""Transactions that change what all workers have to know: EXEC is answered when it is so, and holds no locks meanwhile."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from typing import Any

import redis

from tests.integration import servers
from tests.integration.workers import OnWorkers, workers_of

CONFIG = '[server]\nworkers = 2\n{more}[memory]\nmax_memory = "64mb"\n[security]\nenable_debug_command = "yes"\n'


class Exec(threading.Thread):
    """A transaction that takes its time."""

    def __init__(self, client: redis.Redis, *lines: str) -> None:
        super().__init__(daemon=True)
        self.client, self.lines = client, lines
        self.replies: Any = None
        self.start()

    def run(self) -> None:
        try:
            for line in ("MULTI", *self.lines):
                self.client.execute_command(*line.split())
            self.replies = self.client.execute_command("EXEC")
        except redis.RedisError as error:
            self.replies = error

    def ended(self) -> Any:
        """The replies."""
        self.join(20)
        return self.replies


class TransactionTests(OnWorkers):
    """Two workers"""

    def begin(self, more: str = "") -> tuple[servers.Server, dict[int, redis.Redis]]:
        """A server, `more` in [server], and a client on each worker."""
        server = servers.redistill(CONFIG.format(more=more), tcp=True)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server, self.on_each(server)

    def as_user(self, server: servers.Server, number: int) -> redis.Redis:
        """A client on a worker as user u."""
        while True:
            client = self.client(server, username="u", password="x", protocol=2)
            if client.info("server")["worker_number"] == number:
                return client

    def test_a_right_that_is_revoked_is_not_in_use_when_exec_is_answered(self) -> None:
        """While a worker has not applied it, EXEC waits, its keys are free; the reply stands at its place."""
        for lines in (("INCR k", "ACL SETUSER u -get", "GET k"), ("INCR k", "ACL SETUSER u -get")):
            server, admins = self.begin()
            admins[0].execute_command("ACL", "SETUSER", "u", "on", "nopass", "~*", "+@all")
            admins[0].set("k", "0")
            bob, pid, other = self.as_user(server, 1), workers_of(admins[0])[1], self.on_each(server)[0]
            os.kill(pid, signal.SIGSTOP)
            self.addCleanup(_resume, pid)
            running = Exec(admins[0], *lines)
            self.eventually(lambda: other.get("k") == b"1", "its data are changed")  # noqa: B023
            for value in range(20):
                other.set("k", value)
                self.assertEqual(other.get("k"), b"%d" % value)
            self.assertTrue(running.is_alive())
            os.kill(pid, signal.SIGCONT)
            replies = running.ended()
            self.assertEqual(replies, [1, b"OK", b"1"][: len(lines)])
            self.assertRaises(redis.exceptions.NoPermissionError, bob.get, "k")
            server.stop(signal.SIGKILL)

    def test_worker_that_never_answers(self) -> None:
        """It is replaced, and then EXEC is answered."""
        server, clients = self.begin("worker_timeout = 1\n")
        pid = workers_of(clients[0])[1]
        os.kill(pid, signal.SIGSTOP)
        replies = Exec(clients[0], "SET k 1", "CONFIG SET timeout 77", "GET k").ended()
        self.assertEqual(replies, [b"OK", b"OK", b"1"])
        self.eventually(lambda: workers_of(clients[0]).get(1, pid) != pid, "the worker is replaced")
        self.assertEqual(self.on_each(server)[1].config_get("timeout"), {"timeout": "77"})

    def test_two_at_once(self) -> None:
        """Transactions in both workers, over the same keys, each with a change that the other has to apply."""
        server, clients = self.begin()
        more = self.on_each(server)
        for turn in range(40):
            lines = (f"SET k {turn}", f"ACL SETUSER u >{turn}", "INCR k", "CONFIG SET slowlog-max-len 100", "GET k")
            running = [Exec(client, *lines) for client in (*clients.values(), *more.values())]
            for one in running:
                self.assertEqual(one.ended(), [b"OK", b"OK", turn + 1, b"OK", b"%d" % (turn + 1)])

    def test_client_that_has_gone(self) -> None:
        """The changes of its transaction are made."""
        server, clients = self.begin()
        for turn in range(20):
            with server.connect() as sock:
                sock.sendall(
                    b"MULTI\r\nCONFIG SET timeout %d\r\nCLIENT LIST\r\nACL SETUSER v%d on\r\nCONFIG GET *\r\n"
                    b"CONFIG SET slowlog-max-len %d\r\nEXEC\r\n" % (turn + 100, turn, turn + 100)
                )
            for client in clients.values():
                wanted = {"timeout": str(turn + 100), "slowlog-max-len": str(turn + 100)}
                self.eventually(
                    lambda: client.config_get("timeout", "slowlog-max-len") == wanted,  # noqa: B023
                    "the settings are changed",
                )
                self.assertIn(f"v{turn}", client.acl_users())

    def test_user_that_deletes_itself(self) -> None:
        """It hears the replies, and is closed then."""
        server, clients = self.begin()
        for lines in (("ACL DELUSER u", "GET k"), ("GET k", "ACL DELUSER u")):
            for _ in range(6):
                clients[0].execute_command("ACL", "SETUSER", "u", "on", "nopass", "~*", "+@all")
                with server.connect() as sock:
                    sock.sendall(
                        b"AUTH u x\r\nMULTI\r\n%sEXEC\r\nPING\r\n" % "".join(f"{line}\r\n" for line in lines).encode()
                    )
                    heard = b""
                    while more := sock.recv(65536):
                        heard += more
                self.assertTrue(heard.startswith(b"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n"), heard)
                self.assertIn(b":1\r\n", heard)
                self.assertNotIn(b"PONG", heard)

    def test_list_of_all(self) -> None:
        """CLIENT LIST in a transaction shows the clients of all workers, wherever it stands."""
        _, clients = self.begin()
        ids = {client.client_id() for client in clients.values()}
        for lines in (
            ("CLIENT LIST", "GET k"),
            ("GET k", "CLIENT LIST"),
            ("CLIENT LIST", "CLIENT NO-EVICT off", "GET k"),
        ):
            replies = Exec(clients[0], *lines).ended()
            (listed,) = (reply for reply in replies if isinstance(reply, bytes) and reply.startswith(b"id="))
            self.assertTrue(ids <= {int(number) for number in re.findall(rb"^id=(\d+)", listed, re.M)})


def _resume(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
