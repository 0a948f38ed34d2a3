"""Clients served by the loop: real sockets, the real core, a control plane that is played, and time that stands still."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import socket
import ssl
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from OpenSSL import SSL
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.unix import Server as TwistedServer
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from redistill.control.slices import SLICE, sliced
from redistill.engine import Session, Status, Store
from redistill.engine.interfaces import SlowEntry
from redistill.engine.stats import DaemonCounters
from redistill.net import transport
from redistill.net.loop import Loop
from redistill.net.protocol import RespFactory, RespProtocol
from redistill.net.protocol.client import SHARE
from redistill.net.protocol.idle import LINGER, TICK
from tests.net.test_protocol import PlayedControl
from tests.support import arena
from tests.support.certificates import Certificates

KIB = 1024


class Sockets(Clock):
    """A clock, and what a transport asks of a reactor besides: here it is turned by the test."""

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self.loop = loop
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)

    def turn(self, times: int = 1) -> None:
        """What is due, then the loop's sockets, then those of others that can be written to."""
        for _ in range(times):
            self.advance(0)
            self.loop.turn(0)
            for writer in list(self.writers):
                why = writer.doWrite()
                if why is not None:
                    writer.connectionLost(transport.Failure(why))
        self.advance(0)


class Case(SynchronousTestCase):
    """A factory whose clients come over socket pairs."""

    def setUp(self) -> None:
        self.arena = arena.arena_file(self)
        self.store = arena.opened(self, self.arena)
        self.loop = Loop()
        self.addCleanup(self.loop.close)
        self.reactor = Sockets(self.loop)
        self.reactor.advance(arena.NOW_MS / 1000)
        self.loop.frozen_ms = arena.NOW_MS
        self.control = PlayedControl()
        self.control.run = self.answer  # type: ignore[assignment]
        self.later: Deferred[bytes] | None = None
        self.counters = DaemonCounters()
        self.clients: dict[int, RespProtocol] = {}
        self.limits: dict[str, int] = {}
        self.lost: list[Any] = []
        self.factory = self.make_factory(self.reactor, self.clients, self.loop)

    def make_factory(self, clock: Any, clients: dict[int, RespProtocol], loop: Loop) -> RespFactory:
        """Of one process."""
        return RespFactory(
            clock,
            lambda: arena.session(self.store, **self.limits),
            self.control,
            clients,
            counters=self.counters,
            next_id=itertools.count(1).__next__,
            output_limit=0,
            idle_timeout=60,
            read_size=4096,
            served=loop,
        )

    def answer(self, client: RespProtocol, argv: list[bytes]) -> bytes | Deferred[bytes]:
        """Of the control plane: CLIENT ID is answered, later if there is a `later`; CLIENT KILL closes all others."""
        if self.control.raises:
            raise self.control.raises
        if argv[-1].upper() == b"QUIT":
            client.session.state.close_after_reply = True
            return b"+OK\r\n"
        if b"KILL" in argv:
            for one in list(self.clients.values()):
                if one is not client:
                    one.kill()
        return self.later if self.later is not None else b":%d\r\n" % client.client_id

    def connect(self, factory: Any = None) -> tuple[Any, socket.socket]:
        """A new client's protocol, and the peer's socket."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.addCleanup(theirs.close)
        client: Any = transport.adopt(self.reactor, self.loop, ours, (factory or self.factory).buildProtocol)
        before = client.connectionLost
        client.connectionLost = lambda reason: (self.lost.append(reason), before(reason))
        self.addCleanup(lambda: client.transport.connected and client.transport.connectionLost(transport._done()))
        return client, theirs

    def pass_time(self, seconds: float) -> None:
        """For the clock, the sessions and the loop."""
        for _ in range(int(seconds / TICK)):
            self.loop.frozen_ms += int(TICK * 1000)
            self.store.frozen_ms = self.loop.frozen_ms
            self.reactor.advance(TICK)

    def heard(self, peer: socket.socket, turns: int = 3) -> bytes:
        """What the peer has got after some turns; with b"<end>" when that was all there will be."""
        self.reactor.turn(turns)
        got = b""
        try:
            while more := peer.recv(1 << 20):
                got += more
                self.reactor.turn()
        except BlockingIOError:
            return got
        return got + b"<end>"


class ServedTests(Case):
    """The direct path"""

    def test_commands_do_not_come_to_python(self) -> None:
        """What the core executes is received, answered and sent without the protocol."""
        client, peer = self.connect()
        client.stopped = client.dataReceived = None
        peer.send(b"SET k v\r\nGET k\r\n")
        self.assertEqual(self.heard(peer), b"+OK\r\n$1\r\nv\r\n")

    def test_answers_of_the_control_plane_keep_their_place(self) -> None:
        """Replies of both planes leave in the order of the requests."""
        _, peer = self.connect()
        peer.send(b"SET k v\r\nCLIENT ID\r\nGET k\r\nCLIENT ID\r\nPING\r\n")
        self.assertEqual(self.heard(peer), b"+OK\r\n:1\r\n$1\r\nv\r\n:1\r\n+PONG\r\n")

    def test_pipelines_split_anywhere(self) -> None:
        """However the bytes are cut, the replies are the same."""
        text = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nab\r\nCLIENT ID\r\nGET k\r\n"
        for cut in range(1, len(text)):
            client, peer = self.connect()
            peer.send(text[:cut])
            before = self.heard(peer, 1)
            peer.send(text[cut:])
            self.assertEqual(before + self.heard(peer), b"+OK\r\n:%d\r\n$2\r\nab\r\n" % client.client_id)

    def test_long_pipelines_of_the_control_plane_let_others_in(self) -> None:
        """After its share of answers a client waits for its next turn."""
        _, one = self.connect()
        _, two = self.connect()
        one.send(b"CLIENT ID\r\n" * (SHARE + 2))
        two.send(b"PING\r\n")
        self.loop.turn(0)
        self.assertEqual((one.recv(1000), two.recv(1000)), (b":1\r\n" * SHARE, b"+PONG\r\n"))
        self.assertEqual(self.heard(one), b":1\r\n:1\r\n")

    def test_later_answers(self) -> None:
        """What follows a command that is answered later waits for it; what was before has left, others go on."""
        _, peer = self.connect()
        _, other = self.connect()
        self.later = Deferred()
        peer.send(b"PING\r\nCLIENT ID\r\nPING a\r\n")
        self.assertEqual(self.heard(peer), b"+PONG\r\n")
        peer.send(b"PING b\r\n")
        other.send(b"PING\r\n")
        self.assertEqual((self.heard(peer), self.heard(other)), (b"", b"+PONG\r\n"))
        self.later.callback(b":9\r\n")
        self.assertEqual(self.heard(peer), b":9\r\n$1\r\na\r\n$1\r\nb\r\n")

    def test_half_close(self) -> None:
        """A client that ends its direction gets the replies to what it sent, then the end."""
        _, peer = self.connect()
        peer.send(b"SET k v\r\nCLIENT ID\r\nGET k\r\nGE")
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(self.heard(peer), b"+OK\r\n:1\r\n$1\r\nv\r\n<end>")
        self.assertEqual((self.lost[0].type, self.clients), (ConnectionDone, {}))

    def test_half_close_while_an_answer_is_pending(self) -> None:
        """The same, when the answer comes later."""
        _, peer = self.connect()
        self.later = Deferred()
        peer.send(b"CLIENT ID\r\nPING\r\n")
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(self.heard(peer), b"")
        self.later.callback(b":9\r\n")
        self.assertEqual(self.heard(peer), b":9\r\n+PONG\r\n<end>")

    def test_quit(self) -> None:
        """QUIT is answered, what follows is not executed, the connection is closed."""
        _, peer = self.connect()
        peer.send(b"QUIT\r\nSET k v\r\n")
        self.assertEqual(self.heard(peer), b"+OK\r\n<end>")
        self.assertEqual(self.store.count(0), 0)

    def test_protocol_error(self) -> None:
        """So is one who does not speak RESP, after he is told."""
        _, peer = self.connect()
        peer.send(b"PING\r\n*1\r\n%1\r\n")
        self.assertEqual(self.heard(peer), b"+PONG\r\n-ERR Protocol error: expected '$', got '%'\r\n<end>")

    def test_slow_commands(self) -> None:
        """A slow command reaches the control plane with its client."""
        self.store.set_slow_threshold(0)
        _, one = self.connect()
        _, two = self.connect()
        one.send(b"SET k 1\r\n")
        two.send(b"GET k\r\n")
        self.heard(two)
        said = sorted((number, entry.argv) for number, entry in self.control.slow_ones)
        self.assertEqual(said, [(1, [b"SET", b"k", b"1"]), (2, [b"GET", b"k"])])
        self.assertIsInstance(self.control.slow_ones[0][1], SlowEntry)

    def test_large_values(self) -> None:
        """Values of all sizes arrive whole in both directions."""
        _, peer = self.connect()
        for size in (1, 4095, 16384, 65536, 3_000_000):
            request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size + b"v" * size + b"\r\nGET k\r\n"
            got = b""
            while request:
                with contextlib.suppress(BlockingIOError):
                    request = request[peer.send(request) :]
                self.reactor.turn()
            got = self.heard(peer, 10)
            self.assertEqual(
                (len(got), got[:5], got[-3:]), (size + len(b"+OK\r\n$%d\r\n\r\n" % size), b"+OK\r\n", b"v\r\n")
            )

    def test_a_thousand_clients(self) -> None:
        """A thousand clients are all served in a few turns."""
        peers = [self.connect()[1] for _ in range(1000)]
        for peer in peers:
            peer.send(b"INCR n\r\nCLIENT ID\r\n")
        self.reactor.turn(12)
        said = [peer.recv(100) for peer in peers]
        self.assertEqual(sorted(int(one.split(b"\r\n")[0][1:]) for one in said), list(range(1, 1001)))
        self.assertEqual([int(one.split(b"\r\n")[1][1:]) for one in said], list(range(1, 1001)))


class MonitorTests(Case):
    """Lines of MONITOR"""

    def setUp(self) -> None:
        super().setUp()
        self.lines: list[bytes] = []
        self.loop.on_monitored = lambda: self.lines.append(self.store.monitored())

    def test_lines(self) -> None:
        """While a client monitors, the loop says when lines wait: after a turn, and after the answer to a command."""
        (monitor, _), (_, peer) = self.connect(), self.connect()
        peer.send(b"PING\r\n")
        self.assertEqual((self.heard(peer), self.lines), (b"+PONG\r\n", []))
        monitor.session.monitor()
        self.later = Deferred()
        peer.send(b"PING\r\nECHO a\r\nCLIENT ID\r\n")
        self.heard(peer)
        self.later.callback(b":5\r\n")
        self.heard(peer)
        shown = [re.sub(rb"\+\d+\.\d{6} \[0 \?:0\] ", b"", lines) for lines in self.lines]
        self.assertEqual(shown, [b'"PING"\r\n"ECHO" "a"\r\n', b'"CLIENT" "ID"\r\n'])

    def test_client_that_is_killed_in_the_turn(self) -> None:
        """Its lines are told of, though it is gone by then."""
        (killer, first), (_, peer) = self.connect(), self.connect()
        killer.session.monitor()
        first.send(b"CLIENT KILL x\r\n")
        peer.send(b"PING\r\n")
        self.reactor.turn(1)
        self.assertEqual((len(self.clients), b'"PING"' in b"".join(self.lines)), (1, True))


class PauseTests(Case):
    """CLIENT PAUSE, and transactions that hold up others"""

    def test_pause(self) -> None:
        """A paused client is not read, and goes on when the pause has ended."""
        client, peer = self.connect()
        self.store.set_pause(2, arena.NOW_MS + 500)
        peer.send(b"GET k\r\n")
        self.assertEqual((self.heard(peer), client.blocked), (b"", True))
        self.loop.frozen_ms += 501
        self.reactor.advance(0.011)
        self.assertEqual((self.heard(peer), client.blocked), (b"$-1\r\n", False))

    def test_transaction_that_waits(self) -> None:
        """A transaction that waits for the control plane holds up nobody else, whose commands come after its data."""
        _, one = self.connect()
        _, two = self.connect()
        self.later = Deferred()
        one.send(b"MULTI\r\nSET k 1\r\nCLIENT ID\r\nGET k\r\nEXEC\r\nPING\r\n")
        begun = b"+OK\r\n" + b"+QUEUED\r\n" * 3 + b"*3\r\n+OK\r\n"
        self.assertEqual(self.heard(one), begun)
        two.send(b"GETSET k 2\r\n")
        self.assertEqual(self.heard(two), b"$1\r\n1\r\n")
        self.later.callback(b":9\r\n")
        self.reactor.advance(0.011)
        self.assertEqual(self.heard(one), b":9\r\n$1\r\n1\r\n+PONG\r\n")


class BackPressureTests(Case):
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
        """With more waiting than it may a client is closed at once, counted and logged."""
        self.factory.output_limit = 1000
        self.loop.set_output_limit(1000)
        self.fill()
        self.assertEqual((self.clients, self.counters), ({}, DaemonCounters(output_disconnections=1)))
        self.assertEqual(self.lost[0].type, ConnectionAborted)

    def test_pushes_to_who_reads_late(self) -> None:
        """What is pushed waits while a client does not read; when it does all arrives, and its commands are served."""
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
        """A client that does not read what is pushed is closed when more waits than may."""
        self.factory.output_limit = 200 * KIB
        pushes = 0
        while self.clients and pushes < 100:
            self.client.push(b"x" * 100 * KIB)
            self.reactor.turn()
            pushes += 1
        self.assertEqual((self.clients, self.counters), ({}, DaemonCounters(output_disconnections=1)))
        self.assertIn(pushes, range(3, 20))

    def test_pushes_while_an_answer_is_pending(self) -> None:
        """They come before the answer, and nothing is lost when they are more than the client reads."""
        self.later = Deferred()
        self.peer.send(b"CLIENT ID\r\nPING\r\n")
        self.reactor.turn(2)
        for _ in range(10):
            self.client.push(b"x" * 100 * KIB)
        self.later.callback(b":1\r\n")
        self.assertEqual(self.heard(self.peer), b"x" * 1000 * KIB + b":1\r\n+PONG\r\n")

    def test_pushes_in_the_middle_of_an_answer(self) -> None:
        """When a part of an answer is there, they come behind the whole; so many may wait as output may."""
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
        """What a client that is killed did not read is lost."""
        self.fill()
        self.client.kill()
        self.reactor.turn()
        self.assertEqual((self.clients, self.lost[0].type), ({}, ConnectionAborted))

    def test_lose_connection_flushes(self) -> None:
        """A transport that is to be closed writes what is left before."""
        self.fill(20)
        waiting = self.client.session.waiting
        self.client.transport.unregisterProducer()
        self.client.transport.loseConnection()
        got = self.heard(self.peer, 200)
        self.assertTrue(waiting > 0 and got.endswith(b"<end>"), waiting)
        self.assertEqual(self.lost[0].type, ConnectionDone)

    def test_last_replies_have_their_time(self) -> None:
        """After QUIT a client that does not read is cut, when it has had LINGER seconds."""
        self.peer.send(b"GET big\r\n" * 8 + b"QUIT\r\n")
        self.reactor.turn(2)
        (client,) = self.clients.values()
        for _ in range(1000):  # a slow build pauses between the commands
            if client.session.state.commands == 9:
                break
            self.reactor.turn()
        self.assertEqual(client.session.state.commands, 9)
        self.reactor.turn(5)
        self.pass_time(LINGER - 1)
        self.assertEqual(len(self.clients), 1)
        self.pass_time(2)
        self.assertEqual((self.clients, self.lost[0].type), ({}, ConnectionAborted))

    def test_who_reads_is_not_cut(self) -> None:
        """Replies that a closing client still reads arrive, and then the end."""
        self.peer.send(b"GET big\r\n" * 20 + b"QUIT\r\n")
        self.assertTrue(self.heard(self.peer, 5).endswith(b"+OK\r\n<end>"))


class EndTests(Case):
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
        """It is the second in which the timeout is reached."""
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
        """When the server stops an idle client is closed; one that is in the middle is not, yet."""
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


class Place(NamedTuple):
    """What a process has."""

    reactor: Sockets
    loop: Loop
    factory: RespFactory
    clients: dict[int, RespProtocol]
    store: Store


class MoveTests(Case):
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
        """Hand a client over; the protocol that goes on with it. From now on the test turns that one's reactor."""
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
        """A client that is taken away is in no list, and its limits are released; nobody reads from it."""
        client, peer = self.connect()
        client.leaving += (lambda: self.counted.append("left"),)
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
        """It monitors wherever it goes on, and the control plane is told of it there."""
        client, _ = self.connect()
        client.session.monitor()
        for place in (1, 0, 0, 1):
            client = self.move(client, place)
            self.assertEqual((client.session.state.monitors, self.store.monitors), (True, 1))
        client.transport.abortConnection()
        self.reactor.turn()
        self.assertEqual((self.control.taken, self.store.monitors), ([1] * 4, 0))

    def test_client_that_does_not_read(self) -> None:
        """What waits for a client to read moves with it, and what it sent and was not executed."""
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
        self.assertFalse(client.factory.blocked.holds(client))
        self.loop.frozen_ms += 2000
        self.reactor.advance(0.02)
        self.assertEqual(self.heard(peer), b"$-1\r\n")

    def test_client_that_cannot_be_detached(self) -> None:
        """Not while an answer is pending, nor while it is closed, nor when it has just been said what is to be done."""
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
        """Nor when the same turn has brought a command of its that was not answered yet."""
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
        """Of a socket that is not connected any more nothing is left; the session is the caller's."""
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


