"""The promises of the guide for production, one test each, with a server that is started as the guide says."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers
from tests.observe.test_health import NINE
from tests.support.certificates import Certificates

PASSWORD = "Zr8kV2p9QmXw4LtY"
MIB = 1 << 20


class GuideTests(SynchronousTestCase):
    """The guide's sections, in its order."""

    def start(self, config: str, environ: dict[str, str] | None = None) -> servers.Server:
        """A server that is stopped with the test. `HEALTH` in the configuration becomes a free port."""
        self.health = servers.free_port()
        server = servers.redistill(config.replace("HEALTH", str(self.health)), tcp=True, environ=environ)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def client(self, server: servers.Server, **options: object) -> redis.Redis:
        """A client of the port."""
        client = redis.Redis(port=server.port, socket_timeout=20, **options)  # type: ignore[arg-type]
        self.addCleanup(client.close)
        return client

    def figures(self) -> dict[str, int | str]:
        """The reply of /health, read by curl."""
        argv = [servers.tool("curl", "curl"), "-sf", f"http://localhost:{self.health}/health"]
        said: dict[str, int | str] = json.loads(
            subprocess.run(argv, capture_output=True, check=True, timeout=20).stdout
        )
        return said

    # ---- essential configuration ----

    def test_password_in_the_file(self) -> None:
        """A client without the password is not served."""
        server = self.start(f'[security]\npassword = "{PASSWORD}"\n')
        self.assertRaises(redis.AuthenticationError, self.client(server).ping)
        self.assertRaises(redis.AuthenticationError, self.client(server, password="wrong").ping)
        self.assertTrue(self.client(server, password=PASSWORD).ping())
        self.assertNotIn(PASSWORD, server.logged())

    def test_password_in_the_environment(self) -> None:
        """REDIS_PASSWORD stands above the file; it is neither logged nor shown among the process's arguments."""
        server = self.start('[security]\npassword = "another-one-of-16"\n', {"REDIS_PASSWORD": PASSWORD})
        self.assertTrue(self.client(server, password=PASSWORD).ping())
        self.assertRaises(redis.AuthenticationError, self.client(server, password="another-one-of-16").ping)
        self.assertNotIn(PASSWORD, server.logged())

    def test_short_passwords_are_warned_of(self) -> None:
        """A password of fewer than 16 characters works, and the log says that it is short."""
        server = self.start('[security]\npassword = "short"\n')
        self.assertTrue(self.client(server, password="short").ping())
        self.assertIn("1 of the passwords have fewer than 16 characters", server.logged())

    def test_memory_limit(self) -> None:
        """Stored data never takes more than max_memory: the least valuable keys are evicted, and counted."""
        limit = 32 * MIB
        server = self.start(
            f'[server]\nhealth_check_port = HEALTH\n[memory]\nmax_memory = {limit}\neviction_policy = "allkeys-lru"\n'
        )
        client = self.client(server)
        for start in range(0, 60_000, 1000):
            client.mset({f"key:{i}": "x" * 1000 for i in range(start, start + 1000)})
            self.assertLessEqual(int(client.info("memory")["used_memory"]), limit)
        said = self.figures()
        self.assertGreater(int(said["evicted_keys"]), 10_000)
        self.assertLessEqual(int(said["memory_used"]), limit)
        self.assertEqual(said["max_memory"], limit)

    def test_connection_limits(self) -> None:
        """Connections over max_connections are refused with a word, and counted where the guide looks."""
        server = self.start("[server]\nmax_connections = 10\nhealth_check_port = HEALTH\n")
        open_ones = [server.connect() for _ in range(10)]
        for sock in open_ones:
            self.addCleanup(sock.close)
            sock.sendall(b"PING\r\n")
            self.assertEqual(sock.recv(100), b"+PONG\r\n")
        with server.connect() as late:
            self.assertEqual(late.recv(100), b"-ERR max number of clients reached\r\n")
        self.assertEqual((self.figures()["active_connections"], self.figures()["rejected_connections"]), (10, 1))

    def test_connection_rate(self) -> None:
        """Connections above connection_rate_limit in one second are refused with an error."""
        server = self.start("[server]\nconnection_rate_limit = 20\nhealth_check_port = HEALTH\n")
        refused = 0
        for _ in range(60):
            with server.connect() as sock:
                sock.sendall(b"PING\r\n")
                refused += sock.recv(100) != b"+PONG\r\n"
        self.assertGreater(refused, 0)
        self.assertEqual(self.figures()["rejected_connections"], refused)

    def test_connection_timeout(self) -> None:
        """A client that says nothing for connection_timeout is closed."""
        server = self.start("[server]\nconnection_timeout = 1\n")
        with server.connect() as sock:
            self.assertEqual(sock.recv(100), b"")

    def test_health(self) -> None:
        """curl -f succeeds, and gives the nine fields."""
        server = self.start("[server]\nhealth_check_port = HEALTH\n")
        self.client(server).ping()
        said = self.figures()
        self.assertEqual((list(said), said["status"]), (NINE, "ok"))

    def test_tls(self) -> None:
        """With tls_enabled and the two paths the port speaks TLS."""
        certificates = Certificates(self)
        certificate, key = certificates.sign("server")
        port = servers.free_port()
        place = servers.directory()
        path = str(place / "s")
        security = f'[security]\ntls_enabled = true\ntls_cert_path = "{certificate}"\ntls_key_path = "{key}"\n'
        argv = servers.command_line(place, servers.with_address(security, port, path))
        server = servers.start(argv, path, place, servers.environment())
        self.addCleanup(server.stop, signal.SIGKILL)
        client = redis.Redis(port=port, ssl=True, ssl_ca_certs=certificates.authority)
        self.addCleanup(client.close)
        self.assertTrue(client.ping())

    # ---- deployment ----

    def test_reload(self) -> None:
        """`kill -HUP`, which is the unit's ExecReload, reads the file again and keeps connections and keys."""
        server = self.start("[server]\nconnection_timeout = 300\n")
        client = self.client(server, single_connection_client=True)
        client.set("k", "v")
        file = server.directory / "redistill.toml"
        file.write_text(file.read_text().replace("connection_timeout = 300", "connection_timeout = 200"))
        server.process.send_signal(signal.SIGHUP)
        servers.until(lambda: client.config_get("timeout") == {"timeout": "200"}, 20, "the file is read again")
        self.assertEqual(client.get("k"), b"v")

    # ---- monitoring ----

    def test_key_metrics(self) -> None:
        """The five figures that the guide watches are in /health, as numbers, and for Prometheus."""
        server = self.start("[server]\nhealth_check_port = HEALTH\n")
        before = int(self.figures()["total_commands"])
        client = self.client(server)
        for _ in range(50):
            client.ping()
        said = self.figures()
        self.assertGreaterEqual(int(said["total_commands"]) - before, 50)
        for name in ("memory_used", "max_memory", "evicted_keys", "rejected_connections", "active_connections"):
            self.assertIsInstance(said[name], int)
        url = f"http://localhost:{self.health}/metrics"
        with urllib.request.urlopen(url, timeout=20) as answer:
            text = answer.read().decode()
        for name in ("memory_used_bytes", "evicted_keys_total", "connected_clients", "commands_processed_total"):
            self.assertIn(f"\nredistill_{name} ", text)

    # ---- tuning ----

    def _tuned(self, config: str) -> redis.Redis:
        server = self.start(f'[security]\npassword = "{PASSWORD}"\n{config}')
        client = self.client(server, password=PASSWORD)
        with client.pipeline(transaction=False) as pipeline:
            for i in range(1000):
                pipeline.set(i, i)
            self.assertEqual(pipeline.execute(), [True] * 1000)
        return client

    def test_high_throughput(self) -> None:
        """Its settings are taken."""
        client = self._tuned(
            "[server]\n"
            'bind = "0.0.0.0"\nnum_shards = 512\nbatch_size = 32\nbuffer_size = 32768\nbuffer_pool_size = 2048\n'
            "max_connections = 5000\n[performance]\ntcp_nodelay = true\ntcp_keepalive = 120\n"
        )
        self.assertEqual(client.info("server")["num_shards"], 512)
        self.assertEqual(client.config_get("tcp-keepalive"), {"tcp-keepalive": "120"})

    def test_low_latency(self) -> None:
        """Its settings are taken."""
        client = self._tuned(
            '[server]\nbind = "0.0.0.0"\nnum_shards = 128\nbatch_size = 1\nbuffer_size = 8192\n'
            "[performance]\ntcp_nodelay = true\n"
        )
        self.assertEqual(client.info("server")["num_shards"], 128)

    def test_memory_constrained(self) -> None:
        """Its settings are taken."""
        client = self._tuned(
            "[server]\nnum_shards = 128\nbuffer_pool_size = 512\n"
            '[memory]\nmax_memory = 1073741824\neviction_policy = "allkeys-lru"\n'
        )
        self.assertEqual(client.config_get("maxmemory"), {"maxmemory": "1073741824"})

    # ---- security ----

    def test_no_password_no_network(self) -> None:
        """Without a password no address but loopback is bound."""
        status, said = servers.refused(f'[server]\nbind = "0.0.0.0"\nport = {servers.free_port()}\nworkers = 1\n')
        self.assertEqual(status, 1)
        self.assertIn("would let anybody on the network in; set security.password", said)

    def test_health_stays_at_home(self) -> None:
        """The health port is on the loopback address unless it is told otherwise."""
        self.start("[server]\nhealth_check_port = HEALTH\n")
        with socket.socket() as sock:
            sock.bind(("127.0.0.2", self.health))  # an address that is ours, too, and free

    # ---- troubleshooting ----

    def test_rotation(self) -> None:
        """The guide's six steps: the new password beside the old one, clients that change in turn, the old one seen to be
        used no more, and then taken out; nobody is turned away on the way."""
        old, new = "the-old-password-1", "the-new-password-2"
        server = self.start(f'[security]\npassword = "{old}"\n')
        client = self.client(server, password=old)
        self.assertTrue(client.ping())
        path = server.directory / "redistill.toml"

        def reload(passwords: str, reloads: int) -> None:
            """Give the server these."""
            path.write_text(re.sub("password = .*", f"password = {passwords}", path.read_text()))
            server.process.send_signal(signal.SIGHUP)
            servers.until(lambda: server.logged().count("configuration reloaded") == reloads, 20, "a reload")

        reload(f'["{old}", "{new}"]', 1)
        self.assertTrue(self.client(server, password=old).ping())
        renewed = self.client(server, password=new)
        secret = f"secret_{hashlib.sha256(old.encode()).hexdigest()[:8]}"
        self.assertEqual(renewed.info("secrets")[secret]["connections"], 2)
        reload(f'"{new}"', 2)
        self.assertTrue(renewed.ping())
        self.assertRaises(redis.AuthenticationError, self.client(server, password=old).ping)
        self.assertTrue(client.ping())  # who is in stays in
        for password in (old, new):
            self.assertNotIn(password, server.logged())

    def test_failed_attempts_are_logged(self) -> None:
        """Failed authentications are in the log, with the address, and not the password."""
        server = self.start(f'[security]\npassword = "{PASSWORD}"\n')
        self.assertRaises(redis.AuthenticationError, self.client(server, password="a-wrong-password").ping)
        servers.until(lambda: "was not authenticated" in server.logged(), 20, "a line in the log")
        self.assertIn("127.0.0.1:", server.logged())
        self.assertNotIn("a-wrong-password", server.logged())

    def test_pgrep(self) -> None:
        """`pgrep redistill` finds the server, and none of its workers, so that `top -p $(pgrep redistill)` works."""
        server = self.start("[server]\nworkers = 2\n")
        family = [server.pid]
        for pid in family:
            family += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        self.assertGreater(len(family), 3)  # a fork server, and two workers
        argv = [servers.tool("pgrep", "procps"), "redistill"]
        found = subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout.split()
        self.assertEqual({*map(str, family)} & {*found}, {str(server.pid)})

    def test_info(self) -> None:
        """`redis-cli INFO | grep` finds memory, evicted and rejected."""
        server = self.start("")
        argv = [servers.tool("redis-cli", "redis-tools"), "-p", str(server.port), "INFO"]
        said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout
        for name in ("used_memory", "maxmemory", "evicted_keys", "rejected_connections"):
            self.assertRegex(said, rf"(?m)^{name}:\d+")
