"""Health and metrics over HTTP, for load balancers, orchestrators and Prometheus.

Only this module imports Klein, which installs the global reactor if there is none yet. Therefore the daemon imports
this module only if a health port is set.
"""

from __future__ import annotations

import functools
import json
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar

from klein import Klein
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.http import Request as HttpRequest
from twisted.web.server import Request

from redistill.engine.stats import Configured, Snapshot
from redistill.lifetime.service import SERVING
from redistill.net.sockets import shown
from redistill.observe.http import BoundedSite, belongs, from_browser, named
from redistill.observe.metrics import exposition, is_open_metrics
from redistill.observe.status import figures, page

log = Logger()

EXPOSITION_SECONDS = 1.0
"""Seconds for which a body of /metrics is served again: it can take 20 ms to make."""
FIGURES_SECONDS = 0.5
"""Seconds for which the figures of each command are served again to the status page."""
MISDIRECTED = b"This server does not answer to that host name. Add it to server.health_check_hosts.\n"
NOBODY = "no client has been served for longer than server.worker_timeout"
PROBES = (b"/health", b"/livez", b"/readyz", b"/startupz", b"/metrics")
"""Resources for programs, which reach the server by names that it cannot know: a service's, a pod's, an alias."""


def health(now: Snapshot, state: str) -> dict[str, Any]:
    """The body of /health. Its field names are stable, because monitoring depends on them."""
    return {
        "status": state,
        "uptime_seconds": int(now.uptime),
        "active_connections": now.clients.connected,
        "total_connections": now.daemon.connections_received,
        "rejected_connections": now.counters.get("rejected_connections", 0),
        "memory_used": now.used_memory,
        "max_memory": now.max_memory,
        "evicted_keys": now.counters.get("evicted_keys", 0),
        "total_commands": now.counters.get("total_commands_processed", 0),
    }


Made = TypeVar("Made")


class Recent(Generic[Made]):
    """A value that takes time to make, and is made at most once in so many seconds."""

    def __init__(self, seconds: Callable[[], float], good_for: float, make: Callable[[], Made]) -> None:
        """`seconds` is a monotonic clock."""
        self._seconds = seconds
        self._good_for = good_for
        self._make = make
        self._made: tuple[float, Made] | None = None

    def get(self) -> Made:
        """The last value, or a new one if that is too old."""
        now = self._seconds()
        if self._made is None or now - self._made[0] >= self._good_for:
            self._made = now, self._make()
        return self._made[1]


