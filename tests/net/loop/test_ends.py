"""How connections of the loop end."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from twisted.internet.error import ConnectionLost

from redistill.engine.counters import DaemonCounters
from redistill.net import transport
from tests.support import arena
from tests.support.served import ServedCase

KIB = 1024


class EndTests(ServedCase):
    """How connections end"""

    def test_reset(self) -> None:
        """A connection that the peer resets is lost with its error."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        peer = socket.create_connection(listener.getsockname())
        client: Any = transport.adopt(self.reactor, self.loop, listener.accept()[0], self.factory.buildProtocol)
        client.connectionLost = self.lost.append
        self.assertEqual(client.peer, f"127.0.0.1:{peer.getsockname()[1]}")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        self.reactor.turn(2)
        self.assertEqual((self.lost[0].type, self.loop.connections), (ConnectionLost, {}))
        self.assertIn(os.strerror(errno.ECONNRESET), str(self.lost[0].value))

    def test_kill_by_another(self) -> None:
        """A client that another one kills is gone before that one's next command."""
        _, one = self.connect()
        self.connect()
        one.send(b"CLIENT KILL x:1\r\n")
        self.loop.turn(0)
        self.reactor.advance(0)
        self.assertEqual(list(self.clients), [1])

    def test_idle(self) -> None:
        """A client that is silent for the timeout is closed and counted, not earlier; one that speaks is not."""
        _, silent = self.connect()
        _, other = self.connect()
        for _ in range(3):
            other.send(b"P")
            self.reactor.turn()
            self.pass_time(29)
        self.assertEqual(list(self.clients), [2])
        self.assertEqual(self.heard(silent), b"<end>")
        self.assertEqual(self.counters, DaemonCounters(idle_disconnections=1))

    def test_idle_in_time(self) -> None:
        """An idle client is closed in the second in which its timeout is reached."""
        self.connect()
        self.pass_time(59)
        self.assertEqual(len(self.clients), 1)
        self.pass_time(1)
        self.reactor.advance(0)
        self.assertEqual(self.clients, {})

    def test_quiet_clients_give_memory_back(self) -> None:
        """After some seconds of silence the buffers are gone."""
        client, peer = self.connect()
        peer.send(b"PING\r\n")
        self.heard(peer)
        self.assertTrue(client.session.state.output_cap)
        self.pass_time(4)
        self.assertEqual(client.session.state.output_cap, 0)

    def test_finish(self) -> None:
        """When the server stops, an idle client is closed, and a busy one not before its replies are sent."""
        idle, _ = self.connect()
        busy, peer = self.connect()
        arena.call(arena.session(self.store), "SET", "big", b"x" * 100 * KIB)
        peer.send(b"GET big\r\n" * 20)
        self.reactor.turn(5)
        for client in (idle, busy):
            client.finish()
        self.reactor.turn()
        self.assertEqual(list(self.clients), [2])
        self.assertEqual(len(self.heard(peer)), 20 * (100 * KIB + 11))
        busy.finish()
        self.assertEqual(self.heard(peer), b"<end>")

    def test_mistake_in_a_command(self) -> None:
        """A command that raises is logged; its client is told and closed, others are served."""
        _, one = self.connect()
        _, two = self.connect()
        self.control.raises = ZeroDivisionError()
        one.send(b"PING\r\nCLIENT ID\r\n")
        two.send(b"PING\r\n")
        self.assertEqual(self.heard(one), b"+PONG\r\n-ERR internal error\r\n<end>")
        self.assertEqual(self.heard(two), b"+PONG\r\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_mistake_of_the_protocol(self) -> None:
        """Whatever else raises is logged and closes that connection only."""
        client, one = self.connect()
        _, two = self.connect()

        def fail(status: object) -> None:
            raise ZeroDivisionError

        client.stopped = fail
        one.send(b"CLIENT ID\r\n")
        two.send(b"PING\r\n")
        self.assertEqual((self.heard(one), self.heard(two)), (b"<end>", b"+PONG\r\n"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_store_that_closes_first(self) -> None:
        """A session that is closed leaves the loop."""
        client, peer = self.connect()
        self.store.close()
        peer.send(b"PING\r\n")
        self.reactor.turn(2)
        self.assertEqual(self.loop.connections, {})
        client.transport.abortConnection()
        self.reactor.turn()
        self.assertEqual(self.clients, {})
