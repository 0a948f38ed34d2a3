"""`RespProtocol` is one client: its connection, its identity, messages to it, and its end.

Nothing that a client sends raises past `dataReceived` or `stopped`: an exception is a mistake of ours, is logged, and
closes that client only (`broken`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill.base.throttle import SELDOM
from redistill.engine import Blocked, Overflow, Session, Status
from redistill.engine.interfaces import SlowEntry
from redistill.net.connection import FedConnection
from redistill.net.interfaces import Certificate
from redistill.net.protocol.addresses import monitored, shown
from redistill.net.protocol.answers import INTERNAL_ERROR, Answers
from redistill.net.protocol.execution import ANSWER, FULL, HOLD, OVER, UNREAD, Execution
from redistill.net.protocol.interfaces import ClientIdentity
from redistill.net.protocol.pushes import WaitingPushes

if TYPE_CHECKING:
    from redistill.net.protocol.factory import RespFactory

log = Logger()


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
    releases: tuple[Callable[[], None], ...] = ()
    """Releases of the limits (`limits.Limit`), called when the connection is lost or detached."""

    execution: Execution
    _fed: FedConnection | None = None
    """The connection, where `dataReceived` feeds it; else None."""
    _heard_at = 0.0
    _answers: Answers
    _pushes: WaitingPushes
    _on_read: Callable[[], None] | None = None

    # ---- the connection ----

    def connectionMade(self) -> None:
        transport, factory = self.transport, self.factory
        self.execution = execution = Execution(self, factory)
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
            self._pushes = WaitingPushes(factory.clock, self.session, self.push)
            self._answers = Answers(self, execution, self.session, self._pushes, factory.control, factory.counters)
            self.session.state.owner = self.client_id
            self._fed = FedConnection(self.session, transport, self, self._seconds)
            execution.begin(self.session, self._fed, self._answers)
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
                execution.connection, self._fed = transport.serve(self.session, self), None
            else:
                factory.idle.watch(self)
            if adopted:
                execution.stopped(FULL)
        except Exception:
            log.failure("cannot serve {peer}", peer=self.peer)
            execution.stall = OVER
            self.abort_transport()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.execution.stall = OVER
        if self._fed is not None:
            self._fed.drop()
        if hasattr(self, "session"):
            if not self.execution.running:
                self._answers.complete()
            self.session.close()
            self._answers.cancel()
            self._pushes.drop()
        self._leave()

    def _leave(self) -> None:
        self.factory.control.left(self)
        self.factory.remove(self)
        for release in self.releases:
            release()

    def dataReceived(self, data: bytes) -> None:
        if self._fed is not None:
            self.execution.receive(self._fed, data)

    def stopped(self, status: Status) -> None:
        """The session, which the transport serves, has executed as far as `status` says."""
        self.execution.stopped(status)

    def readConnectionLost(self) -> None:
        """The client sends no more. The commands that it has sent are finished, and their replies are written."""
        self.execution.ended = True
        if not self.execution.stall or self._in_blocking_command:
            self.close()

    def writeConnectionLost(self) -> None:
        """Only we end this direction, and then the connection is closed."""

    # ---- its state ----

    @property
    def last_active(self) -> float:
        """When the client last sent or received anything, as of reactor.seconds()."""
        return max(self._heard_at, self.execution.connection.last_active)

    @property
    def unread(self) -> bool:
        """Whether the transport has enough that the client has not read yet."""
        return bool(self.execution.stall & UNREAD)

    @property
    def blocked(self) -> bool:
        """Whether the client waits for the answer of a command, or for the end of a pause."""
        return bool(self.execution.stall & (ANSWER | HOLD)) or bool(self.session.state.blocked)

    @property
    def _in_blocking_command(self) -> bool:
        return self.execution.stall == HOLD and self.session.state.blocked == Blocked.COMMAND

    @property
    def kept_silent(self) -> bool:
        """Whether the client is silent because it waits for the server, and not because it leaves an answer unread."""
        if self.session.state.subscribed:  # as in Redis, a subscriber may be silent
            return True
        return self.blocked and not (self.execution.stall & UNREAD and self.session.parted)

    # ---- output ----

    def push(self, data: bytes) -> None:
        """Send a message that answers no command, behind waiting replies. A client that does not keep up is closed."""
        if self.execution.stall & OVER:
            return
        if self._pushes.must_wait:
            self._pushes.add(data)
            if 0 < self.factory.output_limit < self._pushes.size:
                self.overflowed()
            return
        try:
            if not self.session.push(data):
                if not self.outgrown():
                    self.kill()
            elif self.execution.write_out():
                self._heard_at = self._seconds()
            else:
                self.execution.again_when_read()
        except Exception:
            self.broken()

    def flush(self, on_read: Callable[[], None]) -> bool:
        """Send the part of an answer that is there. False: the client has to read first; then `on_read` is called."""
        sent = not self.execution.stall & OVER and self.execution.write_out()
        self._on_read = None if sent else on_read
        return sent

    def wake(self) -> None:
        """Go on: the session was woken, and no loop serves this client."""
        self.factory.blocked.wake(self.execution)

    def outgrown(self) -> bool:
        """Close the client if its reply or push found no room; whether that is so."""
        bound = self.session.overflowed
        if bound is Overflow.CLIENTS:
            self.evict()
        elif bound is not Overflow.NONE:
            self.overflowed()
        return bound is not Overflow.NONE

    def send_pushed(self) -> None:
        """Send the messages in the session's output: no loop serves this client."""
        if self.execution.stall & OVER or self.outgrown():
            return
        if not self.execution.running and not self.execution.write_out():
            self.execution.again_when_read()

    def overflowed(self) -> None:
        """Close the client: its unread replies exceed ``server.output_limit``, or the limits of a subscriber; or
        messages to it were lost."""
        bound = self.session.overflowed
        if bound is Overflow.CLIENTS:
            self.evict()
            return
        if bound is Overflow.PUBSUB:
            log.warn(
                "{peer} was closed: it does not read the messages of its channels (server.pubsub_output_limit)",
                peer=self.peer,
                log_throttle=SELDOM,
            )
        elif bound is Overflow.LOST:
            log.warn("{peer} was closed: messages of its channels were lost", peer=self.peer, log_throttle=SELDOM)
        else:
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
        self.execution.stall |= UNREAD

    def resumeProducing(self) -> None:
        """The transport's buffer is empty again."""
        self._heard_at = self._seconds()
        execution = self.execution
        if execution.stall & OVER:
            execution.stall &= ~UNREAD
            self.close()
            return
        execution.resume(UNREAD)
        if self._on_read is not None:
            on_read, self._on_read = self._on_read, None
            on_read()

    def stopProducing(self) -> None:
        """The connection is lost; connectionLost follows."""

    def _slow(self, entry: SlowEntry) -> None:
        self.factory.control.slow(self, entry)

    def broken(self) -> None:
        """Log an exception of ours, tell the client and close it. No other client is affected."""
        log.failure("internal error while serving {peer}", peer=self.peer)
        if self.execution.stall & OVER:
            return
        try:
            self.session.push(INTERNAL_ERROR)
            self.close()
        except Exception:
            log.failure("internal error while closing {peer}", peer=self.peer)
            self.kill()

    # ---- the end ----

    def close(self) -> None:
        """Execute no more; close once the replies have been written."""
        transport = self.transport
        self._begin_end()
        if self.execution.write_out() and not transport.disconnecting:
            transport.unregisterProducer()
            transport.loseConnection()

    def finish(self) -> None:
        """The server stops: close once all received commands are executed and answered."""
        self.execution.ended = True
        held = self.session.state.blocked in (Blocked.PAUSE, Blocked.TURN)
        if not held and not self.execution.connection.busy and (not self.execution.stall or self._in_blocking_command):
            self.close()

    def _begin_end(self) -> None:
        self.execution.stall |= OVER
        self._pushes.drop()
        if self.closing_at is None:
            self.closing_at = self._seconds()
            self.factory.idle.watch(self)

    def kill(self) -> None:
        """Close at once; unwritten replies are lost."""
        self._begin_end()
        self.session.unsubscribe()  # before the client sees the end
        transport = self.transport
        transport.unregisterProducer()
        # Twisted's TLS would wait for the peer to agree to the end.
        if self.execution.stall & UNREAD or self.execution.connection.busy or hasattr(transport, "getPeerCertificate"):
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
        busy = self.execution.running or self.execution.ended or self._pushes or self.session.state.in_exec
        if self.execution.stall & ~(UNREAD | HOLD) or busy or not self.movable:
            return None
        sock = self.transport.detach()
        if sock is None:
            return None
        self.execution.stall = OVER
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
