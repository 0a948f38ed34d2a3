"""The typed face of core/net/loop.h: the loop in C receives, executes and sends, and few events come up to Python.

    kernel ── epoll ── rd_loop (recv → session → send) ── Loop.turn ── LoopConnection ── client's protocol, or transport
                          └ one descriptor of its own, and in it that of Twisted's reactor, or the other way round

A `LoopConnection` is one connection in the loop (see `connection.Connection`), a `LoopListener` one listening socket.
`transport.py` and `ports.py` give both to a loop. `reactor.RedistillReactor` turns it; any other reactor reads from it
as from one descriptor (`Loop.join`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill._core import ffi, lib
from redistill.config.config import Config
from redistill.engine import Session, Store
from redistill.net.accept_limits import AcceptLimits
from redistill.net.loop_connection import Client, LoopConnection, Transport
from redistill.net.loop_listener import LoopListener, Port
from redistill.net.tls import openssl

BUFFER_SIZE = 16384
_MONITORED: int = lib.RD_LOOP_MONITORED
_PUSHED: int = lib.RD_LOOP_PUSHED
_CLIENT_LIMIT: int = lib.RD_LOOP_CLIENT_LIMIT
_ACCEPTED: int = lib.RD_LOOP_ACCEPTED
_turn = lib.rd_loop_turn


@implementer(IReadDescriptor)
class Loop:
    """The connections of a process that are served in C."""

    def __init__(self, buffer_size: int = BUFFER_SIZE) -> None:
        """`buffer_size`: bytes that are received at once. Raises OSError."""
        core = lib.rd_loop_new(buffer_size)
        if core == ffi.NULL:
            raise OSError(ffi.errno, f"no event loop: {os.strerror(ffi.errno)}")
        self.core = ffi.gc(core, lib.rd_loop_free)
        self.connections: dict[int, LoopConnection] = {}
        """The connections by tag, a number that is never used again."""
        self.listeners: dict[int, LoopListener] = {}
        self.untold: set[int] = set()
        """Tags of the connections that have an event of this turn which was not passed on yet."""
        self.frozen_ms = 0
        """Milliseconds since the epoch that stand for the time, of any clock; 0: the clocks are read."""
        self.on_monitored: Callable[[], None] = lambda: None
        """Called when lines of MONITOR wait (`engine.Store.monitored`)."""
        self.on_pushed: Callable[[], None] = lambda: None
        """Called when clients that no loop serves have messages or were woken (`engine.Store.pushed`, `woken`)."""
        self.on_client_limit: Callable[[], None] = lambda: None
        """Called when the buffers of all clients have become too large (`engine.Store.client_to_close`)."""
        self._ring: Any = None
        self._last_tag = 0
        self._more = ffi.new("bool *")

    @property
    def behind(self) -> bool:
        """Whether a configuration was announced that this process has not applied: until it has, nobody is served."""
        return bool(lib.rd_loop_behind(self.core))

    def set_buffer_size(self, size: int) -> None:
        """Receive so many bytes at once. MemoryError."""
        if not lib.rd_loop_set_buffer(self.core, size):
            raise MemoryError("no memory for a buffer to receive into")

    def apply(self, config: Config) -> None:
        """Bound the replies that wait for a client as ``server.output_limit`` says."""
        self.set_output_limit(config.server.output_limit)

    def set_output_limit(self, limit: int) -> None:
        """Bytes that may wait for a client to read, 0: any number."""
        lib.rd_loop_set_output_limit(self.core, limit)

    def read_ring(self, store: Store, fd: int) -> None:
        """Read the messages of other processes to this one in this loop from now on. `store` has joined; `fd` is the
        eventfd of its place (`Store.set_wakers`). Raises OSError."""
        self._ring = store.core  # kept, for the core uses it
        if not lib.rd_loop_read_ring(self.core, self._ring, fd):
            raise OSError(ffi.errno, os.strerror(ffi.errno))

    def watch(self, fd: int) -> None:
        """Have `turn` end, and return True, when the descriptor is readable. Raises OSError."""
        if not lib.rd_loop_watch(self.core, fd):
            raise OSError(ffi.errno, os.strerror(ffi.errno))

    def add(self, session: Session, transport: Transport, client: Client, tls: Any = None) -> LoopConnection:
        """Serve `session` on the socket of `transport` from now on. Raises OSError.

        `tls`: the pyOpenSSL Connection that has shaken hands on that socket; the caller keeps a reference to it.
        """
        tag = self._last_tag = self._last_tag + 1
        if tls is None:
            ssl = ffi.NULL
        else:
            ssl = openssl.pointer(tls)
            lib.rd_loop_set_tls(self.core, openssl.functions())
        core = lib.rd_loop_add(self.core, transport.fileno(), session.core, tag, ssl, self.frozen_ms)
        if core == ffi.NULL:
            raise OSError(ffi.errno, os.strerror(ffi.errno))
        connection = self.connections[tag] = LoopConnection(self, tag, core, session, transport, client)
        return connection

    def listen(self, fd: int, limits: AcceptLimits, port: Port) -> LoopListener:
        """Accept on a non-blocking socket from now on; `port` gets the clients that `limits` admit. OSError."""
        tag = self._last_tag = self._last_tag + 1
        core = lib.rd_loop_listen(self.core, fd, tag, limits.core)
        if core == ffi.NULL:
            raise OSError(ffi.errno, os.strerror(ffi.errno))
        listener = self.listeners[tag] = LoopListener(self, tag, core, limits, port)
        return listener

    def turn(self, timeout: float | None) -> bool:
        """Serve clients until one of them needs Python, for `timeout` seconds at most; None: without end, 0: once.

        True: the descriptor of `watch` can be read.
        """
        core = self.core
        wait = -1 if timeout is None else min(math.ceil(timeout * 1000), 2**31 - 1)
        count = _turn(core, wait, self.frozen_ms)
        watched = bool(lib.rd_loop_watched(core))
        if count:
            self._tell(count)
        return watched

    def _tell(self, count: int) -> None:
        # Copied: an event's receiver may run another turn.
        events = ffi.unpack(lib.rd_loop_events(self.core), count)
        told = [(event.tag, event.what, event.error) for event in events]
        self.untold.update(tag for tag, _, _ in told)
        for tag, what, error in told:
            self.untold.discard(tag)
            connection = self.connections.get(tag)
            if connection is not None:  # an earlier event of this turn may have removed it
                connection.tell(what, error)
            elif what & _ACCEPTED:
                if tag in self.listeners:
                    self.listeners[tag].tell(error)
                elif error >= 0:
                    os.close(error)
            elif what & _MONITORED:
                self.on_monitored()
            elif what & _PUSHED:
                self.on_pushed()
            elif what & _CLIENT_LIMIT:
                self.on_client_limit()

    def silent(self, quiet_since: float, silent_since: float) -> list[Any]:
        """The clients silent since `silent_since`. Those quiet since `quiet_since` give memory back.

        Both times are as of a reactor's seconds().
        """
        found = []
        quiet, silent = (max(0, int(when * 1e6)) for when in (quiet_since, silent_since))
        self._more[0] = True
        while self._more[0]:
            count = lib.rd_loop_scan(self.core, quiet, silent, self._more)
            events = lib.rd_loop_events(self.core)
            found += [self.connections[events[i].tag].client for i in range(count)]
        return found

    def busiest(self, count: int) -> list[tuple[Any, int, int]]:
        """Up to `count` clients, their commands and their bytes since the last call; those with the most first."""
        work = ffi.new("rd_work[]", count)
        found = lib.rd_loop_busiest(self.core, work, count)
        return [(self.connections[one.tag].client, one.commands, one.bytes) for one in work[0:found]]

    def transports(self) -> list[Transport]:
        """The transports of all connections."""
        return [connection.transport for connection in self.connections.values()]

    def ports(self) -> list[Any]:
        """The ports of all listeners."""
        return [listener.port for listener in self.listeners.values()]

    def close(self) -> None:
        """Remove all connections and listeners, and free the loop. A second call does nothing."""
        for connection in list(self.connections.values()):
            connection.remove()
        for listener in list(self.listeners.values()):
            listener.close()
        if self.core is not None:
            ffi.release(self.core)
            self.core = None

    # ---- as one descriptor of a reactor that is not ours ----

    def join(self, reactor: IReactorFDSet) -> None:
        """Have `reactor` turn this loop, unless it is the loop's own reactor. Raises OSError."""
        if getattr(reactor, "loop", None) is not self:
            if not lib.rd_loop_nest(self.core):
                raise OSError(ffi.errno, os.strerror(ffi.errno))
            reactor.addReader(self)

    def leave(self, reactor: IReactorFDSet) -> None:
        """Undo `join`."""
        if getattr(reactor, "loop", None) is not self:
            reactor.removeReader(self)

    def fileno(self) -> int:
        return int(lib.rd_loop_fd(self.core))

    def doRead(self) -> None:
        self.turn(0)

    def logPrefix(self) -> str:
        return "clients"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops: end all connections and ports."""
        for connection in list(self.connections.values()):
            connection.lose(reason)
        for listener in list(self.listeners.values()):
            listener.port.connectionLost(reason)
