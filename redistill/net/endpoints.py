"""Listening on Twisted's endpoints (server.endpoints). Their connections are served through `dataReceived`.

Most endpoints cannot be bound twice, and some not while a process that is about to end has them. So an endpoint on
which listening fails is tried again until it succeeds, or is not wanted any more.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.config.endpoints import kind, reason_of
from redistill.net.sockets import set_keepalive

log = Logger()

SOON, LATER = 0.02, 0.25
"""Seconds to the next try: at first, when a predecessor is about to stop listening, and after `PATIENCE`."""
PATIENCE = 2.0
"""Seconds of failures after which they are logged."""


class EndpointListener:
    """An endpoint that is listened on from `start` to `stop`, any number of times."""

    def __init__(
        self,
        clock: IReactorTime,
        description: str,
        listen: Callable[[], Deferred[IListeningPort]],
        *,
        nodelay: bool,
        keepalive: int,
    ) -> None:
        """`listen` listens on the endpoint, which `description` describes. `nodelay` and `keepalive` (seconds, 0: off)
        are for TCP connections."""
        self.description = description
        self.problem = ""
        """Why the last try to listen failed; empty: it did not."""
        self._clock = clock
        self._listen = listen
        self._nodelay, self._keepalive = nodelay, keepalive
        self._wanted = self._busy = False
        self._failing_since: float | None = None
        self._logged = ""
        self._port: Any = None
        self._retry: IDelayedCall | None = None

    def start(self) -> None:
        """Listen, now or as soon as the endpoint can be bound."""
        self._wanted = True
        self._go_on()

    def stop(self) -> None:
        """Accept no more; connections stay open."""
        self._wanted = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._failing_since, self._logged = None, ""
        self._go_on()

    def set_keepalive(self, seconds: int) -> None:
        """Set the keepalive of connections to come; 0: off."""
        self._keepalive = seconds
        self._set_options()

    def _go_on(self) -> None:
        """Listen or stop, as is wanted. While one of the two is under way nothing happens: its end calls this again."""
        if self._busy or self._retry is not None or self._wanted == (self._port is not None):
            return
        self._busy = True
        if self._wanted:
            done = maybeDeferred(self._listen).addCallback(self._listening).addErrback(self._failed)
        else:
            port, self._port = self._port, None
            done = maybeDeferred(port.stopListening).addErrback(self._not_closed)
        done.addErrback(lambda failure: log.failure("in an endpoint", failure)).addCallback(self._done)

    def _done(self, nothing: object) -> None:
        self._busy = False
        self._go_on()

    def _listening(self, port: IListeningPort) -> None:
        self._port, self.problem, self._failing_since, self._logged = port, "", None, ""
        self._set_options()
        description, address = self.description, _shown(port)
        if kind(description) == "ssl":
            log.info("listening on {endpoint}, {address}, with TLS", endpoint=description, address=address)
        else:
            log.info("listening on {endpoint}, {address}", endpoint=description, address=address)

    def _failed(self, failure: Failure) -> None:
        now, reason = self._clock.seconds(), reason_of(failure.value)
        if self._failing_since is None:
            self._failing_since = now
        late = now - self._failing_since >= PATIENCE
        self.problem = reason
        if late and reason != self._logged:
            self._logged = reason
            log.error(
                "server.endpoints: cannot listen on {endpoint}: {reason}; it is tried again",
                endpoint=self.description,
                reason=reason,
            )
        if self._wanted:
            self._retry = self._clock.callLater(LATER if late else SOON, self._again)

    def _again(self) -> None:
        self._retry = None
        self._go_on()

    def _not_closed(self, failure: Failure) -> None:
        log.failure("while closing {endpoint}", failure, endpoint=self.description)

    def _set_options(self) -> None:
        """Set the options of the listening socket; accepted sockets inherit them. Not every endpoint has a socket."""
        listener = getattr(self._port, "socket", None)
        if isinstance(listener, socket.socket) and listener.family in (socket.AF_INET, socket.AF_INET6):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self._nodelay)
            set_keepalive(listener, self._keepalive)


def _shown(port: IListeningPort) -> str:
    """The address that clients connect to, as text."""
    host: Any = port.getHost()
    if hasattr(host, "port"):
        name = getattr(host, "host", None) or getattr(host, "uri", b"").decode("ascii", "replace")
        return f"[{name}]:{host.port}" if ":" in name else f"{name}:{host.port}"
    name = getattr(host, "name", None)
    return name.decode(errors="replace") if isinstance(name, bytes) else str(host)
