"""Workers that are stopped, busy, or fail at what they are told: what the others, and the operator, see of it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from tests.integration import servers
from tests.integration.workers import OnWorkers, fork_servers, workers_of

CONFIG = """
[server]
workers = 2
health_check_port = {health}
[memory]
max_memory = "256mb"
[security]
enable_debug_command = "yes"
"""
FAULT = """
import os
import redistill.control, redistill.control.users as users
real = redistill.control.changed

def changed(server, new):
    if new.get("poison") is not None and os.path.exists({path!r} + ".crash"):
        os.kill(os.getpid(), 11)
    if new.get("poison") is not None and server.number == 1:
        raise OSError(24, "Too many open files")
    real(server, new)

redistill.control.changed = changed
begin = redistill.control.ControlPlane.opened

def opened(self):
    if os.path.exists({path!r}):
        raise MemoryError("no memory to begin")
    if self.state.users.get("poison") is not None:
        os.kill(os.getpid(), 11)
    begin(self)

redistill.control.ControlPlane.opened = opened
run = redistill.control.ControlPlane.run

def spin(self, client, argv):
    if argv[0] == b"SPIN":
        import time
        end = time.monotonic() + float(argv[1])
        while time.monotonic() < end:
            pass
    return run(self, client, argv)

redistill.control.ControlPlane.run = spin
"""
"""Found by Python at its start: worker 1 cannot apply a user of the name "poison", or any dies of it; and none can
begin while there is a certain file. SPIN keeps a worker busy for so many seconds, and is unknown then."""


class Answer(threading.Thread):
    """A command that takes its time."""

    def __init__(self, client: redis.Redis, *words: str) -> None:
        super().__init__(daemon=True)
        self.client, self.words = client, words
        self.seconds = 0.0
        self.reply: Any = None
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        try:
            self.reply = self.client.execute_command(*self.words)
        except redis.RedisError as error:
            self.reply = error
        self.seconds = time.monotonic() - began


class SupervisionTests(OnWorkers):
    """A server of two workers, with server.worker_timeout as it is by default unless a test sets it."""

    def begin(self, more: str = "", environ: dict[str, str] | None = None) -> servers.Server:
        """Start a server; `more` stands in [server]."""
        self.health = servers.free_port()
        text = CONFIG.format(health=self.health).replace("workers = 2\n", f"workers = 2\n{more}\n")
        server = servers.redistill(text, tcp=True, environ=environ)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def stop(self, pid: int) -> None:
        """SIGSTOP, undone at the end if the process is still there."""
        os.kill(pid, signal.SIGSTOP)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a request to the health port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=20) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def as_user(self, server: servers.Server, admin: redis.Redis) -> dict[int, redis.Redis]:
        """A client on each worker as a user who may do everything."""
        admin.execute_command("ACL", "SETUSER", "u", "on", "nopass", "~*", "+@all")
        found: dict[int, redis.Redis] = {}
        while len(found) < 2:
            client = self.client(server, username="u", password="x", protocol=2)
            found.setdefault(client.info("server")["worker_number"], client)
        return found

    def refused(self, act: Callable[[], object]) -> bool:
        """Whether a command is one that its user may not run."""
        try:
            act()
        except redis.exceptions.NoPermissionError:
            return True
        return False

    def test_revoked_right(self) -> None:
        """A right that was taken away while a worker was stopped is not used by its clients when it goes on; before it
        has heard of it nobody is told that it is gone."""
        server = self.begin()
        admin = self.on_each(server)[0]
        pids, users = workers_of(admin), self.as_user(server, admin)
        self.stop(pids[1])
        revoking = Answer(admin, "ACL", "SETUSER", "u", "-get")
        users[1].connection.send_command("GET", "k")  # type: ignore[union-attr]
        revoking.join(1)
        self.assertIsNone(revoking.reply)
        os.kill(pids[1], signal.SIGCONT)
        self.assertTrue(self.refused(users[1].connection.read_response))  # type: ignore[union-attr]
        revoking.join(20)
        self.assertEqual(revoking.reply, b"OK")
        self.assertTrue(self.refused(lambda: users[0].get("k")))
        self.assertEqual(workers_of(admin), pids)

    def test_revoked_right_and_a_worker_that_stays_stopped(self) -> None:
        """It is ended within seconds, not after server.worker_timeout; then the right is gone."""
        server = self.begin()
        admin = self.on_each(server)[0]
        self.as_user(server, admin)
        for command in (
            "ACL SETUSER u -get",
            "ACL DELUSER u",
            "CLIENT KILL LADDR 1.2.3.4:5",
            "CONFIG SET requirepass sesame",
        ):
            pids = workers_of(self.on_each(server)[0])  # all of them serve
            self.stop(pids[1])
            telling = Answer(admin, *command.split())
            telling.join(15)
            self.assertIn(telling.reply, (b"OK", 1, 0), server.logged())
            self.assertTrue(2.0 < telling.seconds < 10.0, f"{command}: {telling.seconds} s")
            self.eventually(lambda old=pids[1]: workers_of(admin).get(1, old) != old, "another one is there")  # type: ignore[misc]

    def test_setting_while_nobody_is_ended(self) -> None:
        """With server.worker_timeout = 0 it is said who has not applied a change; it does so before it serves."""
        server = self.begin("worker_timeout = 0")
        admin = self.on_each(server)[0]
        pids, users = workers_of(admin), self.as_user(server, admin)
        self.stop(pids[1])
        with self.assertRaisesRegex(redis.ResponseError, rf"worker 1 \(pid {pids[1]}\), which does not move"):
            admin.execute_command("ACL", "SETUSER", "u", "-get")
        users[1].connection.send_command("GET", "k")  # type: ignore[union-attr]
        os.kill(pids[1], signal.SIGCONT)
        self.assertTrue(self.refused(users[1].connection.read_response))  # type: ignore[union-attr]
        self.assertEqual(workers_of(admin), pids)

    def faulty(self, more: str = "") -> servers.Server:
        """A server whose workers fail at what `FAULT` says."""
        place = servers.directory()
        self.fault = place / "cannot-begin"
        (place / "sitecustomize.py").write_text(FAULT.format(path=str(self.fault)))
        return self.begin(more, {"PYTHONPATH": f"{servers.ROOT}{os.pathsep}{place}"})

    def test_change_at_which_a_worker_fails(self) -> None:
        """A change at which one worker fails ends nobody: it holds nowhere, and client, log and health port say why."""
        server = self.faulty()
        one, two = self.on_each(server).values()
        pids = workers_of(one)
        for admin in (one, two):
            with self.assertRaisesRegex(redis.ResponseError, "OSError: .*Too many open files"):
                admin.execute_command("ACL", "SETUSER", "poison", "on", "nopass", "~*", "+@all")
        for client in (one, two):
            self.assertIsNone(client.acl_getuser("poison"))
        self.assertEqual(workers_of(one), pids)
        self.assertIn("a change was undone: internal error: OSError", server.logged())
        for path in ("/health", "/readyz"):
            status, said = self.get(path)
            self.assertEqual(status, 200)
            self.assertIn("Too many open files", said["problem"])
        one.execute_command("ACL", "SETUSER", "harmless")
        self.assertNotIn("problem", self.get("/health")[1])

    def test_change_of_which_workers_die(self) -> None:
        """A change of which all workers die is not begun with again and again: it is taken back, and they serve."""
        server = self.faulty()
        admin = self.on_each(server)[0]
        Path(f"{self.fault}.crash").touch()
        connection = admin.connection
        assert connection is not None
        connection.send_command("ACL", "SETUSER", "poison")
        with self.assertRaises(redis.ConnectionError):
            connection.read_response()
        client = redis.Redis(port=server.port, socket_timeout=20, retry_on_error=[redis.ConnectionError])
        self.addCleanup(client.close)
        self.eventually(lambda: len(workers_of(client)) == 2, "all workers are there")
        self.assertIn("a change was undone: worker", server.logged())
        self.assertLessEqual(server.logged().count("killed by SIGSEGV"), 10)
        self.assertIsNone(client.acl_getuser("poison"))
        self.assertEqual(self.get("/readyz")[0], 200)

    def test_nobody_can_begin(self) -> None:
        """When workers only come and go, the server is not ready at once, and not alive after server.worker_timeout."""
        server = self.faulty("worker_timeout = 2")
        pids = workers_of(self.on_each(server)[0])
        self.eventually(lambda: self.get("/livez")[0] == 200, "alive")
        self.fault.touch()
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: self.get("/readyz")[0] == 503, "not ready")
        self.eventually(lambda: "MemoryError: no memory to begin" in self.get("/readyz")[1].get("problem", ""), "told")
        self.eventually(lambda: self.get("/livez")[0] == 503, "not alive")
        self.fault.unlink()
        self.eventually(lambda: self.get("/livez")[0] == 200, "alive again")
        self.assertEqual(self.get("/readyz"), (200, {"status": "ok"}))

    def test_stopped_workers(self) -> None:
        """When all workers are stopped, and what they are forked from, the probes know it."""
        server = self.begin("worker_timeout = 8")
        pids = workers_of(self.on_each(server)[0])
        for pid in (*pids.values(), *fork_servers(server)):
            self.stop(pid)
        self.eventually(lambda: self.get("/readyz") == (503, {"status": "the workers do not answer"}), "not ready")
        self.eventually(lambda: self.get("/livez")[0] == 503, "not alive")
        self.eventually(lambda: self.get("/readyz")[0] == 200, "others have taken their places", 30)

    def test_stopped_with_a_lock(self) -> None:
        """A worker that is stopped with a lock for which another one waits is ended after two to three seconds, also
        while somebody reads the metrics."""
        server = self.begin()
        clients = self.on_each(server)
        pids = workers_of(clients[0])
        clients[0].set("k", b"x" * 50_000_000, px=1_000_000)
        busy = clients[1].connection
        for _ in range(20):
            assert busy is not None
            busy.send_packed_command([b"BITCOUNT k\r\n" * 1000])
            time.sleep(0.05)
            self.stop(pids[1])
            waiting = Answer(clients[0], "STRLEN", "k")
            waiting.join(0.5)
            if waiting.is_alive():
                break
            os.kill(pids[1], signal.SIGCONT)
            clients[1] = self.on_each(server)[1]
            busy = clients[1].connection
        else:
            raise AssertionError("it never held the lock")
        self.assertEqual(self.get("/livez")[0], 200)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/metrics", timeout=20) as reply:
            self.assertEqual(reply.status, 200)
        waiting.join(20)
        self.assertEqual(waiting.reply, 50_000_000)
        self.assertLess(waiting.seconds, 6.0)
        self.assertIn("and holds a lock for which others wait; it is killed", server.logged())

    def test_busy(self) -> None:
        """A worker in a long command is not ended after server.worker_timeout, but after three times that."""
        server = self.faulty("worker_timeout = 3")
        clients = self.on_each(server)
        pids = workers_of(clients[0])
        with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
            clients[1].execute_command("SPIN", "6")
        self.assertEqual(workers_of(clients[0]), pids)
        connection = clients[1].connection
        assert connection is not None
        connection.send_command("SPIN", "1000")
        with self.assertRaises(redis.ConnectionError):
            connection.read_response()
        self.eventually(lambda: workers_of(clients[0]).get(1, pids[1]) != pids[1], "it is replaced", 30)
        self.assertRegex(server.logged(), r"has made no progress for (9|1\d)\.\d s, though it is busy; it is killed")

    def test_stopped_supervisor(self) -> None:
        """A supervisor that was stopped for longer than server.worker_timeout ends nobody when it goes on."""
        server = self.begin("worker_timeout = 2")
        clients = self.on_each(server)
        pids = workers_of(clients[0])
        everybody = [server.pid, *pids.values()]
        for stopped in ([server.pid], everybody):
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(5)
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)
            began = time.monotonic()
            while time.monotonic() - began < 3:
                clients[0].ping()
                time.sleep(0.1)
            self.assertEqual(workers_of(clients[0]), pids)
            self.eventually(lambda: self.get("/livez")[0] == 200, "alive")
        self.assertNotIn("it is killed", server.logged())
