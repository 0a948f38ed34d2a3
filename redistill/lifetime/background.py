"""Background work of a process that serves clients."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from redistill.engine import Store
from redistill.lifetime.store import ArenaWatch

log = Logger()

SWEEP_NS = 1_000_000
"""Longest time that background work keeps clients waiting."""
SHRINK_REGIONS = 4
RESTED, STEADY, PRESSED = 0.1, 0.02, 0.003
"""Seconds to the next sweep: when nothing is left to do, in the middle of a round, when much is expiring."""
MUCH = 100
"""Keys removed in one sweep that make the next one follow at once."""


class Control(Interface):
    """The control plane, as far as it follows the store's life."""

    def opened(self) -> None:
        """The store can be used."""
        ...

    def tick(self) -> None:
        """A second has passed."""
        ...

    def event(self, name: str, nanoseconds: int) -> None:
        """Something that keeps clients waiting took so long."""
        ...


class BackgroundService(MultiService):
    """The background work of a process that serves clients, as long as its children run: it frees the memory of expired
    keys, sends a sign of life, and has the control plane note its figures."""

    def __init__(
        self,
        reactor: IReactorTime,
        store: Store,
        control: Control,
        part: int = 0,
        parts: int = 1,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        """This process sweeps `part` of `parts` parts of the shards, from 0. `look` is called before each step."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._store = store
        self._control = control
        self._part, self._parts = part, parts
        self._look = look
        self._lost = ArenaWatch(store)
        self._next: IDelayedCall | None = None
        self._second = LoopingCall(self._tick)
        self._second.clock = reactor

    def startService(self) -> None:
        self._control.opened()
        self._second.start(1.0)
        self._next = self._reactor.callLater(RESTED, self._sweep)
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        stopped: Deferred[Any] = maybeDeferred(super().stopService)
        return stopped.addBoth(self._rest)

    def _rest(self, result: object) -> object:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._second.stop()
        return result

    def _tick(self) -> None:
        self._control.tick()
        if self._parts == 1:  # of several workers, the supervisor looks
            self._lost.look()

    def _sweep(self) -> None:
        """One step of the background work; then its next time is set."""
        delay = RESTED
        try:
            self._store.workers.beat()
            self._look()
            delay = self._step()
        except Exception:
            log.failure("internal error in the background work")
        self._next = self._reactor.callLater(delay, self._sweep)

    def _step(self) -> float:
        store = self._store
        before = store.counter("expired_keys")
        began = time.perf_counter_ns()
        done = store.sweep(SWEEP_NS, self._part, self._parts)
        small = store.shrink(SHRINK_REGIONS)
        self._control.event("expire-cycle", time.perf_counter_ns() - began)
        if not small or store.counter("expired_keys") - before >= MUCH:
            return PRESSED
        return RESTED if done else STEADY
