"""The files for Prometheus: the alerts' own tests, and a real Prometheus that scrapes a real server."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

DEPLOY = servers.ROOT / "deploy" / "prometheus"
CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: redistill
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
rule_files: [redistill.rules.yml]
"""


class RulesTests(SynchronousTestCase):
    """deploy/prometheus"""

    def test_rules(self) -> None:
        """Each alert fires when it should, and is silent when all is well; the example is a configuration."""
        promtool = servers.tool("promtool", "prometheus")
        for words in (["test", "rules", "redistill.test.yml"], ["check", "config", "prometheus.yml"]):
            done = subprocess.run([promtool, *words], cwd=DEPLOY, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class ScrapeTests(SynchronousTestCase):
    """A Prometheus on loopback, that lives as long as its test."""

    def query(self, expression: str) -> list[dict[str, object]]:
        """Its answer; nothing while it cannot answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found: list[dict[str, object]] = json.load(answer)["data"]["result"]
                return found
        except (urllib.error.URLError, ConnectionError):
            return []

    def test_scrape(self) -> None:
        """It takes all that is there, knows the commands that were executed, and loads the alerts."""
        health = servers.free_port()
        server = servers.redistill(f"[server]\nworkers = 2\nhealth_check_port = {health}\n", tcp=True)
        self.addCleanup(server.stop, signal.SIGKILL)
        client = redis.Redis(port=server.port)
        self.addCleanup(client.close)
        for _ in range(10):
            client.set("k", "v")
        place = servers.directory()
        self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        shutil.copy(DEPLOY / "redistill.rules.yml", place)
        (place / "prometheus.yml").write_text(CONFIG.format(port=health))
        self.port = servers.free_port()
        argv = [servers.tool("prometheus", "prometheus"), f"--config.file={place}/prometheus.yml"]
        argv += [f"--storage.tsdb.path={place}/data", f"--web.listen-address=127.0.0.1:{self.port}"]
        with open(place / "log", "wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, preexec_fn=servers._die_with_parent)
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.kill)
        servers.until(lambda: self.query('up{job="redistill"} == 1'), 60, "the server is scraped")
        servers.until(
            lambda: self.query('redistill_commands_total{command="set"} == 10'), 20, "the commands are counted"
        )
        servers.until(lambda: len(self.query("redistill_worker_clients")) == 2, 20, "both workers are shown")
        self.assertEqual(self.query('ALERTS{alertstate="firing"}'), [])
        self.check_dashboard(health)

    def check_dashboard(self, health: int) -> None:
        """Grafana's dashboard asks for nothing that there is not, and for nothing that Prometheus does not understand."""
        with urllib.request.urlopen(f"http://127.0.0.1:{health}/metrics", timeout=10) as answer:
            exposed = answer.read().decode()
        known = set(re.findall(r"^# TYPE (\w+) ", exposed, re.MULTILINE))
        known.add("redistill_tls_certificate_expiry_timestamp_seconds")  # where TLS is spoken
        known |= {f"{name}_bucket" for name in known} | {f"redistill_secret_{what}" for what in ("connections",)}
        dashboard = json.loads((servers.ROOT / "deploy/grafana/redistill.json").read_text())
        targets = [one["expr"] for panel in dashboard["panels"] for one in panel["targets"]]
        targets += [one["expr"] for one in dashboard["annotations"]["list"]]
        self.assertGreater(len(targets), 20)
        for expression in targets:
            names = set(re.findall(r"\bredistill_\w+", expression))
            self.assertLessEqual(names, known, expression)
            for variable, value in (("$__rate_interval", "1m"), ("$instance", ".*"), ("$job", "redistill")):
                expression = expression.replace(variable, value)
            url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            with urllib.request.urlopen(url, timeout=10) as answer:
                self.assertEqual(json.load(answer)["status"], "success", expression)
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))
        places = {(one["gridPos"]["x"], one["gridPos"]["y"]) for one in dashboard["panels"]}
        self.assertEqual(len(places), len(dashboard["panels"]))
