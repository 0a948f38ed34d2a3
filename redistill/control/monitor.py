"""MONITOR: every command of all clients, as it is executed.

The core writes a line for each (core/session/monitor.h) in the process that executes it. From there the lines go to the
clients of this process that monitor, and as one question at a time, which takes what has come meanwhile, to the other
workers. So the lines of one worker are in their order, and those of several are mixed as they come; each has its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.base import resp
from redistill.control.arguments import text
from redistill.control.peers import Question
from redistill.net.interfaces import Client, Command

if TYPE_CHECKING:
    from redistill.control.state import ServerState

log = Logger()

BACKLOG = 1024 * 1024
"""Bytes of lines that may wait for the other workers."""
NOT_IN_EXEC = resp.error("ERR MONITOR isn't allowed for DENY BLOCKING client")


class Monitors:
    """The clients of this process that monitor, and the lines on their way to them and to the other workers.

    What waits is bounded: for a client by its output limit, for the workers by `BACKLOG`, in the core by its own bound.
    """

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._numbers: set[int] = set()
        self._awake = self._sending = False
        self._backlog = b""
        self._dropped = self._reported = 0

    def add(self, client: Client) -> None:
        """Show `client` what comes, for as long as its session monitors."""
        self._numbers = {client.client_id, *(one.client_id for one in self._present())}

    def _present(self) -> Iterator[Client]:
        """Those that are still there, and monitor."""
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
        store = self._server.store
        if lines := store.monitored():
            here = self.show(lines)
            if store.monitors > here:
                self._queue(lines)

    def show(self, lines: bytes) -> int:
        """Send `lines` to those who monitor here; how many there are."""
        clients = list(self._present())
        self._numbers = {client.client_id for client in clients}
        for client in clients:
            if not client.session.state.reply_mode:
                client.push(lines)
        return len(clients)

    def _queue(self, lines: bytes) -> None:
        if len(self._backlog) + len(lines) > BACKLOG:
            self._dropped += lines.count(b"\n")
            return
        self._backlog += lines
        if not self._sending:
            self._send()

    def _send(self, answered: object = None) -> None:
        """Tell the others, and once all have heard it, what has come meanwhile: who is slow is not given more."""
        lines, self._backlog = self._backlog, b""
        self._sending = bool(lines)
        if lines:
            told = self._server.peers.ask("monitor", text(lines))
            if isinstance(told, Deferred):
                told.addErrback(_failed).addCallback(self._send)
            else:
                self._sending = False

    def report(self) -> None:
        """Once a second: say in the log how many lines were lost."""
        lost = self._dropped + self._server.store.monitor_dropped
        if lost > self._reported:
            log.warn("{lines} lines of MONITOR were lost: more waited than may", lines=lost - self._reported)
            self._reported = lost


def _failed(failure: Failure) -> None:
    log.warn("lines of MONITOR did not reach the other workers: {reason}", reason=failure.getErrorMessage())


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


def questions(server: ServerState) -> Mapping[str, Question]:
    """What each worker does with another's lines."""
    return {"monitor": lambda lines: server.monitors.show(lines.encode("utf-8", "surrogateescape")) and None}
