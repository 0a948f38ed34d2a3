"""The Protocol and the Factory that serve clients: `RespProtocol` is one client, `RespFactory` makes and keeps them.

A client's bytes go to its session in the core (`engine.Session`), and the session's replies go back in order. A
`connection.Connection` carries both: the loop in C on our own transport (`loop.LoopConnection`), `dataReceived` on any
other of Twisted's (`FedConnection`). Parsing and executing is the core's: this module knows no command.

The protocol decides when its client is served. A session stops with a `Status`, and `_go_on` acts on it:

- MORE: the input is used up; receive more.
- CONTROL: a command is the control plane's. `_ask` has `Control.run` answer it, at once or with a Deferred, which holds
  up this client only.
- FULL: replies wait to be written, and execution goes on when they are. A client that does not read its replies is not
  served until it does.
- PAUSED: CLIENT PAUSE, or another client's transaction; the factory tries again (`hold`, `release`).
- BUSY: a long command lets other clients in, and goes on in the next turn of the reactor.
- CLOSE: the connection is closed once the replies are written.

The reasons why a client is not served now are bits of `_stall` (UNREAD, ANSWER, HOLD, OVER, TURN). Usually
`_resume` clears one of them, and goes on when it was the last. OVER is never cleared.

Nothing that a client sends raises past `dataReceived` or `stopped`: an exception is a mistake of ours, is logged, and
closes that client only (`_broken`).
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from time import thread_time
from typing import Any
from typing import Protocol as Interface

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocolFactory,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill.base.logs import SELDOM
from redistill.config.config import Config
from redistill.engine import Overflow, Session, Status
from redistill.engine.interfaces import SlowEntry
from redistill.engine.stats import DaemonCounters
from redistill.net.connection import Connection, FedConnection
from redistill.net.interfaces import Certificate, Later, Reply

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
INTERNAL_ERROR = b"-ERR internal error\r\n"
TICK = 1.0
"""Seconds between two looks at all clients."""
QUIET = 2.0
"""Seconds of silence after which a client's buffers are given back."""
BEHIND = 0.01
"""Seconds between two looks whether what was pushed may follow."""
LINGER = 10.0
"""Seconds that a client whose connection is being closed has to read what is left for it."""


class Control(Interface):
    """The commands that are about the connection or the server."""

    def run(self, client: RespProtocol, argv: list[bytes]) -> Reply:
        """The reply to one command."""
        ...

    def connected(self, client: RespProtocol) -> None:
        """A client has come; its session is new."""
        ...

    def adopted(self, client: RespProtocol) -> None:
        """A client goes on that another protocol, or another process, has served before."""
        ...

    def left(self, client: RespProtocol) -> None:
        """A client is gone, or goes on elsewhere."""
        ...

    def slow(self, client: RespProtocol, entry: SlowEntry) -> None:
        """A command of this client took long."""
        ...


class ClientIdentity(Interface):
    """A client's identity without its session: a `RespProtocol`, or the record that was kept of one."""

    client_id: int
    connected_at: float
    user: str
    secret: int
    name: bytes
    lib_name: bytes
    lib_ver: bytes


