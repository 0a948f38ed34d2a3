"""Handshakes over real sockets, with a clock that is played."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from typing import Any

from OpenSSL import SSL
from twisted.logger import globalLogPublisher

from redistill.base.throttle import SELDOM
from redistill.config.settings import Security
from redistill.net import transport
from redistill.net.limits import Refusal, TotalLimit
from redistill.net.tls.context import TlsContext, reason
from redistill.net.tls.handshake import HANDSHAKE_SECONDS, TlsFactory
from tests.support.certificates import Certificates, pem
from tests.support.served import ServedCase


class Admission:
    """Counts the open and the refused connections."""

    def __init__(self) -> None:
        self.admitted = self.refused = 0

    def enter(self, local: bool, limit: int, kept: int) -> bool:
        entered = limit == 0 or self.admitted < limit
        self.admitted += entered
        self.refused += not entered
        return entered

    def leave(self, local: bool) -> None:
        self.admitted -= 1


class HandshakeTests(ServedCase):
    """TlsFactory"""

    def setUp(self) -> None:
        super().setUp()
        certificates = Certificates(self)
        certificate, key = certificates.sign("server")
        security = Security(tls_enabled=True, tls_cert_path=certificate, tls_key_path=key)
        context = TlsContext(security, pem(security))
        self.admission = Admission()
        self.limit = TotalLimit(self.factory, 10, 0, self.admission)  # type: ignore[arg-type]
        self.said: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.said.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.said.append)
        self.secure = TlsFactory(self.reactor, self.limit, context, self.counters)
        self.trusting = ssl.create_default_context(cafile=certificates.authority)

    def expect_logged(self, problem: str) -> None:
        """The failure of the handshake was logged once, at a level that operators see, with this reason."""
        events = [one for one in self.said if one["log_namespace"] == "redistill.net.tls.handshake"]
        self.assertEqual([one["log_level"].name for one in events], ["warn"])
        self.assertIn(problem, events[0]["problem"])
        self.assertEqual((events[0]["log_throttle"], events[0]["log_kind"]), (SELDOM, events[0]["problem"]))

    def arrive(self) -> tuple[Any, socket.socket]:
        """A connection that is accepted, and the peer's end of it."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.addCleanup(theirs.close)
        protocol: Any = transport.adopt(self.reactor, self.loop, ours, self.secure.buildProtocol)
        return protocol, theirs

    def wrap(self, theirs: socket.socket, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """A peer that is about to shake hands."""
        peer = (context or self.trusting).wrap_socket(
            theirs, server_hostname="127.0.0.1", do_handshake_on_connect=False
        )
        self.addCleanup(peer.close)
        return peer

    def turn(self) -> None:
        """A turn of the reactor: readable descriptors, then the loop."""
        for reader in list(self.reactor.readers):
            why = reader.doRead()
            if why is not None:
                reader.connectionLost(transport.Failure(why))
        self.reactor.turn()

    def shake(self, peer: ssl.SSLSocket) -> None:
        """Shake hands, within some turns."""
        for _ in range(5):
            with contextlib.suppress(ssl.SSLWantReadError):
                peer.do_handshake()
                self.turn()
                return
            self.turn()
        raise AssertionError("no handshake")

    def ask(self, peer: ssl.SSLSocket, request: bytes) -> bytes:
        """The reply that comes at once."""
        peer.send(request)
        self.turn()
        return peer.recv(1 << 16)

    def test_served(self) -> None:
        """After the handshake the client is served by the loop, as any other; it knows its address."""
        _, theirs = self.arrive()
        self.assertEqual((self.clients, self.admission.admitted), ({}, 1))
        peer = self.wrap(theirs)
        self.shake(peer)
        self.assertEqual(self.ask(peer, b"PING\r\nCLIENT ID\r\n"), b"+PONG\r\n:1\r\n")
        self.assertEqual((len(self.loop.connections), self.reactor.readers, self.reactor.writers), (1, set(), set()))
        self.assertFalse(self.clients[1].movable)
        self.assertIsNone(self.clients[1].detach())
        self.assertEqual(self.reactor.getDelayedCalls(), [self.factory.idle._looks.call])

    def test_goodbye(self) -> None:
        """close_notify is sent after the last reply, so that the peer knows that nothing is missing."""
        _, theirs = self.arrive()
        peer = self.wrap(theirs)
        self.shake(peer)
        self.assertEqual(self.ask(peer, b"QUIT\r\n"), b"+OK\r\n")
        self.assertEqual(peer.recv(100), b"")  # without close_notify: SSLEOFError
        self.assertEqual((self.clients, self.admission.admitted), ({}, 0))

    def test_closed_by_the_server(self) -> None:
        """No output is written in the clear when a connection is closed in its middle."""
        _, theirs = self.arrive()
        peer = self.wrap(theirs)
        self.shake(peer)
        self.clients[1].session.push(b"secret")
        self.clients[1].kill()
        self.turn()
        rest = socket.socket(fileno=peer.detach())
        self.addCleanup(rest.close)
        self.assertNotIn(b"secret", rest.recv(1000))

    def test_plain_text(self) -> None:
        """A client that speaks no TLS is closed, counted, and its place is free again."""
        _, theirs = self.arrive()
        theirs.send(b"*1\r\n$4\r\nPING\r\n")
        self.turn()
        self.assertEqual((self.counters.tls_handshakes_failed, self.admission.admitted, self.clients), (1, 0, {}))
        with contextlib.suppress(ConnectionResetError):
            self.assertNotIn(b"PONG", theirs.recv(1000))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.expect_logged("the client does not speak TLS")

    def test_hanging_up(self) -> None:
        """A client that disconnects during the handshake is counted, and its place is free again."""
        _, theirs = self.arrive()
        peer = self.wrap(theirs)
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.do_handshake()
        self.turn()
        self.assertEqual((self.admission.admitted, self.counters.tls_handshakes_failed), (1, 0))
        peer.close()
        self.turn()
        self.assertEqual((self.admission.admitted, self.counters.tls_handshakes_failed), (0, 1))
        self.expect_logged("the client closed the connection")

    def test_silence(self) -> None:
        """A silent client loses its place after the time for a handshake."""
        protocol, _ = self.arrive()
        self.reactor.advance(HANDSHAKE_SECONDS - 0.1)
        self.assertEqual(self.admission.admitted, 1)
        self.reactor.advance(0.1)
        self.reactor.turn()
        self.assertEqual((self.admission.admitted, self.counters.tls_handshakes_failed), (0, 1))
        self.assertFalse(protocol.transport.connected)
        self.expect_logged("it was not done in 10 seconds")

    def test_refused(self) -> None:
        """A client over a limit is closed without a handshake."""
        self.limit.limit = self.admission.admitted = 1
        self.assertIsInstance(self.limit.buildProtocol(transport.UNIXAddress(None)), Refusal)
        protocol, theirs = self.arrive()
        self.assertIsNone(protocol)
        self.assertEqual((theirs.recv(10), self.admission.refused), (b"", 2))

    def test_old_versions(self) -> None:
        """TLS 1.1 is not spoken."""
        old = SSL.Context(SSL.TLS_CLIENT_METHOD)
        old.set_max_proto_version(SSL.TLS1_1_VERSION)
        old.set_cipher_list(b"ALL:@SECLEVEL=0")
        _, theirs = self.arrive()
        peer = SSL.Connection(old, theirs)
        peer.set_connect_state()
        with contextlib.suppress(SSL.WantReadError):
            peer.do_handshake()
        self.turn()
        error = self.assertRaises(SSL.Error, peer.do_handshake)
        self.assertIn("protocol version", reason(error))
        self.expect_logged("no version of TLS that the server accepts")

    def test_client_that_does_not_trust(self) -> None:
        """A client that refuses our certificate is counted."""
        _, theirs = self.arrive()
        peer = self.wrap(theirs, ssl.create_default_context())
        self.assertRaises(ssl.SSLCertVerificationError, self.shake, peer)
        self.turn()
        self.assertEqual((self.counters.tls_handshakes_failed, self.clients), (1, {}))
        self.expect_logged("the client does not trust the authority of the server's certificate")


class PlayedTickets:
    """Says of every client that another worker knows its session, or of none."""

    def __init__(self, passes_on: bool) -> None:
        self.passes_on = passes_on
        self.heard: list[bytes] = []
        self.sockets: list[socket.socket] = []

    def pass_on(self, sock: socket.socket, hello: bytes) -> bool:
        """See tickets.Tickets."""
        self.heard.append(hello)
        if self.passes_on:
            self.sockets.append(sock.dup())
        return self.passes_on


class PassOnTests(HandshakeTests):
    """TlsFactory of one of several workers: the tests of a single one, and clients that go to others"""

    def setUp(self) -> None:
        super().setUp()
        self.tickets = PlayedTickets(False)
        self.secure.tickets = self.tickets  # type: ignore[assignment]

    def hello(self) -> bytes:
        """A client's first message."""
        said = ssl.MemoryBIO()
        peer = self.trusting.wrap_bio(ssl.MemoryBIO(), said, server_hostname="127.0.0.1")
        self.assertRaises(ssl.SSLWantReadError, peer.do_handshake)
        return said.read()

    def test_passed_on(self) -> None:
        """A client of another worker is passed there, unread; here it leaves nothing behind, and counts as no failure."""
        self.tickets.passes_on = True
        _, theirs = self.arrive()
        hello = self.hello()
        theirs.send(hello)
        self.turn()
        (sock,) = self.tickets.sockets
        self.addCleanup(sock.close)
        self.assertEqual((self.tickets.heard, sock.recv(1 << 16)), ([hello], hello))
        self.assertEqual((self.admission.admitted, self.counters.tls_handshakes_failed), (0, 0))
        self.assertEqual((self.reactor.readers, self.reactor.getDelayedCalls()), (set(), []))
        sock.send(b"still open")
        self.assertEqual(theirs.recv(100), b"still open")

    def test_comes_from_another(self) -> None:
        """A client from another worker stays here, whatever its ticket; it is counted, and not refused."""
        self.tickets.passes_on = True
        self.arrive()
        self.limit.limit = 1
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.addCleanup(theirs.close)
        transport.adopt(self.reactor, self.loop, ours, self.secure.readmit)
        peer = self.wrap(theirs)
        self.shake(peer)
        self.assertEqual(self.ask(peer, b"PING\r\n"), b"+PONG\r\n")
        self.assertEqual((self.tickets.heard, self.admission.admitted), ([], 2))

    def test_split(self) -> None:
        """The first message may come in pieces; the worker is not woken before it is complete."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        self.addCleanup(theirs.close)
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.adopt(self.reactor, self.loop, ours, self.secure.buildProtocol)
        hello, looks = self.hello(), 0
        for byte in hello:
            theirs.send(bytes([byte]))
            if select.select([ours], [], [], 0)[0]:
                looks += 1
                self.turn()
        select.select([ours], [], [], 20)
        self.turn()
        self.assertEqual(self.tickets.heard, [hello])
        self.assertLess(looks, 10)
        self.assertEqual(ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT), 1)

    def test_cut_off(self) -> None:
        """An incomplete message is looked at when the client sends no more; then the handshake fails."""
        _, theirs = self.arrive()
        theirs.send(self.hello()[:100])
        self.turn()
        self.assertEqual(self.tickets.heard, [])
        theirs.shutdown(socket.SHUT_WR)
        for _ in range(3):
            self.turn()
        self.assertEqual(len(self.tickets.heard[0]), 100)
        self.assertEqual((self.admission.admitted, self.counters.tls_handshakes_failed), (0, 1))
