"""What goes over when a connection changes hands. The way of a whole one is in tests/integration/test_workers.py."""

from __future__ import annotations

import os
import socket

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill import handover
from redistill.handover import AGAIN, Handed, Handover, packed, unpacked
from tests.test_net import Case


class FormTests(SynchronousTestCase):
    """What goes over."""

    def test_round_trip(self) -> None:
        """A client arrives as it was, its age on the other's clock."""
        client = Handed(7, 90.0, "default", 3, b"n", b"redis-py", b"8.1")
        self.assertEqual(
            unpacked(packed(client, b"\0session", 100.0), 1000.0),
            (Handed(7, 990.0, "default", 3, b"n", b"redis-py", b"8.1"), b"\0session"),
        )

    def test_nonsense(self) -> None:
        """What is none raises one of the errors that `take` knows."""
        good = packed(Handed(7, 0.0, "u", 0, b"", b"", b""), b"", 0.0)
        for state in (b"", b"\xff" * 9, good[:10], b"\2\0\0\0{}", b"\2\0\0\0[]"):
            self.assertRaises((ValueError, KeyError, TypeError), unpacked, state, 0.0)


class GivingTests(Case):
    """Which connections a worker gives away, to another that is only played."""

    def setUp(self) -> None:
        super().setUp()
        self.on_their_way: list[Deferred[bool]] = []
        self.peers: list[socket.socket] = []
        self.handover = Handover(
            self.reactor,
            self.loop,
            self.factory,
            self.clients,
            self.store.load_session,
            self.give,
        )

    def give(self, connection: int, state: bytes) -> Deferred[bool]:
        os.fstat(connection)
        self.on_their_way.append(Deferred())
        return self.on_their_way[-1]

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
        self.assertEqual(self.handover.weigh(), 0)
        self.work(20, 10, 9)
        self.assertEqual(self.handover.weigh(), 2)
        self.work(0, 3, 0)
        self.assertEqual(self.handover.weigh(), 1)
        self.assertEqual(self.handover.weigh(), 0)

    def test_share(self) -> None:
        """Of equal connections about the share goes that is asked for; of what was never weighed, none."""
        self.work(8, 8, 8, 8)
        self.assertEqual(self.successResultOf(self.handover.give_some(50)), 0)
        self.handover.weigh()
        self.assertEqual(self.successResultOf(self.handover.give_some(47)), 2)
        self.assertEqual((len(self.on_their_way), len(self.clients)), (2, 2))
        self.land()
        self.assertEqual(self.successResultOf(self.handover.give_some(47)), 0)

    def test_heavy_connection_stays(self) -> None:
        """One that weighs more than what is to go stays, and lighter ones go in its place."""
        self.work(100)
        self.handover.weigh()
        self.assertEqual(self.successResultOf(self.handover.give_some(50)), 0)
        self.work(90, 10)
        self.handover.weigh()
        self.assertEqual(self.successResultOf(self.handover.give_some(40)), 1)
        self.assertEqual(list(self.clients), [1])

    def test_client_that_has_gone(self) -> None:
        """Of those that were weighed, who has gone meanwhile is passed over."""
        self.work(10, 10, 10)
        self.handover.weigh()
        self.peers[0].close()
        self.reactor.turn()
        self.assertEqual(self.successResultOf(self.handover.give_some(70)), 2)

    def test_few_at_a_time(self) -> None:
        """No more are on their way at the same time than may be; the next ones go when those have arrived."""
        self.patch(handover, "WINDOW", 2)
        self.work(*[5] * 6)
        self.handover.weigh()
        giving = self.handover.give_some(50)
        self.reactor.advance(AGAIN)
        self.assertNoResult(giving)
        self.assertEqual(len(self.on_their_way), 2)
        self.land()
        self.reactor.advance(AGAIN)
        self.assertEqual((self.successResultOf(giving), len(self.on_their_way)), (3, 3))
