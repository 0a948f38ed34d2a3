"""Bytes in, bytes out, through the protocol and the real core, however the bytes are cut."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
from collections.abc import Iterable, Iterator

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.counters import DaemonCounters
from redistill.engine.interfaces import SlowEntry
from redistill.net.loop import Loop
from redistill.net.protocol import RespFactory, RespProtocol
from redistill.net.protocol.execution import TURN
from redistill.net.transport import adopt
from tests.support import arena
from tests.support.served import Sockets

OK, PONG = b"+OK\r\n", b"+PONG\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"
LENGTH = b"-ERR Protocol error: invalid multibulk length\r\n"
BULK = b"-ERR Protocol error: invalid bulk length\r\n"
QUOTES = b"-ERR Protocol error: unbalanced quotes in request\r\n"

ANSWERED = [
    # Requests that are answered, and the connection goes on.
    (b"PING\r\n", PONG),
    (b"PING\n", PONG),
    (b"  PING  \r\n", PONG),
    (b"\r\n\r\n\nPING\r\n", PONG),
    (b"*0\r\n" + PING, PONG),
    (b"*-1\r\n" + PING, PONG),
    (b"*1\r\n$4\r\nping\r\n", PONG),
    (b'ECHO "a b"\r\n', b"$3\r\na b\r\n"),
    (b"ECHO 'a\\'b'\r\n", b"$3\r\na'b\r\n"),
    (b'ECHO "\\x00\\n\\xff"\r\n', b"$3\r\n\x00\n\xff\r\n"),
    (b'ECHO ""\r\n', b"$0\r\n\r\n"),
    (b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", b"$0\r\n\r\n"),
    (b"*2\r\n$4\r\nECHO\r\n$7\r\n\x00\r\n\xff*1$\r\n", b"$7\r\n\x00\r\n\xff*1$\r\n"),
    (b"*3\r\n$3\r\nSET\r\n$3\r\n\x00\r\n\r\n$1\r\nv\r\nGET \"\\x00\\r\\n\"\r\n", OK + b"$1\r\nv\r\n"),
    (PING * 100, PONG * 100),
    (b"GET\r\n", b"-ERR wrong number of arguments for 'get' command\r\n"),
    (b"CLIENT ID\r\nPING\r\n", b"+client\r\n" + PONG),
    (b"SET n 1\r\nINCR n\r\nMULTI\r\nINCR n\r\nCLIENT ID\r\nGET n\r\nEXEC\r\n",
     OK + b":2\r\n" + OK + b"+QUEUED\r\n" * 3 + b"*3\r\n:3\r\n+client\r\n$1\r\n3\r\n"),
    (b"SUBSCRIBE a\r\nPING\r\nUNSUBSCRIBE\r\nPING\r\n",
     b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n"
     b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n" + PONG),
    (b"MULTI\r\nPSUBSCRIBE ?\r\nPUBLISH a 'x y'\r\nPUNSUBSCRIBE\r\nEXEC\r\nPUBLISH a z\r\n",
     OK + b"+QUEUED\r\n" * 3 + b"*3\r\n*3\r\n$10\r\npsubscribe\r\n$1\r\n?\r\n:1\r\n:1\r\n"
     b"*3\r\n$12\r\npunsubscribe\r\n$1\r\n?\r\n:0\r\n"
     b"*4\r\n$8\r\npmessage\r\n$1\r\n?\r\n$1\r\na\r\n$3\r\nx y\r\n:0\r\n"),
]  # fmt: skip

REFUSED = [
    # Requests that break the protocol: one error, then the close; PING before is answered, PING after is not.
    (b"*x\r\n", LENGTH),
    (b"*\r\n", LENGTH),
    (b"*1 \r\n", LENGTH),
    (b"*+1\r\n", LENGTH),
    (b"*1048577\r\n", LENGTH),
    (b"*99999999999999999999\r\n", LENGTH),
    (b"*1\r\n$-1\r\n", BULK),
    (b"*1\r\n$x\r\n", BULK),
    (b"*1\r\n$\r\n", BULK),
    (b"*1\r\n$+4\r\nPING\r\n", BULK),
    (b"*1\r\n$536870913\r\n", BULK),
    (b"*1\r\n$99999999999999999999\r\n", BULK),
    (b"*1\r\n:4\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
    (b"*2\r\n$4\r\nPING\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
    (b'SET "a\r\n', QUOTES),
    (b"SET 'a\r\n", QUOTES),
    (b'SET "a"b\r\n', QUOTES),
    (b"x" * 65537, b"-ERR Protocol error: too big inline request\r\n"),
    (b"*" + b"1" * 65537, b"-ERR Protocol error: too big mbulk count string\r\n"),
    (b"*1\r\n$" + b"1" * 65537, b"-ERR Protocol error: too big bulk count string\r\n"),
]

EARLY = [
    # Refused before authentication only.
    (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
    (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
]


def whole(data: bytes) -> Iterator[bytes]:
    """All in one read."""
    yield data


def bytewise(data: bytes) -> Iterator[bytes]:
    """One byte a read."""
    return (data[at : at + 1] for at in range(len(data)))


def cut(data: bytes) -> Iterator[bytes]:
    """In reads of any length."""
    dice = random.Random(len(data))
    while data:
        length = dice.choice((1, 2, 3, 7, 40, 1000, 30000))
        yield data[:length]
        data = data[length:]


class PlayedControl:
    """Answers every command with its name."""

    authenticated = True

    def run(self, client: RespProtocol, argv: list[bytes]) -> bytes:
        return b"+" + argv[0].lower() + b"\r\n"

    def connected(self, client: RespProtocol) -> None:
        client.session.state.authenticated = self.authenticated

    def adopted(self, client: RespProtocol) -> None:
        """Nobody comes from elsewhere."""

    def left(self, client: RespProtocol) -> None:
        """Nobody keeps account."""

    def slow(self, client: RespProtocol, entry: SlowEntry) -> None:
        """Nothing is slow here."""


class WireTests(SynchronousTestCase):
    """RespProtocol with the core, on a transport that calls `dataReceived`"""

    def setUp(self) -> None:
        self.store = arena.opened(self)
        self.control = PlayedControl()
        self.clock = self.made_clock()
        self.factory = RespFactory(
            self.clock,
            lambda: arena.session(self.store),
            self.control,
            {},
            counters=DaemonCounters(),
            next_id=itertools.count(1).__next__,
            output_limit=0,
            idle_timeout=0,
            read_size=65536,
        )

    def made_clock(self) -> Clock:
        """The reactor's part."""
        return Clock()

    def talk(self, reads: Iterable[bytes]) -> tuple[bytes, bool]:
        """The bytes that a new client gets for its reads, and whether its connection is closed."""
        self.store.frozen_ms += 1
        client, transport = self.factory.buildProtocol(None), StringTransport()  # type: ignore[arg-type]
        client.makeConnection(transport)
        for read in reads:
            client.dataReceived(read)
            while client.execution.stall & TURN:  # what takes long goes on in later turns
                self.clock.advance(0)
        client.connectionLost(Failure(ConnectionDone()))
        return transport.value(), transport.disconnecting

    def check(self, table: list[tuple[bytes, bytes]], before: bytes, before_reply: bytes, closed: bool) -> None:
        """All requests of `table` after `before` and followed by PING, in all cuts."""
        for request, reply in table:
            data = before + request + PING
            expected = (before_reply + reply + (b"" if closed else PONG), closed)
            for cutting in (whole, bytewise, cut):
                self.talk([b"FLUSHALL\r\n"])
                self.assertEqual(self.talk(cutting(data)), expected, f"{request[:80]!r} {cutting.__name__}")

    def test_requests_that_are_answered(self) -> None:
        """However a request is cut into reads, its reply is the same, and the next one is answered."""
        self.check(ANSWERED, PING, PONG, False)

    def test_requests_that_break_the_protocol(self) -> None:
        """One error that says what is wrong, then the close; what came before is answered, what comes after is not."""
        self.check(REFUSED, PING, PONG, True)

    def test_other_clients_are_not_disturbed(self) -> None:
        """A client that was in the middle of a command goes on after another one broke the protocol."""
        client, transport = self.factory.buildProtocol(None), StringTransport()  # type: ignore[arg-type]
        client.makeConnection(transport)
        for request, _ in REFUSED:
            client.dataReceived(PING[:7])
            self.talk([request])
            client.dataReceived(PING[7:])
        self.assertEqual((transport.value(), transport.disconnecting), (PONG * len(REFUSED), False))

    def test_limits_before_authentication(self) -> None:
        """An unauthenticated client may send ten arguments of 16 KiB, and not one more."""
        self.control.authenticated = False
        noauth = b"-NOAUTH Authentication required.\r\n"
        self.check(EARLY, PING, noauth, True)
        ten = b"*10\r\n$3\r\nDEL\r\n$16384\r\n" + b"x" * 16384 + b"\r\n" + b"$1\r\nx\r\n" * 8
        self.assertEqual(self.talk([ten]), (noauth, False))

    def test_most_arguments(self) -> None:
        """A command of 1,048,576 arguments is executed; one more is refused."""
        most = 1024 * 1024
        body = b"$3\r\nDEL\r\n" + b"$1\r\nx\r\n" * (most - 1)
        reads = [(b"*%d\r\n" % most + body)[at : at + 65536] for at in range(0, len(body) + 20, 65536)]
        self.assertEqual(self.talk(reads), (b":0\r\n", False))
        self.assertEqual(self.talk([b"*%d\r\n" % (most + 1)]), (LENGTH, True))

    def test_largest_announcement_takes_no_memory(self) -> None:
        """512 MiB that are announced and not sent are not allocated."""
        client = self.factory.buildProtocol(None)  # type: ignore[arg-type]
        client.makeConnection(StringTransport())
        client.dataReceived(b"*2\r\n$4\r\nECHO\r\n$536870912\r\nabc")
        self.assertLess(client.session.state.query_cap, 4096)
        client.connectionLost(Failure(ConnectionDone()))


