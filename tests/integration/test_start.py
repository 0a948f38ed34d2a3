"""Starting and stopping the daemon."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from . import servers

PING, PONG = b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"


def talk(sock: socket.socket, data: bytes, size: int) -> bytes:
    """Send, and read `size` bytes or until the end."""
    if data:
        sock.sendall(data)
    got = b""
    while len(got) < size and (more := sock.recv(65536)):
        got += more
    return got


class StartTests(SynchronousTestCase):
    """The output and the effects of a start."""

    def server(self, config: str = "", **options: object) -> servers.Server:
        """A server that is gone after the test."""
        server = servers.redistill(config, **options)  # type: ignore[arg-type]
        self.addCleanup(server.stop, signal.SIGKILL)
        return server

    def test_port_and_socket(self) -> None:
        """One server answers on its port and on its UNIX socket, and removes the socket when it stops."""
        server = self.server()
        with server.connect() as sock:
            self.assertEqual(talk(sock, PING, 7), PONG)
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            self.assertEqual(talk(sock, PING, 7), PONG)
        path = str(server.address)
        self.assertTrue(stat.S_ISSOCK(os.stat(path).st_mode))
        server.process.terminate()
        self.assertEqual(server.process.wait(20), 0)
        self.assertFalse(os.path.exists(path))

    def test_reactor(self) -> None:
        """`twistd redistill` serves with the loop in C; a reactor that is asked for by name is the one that runs, and
        the help is shown without one."""
        for asked, reactor in (
            ((), "redistill.net.reactor.RedistillReactor"),
            (("--reactor", "epoll"), "twisted.internet.epollreactor.EPollReactor"),
            (("--reactor", "redistill"), "redistill.net.reactor.RedistillReactor"),
        ):
            place = servers.directory()
            python, program = servers.twistd(place)[:2]
            twistd = [python, program, *asked]
            path, port = str(place / "s"), servers.free_port()
            (place / "c.toml").write_text(servers.with_address("[server]\nworkers = 1\n", port, path))
            config = ["redistill", "--config", str(place / "c.toml")]
            server = servers.start(
                [*twistd, "-n", "--pidfile=", f"--rundir={place}", *config], path, place, servers.environment()
            )
            self.addCleanup(server.stop, signal.SIGKILL)
            self.assertIn(f"reactor class: {reactor}", server.logged())
            told = subprocess.run([*twistd, "redistill", "--help"], env=servers.environment(), capture_output=True)
            self.assertEqual((told.returncode, b"--config=" in told.stdout), (0, True), told.stderr)

    def test_configuration_from_the_environment(self) -> None:
        """Environment variables stand above the file."""
        port = servers.free_port()
        server = self.server(
            '[memory]\nmax_memory = "64mb"\n',
            environ={"REDIS_PORT": str(port), "REDIS_MAX_MEMORY": "32mb", "REDIS_PASSWORD": "pw"},
        )
        with socket.create_connection(("127.0.0.1", port)) as sock:
            self.assertEqual(talk(sock, PING, 34), b"-NOAUTH Authentication required.\r\n")
            self.assertEqual(talk(sock, b"AUTH pw\r\n", 5), b"+OK\r\n")
            wanted = b"*2\r\n$9\r\nmaxmemory\r\n$8\r\n33554432\r\n"
            self.assertEqual(talk(sock, b"CONFIG GET maxmemory\r\n", len(wanted)), wanted)
        self.assertNotEqual(port, server.port)

    def test_a_taken_port(self) -> None:
        """A port that another process has stops the start, with one line that names it."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen()
            port = sock.getsockname()[1]
            status, said = servers.refused(f"[server]\nport = {port}\nworkers = 1\n")
        self.assert_one_line(status, said, str(port))

    def test_a_socket_in_use(self) -> None:
        """A UNIX socket that a living server has stops the start too; the server goes on."""
        server = self.server()
        status, said = servers.refused(
            f'[server]\nport = {servers.free_port()}\nunix_socket = "{server.address}"\nworkers = 1\n'
        )
        self.assert_one_line(status, said, str(server.address))
        with server.connect() as sock:
            self.assertEqual(talk(sock, PING, 7), PONG)

    def test_a_socket_left_behind(self) -> None:
        """The socket of a server that was killed does not stop the next start."""
        server = self.server()
        path, port = str(server.address), server.port
        server.process.kill()
        server.process.wait()
        self.assertTrue(os.path.exists(path))
        place = servers.directory()
        config = f'[server]\nport = {port}\nunix_socket = "{path}"\nworkers = 1\n'
        again = servers.start(servers.command_line(place, config), path, place, servers.environment())
        self.addCleanup(again.stop, signal.SIGKILL)
        with again.connect() as sock:
            self.assertEqual(talk(sock, PING, 7), PONG)

    def test_wrong_configurations(self) -> None:
        """A clear line for each error, status 1, nothing started: each names the key, or the file, and its line."""
        for config, names in (
            ("[server]\nprot = 1\n", "prot"),
            ("[server]\nport = 99999\n", "server.port"),
            ('[server]\nport = "six"\n', "server.port"),
            ('[memory]\neviction_policy = "random"\n', "memory.eviction_policy"),
            ("[server\n", "redistill.toml"),
            ('[server]\nbind = "0.0.0.0"\n', "password"),
            ('[security]\ntls_enabled = true\ntls_cert_path = "/x"', "tls_enabled"),
        ):
            status, said = servers.refused(config)
            self.assert_one_line(status, said, names)

    def test_all_errors(self) -> None:
        """A refused start names all errors, as check-config does: mistakes, collisions, missing directories."""
        status, said = servers.refused(
            '[server]\nport = 6379\nprot = 1\nhealth_check_port = 6379\nunix_socket = "/none/a/s"\nworkers = 0x1\n'
            '[memory]\nmax_memory = "lots"\narena_path = "/none/b/a"\n[logging]\nfile = "/none/c/log"\n'
            '[security]\ntls_port = 6380\ntls_cert_path = "/none/d/c.pem"\ntls_key_path = "/none/d/k.pem"\n'
        )
        self.assertEqual(status, 1)
        lines = said.strip().splitlines()
        for number, words in (
            (3, "'server.prot' is no setting; did you mean server.port?"),
            (4, "server.health_check_port: 127.0.0.1:6379 collides with 127.0.0.1:6379, of server.port"),
            (5, "server.unix_socket = '/none/a/s' cannot be: there is no directory '/none/a'; make it"),
            (8, "memory.max_memory = 'lots' "),
            (9, "memory.arena_path = '/none/b/a' cannot be: there is no directory '/none/b'; make it"),
            (11, "logging.file = '/none/c/log' cannot be: there is no directory '/none/c'; make it"),
            (14, "security.tls_cert_path: cannot read /none/d/c.pem: No such file or directory"),
            (15, "security.tls_key_path: cannot read /none/d/k.pem: No such file or directory"),
        ):
            found = [line for line in lines if f"/redistill.toml:{number}: {words}" in line]
            self.assertEqual([line.startswith("redistill: /") for line in found], [True], said)
        self.assertEqual(len(lines), 8, said)

    def test_wrong_environment(self) -> None:
        """A wrong variable of the environment is named."""
        status, said = servers.refused("", {"REDIS_PORT": "abc"})
        self.assert_one_line(status, said, "REDIS_PORT")

    def test_a_missing_file(self) -> None:
        """A configuration that is asked for and is not there is an error."""
        place = servers.directory()
        argv = [*servers.twistd(place), "redistill", "--config", str(place / "none.toml")]
        with self.assertRaises(servers.NotStarted) as caught:
            servers.start(argv, str(place / "s"), place, servers.environment())
        self.assertIn("none.toml", str(caught.exception))
        self.assertNotIn("Traceback", str(caught.exception))

    def assert_one_line(self, status: int, said: str, names: str) -> None:
        """The process ended with status 1 and one line that names the culprit."""
        self.assertEqual(status, 1, said)
        self.assertEqual(len(said.strip().splitlines()), 1, said)
        self.assertIn(names, said)


