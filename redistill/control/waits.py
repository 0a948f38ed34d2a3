"""Clients that only wait for a time to pass."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

LONGEST_WAIT = 10.0 * 365 * 86400
"""Seconds."""


class Waits:
    """Clients that wait for an event that cannot happen here. Each is answered at its timeout, or when the process
    hands its clients over, which may not wait for them."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._waiting: dict[Deferred[bytes], tuple[bytes, IDelayedCall | None]] = {}
        self._over = False

    def begin(self, reply: bytes, seconds: float) -> bytes | Deferred[bytes]:
        """`reply` after so many seconds, 0: at the end."""
        if self._over:
            return reply
        waiting: Deferred[bytes] = Deferred(self._forget)
        timer = self._reactor.callLater(min(seconds, LONGEST_WAIT), self._answer, waiting) if seconds else None
        self._waiting[waiting] = reply, timer
        return waiting

    def __contains__(self, reply: Deferred[bytes]) -> bool:
        """Whether a client waits for it: that is no time that the command took."""
        return reply in self._waiting

    def end(self) -> None:
        """Answer all, and all that come from now on."""
        self._over = True
        for waiting in list(self._waiting):
            self._answer(waiting)

    def _answer(self, waiting: Deferred[bytes]) -> None:
        reply = self._waiting[waiting][0]
        self._forget(waiting)
        waiting.callback(reply)

    def _forget(self, waiting: Deferred[bytes]) -> None:
        _, timer = self._waiting.pop(waiting)
        if timer is not None and timer.active():
            timer.cancel()
