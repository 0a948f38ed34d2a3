"""MONITOR: every command of all clients, as it is executed.

The core writes a line for each command (core/session/monitor.h) in the process that executes it, and sends it to the
workers with a client that monitors. The lines of one worker are in order; lines of several workers are mixed, and each
has its time. This module hands the lines to the clients of this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from twisted.logger import Logger

from redistill.base import resp
from redistill.net.interfaces import Client, Command

if TYPE_CHECKING:
    from redistill.control.state import ServerState

log = Logger()

NOT_IN_EXEC = resp.error("ERR MONITOR isn't allowed for DENY BLOCKING client")


class Monitors:
    """The clients of this process that monitor. What waits for one of them is bounded by its output limit."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._numbers: set[int] = set()
        self._awake = False
        self._reported = self._damaged = 0

    def add(self, client: Client) -> None:
        """Send `client` the lines from now on, for as long as its session monitors."""
        self._numbers = {client.client_id, *(one.client_id for one in self._present())}

    def _present(self) -> Iterator[Client]:
        """The monitoring clients that are still connected."""
        for number in self._numbers:
            client = self._server.clients.get(number)
            if client is not None and client.session.state.monitors:
                yield client

    def wake(self) -> None:
        """Lines wait in the store. They go on after this turn: now a session may be in the middle of a transaction."""
        if not self._awake:
            self._awake = True
            self._server.reactor.callLater(0, self._hand_on)

    def _hand_on(self) -> None:
        self._awake = False
        lines = self._server.store.monitored()
        clients = list(self._present())
        self._numbers = {client.client_id for client in clients}
        for client in clients:
            if lines and not client.session.state.reply_mode:
                client.push(lines)

    def report(self) -> None:
        """Once a second: say in the log how many lines were lost, and that messages were damaged."""
        lost, damaged = self._server.store.monitor_dropped, self._server.store.rings_reset
        if lost > self._reported:
            log.warn("{lines} lines of MONITOR were lost: too many waited", lines=lost - self._reported)
            self._reported = lost
        if damaged > self._damaged:
            log.error("messages to this worker were damaged {times} times, and are lost", times=damaged - self._damaged)
            self._damaged = damaged


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {"monitor": lambda client, argv: monitor(server, client)}


def monitor(server: ServerState, client: Client) -> bytes:
    """MONITOR. As in Redis a second one is not answered, and none is allowed in a transaction."""
    state = client.session.state
    if state.in_exec:
        return NOT_IN_EXEC
    if state.monitors:
        return b""
    client.session.monitor()
    server.monitors.add(client)
    return resp.OK
