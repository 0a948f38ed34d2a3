"""Limits and addresses as clients meet them, of servers with one worker and with two."""

from __future__ import annotations

import signal
import socket
import ssl

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Certificates
from tests.integration import servers
from tests.integration.test_start import PING, PONG, talk


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
        for place in (f"127.0.0.1:{server.port}", f"[::1]:{server.port}", f"[::1]:{tls_port}"):
            self.assertEqual(said.count(f"listening on {place}\n"), 1, said)
        self.assertIn("not listening on 198.51.100.1: ", said)

    def test_one_process(self) -> None:
        """A server that serves by itself listens on all of its addresses."""
        self.check(1)

    def test_workers(self) -> None:
        """So does each of several workers."""
        self.check(2)
