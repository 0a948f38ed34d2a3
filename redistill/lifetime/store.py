"""The lifetime of the store, and events of its arena."""

from __future__ import annotations

from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from redistill.base.throttle import SELDOM
from redistill.engine import Store
from redistill.lifetime.arena import Arena

log = Logger()


class StoreService(MultiService):
    """Keeps the store: joins its arena, and closes both after its children have stopped."""

    def __init__(self, store: Store, arena: Arena, number: int) -> None:
        """`store` is open in `arena` when the service starts; `number` is this process's among the workers."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._store = store
        self._arena = arena
        self._number = number

    def startService(self) -> None:
        self._store.join(self._number)
        self._store.workers.beat()
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        stopped: Deferred[Any] = maybeDeferred(super().stopService)
        return stopped.addBoth(self._close)

    def _close(self, result: object) -> object:
        self._store.close()
        self._arena.close()
        return result


class ArenaWatch:
    """Says what has happened to the arena: shards were emptied, or the system had no memory for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = {"shards_lost": 0, "regions_refused": 0}

    def look(self) -> None:
        """Say what is new since the last look."""
        if lost := self._more("shards_lost"):
            log.warn(
                "{lost} of {shards} shards emptied: they were damaged, or a process died while it changed them",
                lost=lost,
                shards=self._store.num_shards,
            )
        if times := self._more("regions_refused"):
            log.warn(
                "the system has no memory for the arena ({times} times): keys are evicted or writes refused below"
                " memory.max_memory",
                times=times,
                log_throttle=SELDOM,
            )

    def _more(self, name: str) -> int:
        """How far a counter has gone up."""
        before, self._seen[name] = self._seen[name], self._store.counter(name)
        return max(0, self._seen[name] - before)
