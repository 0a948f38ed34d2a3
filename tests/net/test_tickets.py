"""Sessions of TLS over several workers."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

from hypothesis import given
from hypothesis import strategies as some
from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.settings import Security
from redistill.net import tls
from redistill.net.tickets import Tickets, converse, hello_size, key_name, key_name_of
from tests.net.test_tls import pem
from tests.support.certificates import Certificates

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


class HelloTests(SynchronousTestCase):
    """key_name and key_name_of, on what OpenSSL says"""

    def setUp(self) -> None:
        certificate, key = Certificates(self).sign("server")
        self.security = Security(tls_enabled=True, tls_cert_path=certificate, tls_key_path=key)
        self.server = tls.make_context(self.security, pem(self.security))
        self.clients = {version: SSL.Context(SSL.TLS_CLIENT_METHOD) for version in VERSIONS}
        for version, context in self.clients.items():
            context.set_max_proto_version(VERSIONS[version])

    def hello(self, version: str, session: Any = None) -> tuple[bytes, SSL.Connection]:
        """A client's first message, and the client."""
        client = SSL.Connection(self.clients[version], None)
        if session is not None:
            client.set_session(session)
        client.set_tlsext_host_name(b"localhost")
        client.set_connect_state()
        self.assertRaises(SSL.WantReadError, client.do_handshake)
        return client.bio_read(1 << 16), client

    def session(self, version: str) -> Any:
        """One that was begun with the server."""
        hello, client = self.hello(version)
        server = SSL.Connection(self.server, None)
        server.set_accept_state()
        server.bio_write(hello)
        converse(client, server)
        return client.get_session()

    def test_first_visit(self) -> None:
        """Who has no ticket shows none."""
        for version in VERSIONS:
            self.assertEqual(key_name(self.hello(version)[0]), b"", version)

    def test_return(self) -> None:
        """Who comes back shows the name of the server's key, in both versions."""
        name = key_name_of(self.server)
        self.assertEqual(len(name), 16)
        for version in VERSIONS:
            hello, _ = self.hello(version, self.session(version))
            self.assertEqual(key_name(hello), name, version)

    def test_every_context_has_its_own(self) -> None:
        """And keeps it."""
        self.assertEqual(key_name_of(self.server), key_name_of(self.server))
        self.assertNotEqual(key_name_of(self.server), key_name_of(tls.make_context(self.security, pem(self.security))))

    def test_whatever_is_asked_for(self) -> None:
        """The name is found with every setting that changes what clients must show or speak."""
        authority = Certificates(self).authority
        for changes in (
            {"tls_client_auth": "required", "tls_ca_path": authority},
            {"tls_client_auth": "optional", "tls_ca_path": authority},
            {"tls_min_version": "1.3"},
        ):
            security = dataclasses.replace(self.security, **changes)  # type: ignore[arg-type]
            context = tls.make_context(security, pem(security))
            self.assertEqual(len(key_name_of(context)), 16, changes)

    def test_sizes(self) -> None:
        """The size of a record is known from its head; what is no handshake is not waited for."""
        hello, _ = self.hello("1.3")
        self.assertEqual([hello_size(hello[:n]) for n in (0, 1, 4, 5, 100)], [5, 5, 5, len(hello), len(hello)])
        self.assertEqual(hello_size(b"*1\r\n$4\r\nPING"), 0)
        self.assertEqual(hello_size(b"\x16\x03\x01\xff\xff"), 5 + 0xFFFF)

    def test_cut_off(self) -> None:
        """A message that is not whole shows nothing."""
        for version in VERSIONS:
            hello, _ = self.hello(version, self.session(version))
            for end in range(len(hello)):
                self.assertEqual(key_name(hello[:end]), b"", (version, end))

    def test_altered(self) -> None:
        """Nor is any other byte that is wrong an error."""
        hello, _ = self.hello("1.3", self.session("1.3"))
        for at in range(len(hello)):
            for value in (0, 1, 0x7F, 0xFF):
                key_name(hello[:at] + bytes([value]) + hello[at + 1 :])

    @given(some.binary(max_size=300))
    def test_anything(self, data: bytes) -> None:
        """Of no bytes at all is it an error to ask."""
        self.assertIn(len(key_name(data)), (0, 16))
        self.assertIn(len(key_name(b"\x16\x03\x01" + len(data).to_bytes(2, "big") + data)), (0, 16))
        hello_size(data)


