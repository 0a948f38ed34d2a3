"""The clients of a process that wait: for the end of a pause, or for an answer of the control plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

RETRY_SECONDS = 0.01
"""Seconds between two attempts to let held clients go on."""


class Holdable(Protocol):
    """The execution of a client's commands; see execution.Execution."""

    def release(self) -> bool:
        """Try to go on; whether the client could."""
        ...


class BlockedClients:
    """Counts the clients that wait, and lets clients that a pause held go on."""

    def __init__(self, clock: IReactorTime, behind: Callable[[], bool], on_change: Callable[[int], None]) -> None:
        """`behind`: whether no client may be served at present (`interfaces.ClientLoop`). `on_change` gets the number
        of waiting clients whenever it changes."""
        self._behind = behind
        self._on_change = on_change
        self._held: dict[Holdable, None] = {}
        self._asking: set[Holdable] = set()
        self._count = 0
        self._retry = LoopingCall(self._release)
        self._retry.clock = clock

    def hold(self, client: Holdable) -> None:
        """Let `client` go on when the pause has ended."""
        self._held[client] = None
        self._count_again()
        if not self._retry.running:
            self._retry.start(RETRY_SECONDS, now=False)

    def holds(self, client: Holdable) -> bool:
        """Whether `client` waits for the end of a pause."""
        return client in self._held

    def asks(self, client: Holdable, waits: bool) -> None:
        """`client` waits for an answer of the control plane, or no longer."""
        (self._asking.add if waits else self._asking.discard)(client)
        self._count_again()

    def remove(self, client: Holdable) -> None:
        """`client` has disconnected, or moves to another process."""
        self._held.pop(client, None)
        self.asks(client, False)

    def _count_again(self) -> None:
        count = len(self._held) + len(self._asking)
        if count != self._count:
            self._count = count
            self._on_change(count)

    def _release(self) -> None:
        """Release held clients, the longest waiting first. A pause is one for all: the first still held ends this."""
        if self._behind():
            return
        for client in list(self._held):
            del self._held[client]
            if not client.release():
                return
            self._count_again()
        if not self._held:
            self._retry.stop()
