"""Connections that go from one loop to another."""

from __future__ import annotations

import socket
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from redistill.engine import Store
from redistill.net import transport
from redistill.net.loop import Loop
from redistill.net.protocol import RespFactory, RespProtocol
from tests.support import arena
from tests.support.served import ServedCase, Sockets

KIB = 1024


class Place(NamedTuple):
    """The objects of one process."""

    reactor: Sockets
    loop: Loop
    factory: RespFactory
    clients: dict[int, RespProtocol]
    store: Store


class MoveTests(ServedCase):
    """Connections that go from one process to another, which here is another store over the same arena"""

    def setUp(self) -> None:
        super().setUp()
        self.counted: list[str] = []
        store = Store()
        self.addCleanup(store.close)
        store.attach(self.arena)
        store.join()
        loop = Loop()
        self.addCleanup(loop.close)
        loop.frozen_ms = store.frozen_ms = arena.NOW_MS
        reactor = Sockets(loop)
        reactor.advance(arena.NOW_MS / 1000 + 100)
        clients: dict[int, RespProtocol] = {}
        there = Place(reactor, loop, self.make_factory(reactor, clients, loop), clients, store)
        self.places = [Place(self.reactor, self.loop, self.factory, self.clients, self.store), there]

    def move(self, client: Any, to: int) -> Any:
        """Hand a client over. Returns its new protocol, whose reactor the test turns from now on."""
        sock, session = client.detach()
        place = self.places[to]
        if place.store is not self.store:
            saved = session.save()
            moved = place.store.load_session(saved, **arena.LIMITS)
            session.close()
            session = moved
        self.reactor, self.loop, self.factory, self.clients, self.store = place

        def build(address: Any) -> RespProtocol:
            protocol = self.factory.readmit(address)
            protocol.go_on_as(client, session)
            return protocol

        successor: Any = transport.adopt(self.reactor, self.loop, sock, build)
        self.addCleanup(lambda: successor.transport.connected and successor.transport.connectionLost(transport._done()))
        return successor

    def test_nothing_is_left_behind(self) -> None:
        """A detached client is in no list, its limits are released, and its socket is not read."""
        client, peer = self.connect()
        client.releases += (lambda: self.counted.append("left"),)
        peer.send(b"PING\r\n")
        self.heard(peer)
        sock, session = client.detach()
        self.addCleanup(sock.close)
        self.addCleanup(session.close)
        self.assertEqual((self.clients, self.loop.connections, self.counted, self.lost), ({}, {}, ["left"], []))
        peer.send(b"PING\r\n")
        self.reactor.turn(2)
        self.assertEqual(sock.recv(100), b"PING\r\n")
        self.assertIsNone(client.detach())

    def test_there_and_back(self) -> None:
        """A client that goes to another loop and back keeps its transaction, its input and its place in the list."""
        client, peer = self.connect()
        client.name, client.lib_name, client.lib_ver, client.user = b"n", b"lib", b"1", "somebody"
        client.session.state.authenticated = True
        peer.send(b"SELECT 3\r\nSET k v\r\nMULTI\r\nGET")
        self.assertEqual(self.heard(peer), b"+OK\r\n+OK\r\n+OK\r\n")
        for place in (1, 0, 0, 1):  # the third: the hand-over has failed
            moved = self.move(client, place)
            self.assertEqual((self.clients, self.places[1 - place].clients), ({1: moved}, {}))
            kept = (moved.name, moved.lib_name, moved.lib_ver, moved.user, moved.connected_at)
            self.assertEqual(kept, (b"n", b"lib", b"1", "somebody", arena.NOW_MS / 1000))
            self.assertTrue(moved.session.state.authenticated)
            peer.send(b" k\r\nGET")
            self.assertEqual(self.heard(peer), b"+QUEUED\r\n")
            client = moved
        peer.send(b" k\r\nEXEC\r\nQUIT\r\n")
        self.assertEqual(self.heard(peer), b"+QUEUED\r\n*5\r\n" + b"$1\r\nv\r\n" * 5 + b"+OK\r\n<end>")
        self.assertEqual((self.control.came, self.control.taken, self.clients), ([1], [1] * 4, {}))

    def test_client_that_monitors(self) -> None:
        """A monitoring client monitors wherever it goes on, and the control plane there is told of it."""
        client, _ = self.connect()
        client.session.monitor()
        for place in (1, 0, 0, 1):
            client = self.move(client, place)
            self.assertEqual((client.session.state.monitors, self.store.monitors), (True, 1))
        client.transport.abortConnection()
        self.reactor.turn()
        self.assertEqual((self.control.taken, self.store.monitors), ([1] * 4, 0))

    def test_client_that_does_not_read(self) -> None:
        """A client's unread replies and its commands that were not executed move with it."""
        arena.call(arena.session(self.store), "SET", "big", b"x" * 100 * KIB)
        client, peer = self.connect()
        peer.send(b"GET big\r\n" * 50)
        self.reactor.turn(5)
        state = client.session.state
        self.assertTrue(state.output_bytes and state.query_bytes)
        self.move(client, 1)
        self.assertEqual(len(self.heard(peer)), 50 * (100 * KIB + 11))

    def test_client_that_is_held(self) -> None:
        """A client that CLIENT PAUSE holds is held where it goes, and goes on there."""
        client, peer = self.connect()
        self.store.set_pause(2, arena.NOW_MS + 1000)
        peer.send(b"GET k\r\n")
        self.assertEqual(self.heard(peer), b"")
        moved = self.move(client, 1)
        self.assertTrue(moved.blocked)
        self.assertFalse(client.factory.blocked.holds(client.execution))
        self.loop.frozen_ms += 2000
        self.reactor.advance(0.02)
        self.assertEqual(self.heard(peer), b"$-1\r\n")

    def test_client_that_cannot_be_detached(self) -> None:
        """A client is not detached during a command, while an answer is pending, or when it is closed."""
        client, peer = self.connect()
        refused: list[object] = []
        self.control.run = lambda one, argv: refused.append(one.detach()) or self.later  # type: ignore[assignment,func-returns-value]
        self.later = Deferred()
        peer.send(b"CLIENT ID\r\n")
        self.reactor.turn()
        self.assertEqual([*refused, client.detach()], [None, None])
        self.later.callback(b":1\r\n")
        self.assertEqual(self.heard(peer), b":1\r\n")
        client.kill()
        self.assertIsNone(client.detach())

    def test_client_that_is_about_to_be_asked(self) -> None:
        """A client is not detached when the same turn has brought a command of its own that was not answered yet."""
        one, peer = self.connect()
        two, other = self.connect()
        refused: list[object] = []

        def run(client: Any, argv: list[bytes]) -> bytes:
            refused.append({one: two, two: one}[client].detach())
            return b":1\r\n"

        self.control.run = run  # type: ignore[assignment]
        for socket_ in (peer, other):
            socket_.send(b"CLIENT ID\r\n")
        self.loop.turn(0)
        sock, session = refused.pop()  # type: ignore[misc]
        self.addCleanup(sock.close)
        self.addCleanup(session.close)
        self.assertEqual(refused, [None])
        self.assertEqual((self.heard(peer), self.heard(other)), (b":1\r\n", b":1\r\n"))

    def test_peer_that_has_gone(self) -> None:
        """A socket that is not connected any more is closed; the session stays the caller's."""
        lonely = socket.socket()
        self.assertRaises(transport.PeerGone, transport.adopt, self.reactor, self.loop, lonely, self.factory.readmit)
        self.assertEqual((lonely.fileno(), self.clients), (-1, {}))

    def test_busiest(self) -> None:
        """The clients with the most work since the last question are found."""
        one, peer = self.connect()
        two, other = self.connect()
        peer.send(b"PING\r\n")
        other.send(b"PING\r\n" * 3)
        self.reactor.turn()
        self.assertEqual(self.loop.busiest(5), [(two, 3, 39), (one, 1, 13)])
        self.assertEqual(self.loop.busiest(5), [])
