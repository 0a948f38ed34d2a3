"""The figures of a snapshot as Prometheus has them: `redistill_`, the unit, and `_total` for what only grows.

https://prometheus.io/docs/practices/naming/ . docs/metrics.md has a line for each; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from redistill import __version__
from redistill.engine.shared import SUPERVISOR
from redistill.engine.stats import CommandCount, Configured, Snapshot

COUNTERS = {
    "connections_received": "Connections that the kernel gave to us, the refused ones among them.",
    "failed_auths": "AUTH and HELLO with a wrong password.",
    "denied_commands": "Commands that their user may not run (NOPERM).",
    "denied_keys": "Commands on a key that their user may not have (NOPERM).",
    "tls_handshakes_failed": "Clients of a TLS port whose handshake failed.",
    "unknown_commands": "Calls of unknown commands.",
    "internal_errors": "Mistakes of the program; each one is in the log.",
    "keyspace_hits": "Reads that found their key.",
    "keyspace_misses": "Reads that did not find their key.",
    "expired_keys": "Keys removed since their time had come.",
    "evicted_keys": "Keys removed to make room.",
    "evicted_regions": "Regions emptied to make room for another shard or another size.",
    "oom_errors": "Commands refused since there was no memory.",
    "shards_lost": "Parts of the cache emptied because they were damaged, or a process died while it changed them.",
    "regions_refused": "Times that the system had no memory for the arena, although max_memory allowed it.",
    "connections_moved": "Connections handed to a worker that had less to do.",
}
RENAMED = {
    "total_commands_processed": ("commands_processed", "Commands, of all kinds."),
    "total_net_input_bytes": ("network_receive_bytes", "Bytes received from clients."),
    "total_net_output_bytes": ("network_transmit_bytes", "Bytes sent to clients."),
}
REJECTED = {
    "rejected_maximum": "max_connections",
    "rejected_address": "max_connections_per_ip",
    "rejected_rate": "connection_rate_limit",
}
"""Counter -> the setting whose limit refused."""
CLOSED = {
    "idle_disconnections": "idle",
    "output_disconnections": "output",
    "evicted_clients": "client_memory",
    "query_disconnections": "query",
    "protocol_errors": "protocol",
}
"""Counter -> why the connection was closed."""
BUCKETS = 24
"""Of a command's histogram: from 1 microsecond to 4 seconds, each twice as long as the one before, and the rest."""


class SnapshotCollector(Collector):
    """Gives what a snapshot holds, taken at each scrape."""

    def __init__(self, snapshot: Callable[[], Snapshot], configured: Configured) -> None:
        """`snapshot` gives one with its commands."""
        self._snapshot = snapshot
        self._configured = configured

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known with the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        now = self._snapshot()
        yield from _process(now)
        yield from _clients(now)
        yield from _keyspace(now)
        yield from _memory(now)
        yield from _commands(now.commands)
        yield from _workers(now)
        yield from _secrets(now)
        yield _gauge("max_clients", "What connected_clients cannot exceed.", self._configured.max_clients)
        if self._configured.certificate_ends:
            text = "When the TLS certificate ends, since the epoch; only where TLS is spoken."
            yield _gauge("tls_certificate_expiry_timestamp_seconds", text, self._configured.certificate_ends)
        for name, text in COUNTERS.items():
            yield _counter(name, text, now.counters.get(name, 0))
        for name, (metric, text) in RENAMED.items():
            yield _counter(metric, text, now.counters.get(name, 0))


OPEN_METRICS = "application/openmetrics-text"


def is_open_metrics(accept: str) -> bool:
    """Whether a scrape with this Accept header gets OpenMetrics: it names that type, whatever it prefers. Of each
    format one version is spoken, so that no header can have more than two bodies made."""
    return OPEN_METRICS in accept.lower()


