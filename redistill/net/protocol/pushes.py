"""Pushes: messages to a client that answer no command.

A push may not stand in the middle of an answer. While a part of an answer has been sent, or a transaction's answers
are incomplete, pushes wait here.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from redistill.engine import Session

POLL_SECONDS = 0.01
"""Seconds between two checks whether the answer is complete: the end of a transaction is not reported."""


class WaitingPushes:
    """The pushes of one client that wait for the end of an answer."""

    __slots__ = ("_clock", "_send", "_session", "_waiting", "size")

    def __init__(self, clock: IReactorTime, session: Session, send: Callable[[bytes], None]) -> None:
        """`send` gets the pushes, as one, when the answer is complete."""
        self._clock = clock
        self._session = session
        self._send = send
        self._waiting: list[bytes] = []
        self.size = 0
        """Bytes that wait."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def must_wait(self) -> bool:
        """Whether a push that is sent now would stand in the middle of an answer."""
        session = self._session
        return session.parted or bool(session.state.in_exec)

    def add(self, data: bytes) -> None:
        """Keep a push until the answer is complete."""
        self._waiting.append(data)
        self.size += len(data)
        if len(self._waiting) == 1:
            self._clock.callLater(POLL_SECONDS, self._poll)

    def join(self) -> None:
        """Append the pushes to the session's output, if the answer is complete."""
        if self._waiting and not self.must_wait:
            self._session.push(self._take())

    def drop(self) -> None:
        """Forget the pushes: the connection ends."""
        self._take()

    def _take(self) -> bytes:
        waiting, self._waiting, self.size = self._waiting, [], 0
        return b"".join(waiting)

    def _poll(self) -> None:
        if not self._waiting:
            return
        if self.must_wait:
            self._clock.callLater(POLL_SECONDS, self._poll)
        else:
            self._send(self._take())
