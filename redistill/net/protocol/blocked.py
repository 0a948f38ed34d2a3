"""The clients of a process that wait: those that no loop serves, and those that wait for the control plane.

Sessions that wait (core/session/blocked.h) are resumed by the loop that serves them. For all others this is done here:
at their deadline, or when the store names them (`engine.Store.woken`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

RETRY_SECONDS = 0.01
"""Seconds between two checks whether a configuration that was announced has arrived."""
LONGEST_WAIT = 10.0 * 365 * 86400
"""Seconds; a later deadline counts as none."""


class Holdable(Protocol):
    """The execution of a client's commands; see execution.Execution."""

    def release(self) -> bool:
        """Try to go on; whether the client could."""
        ...


class BlockedClients:
    """Counts the clients that wait for an answer, and lets clients that are held go on."""

    def __init__(self, clock: IReactorTime, behind: Callable[[], bool], on_change: Callable[[int], None]) -> None:
        """`behind`: whether no client may be served at present (`interfaces.ClientLoop`). `on_change` gets the number
        of clients that wait for an answer whenever it changes."""
        self._clock = clock
        self._behind = behind
        self._on_change = on_change
        self._held: dict[Holdable, IDelayedCall | None] = {}
        self._until_caught_up: dict[Holdable, None] = {}
        self._asking: set[Holdable] = set()
        self._count = 0
        self._retry = LoopingCall(self._look)
        self._retry.clock = clock

    def hold(self, client: Holdable, seconds: float | None) -> None:
        """Let `client` go on when it is woken, or after so many seconds; None: only when it is woken."""
        if seconds is None or seconds >= LONGEST_WAIT:
            self._held[client] = None
        else:
            self._held[client] = self._clock.callLater(seconds, self.wake, client)

    def wake(self, client: Holdable) -> None:
        """Let `client` go on, if it is held. It may be held again at once."""
        if client in self._held:
            self._forget(client)
            client.release()

    def hold_while_behind(self, client: Holdable) -> None:
        """Let `client` go on when this process has the configuration that was announced."""
        self._until_caught_up[client] = None
        if not self._retry.running:
            self._retry.start(RETRY_SECONDS, now=False)

    def holds(self, client: Holdable) -> bool:
        """Whether `client` is held."""
        return client in self._held or client in self._until_caught_up

    def asks(self, client: Holdable, waits: bool) -> None:
        """`client` waits for an answer of the control plane, or no longer."""
        (self._asking.add if waits else self._asking.discard)(client)
        if len(self._asking) != self._count:
            self._count = len(self._asking)
            self._on_change(self._count)

    def remove(self, client: Holdable) -> None:
        """`client` has disconnected, moves to another process, or goes on by itself."""
        if client in self._held:
            self._forget(client)
        self._until_caught_up.pop(client, None)
        self.asks(client, False)

    def _forget(self, client: Holdable) -> None:
        timer = self._held.pop(client)
        if timer is not None and timer.active():
            timer.cancel()

    def _look(self) -> None:
        if self._behind():
            return
        self._retry.stop()
        waiting, self._until_caught_up = list(self._until_caught_up), {}
        for client in waiting:
            client.release()
