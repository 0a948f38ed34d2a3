"""The sessions of this process's clients, within the bounds that the configuration sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from redistill.config.config import Config
from redistill.engine import Saved, Session, Store

OUTPUT_HIGH = 256 * 1024
"""Bytes of replies at which a session stops executing until they are written."""


class Client(Protocol):
    """See protocol.RespProtocol."""

    @property
    def session(self) -> Session: ...


class Sessions:
    """Makes sessions, and changes the bounds of those that are open."""

    def __init__(self, store: Store, clients: Mapping[int, Client], config: Config) -> None:
        """`clients` by id."""
        self._store = store
        self._clients = clients
        self._bounds = bounds(config)

    def open(self) -> Session:
        """Make a new session."""
        return self._store.session(**self._bounds)

    def load(self, saved: Saved) -> Session:
        """Make a session from `saved`, which another process made. Raises ValueError."""
        return self._store.load_session(saved, **self._bounds)

    def apply(self, config: Config) -> None:
        """Put the bounds of `config` into effect, for open sessions too."""
        if (new := bounds(config)) != self._bounds:
            self._bounds = new
            for client in self._clients.values():
                client.session.bound(**new)


def bounds(config: Config) -> dict[str, Any]:
    """The bounds of a client's session."""
    return {
        "batch_size": config.server.batch_size,
        "output_high": OUTPUT_HIGH,
        "query_limit": config.server.query_buffer_limit,
        "multi_limit": config.server.query_buffer_limit,
        "output_limit": config.server.output_limit,
        "pubsub_limits": (
            config.server.pubsub_output_limit,
            config.server.pubsub_output_soft_limit,
            config.server.pubsub_output_soft_seconds,
        ),
    }
