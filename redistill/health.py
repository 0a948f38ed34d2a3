"""Health and metrics over HTTP, for load balancers, orchestrators and Prometheus.

Only this module imports Klein, which installs the global reactor when none is there: it is imported when a port is set.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from klein import Klein
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.web.http import Request as HttpRequest
from twisted.web.server import Request, Site

from redistill.metrics import exposition
from redistill.service import SERVING
from redistill.stats import Configured, Snapshot
from redistill.status import figures, page

log = Logger()

REQUEST_SECONDS = 10
"""Time that a client has for its request, and between two."""
CONNECTIONS = 128
"""At the same time."""
TOO_LARGE = b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def health(now: Snapshot, state: str) -> dict[str, Any]:
    """The body of /health. Its names stay: whoever watches them need not look for others."""
    return {
        "status": state,
        "uptime_seconds": int(now.uptime),
        "active_connections": now.clients.connected,
        "total_connections": now.daemon.connections_received,
        "rejected_connections": now.daemon.rejected_connections,
        "memory_used": now.used_memory,
        "max_memory": now.max_memory,
        "evicted_keys": now.counters.get("evicted_keys", 0),
        "total_commands": now.counters.get("total_commands_processed", 0),
    }


class HealthResource:
    """The routes. Each is answered from the arena, and asks no worker."""

    app = Klein()

    def __init__(
        self, snapshot: Callable[[bool], Snapshot], state: Callable[[], str], configured: Callable[[], Configured]
    ) -> None:
        """`snapshot` gives the figures, with those of each command or without; `state` is SERVING or says why not."""
        self._snapshot = snapshot
        self._configured = configured
        self._state = state
        self._started = False

    @app.route("/health", methods=["GET"])
    def health(self, request: Request) -> bytes:
        """The figures that matter, and 200 while clients are served."""
        state = self._state()
        return self._json(request, health(self._snapshot(False), state), state)

    @app.route("/livez", methods=["GET"])
    def alive(self, request: Request) -> bytes:
        """200 while the process answers: what does not is to be started again."""
        return self._json(request, {"status": SERVING}, SERVING)

    @app.route("/readyz", methods=["GET"])
    def ready(self, request: Request) -> bytes:
        """200 while new clients are welcome."""
        state = self._state()
        return self._json(request, {"status": state}, state)

    @app.route("/startupz", methods=["GET"])
    def started(self, request: Request) -> bytes:
        """200 once clients could connect, whatever came after."""
        state = self._state()
        self._started = self._started or state == SERVING
        state = SERVING if self._started else state
        return self._json(request, {"status": state}, state)

    @app.route("/", methods=["GET"])
    def page(self, request: Any) -> bytes:
        """For people."""
        body, policy = page()
        request.setHeader("content-type", "text/html; charset=utf-8")
        request.setHeader("content-security-policy", policy)
        request.setHeader("x-content-type-options", "nosniff")
        request.setHeader("referrer-policy", "no-referrer")
        request.setHeader("cache-control", "no-cache")
        return body

    @app.route("/status", methods=["GET"])
    def status(self, request: Request) -> bytes:
        """What the page shows."""
        state = self._state()
        return self._json(request, figures(self._snapshot(True), state, self._configured()), state)

    @app.route("/metrics", methods=["GET"])
    def metrics(self, request: Any) -> bytes:
        """For Prometheus: its text format, or OpenMetrics."""
        accept = request.getHeader("accept") or ""
        body, content_type = exposition(lambda: self._snapshot(True), self._configured(), accept)
        request.setHeader("content-type", content_type)
        return body

    @staticmethod
    def _json(request: Any, body: Mapping[str, Any], state: str) -> bytes:
        request.setResponseCode(200 if state == SERVING else 503)
        request.setHeader("content-type", "application/json")
        request.setHeader("cache-control", "no-store")
        return json.dumps(body, indent=2).encode() + b"\n"


class QuietSite(Site):
    """Probes come every second: they are not logged, and neither is that it listens, which is said already."""

    noisy = False
    displayTracebacks = False

    def log(self, request: HttpRequest) -> None:
        """Not at all."""


class BodilessRequest(Request):
    """A request without a body: who sends one is told that it is too large, and nothing of it is kept."""

    channel: Any

    def gotLength(self, length: int | None) -> None:
        if length or (length is None and self.requestHeaders.hasHeader("transfer-encoding")):
            self.channel.write(TOO_LARGE)
            self.channel.loseConnection()
        super().gotLength(0)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        """It is not kept."""


class Bounded(WrappingFactory):
    """So many connections at the same time; who comes then is closed."""

    noisy = False
    protocols: Any

    def buildProtocol(self, addr: Any) -> Any:
        return None if len(self.protocols) >= CONNECTIONS else super().buildProtocol(addr)


class HealthService(MultiService):
    """Listens for HTTP around the services that it tells of, so that it still answers while those stop."""

    def __init__(
        self,
        reactor: Any,
        listener: socket.socket,
        snapshot: Callable[[bool], Snapshot],
        state: Callable[[], str],
        configured: Callable[[], Configured],
    ) -> None:
        """`listener` is bound and listens; for the others see `HealthResource`."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._listener = listener
        self._state = state
        self._port: IListeningPort | None = None
        self._stopping = False
        resource: Any = HealthResource(snapshot, self.state, configured)
        root = resource.app.resource()
        site = QuietSite(root, requestFactory=BodilessRequest, timeout=REQUEST_SECONDS, reactor=reactor)  # type: ignore[no-untyped-call]
        self._factory = Bounded(site)  # type: ignore[no-untyped-call]

    def state(self) -> str:
        """SERVING, or why clients are not served."""
        return "stopping" if self._stopping else self._state()

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        listener = self._listener
        self._port = self._reactor.adoptStreamPort(listener.fileno(), listener.family, self._factory)
        host, port = listener.getsockname()[:2]
        log.info("health and metrics on http://{host}:{port}", host=host, port=port)
        listener.close()

    def stopService(self) -> Deferred[None]:
        self._stopping = True
        stopped: Deferred[Any] = maybeDeferred(super().stopService)
        return stopped.addBoth(self._close)

    def _close(self, result: object) -> object:
        port, self._port = self._port, None
        if port is None:
            self._listener.close()
            return result
        return maybeDeferred(port.stopListening).addCallback(lambda _: result)
