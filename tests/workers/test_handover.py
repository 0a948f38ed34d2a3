"""The parts of a hand-over. tests/integration/test_workers.py hands over whole connections."""

from __future__ import annotations

import contextlib
import os
import socket

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine import NotNow
from redistill.workers import handover
from redistill.workers.handover import AGAIN, Handed, Handover, packed, unpacked
from tests.support.served import ServedCase

SESSION = {"batch_size": 16, "output_high": 65536, "query_limit": 0, "multi_limit": 0, "output_limit": 0}


class FormTests(SynchronousTestCase):
    """The bytes of a client that is handed over."""

    def test_round_trip(self) -> None:
        """A client arrives as it was, its age on the other's clock."""
        client = Handed(7, 90.0, "default", 3, b"n", b"redis-py", b"8.1")
        self.assertEqual(
            unpacked(packed(client, b"\0session", 100.0), 1000.0),
            (Handed(7, 990.0, "default", 3, b"n", b"redis-py", b"8.1"), b"\0session"),
        )

    def test_nonsense(self) -> None:
        """Bytes that are no client raise one of the errors that `take` knows."""
        good = packed(Handed(7, 0.0, "u", 0, b"", b"", b""), b"", 0.0)
        for state in (b"", b"\xff" * 9, good[:10], b"\2\0\0\0{}", b"\2\0\0\0[]"):
            self.assertRaises((ValueError, KeyError, TypeError), unpacked, state, 0.0)


