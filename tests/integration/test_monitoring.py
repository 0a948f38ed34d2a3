"""The scripts for Datadog and CloudWatch, with a real server, a local statsd and a stand-in for the AWS tool."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

DATADOG = [sys.executable, str(servers.ROOT / "deploy/datadog/redistill_datadog.py")]
CLOUDWATCH = str(servers.ROOT / "deploy/cloudwatch/redistill-cloudwatch")
AWS = """#!/bin/sh
printf '%s\\n' "$@" > "$AWS_SAID"
exit "${AWS_STATUS:-0}"
"""


class MonitoringTests(SynchronousTestCase):
    """A server that has done a little."""

    def setUp(self) -> None:
        health = servers.free_port()
        self.url = f"http://127.0.0.1:{health}/health"
        config = f'[server]\nhealth_check_port = {health}\n[memory]\nmax_memory = "64mb"\n'
        self.server = servers.redistill(config, tcp=True)
        self.addCleanup(lambda: self.server.process.poll() is None and self.server.stop(signal.SIGKILL))
        self.client = redis.Redis(port=self.server.port)
        self.addCleanup(self.client.close)
        self.client.set("k", "v")

    # ---- Datadog ----

    def statsd(self) -> socket.socket:
        """The socket that the agent would listen on."""
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sink.close)
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(30)
        return sink

    def received(self, sink: socket.socket) -> dict[str, str]:
        """The metrics of one datagram by name, as DogStatsD has them."""
        return dict(line.split(":", 1) for line in sink.recv(65536).decode().splitlines())

    def test_datadog(self) -> None:
        """The guide's names, tags, and gauges at once; with --once the status says whether the server serves."""
        sink = self.statsd()
        words = ["--url", self.url, "--agent", f"127.0.0.1:{sink.getsockname()[1]}", "--once", "--tag", "env:test"]
        done = subprocess.run([*DATADOG, *words], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = self.received(sink)
        self.assertEqual(found["redistill.up"], "1|g|#env:test")
        self.assertEqual(found["redistill.connections.active"], "1|g|#env:test")
        self.assertEqual(found["redistill.memory.max"], f"{64 << 20}|g|#env:test")
        self.assertGreater(int(found["redistill.memory.used"].split("|")[0]), 0)
        self.assertNotIn("redistill.control", found)
        self.server.stop()
        done = subprocess.run([*DATADOG, *words], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn(self.url, done.stderr)
        self.assertEqual(self.received(sink), {"redistill.up": "0|g|#env:test"})

    def test_datadog_counts(self) -> None:
        """From look to look, what came since."""
        sink = self.statsd()
        environ = os.environ | {"REDISTILL_HEALTH_URL": self.url, "DD_DOGSTATSD_PORT": str(sink.getsockname()[1])}
        process = subprocess.Popen([*DATADOG, "--interval", "0.2"], env=environ)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.received(sink)
        for _ in range(5):
            self.client.get("k")
        counted = 0
        while counted < 5:
            value, kind = self.received(sink)["redistill.control"].split("|")
            self.assertEqual(kind, "c")
            counted += int(value)
        self.assertEqual(counted, 5)

    def test_datadog_mistakes(self) -> None:
        """An agent that is none, and a URL that is of something else."""
        done = subprocess.run([*DATADOG, "--agent", "nowhere"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("write HOST:PORT", done.stderr)
        for words, complaint in (
            (["--agent", "127.0.0.1:65536"], "write HOST:PORT"),
            (["--agent", "no-such-host.invalid:8125"], "--agent no-such-host.invalid:8125: "),
            (["--interval", "0"], "--interval 0.0: "),
            (["--timeout", "-1"], "--timeout -1.0: "),
        ):
            done = subprocess.run([*DATADOG, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, "Traceback" in done.stderr), (2, False), done.stderr)
            self.assertIn(complaint, done.stderr)

    def test_datadog_other_servers(self) -> None:
        """A server that answers otherwise, or not in HTTP, counts as down: the script prints one line and goes on."""
        sink = self.statsd()
        for url in (self.url.replace("/health", "/metrics"), f"http://127.0.0.1:{self.server.port}/health"):
            words = ["--url", url, "--agent", f"127.0.0.1:{sink.getsockname()[1]}", "--once"]
            done = subprocess.run([*DATADOG, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
            self.assertTrue(done.stderr.startswith(f"{url}: "), done.stderr)
            self.assertEqual(self.received(sink), {"redistill.up": "0|g"})

    def test_datadog_ipv6(self) -> None:
        """An agent's IPv6 address stands in brackets."""
        sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(sink.close)
        sink.bind(("::1", 0))
        sink.settimeout(30)
        words = ["--url", self.url, "--agent", f"[::1]:{sink.getsockname()[1]}", "--once"]
        done = subprocess.run([*DATADOG, *words], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.received(sink)["redistill.up"], "1|g")

    # ---- CloudWatch ----

    def push(self, *words: str, **environ: str) -> tuple[int, str, list[str]]:
        """Status, complaints, and what the AWS tool was told."""
        servers.tool("jq", "jq")
        place = servers.directory()
        self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        tool, said = place / "aws", Path(place) / "said"
        tool.write_text(AWS)
        tool.chmod(0o755)
        env = os.environ | {"PATH": f"{place}:{os.environ['PATH']}", "AWS_SAID": str(said)} | environ
        done = subprocess.run([CLOUDWATCH, *words], env=env, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr, said.read_text().splitlines() if said.exists() else []

    def test_cloudwatch(self) -> None:
        """All figures in one call, with dimensions."""
        status, complaint, said = self.push(self.url, "Host=cache 1", "Env=x=y")
        self.assertEqual((status, complaint), (0, ""))
        self.assertEqual(said[:4], ["cloudwatch", "put-metric-data", "--namespace", "Redistill"])
        data = {one["MetricName"]: one for one in json.loads(said[5])}
        self.assertEqual((data["Up"]["Value"], data["ActiveConnections"]["Value"]), (1, 1))
        self.assertEqual((data["MemoryUsed"]["Unit"], data["MemoryUsage"]["Unit"]), ("Bytes", "Percent"))
        dimensions = [{"Name": "Host", "Value": "cache 1"}, {"Name": "Env", "Value": "x=y"}]
        self.assertTrue(all(one["Dimensions"] == dimensions for one in data.values()))
        self.assertGreater(data["TotalCommands"]["Value"], 0)

    def test_cloudwatch_without_a_server(self) -> None:
        """Up is 0, and the status says so; so it does when AWS refuses."""
        self.assertEqual(self.push(AWS_STATUS="7", REDISTILL_HEALTH_URL=self.url)[0], 1)
        self.server.stop()
        status, complaint, said = self.push(self.url, REDISTILL_NAMESPACE="Mine")
        self.assertEqual((status, said[3]), (1, "Mine"))
        self.assertIn("does not serve", complaint)
        self.assertEqual([(one["MetricName"], one["Value"]) for one in json.loads(said[5])], [("Up", 0)])

    def test_cloudwatch_mistakes(self) -> None:
        """Invalid dimensions, and replies that are no /health."""
        status, complaint, said = self.push(self.url, "Host")
        self.assertEqual((status, said), (2, []))
        self.assertIn("write DIMENSION=VALUE", complaint)
        status, complaint, said = self.push(self.url.replace("/health", "/metrics"))
        self.assertEqual(status, 1)
        self.assertIn("not the /health", complaint)
        self.assertEqual(json.loads(said[5])[0]["Value"], 0)

    def test_cloudwatch_empty_answer(self) -> None:
        """An answer without a body is no success: Up is 0."""
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(60)

        def once() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(answer)

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        status, complaint, said = self.push(f"http://127.0.0.1:{listener.getsockname()[1]}/health")
        thread.join(60)
        self.assertEqual(status, 1)
        self.assertIn("not the /health", complaint)
        self.assertEqual([(one["MetricName"], one["Value"]) for one in json.loads(said[5])], [("Up", 0)])
