"""Silent clients: they give memory back, and are closed after the idle timeout. A client that does not let itself be
closed is aborted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from redistill.engine.counters import DaemonCounters
from redistill.net.protocol.interfaces import ClientLoop

TICK = 1.0
"""Seconds between two looks at all clients."""
QUIET = 2.0
"""Seconds of silence after which a client's buffers are given back."""
LINGER = 10.0
"""Seconds that a client whose connection is being closed has to read its last replies."""


class Watched(Protocol):
    """See client.RespProtocol."""

    session: Any
    closing_at: float | None

    @property
    def last_active(self) -> float: ...

    @property
    def kept_silent(self) -> bool:
        """Whether the client is silent because it waits for the server."""
        ...

    def kill(self) -> None: ...
    def abort_transport(self) -> None: ...


class IdleWatch:
    """Looks at the clients of a process each second. The loop names the silent ones among those that it serves."""

    def __init__(
        self, clock: IReactorTime, counters: DaemonCounters, timeout: Callable[[], float], loop: ClientLoop | None
    ) -> None:
        """`timeout`: seconds of silence after which a client is closed, 0: never."""
        self._clock = clock
        self._counters = counters
        self._timeout = timeout
        self._loop = loop
        self._watched: dict[Watched, None] = {}
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock

    def start(self) -> None:
        """Look from now on. A second call does nothing."""
        if not self._looks.running:
            self._looks.start(TICK, now=False)

    def stop(self) -> None:
        """Look no more."""
        if self._looks.running:
            self._looks.stop()

    def watch(self, client: Watched) -> None:
        """Look at `client` too: the loop does not serve it, or it is being closed."""
        self._watched[client] = None

    def remove(self, client: Watched) -> None:
        """`client` has disconnected, or moves to another process."""
        self._watched.pop(client, None)

    def _look(self) -> None:
        now, timeout = self._clock.seconds(), self._timeout()
        late, quiet, before = now - timeout if timeout else 0.0, now - QUIET, now - QUIET - TICK
        due: list[Watched] = [
            one
            for one in self._watched
            if one.last_active <= late or before < one.last_active <= quiet or one.closing_at is not None
        ]
        if self._loop is not None:
            due += self._loop.silent(quiet, late)
        for client in due:
            self._look_at(client, now, timeout)

    def _look_at(self, client: Watched, now: float, timeout: float) -> None:
        """Close a client after `timeout` seconds, unless it runs MONITOR; abort it when its closing takes too long."""
        silent = now - client.last_active
        if client.closing_at is not None:
            if min(now - client.closing_at, silent) >= LINGER:
                client.abort_transport()
        elif timeout and silent >= timeout and not client.kept_silent and not client.session.state.monitors:
            self._counters.idle_disconnections += 1
            client.kill()
        elif QUIET <= silent < QUIET + TICK:
            client.session.trim()
