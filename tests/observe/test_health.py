"""Health over HTTP: requests as bytes, a daemon that is played."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.counters import CommandCount
from redistill.engine.stats import Configured, Snapshot
from redistill.observe import health
from redistill.observe.health import EXPOSITION_SECONDS, FIGURES_SECONDS, HealthService
from tests.support.control import Server

NINE = [
    "status",
    "uptime_seconds",
    "active_connections",
    "total_connections",
    "rejected_connections",
    "memory_used",
    "max_memory",
    "evicted_keys",
    "total_commands",
]


class Listener:
    """A bound socket, as far as it is asked."""

    family = 2
    closed = False

    def fileno(self) -> int:
        return 99

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8080

    def close(self) -> None:
        self.closed = True


class Port:
    """A listening port that is played."""

    closed = False

    def stopListening(self) -> None:
        self.closed = True


class Reactor(Clock):
    """A clock that takes a listening socket."""

    factory: Any = None

    def adoptStreamPort(self, fd: int, family: int, factory: Any) -> Port:
        self.factory, self.port = factory, Port()
        factory.doStart()
        return self.port


class Slow(Service):
    """A service that takes its time to stop."""

    def __init__(self) -> None:
        self.stopped: Deferred[None] = Deferred()

    def stopService(self) -> Deferred[None]:
        return self.stopped


class HealthTests(SynchronousTestCase):
    """HealthService"""

    def setUp(self) -> None:
        self.server = Server()
        self.state = "ok"
        self.alive, self.problem = True, ""
        self.taken: list[bool] = []
        self.reactor = Reactor()
        self.listener = Listener()
        self.service = HealthService(
            self.reactor,
            self.listener,  # type: ignore[arg-type]
            self.snapshot,
            lambda: self.state,
            lambda: Configured(10, 1.5e9, 1.4e9),
            ["cache1.example"],
            lambda: self.alive,
            lambda: self.problem,
            lambda: self.draining,
        )
        self.draining = False
        self.daemon = Slow()
        self.daemon.setServiceParent(self.service)  # type: ignore[no-untyped-call]
        self.service.startService()

    def snapshot(self, with_commands: bool) -> Snapshot:
        """The figures of the played daemon; which were asked for."""
        self.taken.append(with_commands)
        return self.server.plane.snapshot(with_commands)

    def connect(self) -> tuple[Any, StringTransport]:
        """A client's connection; None and nothing when it is refused."""
        transport = StringTransport()
        protocol = self.reactor.factory.buildProtocol(transport.getPeer())
        if protocol is not None:
            protocol.makeConnection(transport)
        return protocol, transport

    def ask(self, request: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        protocol, transport = self.connect()
        protocol.dataReceived(request.encode())
        self.reactor.advance(0)
        protocol.connectionLost(None)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}, body

    def get(self, path: str, more: str = "") -> tuple[int, dict[str, str], bytes]:
        """The same, for GET; HTTP/1.0, whose bodies are as they are."""
        return self.ask(f"GET {path} HTTP/1.0\r\n{more}\r\n")

    def test_the_nine_fields(self) -> None:
        """/health has the nine names of the guide, in its order, and numbers."""
        self.server.store.values = {"total_commands_processed": 7, "evicted_keys": 8, "connections_received": 9}
        status, headers, body = self.get("/health")
        said = json.loads(body)
        self.assertEqual((status, headers["content-type"], list(said)), (200, "application/json", NINE))
        self.assertEqual(said["status"], "ok")
        self.assertTrue(all(type(said[name]) is int for name in NINE[1:]), said)
        figures = [said[name] for name in ("total_connections", "total_commands", "evicted_keys", "max_memory")]
        self.assertEqual(figures, [9, 7, 8, self.server.store.max_memory])

    def test_who_does_not_serve(self) -> None:
        """503 and the reason, but for the probe of life."""
        self.state = "no worker serves"
        found = {path: self.get(path) for path in ("/health", "/readyz", "/livez")}
        self.assertEqual([status for status, _, _ in found.values()], [503, 503, 200])
        self.assertEqual([json.loads(body)["status"] for _, _, body in found.values()], [self.state, self.state, "ok"])
        self.assertEqual(list(json.loads(found["/health"][2])), NINE)

    def test_drain(self) -> None:
        """While clients are served, though a stop was requested, only /readyz says 503; after that /health, too."""
        self.state, self.draining = "stopping", True
        found = {path: self.get(path) for path in ("/health", "/status", "/readyz", "/livez")}
        self.assertEqual([status for status, _, _ in found.values()], [200, 200, 503, 200])
        self.assertEqual(json.loads(found["/health"][2])["status"], "stopping")
        self.service.stopService()
        self.assertEqual([self.get(path)[0] for path in ("/health", "/status", "/readyz")], [503] * 3)

    def test_problem(self) -> None:
        """A setting that is not in effect is reported, though clients are served."""
        self.problem = "a change could not be applied and was undone: no more files"
        found = {path: self.get(path) for path in ("/health", "/readyz")}
        self.assertEqual([status for status, _, _ in found.values()], [200, 200])
        self.assertEqual([json.loads(body)["problem"] for _, _, body in found.values()], [self.problem] * 2)

    def test_nobody_served(self) -> None:
        """The probe of life is 503 when nobody has been served for too long."""
        self.alive = False
        status, _, body = self.get("/livez")
        self.assertEqual((status, json.loads(body)), (503, {"status": health.NOBODY}))

    def test_startup(self) -> None:
        """/startupz is 503 until the server has served once; a stumble later is none of its business."""
        self.state = "starting"
        self.assertEqual(self.get("/startupz")[0], 503)
        self.state = "ok"
        self.assertEqual(self.get("/startupz")[0], 200)
        self.state = "no worker serves"
        self.assertEqual(self.get("/startupz")[0], 200)

    def test_stop(self) -> None:
        """From the moment that a stop begins until it is over the port says so; then it is closed."""
        stopped = self.service.stopService()
        self.assertEqual([self.get(path)[0] for path in ("/readyz", "/health", "/livez")], [503, 503, 200])
        self.assertEqual(json.loads(self.get("/readyz")[2]), {"status": "stopping"})
        self.assertFalse(self.reactor.port.closed)
        self.daemon.stopped.callback(None)
        self.successResultOf(stopped)
        self.assertTrue(self.reactor.port.closed)

    def test_metrics(self) -> None:
        """Prometheus's text, or OpenMetrics."""
        status, headers, body = self.get("/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["content-type"].startswith("text/plain"), headers)
        self.assertIn(b"\nredistill_connected_clients ", body)
        self.assertIn(b"\nredistill_tls_certificate_expiry_timestamp_seconds 1.5e+09\n", body)
        self.assertIn(b"\nredistill_tls_certificate_not_before_timestamp_seconds 1.4e+09\n", body)
        _, headers, body = self.get("/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n")
        self.assertTrue(headers["content-type"].startswith("application/openmetrics-text"), headers)
        self.assertTrue(body.endswith(b"# EOF\n"))

    def test_page(self) -> None:
        """The status page may run its own script and style, speak to this server, and nothing else."""
        status, headers, body = self.get("/")
        self.assertEqual((status, headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual((headers["x-content-type-options"], headers["cache-control"]), ("nosniff", "no-cache"))
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        self.assertEqual((policy["default-src"], policy["connect-src"]), ("'none'", "'self'"))
        for kind in ("script", "style"):
            (text,) = re.findall(rb"<%s>(.*?)</%s>" % (kind.encode(), kind.encode()), body, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
            self.assertEqual(policy[f"{kind}-src"], f"'sha256-{digest}'")
        self.assertEqual(re.findall(rb"https?://(?!www\.w3\.org/2000/svg)", body), [])
        self.assertNotIn(b"innerHTML", body)

    def test_page_figures(self) -> None:
        """The data that the page draws: counters, and the durations of all commands together."""
        self.server.store.values = {"total_commands_processed": 7, "keyspace_hits": 3, "keyspace_misses": 1}
        self.server.store.commands = [
            CommandCount("get", 3, 5000, 0, 0, [1, 2, 0]),
            CommandCount("set", 2, 5000, 0, 0, [0, 1, 1]),
        ]
        status, headers, body = self.get("/status")
        said = json.loads(body)
        self.assertEqual(
            (status, headers["content-type"], headers["cache-control"]), (200, "application/json", "no-store")
        )
        figures = [
            said[name] for name in ("status", "commands", "hits", "misses", "hit_ratio", "max_clients", "latency")
        ]
        self.assertEqual(figures, ["ok", 7, 3, 1, 0.75, 10, [1, 3, 1]])
        self.assertEqual(
            [set(one) for one in said["workers"]], [{"number", "pid", "clients", "commands", "cpu_seconds"}]
        )
        self.state = "stopping"
        status, _, body = self.get("/status")
        self.assertEqual((status, json.loads(body)["status"]), (503, "stopping"))

    def test_other_requests(self) -> None:
        """HEAD is answered without a body, another path with 404, another method with 405."""
        status, _, body = self.ask("HEAD /readyz HTTP/1.0\r\n\r\n")
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(self.get("/nothing")[0], 404)
        self.assertEqual(self.ask("PUT /health HTTP/1.0\r\n\r\n")[0], 405)

    def test_expositions(self) -> None:
        """A body of /metrics is good for a second, in each of two formats, whatever a scrape accepts."""
        accepts = [
            "",
            "text/plain; version=1.0.0",
            "application/openmetrics-text; version=1.0.0; escaping=values",
            "*/*",
        ]
        for _ in range(3):
            for accept in accepts:
                self.assertEqual(self.get("/metrics", f"Accept: {accept}\r\n")[0], 200)
        self.assertEqual(self.taken, [True, True])
        self.reactor.advance(EXPOSITION_SECONDS)
        self.get("/metrics")
        self.assertEqual(self.taken, [True] * 3)

    def test_recent_figures(self) -> None:
        """The figures of the page are good for half a second; its status is that of now."""
        for state in ("ok", "stopping", "no worker serves"):
            self.state = state
            self.assertEqual(json.loads(self.get("/status")[2])["status"], state)
        self.assertEqual(self.taken, [True])
        self.reactor.advance(FIGURES_SECONDS)
        self.get("/status")
        self.assertEqual(self.taken, [True] * 2)

    def test_foreign_hosts(self) -> None:
        """The page and its figures answer to no name that somebody else may have pointed here (DNS rebinding)."""
        for host in ("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "x"):
            for path in ("/", "/status", "/status?", "/nothing"):
                self.assertEqual(self.get(path, f"Host: {host}\r\n")[0], 421, (host, path))
        self.assertEqual(self.taken, [])

    def test_own_hosts(self) -> None:
        """They answer to IP addresses, loopback names, and the names given; also where no host is named."""
        hosts = ["127.0.0.1", "127.0.0.1:8080", "10.1.2.3", "[::1]:8080", "localhost:8080", "LOCALHOST.", "a.localhost"]
        for host in [*hosts, "cache1.example", "Cache1.Example:8080"]:
            for path in ("/", "/status"):
                self.assertEqual(self.get(path, f"Host: {host}\r\n")[0], 200, (host, path))

    def test_probes_under_any_name(self) -> None:
        """Probes and scrapes use names that only their network knows; a browser may not."""
        for path in ("/health", "/livez", "/readyz", "/startupz", "/metrics"):
            for program in ("", "User-Agent: kube-probe/1.30\r\n", "User-Agent: Prometheus/3.1\r\nAccept: */*\r\n"):
                self.assertEqual(self.get(path, f"Host: redistill:8080\r\n{program}")[0], 200, (path, program))
            for sent in ("User-Agent: Mozilla/5.0 (X11)", "Accept-Language: en", "Referer: http://evil.example/"):
                self.assertEqual(self.get(path, f"Host: evil.example:8080\r\n{sent}\r\n")[0], 421, (path, sent))
                self.assertEqual(self.get(path, f"Host: localhost:8080\r\n{sent}\r\n")[0], 200, (path, sent))

    def test_bad_hosts(self) -> None:
        """Several hosts, or none that is one, are refused."""
        for head in ("Host: localhost\r\nHost: evil.example", "Host: localhost:a", "Host: [::1", "Host: :80"):
            self.assertEqual(self.get("/", f"{head}\r\n")[0], 400, head)

    def test_nothing_but_figures(self) -> None:
        """The listening socket is the reactor's; ours is closed."""
        self.assertTrue(self.listener.closed)
