"""TLS: contexts, and handshakes over real sockets with a clock that is played."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import select
import socket
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import NameOID, ObjectIdentifier
from cryptography.x509.name import _ASN1Type
from OpenSSL import SSL, crypto
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.files import Pem
from redistill.config.settings import Security
from redistill.net import tls, transport
from redistill.net.interfaces import Certificate
from redistill.net.limits import Refusal, TotalLimit
from tests.net.test_net import Case
from tests.support.certificates import LATER, THEN, Certificates, rsa_key


def pem(security: Security) -> Pem:
    """What the files hold that these settings name."""
    return Config(security=security).with_pem().pem


def subject_of(parts: list[tuple[ObjectIdentifier, str]], kind: _ASN1Type | None = None) -> crypto.X509:
    """A certificate with such a subject, its texts of this kind."""
    name = x509.Name([x509.NameAttribute(oid, text, kind) for oid, text in parts])
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), THEN, LATER)
    return crypto.X509.from_cryptography(builder.sign(key, hashes.SHA256()))


class ContextTests(SynchronousTestCase):
    """make_context, Context"""

    def setUp(self) -> None:
        self.certificates = Certificates(self)
        self.certificate, self.key = self.certificates.sign("server")
        self.security = Security(tls_enabled=True, tls_cert_path=self.certificate, tls_key_path=self.key)

    def problem(self, **changes: Any) -> str:
        """Why a context cannot be made."""
        security = dataclasses.replace(self.security, **changes)
        error = self.assertRaises(ConfigError, lambda: tls.make_context(security, pem(security)))
        return str(error)

    def test_keys(self) -> None:
        """RSA and EC keys, in the form of PKCS#1 (SEC1) and of PKCS#8."""
        for key in (None, rsa_key()):
            for form in (serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8):
                certificate, path = self.certificates.sign("one", key=key, form=form)
                security = Security(tls_enabled=True, tls_cert_path=certificate, tls_key_path=path)
                context = tls.make_context(security, pem(security))
                context.check_privatekey()

    def test_described(self) -> None:
        """The names in a subject; the user's is the common name if there is one, and if it is a word."""
        name, organisation, email = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.EMAIL_ADDRESS
        for parts, subject, user in (
            ([(name, "app"), (organisation, "Example Ltd")], "CN=app,O=Example Ltd", "app"),
            ([(name, "\xe9"), (email, "a@example.com")], "CN=\xe9,emailAddress=a@example.com", "\xe9"),
            ([(organisation, "Example")], "O=Example", ""),
            ([(name, "a"), (name, "b")], "CN=a,CN=b", ""),
            ([(name, "my app")], "CN=my app", ""),
            ([(name, "my\xa0app")], "CN=my\xa0app", ""),
            ([(name, "a\0b")], "CN=a\0b", ""),
            ([(name, "a\nb")], "CN=a\nb", ""),
            ([], "", ""),
        ):
            self.assertEqual(tls.described(subject_of(parts)), Certificate(subject, user))

    def test_described_by_kind(self) -> None:
        """A name is text of the kind that the certificate says: bytes of one kind are no other name in another."""
        for text, kind, user in (
            ("app", _ASN1Type.BMPString, "app"),
            ("\u6170\u7070", _ASN1Type.BMPString, "\u6170\u7070"),
            ("app", _ASN1Type.UniversalString, "app"),
        ):
            self.assertEqual(tls.described(subject_of([(NameOID.COMMON_NAME, text)], kind)).user, user)

    def test_described_badly(self) -> None:
        """A name that cannot be read is nobody's, not even of one whose name is the sign that stands for such."""
        made = subject_of([(NameOID.COMMON_NAME, "a\xe9b")], _ASN1Type.T61String)
        good = made.to_cryptography().public_bytes(serialization.Encoding.DER)
        bad = crypto.load_certificate(crypto.FILETYPE_ASN1, good.replace(b"a\xc3\xa9b", b"a\xff\xfeb"))
        self.assertEqual(tls.described(bad).user, "")

    def test_missing_file(self) -> None:
        """The setting and the path are named."""
        self.assertEqual(
            self.problem(tls_cert_path="/nowhere/c.pem"),
            "security.tls_cert_path: cannot read /nowhere/c.pem: No such file or directory",
        )

    def test_what_is_no_certificate(self) -> None:
        """As is what OpenSSL says."""
        words = self.problem(tls_cert_path=self.key)
        self.assertTrue(
            words.startswith(f"security.tls_cert_path: {self.key} is no certificate chain in PEM (no start line"), words
        )

    def test_key_of_another_certificate(self) -> None:
        """Certificate and key are checked as a pair."""
        _, other = self.certificates.sign("other")
        words = f"{other} is no unencrypted private key in PEM, or not that of {self.certificate} (key values mismatch)"
        self.assertEqual(self.problem(tls_key_path=other), f"security.tls_key_path: {words}")

    def test_encrypted_key(self) -> None:
        """Nobody is there to type its password."""
        certificate, key = self.certificates.sign("one", encryption=serialization.BestAvailableEncryption(b"secret"))
        words = self.problem(tls_cert_path=certificate, tls_key_path=key)
        self.assertIn(f"security.tls_key_path: {key} is no unencrypted private key", words)

    def test_authority(self) -> None:
        """What is to sign clients' certificates must be certificates."""
        self.assertIn(
            f"security.tls_ca_path: {self.key} holds no certificates in PEM",
            self.problem(tls_client_auth="required", tls_ca_path=self.key),
        )

    def test_a_bad_pair_changes_nothing(self) -> None:
        """The old one goes on being used."""
        context = tls.Context(self.security, pem(self.security))
        before = context._context
        Path(self.key).write_text("rubbish")
        self.assertRaises(ConfigError, context.use, self.security, pem(self.security))
        self.assertIs(context._context, before)

    def test_end_of_the_certificate(self) -> None:
        """Its last second, in UTC; that of the new one once it is read."""
        context = tls.Context(self.security, pem(self.security))
        self.assertEqual(context.expires, datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC).timestamp())
        self.certificates.sign("server", until=datetime.datetime(2030, 5, 6, 7, 8, 9))
        context.use(self.security, pem(self.security))
        self.assertEqual(context.expires, datetime.datetime(2030, 5, 6, 7, 8, 9, tzinfo=datetime.UTC).timestamp())

    def test_who_speaks_it(self) -> None:
        """With tls_enabled every port; else the one of tls_port; never a UNIX socket."""
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            for security, spoken in (
                (Security(), False),
                (Security(tls_enabled=True), True),
                (Security(tls_port=port), True),
                (Security(tls_port=port ^ 1), False),
            ):
                self.assertEqual(tls.spoken(tcp, security), spoken)
                self.assertFalse(tls.spoken(unix, security))


