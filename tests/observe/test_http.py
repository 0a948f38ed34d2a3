"""HTTP with bounds: connections as bytes, time as a clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import Request as HttpRequest
from twisted.web.resource import Resource

from redistill.net.sockets import RESERVED_FILES
from redistill.observe.http import (
    CONNECTIONS,
    LINGER,
    LOCAL,
    NOT_LOCAL,
    PER_ADDRESS,
    REQUEST_SECONDS,
    TURN,
    BoundedSite,
    Turns,
    counted_as,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Hello(Resource):
    """Counts how often it is asked."""

    isLeaf = True
    asked = 0

    def render_GET(self, request: HttpRequest) -> bytes:  # noqa: N802
        """A body that is the same each time."""
        self.asked += 1
        return b"hello"


class HttpTests(SynchronousTestCase):
    """BoundedSite"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.root = Hello()
        self.site = BoundedSite(self.clock, self.root, lambda request: None)  # type: ignore[arg-type]

    def connect(self, host: str = "192.0.2.1") -> tuple[Any, StringTransport]:
        """A client's connection; None and nothing when it is refused."""
        address = IPv4Address("TCP", host, 50000)
        transport = StringTransport(peerAddress=address)
        channel = self.site.buildProtocol(address)
        if channel is not None:
            channel.makeConnection(transport)
        return channel, transport

    def aborted(self, transport: StringTransport) -> bool:
        """Whether we have cut the connection."""
        return transport.disconnected or transport.disconnecting

    # ---- time ----

    def test_deadline(self) -> None:
        """Bytes that keep arriving give a request no more time."""
        channel, transport = self.connect()
        channel.dataReceived(b"GET / HTTP/1.1\r\n")
        for number in range(REQUEST_SECONDS - 1):
            self.clock.advance(1)
            channel.dataReceived(b"X-%d: a\r\n" % number)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(transport.disconnecting)

    def test_deadline_of_the_next(self) -> None:
        """A connection that is kept has as long for the next request, counted from the reply."""
        channel, transport = self.connect()
        for _ in range(3):
            self.clock.advance(REQUEST_SECONDS - 1)
            channel.dataReceived(GET)
            self.clock.advance(0)
        self.assertEqual(transport.value().count(b"hello"), 3)
        self.clock.advance(REQUEST_SECONDS - 1)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(transport.disconnecting)

    def test_slow_reader(self) -> None:
        """A client that does not take its reply is cut, whether it wanted to keep the connection or not."""
        for request in (GET, GET.replace(b"1.1", b"1.0")):
            channel, transport = self.connect()
            cut: list[bool] = []
            transport.abortConnection = lambda cut=cut: cut.append(True)  # type: ignore[method-assign, misc]
            channel.dataReceived(request)
            self.clock.advance(0)
            self.clock.advance(REQUEST_SECONDS)
            self.assertTrue(transport.disconnecting)
            self.assertEqual(cut, [])
            self.clock.advance(LINGER)
            self.assertEqual(cut, [True])

    def test_end(self) -> None:
        """A connection that ends leaves no timer behind."""
        for sent in (b"", b"GET", GET, GET.replace(b"1.1", b"1.0")):
            channel, _ = self.connect()
            channel.dataReceived(sent)
            channel.connectionLost(Failure(ConnectionError()))
            self.clock.advance(0)
            self.assertEqual(self.clock.getDelayedCalls(), [], sent)
        self.assertEqual(self.root.asked, 0)

    # ---- one request at a time ----

    def test_no_pipelining(self) -> None:
        """If several requests come together the first is answered, and its reply says that it is the last."""
        channel, transport = self.connect()
        channel.dataReceived(GET * 1000)
        channel.dataReceived(GET * 1000)
        self.clock.advance(0)
        self.assertEqual(self.root.asked, 1)
        self.assertIn(b"connection: close", transport.value().lower())
        self.assertTrue(transport.disconnecting)

    def test_stray_line(self) -> None:
        """A line break behind a request is no other request."""
        channel, transport = self.connect()
        channel.dataReceived(GET + b"\r\n")
        self.clock.advance(0)
        self.assertFalse(transport.disconnecting)
        channel.dataReceived(GET)
        self.clock.advance(0)
        self.assertEqual(self.root.asked, 2)

    def test_turns(self) -> None:
        """Requests are answered in their order, for some milliseconds a turn; others have theirs in between."""
        now, answered = [0.0], []

        def answer(number: int) -> None:
            now[0] += TURN / 2
            answered.append(number)

        calls: list[Any] = []
        reactor = SimpleNamespace(callLater=lambda seconds, call: calls.append(call))
        turns = Turns(reactor, lambda: now[0])
        for number in range(5):
            turns.add(lambda number=number: answer(number))  # type: ignore[misc]
        self.assertEqual(answered, [])
        seen = []
        while calls:
            calls.pop()()
            self.assertLessEqual(len(calls), 1)
            seen.append(len(answered))
        self.assertEqual((seen, answered), ([2, 4, 5], list(range(5))))

    # ---- what is sent ----

    def test_bodies(self) -> None:
        """A request with a body is refused at its head, expected or not; nothing of it is kept."""
        for head in (
            b"Content-Length: 1000000000",
            b"Transfer-Encoding: chunked",
            b"Expect: 100-continue\r\nContent-Length: 5",
        ):
            channel, transport = self.connect()
            channel.dataReceived(b"POST / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 413 "), transport.value())
            self.assertNotIn(b"100 Continue", transport.value())
            self.assertTrue(transport.disconnecting)
            channel.dataReceived(b"a" * 100000)
            self.clock.advance(0)
            channel.connectionLost(Failure(ConnectionError()))

    def test_large_heads(self) -> None:
        """Long lines, many of them, and bytes that are no request end the connection."""
        for sent in (b"GET /" + b"a" * 20000, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 4000, b"\x16\x03\x01" * 10000):
            channel, transport = self.connect()
            channel.dataReceived(sent)
            self.assertTrue(transport.disconnecting, sent[:20])
            channel.connectionLost(Failure(ConnectionError()))
        self.assertEqual(self.root.asked, 0)

    # ---- places ----

    def test_slow_crowd(self) -> None:
        """When all places are taken, the oldest connection without a whole request makes room."""
        transports = [self.connect()[1] for _ in range(PER_ADDRESS)]
        channel, _ = self.connect()
        self.assertIsNotNone(channel)
        self.assertEqual([self.aborted(one) for one in transports[:2]], [True, False])
        self.connect("192.0.2.2")
        self.assertEqual([self.aborted(one) for one in transports[:2]], [True, False])

    def test_busy_crowd(self) -> None:
        """Waiting requests of one address are limited; other addresses still find a place."""
        for _ in range(PER_ADDRESS):
            self.connect()[0].dataReceived(GET)
        self.assertIsNone(self.connect()[0])
        self.assertIsNotNone(self.connect("192.0.2.2")[0])
        self.clock.advance(0)

    def test_full(self) -> None:
        """Whoever has the most connections gives way; places for this machine remain."""
        many = [self.connect()[1] for _ in range(PER_ADDRESS)]
        few = [self.connect("192.0.2.2")[1] for _ in range(NOT_LOCAL - PER_ADDRESS)]
        self.assertIsNotNone(self.connect("192.0.2.3")[0])
        self.assertEqual([self.aborted(one) for one in many[:2] + few[:1]], [True, False, False])
        for channel in list(self.site._open):
            channel.dataReceived(GET)
        self.assertIsNone(self.connect("192.0.2.4")[0])
        for _ in range(CONNECTIONS - NOT_LOCAL):
            self.connect("127.0.0.1")[0].dataReceived(GET)
        self.assertIsNone(self.connect("127.0.0.1")[0])

    def test_descriptors(self) -> None:
        """Clients of the cache leave so many descriptors: a full house does not keep probes out."""
        self.assertGreaterEqual(RESERVED_FILES - CONNECTIONS, 64)

    def test_room(self) -> None:
        """A connection that ends makes room."""
        channels = [self.connect()[0] for _ in range(PER_ADDRESS)]
        for one in channels:
            one.dataReceived(GET)
        self.assertIsNone(self.connect()[0])
        channels[0].connectionLost(Failure(ConnectionError()))
        self.assertIsNotNone(self.connect()[0])

    def test_addresses(self) -> None:
        """An address is counted as one, of IPv6 its network, and IPv4 the same on a socket for both."""
        found = [
            counted_as(IPv4Address("TCP", "192.0.2.1", 1)),
            counted_as(IPv6Address("TCP", "::ffff:192.0.2.1", 1)),
            counted_as(IPv6Address("TCP", "2001:db8::1", 1)),
            counted_as(IPv6Address("TCP", "2001:db8::2", 1)),
            *(counted_as(IPv4Address("TCP", "127.0.0.2", 1)), counted_as(IPv6Address("TCP", "::1", 1))),
            *(counted_as(IPv6Address("TCP", "::ffff:127.0.0.1", 1)), counted_as(None)),
        ]
        self.assertEqual(found, ["192.0.2.1"] * 2 + ["2001:db8::/64"] * 2 + [LOCAL] * 4)
