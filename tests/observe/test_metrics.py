"""Figures for Prometheus: what its own parsers read in them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.counters import CommandCount
from redistill.engine.shared import SUPERVISOR
from redistill.engine.stats import Configured
from redistill.observe.metrics import BUCKETS, exposition
from tests.support.control import FakeWorker, Server

ROOT = Path(__file__).resolve().parents[2]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class ExpositionTests(SynchronousTestCase):
    """`exposition`, of a server that is played."""

    def setUp(self) -> None:
        self.server = Server()
        self.server.store.values = {
            "keyspace_hits": 3,
            "keyspace_misses": 1,
            "total_commands_processed": 7,
            "rejected_rate": 2,
            "idle_disconnections": 5,
        }
        self.server.store.databases = {0: (5, 1, 10), 15: (7, 0, 0)}
        self.server.store.errors = {"WRONGTYPE": 4}
        histogram = [0, 2, *[0] * 33, 1]
        self.server.store.commands = [
            CommandCount("get", 3, 5_000_000, 0, 1, histogram),
            CommandCount("set", 0, 0, 0, 0, [0] * 36),
        ]

    def scraped(self, accept: str = "") -> dict[str, Metric]:
        """The families that are shown, by name."""
        body, content_type = exposition(lambda: self.server.plane.snapshot(True), Configured(100, 1e9), accept)
        self.assertIn("openmetrics" if accept else "text/plain", content_type)
        return {family.name: family for family in (openmetrics if accept else plain)(body.decode())}

    def values(self, name: str, accept: str = "") -> dict[tuple[str, ...], float]:
        """The samples of a family, by their labels."""
        return {tuple(sample.labels.values()): sample.value for sample in self.scraped(accept)[name].samples}

    def test_both_formats(self) -> None:
        """Both formats have the same families; a scraper that accepts OpenMetrics gets it."""
        self.assertEqual(set(self.scraped()), set(self.scraped(OPENMETRICS)))

    def test_figures(self) -> None:
        """Counters, gauges and what has labels."""
        for accept in ("", OPENMETRICS):
            self.assertEqual(self.values("redistill_keyspace_hits", accept), {(): 3})
            self.assertEqual(self.values("redistill_hit_ratio", accept), {(): 0.75})
            self.assertEqual(self.values("redistill_max_clients", accept), {(): 100})
            self.assertEqual(self.values("redistill_commands_processed", accept), {(): 7})
            self.assertEqual(self.values("redistill_keys", accept), {("0",): 5, ("15",): 7})
            self.assertEqual(self.values("redistill_keys_expiring", accept), {("0",): 1, ("15",): 0})
            self.assertEqual(self.values("redistill_error_replies", accept), {("WRONGTYPE",): 4})
            rejected = {("max_connections",): 0, ("max_connections_per_ip",): 0, ("connection_rate_limit",): 2}
            self.assertEqual(self.values("redistill_connections_rejected", accept), rejected)
            self.assertEqual(self.values("redistill_connections_closed", accept)["idle",], 5)

    def test_commands(self) -> None:
        """Commands that were called have calls, failures and a histogram in seconds; others are left out."""
        self.assertEqual(self.values("redistill_commands"), {("get",): 3})
        self.assertEqual(self.values("redistill_commands_failed"), {("get",): 1})
        samples = self.scraped()["redistill_command_duration_seconds"].samples
        buckets = [(one.labels["le"], one.value) for one in samples if one.name.endswith("_bucket")]
        self.assertEqual((len(buckets), buckets[:3]), (BUCKETS, [("1e-06", 0), ("2e-06", 2), ("4e-06", 2)]))
        self.assertEqual(buckets[-2:], [("4.1943", 2), ("+Inf", 3)])
        self.assertEqual([one.value for one in samples if one.name.endswith(("_count", "_sum"))], [3, 0.005])

    def test_workers(self) -> None:
        """Each worker is shown; the process that looks after them is none."""
        others = [FakeWorker(number=SUPERVISOR, connections=9), FakeWorker(number=1, connections=4)]
        self.server.store.workers.others += others
        self.assertEqual(self.values("redistill_worker_clients"), {("0",): 1, ("1",): 4})

    def test_secrets(self) -> None:
        """A secret is named by its place: whoever scrapes has said no password, and is told no digit of a hash."""
        numbers = (0x1FD96FC811112222, 0xF003D10933334444)
        for number in numbers:
            self.server.store.secrets.enter(number, 7.0)
        for name, value in (("connections", 1), ("uses", 1), ("last_used_timestamp_seconds", 7)):
            self.assertEqual(self.values(f"redistill_secret_{name}"), {("1",): value, ("2",): value})
        body, _ = exposition(lambda: self.server.plane.snapshot(True), Configured(100, 1e9), "")
        for number in numbers:
            self.assertNotIn(f"{number:016x}"[:4].encode(), body)

    def test_alerts(self) -> None:
        """The alerts that ship ask for nothing that there is not."""
        rules = (ROOT / "deploy/prometheus/redistill.rules.yml").read_text()
        asked = set(re.findall(r"\bredistill_[a-z_]+", rules))
        shown = {name + ("_total" if family.type == "counter" else "") for name, family in self.scraped().items()}
        self.assertGreater(len(asked), 8)
        self.assertEqual(asked - shown, set())

    def test_documented(self) -> None:
        """docs/metrics.md has all that is shown, and nothing else, as `make gen` would write it."""
        made = runpy.run_path(str(ROOT / "docs/gen_metrics.py"))
        self.assertEqual((ROOT / "docs/metrics.md").read_text(), made["markdown"]())
        shown = {name + ("_total" if family.type == "counter" else "") for name, family in self.scraped().items()}
        self.assertEqual(shown, {name for name, *_ in made["families"]()})
