"""A client's first message, and the name of the key of its ticket, compared with what OpenSSL sends."""

from __future__ import annotations

import dataclasses
import gc
from typing import Any

from hypothesis import given
from hypothesis import strategies as some
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.settings import Security
from redistill.net.tls.client_hello import hello_size, key_name
from redistill.net.tls.context import make_context
from redistill.net.tls.ticket_keys import converse, key_name_of
from tests.support.certificates import Certificates, pem

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


class HelloTests(SynchronousTestCase):
    """key_name and key_name_of, on messages that OpenSSL makes"""

    def setUp(self) -> None:
        certificate, key = Certificates(self).sign("server")
        self.security = Security(tls_enabled=True, tls_cert_path=certificate, tls_key_path=key)
        self.server = make_context(self.security, pem(self.security))
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
        """A session that was begun with the server."""
        hello, client = self.hello(version)
        server = SSL.Connection(self.server, None)
        server.set_accept_state()
        server.bio_write(hello)
        converse(client, server)
        # A connection that is freed before it was shut down takes its session's right to be resumed with it
        # (ssl_clear_bad_session of OpenSSL), and Python may collect this one at any time.
        self.addCleanup(client.shutdown)
        return client.get_session()

    def test_first_visit(self) -> None:
        """A client without a ticket shows none."""
        for version in VERSIONS:
            self.assertEqual(key_name(self.hello(version)[0]), b"", version)

    def test_return(self) -> None:
        """A returning client shows the name of the server's key, in both versions."""
        name = key_name_of(self.server)
        self.assertEqual(len(name), 16)
        for version in VERSIONS:
            session = self.session(version)
            gc.collect()
            hello, _ = self.hello(version, session)
            self.assertEqual(key_name(hello), name, version)

    def test_every_context_has_its_own(self) -> None:
        """A context keeps its key; another context has another."""
        self.assertEqual(key_name_of(self.server), key_name_of(self.server))
        self.assertNotEqual(key_name_of(self.server), key_name_of(make_context(self.security, pem(self.security))))

    def test_whatever_is_asked_for(self) -> None:
        """The name is found with every setting that changes what clients must show or speak."""
        authority = Certificates(self).authority
        for changes in (
            {"tls_client_auth": "required", "tls_ca_path": authority},
            {"tls_client_auth": "optional", "tls_ca_path": authority},
            {"tls_min_version": "1.3"},
        ):
            security = dataclasses.replace(self.security, **changes)  # type: ignore[arg-type]
            context = make_context(security, pem(security))
            self.assertEqual(len(key_name_of(context)), 16, changes)

    def test_sizes(self) -> None:
        """The size of a record is known from its head; what is no handshake is not waited for."""
        hello, _ = self.hello("1.3")
        self.assertEqual([hello_size(hello[:n]) for n in (0, 1, 4, 5, 100)], [5, 5, 5, len(hello), len(hello)])
        self.assertEqual(hello_size(b"*1\r\n$4\r\nPING"), 0)
        self.assertEqual(hello_size(b"\x16\x03\x01\xff\xff"), 5 + 0xFFFF)

    def test_cut_off(self) -> None:
        """An incomplete message shows no name."""
        for version in VERSIONS:
            hello, _ = self.hello(version, self.session(version))
            for end in range(len(hello)):
                self.assertEqual(key_name(hello[:end]), b"", (version, end))

    def test_altered(self) -> None:
        """An altered byte raises nothing."""
        hello, _ = self.hello("1.3", self.session("1.3"))
        for at in range(len(hello)):
            for value in (0, 1, 0x7F, 0xFF):
                key_name(hello[:at] + bytes([value]) + hello[at + 1 :])

    @given(some.binary(max_size=300))
    def test_anything(self, data: bytes) -> None:
        """Any bytes can be asked about."""
        self.assertIn(len(key_name(data)), (0, 16))
        self.assertIn(len(key_name(b"\x16\x03\x01" + len(data).to_bytes(2, "big") + data)), (0, 16))
        hello_size(data)