class Served(Interface):
    """The loop, which serves clients without us."""

    @property
    def behind(self) -> bool:
        """Whether a configuration was announced that this process has not applied: until it has, nobody is served."""
        ...

    def silent(self, quiet_since: float, silent_since: float) -> list[Any]:
        """The clients that were silent since `silent_since`. Those quiet since `quiet_since` give memory back."""
        ...


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
    _pending: Deferred[bytes] | None = None
    _owed: deque[Deferred[bytes] | Later]
    """Answers to commands of the running transaction that have acted, in order: they are given when its locks are
    released (`Session.owe`)."""
    _behind: list[bytes]
    """Pushes that wait until an answer, or a transaction's answers, of which a part has been sent, are complete."""
    _behind_bytes = 0
    _on_read: Callable[[], None] | None = None

    # ---- the connection ----

    def connectionMade(self) -> None:
        transport, factory = self.transport, self.factory
        self._seconds = factory.clock.seconds
        self._heard_at = self._seconds()
        self._behind = []
        self._owed = deque()
        self.local = _name(transport.getHost())
        # Over a UNIX socket the peer has no name; Redis says the socket's.
        self.peer = _name(transport.getPeer()) or self.local
        # The type's own: a wrapper hands on what it does not have, and beneath it there is another stream.
        serves = hasattr(type(transport), "serve")
        adopted = hasattr(self, "session")
        try:
            if not adopted:
                self.session = factory.open_session()
                self.client_id = factory.next_id()
                self.connected_at = self._heard_at
            self.session.state.owner = self.client_id
            self._connection = self._fed = FedConnection(self.session, transport, self, self._seconds)
            self._stall = 0
            factory.add(self)
            if adopted:
                factory.control.adopted(self)
            else:
                factory.control.connected(self)
            if self.peer:  # MONITOR has "unix:/path" where CLIENT LIST has "/path:0"
                self.session.set_peer(f"unix:{self.peer[:-2]}" if self.peer.startswith("/") else self.peer)
            self.session.on_slow = self._slow
            transport.registerProducer(self, True)
            if serves:
                self._connection, self._fed = transport.serve(self.session, self), None
            else:
                factory.watch(self)
            if adopted:
                self.stopped(FULL)
        except Exception:
            log.failure("cannot serve {peer}", peer=self.peer)
            self._stall = OVER
            _abort(transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stall = OVER
        if self._fed is not None:
            self._fed.drop()
        if hasattr(self, "session"):
            self._complete()
            self.session.close()
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        while self._owed:
            self._forget(self._owed.popleft())
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
                self.factory.hold(self)
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
                    self._ask()
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
                    self.factory.hold(self)
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
                self._status = FULL  # it says again what it is
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
        if self._in_answer:
            self._behind.append(data)
            self._behind_bytes += len(data)
            if 0 < self.factory.output_limit < self._behind_bytes:
                self.overflowed()
            elif len(self._behind) == 1:
                self.factory.clock.callLater(BEHIND, self._push_behind)
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

    @property
    def _in_answer(self) -> bool:
        """Whether a push sent now would stand in the middle of an answer."""
        return self.session.parted or bool(self.session.state.in_exec)

    def _join_behind(self) -> None:
        """Append the pushes that waited for the end of the answer to the output, if the answer has ended."""
        if self._behind and not self._in_answer:
            behind, self._behind, self._behind_bytes = self._behind, [], 0
            self.session.push(b"".join(behind))

    def _push_behind(self) -> None:
        """Send the pushes that waited for the end of the answer. Polled: nobody tells us when a transaction's ends."""
        if self._stall & OVER or not self._behind:
            return
        if self._in_answer:
            self.factory.clock.callLater(BEHIND, self._push_behind)
            return
        behind, self._behind, self._behind_bytes = self._behind, [], 0
        self.push(b"".join(behind))

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
        _abort(self.transport)
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

    def _ask(self) -> None:
        """Have the control plane answer the command that the session stopped at."""
        session = self.session
        try:
            if session.state.owed:
                answer: Reply = self._owed.popleft()
            else:
                answer = self.factory.control.run(self, session.argv())
            if session.state.locked and not isinstance(answer, bytes):
                session.owe()
                self._owed.append(answer)
                return
            if callable(answer):
                answer = answer()
        except Exception:
            self._failed()
            return
        if isinstance(answer, Deferred):
            self._stall |= ANSWER
            self._pending = answer
            self.factory.asks(self, True)
            answer.addCallbacks(self._answered, self._unanswered)
            answer.addErrback(self._unanswered)
        else:
            session.answer(answer)

    def _answered(self, answer: bytes) -> None:
        self._pending = None
        self.factory.asks(self, False)
        if not self._stall & OVER:
            self.session.answer(answer)
            self._join_behind()
            self._resume(ANSWER)

    def _unanswered(self, failure: Failure) -> None:
        self._pending = None
        self.factory.asks(self, False)
        if not self._stall & OVER:
            self.factory.counters.internal_errors += 1
            self._failed(failure)
            self._join_behind()
            self._resume(ANSWER)
        else:
            self._unanswered_gone(failure)

    def _failed(self, failure: Failure | None = None) -> None:
        """A command raised: it is logged, and the client closed after it is told.

        The session goes on to that end by itself, for it may be in a transaction, and give its locks back.
        """
        log.failure("internal error in a command of {peer}", failure, peer=self.peer)
        self.session.answer(INTERNAL_ERROR)
        self.session.state.close_after_reply = True

    def _complete(self) -> None:
        """Finish the transaction of a client that has disconnected in its middle. All of it was to be done, so those of
        the remaining commands that change something are still begun. Nobody waits for their answers."""
        if self._running or not self.session.abandon():
            return
        try:
            while self.session.resume() is CONTROL:
                self._forget(self.factory.control.run(self, self.session.argv()))
                self.session.answer(b"")
        except Exception:
            log.failure("internal error in a command of {peer}, which has disconnected", peer=self.peer)

    def _forget(self, answer: Reply) -> None:
        """Drop an answer that nobody waits for; the work that has begun goes on."""
        if isinstance(answer, Deferred):
            answer.addErrback(self._unanswered_gone)
            answer.cancel()

    def _unanswered_gone(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            log.failure("internal error in a command of {peer}, which has disconnected", failure, peer=self.peer)

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
        """The server stops: close once what has been received is executed and answered."""
        self._ended = True
        if not self._stall and not self._connection.busy:
            self._close()

    def _begin_end(self) -> None:
        self._stall |= OVER
        if self.closing_at is None:
            self.closing_at = self._seconds()
            self.factory.watch(self)

    def kill(self) -> None:
        """Close at once; what was not written is lost."""
        self._begin_end()
        transport = self.transport
        transport.unregisterProducer()
        # Twisted's TLS would wait for the peer to agree to the end.
        if self._stall & UNREAD or self._connection.busy or hasattr(transport, "getPeerCertificate"):
            _abort(transport)
        else:
            transport.loseConnection()

    def abort(self) -> None:
        """Close at once, and wait for nobody."""
        self.kill()
        _abort(self.transport)

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
        busy = self._running or self._ended or self._behind or self.session.state.in_exec
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

    def _waits(self) -> bool:
        """Whether the client is silent because of us; not while it has to read a part of an answer to get the rest."""
        return bool(self._stall & (ANSWER | HOLD)) and not (self._stall & UNREAD and self.session.parted)

    def tick(self, now: float, timeout: float) -> None:
        """Look after a client that has been silent for a while.

        A client is closed after `timeout` seconds (0: never), unless it runs MONITOR, and aborted when its closing
        takes too long.
        """
        silent = now - self.last_active
        if self.closing_at is not None:
            if min(now - self.closing_at, silent) >= LINGER:
                _abort(self.transport)
        elif timeout and silent >= timeout and not self._waits() and not self.session.state.monitors:
            self.factory.counters.idle_disconnections += 1
            self.kill()
        elif QUIET <= silent < QUIET + TICK:
            self.session.trim()


@implementer(IProtocolFactory)
class RespFactory:
    """All clients of this process, by id in the order in which they came."""

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        open_session: Callable[[], Session],
        control: Control,
        clients: dict[int, RespProtocol],
        *,
        counters: DaemonCounters,
        next_id: Callable[[], int],
        output_limit: int,
        idle_timeout: float,
        read_size: int,
        served: Served | None = None,
        on_blocked: Callable[[int], None] = lambda count: None,
    ) -> None:
        """`clients` is filled and emptied here; `next_id` gives each its number. Limits in bytes and seconds, 0: none;
        they may be set at any time. `on_blocked` is told how many clients wait for an answer or for the end of a pause,
        whenever that changes."""
        self.clock = clock
        self.open_session = open_session
        self.control = control
        self.clients = clients
        self.counters = counters
        self.output_limit = output_limit
        self.idle_timeout = idle_timeout
        self.read_size = read_size
        self.next_id = next_id
        self._served = served
        self._watched: dict[RespProtocol, None] = {}
        self._held: dict[RespProtocol, None] = {}
        self._asking: set[RespProtocol] = set()
        self._blocked = 0
        self._on_blocked = on_blocked
        self._watch = LoopingCall(self._tick)
        self._watch.clock = clock
        self._retry = LoopingCall(self._release)
        self._retry.clock = clock

    def doStart(self) -> None:
        """Nothing to do: the watch starts with the first client."""

    def doStop(self) -> None:
        """Nothing to do: the watch stops with the last client."""

    def apply(self, config: Config) -> None:
        """Put the output limit and the idle timeout of `config` into effect, for connected clients too."""
        self.output_limit = config.server.output_limit
        self.idle_timeout = config.server.connection_timeout

    def buildProtocol(self, addr: IAddress) -> RespProtocol:
        protocol = RespProtocol()
        protocol.factory = self
        return protocol

    readmit = buildProtocol
    """For a connection that another process let in; see `limits.Limit`."""

    def add(self, client: RespProtocol) -> None:
        """`client` is connected: the reads of its transport get their size."""
        self.clients[client.client_id] = client
        transport = client.transport
        if hasattr(transport, "bufferSize"):
            transport.bufferSize = self.read_size
        if hasattr(transport, "fileno"):
            client.fd = transport.fileno()
        if not self._watch.running:
            self._watch.start(TICK, now=False)

    def watch(self, client: RespProtocol) -> None:
        """Look after `client` each second: the loop does not serve it, or it is being closed."""
        self._watched[client] = None

    def remove(self, client: RespProtocol) -> None:
        """`client` is gone."""
        self._watched.pop(client, None)
        self.clients.pop(client.client_id, None)
        self._held.pop(client, None)
        self.asks(client, False)
        if not self.clients and self._watch.running:
            self._watch.stop()

    def hold(self, client: RespProtocol) -> None:
        """Let `client` go on when the pause has ended."""
        self._held[client] = None
        self._count_blocked()
        if not self._retry.running:
            self._retry.start(0.01, now=False)

    def asks(self, client: RespProtocol, waits: bool) -> None:
        """`client` waits for an answer of the control plane, or no longer."""
        (self._asking.add if waits else self._asking.discard)(client)
        self._count_blocked()

    def _count_blocked(self) -> None:
        count = len(self._held) + len(self._asking)
        if count != self._blocked:
            self._blocked = count
            self._on_blocked(count)

    def _tick(self) -> None:
        now, timeout = self.clock.seconds(), self.idle_timeout
        late, quiet, before = now - timeout if timeout else 0.0, now - QUIET, now - QUIET - TICK
        due = [
            one
            for one in self._watched
            if one.last_active <= late or before < one.last_active <= quiet or one.closing_at is not None
        ]
        if self._served is not None:
            due += self._served.silent(quiet, late)
        for client in due:
            client.tick(now, timeout)

    @property
    def behind(self) -> bool:
        """See `Served`."""
        return self._served is not None and self._served.behind

    def _release(self) -> None:
        """Release held clients, the longest waiting first. A pause is one for all: the first still held ends this."""
        if self.behind:
            return
        for client in list(self._held):
            del self._held[client]
            if not client.release():
                return
            self._count_blocked()
        if not self._held:
            self._retry.stop()


def _name(address: IAddress) -> str:
    """An address as Redis shows it."""
    if isinstance(address, IPv4Address):
        return f"{address.host}:{address.port}"
    if isinstance(address, IPv6Address):
        if address.host.startswith("::ffff:") and "." in address.host:  # IPv4, on a socket for both
            return f"{address.host[7:]}:{address.port}"
        return f"[{address.host}]:{address.port}"
    if isinstance(address, UNIXAddress) and address.name:
        return f"{address.name.decode(errors='replace')}:0"
    return ""


def _abort(transport: object) -> None:
    """Close without writing what is left."""
    abort = getattr(transport, "abortConnection", None) or transport.loseConnection  # type: ignore[attr-defined]
    abort()