class WatchTests(SynchronousTestCase):
    """CertificateWatch"""

    def setUp(self) -> None:
        self.certificates = Certificates(self)
        certificate, key = self.certificates.sign("server")
        self.security = Security(tls_cert_path=certificate, tls_key_path=key)
        self.clock = Clock()
        self.renewals = 0
        self.busy = False
        self.problem: ConfigError | None = None
        self.watch = tls.CertificateWatch(self.clock, lambda: self.security, self.changed)
        self.watch.startService()

    def changed(self) -> bool:
        self.renewals += 1
        if self.problem:
            raise self.problem
        return not self.busy

    def look(self, times: int = 1) -> int:
        """Time passes; how often the change was told by then."""
        for _ in range(times):
            self.clock.advance(tls.LOOK_SECONDS)
        return self.renewals

    def test_nothing_new(self) -> None:
        """Files that stay as they are, and their mere reading, are no change."""
        Path(self.security.tls_key_path).read_text()
        self.assertEqual(self.look(3), 0)

    def test_change(self) -> None:
        """A change is told once, when the files have rested between two looks."""
        self.certificates.sign("server")
        self.assertEqual(self.look(), 0)
        self.assertEqual(self.look(), 1)
        self.assertEqual(self.look(3), 1)

    def test_certificate_before_its_key(self) -> None:
        """While one after the other is written nothing is told."""
        written = Path(self.security.tls_cert_path)
        written.write_text(written.read_text() + "\n")
        self.assertEqual(self.look(), 0)
        written = Path(self.security.tls_key_path)
        written.write_text(written.read_text() + "\n")
        self.assertEqual(self.look(), 0)
        self.assertEqual(self.look(), 1)

    def test_what_a_reload_need_not_read(self) -> None:
        """Files as they were when they were read last, at the same paths; none that has changed, or is not there."""
        self.assertTrue(self.watch.knows(self.security))
        other, key = self.certificates.sign("other")
        self.assertFalse(self.watch.knows(Security(tls_cert_path=other, tls_key_path=key)))
        written = Path(self.security.tls_key_path)
        written.write_text(written.read_text() + "\n")
        self.assertFalse(self.watch.knows(self.security))
        self.watch.noted(self.watch.state())
        self.assertTrue(self.watch.knows(self.security))
        written.unlink()
        self.assertFalse(self.watch.knows(self.security))
        self.watch.noted(self.watch.state())
        self.assertFalse(self.watch.knows(self.security))

    def test_out_of_reach(self) -> None:
        """Files that the daemon's user may not look at are those that were read before it became that user."""

        def stat(path: str) -> NoReturn:
            raise PermissionError

        self.patch(tls, "os", SimpleNamespace(stat=stat))
        self.watch.noted(self.watch.state())
        self.assertTrue(self.watch.knows(self.security))
        self.assertFalse(self.watch.knows(Security(tls_cert_path="/another", tls_key_path="/key")))

    def test_read_by_a_reload(self) -> None:
        """What a reload has read is nothing new."""
        self.certificates.sign("server")
        self.watch.noted(self.watch.state())
        self.assertEqual(self.look(3), 0)

    def test_link(self) -> None:
        """A link that is turned to another file is a change."""
        link = self.certificates.directory / "link.pem"
        link.symlink_to(self.security.tls_cert_path)
        self.security = dataclasses.replace(self.security, tls_cert_path=str(link))
        self.assertEqual(self.look(2), 0)
        other, _ = self.certificates.sign("other")
        link.unlink()
        link.symlink_to(other)
        self.assertEqual(self.look(2), 1)

    def test_what_cannot_be_used(self) -> None:
        """It is logged, and the next change is told again; so it is without one, after a while."""
        self.problem = ConfigError("no pair")
        said: list[str] = []
        observer = lambda event: said.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        Path(self.security.tls_key_path).unlink()
        self.assertEqual(self.look(4), 1)
        self.assertEqual(said, ["the certificate was not renewed, the old one stays in use: no pair"])
        self.certificates.sign("server")
        self.assertEqual(self.look(4), 2)
        self.assertEqual(self.look(tls.AGAIN), 3)

    def test_not_now(self) -> None:
        """Who cannot look at the files now is told again soon."""
        self.certificates.sign("server")
        self.busy = True
        self.assertEqual(self.look(4), 3)
        self.busy = False
        self.assertEqual(self.look(4), 4)

    def test_permissions(self) -> None:
        """A file that others may read now is a change."""
        Path(self.security.tls_key_path).chmod(0o640)
        self.assertEqual(self.look(2), 1)

    def test_stop(self) -> None:
        """After the end nobody looks."""
        self.watch.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Admission:
    """Counts who is there."""

    def __init__(self) -> None:
        self.inside = 0

    def enter(self, local: bool, limit: int, kept: int) -> bool:
        entered = limit == 0 or self.inside < limit
        self.inside += entered
        return entered

    def leave(self, local: bool) -> None:
        self.inside -= 1


