"""server.endpoints: clients that come through Twisted's own transports are served and limited as all others are."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import redis
from twisted.trial.unittest import TestCase

from tests.integration import servers
from tests.integration.test_start import PING, PONG, talk
from tests.integration.test_warm import EXEC
from tests.integration.workers import workers_of
from tests.support.certificates import Certificates

MIB = 1024 * 1024


class EndpointCase(TestCase):
    """A server with a tcp:, a unix: and an ssl: endpoint."""

    def start(self, workers: int = 1, more: str = "") -> servers.Server:
        """`more` stands in [server], or begins with a table of its own."""
        self.certificates = Certificates(self)
        certificate, key = self.certificates.sign("server")
        self.path = str(servers.directory() / "endpoint")
        self.addCleanup(lambda: Path(self.path).parent.rmdir())
        self.tcp_port, self.ssl_port = servers.free_port(), servers.free_port()
        self.endpoints = [
            f"tcp:{self.tcp_port}:interface=127.0.0.1",
            f"unix:{self.path}:mode=600",
            f"ssl:{self.ssl_port}:interface=127.0.0.1:privateKey={key}:certKey={certificate}",
        ]
        server = servers.redistill(f"[server]\nworkers = {workers}\nendpoints = {self.endpoints}\n{more}", tcp=True)
        self.addCleanup(server.stop)  # in peace: the socket's file goes with it
        return server

    def clients(self, **options: Any) -> dict[str, redis.Redis]:
        """A client of one connection over each endpoint."""
        options = {"socket_timeout": 20, "single_connection_client": True, **options}
        made: dict[str, redis.Redis] = {
            "tcp": redis.Redis(port=self.tcp_port, **options),
            "unix": redis.Redis(unix_socket_path=self.path, **options),
            "ssl": redis.Redis(port=self.ssl_port, ssl=True, ssl_ca_certs=self.certificates.authority, **options),
        }
        for client in made.values():
            self.addCleanup(client.close)
        return made

    def client(self, server: servers.Server, **options: Any) -> redis.Redis:
        """A client over server.port."""
        client = redis.Redis(port=server.port, socket_timeout=20, single_connection_client=True, **options)
        self.addCleanup(client.close)
        return client

    def connect(self, which: str) -> socket.socket:
        """A raw connection over one of the endpoints."""
        if which == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(20)
            sock.connect(self.path)
            return sock
        sock = socket.create_connection(("127.0.0.1", self.tcp_port if which == "tcp" else self.ssl_port), 20)
        if which == "ssl":
            context = ssl.create_default_context(cafile=self.certificates.authority)
            sock = context.wrap_socket(sock, server_hostname="localhost")
        return sock


class EndpointTests(EndpointCase):
    """In one process."""

    def test_real_clients(self) -> None:
        """Over each endpoint: pipelines, large values, control commands, CLIENT LIST and KILL, MONITOR, a pause."""
        server = self.start(more='[security]\npassword = "secret"\n')
        over = self.clients(password="secret")
        for name, client in over.items():
            value = os.urandom(5 * MIB)
            self.assertIs(client.set(name, value), True)
            self.assertEqual(client.get(name), value)
            with client.pipeline(transaction=True) as pipe:
                for number in range(500):
                    pipe.set(f"{name}{number}", number).get(f"{name}{number}")
                self.assertEqual(pipe.execute()[-1], b"499")
            client.client_setname(name)
        main = self.client(server, password="secret")
        listed = {one["name"]: one for one in main.client_list()}
        self.assertEqual({"tcp", "unix", "ssl"} - set(listed), set())
        self.assertRegex(listed["tcp"]["laddr"], f":{self.tcp_port}$")
        self.assertEqual(listed["unix"]["laddr"], f"{self.path}:0")
        self.assertEqual(main.info("clients")["connected_clients"], len(main.client_list()))
        with over["tcp"].monitor() as monitor:
            over["ssl"].get("watched")
            self.assertEqual(monitor.next_command()["command"], "GET watched")
        main.client_pause(50)
        self.assertEqual(over["unix"].get("tcp499"), b"499")
        self.assertEqual(main.client_kill_filter(_id=listed["ssl"]["id"]), 1)
        names = lambda: {one["name"] for one in main.client_list()}  # noqa: E731
        servers.until(lambda: "ssl" not in names(), 5, "the client that was killed is gone at once")
        with self.assertRaises(redis.AuthenticationError):
            self.clients()["ssl"].get("k")

    def test_half_close(self) -> None:
        """A client that sends no more gets all replies before the end."""
        self.start()
        for which in ("tcp", "unix"):
            with self.connect(which) as sock:
                sock.sendall(PING * 1000)
                sock.shutdown(socket.SHUT_WR)
                got = b""
                while data := sock.recv(65536):
                    got += data
                self.assertEqual(got, PONG * 1000)

    def test_limits(self) -> None:
        """All limits on connections hold over endpoints, and a refused client is told why."""
        server = self.start(more="max_connections = 4\nreserved_connections = 0\n")
        main = self.client(server)
        main.ping()
        held = [self.connect(which) for which in ("tcp", "unix", "ssl")]
        for sock in held:
            self.addCleanup(sock.close)
            self.assertEqual(talk(sock, PING, 7), PONG)
        for which in ("tcp", "unix", "ssl"):
            with self.connect(which) as sock:
                self.assertEqual(sock.recv(100), b"-ERR max number of clients reached\r\n")
        self.assertEqual(main.info("stats")["rejected_connections"], 3)
        main.config_set("maxclients", 100)
        main.config_set("server.max_connections_per_ip", 3)
        with self.connect("tcp") as sock:
            self.assertEqual(sock.recv(100), b"-ERR max number of clients reached for your address\r\n")
        main.config_set("server.max_connections_per_ip", 0)
        main.config_set("server.connection_rate_limit", 1)
        heard = []
        for _ in range(3):
            with self.connect("unix") as sock:
                sock.sendall(PING)
                heard.append(sock.recv(100))
        self.assertIn(b"-ERR max number of new clients per second reached\r\n", heard)
        held[0].close()
        main.config_set("timeout", 1)
        self.assertEqual((held[1].recv(1), held[2].recv(1)), (b"", b""))
        self.assertGreaterEqual(main.info("stats")["rejected_connections"], 5)

    def test_slow_reader(self) -> None:
        """Unread replies are not copied into Twisted's buffers: they wait where the limits count them."""
        server = self.start(more='output_limit = "8mb"\n[memory]\nmax_memory = "64mb"\n')
        main = self.client(server)
        main.set("k", os.urandom(MIB))
        for which in ("tcp", "unix", "ssl"):
            before = server.resident_bytes()
            with self.connect(which) as sock:
                sock.sendall(b"GET k\r\n" * 200)
                size = len(b"$%d\r\n" % MIB) + MIB + 2
                servers.until(lambda: main.ping(), 20, "others are served")
                self.assertLess(server.resident_bytes() - before, 24 * MIB)
                left = 200 * size
                while left:
                    data = sock.recv(MIB)
                    self.assertNotEqual(data, b"", (which, left))
                    left -= len(data)

    def test_taken(self) -> None:
        """A port that another program has stops the start with one line."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            place = servers.directory()
            endpoint = f"tcp:{port}:interface=127.0.0.1"
            self.addCleanup(place.rmdir)
            status, said = servers.refused(
                f'[server]\nport = 0\nunix_socket = "{place}/s"\nworkers = 1\nendpoints = "{endpoint}"\n'
            )
            (place / "s").unlink(missing_ok=True)
        self.assertEqual(status, 1)
        self.assertIn(f"redistill: server.endpoints: cannot listen on '{endpoint}': Address already in use;", said)
        self.assertNotIn("Traceback", said)

    def test_endpoints_alone(self) -> None:
        """A server may have nothing but endpoints."""
        port, place = servers.free_port(), servers.directory()
        argv = servers.command_line(
            place, f'[server]\nport = 0\nworkers = 1\nendpoints = "tcp:{port}:interface=127.0.0.1"\n'
        )
        server = servers.start(argv, ("127.0.0.1", port), place, servers.environment())
        self.addCleanup(server.stop, signal.SIGKILL)
        with server.connect() as sock:
            self.assertEqual(talk(sock, PING, 7), PONG)

    def test_reload(self) -> None:
        """A reload of a server without workers keeps its endpoints and their clients."""
        server = self.start()
        over = self.clients()
        for client in over.values():
            client.ping()
        server.process.send_signal(signal.SIGHUP)
        servers.until(lambda: "configuration reloaded" in server.logged(), 20, "the reload is over")
        self.assertEqual([client.ping() for client in over.values()], [True] * 3)

    def test_no_handshake(self) -> None:
        """A connection to an ssl: endpoint that never speaks TLS has the idle time-out of others."""
        server = self.start(more="connection_timeout = 1\n")
        with socket.create_connection(("127.0.0.1", self.ssl_port), 20) as sock:
            sock.settimeout(8)
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(sock.recv(1), b"")
        self.assertEqual(self.client(server).info("clients")["connected_clients"], 1)


class SystemdTests(TestCase):
    """Sockets that systemd has passed."""

    def check(self, workers: int) -> None:
        """They are served, before and after a reload, by the process that has the endpoints."""
        place, port = servers.directory(), servers.free_port()
        with socket.create_server(("127.0.0.1", 0)) as passed:
            argv = servers.command_line(
                place,
                f'[server]\nport = {port}\nworkers = {workers}\nendpoints = "systemd:domain=INET:name=cache.socket"\n'
                '[security]\npassword = "secret"\n',
            )
            argv = [sys.executable, "-c", EXEC, str(passed.fileno()), *argv]
            environ = servers.environment({"LISTEN_FDS": "1", "LISTEN_FDNAMES": "cache.socket"})
            server = servers.start(argv, ("127.0.0.1", port), place, environ, [passed.fileno()])
            self.addCleanup(server.stop, signal.SIGKILL)
            options = {"password": "secret", "socket_timeout": 20}
            client = redis.Redis(port=passed.getsockname()[1], **options)  # type: ignore[arg-type]
            main = redis.Redis(port=port, **options)  # type: ignore[arg-type]
        self.addCleanup(client.close)
        self.addCleanup(main.close)
        self.assertIs(client.ping(), True)
        if workers > 1:
            servers.until(lambda: len(workers_of(main)) == workers, 20, "all workers are there")
            before = set(workers_of(main).values())
            server.process.send_signal(signal.SIGHUP)
            servers.until(lambda: before.isdisjoint(workers_of(main).values()), 30, "workers are new")
            self.assertIs(client.ping(), True)
        self.assertNotIn("is not used", server.logged())

    def test_one_process(self) -> None:
        """A server without workers."""
        self.check(1)

    def test_workers(self) -> None:
        """A server with two workers: no client is refused during the reload."""
        self.check(2)


class WorkerTests(EndpointCase):
    """With two workers."""

    def test_reload(self) -> None:
        """The first worker listens; its successor takes over when it has stopped, and no reply is lost."""
        server = self.start(2)
        main = redis.Redis(port=server.port, socket_timeout=20)
        self.addCleanup(main.close)
        servers.until(lambda: len(workers_of(main)) == 2, 20, "both workers are there")
        # The worker that serves first listens, until the first worker does.
        servers.until(self.first_worker_listens, 20, "the first worker listens")
        over = self.clients()
        for turn in range(2):
            before = set(workers_of(main).values())
            for name, client in over.items():
                client.set(name, turn)
            self.reload(server, main, before)
            servers.until(lambda: all(map(self.answers, over.values())), 30, "the endpoints are served again")
            self.assertEqual([int(client.get(name) or -1) for name, client in over.items()], [turn] * 3)
            servers.until(self.first_worker_listens, 20, "the first worker listens again")
        self.assertNotIn("cannot listen", server.logged())
        self.assertNotIn("Traceback", server.logged())
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.lexists(self.path))

    def first_worker_listens(self) -> bool:
        """Whether new clients of all endpoints are served by worker 0."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(client) for client in self.clients().values()]
            return all(map(self.answers, clients)) and {c.info("server")["worker_number"] for c in clients} == {0}

    def reload(self, server: servers.Server, main: redis.Redis, before: set[int]) -> None:
        """Reload, and wait until all workers are others than those of `before`."""
        server.process.send_signal(signal.SIGHUP)
        servers.until(lambda: before.isdisjoint(workers_of(main).values()), 30, "workers are new")

    def test_worker_that_dies(self) -> None:
        """Its endpoints are listened on again, by who accepts its clients."""
        server = self.start(2)
        main = redis.Redis(port=server.port, socket_timeout=20)
        self.addCleanup(main.close)
        servers.until(lambda: len(workers_of(main)) == 2, 20, "both workers are there")
        over = self.clients()
        os.kill(workers_of(main)[0], signal.SIGKILL)
        servers.until(lambda: all(map(self.answers, over.values())), 30, "the endpoints are served again")

    @staticmethod
    def answers(client: redis.Redis) -> bool:
        """Whether it is served; its connection may have ended."""
        try:
            return bool(client.ping())
        except (redis.ConnectionError, OSError):
            return False
