"""The redistill command against a real server."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers
from tests.support.certificates import Certificates

COMMAND = [sys.executable, "-P", "-m", "redistill.cli"]
PASSWORD = "a-password-of-16+"
CONFIG = """
[server]
workers = {workers}
port = {port}
health_check_port = {health}
shutdown_grace_period_secs = 5
drain_delay_secs = {delay}
[memory]
max_memory = "64mb"
[security]
password = "{password}"
{security}
"""


def environment() -> dict[str, str]:
    """That of the tests, with the tree as it is."""
    return servers.environment({"PYTHONPATH": str(servers.ROOT)})


class CommandTests(SynchronousTestCase):
    """A server started by `redistill serve`."""

    def start(self, workers: int = 1, *, delay: int = 0, security: str = "") -> subprocess.Popen[bytes]:
        """It, serving; its configuration is `config`."""
        self.port, self.health = servers.free_port(), servers.free_port()
        place = servers.directory()
        self.addCleanup(shutil.rmtree, place)
        self.config = place / "redistill.toml"
        self.config.write_text(
            CONFIG.format(
                workers=workers, port=self.port, health=self.health, delay=delay, password=PASSWORD, security=security
            )
        )
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
        self.assertRegex(said, r"\n info +\S+ +\d+\.\d\d +\d+\.\d +\d+\.\d +0")  # its percentiles were measured

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

    def test_mistakes(self) -> None:
        """A failed command prints one line that says why, and ends with status 1."""
        self.start()
        for words, said in (
            (("info", "nosuch"), "no section 'nosuch' of INFO; it has server, clients, "),
            (("info", "--tls"), "has no port for TLS; name it with --port"),
            (("info", "--tls", "--port", str(self.port), "--cacert", "/none"), "cannot read /none: No such file"),
            (("health", "--url", f"http://127.0.0.1:{self.port}"), "no answer (BadStatusLine: -ERR"),
            (("health", "--url", "http://localhost:abc"), "no answer (InvalidURL: "),
            (("health", "--url", "localhost:1"), "not a URL"),
        ):
            status, out, complaint = self.run_it(*words)
            self.assertEqual((status, out, complaint.count("\n")), (1, "", 1), complaint)
            self.assertIn(said, complaint)

    def test_server_that_is_named(self) -> None:
        """The probe is about that one, also when another has a health port in the configuration."""
        self.start()
        status, said, _ = self.run_it("health", "--host", "127.0.0.1", "--port", str(self.port))
        self.assertEqual((status, said), (0, f"127.0.0.1:{self.port}: serving\n"))
        other = servers.free_port()
        status, _, said = self.run_it("health", "--port", str(other))
        self.assertEqual(status, 1)
        self.assertTrue(said.startswith(f"127.0.0.1:{other}: "), said)

    def test_tls(self) -> None:
        """The server's own certificate, which the configuration names, is enough to know it by, whoever signed it."""
        made = Certificates(self)
        (chain, key), (other, other_key) = made.sign("server"), made.sign("other")
        self.start(
            security=f'tls_enabled = true\ntls_cert_path = "{chain}"\ntls_key_path = "{key}"\n'
            f'tls_client_auth = "required"\ntls_ca_path = "{made.authority}"'
        )
        own = ("--cert", other, "--key", other_key)
        for trusted in ((), ("--cacert", made.authority), ("--insecure",)):
            self.assertEqual(self.run_it("info", *own, *trusted, "cluster")[:2], (0, "# Cluster\ncluster_enabled:0\n"))
        status, _, said = self.run_it("info", *own, "--cacert", other)
        self.assertEqual(status, 1)
        self.assertIn("; name the certificate of its authority with --cacert", said)
        self.assertEqual(self.run_it("info")[0], 1)  # a client without a certificate
        named = ("--port", str(self.port), *own)
        self.assertEqual(self.run_it("health", *named)[:2], (0, f"http://127.0.0.1:{self.health}/health: ok\n"))
        self.assertEqual(self.run_it("drain", "--wait", *own)[:2], (0, f"127.0.0.1:{self.port}: has ended\n"))

    def test_drain(self) -> None:
        """drain --wait returns when the server has ended; clients that work until then get right answers or are closed
        between two commands."""
        process = self.start(workers=2)
        wrong: list[object] = []
        began = threading.Barrier(5)

        def work(number: int) -> None:
            """A client of redis-py, as busy as it can be, until the server ends."""
            client = redis.Redis(port=self.port, password=PASSWORD, socket_timeout=20, retry=Retry(NoBackoff(), 0))
            value = 0
            try:
                while True:
                    if client.set(f"key:{number}", value) is not True or client.get(f"key:{number}") != b"%d" % value:
                        wrong.append((number, value))
                    value += 1
                    if value == 100:
                        began.wait(20)
            except redis.ConnectionError:
                if value < 100:
                    wrong.append((number, "was closed before the drain"))
            except Exception as problem:
                wrong.append((number, problem))
            finally:
                client.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        began.wait(20)
        status, said, complaint = self.run_it("drain", "--wait", "--timeout", "30")
        self.assertEqual((status, said), (0, f"127.0.0.1:{self.port}: has ended\n"), complaint)
        self.assertEqual(process.wait(20), 0)
        for thread in threads:
            thread.join(20)
        self.assertEqual(wrong, [])
        self.assertEqual(self.run_it("health")[0], 1)
        self.assertEqual(self.run_it("drain")[0], 1)

    def test_stopping(self) -> None:
        """While the server is about to stop it is well but not ready, and clients are served; a drain that waits says
        that it has not ended, and a second drain ends it at once."""
        process = self.start(delay=600)
        status, out, said = self.run_it("drain", "--wait", "--timeout", "0.1")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(said, f"127.0.0.1:{self.port}: has not ended in 0.1 s (process {process.pid})\n")
        self.assertEqual(self.run_it("health")[0], 0)
        status, _, said = self.run_it("health", "--ready")
        self.assertEqual((status, said), (1, f"http://127.0.0.1:{self.health}/readyz: 503, stopping\n"))
        self.assertIs(self.client().ping(), True)
        self.assertEqual(self.run_it("drain", "--wait")[:2], (0, f"127.0.0.1:{self.port}: has ended\n"))
        self.assertEqual(process.wait(20), 0)
        status, _, said = self.run_it("health")
        self.assertEqual(status, 1)
        self.assertIn("no answer (ConnectionRefusedError", said)

    def test_refused_start(self) -> None:
        """serve is refused as the daemon is: a line that says why, and status 1."""
        place = servers.directory()
        self.addCleanup(shutil.rmtree, place)
        self.config = place / "redistill.toml"
        self.config.write_text("[server]\nprot = 1\n")
        self.assertEqual(
            self.run_it("serve"),
            (1, "", f"redistill: {self.config}:2: 'server.prot' is no setting; did you mean server.port?\n"),
        )

    def test_without_a_command(self) -> None:
        """It serves, with the options of serve, which hold over reloads; on a terminal it says how to get help."""
        place = servers.directory()
        self.addCleanup(shutil.rmtree, place)
        (place / "redistill.toml").write_text('[server]\nport = 1\nbind = "127.0.0.9"\nworkers = 1\n')
        self.port = servers.free_port()
        parent, child = pty.openpty()
        self.addCleanup(os.close, parent)
        process = subprocess.Popen(
            [*COMMAND, "-c", str(place / "redistill.toml"), "--port", str(self.port), "--bind", "127.0.0.1"],
            env=environment() | {"REDIS_PORT": "tcp://10.0.0.1:6379"},
            stdin=child,
            stdout=subprocess.PIPE,
            stderr=child,
        )
        os.close(child)
        self.addCleanup(self.end, process)
        said = os.read(parent, 65536)
        self.assertEqual(said.count(b"\n"), 1, said)
        self.assertIn(b"redistill --help", said)
        log = process.stdout
        assert log is not None
        while b"listening on" not in (line := log.readline()):
            self.assertNotEqual(line, b"")
        self.assertIn(b"127.0.0.1:%d" % self.port, line)
        process.send_signal(signal.SIGHUP)
        while b"configuration reloaded" not in (line := log.readline()):
            self.assertNotEqual(line, b"")
        self.assertIn(b"changed: nothing", line)
        client = redis.Redis(port=self.port, socket_timeout=20)
        self.addCleanup(client.close)
        self.assertTrue(client.ping())
        self.assertEqual(Path(f"/proc/{process.pid}/comm").read_text(), "redistill\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 0)
        log.close()

    def test_trickling_server(self) -> None:
        """The probe does not wait longer than it was told, though something comes again and again."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        done = threading.Event()

        def answer() -> None:
            """A byte now and then."""
            connection, _ = listener.accept()
            with connection:
                while not done.wait(0.05):
                    with contextlib.suppress(OSError):
                        connection.sendall(b"H")

        thread = threading.Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(done.set)
        self.config = Path(os.devnull)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        status, _, said = self.run_it("health", "--url", url, "--timeout", "0.5")
        self.assertEqual((status, said), (1, f"{url}/health: no answer (TimeoutError: nothing in 0.5 s)\n"))

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
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` ignores it
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
        end = time.monotonic() + 20
        with contextlib.suppress(OSError):  # EIO is the end of a terminal; one that nobody reads from is full soon
            while time.monotonic() < end and select.select([parent], [], [], 20)[0]:
                os.read(parent, 65536)
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
