"""Decides when a client's commands are executed and its replies sent.

A session stops with a `Status`, and `Execution.go_on` acts on it:

- MORE: the input is used up; receive more.
- CONTROL: a command is the control plane's. `Answers.ask` has it answered, at once or later.
- FULL: replies wait to be written, and execution goes on when they are. A client that does not read its replies is not
  served until it does.
- PAUSED, BLOCKED: CLIENT PAUSE or another client's transaction holds the client, or a blocking command waits; the
  client goes on when it is woken, or at a time (`BlockedClients`). A loop does that for the clients that it serves.
- BUSY: a long command lets other clients in, and goes on in the next turn of the reactor.
- CLOSE: the connection is closed once the replies are written.

The reasons why a client is not served now are bits of `Execution.stall` (UNREAD, ANSWER, HOLD, OVER, TURN). Usually
`resume` clears one of them, and goes on when it was the last. OVER is never cleared.
"""

from __future__ import annotations

from time import thread_time
from typing import TYPE_CHECKING, Protocol

from redistill.engine import Session, Status
from redistill.net.connection import Connection, FedConnection

if TYPE_CHECKING:
    from redistill.net.protocol.answers import Answers
    from redistill.net.protocol.factory import RespFactory

MORE, CONTROL, CLOSE, FULL, PAUSED, BUSY, BLOCKED = (
    *(Status.MORE, Status.CONTROL, Status.CLOSE),
    *(Status.FULL, Status.PAUSED, Status.BUSY, Status.BLOCKED),
)

# Why a client is not served just now; a set of bits, since several may hold at once.
UNREAD = 1  # the transport holds enough that the client has not read yet
ANSWER = 2  # a command of the control plane is not answered yet
HOLD = 4  # the session is blocked, or this process is behind the configuration
OVER = 8  # nothing more is executed: closing, or closed
TURN = 16  # it has had its share of this turn of the reactor; others are served first

SHARE = 16
"""Commands of the control plane that a client is answered in one turn; each may cost as much as hundreds of others."""
SHARE_SECONDS = 0.005
"""CPU time that they may take together; the one in progress is finished."""


class Executed(Protocol):
    """The client whose commands are executed; see client.RespProtocol."""

    def outgrown(self) -> bool:
        """Close the client if its reply found no room; whether that is so."""
        ...

    def overflowed(self) -> None:
        """Close the client: its unread replies exceed the limit."""
        ...

    def close(self) -> None:
        """Close the client once its replies have been written."""
        ...

    def broken(self) -> None:
        """Log the exception in progress, which is a mistake of ours, and close the client."""
        ...


class Execution:
    """The execution of one client's commands."""

    __slots__ = ("_answers", "_client", "_factory", "_session", "_status", "connection", "ended", "running", "stall")

    connection: Connection
    _session: Session
    _answers: Answers

    def __init__(self, client: Executed, factory: RespFactory) -> None:
        """Nothing is executed before `begin`."""
        self._client = client
        self._factory = factory
        self._status = MORE
        self.stall = OVER
        self.running = False
        self.ended = False
        """Whether the client sends no more, or the server stops: the client is closed when all is executed."""

    def begin(self, session: Session, connection: Connection, answers: Answers) -> None:
        """Serve the client from now on. `connection` may be replaced by another one."""
        self._session = session
        self.connection = connection
        self._answers = answers
        self.stall = 0

    def receive(self, fed: FedConnection, data: bytes) -> None:
        """Execute the commands in `data`, which `fed` carries. While the client is not served they are kept."""
        if self.stall & OVER:
            return
        try:
            if not self.stall and self._factory.behind:
                self.stall |= HOLD
                self._factory.blocked.hold_while_behind(self)
            if self.stall == HOLD and self._session.state.blocked:
                self._receive_blocked(fed.receive(data))
            elif self.stall:
                fed.hold(data)
                self._status = FULL
            else:
                self.go_on(fed.receive(data))
        except Exception:
            self._client.broken()

    def _receive_blocked(self, status: Status) -> None:
        """The session has kept more input. It may have gone on, or have more than it may keep."""
        if status is not PAUSED and status is not BLOCKED:
            self._factory.blocked.remove(self)
            self.stall &= ~HOLD
            self.go_on(status)

    def stopped(self, status: Status) -> None:
        """Go on: the session, which the transport serves, has executed as far as `status` says."""
        if self.stall:
            return
        try:
            self.go_on(status)
        except Exception:
            self._client.broken()

    def go_on(self, status: Status) -> None:
        """Execute until the input is used up, or until there is something to wait for."""
        connection = self.connection
        self.running = True
        share, end = SHARE, 0.0
        try:
            while True:
                if status is CONTROL:
                    end = end or thread_time() + SHARE_SECONDS
                    self._answers.ask()
                    if self.stall & ANSWER:
                        self.write_out()
                        self._status = FULL
                        return
                    if self.stall & OVER:
                        return
                    share -= 1
                    if (share <= 0 or thread_time() >= end) and not self._session.state.locked:
                        self.write_out()
                        self._status = FULL
                        self.stall |= TURN
                        self._factory.clock.callLater(0, self.resume, TURN)
                        return
                    status = connection.resume()
                elif status is CLOSE:
                    if not self._client.outgrown():
                        self._client.close()
                    return
                elif status is BUSY:
                    self.write_out()
                    self._status = FULL
                    self.stall |= TURN
                    self._factory.clock.callLater(0, self._next_turn)
                    return
                elif not self.write_out():
                    self._status = status
                    return
                elif status is FULL:
                    status = connection.resume()
                elif status is PAUSED or status is BLOCKED:
                    self._status = FULL
                    self.stall |= HOLD
                    self._factory.blocked.hold(self, self._session.wait)
                    return
                else:
                    self._status = MORE
                    break
        finally:
            self.running = False
        if self.ended:
            self._client.close()
        else:
            connection.read_on()

    def resume(self, reason: int) -> None:
        """Clear `reason`, a bit of `stall`; go on if it was the last."""
        self.stall &= ~reason
        if self.stall or self.running:
            return
        try:
            self.go_on(self._status)
        except Exception:
            self._client.broken()

    def again_when_read(self) -> None:
        """Execute again when the client has read the replies that wait."""
        self._status = FULL

    def _next_turn(self) -> None:
        """Go on after BUSY. A command in its middle goes on whatever else stalls: others may wait for its locks."""
        if not self._session.suspended:
            self.resume(TURN)
            return
        self.stall &= ~TURN
        try:
            status = self.connection.resume()
            if status is BUSY:
                self.stall |= TURN
                self._factory.clock.callLater(0, self._next_turn)
            elif not self.stall:
                self.go_on(status)
            else:
                self._status = FULL  # to resume the session gives its status again
        except Exception:
            self._client.broken()

    def write_out(self) -> bool:
        """Write replies until the client has enough unread. False: it has, and execution waits until it reads."""
        if not self.stall & UNREAD:
            self.connection.flush()
            if not self.stall & UNREAD:
                return True
        limit = self._factory.output_limit
        if limit and self._session.waiting > limit:
            self._client.overflowed()
        return False

    # ---- clients that wait ----

    def release(self) -> bool:
        """Try to go on after HOLD; whether the client could."""
        self.resume(HOLD)
        return not self.stall & HOLD

    def wait_for_answer(self) -> None:
        """Execute no more until the answer of the control plane is there."""
        self.stall |= ANSWER
        self._factory.blocked.asks(self, True)

    def end_wait(self) -> bool:
        """The answer is there. False: the connection ends, and nothing is executed or answered any more."""
        self._factory.blocked.asks(self, False)
        return not self.stall & OVER
