"""The figures of a snapshot as metrics for Prometheus.

Names follow https://prometheus.io/docs/practices/naming/ : `redistill_`, the unit, and `_total` for counters.
docs/metrics.md has a line for each; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from redistill import __version__
from redistill.engine.counters import CommandCount
from redistill.engine.shared import SUPERVISOR
from redistill.engine.stats import Configured, Snapshot

COUNTERS = {
    "connections_received": "Connections accepted from the kernel, including those refused after that.",
    "failed_auths": "AUTH and HELLO commands with a wrong user or password.",
    "denied_commands": "Commands refused because the user may not run them (NOPERM).",
    "denied_keys": "Commands refused because the user may not access a key (NOPERM).",
    "denied_channels": "Commands refused because the user may not access a channel (NOPERM).",
    "tls_handshakes_failed": "TLS handshakes that failed.",
    "unknown_commands": "Calls to unknown commands.",
    "internal_errors": "Errors in the program; the log has each one.",
    "keyspace_hits": "Reads that found their key.",
    "keyspace_misses": "Reads that did not find their key.",
    "expired_keys": "Keys removed because they expired.",
    "evicted_keys": "Keys evicted to free memory.",
    "evicted_regions": "Regions emptied to make room for another shard or another size.",
    "oom_errors": "Commands refused for lack of memory.",
    "shards_lost": "Shards emptied because they were damaged, or because a process died while it changed them.",
    "regions_refused": "Times that the system had no memory for the arena although max_memory was not reached.",
    "messages_published": "PUBLISH and SPUBLISH commands.",
    "messages_delivered": "Messages of publish/subscribe and events of keys that clients got, each client's counted.",
    "messages_lost": "Messages for which a worker had no room; those of its clients that might miss one are closed.",
    "tracking_invalidations": "Messages that told a client which keys have changed (client-side caching).",
    "connections_moved": "Connections that a busy worker handed over to another.",
}
RENAMED = {
    "total_commands_processed": ("commands_processed", "Commands executed, of all kinds."),
    "total_net_input_bytes": ("network_receive_bytes", "Bytes received from clients."),
    "total_net_output_bytes": ("network_transmit_bytes", "Bytes sent to clients."),
}
REJECTED = {
    "rejected_maximum": "max_connections",
    "rejected_address": "max_connections_per_ip",
    "rejected_rate": "connection_rate_limit",
}
"""Counter -> the setting whose limit was exceeded."""
CLOSED = {
    "idle_disconnections": "idle",
    "output_disconnections": "output",
    "evicted_clients": "client_memory",
    "query_disconnections": "query",
    "protocol_errors": "protocol",
}
"""Counter -> reason for which the connection was closed."""
BUCKETS = 24
"""Buckets of a command's histogram: from 1 microsecond to 4 seconds, each twice the one before, and the rest."""


class SnapshotCollector(Collector):
    """Yields the metrics of a snapshot that is taken at each scrape."""

    def __init__(self, snapshot: Callable[[], Snapshot], configured: Configured) -> None:
        """`snapshot` takes a snapshot that includes the commands."""
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
        yield _gauge(
            "max_clients", "Limit of connected_clients (server.max_connections).", self._configured.max_clients
        )
        if self._configured.certificate_ends:
            text = "End of the TLS certificate, seconds since the epoch; only if TLS is on."
            yield _gauge("tls_certificate_expiry_timestamp_seconds", text, self._configured.certificate_ends)
            text = "Begin of the TLS certificate's validity, seconds since the epoch; only if TLS is on."
            yield _gauge("tls_certificate_not_before_timestamp_seconds", text, self._configured.certificate_begins)
        for name, text in COUNTERS.items():
            yield _counter(name, text, now.counters.get(name, 0))
        for name, (metric, text) in RENAMED.items():
            yield _counter(metric, text, now.counters.get(name, 0))


OPEN_METRICS = "application/openmetrics-text"


def is_open_metrics(accept: str) -> bool:
    """Whether a scrape with this Accept header gets OpenMetrics: whether the header names that type, in any order of
    preference. Each format has one version, so no header can cause more than two bodies."""
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
    yield _gauge("start_time_seconds", "Start of the server, seconds since the epoch.", now.started)
    cpu = [("user", now.cpu_user), ("system", now.cpu_system)]
    yield _labelled("cpu_seconds", "CPU time of the processes that serve clients.", "mode", cpu, counter=True)


