"""The redistill command against a real server."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

COMMAND = [sys.executable, "-P", "-m", "redistill.cli"]
PASSWORD = "a-password-of-16+"
CONFIG = """
[server]
workers = {workers}
port = {port}
health_check_port = {health}
shutdown_grace_period_secs = 5
[memory]
max_memory = "64mb"
[security]
password = "{password}"
"""


def environment() -> dict[str, str]:
    """That of the tests, with the tree as it is."""
    return servers.environment({"PYTHONPATH": str(servers.ROOT)})


class CommandTests(SynchronousTestCase):
    """A server started by `redistill serve`."""

    def start(self, workers: int = 1) -> subprocess.Popen[bytes]:
        """It, serving; its configuration is `config`."""
        self.port, self.health = servers.free_port(), servers.free_port()
        self.config = servers.directory() / "redistill.toml"
        self.config.write_text(CONFIG.format(workers=workers, port=self.port, health=self.health, password=PASSWORD))
        self.log = Path(self.mktemp())
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*COMMAND, "serve", "-c", str(self.config)], env=environment(), stdout=log, stderr=log
            )
        self.addCleanup(self.end, process)
        servers.until(lambda: self.run_it("health", "--ready")[0] == 0, 30, "the server is ready")
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Whatever happened."""
        if process.poll() is None:
            process.kill()
        process.wait()

    def run_it(self, *words: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, output and complaints of a subcommand."""
        name, *rest = words
        done = subprocess.run(
            [*COMMAND, name, "-c", str(self.config), *rest],
            env=environment() | (env or {}),
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    def client(self) -> redis.Redis:
        """A client that is in."""
        client = redis.Redis(port=self.port, password=PASSWORD, socket_timeout=20)
        self.addCleanup(client.close)
        return client

    def test_watching(self) -> None:
        """health, info, secrets and top, from the configuration alone."""
        self.start(workers=2)
        client = self.client()
        client.set("k", "v")
        status, said, _ = self.run_it("health")
        self.assertEqual((status, said), (0, f"http://127.0.0.1:{self.health}/health: ok\n"))
        status, said, _ = self.run_it("info", "keyspace")
        self.assertEqual((status, said), (0, "# Keyspace\ndb0:keys=1,expires=0,avg_ttl=0\n"))
        self.assertIn("# Commandstats", self.run_it("info")[1])
        status, said, _ = self.run_it("secrets", "--json")
        (secret,) = json.loads(said)
        self.assertEqual((secret["user"], secret["source"]), ("default", "config"))
        self.assertGreaterEqual(secret["connections"], 2)  # the client's, and the question's own
        status, said, _ = self.run_it("top", "--once", "--interval", "0.2")
        self.assertEqual(status, 0)
        for words in ("commands/s", "hit ratio", "memory", "worker", "info"):
            self.assertIn(words, said)

    def test_wrong_password(self) -> None:
        """It is said, and how to mend it; the probe is content, for the server is well."""
        self.start()
        status, _, said = self.run_it("info", env={"REDISTILL_PASSWORD": "wrong"})
        self.assertEqual(status, 1)
        self.assertIn("REDISTILL_PASSWORD", said)
        self.config.write_text(self.config.read_text().replace(f"health_check_port = {self.health}\n", ""))
        self.assertEqual(self.run_it("health")[:2], (0, f"127.0.0.1:{self.port}: serving\n"))
        self.config.write_text(f"[server]\nport = {self.port}\n")
        status, said, _ = self.run_it("health")
        self.assertEqual((status, said), (0, f"127.0.0.1:{self.port}: serving (it asks for a password)\n"))

    def test_drain(self) -> None:
        """drain --wait returns when the server has ended, and no client that is served by then sees an error."""
        process = self.start(workers=2)
        errors: list[str] = []
        answered = threading.Event()

        def load() -> None:
            """One connection, as busy as it can be."""
            with socket.create_connection(("127.0.0.1", self.port), 20) as sock, sock.makefile("rb") as replies:
                sock.sendall(b"AUTH %s\r\n" % PASSWORD.encode())
                replies.readline()
                while True:
                    try:
                        sock.sendall(b"PING\r\n")
                    except OSError:
                        return
                    if not (line := replies.readline()):
                        return
                    if line != b"+PONG\r\n":
                        errors.append(line.decode())
                    answered.set()

        thread = threading.Thread(target=load)
        thread.start()
        self.assertTrue(answered.wait(20))
        status, said, complaint = self.run_it("drain", "--wait", "--timeout", "30")
        self.assertEqual((status, said), (0, f"127.0.0.1:{self.port}: has ended\n"), complaint)
        self.assertEqual(process.wait(20), 0)
        thread.join(20)
        self.assertEqual(errors, [])
        self.assertEqual(self.run_it("health")[0], 1)
        self.assertEqual(self.run_it("drain")[0], 1)

    def test_server_that_hangs(self) -> None:
        """The probe does not wait longer than it was told."""
        process = self.start()
        os.kill(process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, process.pid, signal.SIGCONT)
        began = time.monotonic()
        status, _, said = self.run_it("health", "--timeout", "0.5")
        self.assertEqual(status, 1)
        self.assertIn("no answer", said)
        self.assertLess(time.monotonic() - began, 10)

    def test_live_view(self) -> None:
        """top draws into a terminal until Ctrl-C."""
        self.start()
        parent, child = pty.openpty()
        self.addCleanup(os.close, parent)
        process = subprocess.Popen(
            [*COMMAND, "top", "-c", str(self.config), "--interval", "0.1"],
            env=environment() | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
        )
        os.close(child)
        self.addCleanup(self.end, process)
        drawn = b""
        end = time.monotonic() + 30
        while drawn.count(b"hit ratio") < 3:
            self.assertLess(time.monotonic(), end, drawn)
            if select.select([parent], [], [], 1)[0]:
                drawn += os.read(parent, 65536)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 0)

    def test_completion_in_bash(self) -> None:
        """The script is one that bash takes."""
        script = subprocess.run(
            [*COMMAND, "completion", "bash"], env=environment(), capture_output=True, check=True
        ).stdout
        done = subprocess.run(
            ["bash", "--norc", "-c", 'eval "$1" && complete -p redistill', "bash", script.decode()],
            capture_output=True,
            text=True,
            timeout=20,
        )
        self.assertIn("_redistill_completion", done.stdout, done.stderr)