class StopTests(SynchronousTestCase):
    """SIGTERM."""

    def test_what_was_received_is_finished(self) -> None:
        """Commands that were sent before SIGTERM are answered, then comes the close; the status is 0."""
        server = servers.redistill()
        self.addCleanup(server.stop, signal.SIGKILL)
        count = 20000
        with server.connect() as sock, server.connect() as idle:
            self.assertEqual(talk(idle, PING, 7), PONG)
            sock.sendall(PING * count)
            first = sock.recv(7)
            server.process.terminate()
            got = first
            while more := sock.recv(65536):
                got += more
            self.assertEqual(got, PONG * count)
            self.assertEqual(idle.recv(1), b"")
        self.assertEqual(server.process.wait(20), 0)

    def test_nobody_is_accepted_meanwhile(self) -> None:
        """A client that does not read its replies holds up the end, no longer than the grace period; nobody else gets in."""
        server = servers.redistill("[server]\nshutdown_grace_period_secs = 5\n")
        self.addCleanup(server.stop, signal.SIGKILL)
        with server.connect() as sock:
            talk(sock, b"SET k " + b"x" * 60000 + b"\r\n", 5)
            sock.sendall(b"GET k\r\n" * 500)
            server.process.terminate()
            servers.until(lambda: not self.accepted(server), 4.9, "the server accepts no more")
            self.assertIsNone(server.process.poll())
            self.assertEqual(server.process.wait(20), 0)

    def accepted(self, server: servers.Server) -> bool:
        """Whether a new client is served."""
        try:
            with server.connect(5) as sock:
                return talk(sock, PING, 7) == PONG
        except OSError:
            return False

    def test_interrupt(self) -> None:
        """Control-C is a stop as well."""
        server = servers.redistill()
        self.addCleanup(server.stop, signal.SIGKILL)
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(20), 0)

    def test_shutdown_command(self) -> None:
        """SHUTDOWN closes without a reply, and the process ends with status 0."""
        server = servers.redistill()
        self.addCleanup(server.stop, signal.SIGKILL)
        with server.connect() as sock:
            self.assertEqual(talk(sock, b"SHUTDOWN NOSAVE\r\n", 1), b"")
        self.assertEqual(server.process.wait(20), 0)

    def test_log(self) -> None:
        """The log says where the server listens and that it stopped, and nothing of a traceback."""
        server = servers.redistill()
        self.addCleanup(server.stop, signal.SIGKILL)
        server.process.terminate()
        server.process.wait(20)
        said = Path(server.log).read_text()
        self.assertIn(str(server.port), said)
        self.assertNotIn("Traceback", said)