class Speaker(Protocol):
    """Says a word, and keeps what it gets."""

    transport: Any

    def connectionMade(self) -> None:
        self.got = b""
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        self.got += data


class WriteTests(Case):
    """Transports without a session"""

    def test_written_at_once(self) -> None:
        """What is written is sent before write returns."""
        _, peer = self.connect(Factory.forProtocol(Speaker))
        self.assertEqual(peer.recv(10), b"hello")

    def test_order_is_kept(self) -> None:
        """What does not fit is queued, and what follows is queued behind it."""
        client, peer = self.connect(Factory.forProtocol(Speaker))
        client.transport.write(b"a" * arena.MIB * 4)
        client.transport.write(b"b")
        client.transport.loseConnection()
        self.assertEqual(self.heard(peer, 100), b"hello" + b"a" * arena.MIB * 4 + b"b<end>")

    def test_wrapped_transport(self) -> None:
        """What is wrapped (TLS) is not served beneath its wrapper, but through it."""

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
        """In everything else they are Twisted's."""
        client, _ = self.connect()
        self.assertIsInstance(client.transport, TwistedServer)
        self.assertIsInstance(client.session, Session)


class TLSTests(Case):
    """Sockets that speak TLS, after the handshake"""

    def setUp(self) -> None:
        super().setUp()
        certificate, key = Certificates(self).sign("server")
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_file(certificate)
        context.use_privatekey_file(key)
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.peer = trusting.wrap_socket(theirs, do_handshake_on_connect=False)
        self.addCleanup(self.peer.close)
        self.tls = SSL.Connection(context, ours)
        self.tls.set_accept_state()
        self.shake()
        session = arena.session(self.store)
        self.sock = ours
        self.heard_of: list[str] = []
        self.line = self.loop.add(session, self, self, self.tls)  # type: ignore[arg-type]
        self.addCleanup(session.close)
        self.session = session

    def shake(self) -> None:
        """Both hands."""
        done: set[int] = set()
        while len(done) < 2:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.peer.do_handshake()
                done.add(1)
            with contextlib.suppress(SSL.WantReadError):
                self.tls.do_handshake()
                done.add(2)

    # The transport and the client of the line.

    def fileno(self) -> int:
        return self.sock.fileno()

    def stopped(self, status: Status) -> None:
        self.heard_of.append(status.name)
        if status is Status.CONTROL:
            self.session.answer(b":1\r\n")
            self.line.resume()

    def readEnded(self) -> None:
        self.heard_of.append("END")

    def loopLost(self, reason: Any) -> None:
        self.heard_of.append("LOST")

    def ask(self, data: bytes, expected: int) -> bytes:
        """So many bytes of the replies to `data`."""
        got = b""
        for _ in range(3000):
            with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
                if data:
                    data = data[self.peer.send(data) :]
            self.loop.turn(0)
            with contextlib.suppress(ssl.SSLWantReadError):
                got += self.peer.recv(1 << 20)
            if len(got) >= expected:
                break
        return got

    def test_commands(self) -> None:
        """Pipelines are answered, those of the control plane too."""
        expected = b"+OK\r\n:1\r\n$1\r\nv\r\n"
        self.assertEqual(self.ask(b"SET k v\r\nCLIENT ID\r\nGET k\r\n", len(expected)), expected)

    def test_records_longer_than_the_buffer(self) -> None:
        """What OpenSSL has deciphered already is read without the socket's saying so."""
        self.loop.set_buffer_size(100)
        expected = b"+PONG\r\n" * 1000
        self.assertEqual(self.ask(b"PING\r\n" * 1000, len(expected)), expected)

    def test_large_values(self) -> None:
        """Values of megabytes go both ways."""
        size = 3_000_000
        request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\nGET k\r\n" % (size, b"v" * size)
        expected = b"+OK\r\n$%d\r\n%s\r\n" % (size, b"v" * size)
        self.assertTrue(self.ask(request, len(expected)) == expected)

    def test_end(self) -> None:
        """The peer's close_notify is its end."""
        self.ask(b"PING\r\n", 7)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.peer.unwrap()
        self.loop.turn(0)
        self.assertEqual(self.heard_of, ["END"])

    def test_garbage(self) -> None:
        """Bytes that are no TLS end the connection, and only that."""
        socket.socket(fileno=os.dup(self.peer.fileno())).send(b"PING\r\n" * 10)
        self.loop.turn(0)
        self.loop.turn(0)
        self.assertEqual(self.heard_of, ["LOST"])
