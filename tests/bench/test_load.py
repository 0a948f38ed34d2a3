"""The load generator of the benchmarks counts what the servers count, and does not take a wrong reply for a right one."""

from __future__ import annotations

import functools
import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bench import load
from tests.integration import servers

REQUESTS, PIPELINE = 480, 16
KEYS = 50


@functools.cache
def program() -> Path:
    """The program, compiled once."""
    path = Path(tempfile.mkdtemp()) / "load"
    load.build(path)
    return path


def argv(server: servers.Server, *options: object) -> list[str]:
    """Its command line against a server."""
    where = ["--unix", server.address] if isinstance(server.address, str) else ["--port", str(server.address[1])]
    bounds = ["--requests", REQUESTS, "--seconds", 20, "--connections", 4, "--keys", KEYS]
    return [str(word) for word in (program(), *where, "--cpu-of", server.pid, *bounds, *options)]


def ask(server: servers.Server, line: str) -> str:
    """A server's reply to an inline command, up to the next blank line or the end of a short reply."""
    with server.connect() as sock, sock.makefile("rb") as replies:
        sock.sendall(line.encode() + b"\r\n")
        first: bytes = replies.readline()
        return (replies.read(int(first[1:])) if first.startswith(b"$") else first).decode()


def calls(server: servers.Server) -> dict[str, int]:
    """Command -> how often it was called, by INFO commandstats, without what the tests themselves call."""
    lines = [line for line in ask(server, "INFO commandstats").splitlines() if line.startswith("cmdstat_")]
    counts = {line.split(":")[0][8:]: int(line.split("calls=")[1].split(",")[0]) for line in lines}
    sent = ("get", "set", "mget", "mset", "incr", "sadd", "sismember", "srem")
    return {name: n for name, n in counts.items() if name in sent and n}


