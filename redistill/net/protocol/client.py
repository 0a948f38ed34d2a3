"""`RespProtocol` is one client: it decides when its commands are executed and its replies sent.

A session stops with a `Status`, and `_go_on` acts on it:

- MORE: the input is used up; receive more.
- CONTROL: a command is the control plane's. `Answers.ask` has it answered, at once or later.
- FULL: replies wait to be written, and execution goes on when they are. A client that does not read its replies is not
  served until it does.
- PAUSED: CLIENT PAUSE, or another client's transaction; the factory tries again (`BlockedClients`).
- BUSY: a long command lets other clients in, and goes on in the next turn of the reactor.
- CLOSE: the connection is closed once the replies are written.

The reasons why a client is not served now are bits of `_stall` (UNREAD, ANSWER, HOLD, OVER, TURN). Usually
`_resume` clears one of them, and goes on when it was the last. OVER is never cleared.

Nothing that a client sends raises past `dataReceived` or `stopped`: an exception is a mistake of ours, is logged, and
closes that client only (`_broken`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import thread_time
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill.base.logs import SELDOM
from redistill.engine import Overflow, Session, Status
from redistill.engine.interfaces import SlowEntry
from redistill.net.connection import Connection, FedConnection
from redistill.net.interfaces import Certificate
from redistill.net.protocol.addresses import monitored, shown
from redistill.net.protocol.answers import INTERNAL_ERROR, Answers
from redistill.net.protocol.interfaces import ClientIdentity
from redistill.net.protocol.pushes import WaitingPushes

if TYPE_CHECKING:
    from redistill.net.protocol.factory import RespFactory

log = Logger()

MORE, CONTROL, CLOSE, FULL, PAUSED, BUSY = (
    *(Status.MORE, Status.CONTROL, Status.CLOSE),
    *(Status.FULL, Status.PAUSED, Status.BUSY),
)

# Why a client is not served just now; a set of bits, since several may hold at once.
UNREAD = 1  # the transport holds enough that the client has not read yet
ANSWER = 2  # a command of the control plane is not answered yet
HOLD = 4  # CLIENT PAUSE, or another client's transaction
OVER = 8  # nothing more is executed: closing, or closed
TURN = 16  # it has had its share of this turn of the reactor; others are served first

SHARE = 16
"""Commands of the control plane that a client is answered in one turn; each may cost as much as hundreds of others."""
SHARE_SECONDS = 0.005
"""CPU time that they may take together; the one in progress is finished."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class RespProtocol(Protocol):
    """One client. Made by `RespFactory`."""

    transport: Any
    factory: RespFactory
    session: Session
    client_id = 0
    peer = local = ""
    fd = -1
    name = lib_name = lib_ver = b""
    user = "default"
    changes = False
    secret = 0
    certificate: Certificate | None = None
    """See `net.interfaces.Client`, as for `secret`."""
    connected_at = 0.0
    """As of reactor.seconds()."""
    closing_at: float | None = None
    """When we began to close the connection."""
    leaving: tuple[Callable[[], None], ...] = ()
    """Releases of the limits (`limits.Limit`), called when the connection is lost or detached."""

    _connection: Connection
    _fed: FedConnection | None = None
    """The connection, where `dataReceived` feeds it; else None."""
    _heard_at = 0.0
    _stall = OVER
    _status = MORE
    _running = False
    _ended = False
    _answers: Answers
    _pushes: WaitingPushes
    _on_read: Callable[[], None] | None = None

    # ---- the connection ----

    def connectionMade(self) -> None:
        transport, factory = self.transport, self.factory
        self._seconds = factory.clock.seconds
        self._heard_at = self._seconds()
        self.local = shown(transport.getHost())
        # Over a UNIX socket the peer has no name; Redis shows the socket's.
        self.peer = shown(transport.getPeer()) or self.local
        # Asked of the type: a wrapper passes on unknown attributes to a transport that carries another stream.
        serves = hasattr(type(transport), "serve")
        adopted = hasattr(self, "session")
        try:
            if not adopted:
                self.session = factory.open_session()
                self.client_id = factory.next_id()
                self.connected_at = self._heard_at
            self._answers = Answers(self, self.session, factory.control, factory.counters)
            self._pushes = WaitingPushes(factory.clock, self.session, self.push)
            self.session.state.owner = self.client_id
            self._connection = self._fed = FedConnection(self.session, transport, self, self._seconds)
            self._stall = 0
            factory.add(self)
            if adopted:
                factory.control.adopted(self)
            else:
                factory.control.connected(self)
            if self.peer:
                self.session.set_peer(monitored(self.peer))
            self.session.on_slow = self._slow
            transport.registerProducer(self, True)
            if serves:
                self._connection, self._fed = transport.serve(self.session, self), None
            else:
                factory.idle.watch(self)
            if adopted:
                self.stopped(FULL)
        except Exception:
            log.failure("cannot serve {peer}", peer=self.peer)
            self._stall = OVER
            self.abort_transport()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stall = OVER
        if self._fed is not None:
            self._fed.drop()
        if hasattr(self, "session"):
            if not self._running:
                self._answers.complete()
            self.session.close()
            self._answers.cancel()
            self._pushes.drop()
        self._leave()

    def _leave(self) -> None:
        self.factory.control.left(self)
        self.factory.remove(self)
        for release in self.leaving:
            release()

    def dataReceived(self, data: bytes) -> None:
        fed = self._fed
        if fed is None or self._stall & OVER:
            return
        try:
            if not self._stall and self.factory.behind:
                self._stall |= HOLD
                self.factory.blocked.hold(self)
            if self._stall:
                fed.hold(data)
                self._status = FULL
            else:
                self._go_on(fed.receive(data))
        except Exception:
            self._broken()

    def stopped(self, status: Status) -> None:
        """The session, which the transport serves, has executed as far as `status` says."""
        if self._stall:
            return
        try:
            self._go_on(status)
        except Exception:
            self._broken()

    def readConnectionLost(self) -> None:
        """The client sends no more. The commands that it has sent are finished, and their replies are written."""
        self._ended = True
        if not self._stall:
            self._close()

    def writeConnectionLost(self) -> None:
        """Only we end this direction, and then the connection is closed."""

    # ---- carrying on ----

    def _go_on(self, status: Status) -> None:
        """Execute until the input is used up, or until there is something to wait for."""
        connection = self._connection
        self._running = True
        share, end = SHARE, 0.0
        try:
            while True:
                if status is CONTROL:
                    end = end or thread_time() + SHARE_SECONDS
                    self._answers.ask()
                    if self._stall & ANSWER:
                        self._write_out()
                        self._status = FULL
                        return
                    if self._stall & OVER:
                        return
                    share -= 1
                    if (share <= 0 or thread_time() >= end) and not self.session.state.locked:
                        self._write_out()
                        self._status = FULL
                        self._stall |= TURN
                        self.factory.clock.callLater(0, self._resume, TURN)
                        return
                    status = connection.resume()
                elif status is CLOSE:
                    if not self._outgrown():
                        self._close()
                    return
                elif status is BUSY:
                    self._write_out()
                    self._status = FULL
                    self._stall |= TURN
                    self.factory.clock.callLater(0, self._next_turn)
                    return
                elif not self._write_out():
                    self._status = status
                    return
                elif status is FULL:
                    status = connection.resume()
                elif status is PAUSED:
                    self._status = FULL
                    self._stall |= HOLD
                    self.factory.blocked.hold(self)
                    return
                else:
                    self._status = MORE
                    break
        finally:
            self._running = False
        if self._ended:
            self._close()
        else:
            connection.read_on()

    def _resume(self, reason: int) -> None:
        """Clear `reason`, a bit of `_stall`; go on if it was the last."""
        self._stall &= ~reason
        if self._stall or self._running:
            return
        try:
            self._go_on(self._status)
        except Exception:
            self._broken()

    def _next_turn(self) -> None:
        """Go on after BUSY. A command in its middle goes on whatever else stalls: others may wait for its locks."""
        if not self.session.suspended:
            self._resume(TURN)
            return
        self._stall &= ~TURN
        try:
            status = self._connection.resume()
            if status is BUSY:
                self._stall |= TURN
                self.factory.clock.callLater(0, self._next_turn)
            elif not self._stall:
                self._go_on(status)
            else:
                self._status = FULL  # to resume the session gives its status again
        except Exception:
            self._broken()

    def release(self) -> bool:
        """Try to go on after HOLD; whether it could."""
        self._resume(HOLD)
        return not self._stall & HOLD

    @property
    def last_active(self) -> float:
        """When the client last sent or received anything, as of reactor.seconds()."""
        return max(self._heard_at, self._connection.last_active)

    @property
    def unread(self) -> bool:
        """Whether the transport has enough that the client has not read yet."""
        return bool(self._stall & UNREAD)

    @property
    def blocked(self) -> bool:
        """Whether the client waits for the answer of a command, or for the end of a pause."""
        return bool(self._stall & (ANSWER | HOLD))

    @property
    def kept_silent(self) -> bool:
        """Whether the client is silent because it waits for the server, and not because it leaves an answer unread."""
        return self.blocked and not (self._stall & UNREAD and self.session.parted)

    # ---- output ----

    def _write_out(self) -> bool:
        """Write replies until the client has enough unread. False: it has, and execution waits until it reads."""
        if not self.unread:
            self._connection.flush()
            if not self.unread:
                return True
        limit = self.factory.output_limit
        if limit and self.session.waiting > limit:
            self.overflowed()
        return False

    def push(self, data: bytes) -> None:
        """Send a message that answers no command, behind waiting replies. A client that does not keep up is closed."""
        if self._stall & OVER:
            return
        if self._pushes.must_wait:
            self._pushes.add(data)
            if 0 < self.factory.output_limit < self._pushes.size:
                self.overflowed()
            return
        try:
            if not self.session.push(data):
                if not self._outgrown():
                    self.kill()
            elif self._write_out():
                self._heard_at = self._seconds()
            else:
                self._status = FULL
        except Exception:
            self._broken()

    def flush(self, on_read: Callable[[], None]) -> bool:
        """Send the part of an answer that is there. False: the client has to read first; then `on_read` is called."""
        sent = not self._stall & OVER and self._write_out()
        self._on_read = None if sent else on_read
        return sent

    def _outgrown(self) -> bool:
        """Close the client if its reply or push found no room; whether that is so."""
        bound = self.session.overflowed
        if bound is Overflow.CLIENTS:
            self.evict()
        elif bound is Overflow.OUTPUT:
            self.overflowed()
        return bound is not Overflow.NONE

    def overflowed(self) -> None:
        """Close the client: its unread replies exceed ``server.output_limit``."""
        log.warn(
            "{peer} was closed: its waiting replies would exceed {limit} bytes (server.output_limit)",
            peer=self.peer,
            limit=self.factory.output_limit,
            log_throttle=SELDOM,
        )
        self.factory.counters.output_disconnections += 1
        self.kill()

    def evict(self) -> None:
        """Close the client and free its buffers at once: all clients' exceed the limit, and its own are the largest."""
        log.warn(
            "{peer} was closed: the buffers of all clients exceed server.max_client_memory",
            peer=self.peer,
            log_throttle=SELDOM,
        )
        self.factory.counters.evicted_clients += 1
        self._begin_end()
        self.transport.unregisterProducer()
        self.abort_transport()
        self.session.drop()

    def pauseProducing(self) -> None:
        """The transport's buffer is full, or the socket's."""
        self._stall |= UNREAD

    def resumeProducing(self) -> None:
        """The transport's buffer is empty again."""
        self._heard_at = self._seconds()
        if self._stall & OVER:
            self._stall &= ~UNREAD
            self._close()
            return
        self._resume(UNREAD)
        if self._on_read is not None:
            on_read, self._on_read = self._on_read, None
            on_read()

    def stopProducing(self) -> None:
        """The connection is lost; connectionLost follows."""

    # ---- commands of the control plane ----

    def wait_for_answer(self) -> None:
        """See answers.Asking, as for the two below."""
        self._stall |= ANSWER
        self.factory.blocked.asks(self, True)

    def end_wait(self) -> bool:
        self.factory.blocked.asks(self, False)
        return not self._stall & OVER

    def go_on_after_answer(self) -> None:
        self._pushes.join()
        self._resume(ANSWER)

    def _slow(self, entry: SlowEntry) -> None:
        self.factory.control.slow(self, entry)

    def _broken(self) -> None:
        """Log an exception of ours, tell the client and close it. No other client is affected."""
        log.failure("internal error while serving {peer}", peer=self.peer)
        if self._stall & OVER:
            return
        try:
            self.session.push(INTERNAL_ERROR)
            self._close()
        except Exception:
            log.failure("internal error while closing {peer}", peer=self.peer)
            self.kill()

    # ---- the end ----

    def _close(self) -> None:
        """Execute no more; close once the replies have been written."""
        transport = self.transport
        self._begin_end()
        if self._write_out() and not transport.disconnecting:
            transport.unregisterProducer()
            transport.loseConnection()

    def finish(self) -> None:
        """The server stops: close once all received commands are executed and answered."""
        self._ended = True
        if not self._stall and not self._connection.busy:
            self._close()

    def _begin_end(self) -> None:
        self._stall |= OVER
        self._pushes.drop()
        if self.closing_at is None:
            self.closing_at = self._seconds()
            self.factory.idle.watch(self)

    def kill(self) -> None:
        """Close at once; unwritten replies are lost."""
        self._begin_end()
        transport = self.transport
        transport.unregisterProducer()
        # Twisted's TLS would wait for the peer to agree to the end.
        if self._stall & UNREAD or self._connection.busy or hasattr(transport, "getPeerCertificate"):
            self.abort_transport()
        else:
            transport.loseConnection()

    def abort(self) -> None:
        """Close at once, without waiting for the peer."""
        self.kill()
        self.abort_transport()

    def abort_transport(self) -> None:
        """Close the transport without writing the rest of its output."""
        transport = self.transport
        (getattr(transport, "abortConnection", None) or transport.loseConnection)()

    # ---- from one process to another ----

    @property
    def movable(self) -> bool:
        """Whether its transport is one that `detach` can let go of."""
        return hasattr(type(self.transport), "detach") and self.transport.movable

    def detach(self) -> tuple[socket.socket, Session] | None:
        """Let go of the connection at the end of a command: its socket and its session, both the caller's from now on.

        Another protocol, or another process, can go on with both (`go_on_as`, `transport.adopt`). Input that was not
        executed, and replies that were not sent, are in the session. The factory and the limits forget this client at
        once; its identity (`ClientIdentity`) stays here. None, and nothing has changed: an answer, the end of a
        transaction or the end of the connection is pending, or the transport cannot.
        """
        busy = self._running or self._ended or self._pushes or self.session.state.in_exec
        if self._stall & ~(UNREAD | HOLD) or busy or not self.movable:
            return None
        sock = self.transport.detach()
        if sock is None:
            return None
        self._stall = OVER
        self._leave()
        return sock, self.session

    def go_on_as(self, client: ClientIdentity, session: Session) -> None:
        """Take over `session` and the identity of `client`. To be called before the connection is made.

        The control plane is then told of an adopted client, not of a new one (`Control.adopted`).
        """
        self.session = session
        self.client_id, self.connected_at = client.client_id, client.connected_at
        self.user, self.secret = client.user, client.secret
        self.name, self.lib_name, self.lib_ver = client.name, client.lib_name, client.lib_ver
