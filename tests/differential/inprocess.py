"""Redistill within the test's own process: the protocol over transports that are strings, so that every cut is exact."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from redistill.config.load import load
from redistill.control import ControlPlane
from redistill.engine import Session, Store
from redistill.engine.command_table import CommandTable
from redistill.engine.counters import DaemonCounters
from redistill.net.protocol import RespFactory, RespProtocol

from .replies import CLOSED, Parser, Reply

MIB = 1 << 20
CONFIG = {"memory.eviction_policy": "noeviction", "security.enable_debug_command": "yes"}


class StringConversation:
    """A client whose pieces arrive as they are."""

    def __init__(self, protocol: RespProtocol, clock: Clock) -> None:
        self._protocol = protocol
        self._clock = clock
        self._transport = StringTransport()
        self._parser = Parser()
        protocol.makeConnection(self._transport)

    def _read(self) -> list[Reply]:
        self._parser.feed(self._transport.value())
        self._transport.clear()
        return list(iter(self._parser.get, None))

    def exchange(self, pieces: Sequence[bytes], count: int) -> list[Reply]:
        replies: list[Reply] = []
        for piece in pieces:
            self._protocol.dataReceived(piece)
            replies += self._read()
        for _ in range(1000):
            if len(replies) >= count or self._transport.disconnecting:
                break
            self._clock.advance(0.01)
            replies += self._read()
        return replies + [CLOSED] * (count - len(replies))

    def last_words(self, pieces: Sequence[bytes]) -> list[Reply]:
        replies = self.exchange(pieces, 0)
        self._protocol.readConnectionLost()
        return replies + self._read()

    def close(self) -> None:
        self._protocol.connectionLost()


class InProcessPeer:
    """A store of 64 MiB with the daemon's protocol and commands before it, and no reactor."""

    def __init__(self, **options: Any) -> None:
        asked = {
            "max_memory": 64 * MIB,
            "map_size": 64 * MIB,
            "num_shards": 16,
            "policy": "noeviction",
            "sample_size": 5,
        }
        self._fd = os.memfd_create("redistill-test")
        self.store = Store()
        self.store.create(self._fd, **{**asked, **options})
        self.store.join()
        self.clock = Clock()
        clients: dict[int, RespProtocol] = {}
        config = load("", {}).replace(CONFIG)
        counters = DaemonCounters()
        control = ControlPlane(config, self.store, self.clock, clients, CommandTable(), counters=counters)
        control.opened()
        self._factory = RespFactory(
            self.clock,
            self._session,
            control,
            clients,
            counters=counters,
            next_id=itertools.count(1).__next__,
            output_limit=0,
            idle_timeout=0,
            read_size=16384,
        )

    def _session(self) -> Session:
        return self.store.session(
            batch_size=16, output_high=MIB, query_limit=64 * MIB, multi_limit=64 * MIB, output_limit=0
        )

    def open(self) -> StringConversation:
        return StringConversation(self._factory.buildProtocol(None), self.clock)  # type: ignore[arg-type]

    def monitor(self) -> None:
        """Have the store collect lines (`Store.monitored`), as if a client monitored."""
        self._session().monitor()

    def close(self) -> None:
        """Give the memory back."""
        self.store.close()
        os.close(self._fd)