class Case(SynchronousTestCase):
    """Runs the program."""

    def run_load(self, server: servers.Server, *options: object) -> dict[str, Any]:
        """Its report, after a run without errors."""
        done = subprocess.run(argv(server, *options), capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        report: dict[str, Any] = json.loads(done.stdout)
        self.assertEqual(report["errors"], 0)
        return report

    def assert_fails(self, command: list[str], status: int, words: str) -> None:
        """The program ends with this status and these words."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done)
        self.assertIn(words, done.stderr)


class CountTests(Case):
    """The figures of the report for commands, keys and CPU time."""

    def check(self, which: str) -> None:
        """All workloads against one server."""
        server = servers.shared(which)
        for line in ("FLUSHALL", "CONFIG RESETSTAT"):
            self.assertEqual(ask(server, line), "+OK\r\n")
        filled = self.run_load(server, "--workload", "fill")
        self.assertEqual(filled["replies"], {"stored": KEYS, "value": 0, "values": 0, "number": 0, "any": 0})
        self.assertEqual(ask(server, "DBSIZE"), f":{KEYS}\r\n")
        self.assertEqual(calls(server), {"set": KEYS})
        for workload, kind in {"set": "stored", "get": "value", "mget": "values", "mset": "stored"}.items():
            ask(server, "CONFIG RESETSTAT")
            got = self.run_load(server, "--workload", workload, "--pipeline", PIPELINE)
            self.assertEqual(got["commands"], REQUESTS)
            self.assertEqual(got["replies"][kind], REQUESTS)
            self.assertEqual(calls(server), {workload: REQUESTS})
            self.assertEqual(got["hits"], {"get": REQUESTS, "mget": 10 * REQUESTS}.get(workload, 0))
            self.assertEqual(got["misses"], 0)
            self.assertGreater(got["server_cpu_us"], 0)
            self.assertTrue(0 < got["latency_us"]["p50"] <= got["latency_us"]["p99"] <= got["latency_us"]["max"])

    def test_redis(self) -> None:
        """redis-server has executed as many commands of each kind as the report says."""
        self.check("redis")

    def test_ours(self) -> None:
        """So has Redistill."""
        self.check("ours")

    def test_mixed(self) -> None:
        """A mixed load has about ten GETs for a SET; those of keys that are not there are misses, and nothing else."""
        server = servers.shared("ours")
        ask(server, "FLUSHALL")
        ask(server, "CONFIG RESETSTAT")
        got = self.run_load(server, "--workload", "mixed", "--requests", 4800, "--pipeline", PIPELINE)
        self.assertEqual(calls(server), {"get": got["replies"]["value"], "set": got["replies"]["stored"]})
        self.assertTrue(0.06 < got["replies"]["stored"] / got["commands"] < 0.13, got)
        self.assertEqual(got["hits"] + got["misses"], got["replies"]["value"])
        self.assertTrue(0 < got["hit_ratio"] < 1, got)

    def test_counters(self) -> None:
        """INCR is answered with numbers, that add up."""
        server = servers.shared("ours")
        ask(server, "FLUSHALL")
        got = self.run_load(server, "--workload", "incr", "--keys", 1)
        self.assertEqual(got["replies"]["number"], REQUESTS)
        self.assertEqual(ask(server, "GET key:000000000000"), str(REQUESTS))

    def test_turns(self) -> None:
        """Commands that are sent in turns have one key and one member: what the first one adds the last one removes."""
        server = servers.shared("ours")
        ask(server, "FLUSHALL")
        ask(server, "CONFIG RESETSTAT")
        turn = "SADD %k %m ; SISMEMBER %k %m ; SREM %k %m"
        options = ("--command", turn, "--members", 50, "--connections", 1, "--requests", 2400)
        self.run_load(server, "--workload", "command", *options, "--pipeline", 48)
        self.assertEqual(calls(server), {"sadd": 800, "sismember": 800, "srem": 800})
        self.assertEqual(ask(server, "DBSIZE"), ":0\r\n")

    def test_memcached(self) -> None:
        """memcached's text protocol: its counters agree with the report."""
        path = servers.directory()
        self.addCleanup(shutil.rmtree, path, True)
        root = ["-u", "root"] if os.geteuid() == 0 else []
        line = [servers.tool("memcached", "memcached"), "-t", "1", "-s", str(path / "s"), *root]
        server = servers.start(line, str(path / "s"), path)
        self.addCleanup(server.stop)
        options = ("--protocol", "memcached", "--pipeline", PIPELINE)
        self.run_load(server, *options, "--workload", "fill", "--pipeline", 1, "--keys", KEYS // 2)
        got = self.run_load(server, *options, "--workload", "mget")
        with server.connect() as sock, sock.makefile("r") as replies:
            sock.sendall(b"stats\r\n")
            lines = iter(replies.readline, "END\n")
            stats = {words[1]: words[2] for words in (line.split() for line in lines) if words[0] == "STAT"}
        self.assertEqual(int(stats["cmd_set"]), KEYS // 2)
        self.assertEqual(int(stats["cmd_get"]), 10 * REQUESTS)
        self.assertEqual((int(stats["get_hits"]), int(stats["get_misses"])), (got["hits"], got["misses"]))
        self.assertTrue(0 < got["hits"] < 10 * REQUESTS)


class VerificationTests(Case):
    """A wrong reply ends the run with status 1."""

    def setUp(self) -> None:
        """One key, of another length than the load sets."""
        self.server = servers.shared("redis")
        ask(self.server, "FLUSHALL")
        ask(self.server, "SET key:000000000000 short")

    def test_wrong_value(self) -> None:
        """A value that is not as long as the values that were set."""
        self.assert_fails(argv(self.server, "--workload", "get", "--keys", 1), 1, "a reply of a wrong shape: $5")

    def test_error(self) -> None:
        """An error reply is shown."""
        self.assert_fails(argv(self.server, "--workload", "incr", "--keys", 1), 1, "-ERR value is not an integer")

    def test_closed_connection(self) -> None:
        """A server that closes the connection."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            command = [str(program()), "--port", str(listener.getsockname()[1]), "--connections", "1"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                listener.accept()[0].close()
                said = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 1)
        self.assertIn("the connection is closed", said)

    def test_loopback_only(self) -> None:
        """An address that is not of this machine is refused before anything is sent."""
        for host in ("192.0.2.1", "::2", "example.org", "0.0.0.0"):
            command = [str(program()), "--host", host, "--port", "6379"]
            self.assert_fails(command, 2, "only a loopback address or a UNIX socket's path is connected to")


class BoundTests(Case):
    """When a run ends, and what it waits for."""

    def test_requests_are_rounded_up(self) -> None:
        """The last batch is a whole one."""
        got = self.run_load(servers.shared("redis"), "--workload", "set", "--requests", 100, "--pipeline", 16)
        self.assertEqual(got["commands"], 112)

    def test_time(self) -> None:
        """The time given ends a run that has requests left, and every request sent was answered."""
        server = servers.shared("redis")
        ask(server, "CONFIG RESETSTAT")
        got = self.run_load(server, "--workload", "set", "--requests", 10**9, "--seconds", 0.1)
        self.assertEqual(calls(server), {"set": got["commands"]})
        self.assertTrue(0.1 <= got["seconds"] < 10, got)

    def test_open_loop(self) -> None:
        """At a given rate, the requests that were due while the server slept count from when they were due."""
        server = servers.shared("redis")
        ask(server, "FLUSHALL")
        ask(server, "CONFIG RESETSTAT")
        command = argv(server, "--workload", "set", "--connections", 1, "--rate", 1000, "--requests", 1000)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            servers.until(lambda: calls(server), 20, "the load has begun")
            ask(server, "DEBUG SLEEP 0.2")
            got = json.loads(process.communicate(timeout=60)[0])
        self.assertEqual((process.returncode, got["commands"], got["errors"]), (0, 1000, 0))
        self.assertGreater(got["seconds"], 0.5)
        # About 200 of them were due in that time. Counted from when they were sent, only one would have been late.
        self.assertGreater(got["latency_us"]["p99"], 100_000)
        self.assertLess(got["latency_us"]["p50"], 100_000)
