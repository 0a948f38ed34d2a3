"""Replies in slices: what is made when, and when no more is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.control.slices import MOST, PIECE, SLICE, sliced
from redistill.net.interfaces import Client, Reply
from tests.support.control import Server


class SliceTests(SynchronousTestCase):
    """`sliced`"""

    def setUp(self) -> None:
        self.server = Server()
        self.ticks = 0
        self.made = 0
        self.server.state.ticks = lambda: self.ticks
        self.session = self.server.client.session

    def parts(self, count: int, cost: int, size: int = 1) -> Iterator[bytes]:
        """`count` parts, each of which takes `cost` nanoseconds."""
        for _ in range(count):
            self.ticks += cost
            self.made += 1
            yield b"x" * size

    def sliced(self, parts: Iterator[bytes]) -> Reply:
        """The reply to the client."""
        return sliced(self.server.state, cast(Client, self.server.client), parts)

    def test_short(self) -> None:
        """An answer that is complete within a slice is returned at once."""
        self.assertEqual((self.sliced(self.parts(100, 1)), self.session.parts), (b"x" * 100, b""))

    def test_long(self) -> None:
        """After each slice others have a turn; the session has the parts that were made until then."""
        reply = self.sliced(self.parts(10, SLICE // 4))
        assert isinstance(reply, Deferred)
        seen = [(self.made, len(self.session.parts))]
        while not reply.called:
            (call,) = self.server.clock.getDelayedCalls()
            self.server.clock.calls.remove(call)
            call.func()
            seen.append((self.made, len(self.session.parts)))
        self.assertEqual(seen, [(4, 4), (8, 8), (10, 10)])
        self.assertEqual(self.successResultOf(reply), b"")

    def test_large(self) -> None:
        """A slice ends, too, when so much has been made that it is to be sent."""
        self.server.client.reads = False
        self.assertIsInstance(self.sliced(self.parts(10**9, 0, 1000)), Deferred)
        self.assertIn(len(self.session.parts), range(MOST, MOST + 1000))

    def test_room(self) -> None:
        """No more is made than the session takes."""
        self.session.room = 10 * PIECE
        self.assertEqual(self.sliced(self.parts(10**9, 0, 1000)), b"")
        self.assertLess(self.made, 11 * PIECE // 1000)

    def test_transaction(self) -> None:
        """With the locks of a transaction held only a slice is made; the rest when they are released."""
        state = self.session.state
        state.locked = True
        self.assertEqual(self.sliced(self.parts(100, 1)), b"x" * 100)
        later = self.sliced(self.parts(10, SLICE // 2))
        assert callable(later)
        self.assertEqual((self.made, self.session.parts), (102, b""))
        state.locked = False
        reply = later()
        assert isinstance(reply, Deferred)
        self.server.clock.pump([0] * 10)
        self.assertEqual(self.session.parts + self.successResultOf(reply), b"x" * 10)

    def test_gone(self) -> None:
        """For a client that has gone nothing more is made."""
        reply = self.sliced(self.parts(10, SLICE))
        assert isinstance(reply, Deferred)
        reply.cancel()
        self.failureResultOf(reply)
        self.server.clock.advance(0)
        self.assertEqual((self.server.clock.getDelayedCalls(), self.made), ([], 1))

    def test_client_that_does_not_read(self) -> None:
        """No more is made until the client has read the parts so far."""
        client = self.server.client
        client.reads = False
        reply = self.sliced(self.parts(10, SLICE))
        assert isinstance(reply, Deferred)
        for made in (1, 2, 3):
            self.server.clock.advance(1)
            self.assertEqual((self.made, self.server.clock.getDelayedCalls()), (made, []))
            client.on_read()
        client.reads = True
        self.server.clock.advance(0)
        self.assertEqual((self.successResultOf(reply), self.session.parts), (b"", b"x" * 10))

    def test_mistake(self) -> None:
        """An exception in a later slice fails the reply."""

        def parts() -> Iterator[bytes]:
            yield from self.parts(1, SLICE)
            raise KeyError

        reply = self.sliced(parts())
        assert isinstance(reply, Deferred)
        self.server.clock.advance(0)
        self.failureResultOf(reply, KeyError)
