"""Places that are kept for clients of the same machine, against clients that come from another address.

The test runs in a network namespace of its own, where the loopback device has an address besides 127.0.0.1: who comes
from there is not local, as far as the server can tell.
"""

from __future__ import annotations

import contextlib
import fcntl
import signal
import socket
import struct
import subprocess
import sys
from typing import BinaryIO

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.integration import servers
from tests.integration.test_start import PING, talk

ELSEWHERE = "192.0.2.7"  # RFC 5737
SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8914, 0x8916, 1  # netdevice(7)
REFUSED = b"-ERR max number of clients reached\r\n"


def add_addresses() -> None:
    """127.0.0.1 and ELSEWHERE, in a network namespace that is new."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        address = struct.pack("H2x4s8x", socket.AF_INET, socket.inet_aton(ELSEWHERE))
        fcntl.ioctl(any_socket, SIOCSIFADDR, struct.pack("16s16s", b"lo:1", address))


class Clients:
    """A server with six places, two of them reserved."""

    def __init__(self, workers: int) -> None:
        self.server = servers.redistill(
            f'[server]\nworkers = {workers}\nbind = "0.0.0.0"\nmax_connections = 6\nreserved_connections = 2\n'
            '[security]\npassword = "a password of 24 letters"\n'
        )
        self.inside: list[socket.socket] = []

    def come(self, host: str) -> bytes:
        """The reply to a client from `host`; b"in" for one that is admitted, and stays."""
        sock = socket.create_connection((host, self.server.port), 20, (host, 0))
        sock.sendall(PING)
        with sock.makefile("rb") as replies:
            line = replies.readline()
        if line == REFUSED:
            sock.close()
            return line
        assert line.startswith(b"-NOAUTH"), line
        self.inside.append(sock)
        return b"in"


def main(workers: int) -> None:
    """Let clients of both kinds come; an AssertionError says what went wrong."""
    add_addresses()
    clients = Clients(workers)
    try:
        told = [clients.come(ELSEWHERE) for _ in range(6)]
        assert told == [b"in"] * 4 + [REFUSED] * 2, told
        told = [clients.come("127.0.0.1") for _ in range(3)]
        assert told == [b"in"] * 2 + [REFUSED], told
        clients.inside.pop(0).close()  # one from elsewhere
        servers.until(lambda: clients.come(ELSEWHERE) == b"in", 20, "a place is free")
        assert clients.come(ELSEWHERE) == clients.come("127.0.0.1") == REFUSED
        (local, *_) = (sock for sock in clients.inside if sock.getpeername()[0] == "127.0.0.1")
        assert talk(local, b"AUTH 'a password of 24 letters'\r\n", 5) == b"+OK\r\n"
        servers.until(lambda: " is refused: server.max_connections = 6" in clients.server.logged(), 20, "it is logged")
    finally:
        for sock in clients.inside:
            sock.close()
        clients.server.stop(signal.SIGTERM)


def flood(workers: int) -> None:
    """An operator connects over loopback while others use up the rate of new connections."""
    add_addresses()
    server = servers.redistill(
        f'[server]\nworkers = {workers}\nbind = "0.0.0.0"\nconnection_rate_limit = 5\nreserved_connections = 2\n'
        '[security]\npassword = "a password of 24 letters"\n'
    )
    try:

        def come(host: str) -> bool:
            with socket.create_connection((host, server.port), 20, (host, 0)) as sock, sock.makefile("rb") as replies:
                return talkable(sock, replies)

        for _ in range(2):
            told = [come(ELSEWHERE) for _ in range(20)]
            assert False in told, told
            assert come("127.0.0.1"), server.logged()
        servers.until(lambda: " is refused: server.connection_rate_limit = 5" in server.logged(), 20, "it is logged")
        servers.until(lambda: " from 1 address like: 192.0.2.7 is refused: " in server.logged(), 20, "it is summed up")
        assert "127.0.0.1 is refused" not in server.logged()
    finally:
        server.stop(signal.SIGTERM)


def talkable(sock: socket.socket, replies: BinaryIO) -> bool:
    """Whether the client was let in."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(PING)
        return replies.readline().startswith(b"-NOAUTH")
    return False


class ReservedTests(SynchronousTestCase):
    """server.reserved_connections"""

    def check(self, workers: int, what: str = "main") -> None:
        apart = ["unshare", "--map-root-user", "--net"]
        allowed = subprocess.run([*apart, "true"], capture_output=True, text=True, timeout=60)
        if "not permitted" in allowed.stderr:  # in some containers
            raise SkipTest(allowed.stderr.strip())
        command = [*apart, sys.executable, "-m", __name__, str(workers), what]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=servers.environment())
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stderr)

    def test_one_process(self) -> None:
        """Clients from elsewhere take all places but those; clients of this machine take them as well."""
        self.check(1)

    def test_workers(self) -> None:
        """So it is over several workers together."""
        self.check(3)

    def test_rate(self) -> None:
        """A client of this machine connects, however many others come a second; the log counts refused addresses."""
        self.check(1, "flood")
        self.check(2, "flood")


if __name__ == "__main__":
    (main if sys.argv[2] == "main" else flood)(int(sys.argv[1]))