class HandshakeTests(Case):
    """TlsFactory"""

    def setUp(self) -> None:
        super().setUp()
        certificates = Certificates(self)
        certificate, key = certificates.sign("server")
        security = Security(tls_enabled=True, tls_cert_path=certificate, tls_key_path=key)
        context = tls.Context(security, pem(security))
        self.admission = Admission()
        self.limit = TotalLimit(self.factory, 10, 0, self.counters, self.admission)  # type: ignore[arg-type]
        self.secure = tls.TlsFactory(self.reactor, self.limit, context, self.counters)
        self.trusting = ssl.create_default_context(cafile=certificates.authority)

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
        """Of the reactor: what can be read, then the loop."""
        for reader in list(self.reactor.readers):
            why = reader.doRead()
            if why is not None:
                reader.connectionLost(transport.Failure(why))
        self.reactor.turn()

    def shake(self, peer: ssl.SSLSocket) -> None:
        """Both hands, within some turns."""
        for _ in range(5):
            with contextlib.suppress(ssl.SSLWantReadError):
                peer.do_handshake()
                self.turn()
                return
            self.turn()
        raise AssertionError("no handshake")

    def ask(self, peer: ssl.SSLSocket, request: bytes) -> bytes:
        """What is answered at once."""
        peer.send(request)
        self.turn()
        return peer.recv(1 << 16)

    def test_served(self) -> None:
        """After the handshake the client is served by the loop, as any other; it knows its address."""
        _, theirs = self.arrive()
        self.assertEqual((self.clients, self.admission.inside), ({}, 1))
        peer = self.wrap(theirs)
        self.shake(peer)
        self.assertEqual(self.ask(peer, b"PING\r\nCLIENT ID\r\n"), b"+PONG\r\n:1\r\n")
        self.assertEqual((len(self.loop.connections), self.reactor.readers, self.reactor.writers), (1, set(), set()))
        self.assertFalse(self.clients[1].movable)
        self.assertIsNone(self.clients[1].detach())
        self.assertEqual(self.reactor.getDelayedCalls(), [self.factory.idle._looks.call])

    def test_goodbye(self) -> None:
        """The end is said in TLS, after the last reply, so that the peer knows that nothing is missing."""
        _, theirs = self.arrive()
        peer = self.wrap(theirs)
        self.shake(peer)
        self.assertEqual(self.ask(peer, b"QUIT\r\n"), b"+OK\r\n")
        self.assertEqual(peer.recv(100), b"")  # without close_notify: SSLEOFError
        self.assertEqual((self.clients, self.admission.inside), ({}, 0))

    def test_closed_by_the_server(self) -> None:
        """Nothing is written in the clear when a connection is closed in the middle of its output."""
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
        self.assertEqual((self.counters.tls_handshakes_failed, self.admission.inside, self.clients), (1, 0, {}))
        with contextlib.suppress(ConnectionResetError):
            self.assertNotIn(b"PONG", theirs.recv(1000))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_hanging_up(self) -> None:
        """So is one that goes in the middle."""
        _, theirs = self.arrive()
        peer = self.wrap(theirs)
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.do_handshake()
        self.turn()
        self.assertEqual((self.admission.inside, self.counters.tls_handshakes_failed), (1, 0))
        peer.close()
        self.turn()
        self.assertEqual((self.admission.inside, self.counters.tls_handshakes_failed), (0, 1))

    def test_silence(self) -> None:
        """Who says nothing does not keep its place."""
        protocol, _ = self.arrive()
        self.reactor.advance(tls.HANDSHAKE_SECONDS - 0.1)
        self.assertEqual(self.admission.inside, 1)
        self.reactor.advance(0.1)
        self.reactor.turn()
        self.assertEqual((self.admission.inside, self.counters.tls_handshakes_failed), (0, 1))
        self.assertFalse(protocol.transport.connected)

    def test_refused(self) -> None:
        """Who is over a limit is closed without a handshake."""
        self.limit.limit = self.admission.inside = 1
        self.assertIsInstance(self.limit.buildProtocol(transport.UNIXAddress(None)), Refusal)
        protocol, theirs = self.arrive()
        self.assertIsNone(protocol)
        self.assertEqual((theirs.recv(10), self.counters.rejected_connections), (b"", 2))

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
        self.assertIn("protocol version", tls.reason(error))

    def test_client_that_does_not_trust(self) -> None:
        """A client that refuses our certificate is counted."""
        _, theirs = self.arrive()
        peer = self.wrap(theirs, ssl.create_default_context())
        self.assertRaises(ssl.SSLCertVerificationError, self.shake, peer)
        self.turn()
        self.assertEqual((self.counters.tls_handshakes_failed, self.clients), (1, {}))