def exposition(snapshot: Callable[[], Snapshot], configured: Configured, open_metrics: bool) -> tuple[bytes, str]:
    """The body for a scrape, and its content type: OpenMetrics, or Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SnapshotCollector(snapshot, configured))
    encode, content_type = choose_encoder(f"{OPEN_METRICS}; version=1.0.0" if open_metrics else "")
    return encode(registry), content_type


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"redistill_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"redistill_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: Iterable[tuple[str, float]], *, counter: bool) -> Metric:
    family = (CounterMetricFamily if counter else GaugeMetricFamily)(f"redistill_{name}", text, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family


def _process(now: Snapshot) -> Iterator[Metric]:
    build = GaugeMetricFamily("redistill_build_info", "Always 1; the version is a label.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build
    yield _gauge("start_time_seconds", "When the server was started, since the epoch.", now.started)
    cpu = [("user", now.cpu_user), ("system", now.cpu_system)]
    yield _labelled("cpu_seconds", "CPU time of the processes that serve clients.", "mode", cpu, counter=True)


def _clients(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("connected_clients", "Connections of clients.", now.clients.connected)
    yield _gauge("blocked_clients", "Clients that wait for an answer or for the end of a pause.", now.clients.blocked)
    yield _gauge("client_memory_bytes", "Buffers of all connections, about.", now.clients.memory)
    rejected = [(why, now.counters.get(name, 0)) for name, why in REJECTED.items()]
    yield _labelled("connections_rejected", "Connections refused, by limit.", "limit", rejected, counter=True)
    closed = [(why, now.counters.get(name, 0)) for name, why in CLOSED.items()]
    yield _labelled("connections_closed", "Connections that we closed, by reason.", "reason", closed, counter=True)


def _keyspace(now: Snapshot) -> Iterator[Metric]:
    keys = [(str(one.number), one.keys) for one in now.databases]
    expiring = [(str(one.number), one.expires) for one in now.databases]
    yield _labelled("keys", "Keys, by database.", "db", keys, counter=False)
    yield _labelled("keys_expiring", "Keys with a time to live, by database.", "db", expiring, counter=False)
    yield _gauge(
        "hit_ratio", "Part of the reads that found their key, since the start or CONFIG RESETSTAT.", now.hit_ratio
    )
    errors = sorted(now.errors.items())
    yield _labelled("error_replies", "Error replies, by their first word.", "code", errors, counter=True)


def _memory(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("memory_used_bytes", "Keys, values, index and allocator.", now.used_memory)
    yield _gauge("memory_max_bytes", "What memory_used_bytes cannot exceed.", now.max_memory)
    yield _gauge("memory_peak_bytes", "The most that memory_used_bytes was.", now.peak_memory)
    yield _gauge("memory_committed_bytes", "Whole regions in use, and the fixed parts.", now.committed_memory)
    yield _gauge("memory_resident_bytes", "Of all processes, what is in RAM.", now.resident_memory)


def _commands(commands: Sequence[CommandCount]) -> Iterator[Metric]:
    called = [one for one in commands if one.calls or one.rejected]
    for name, text, values in (
        ("commands", "Calls, by command.", [(one.name, one.calls) for one in called]),
        ("commands_failed", "Calls that were answered with an error.", [(one.name, one.failed) for one in called]),
        ("commands_rejected", "Calls that were not executed.", [(one.name, one.rejected) for one in called]),
    ):
        yield _labelled(name, text, "command", values, counter=True)
    family = HistogramMetricFamily("redistill_command_duration_seconds", "Time of execution.", labels=["command"])
    for one in called:
        buckets, below = [], 0
        for bucket, calls in enumerate(one.histogram[: BUCKETS - 1]):
            below += calls
            buckets.append((f"{2**bucket / 1e6:g}", below))
        buckets.append(("+Inf", sum(one.histogram)))
        family.add_metric([one.name], buckets, sum_value=one.nanoseconds / 1e9)
    yield family


def _workers(now: Snapshot) -> Iterator[Metric]:
    workers = sorted((one for one in now.workers if one.number != SUPERVISOR), key=lambda one: one.number)
    for name, text, values, counter in (
        ("worker_clients", "Connections, by worker.", [one.connections for one in workers], False),
        ("worker_commands", "Commands, by worker.", [one.commands for one in workers], True),
        ("worker_cpu_seconds", "CPU time, by worker.", [one.cpu_user + one.cpu_system for one in workers], True),
    ):
        rows = [(str(one.number), value) for one, value in zip(workers, values, strict=True)]
        yield _labelled(name, text, "worker", rows, counter=counter)


def _secrets(now: Snapshot) -> Iterator[Metric]:
    """By place: who scrapes says no password, and learns nothing about one."""
    for name, text, values, counter in (
        (
            "secret_connections",
            "Connections that authenticated with the secret.",
            [one.connections for one in now.secrets],
            False,
        ),
        (
            "secret_uses",
            "Times that a connection authenticated with the secret.",
            [one.uses for one in now.secrets],
            True,
        ),
        (
            "secret_last_used_timestamp_seconds",
            "When the secret last let a connection in, since the epoch.",
            [one.last_used for one in now.secrets],
            False,
        ),
    ):
        rows = [(str(one.place), value) for one, value in zip(now.secrets, values, strict=True)]
        yield _labelled(name, text, "secret", rows, counter=counter)
