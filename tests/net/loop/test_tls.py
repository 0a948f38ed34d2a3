"""Sockets that speak TLS in the loop, after the handshake."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from typing import Any

from OpenSSL import SSL

from redistill.engine import Status
from tests.support import arena
from tests.support.certificates import Certificates
from tests.support.served import ServedCase


class TLSTests(ServedCase):
    """Sockets that speak TLS, after the handshake"""

    def setUp(self) -> None:
        super().setUp()
        certificate, key = Certificates(self).sign("server")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_file(certificate)
        context.use_privatekey_file(key)
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.peer = trusting.wrap_socket(theirs, do_handshake_on_connect=False)
        self.addCleanup(self.peer.close)
        self.tls = SSL.Connection(context, ours)
        self.tls.set_accept_state()
        self.shake()
        session = arena.session(self.store)
        self.sock = ours
        self.heard_of: list[str] = []
        self.connection = self.loop.add(session, self, self, self.tls)  # type: ignore[arg-type]
        self.addCleanup(session.close)
        self.session = session

    def shake(self) -> None:
        """Perform the handshake of both ends."""
        done: set[int] = set()
        while len(done) < 2:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.peer.do_handshake()
                done.add(1)
            with contextlib.suppress(SSL.WantReadError):
                self.tls.do_handshake()
                done.add(2)

    # The test is the transport and the client of the connection.

    def fileno(self) -> int:
        return self.sock.fileno()

    def stopped(self, status: Status) -> None:
        self.heard_of.append(status.name)
        if status is Status.CONTROL:
            self.session.answer(b":1\r\n")
            self.connection.resume()

    def readEnded(self) -> None:
        self.heard_of.append("END")

    def loopLost(self, reason: Any) -> None:
        self.heard_of.append("LOST")

    def ask(self, data: bytes, expected: int) -> bytes:
        """The first `expected` bytes of the replies to `data`."""
        got = b""
        for _ in range(3000):
            with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
                if data:
                    data = data[self.peer.send(data) :]
            self.loop.turn(0)
            with contextlib.suppress(ssl.SSLWantReadError):
                got += self.peer.recv(1 << 20)
            if len(got) >= expected:
                break
        return got

    def test_commands(self) -> None:
        """Pipelines are answered, those of the control plane too."""
        expected = b"+OK\r\n:1\r\n$1\r\nv\r\n"
        self.assertEqual(self.ask(b"SET k v\r\nCLIENT ID\r\nGET k\r\n", len(expected)), expected)

    def test_records_longer_than_the_buffer(self) -> None:
        """Bytes that OpenSSL has deciphered already are read, though the socket is not readable."""
        self.loop.set_buffer_size(100)
        expected = b"+PONG\r\n" * 1000
        self.assertEqual(self.ask(b"PING\r\n" * 1000, len(expected)), expected)

    def test_large_values(self) -> None:
        """Values of megabytes go both ways."""
        size = 3_000_000
        request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\nGET k\r\n" % (size, b"v" * size)
        expected = b"+OK\r\n$%d\r\n%s\r\n" % (size, b"v" * size)
        self.assertTrue(self.ask(request, len(expected)) == expected)

    def test_end(self) -> None:
        """The peer's close_notify is its end."""
        self.ask(b"PING\r\n", 7)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.peer.unwrap()
        self.loop.turn(0)
        self.assertEqual(self.heard_of, ["END"])

    def test_garbage(self) -> None:
        """Bytes that are no TLS end the connection, and only that."""
        socket.socket(fileno=os.dup(self.peer.fileno())).send(b"PING\r\n" * 10)
        self.loop.turn(0)
        self.loop.turn(0)
        self.assertEqual(self.heard_of, ["LOST"])