def _clients(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("connected_clients", "Open connections of clients.", now.clients.connected)
    yield _gauge("blocked_clients", "Clients in a blocking command, or held by CLIENT PAUSE.", now.clients.blocked)
    yield _gauge("blocking_keys", "Keys that clients in blocking commands wait for.", now.clients.blocking_keys)
    tracked = now.clients.tracked
    yield _gauge("tracking_clients", "Clients that are told when keys change that they have read.", tracked.clients)
    yield _gauge("tracking_keys", "Keys that such clients have read.", tracked.keys)
    yield _gauge("tracking_items", "Pairs of such a client and a key.", tracked.items)
    yield _gauge("tracking_prefixes", "Prefixes that such clients have named.", tracked.prefixes)
    yield _gauge("client_memory_bytes", "Approximate size of the buffers of all connections.", now.clients.memory)
    yield _gauge("pubsub_clients", "Clients that subscribe to anything.", now.clients.subscribed)
    kinds = zip(("channel", "pattern", "shard_channel"), now.clients.subscriptions, strict=True)
    text = "Names that clients subscribe to, each counted once, by kind."
    yield _labelled("subscriptions", text, "kind", kinds, counter=False)
    rejected = [(why, now.counters.get(name, 0)) for name, why in REJECTED.items()]
    yield _labelled(
        "connections_rejected", "Connections refused, by the limit exceeded.", "limit", rejected, counter=True
    )
    closed = [(why, now.counters.get(name, 0)) for name, why in CLOSED.items()]
    yield _labelled(
        "connections_closed", "Connections that the server closed, by reason.", "reason", closed, counter=True
    )


def _keyspace(now: Snapshot) -> Iterator[Metric]:
    keys = [(str(one.number), one.keys) for one in now.databases]
    expiring = [(str(one.number), one.expires) for one in now.databases]
    yield _labelled("keys", "Keys, by database.", "db", keys, counter=False)
    yield _labelled("keys_expiring", "Keys with a time to live, by database.", "db", expiring, counter=False)
    yield _gauge(
        "hit_ratio", "Share of reads that found their key, since the start or CONFIG RESETSTAT.", now.hit_ratio
    )
    errors = sorted(now.errors.items())
    yield _labelled("error_replies", "Error replies, by their first word.", "code", errors, counter=True)


def _memory(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("memory_used_bytes", "Memory of keys, values, index and allocator.", now.used_memory)
    yield _gauge("memory_max_bytes", "Limit of memory_used_bytes (memory.max_memory).", now.max_memory)
    yield _gauge("memory_peak_bytes", "Highest value of memory_used_bytes.", now.peak_memory)
    yield _gauge(
        "memory_committed_bytes",
        "Memory of whole regions in use, and of the arena's fixed parts.",
        now.committed_memory,
    )
    yield _gauge("memory_resident_bytes", "Resident memory of all processes.", now.resident_memory)


def _commands(commands: Sequence[CommandCount]) -> Iterator[Metric]:
    called = [one for one in commands if one.calls or one.rejected]
    for name, text, values in (
        ("commands", "Calls of the command.", [(one.name, one.calls) for one in called]),
        ("commands_failed", "Calls of the command that returned an error.", [(one.name, one.failed) for one in called]),
        (
            "commands_rejected",
            "Calls of the command that were refused before execution.",
            [(one.name, one.rejected) for one in called],
        ),
    ):
        yield _labelled(name, text, "command", values, counter=True)
    family = HistogramMetricFamily(
        "redistill_command_duration_seconds", "Execution time of the command.", labels=["command"]
    )
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
        ("worker_clients", "Open connections of the worker.", [one.connections for one in workers], False),
        ("worker_commands", "Commands that the worker executed.", [one.commands for one in workers], True),
        ("worker_cpu_seconds", "CPU time of the worker.", [one.cpu_user + one.cpu_system for one in workers], True),
    ):
        rows = [(str(one.number), value) for one, value in zip(workers, values, strict=True)]
        yield _labelled(name, text, "worker", rows, counter=counter)


def _secrets(now: Snapshot) -> Iterator[Metric]:
    """The secrets by their place: a scrape needs no password, and shows no digit of a hash."""
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
            "Last authentication with the secret, seconds since the epoch.",
            [one.last_used for one in now.secrets],
            False,
        ),
    ):
        rows = [(str(one.place), value) for one, value in zip(now.secrets, values, strict=True)]
        yield _labelled(name, text, "secret", rows, counter=counter)
