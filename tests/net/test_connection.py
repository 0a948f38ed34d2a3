"""The seam between protocol and transport: bytes that `dataReceived` brings, replies that are written in pieces."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine import Status
from redistill.engine.session import PIECE
from redistill.net.connection import FedConnection
from tests.support import arena
from tests.support.played import PlayedCase, PlayedSession


class FedConnectionTests(SynchronousTestCase):
    """FedConnection"""

    def setUp(self) -> None:
        self.session = PlayedSession()
        self.transport = StringTransport()
        self.client = SimpleNamespace(unread=False)
        self.now = 1.0
        self.fed = FedConnection(self.session, self.transport, self.client, lambda: self.now)  # type: ignore[arg-type]

    def test_bytes_that_are_held(self) -> None:
        """Bytes that arrive while the client waits are kept in order, and reading stops, until `resume` and `read_on`."""
        self.fed.hold(b"one ")
        self.fed.hold(b"two ")
        self.assertEqual((self.transport.producerState, self.session.input), ("paused", b""))
        self.assertEqual(self.fed.resume(), Status.MORE)
        self.fed.read_on()
        self.fed.flush()
        self.assertEqual((self.transport.producerState, self.transport.value()), ("producing", b"one two "))

    def test_held_bytes_wait_for_their_turn(self) -> None:
        """Kept bytes are executed after the input that the session has, which may stop again."""
        self.session.input = b"big:5 "
        self.fed.hold(b"after ")
        self.assertEqual((self.fed.resume(), self.session.out), (Status.FULL, b"xxxxx"))
        self.assertEqual((self.fed.resume(), self.session.out), (Status.MORE, b"xxxxxafter "))

    def test_pieces(self) -> None:
        """Replies are taken piece by piece, until the transport has enough; the rest stays in the session."""
        self.session.out, self.session.piece = b"x" * 30, 10
        write = self.transport.write

        def full(data: bytes) -> None:
            write(data)
            self.client.unread = True

        self.transport.write = full  # type: ignore[method-assign]
        self.fed.flush()
        self.assertEqual((len(self.transport.value()), self.session.waiting), (10, 20))
        self.fed.flush()
        self.assertEqual(len(self.transport.value()), 10)

    def test_last_active(self) -> None:
        """Bytes that come are a sign of life, whether they are executed or held."""
        self.now = 2.0
        self.fed.receive(b"a ")
        self.assertEqual(self.fed.last_active, 2.0)
        self.now = 3.0
        self.fed.hold(b"b ")
        self.assertEqual(self.fed.last_active, 3.0)

    def test_largest_reply(self) -> None:
        """A reply of 1 MiB is copied into the transport in pieces, one at a time."""
        store = arena.opened(self)
        session = arena.session(store)
        size = 1 << 20
        largest = 0
        write = self.transport.write

        def paused(data: bytes) -> None:
            nonlocal largest
            largest = max(largest, len(data))
            self.client.unread = True
            write(data)

        self.transport.write = paused  # type: ignore[method-assign]
        fed = FedConnection(session, self.transport, self.client, lambda: 0.0)
        for request in (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size + b"x" * size + b"\r\n", b"GET k\r\n"):
            status = fed.receive(request)
            while status in (Status.FULL, Status.BUSY) or session.waiting:
                self.client.unread = False
                fed.flush()
                if not session.waiting:
                    status = fed.resume()
        self.assertEqual((len(self.transport.value()), largest), (len(b"+OK\r\n$1048576\r\n\r\n") + size, PIECE))


class BehindTests(PlayedCase):
    """A process that has not applied a configuration yet"""

    def test_nobody_is_served(self) -> None:
        """Commands wait until the configuration that was announced is in force, as they do in the loop."""
        self.factory._loop = served = SimpleNamespace(behind=True, silent=lambda quiet, late: [])  # type: ignore[assignment]
        self.client.dataReceived(b"a ")
        self.client.dataReceived(b"b ")
        self.clock.advance(0.1)
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"", "paused"))
        served.behind = False
        self.clock.advance(0.01)
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"a b ", "producing"))
