"""Log events about the limit of the store's memory."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from redistill.engine import Store

log = Logger()


class MemoryLimitService(Service):
    """Logs each change of the limit, what it means for a store that is above it, and when the store has come down."""

    def __init__(self, reactor: IReactorTime, store: Store) -> None:
        self._store = store
        self._limit: int | None = None
        self._above = False
        self._watch = LoopingCall(self.look)
        self._watch.clock = reactor

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._watch.start(1.0)

    def stopService(self) -> Any:
        self._watch.stop()
        return super().stopService()  # type: ignore[no-untyped-call]

    def look(self) -> None:
        """Say what is new since the last look."""
        store, limit = self._store, self._store.max_memory
        first, changed = self._limit is None, limit != self._limit
        self._limit = limit
        used = store.used_memory
        if changed and store.is_over:
            self._above = True
            effect = self._effect(limit)
            log.warn(
                "maxmemory is {limit} bytes and {used} are in use: {effect}", limit=limit, used=used, effect=effect
            )
        elif self._above and not store.is_over:
            self._above = False
            log.info("memory has come down to {used} bytes; maxmemory is {limit}", used=used, limit=limit)
        elif changed and not first:
            log.info("maxmemory is now {limit} bytes; {used} are in use", limit=limit, used=used)

    def _effect(self, limit: int) -> str:
        store = self._store
        if limit <= store.fixed_memory:
            return f"an empty store takes {store.fixed_memory}, so every command that may need memory is refused"
        if store.policy == "noeviction":
            return "every command that may need memory is refused until keys are deleted or expire"
        return "keys are evicted, and commands that may need memory are refused while none may go"
