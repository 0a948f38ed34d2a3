"""Servers side by side under the same load over sockets: CPU a command, commands a second, latency."""

from __future__ import annotations

import statistics
import sys
from dataclasses import asdict, dataclass
from typing import Any

from bench import load, programs, servers
from bench.progress import Progress

ROUNDS, SECONDS = 3, 0.8
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.3
# Bytes of a value -> the prefix and the number of the keys that hold such values.
POPULATIONS = {32: ("key:", 100_000), 1024: ("kib:", 20_000), 65536: ("big:", 500)}
COUNTERS = ("num:", 100_000)


@dataclass(frozen=True)
class Row:
    """A load that all servers get."""

    workload: str
    pipeline: int
    connections: int = 50
    value: int = 32
    transport: str = "tcp"


ROWS = [
    *(Row("get", p) for p in (1, 16, 64)),
    *(Row("set", p) for p in (1, 16, 64)),
    *(Row("mixed", p) for p in (1, 16, 64)),
    *(Row("mget", p) for p in (1, 16)),
    *(Row("mset", p) for p in (1, 16)),
    *(Row("incr", p) for p in (1, 16)),
    *(Row(workload, p, value=1024) for workload in ("get", "set") for p in (1, 16)),
    *(Row(workload, 1, value=65536) for workload in ("get", "set")),
    *(Row("get", p, connections=1) for p in (1, 64)),
    *(Row("get", p, connections=1000) for p in (1, 16)),
    *(Row("get", p, transport="unix") for p in (1, 16)),
    *(Row("get", p, transport="tls") for p in (1, 16, 64)),
    Row("get", 1, value=1024, transport="tls"),
]
QUICK_ROWS = [row for row in ROWS if row.connections == 50 and row.value == 32 and row.workload in ("get", "mixed")]


def measure(server: servers.Server, row: Row, seconds: float, *more: object) -> dict[str, float]:
    """One run of one row."""
    prefix, keys = COUNTERS if row.workload == "incr" else POPULATIONS[row.value]
    options: tuple[object, ...] = ("--workload", row.workload, "--prefix", prefix, "--keys", keys, "--value", row.value)
    options += ("--pipeline", row.pipeline, "--connections", row.connections)
    got = load.run(server, *options, "--requests", 100_000_000, "--seconds", seconds, *more)
    if got["misses"]:
        sys.exit(f"{server.name}: {got['misses']} of the keys that were set are not there")
    kept = {name: got[name] for name in ("server_cpu_us", "server_busy", "per_second", "client_busy")}
    kept |= {name: got["latency_us"][name] for name in ("p50", "p99", "p99.9", "max")}
    return kept | {"late_p99": got["late_us"]["p99"], "hit_ratio": got["hit_ratio"]}


def compare(quick: bool) -> dict[str, Any]:
    """All rows: for each server one result a round, the rounds of the servers taking turns."""
    rows = QUICK_ROWS if quick else ROWS
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    results: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "rows": [], "lacking": {}}
    results["populations"] = [(size, count) for size, (_, count) in POPULATIONS.items()]
    progress = Progress(len(rows) * rounds * len(programs.SERVERS))
    for transport in load.transports():
        mine = [row for row in rows if row.transport == transport]
        with servers.started(programs.SERVERS, results["lacking"], transport) as running:
            if transport == "tcp":
                results["command_lines"] = {name: server.command_line() for name, server in running.items()}
            absent = len(programs.SERVERS) - len(running)
            progress.steps -= absent * rounds * len(mine)
            for server in running.values():
                for value in sorted({row.value for row in mine}):
                    load.fill(server, *POPULATIONS[value], value)
                if any(row.workload == "incr" for row in mine):
                    load.fill(server, *COUNTERS, 1)
            for row in mine:
                results["rows"].append(asdict(row) | {"servers": _rounds(running, row, rounds, seconds, progress)})
    return results


def _rounds(
    running: dict[str, servers.Server], row: Row, rounds: int, seconds: float, progress: Progress
) -> dict[str, list[dict[str, float]]]:
    got: dict[str, list[dict[str, float]]] = {}
    name = f"{row.transport} {row.workload} {row.value} B P={row.pipeline}, {row.connections} connections"
    for turn in range(rounds):
        for server in running.values():
            if (row.workload, server.protocol) == ("mset", "memcached"):  # which has no such command
                progress.steps -= 1
                continue
            progress.show(f"{name}, round {turn + 1} of {rounds}, {server.name}")
            got.setdefault(server.name, []).append(measure(server, row, seconds))
    medians = {who: statistics.median(result["server_cpu_us"] for result in each) for who, each in got.items()}
    progress.line(f"{name}: " + ", ".join(f"{who} {value:.2f} µs" for who, value in medians.items()))
    return got


def latency(quick: bool) -> dict[str, Any]:
    """Open loop, GET, P=1, 50 connections, at half of what Redis can do in the closed loop."""
    rounds, seconds = (QUICK_ROUNDS, 1.0) if quick else (ROUNDS, 3.0)
    row = Row("get", 1)
    results: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "servers": {}, "lacking": {}}
    with servers.started(programs.SERVERS, results["lacking"], "tcp") as running:
        progress = Progress(rounds * len(running) + 1)
        for server in running.values():
            load.fill(server, *POPULATIONS[row.value], row.value)
        if "redis" not in running:
            return {}
        progress.show("how much redis can do")
        saturation = statistics.median(measure(running["redis"], row, 1.0)["per_second"] for _ in range(rounds))
        results["saturation"], results["rate"] = saturation, saturation / 2
        for turn in range(rounds):
            for server in running.values():
                progress.show(f"round {turn + 1} of {rounds}, {server.name}")
                got = measure(server, row, seconds, "--rate", int(saturation / 2))
                results["servers"].setdefault(server.name, []).append(got)
        for name, each in results["servers"].items():
            medians = ", ".join(f"{q} {statistics.median(r[q] for r in each):.0f} µs" for q in ("p50", "p99", "p99.9"))
            progress.line(f"{name} at {saturation / 2:,.0f} a second: {medians}")
    return results
