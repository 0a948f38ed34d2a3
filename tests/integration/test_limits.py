"""Limits and addresses as clients meet them, of servers with one worker and with two."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import signal
import socket
import ssl
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers
from tests.integration.test_start import PING, PONG, talk
from tests.support.certificates import Certificates

MIB = 1024 * 1024


class BindTests(SynchronousTestCase):
    """server.bind"""

    def check(self, workers: int) -> None:
        """Clients of each address and port are served, and CONFIG GET says the addresses as Redis does."""
        certificates = Certificates(self)
        certificate, key = certificates.sign("server")
        tls_port = servers.free_port()
        server = servers.redistill(
            f'[server]\nworkers = {workers}\nbind = ["127.0.0.1", "::1", "127.0.0.2", "-198.51.100.1"]\n'
            f'[security]\npassword = "pw"\ntls_port = {tls_port}\ntls_cert_path = "{certificate}"\ntls_key_path = "{key}"\n',
            tcp=True,
        )
        self.addCleanup(server.stop, signal.SIGKILL)
        for host in ("127.0.0.1", "::1", "127.0.0.2"):
            with socket.create_connection((host, server.port), 20) as sock:
                self.assertEqual(talk(sock, b"AUTH pw\r\n" + PING, 12), b"+OK\r\n" + PONG)
            sock = ssl.create_default_context(cafile=certificates.authority).wrap_socket(
                socket.create_connection((host, tls_port), 20), server_hostname="localhost"
            )
            with sock:
                self.assertEqual(talk(sock, b"AUTH pw\r\n" + PING, 12), b"+OK\r\n" + PONG)
        with server.connect() as sock:
            wanted = b"*2\r\n$4\r\nbind\r\n$37\r\n127.0.0.1 ::1 127.0.0.2 -198.51.100.1\r\n"
            self.assertEqual(talk(sock, b"AUTH pw\r\nCONFIG GET bind\r\n", 5 + len(wanted)), b"+OK\r\n" + wanted)
        # It is said when all workers serve, which is a moment after the first does.
        servers.until(lambda: f"listening on {server.directory}/s" in server.logged(), 20, "all workers serve")
        said = server.logged()
        for place in (f"127.0.0.1:{server.port}", f"[::1]:{server.port}", f"[::1]:{tls_port}, with TLS"):
            self.assertEqual(said.count(f"listening on {place}\n"), 1, said)
        self.assertIn("not listening on 198.51.100.1: ", said)

    def test_one_process(self) -> None:
        """A server that serves by itself listens on all of its addresses."""
        self.check(1)

    def test_workers(self) -> None:
        """So does each of several workers."""
        self.check(2)


class ClientMemoryTests(SynchronousTestCase):
    """server.max_client_memory, against clients that want more"""

    LIMIT = 16 * MIB

    def start(self, workers: int) -> servers.Server:
        """A server that is stopped with the test."""
        server = servers.redistill(
            f"[server]\nworkers = {workers}\nmax_client_memory = {self.LIMIT}\nmax_connections = 100\n"
            '[memory]\nmax_memory = "64mb"\n'
        )
        self.addCleanup(server.stop, signal.SIGKILL)
        # Workers that still start would seem to grow.
        servers.until(lambda: f"listening on 127.0.0.1:{server.port}" in server.logged(), 20, "all workers serve")
        return server

    def flood(self, server: servers.Server) -> tuple[int, int]:
        """Send 32 MiB from each of 12 clients in three ways: how many were closed, and the most private memory that the
        server's processes had meanwhile, beyond what they had before."""
        value = bytes(100_000)
        with server.connect() as sock:
            talk(sock, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n" + value + b"\r\n", 5)
        queued = b"*3\r\n$3\r\nSET\r\n$1\r\nq\r\n$100000\r\n" + value + b"\r\n"
        kinds = (
            (b"MULTI\r\n", queued),  # commands that are queued
            (b"", b"GET k\r\n" * 15_000),  # replies that are not read
            (b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$60000000\r\n", value),  # a value that has no end
        )
        before, highest = private_bytes(server.pid), 0
        clients = []
        for number in range(12):
            sock = server.connect()
            self.addCleanup(sock.close)
            first, more = kinds[number % 3]
            sock.sendall(first)
            sock.setblocking(False)
            clients.append((sock, more, [0, 0]))
        closed: set[socket.socket] = set()
        end = time.monotonic() + 60
        while len(closed) < len(clients) and any(sent[0] < 32 * MIB for one, _, sent in clients if one not in closed):
            self.assertLess(time.monotonic(), end)
            moved = False
            for sock, more, sent in clients:
                if sock in closed or sent[0] >= 32 * MIB:
                    continue
                try:
                    count = sock.send(more[sent[0] % len(more) :])
                    sent[0] += count
                    moved = True
                except BlockingIOError:
                    # Nobody reads on for a client that does not read itself: it has sent what it could.
                    sent[1] += 1
                    if more is kinds[1][1] and sent[1] > 50:
                        sent[0] = 32 * MIB
                except OSError:
                    closed.add(sock)
            highest = max(highest, private_bytes(server.pid))
            if not moved:
                select.select([], [one for one, _, sent in clients if one not in closed], [], 0.01)
        return len(closed), highest - before

    def check(self, workers: int) -> None:
        """The fattest are closed, the memory stays near the limit, others are served, and INFO says how many it was."""
        server = self.start(workers)
        closed, most = self.flood(server)
        self.assertGreater(closed, 0)
        # Each further process may read on while the clients whose buffers are too large are chosen.
        self.assertLess(most, self.LIMIT * 3 // 2 + (workers - 1) * 2 * MIB, f"{most / MIB:.1f} MiB")
        with server.connect() as sock:
            self.assertEqual(talk(sock, PING, len(PONG)), PONG)
            sock.sendall(b"INFO stats\r\n")
            said = sock.recv(65536)
        (count,) = re.findall(rb"evicted_clients:(\d+)", said)
        self.assertGreaterEqual(int(count), closed)
        self.assertIn("was closed: the buffers of all clients exceed server.max_client_memory", server.logged())

    def test_one_process(self) -> None:
        """A server that serves by itself stays near the limit."""
        self.check(1)

    def test_workers(self) -> None:
        """So do several workers together."""
        self.check(3)


def private_bytes(pid: int) -> int:
    """Memory of a process and of its children that is in RAM and no other's; the arena is not."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    whole = 0
    for one in (str(pid), *children):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{one}/status").read_text()
            whole += int(re.findall(r"RssAnon:\s+(\d+) kB", status)[0]) * 1024
    return whole


class StalledClientTests(SynchronousTestCase):
    """server.output_limit, against a client that asks and reads nothing"""

    LIMIT = 2 * MIB

    def setUp(self) -> None:
        self.server = servers.redistill(
            f'[server]\nworkers = 1\noutput_limit = {self.LIMIT}\n[memory]\nmax_memory = "64mb"\n'
        )
        self.addCleanup(self.server.stop, signal.SIGKILL)
        self.watch, self.stalled = self.server.connect(), self.server.connect()
        self.addCleanup(self.watch.close)
        self.addCleanup(self.stalled.close)
        talk(self.watch, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000\r\n" + bytes(400_000) + b"\r\n", 5)
        talk(self.stalled, b"CLIENT SETNAME stalled\r\n", 5)

    def held(self) -> int | None:
        """Bytes that the server has allocated for what the stalled client does not read; None: it has been closed."""
        self.watch.sendall(b"CLIENT LIST\r\n")
        head = b""
        while not head.endswith(b"\r\n"):
            head += self.watch.recv(1)
        said = talk(self.watch, b"", int(head[1:]) + 2).decode()
        found = re.findall(r"name=stalled .* rbs=(\d+) ", said)
        return int(found[0]) if found else None

    def test_pipeline_that_is_not_read(self) -> None:
        """Whatever a stalled client asks for, the server never holds more for it than its limit, nor uses more memory."""
        before = private_bytes(self.server.pid)
        self.stalled.setblocking(False)
        held = []
        for _ in range(100):
            with contextlib.suppress(BlockingIOError):
                self.stalled.sendall(b"GET k\r\n" * 100)
            held.append(self.held() or 0)
            self.assertLess(private_bytes(self.server.pid) - before, self.LIMIT + 2 * MIB)
        self.assertTrue(400_000 <= max(held) <= self.LIMIT, max(held))

    def test_transaction_that_is_not_read(self) -> None:
        """A transaction whose replies together are more is cut before they are, counted and logged."""
        before = private_bytes(self.server.pid)
        self.stalled.sendall(b"MULTI\r\n" + b"GET k\r\n" * 1000 + b"EXEC\r\n")
        servers.until(lambda: self.held() is None, 20, "the client is closed")
        self.assertLess(private_bytes(self.server.pid) - before, self.LIMIT + 2 * MIB)
        self.watch.sendall(b"INFO stats\r\n")
        self.assertIn(b"client_output_buffer_limit_disconnections:1\r\n", self.watch.recv(65536))
        self.assertIn(f"would exceed {self.LIMIT} bytes (server.output_limit)", self.server.logged())


class SocketOptionTests(SynchronousTestCase):
    """performance.tcp_nodelay and tcp_keepalive, as the kernel has them for the sockets of clients"""

    def start(self, workers: int, performance: str) -> servers.Server:
        """A server that is stopped with the test."""
        config = f'[server]\nworkers = {workers}\n[memory]\nmax_memory = "64mb"\n[performance]\n{performance}\n'
        server = servers.redistill(config, tcp=True)
        self.addCleanup(server.stop, signal.SIGKILL)
        return server

    def ask(self, sock: socket.socket, line: bytes) -> str:
        """A bulk reply."""
        sock.sendall(line + b"\r\n")
        head = b""
        while not head.endswith(b"\r\n"):
            head += sock.recv(1)
        return talk(sock, b"", int(head[1:]) + 2).decode()

    def place(self, sock: socket.socket) -> tuple[int, int]:
        """The process that serves this connection, and its descriptor there."""
        number = re.findall(r"worker_number:(\d+)", self.ask(sock, b"INFO server"))[0]
        pid = re.findall(rf"worker_?{number}:pid=(\d+)", self.ask(sock, b"INFO workers"))[0]
        fd = re.findall(r" fd=(\d+)", self.ask(sock, b"CLIENT INFO"))[0]
        return int(pid), int(fd)

    def options(self, sock: socket.socket) -> tuple[int, ...]:
        """TCP_NODELAY, SO_KEEPALIVE, TCP_KEEPIDLE of the server's end."""
        pid, fd = self.place(sock)
        with socket.socket(fileno=taken(pid, fd)) as theirs:
            self.assertEqual(theirs.getpeername(), sock.getsockname())
            nodelay = theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            on = theirs.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            return nodelay, on, theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)

    def test_each_reactor(self) -> None:
        """They hold where the loop is the reactor, and where it is one descriptor of Twisted's own."""
        for reactor in ("redistill", "epoll"):
            self.patch(servers, "REACTOR", reactor)
            server = self.start(1, "tcp_keepalive = 77")
            with server.connect() as sock:
                self.assertEqual(self.options(sock), (1, 1, 77), reactor)

    def test_off(self) -> None:
        """Both can be off."""
        with self.start(1, "tcp_nodelay = false\ntcp_keepalive = 0").connect() as sock:
            self.assertEqual(self.options(sock)[:2], (0, 0))

    def test_after_a_handover(self) -> None:
        """They hold for a connection that a reload gives to another process, and CONFIG SET for those who come."""
        server = self.start(2, "tcp_keepalive = 77")
        servers.until(lambda: f"listening on 127.0.0.1:{server.port}" in server.logged(), 20, "all workers serve")
        with server.connect() as sock:
            before = self.place(sock)[0]
            self.assertEqual(self.options(sock), (1, 1, 77))
            os.kill(server.pid, signal.SIGHUP)
            servers.until(lambda: "all workers were replaced" in server.logged(), 30, "all workers are new")
            self.assertNotEqual(self.place(sock)[0], before)
            self.assertEqual(self.options(sock), (1, 1, 77))
            self.assertEqual(talk(sock, b"CONFIG SET tcp-keepalive 88\r\n", 5), b"+OK\r\n")
            self.assertEqual(self.options(sock), (1, 1, 77))
        for _ in range(8):
            with server.connect() as sock:
                self.assertEqual(self.options(sock), (1, 1, 88))


def taken(pid: int, fd: int) -> int:
    """A descriptor of ours for what `fd` is in a process that we started (pidfd_getfd(2))."""
    pidfd = os.pidfd_open(pid)
    try:
        found = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, fd, 0)
        if found < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return int(found)
    finally:
        os.close(pidfd)
