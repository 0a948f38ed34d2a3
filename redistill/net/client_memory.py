"""The cap on the memory of all clients' buffers; core/session/footprint.h says what counts and which client is cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from redistill.config.config import Config
from redistill.config.sizing import machine, sizes
from redistill.engine import bound_heap, trim_memory


class Client(Protocol):
    """See protocol.RespProtocol."""

    def evict(self) -> None:
        """Close the client; its buffers are free at once."""
        ...


class Store(Protocol):
    """See engine.Store."""

    @property
    def map_size(self) -> int: ...
    def set_client_limit(self, limit: int, readable: int) -> None: ...
    def client_to_close(self) -> int: ...
    def buffers_shrank(self) -> bool: ...


class ClientMemory:
    """Closes clients of this process, the largest first, while the clients of all processes exceed the limit."""

    def __init__(self, store: Store, clients: Mapping[int, Client], workers: int = 1) -> None:
        """`clients` by id. `workers` is the number of processes that serve clients."""
        bound_heap()
        self._store = store
        self._clients = clients
        self._workers = workers

    def apply(self, config: Config) -> None:
        """Put ``server.max_client_memory`` into effect."""
        found = sizes(config, machine(), self._workers, self._store.map_size)
        self._store.set_client_limit(found.client_memory, found.largest_value)

    def enforce(self) -> None:
        """Close as many clients as need be. To be called when the buffers exceed the limit, and from time to time."""
        while number := self._store.client_to_close():
            client = self._clients.get(number)
            if client is None:
                break
            client.evict()
        if self._store.buffers_shrank():  # or the C library may keep as much again
            trim_memory()
