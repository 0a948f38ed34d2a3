#!/usr/bin/env python3
"""Writes docs/metrics.md from redistill/observe/metrics.py; `make gen` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from redistill.engine.counters import DaemonCounters  # noqa: E402
from redistill.engine.shared import Secret, Worker  # noqa: E402
from redistill.engine.stats import Buffers, Configured, Rate, Snapshot  # noqa: E402
from redistill.observe import metrics  # noqa: E402

HEAD = """\
# Metrics

`http://HEALTH_CHECK_BIND:HEALTH_CHECK_PORT/metrics` has these metrics, in the text format of Prometheus or of
OpenMetrics. Metrics without the label `worker` are sums over all workers. A scrape sends no command to the workers.
Counters begin at 0 with an empty cache, and after `CONFIG RESETSTAT`.

`deploy/prometheus/` has an example of a scrape configuration, and alerts with their tests.

| name | type | labels | meaning |
|---|---|---|---|
"""


def families() -> list[tuple[str, str, str, str]]:
    """Name, type, labels and meaning of each metric."""
    nothing = Worker(0, 1, 0, 0.0, {}, 0, 0.0, 0.0, 0)
    numbers = dict.fromkeys(
        ("used_memory", "peak_memory", "committed_memory", "max_memory", "map_size", "num_shards", "fixed_memory"), 0
    )
    snapshot = Snapshot(
        unix_time=0.0,
        started=0.0,
        uptime=0.0,
        clients=Buffers(),
        counters={},
        daemon=DaemonCounters(),
        errors={"ERR": 0},
        databases=(),
        policy="",
        resident_memory=0,
        total_memory=0,
        cpu_user=0.0,
        cpu_system=0.0,
        rate=Rate(),
        workers=(nothing,),
        secrets=(Secret(0, 0.0, 0, 0),),
        **numbers,
    )
    labels = {
        "redistill_keys": "db",
        "redistill_keys_expiring": "db",
        "redistill_commands": "command",
        "redistill_commands_failed": "command",
        "redistill_commands_rejected": "command",
        "redistill_command_duration_seconds": "command",
    }
    found = []
    for family in metrics.SnapshotCollector(lambda: snapshot, Configured(1, 1.0)).collect():
        of_samples = ", ".join(dict.fromkeys(name for sample in family.samples for name in sample.labels))
        name = family.name + ("_total" if family.type == "counter" else "")
        found.append((name, family.type, of_samples or labels.get(family.name, ""), family.documentation))
    return sorted(found)


def markdown() -> str:
    """docs/metrics.md."""
    return HEAD + "".join(f"| `{name}` | {kind} | {labels} | {text} |\n" for name, kind, labels, text in families())


if __name__ == "__main__":
    (ROOT / "docs/metrics.md").write_text(markdown())
