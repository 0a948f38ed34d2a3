"""Changes of the limit of the store's memory at run time, and their log events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from redistill.base.failures import Refused
from redistill.base.sizes import Size
from redistill.config import sizing
from redistill.config.config import Config
from redistill.engine import Store

log = Logger()


class MemoryLimit:
    """The limit of the store's memory, as far as the machine has room for it."""

    def __init__(
        self,
        store: ResizableStore,
        config: Config,
        workers: int,
        warn: Callable[[sizing.Sizes], None] = lambda sizes: None,
    ) -> None:
        """`config` is in effect. `workers` is the number of processes that serve clients; `warn` is called with the
        division of the memory when that changes."""
        self._store = store
        self._workers = workers
        self._warn = warn
        self._settings = sizing.settings(config)

    def apply(self, config: Config) -> None:
        """Limit the store as `config` says. Raises Refused, and nothing has changed."""
        settings = sizing.settings(config)
        if settings == self._settings:
            return
        sizes = sizing.sizes(config, sizing.machine(), self._workers, self._store.map_size)
        try:
            self._store.set_max_memory(max(sizes.max_memory, 1))
        except ValueError as problem:
            raise Refused("maxmemory", str(problem)) from None
        self._settings = settings
        self._warn(sizes)


class ResizableStore(Protocol):
    """See engine.Store."""

    @property
    def map_size(self) -> int: ...
    def set_max_memory(self, size: int) -> None: ...


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
        store, limit = self._store, Size(self._store.max_memory)
        first, changed = self._limit is None, limit != self._limit
        self._limit = limit
        used = Size(store.used_memory)
        if changed and store.is_over:
            self._above = True
            effect = self._effect(limit)
            log.warn("maxmemory is {limit} and {used} are in use: {effect}", limit=limit, used=used, effect=effect)
        elif self._above and not store.is_over:
            self._above = False
            log.info("memory has come down to {used}; maxmemory is {limit}", used=used, limit=limit)
        elif changed and not first:
            log.info("maxmemory is now {limit}; {used} are in use", limit=limit, used=used)

    def _effect(self, limit: int) -> str:
        store = self._store
        if limit <= store.fixed_memory:
            return f"an empty store takes {Size(store.fixed_memory)}, so every command that may need memory is refused"
        if store.policy == "noeviction":
            return "every command that may need memory is refused until keys are deleted or expire"
        return "keys are evicted, and commands that may need memory are refused while none may go"