class HealthResource:
    """The routes. Each answers from the arena, and asks no worker."""

    app = Klein()

    def __init__(
        self,
        snapshot: Callable[[bool], Snapshot],
        state: Callable[[], str],
        configured: Callable[[], Configured],
        seconds: Callable[[], float],
        alive: Callable[[], bool] = lambda: True,
        problem: Callable[[], str] = lambda: "",
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        """`snapshot` takes a snapshot, with the figures of each command if its argument is true; `state` is SERVING, or
        the reason why the server is not ready for new clients; `seconds` is a monotonic clock. `alive` is whether a
        restart would not help; `problem` is a problem that an operator must solve although clients may be served, or
        empty. `draining` is whether clients are still served as before, although a stop was requested."""
        self._snapshot = snapshot
        self._configured = configured
        self._state = state
        self._started = False
        self._alive = alive
        self._problem = problem
        self._draining = draining

        def exposed(open_metrics: bool) -> Recent[tuple[bytes, str]]:
            return Recent(
                seconds, EXPOSITION_SECONDS, lambda: exposition(lambda: snapshot(True), configured(), open_metrics)
            )

        self._expositions = {kind: exposed(kind) for kind in (False, True)}
        self._figures = Recent(seconds, FIGURES_SECONDS, lambda: snapshot(True))

    @app.route("/health", methods=["GET"])
    def health(self, request: Request) -> bytes:
        """The main figures; 200 while clients are served, which they are until the delay of a drain is over."""
        state = self._state()
        body = self._with_problem(health(self._snapshot(False), state))
        return self._json(request, body, SERVING if self._draining() else state)

    @app.route("/livez", methods=["GET"])
    def alive(self, request: Request) -> bytes:
        """200 unless no client has been served for `server.worker_timeout`, and the daemon needs a restart."""
        state = SERVING if self._alive() else NOBODY
        return self._json(request, {"status": state}, state)

    @app.route("/readyz", methods=["GET"])
    def ready(self, request: Request) -> bytes:
        """200 while new clients are accepted."""
        state = self._state()
        return self._json(request, self._with_problem({"status": state}), state)

    @app.route("/startupz", methods=["GET"])
    def started(self, request: Request) -> bytes:
        """200 once clients could connect, whatever happens later."""
        state = self._state()
        self._started = self._started or state == SERVING
        state = SERVING if self._started else state
        return self._json(request, {"status": state}, state)

    @app.route("/", methods=["GET"])
    def page(self, request: Any) -> bytes:
        """The status page, for a browser."""
        body, policy = page()
        request.setHeader("content-type", "text/html; charset=utf-8")
        request.setHeader("content-security-policy", policy)
        request.setHeader("x-content-type-options", "nosniff")
        request.setHeader("referrer-policy", "no-referrer")
        request.setHeader("cache-control", "no-cache")
        return body

    @app.route("/status", methods=["GET"])
    def status(self, request: Request) -> bytes:
        """The figures of the status page."""
        state = self._state()
        body = self._with_problem(figures(self._figures.get(), state, self._configured()))
        return self._json(request, body, SERVING if self._draining() else state)

    @app.route("/metrics", methods=["GET"])
    def metrics(self, request: Any) -> bytes:
        """The metrics, in Prometheus's text format or OpenMetrics."""
        body, content_type = self._expositions[is_open_metrics(request.getHeader("accept") or "")].get()
        request.setHeader("content-type", content_type)
        return body

    def _with_problem(self, body: dict[str, Any]) -> dict[str, Any]:
        problem = self._problem()
        return {**body, "problem": problem} if problem else body

    @staticmethod
    def _json(request: Any, body: Mapping[str, Any], state: str) -> bytes:
        request.setResponseCode(200 if state == SERVING else 503)
        request.setHeader("content-type", "application/json")
        request.setHeader("cache-control", "no-store")
        return json.dumps(body, indent=2).encode() + b"\n"


def refuse(names: Collection[str], request: HttpRequest) -> tuple[int, bytes] | None:
    """The refusal of a request for a foreign host name; None if the request is answered.

    The owner of a web page can point its name at this server (DNS rebinding), and the page's script then reads servers
    that the visitor's browser reaches. The status page and its figures are for browsers only, so they answer to no
    foreign name. Probes, scrapes and scripts use names that only their network knows. They are answered, unless a
    browser sends them: otherwise the script would read from /metrics the figures that /status refuses.
    """
    host = named(request.requestHeaders)
    if host is None:
        return 400, b"One proper Host header is needed.\n"
    if belongs(host, names) or (request.path in PROBES and not from_browser(request.requestHeaders)):
        return None
    return 421, MISDIRECTED


class HealthService(MultiService):
    """Listens for HTTP. It contains the services on which it reports, so it still answers while these stop."""

    def __init__(
        self,
        reactor: Any,
        listener: socket.socket,
        snapshot: Callable[[bool], Snapshot],
        state: Callable[[], str],
        configured: Callable[[], Configured],
        hosts: Iterable[str],
        alive: Callable[[], bool] = lambda: True,
        problem: Callable[[], str] = lambda: "",
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        """`listener` is bound and listens; `hosts` are names of this server; `HealthResource` describes the others."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._listener = listener
        self._state = state
        self._port: IListeningPort | None = None
        self._stopping = False
        resource: Any = HealthResource(
            snapshot,
            self.state,
            configured,
            reactor.seconds,
            alive,
            problem,
            lambda: draining() and not self._stopping,
        )
        self._factory = BoundedSite(reactor, resource.app.resource(), functools.partial(refuse, frozenset(hosts)))

    def state(self) -> str:
        """SERVING, or the reason why no client is served."""
        return "stopping" if self._stopping else self._state()

    def startService(self) -> None:
        listener = self._listener
        self._port = self._reactor.adoptStreamPort(listener.fileno(), listener.family, self._factory)
        log.info("health and metrics on http://{address}", address=shown(listener.getsockname()))
        listener.close()
        super().startService()  # type: ignore[no-untyped-call]

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