class LoopWireTests(WireTests):
    """The byte vectors on our own transport, through the loop"""

    def made_clock(self) -> Clock:
        self.loop = Loop()
        self.addCleanup(self.loop.close)
        self.sockets = Sockets(self.loop)
        return self.sockets

    def talk(self, reads: Iterable[bytes]) -> tuple[bytes, bool]:
        self.store.frozen_ms += 1
        self.loop.frozen_ms = self.store.frozen_ms
        ours, peer = socket.socketpair()
        peer.setblocking(False)
        client = adopt(self.sockets, self.loop, ours, self.factory.buildProtocol)
        assert isinstance(client, RespProtocol)
        heard: list[bytes] = []

        def turn() -> bool:
            """Serve; whether the connection is open."""
            self.sockets.turn()
            with contextlib.suppress(BlockingIOError):
                while data := peer.recv(65536):
                    heard.append(data)
                return False
            return True

        is_open = True
        for read in reads:
            rest = read
            while rest and is_open:
                with contextlib.suppress(BlockingIOError):
                    try:
                        rest = rest[peer.send(rest) :]
                    except ConnectionError:
                        break
                is_open = turn()
        last = 30  # turns, for what the kernel has of it still
        while is_open and last:
            last = 30 if client.execution.connection.busy or client.execution.stall & TURN else last - 1
            is_open = turn()
        peer.close()
        self.sockets.turn(2)
        return b"".join(heard), not is_open