class GivingTests(ServedCase):
    """Which connections a worker gives away, to another that is only played."""

    def setUp(self) -> None:
        super().setUp()
        self.on_their_way: list[Deferred[bool]] = []
        self.given: list[tuple[int, bytes, int | None]] = []
        self.peers: list[socket.socket] = []
        self.handover = Handover(
            self.reactor,
            self.loop,
            self.factory,
            self.clients,
            lambda data: self.store.load_session(data, **SESSION),
            self.give,
            lambda: not self.kept,
        )
        self.kept = False

    def give(self, connection: int, state: bytes, memory: int | None) -> Deferred[bool]:
        self.given.append((os.dup(connection), state, None if memory is None else os.dup(memory)))
        self.addCleanup(self.forget, *self.given[-1])
        self.on_their_way.append(Deferred())
        return self.on_their_way[-1]

    def forget(self, connection: int, state: bytes, memory: int | None) -> None:
        for descriptor in (connection, memory):
            with contextlib.suppress(OSError, TypeError):
                os.close(descriptor)  # type: ignore[arg-type]

    def half(self, size: int) -> socket.socket:
        """A client that has sent so much of an ECHO, but for the end."""
        peer = self.connect()[1]
        data = b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (size + 1) + b"x" * size
        while data:
            data = data[peer.send(data[:65536]) :]
            self.reactor.turn()
        return peer

    def test_large_session(self) -> None:
        """The bytes of a large session travel in a file, not in the channel, and the taker goes on with them."""
        peer, small = self.half(300_000), self.half(3)
        for client in list(self.clients.values()):
            self.assertTrue(self.handover.give(client))
        (connection, state, memory), (_, tiny, none) = self.given
        self.assertLess(len(state), 1000)
        self.assertEqual((len(tiny) < 1000, none), (True, None))
        self.assertTrue(self.handover.take(connection, state, memory))
        self.assertRaises(OSError, os.fstat, memory)
        self.land()
        peer.send(b"y\r\n")
        received = b""
        while len(received) < 300_012:
            self.reactor.turn()
            with contextlib.suppress(BlockingIOError):
                received += peer.recv(65536)
        self.assertEqual(received[-4:], b"xy\r\n")
        small.close()

    def test_pieces(self) -> None:
        """A large session is written a piece at a time, with turns for others in between; an error keeps it here."""
        self.patch(handover, "PIECE", 100_000)
        self.half(350_000)
        self.handover.give(next(iter(self.clients.values())))
        self.assertEqual(self.given, [])
        self.reactor.advance(0)
        saved = handover.mapped(os.dup(self.given[0][2] or 0))
        moved = self.store.load_session(saved, **SESSION)
        self.assertGreater(moved.state.query_bytes, 350_000)
        moved.close()
        self.land()

    def test_no_memory_for_a_file(self) -> None:
        """A session that cannot be written stays where it was."""
        self.patch(handover, "PIECE", 100_000)
        peer = self.half(350_000)
        self.handover.give(next(iter(self.clients.values())))
        self.patch(os, "write", self.full)
        self.reactor.advance(0)
        self.assertEqual((self.given, len(self.clients)), ([], 1))
        peer.close()

    @staticmethod
    def full(descriptor: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    def test_file_that_holds_no_session(self) -> None:
        """Invalid or empty bytes are refused, and their descriptor is closed."""
        self.half(300_000)
        self.handover.give(next(iter(self.clients.values())))
        connection, state, memory = self.given[0]
        os.ftruncate(memory, 0)  # type: ignore[arg-type]
        self.assertFalse(self.handover.take(connection, state, memory))
        self.assertRaises(OSError, os.fstat, memory)
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    def test_huge_sessions_wait(self) -> None:
        """A huge session is given when it has shrunk, or after a while; others at once, a share at a time."""
        self.patch(handover, "HUGE", 200_000)
        self.patch(handover, "SHARE", 100_000)
        for size in (300_000, 90_000, 90_000, 90_000):
            self.half(size)
        self.handover.give_all(30)
        self.assertEqual(len(self.given), 2)
        self.reactor.advance(AGAIN)
        self.assertEqual(len(self.given), 3)
        self.reactor.advance(1)
        self.assertEqual(len(self.given), 3)
        self.reactor.advance(handover.HUGE_SECONDS)
        self.assertEqual(len(self.given), 4)
        self.land()
        self.reactor.advance(AGAIN)

    def test_messages_to_others_go_first(self) -> None:
        """A worker has not given all while messages to other workers wait in it."""
        self.kept = True
        giving = self.handover.give_all(30)
        self.reactor.advance(AGAIN)
        self.assertNoResult(giving)
        self.kept = False
        self.reactor.advance(AGAIN)
        self.assertIsNone(self.successResultOf(giving))

    def test_refused_for_now(self) -> None:
        """A session that cannot be taken just now is refused without a word, and its descriptor is closed."""

        def load(data: object) -> None:
            raise NotNow

        self.half(100)
        self.handover.give(next(iter(self.clients.values())))
        connection, state, memory = self.given[0]
        self.patch(self.handover, "_load", load)
        self.assertFalse(self.handover.take(connection, state, memory))
        self.assertRaises(OSError, os.fstat, connection)
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    def land(self) -> None:
        """The other worker has taken what is on its way."""
        for giving in self.on_their_way:
            giving.called or giving.callback(True)

    def work(self, *commands: int) -> None:
        """Clients, who come when they are new, each send so many commands."""
        while len(self.peers) < len(commands):
            self.peers.append(self.connect()[1])
        for peer, count in zip(self.peers, commands, strict=True):
            peer.send(b"PING\r\n" * count)
        self.reactor.turn()

    def test_weight(self) -> None:
        """Heavy is who did at least half as much as the heaviest, since the last time that this was asked."""
        self.assertEqual(self.handover.measure_work(), 0)
        self.work(20, 10, 9)
        self.assertEqual(self.handover.measure_work(), 2)
        self.work(0, 3, 0)
        self.assertEqual(self.handover.measure_work(), 1)
        self.assertEqual(self.handover.measure_work(), 0)

    def test_share(self) -> None:
        """About the wanted share of equal connections is given; without a measurement none is."""
        self.work(8, 8, 8, 8)
        self.assertEqual(self.successResultOf(self.handover.give_some(50)), 0)
        self.handover.measure_work()
        self.assertEqual(self.successResultOf(self.handover.give_some(47)), 2)
        self.assertEqual((len(self.on_their_way), len(self.clients)), (2, 2))
        self.land()
        self.assertEqual(self.successResultOf(self.handover.give_some(47)), 0)

    def test_heavy_connection_stays(self) -> None:
        """One that weighs more than what is to go stays, and lighter ones go in its place."""
        self.work(100)
        self.handover.measure_work()
        self.assertEqual(self.successResultOf(self.handover.give_some(50)), 0)
        self.work(90, 10)
        self.handover.measure_work()
        self.assertEqual(self.successResultOf(self.handover.give_some(40)), 1)
        self.assertEqual(list(self.clients), [1])

    def test_client_that_has_gone(self) -> None:
        """A measured client that has closed meanwhile is passed over."""
        self.work(10, 10, 10)
        self.handover.measure_work()
        self.peers[0].close()
        self.reactor.turn()
        self.assertEqual(self.successResultOf(self.handover.give_some(70)), 2)

    def test_few_at_a_time(self) -> None:
        """No more are on their way at the same time than may be; the next ones go when those have arrived."""
        self.patch(handover, "WINDOW", 2)
        self.work(*[5] * 6)
        self.handover.measure_work()
        giving = self.handover.give_some(50)
        self.reactor.advance(AGAIN)
        self.assertNoResult(giving)
        self.assertEqual(len(self.on_their_way), 2)
        self.land()
        self.reactor.advance(AGAIN)
        self.assertEqual((self.successResultOf(giving), len(self.on_their_way)), (3, 3))