class PlayedContext:
    """A context that makes tickets with a key of this name."""

    def __init__(self, name: bytes) -> None:
        self.name = name

    def key_name(self) -> bytes:
        return self.name


class PlayedRelay:
    """Notes what is sent."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.room = True

    def send(self, number: int, sock: socket.socket) -> bool:
        self.sent.append(number)
        return self.room


class TicketsTests(SynchronousTestCase):
    """Tickets"""

    def setUp(self) -> None:
        self.posts = [PlayedRelay() for _ in range(3)]
        self.contexts = [PlayedContext(bytes([65 + number]) * 16) for number in range(3)]
        self.living = {0, 1, 2}
        self.workers: list[Tickets] = []
        for number in range(3):
            self.begin(number)

    def begin(self, number: int) -> None:
        """A worker begins to serve, instead of the one that was there."""

        def ask(question: str, argument: Any) -> Deferred[list[Any]]:
            self.assertEqual(question, "tickets")
            others = [worker for place, worker in enumerate(self.workers) if place != number]
            return succeed([worker.note(argument) for worker in others])

        worker = Tickets(
            number,
            self.contexts[number],
            self.posts[number],  # type: ignore[arg-type]
            self.living.__contains__,
            ask,
        )
        self.workers[number : number + 1] = [worker]
        worker.announce()

    def goes(self, number: int, name: bytes) -> bool:
        """Whether a client with a ticket of that key is passed on by worker `number`."""
        ticket = name + bytes(100)
        extension = (35).to_bytes(2, "big") + len(ticket).to_bytes(2, "big") + ticket
        message = bytes(34) + b"\0" + b"\0\0" + b"\0" + len(extension).to_bytes(2, "big") + extension
        record = b"\x01" + len(message).to_bytes(3, "big") + message
        sock = socket.socket()
        self.addCleanup(sock.close)
        return self.workers[number].bring_home(sock, b"\x16\x03\x01" + len(record).to_bytes(2, "big") + record)

    def test_everybody_knows_everybody(self) -> None:
        """Whoever came first: a ticket leads home from everywhere, and nobody leaves home."""
        for number in range(3):
            for home, context in enumerate(self.contexts):
                self.posts[number].sent.clear()
                self.assertEqual(self.goes(number, context.name), home != number)
                self.assertEqual(self.posts[number].sent, [home] if home != number else [])

    def test_strangers(self) -> None:
        """A ticket of nobody's, and none, stay where they are."""
        self.assertFalse(self.goes(0, b"X" * 16))
        self.assertFalse(self.workers[0].bring_home(socket.socket(), b"PING\r\n"))
        self.assertEqual(self.posts[0].sent, [])

    def test_nobody_home(self) -> None:
        """Nor does one go to a worker that is not there, or has no room."""
        self.living.discard(1)
        self.assertFalse(self.goes(0, self.contexts[1].name))
        self.assertEqual(self.posts[0].sent, [])
        self.posts[0].room = False
        self.assertFalse(self.goes(0, self.contexts[2].name))

    def test_successor(self) -> None:
        """A worker that takes another's place has a key of its own; the old one is forgotten."""
        old, self.contexts[1] = self.contexts[1].name, PlayedContext(b"new" * 5 + b"!")
        self.begin(1)
        self.assertFalse(self.goes(0, old))
        self.assertTrue(self.goes(0, self.contexts[1].name))
        self.assertTrue(self.goes(1, self.contexts[0].name))

    def test_renewed(self) -> None:
        """So has one whose certificate was renewed."""
        old = self.contexts[2].name
        self.contexts[2].name = b"renewed" + bytes(9)
        self.workers[2].announce()
        self.assertFalse(self.goes(0, old))
        self.assertTrue(self.goes(0, self.contexts[2].name))

    def test_without_tickets(self) -> None:
        """Workers that make none have no name, and are nobody's home."""
        for context in self.contexts:
            context.name = b""
        for worker in self.workers:
            worker.announce()
        self.assertFalse(self.goes(0, b""))
        self.assertEqual(self.posts[0].sent, [])

    def test_not_answered(self) -> None:
        """That the others cannot be asked is logged."""
        self.workers[0]._ask = lambda question, argument: Deferred()
        self.workers[0].announce()
        failing: Deferred[list[Any]] = Deferred()
        self.workers[0]._ask = lambda question, argument: failing
        self.workers[0].announce()
        failing.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
