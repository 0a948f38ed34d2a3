"""Clients that misbehave, and those beside them: what one client does costs the others nothing."""

from __future__ import annotations

import signal
import socket
import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from . import servers
from .test_start import PING, PONG, talk

MIB = 1 << 20
MAX_INLINE = 65536
"""Bytes of a line, RD_MAX_INLINE."""


class Case(SynchronousTestCase):
    """Servers that are gone after the test."""

    def server(self, config: str = "", **options: Any) -> servers.Server:
        """A new server."""
        server = servers.redistill(config, **options)
        self.addCleanup(server.stop, signal.SIGKILL)
        return server

    def client(self, server: servers.Server) -> socket.socket:
        """A client of it, closed after the test."""
        sock = server.connect()
        self.addCleanup(sock.close)
        return sock

    def assert_serves(self, server: servers.Server) -> None:
        """A new client is answered."""
        with server.connect() as sock:
            self.assertEqual(talk(sock, PING, 7), PONG)


class LimitTests(Case):
    """Limits of the configuration, each reached."""

    def test_one_client_too_many(self) -> None:
        """The client over max_connections is told why and closed; when one leaves there is room again."""
        server = self.server("[server]\nmax_connections = 2\n")
        first, second = self.client(server), self.client(server)
        for sock in (first, second):
            self.assertEqual(talk(sock, PING, 7), PONG)
        self.assertEqual(talk(self.client(server), b"", 100), b"-ERR max number of clients reached\r\n")
        self.assertEqual(talk(second, PING, 7), PONG)
        first.close()
        servers.until(lambda: self.served(server), 30, "there is room for a client")

    def served(self, server: servers.Server) -> bool:
        """Whether a new client is served."""
        with server.connect() as sock:
            try:
                return talk(sock, PING, 7) == PONG
            except OSError:
                return False

    def test_clients_of_one_address(self) -> None:
        """max_connections_per_ip counts an address over TCP, and leaves the UNIX socket alone."""
        server = self.server("[server]\nmax_connections_per_ip = 1\n", tcp=True)
        sock = self.client(server)
        self.assertEqual(talk(sock, PING, 7), PONG)
        self.assertTrue(talk(self.client(server), b"", 100).startswith(b"-ERR max number of clients reached"))
        with socket.socket(socket.AF_UNIX) as local:
            local.connect(str(server.directory / "s"))
            self.assertEqual(talk(local, PING, 7), PONG)

    def test_idle_client(self) -> None:
        """A client that is silent for connection_timeout is closed; one that speaks is not."""
        server = self.server("[server]\nconnection_timeout = 1\n")
        idle, busy = self.client(server), self.client(server)
        idle.setblocking(False)

        def closed() -> bool:
            self.assertEqual(talk(busy, PING, 7), PONG)
            try:
                return idle.recv(1) == b""
            except BlockingIOError:
                return False

        started = time.monotonic()
        servers.until(closed, 30, "the idle client is closed")
        self.assertGreater(time.monotonic() - started, 0.9)
        self.assertEqual(talk(busy, PING, 7), PONG)

    def test_slow_reader(self) -> None:
        """A client that asks and does not read is paused, then cut at the output limit; others are served all the while."""
        server = self.server('[server]\noutput_limit = "8mb"\n[memory]\nmax_memory = "64mb"\n')
        slow, other = self.client(server), self.client(server)
        talk(other, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n" + b"x" * MIB + b"\r\n", 5)
        before = server.resident_bytes()
        slow.settimeout(0.2)
        try:
            for _ in range(2000):
                slow.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" * 20)
                self.assertEqual(talk(other, PING, 7), PONG)
        except (TimeoutError, ConnectionError):
            pass
        self.assertEqual(talk(other, PING, 7), PONG)
        self.assertLess(server.resident_bytes() - before, 40 * MIB)
        # It may read what waits for it, and is either served on or closed, but never fed without end.
        slow.settimeout(20)
        got = 0
        try:
            while got < 64 * MIB and (data := slow.recv(MIB)):
                got += len(data)
        except ConnectionError:
            pass
        self.assertGreater(got, 0)

    def test_value_larger_than_the_output_limit(self) -> None:
        """A client that is owed more than the output limit at once is cut, and nobody else."""
        server = self.server('[server]\noutput_limit = "1mb"\n[memory]\nmax_memory = "64mb"\n')
        slow, other = self.client(server), self.client(server)
        talk(other, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n" + b"x" * 8 * MIB + b"\r\n", 5)
        slow.sendall(b"GET k\r\n")
        got, total = b"x", 0
        servers.until(lambda: talk(other, PING, 7) == PONG, 30, "others are served")
        try:
            while got:
                got = slow.recv(MIB)
                total += len(got)
        except ConnectionError:
            pass
        self.assertLess(total, 8 * MIB)
        self.assert_serves(server)


class InputTests(Case):
    """The data that is sent, and the data that is not."""

    def test_malformed_input(self) -> None:
        """One error, the close, and the client beside it does not notice."""
        server = self.server()
        other = self.client(server)
        # No longer than is read before the close: the system resets a connection that is closed with bytes unread.
        line = b"x" * (MAX_INLINE + 1)
        for data in (b"*x\r\n", b"*1\r\n$-5\r\n", b"*1\r\n!4\r\n", line, b'"\r\n'):
            bad = self.client(server)
            said = talk(bad, PING + data, 1000)
            self.assertTrue(said.startswith(PONG + b"-ERR Protocol error"), f"{said!r}")
            self.assertEqual(said.count(b"\r\n"), 2)
            self.assertEqual(talk(other, PING, 7), PONG)

    def test_unfinished_command(self) -> None:
        """Half a command and then the close, or then nothing, costs no processor time."""
        server = self.server()
        halves = [self.client(server) for _ in range(20)]
        for n, sock in enumerate(halves):
            sock.sendall(b"*2\r\n$3\r\nGET\r\n$5\r\nab"[: 3 + n])
        for sock in halves[::2]:
            sock.close()
        self.assert_serves(server)
        before = server.cpu_seconds()
        with server.connect() as sock:
            sock.settimeout(1.5)
            self.assertRaises(TimeoutError, sock.recv, 1)  # a second and a half in which nothing happens
        self.assertLess(server.cpu_seconds() - before, 0.4)

    def test_half_closed(self) -> None:
        """A client that sends, and then says that it will send no more, still gets all its replies."""
        server = self.server()
        sock = self.client(server)
        sock.sendall(PING * 5000)
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(talk(sock, b"", 7 * 5000), PONG * 5000)
        self.assertEqual(sock.recv(1), b"")

    def test_announced_and_not_sent(self) -> None:
        """512 MiB announced take no memory; more is refused at once."""
        server = self.server()
        before = server.resident_bytes()
        clients = [self.client(server) for _ in range(10)]
        for sock in clients:
            sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nonly this")
        self.assert_serves(server)
        self.assertLess(server.resident_bytes() - before, 16 * MIB)
        more = talk(self.client(server), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870913\r\n", 1000)
        self.assertEqual(more, b"-ERR Protocol error: invalid bulk length\r\n")

    def test_a_million_arguments(self) -> None:
        """A command may have 1,048,576 arguments; announcing them takes nothing, one more is refused."""
        server = self.server('[memory]\nmax_memory = "64mb"\n')
        sock = self.client(server)
        sock.settimeout(60)
        before = server.resident_bytes()
        idle = self.client(server)
        idle.sendall(b"*1048576\r\n$3\r\nDEL\r\n")
        self.assert_serves(server)
        self.assertLess(server.resident_bytes() - before, 16 * MIB)
        sock.sendall(b"*1048576\r\n$3\r\nDEL\r\n" + b"$2\r\nk1\r\n" * 1048575)
        self.assertEqual(talk(sock, b"", 4), b":0\r\n")
        self.assertEqual(talk(sock, PING, 7), PONG)
        refused = talk(self.client(server), b"*1048577\r\n", 1000)
        self.assertEqual(refused, b"-ERR Protocol error: invalid multibulk length\r\n")

    def test_byte_by_byte(self) -> None:
        """A large command in small pieces costs time in proportion to its size."""
        server = self.server()
        sock = self.client(server)
        data = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000\r\n" + b"x" * 20000 + b"\r\n"
        before = server.cpu_seconds()
        for i in range(0, len(data), 7):
            sock.sendall(data[i : i + 7])
        self.assertEqual(talk(sock, b"", 5), b"+OK\r\n")
        self.assertLess(server.cpu_seconds() - before, 5)

    def test_a_large_value(self) -> None:
        """A value of 20 MB goes in and comes out."""
        server = self.server('[memory]\nmax_memory = "64mb"\n')
        sock = self.client(server)
        value = bytes(range(256)) * (20 * MIB // 256)
        self.assertEqual(
            talk(sock, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%b\r\n" % (len(value), value), 5), b"+OK\r\n"
        )
        wanted = b"$%d\r\n%b\r\n" % (len(value), value)
        self.assertTrue(talk(sock, b"GET k\r\n", len(wanted)) == wanted)


class AuthenticationTests(Case):
    """A password on the wire."""

    def setUp(self) -> None:
        self.server_ = self.server('[security]\npassword = ["first", "another"]\n')

    def test_no_data_before_it(self) -> None:
        """Nothing is served before AUTH; each of the passwords opens; a wrong one leaves things as they are."""
        sock = self.client(self.server_)
        refusal = b"-NOAUTH Authentication required.\r\n"
        self.assertEqual(talk(sock, b"GET k\r\nSET k v\r\nDBSIZE\r\n", 3 * len(refusal)), 3 * refusal)
        wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        self.assertEqual(talk(sock, b"AUTH wrong\r\n", len(wrong)), wrong)
        self.assertEqual(talk(sock, b"GET k\r\n", len(refusal)), refusal)
        self.assertEqual(talk(sock, b"AUTH another\r\nGET k\r\n", 10), b"+OK\r\n$-1\r\n")
        other = self.client(self.server_)
        self.assertEqual(talk(other, b"AUTH default first\r\nGET k\r\n", 10), b"+OK\r\n$-1\r\n")

    def test_limits_before_it(self) -> None:
        """Before AUTH eleven arguments, or one of more than 16 KiB, end the connection with one error."""
        for data in (b"*11\r\n", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n"):
            said = talk(self.client(self.server_), data, 1000)
            self.assertTrue(said.startswith(b"-ERR Protocol error: unauthenticated "), f"{said!r}")
            self.assertEqual(said.count(b"\r\n"), 1)
        sock = self.client(self.server_)
        talk(sock, b"AUTH first\r\n", 5)
        self.assertEqual(
            talk(sock, b"*2\r\n$4\r\nECHO\r\n$16385\r\n" + b"x" * 16385 + b"\r\n", 16395)[:8], b"$16385\r\n"
        )

    def test_passwords_are_not_told(self) -> None:
        """Neither the log nor CONFIG GET, SLOWLOG, MONITOR-like lists or errors show a password."""
        sock = self.client(self.server_)
        talk(sock, b"AUTH wrong-secret\r\n", 60)
        talk(sock, b"AUTH first\r\n", 5)
        talk(sock, b"CONFIG SET slowlog-log-slower-than 0\r\n", 5)
        talk(sock, b"AUTH another\r\nAUTH default wrong-secret\r\n", 60)
        sock.sendall(b"SLOWLOG GET 100\r\nCLIENT LIST\r\nCONFIG GET *\r\nPING\r\n")
        said = b""
        while not said.endswith(PONG):
            said += sock.recv(65536)
        for secret in (b"first", b"another", b"wrong-secret"):
            self.assertNotIn(secret, said)
            self.assertNotIn(secret.decode(), self.server_.logged())
