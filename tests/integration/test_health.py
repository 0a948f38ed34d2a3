"""The health port of a real server, of one process and of several."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers
from tests.observe.test_health import NINE

CONFIG = """\
[server]
workers = {workers}
health_check_port = {port}
connection_rate_limit = 1000
shutdown_grace_period_secs = 20
[memory]
max_memory = "64mb"
"""


class HealthPortTests(SynchronousTestCase):
    """The replies to probes."""

    def start(self, workers: int, more: str = "") -> servers.Server:
        """A server that is stopped with the test."""
        self.port = servers.free_port()
        text = CONFIG.format(workers=workers, port=self.port).replace("[server]\n", f"[server]\n{more}\n")
        server = servers.redistill(text, tcp=True)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def _figures(self, workers: int) -> None:
        server = self.start(workers)
        client = redis.Redis(port=server.port)
        self.addCleanup(client.close)
        for i in range(100):
            client.set(i, i)
        servers.until(lambda: self.get("/readyz")[0] == 200, 20, "the server is ready")
        shown = b"\nredistill_worker_clients{"
        servers.until(lambda: self.get("/metrics")[1].count(shown) == workers, 20, "all workers are there")
        status, body = self.get("/health")
        said = json.loads(body)
        self.assertEqual((status, list(said), said["status"]), (200, NINE, "ok"))
        self.assertEqual((said["max_memory"], said["active_connections"]), (64 << 20, 1))
        self.assertGreaterEqual(said["total_commands"], 100)
        self.assertEqual(said["memory_used"], client.info("memory")["used_memory"])
        status, body = self.get("/metrics")
        self.assertEqual(status, 200)
        self.assertIn(b'\nredistill_keys{db="0"} 100.0\n', body)
        self.assertIn(b'\nredistill_commands_total{command="set"} 100.0\n', body)

    def test_one_process(self) -> None:
        """The figures are those of INFO."""
        self._figures(1)

    def test_workers(self) -> None:
        """With workers the supervisor answers, with the sums."""
        self._figures(2)

    def test_drain(self) -> None:
        """While clients take their last replies the port is open, and says that the server stops."""
        for workers in (1, 2):
            server = self.start(workers)
            with server.connect() as busy:
                busy.sendall(b"CLIENT PAUSE 15000\r\n")
                self.assertEqual(busy.recv(100), b"+OK\r\n")
                busy.sendall(b"SET k v\r\n")
                server.process.send_signal(signal.SIGTERM)
                servers.until(lambda: self.get("/readyz")[0] == 503, 10, "it is not ready any more")
                self.assertEqual(json.loads(self.get("/health")[1])["status"], "stopping")
                self.assertEqual(self.get("/livez")[0], 200)
            self.assertEqual(server.process.wait(30), 0)

    def test_drain_delay(self) -> None:
        """In the delay of a drain clients are served, new ones, too: /health is 200, /readyz is not."""
        for workers in (1, 2):
            server = self.start(workers, "drain_delay_secs = 60")
            server.process.send_signal(signal.SIGTERM)
            servers.until(lambda: self.get("/readyz")[0] == 503, 10, "it is not ready any more")
            status, body = self.get("/health")
            self.assertEqual((status, json.loads(body)["status"]), (200, "stopping"))
            with server.connect() as late:
                late.sendall(b"PING\r\n")
                self.assertEqual(late.recv(100), b"+PONG\r\n")
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(30), 0)

    def test_taken_port(self) -> None:
        """A port that another process has stops the start, with one line that names the setting."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen()
            taken = sock.getsockname()[1]
            text = f"[server]\nport = {servers.free_port()}\nworkers = 1\nhealth_check_port = {taken}\n"
            status, said = servers.refused(text)
        self.assertEqual(status, 1)
        (line,) = [line for line in said.splitlines() if line.startswith("redistill:")]
        self.assertIn(f"server.health_check_port: cannot listen on 127.0.0.1 port {taken}", line)
