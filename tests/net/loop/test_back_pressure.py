"""Clients of the loop that do not read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from redistill._core import ffi
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone

from redistill.control.slices import SLICE, sliced
from redistill.engine.counters import DaemonCounters
from redistill.net.protocol.idle import LINGER
from tests.support import arena
from tests.support.served import ServedCase

KIB = 1024


class BackPressureTests(ServedCase):
    """Clients that do not read"""

    def setUp(self) -> None:
        super().setUp()
        self.client, self.peer = self.connect()
        arena.call(arena.session(self.store), "SET", "big", b"x" * 100 * KIB)

    def fill(self, times: int = 100) -> None:
        """Ask for the value again and again, and read nothing."""
        self.peer.send(b"GET big\r\n" * times)
        self.reactor.turn(5)

    def test_client_that_reads_late(self) -> None:
        """Execution stops while it does not read, and goes on when it does: all arrives."""
        self.fill()
        self.assertTrue(self.client.session.state.output_bytes > 0)
        self.assertTrue(self.client.session.state.output_cap < 2 * arena.MIB)
        self.assertEqual(len(self.heard(self.peer)), 100 * (100 * KIB + 11))

    def test_output_limit(self) -> None:
        """A client whose waiting replies exceed the limit is closed at once, counted and logged."""
        self.factory.output_limit = 1000
        self.loop.set_output_limit(1000)
        self.fill()
        self.assertEqual((self.clients, self.counters), ({}, DaemonCounters(output_disconnections=1)))
        self.assertEqual(self.lost[0].type, ConnectionAborted)

    def test_pushes_to_a_late_reader(self) -> None:
        """Pushes wait while a client does not read. When it reads all arrive, and its commands are served."""
        for _ in range(20):
            self.client.push(b"x" * 100 * KIB)
        self.assertGreater(self.client.session.waiting, 0)
        self.peer.send(b"PING\r\n")
        self.reactor.turn(3)
        self.assertEqual(self.heard(self.peer), b"x" * 2000 * KIB + b"+PONG\r\n")
        self.client.push(b"y")
        self.assertEqual(self.heard(self.peer), b"y")
        self.peer.send(b"PING\r\n")
        self.assertEqual(self.heard(self.peer), b"+PONG\r\n")

    def test_pushes_beyond_the_limit(self) -> None:
        """A client that does not read its pushes is closed when they exceed the output limit."""
        self.factory.output_limit = 200 * KIB
        pushes = 0
        while self.clients and pushes < 100:
            self.client.push(b"x" * 100 * KIB)
            self.reactor.turn()
            pushes += 1
        self.assertEqual((self.clients, self.counters), ({}, DaemonCounters(output_disconnections=1)))
        self.assertIn(pushes, range(3, 20))

    def test_pushes_while_an_answer_is_pending(self) -> None:
        """Pushes come before the pending answer, and none is lost when they exceed what the client reads at once."""
        self.later = Deferred()
        self.peer.send(b"CLIENT ID\r\nPING\r\n")
        self.reactor.turn(2)
        for _ in range(10):
            self.client.push(b"x" * 100 * KIB)
        self.later.callback(b":1\r\n")
        self.assertEqual(self.heard(self.peer), b"x" * 1000 * KIB + b":1\r\n+PONG\r\n")

    def test_pushes_in_the_middle_of_an_answer(self) -> None:
        """When a part of an answer was sent, pushes wait for the whole. The output limit bounds them."""
        self.later = Deferred()
        self.peer.send(b"CLIENT ID\r\nPING\r\n")
        self.reactor.turn(2)
        (client,) = self.clients.values()
        self.assertTrue(client.session.answer_part(b"*2\r\n:1\r\n"))
        for _ in range(3):
            client.push(b"+x\r\n")
        self.later.callback(b":2\r\n")
        self.assertEqual(self.heard(self.peer), b"*2\r\n:1\r\n:2\r\n" + b"+x\r\n" * 3 + b"+PONG\r\n")
        client.push(b"+y\r\n")
        self.assertEqual(self.heard(self.peer), b"+y\r\n")
        self.later = Deferred()
        self.peer.send(b"CLIENT ID\r\n")
        self.reactor.turn(2)
        client.session.answer_part(b"*2\r\n")
        self.factory.output_limit = 100
        client.push(b"x" * 101)
        self.reactor.turn()
        self.assertEqual((self.clients, self.counters), ({}, DaemonCounters(output_disconnections=1)))

    def test_answer_in_slices(self) -> None:
        """An answer that is made in slices is made as the client reads; one that does not is idle."""
        made: list[int] = []
        ticks = itertools.count(0, SLICE)
        state: Any = SimpleNamespace(ticks=lambda: next(ticks), reactor=self.reactor)

        def parts() -> Iterator[bytes]:
            yield b"$%d\r\n" % (300 * 100 * KIB)
            for number in range(300):
                made.append(number)
                yield b"x" * 100 * KIB
            yield b"\r\n"

        self.control.run = lambda client, argv: sliced(state, client, parts())  # type: ignore[assignment, arg-type]
        self.peer.send(b"CLIENT ID\r\nPING\r\n")
        self.reactor.turn(5)
        (client,) = self.clients.values()
        self.assertLess((len(made), client.session.waiting), (100, 200 * KIB))
        self.assertTrue(self.heard(self.peer, 1).endswith(b"x\r\n+PONG\r\n"))
        self.assertEqual(len(made), 300)
        self.peer.send(b"CLIENT ID\r\n")
        self.reactor.turn(5)
        self.reactor.advance(61)
        self.loop.frozen_ms += 61_000
        for _ in range(3):
            self.reactor.advance(1)
            self.reactor.turn()
        self.assertEqual((self.clients, self.counters), ({}, DaemonCounters(idle_disconnections=1)))

    def test_killed(self) -> None:
        """Replies that a killed client has not read are lost."""
        self.fill()
        self.client.kill()
        self.reactor.turn()
        self.assertEqual((self.clients, self.lost[0].type), ({}, ConnectionAborted))

    def test_lose_connection_flushes(self) -> None:
        """A transport writes the rest of its output before it closes."""
        self.fill(20)
        waiting = self.client.session.waiting
        self.client.transport.unregisterProducer()
        self.client.transport.loseConnection()
        got = self.heard(self.peer, 200)
        self.assertTrue(waiting > 0 and got.endswith(b"<end>"), waiting)
        self.assertEqual(self.lost[0].type, ConnectionDone)

    def test_last_replies_have_their_time(self) -> None:
        """After QUIT a client that does not read is cut, when it has had LINGER seconds."""
        self.store.core.clock = ffi.NULL  # without a clock no slice ends between the commands
        self.peer.send(b"GET big\r\n" * 8 + b"QUIT\r\n")
        self.reactor.turn(2)
        (client,) = self.clients.values()
        self.assertEqual(client.session.state.commands, 9)
        self.reactor.turn(5)
        self.pass_time(LINGER - 1)
        self.assertEqual(len(self.clients), 1)
        self.pass_time(2)
        self.assertEqual((self.clients, self.lost[0].type), ({}, ConnectionAborted))

    def test_reader_is_not_cut_off(self) -> None:
        """Replies that a closing client still reads arrive, and then the end."""
        self.peer.send(b"GET big\r\n" * 20 + b"QUIT\r\n")
        self.assertTrue(self.heard(self.peer, 5).endswith(b"+OK\r\n<end>"))
