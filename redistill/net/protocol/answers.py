"""The control plane's answers to the commands of one client.

`Control.run` answers at once or with a Deferred. A Deferred holds up its client only. A command of a transaction that
has acted, but cannot be answered while the transaction's locks are held, gets it later (`Session.defer`).
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.engine import Session, Status
from redistill.engine.counters import DaemonCounters
from redistill.net.interfaces import Client, Later, Reply
from redistill.net.protocol.execution import ANSWER, Execution
from redistill.net.protocol.interfaces import Control
from redistill.net.protocol.pushes import WaitingPushes

log = Logger()

INTERNAL_ERROR = b"-ERR internal error\r\n"


class Answers:
    """Has the control plane answer the commands of one client, in order."""

    __slots__ = ("_client", "_control", "_counters", "_deferred", "_execution", "_pending", "_pushes", "_session")

    def __init__(
        self,
        client: Client,
        execution: Execution,
        session: Session,
        pushes: WaitingPushes,
        control: Control,
        counters: DaemonCounters,
    ) -> None:
        self._client = client
        self._execution = execution
        self._session = session
        self._pushes = pushes
        self._control = control
        self._counters = counters
        self._pending: Deferred[bytes] | None = None
        self._deferred: deque[Deferred[bytes] | Later] | None = None
        """Answers to commands of the running transaction that have acted, in order: they are given when its locks are
        released. Made when first needed, since an empty deque takes 600 bytes."""

    def ask(self) -> None:
        """Have the control plane answer the command that the session stopped at. If the answer comes later, the client
        waits (`Execution.wait_for_answer`)."""
        session = self._session
        try:
            if session.state.deferred:
                assert self._deferred
                answer: Reply = self._deferred.popleft()
            else:
                answer = self._control.run(self._client, session.argv())
            if session.state.locked and not isinstance(answer, bytes):
                session.defer()
                if self._deferred is None:
                    self._deferred = deque()
                self._deferred.append(answer)
                return
            if callable(answer):
                answer = answer()
        except Exception:
            self._fail()
            return
        if isinstance(answer, Deferred):
            self._pending = answer
            self._execution.wait_for_answer()
            answer.addCallbacks(self._answered, self._failed)
            answer.addErrback(self._failed)
        else:
            session.answer(answer)

    def _answered(self, answer: bytes) -> None:
        self._pending = None
        if self._execution.end_wait():
            self._session.answer(answer)
            self._go_on()

    def _failed(self, failure: Failure) -> None:
        self._pending = None
        if self._execution.end_wait():
            self._counters.internal_errors += 1
            self._fail(failure)
            self._go_on()
        else:
            self._failed_unheard(failure)

    def _go_on(self) -> None:
        self._pushes.join()
        self._execution.resume(ANSWER)

    def _fail(self, failure: Failure | None = None) -> None:
        """A command raised: log it, tell the client, and have it closed.

        The session goes on to that end by itself, for it may be in a transaction, and release its locks.
        """
        log.failure("internal error in a command of {peer}", failure, peer=self._client.peer)
        self._session.answer(INTERNAL_ERROR)
        self._session.state.close_after_reply = True

    def complete(self) -> None:
        """Finish the transaction of a client that has disconnected in its middle: begin the remaining commands that
        change something, since a transaction is executed as a whole, and drop their answers."""
        session = self._session
        if not session.abandon():
            return
        try:
            while session.resume() is Status.CONTROL:
                self._forget(self._control.run(self._client, session.argv()))
                session.answer(b"")
        except Exception:
            self._log_unheard()

    def cancel(self) -> None:
        """Drop the answers that are pending: the client has disconnected."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        while self._deferred:
            self._forget(self._deferred.popleft())

    def _forget(self, answer: Reply) -> None:
        """Drop an answer whose client has disconnected; the work that has begun goes on."""
        if isinstance(answer, Deferred):
            answer.addErrback(self._failed_unheard)
            answer.cancel()

    def _failed_unheard(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log_unheard(failure)

    def _log_unheard(self, failure: Failure | None = None) -> None:
        log.failure("internal error in a command of {peer}, which has disconnected", failure, peer=self._client.peer)
