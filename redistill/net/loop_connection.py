"""A connection in the loop in C, and the events that its protocol and its transport are told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.error import ConnectionLost
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill._core import lib
from redistill.engine import STATUSES, Session, Status

if TYPE_CHECKING:
    from redistill.net.loop import Loop

log = Logger()

_STATUS: int = lib.RD_LOOP_STATUS
_SLOW: int = lib.RD_LOOP_SLOW
_DRAINED: int = lib.RD_LOOP_DRAINED
_OVER: int = lib.RD_LOOP_OVER
_END: int = lib.RD_LOOP_END
_MONITORED: int = lib.RD_LOOP_MONITORED


class Client(Protocol):
    """The protocol that has a connection's session; see protocol.RespProtocol."""

    def stopped(self, status: Status) -> None:
        """The session waits: for an answer (CONTROL), for a pause (PAUSED), or for its end (CLOSE)."""
        ...

    def overflowed(self) -> None:
        """The replies that the peer has not read exceed the output limit."""
        ...

    def pauseProducing(self) -> None:
        """`flush` or `resume` could not send all; `resumeProducing` follows when it could."""
        ...

    def resumeProducing(self) -> None: ...


class Transport(Protocol):
    """The transport that has the socket; see transport.Server."""

    def fileno(self) -> int: ...

    def stopReading(self) -> None: ...

    def readEnded(self) -> None:
        """The peer sends no more, and the loop reads no more."""
        ...

    def loopLost(self, reason: Failure) -> None:
        """The connection is broken, or an exception of ours occurred on it and is logged."""
        ...


class LoopConnection:
    """A connection in a loop, made by `Loop.add`. After `remove` it does nothing."""

    def __init__(self, loop: Loop, tag: int, core: Any, session: Session, transport: Transport, client: Client) -> None:
        self.session = session
        self.client = client
        self.transport = transport
        self._loop = loop
        self._tag = tag
        self._c = core
        self._active = 0.0
        session.connection = self

    def resume(self) -> Status:
        """Go on executing after `Client.stopped`, as `Session.resume`; FULL: the peer does not read."""
        if self._c is None:
            return Status.CLOSE
        code: int = lib.rd_loop_resume(self._loop.core, self._c, self._loop.frozen_ms)
        if code & _SLOW:
            self.session.hand_slow()
        if code & _MONITORED:
            self._loop.on_monitored()
        return self._unless_over(code)

    def _unless_over(self, code: int) -> Status:
        if code & _OVER:
            self.client.overflowed()
            return Status.CLOSE
        return STATUSES[code & _STATUS]

    def flush(self) -> None:
        """Send the replies that wait; `pauseProducing` follows if not all could be sent."""
        if self._c is not None and not lib.rd_loop_flush(self._loop.core, self._c):
            self.client.pauseProducing()

    def read_on(self) -> None:
        """Nothing to do: the loop reads on when it has executed everything."""

    def pause(self) -> None:
        """Read no more until `resume`."""
        if self._c is not None:
            lib.rd_loop_pause(self._loop.core, self._c)

    @property
    def busy(self) -> bool:
        """Whether commands are left to be executed, or replies to be sent, that do not wait for the client."""
        return self._c is not None and bool(lib.rd_conn_busy(self._c))

    @property
    def untold(self) -> bool:
        """Whether the client or the transport is about to be told something."""
        return self._tag in self._loop.untold

    @property
    def last_active(self) -> float:
        """When bytes were last received or sent, as of a reactor's seconds() (`reactor.use_monotonic_time`)."""
        return self._active if self._c is None else lib.rd_conn_active_us(self._c) / 1e6

    def remove(self) -> None:
        """Leave the loop; replies that were not sent stay in the session."""
        if self._c is None:
            return
        self._active = self.last_active
        lib.rd_loop_remove(self._loop.core, self._c)
        self._c = None
        self.session.connection = None
        del self._loop.connections[self._tag]

    def tell(self, what: int, error: int) -> None:
        """Pass on an event. An exception is logged, and closes this connection."""
        try:
            if what & _SLOW:
                self.session.hand_slow()
            if what & _STATUS:
                self.client.stopped(STATUSES[what & _STATUS])
            elif what & _DRAINED:
                self.client.resumeProducing()
            elif what & _OVER:
                self.client.overflowed()
            elif what & _END:
                self.transport.readEnded()
            elif error:
                self.transport.loopLost(Failure(ConnectionLost(os.strerror(error))))
        except BaseException:
            log.failure("internal error while serving a client")
            self.lose(Failure())

    def lose(self, reason: Failure) -> None:
        """End the connection. An exception is logged."""
        try:
            self.transport.loopLost(reason)
        except BaseException:
            log.failure("internal error while closing a client")
