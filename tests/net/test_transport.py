"""Transports without a session."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.unix import Server as TwistedServer
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from redistill.engine import Session
from tests.support import arena
from tests.support.served import ServedCase


class Speaker(Protocol):
    """Writes a word, and keeps what it receives."""

    transport: Any

    def connectionMade(self) -> None:
        self.got = b""
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        self.got += data


class WriteTests(ServedCase):
    """Transports without a session"""

    def test_written_at_once(self) -> None:
        """write sends before it returns."""
        _, peer = self.connect(Factory.forProtocol(Speaker))
        self.assertEqual(peer.recv(10), b"hello")

    def test_order_is_kept(self) -> None:
        """Output that does not fit is queued, and later output is queued behind it."""
        client, peer = self.connect(Factory.forProtocol(Speaker))
        client.transport.write(b"a" * arena.MIB * 4)
        client.transport.write(b"b")
        client.transport.loseConnection()
        self.assertEqual(self.heard(peer, 100), b"hello" + b"a" * arena.MIB * 4 + b"b<end>")

    def test_wrapped_transport(self) -> None:
        """A wrapped transport is not served beneath its wrapper, but through it."""

        class Wrapper(ProtocolWrapper):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data.lower())

        factory = WrappingFactory(self.factory)
        factory.protocol = Wrapper
        client, peer = self.connect(factory)
        peer.send(b"ECHO A\r\n")
        client.transport.doRead()
        self.assertEqual((self.loop.connections, peer.recv(100)), ({}, b"$1\r\na\r\n"))
        self.assertIsNone(self.clients[1].detach())

    def test_with_any_reactor(self) -> None:
        """With a reactor that is not ours the loop is one descriptor to read from."""
        self.assertIsNot(getattr(installed, "loop", None), self.loop)
        self.reactor.loop = None  # type: ignore[assignment]
        self.loop.join(self.reactor)  # type: ignore[arg-type]
        _, peer = self.connect()
        peer.send(b"PING\r\n")
        for reader in self.reactor.readers:
            reader.doRead()
        self.assertEqual(peer.recv(10), b"+PONG\r\n")
        self.loop.leave(self.reactor)  # type: ignore[arg-type]
        self.assertEqual(self.reactor.readers, set())
        self.reactor.loop = self.loop

    def test_transports_are_twisteds(self) -> None:
        """Transports are Twisted's in everything else."""
        client, _ = self.connect()
        self.assertIsInstance(client.transport, TwistedServer)
        self.assertIsInstance(client.session, Session)