class PlayedTickets:
    """Knows of every client that it is at home elsewhere, or of none."""

    def __init__(self, elsewhere: bool) -> None:
        self.elsewhere = elsewhere
        self.heard: list[bytes] = []
        self.sockets: list[socket.socket] = []

    def bring_home(self, sock: socket.socket, hello: bytes) -> bool:
        """See tickets.Tickets."""
        self.heard.append(hello)
        if self.elsewhere:
            self.sockets.append(sock.dup())
        return self.elsewhere


class HomeTests(HandshakeTests):
    """TlsFactory of one of several workers: all that holds without the others, and who goes to them"""

    def setUp(self) -> None:
        super().setUp()
        self.tickets = PlayedTickets(False)
        self.secure.tickets = self.tickets  # type: ignore[assignment]

    def hello(self) -> bytes:
        """What a client says first."""
        said = ssl.MemoryBIO()
        peer = self.trusting.wrap_bio(ssl.MemoryBIO(), said, server_hostname="127.0.0.1")
        self.assertRaises(ssl.SSLWantReadError, peer.do_handshake)
        return said.read()

    def test_brought_home(self) -> None:
        """A client of another worker is that one's, unread; here nothing is left of it, and nothing has failed."""
        self.tickets.elsewhere = True
        _, theirs = self.arrive()
        hello = self.hello()
        theirs.send(hello)
        self.turn()
        (sock,) = self.tickets.sockets
        self.addCleanup(sock.close)
        self.assertEqual((self.tickets.heard, sock.recv(1 << 16)), ([hello], hello))
        self.assertEqual((self.admission.inside, self.counters.tls_handshakes_failed), (0, 0))
        self.assertEqual((self.reactor.readers, self.reactor.getDelayedCalls()), (set(), []))
        sock.send(b"still open")
        self.assertEqual(theirs.recv(100), b"still open")

    def test_comes_from_another(self) -> None:
        """Who was brought here stays, whatever is known of it; it is counted, and not refused."""
        self.tickets.elsewhere = True
        self.arrive()
        self.limit.limit = 1
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.addCleanup(theirs.close)
        transport.adopt(self.reactor, self.loop, ours, self.secure.readmit)
        peer = self.wrap(theirs)
        self.shake(peer)
        self.assertEqual(self.ask(peer, b"PING\r\n"), b"+PONG\r\n")
        self.assertEqual((self.tickets.heard, self.admission.inside), ([], 2))

    def test_split(self) -> None:
        """The first message may come in pieces; nobody is woken before it is there."""
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
        """What is there is looked at when there will be no more; then the handshake fails."""
        _, theirs = self.arrive()
        theirs.send(self.hello()[:100])
        self.turn()
        self.assertEqual(self.tickets.heard, [])
        theirs.shutdown(socket.SHUT_WR)
        for _ in range(3):
            self.turn()
        self.assertEqual(len(self.tickets.heard[0]), 100)
        self.assertEqual((self.admission.inside, self.counters.tls_handshakes_failed), (0, 1))
