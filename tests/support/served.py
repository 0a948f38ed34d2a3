"""Clients served by the loop: real sockets, the real core, a control plane that is played, and time that stands still."""

from __future__ import annotations

import itertools
import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.counters import DaemonCounters
from redistill.net import transport
from redistill.net.loop import Loop
from redistill.net.protocol import RespFactory, RespProtocol
from redistill.net.protocol.idle import TICK
from tests.support import arena
from tests.support.played import PlayedControl

KIB = 1024


class Sockets(Clock):
    """A clock, and the methods of a reactor that a transport calls. The test turns it."""

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
        """Make the due calls, turn the loop, then write to the other descriptors."""
        for _ in range(times):
            self.advance(0)
            self.loop.turn(0)
            for writer in list(self.writers):
                why = writer.doWrite()
                if why is not None:
                    writer.connectionLost(transport.Failure(why))
        self.advance(0)


class ServedCase(SynchronousTestCase):
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
        """The factory of one process."""
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
            loop=loop,
        )

    def answer(self, client: RespProtocol, argv: list[bytes]) -> bytes | Deferred[bytes]:
        """The control plane's answer: CLIENT ID is answered, later if there is a `later`; CLIENT KILL closes all others."""
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
        """The bytes that the peer has received after some turns, and b"<end>" if the connection was closed."""
        self.reactor.turn(turns)
        got = b""
        try:
            while more := peer.recv(1 << 20):
                got += more
                self.reactor.turn()
        except BlockingIOError:
            return got
        return got + b"<end>"
