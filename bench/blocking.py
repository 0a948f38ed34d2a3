"""Blocking commands beside redis-server: the time of a hand-off, and the CPU time of clients that wait."""

from __future__ import annotations

import contextlib
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import programs, servers

SERVERS = ("redistill", "redistill, 2 workers", "redis", "valkey")
OTHER = "redistill, to the other worker"
ROUNDS, HANDOFFS = 5, 1000
QUICK_ROUNDS, QUICK_HANDOFFS = 2, 200
PAUSE = 0.0005
"""Seconds from the BLPOP to the LPUSH: the client waits, and the server sleeps."""
CONNECTIONS, SECONDS = 10_000, 5.0
QUICK_CONNECTIONS, QUICK_SECONDS = 1000, 1.0
LONGEST_SEARCH = 200
"""Connections that are opened at most until the kernel has given some to each worker."""


def _worker(conversation: socket.socket) -> bytes:
    """The worker that serves the connection; of other servers always the same."""
    return servers.ask(conversation, "resp", "INFO", "server").partition(b"worker_number:")[2].split(b"\r\n")[0]


@contextlib.contextmanager
def _connected(server: servers.Server, other: bool) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connections, of two workers or of one."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(server.connect())
        for _ in range(LONGEST_SEARCH):
            second = stack.enter_context(server.connect())
            if (_worker(first) != _worker(second)) == other:
                for one in (first, second):
                    one.settimeout(None)  # a timeout costs a poll for each call
                yield first, second
                return
    sys.exit(f"{server.name}: no two connections of {'two workers' if other else 'one worker'}")


def _hand_off(server: servers.Server, other: bool, count: int) -> dict[str, float]:
    """Microseconds from the sending of an LPUSH to the reply of the BLPOP that waits."""
    times = []
    with _connected(server, other) as (waits, pushes):
        for _ in range(count):
            waits.sendall(b"BLPOP q 0\r\n")
            time.sleep(PAUSE)
            began = time.perf_counter_ns()
            pushes.sendall(b"LPUSH q 0123456789abcdef\r\n")
            got = waits.recv(1000)
            times.append((time.perf_counter_ns() - began) / 1000)
            if got != b"*2\r\n$1\r\nq\r\n$16\r\n0123456789abcdef\r\n" or pushes.recv(100) != b":1\r\n":
                sys.exit(f"{server.name} gave {got!r} to a client that waited")
    cuts = statistics.quantiles(times, n=100)
    return {"p50": cuts[49], "p99": cuts[98]}


def _hand_offs(rounds: int, count: int, lacking: dict[str, str]) -> dict[str, list[dict[str, float]]]:
    """The rounds of the servers, which take turns."""
    got: dict[str, list[dict[str, float]]] = {}
    with servers.started(SERVERS, lacking) as running:
        for _ in range(rounds):
            for name, server in running.items():
                got.setdefault(name, []).append(_hand_off(server, False, count))
            got.setdefault(OTHER, []).append(_hand_off(running["redistill, 2 workers"], True, count))
    for name, each in got.items():
        said = ", ".join(f"{q} {statistics.median(one[q] for one in each):.1f} µs" for q in ("p50", "p99"))
        print(f"    BLPOP, {name}: {said}", flush=True)
    return got


def _waiting(quick: bool) -> dict[str, Any]:
    """The percentage of a CPU that a server takes before many clients wait, and while they wait."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count, seconds = (QUICK_CONNECTIONS, QUICK_SECONDS) if quick else (CONNECTIONS, SECONDS)
    count = min(count, hard - 1000)
    results: dict[str, Any] = {"connections": count, "seconds": seconds, "servers": {}}
    for name in SERVERS:
        with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(servers.running(name, Path(directory)))
            except programs.NotAvailable:
                continue
            before = server.cpu_percent(seconds)
            for n in range(count):
                connection = stack.enter_context(server.connect())
                servers.reset_at_end(connection)
                connection.sendall(b"BLPOP q%d %d\r\n" % (n, n % 2 * 10_000))
            while f"blocked_clients:{count}\r" not in server.ask("INFO", "clients").decode():
                time.sleep(0.01)
            server.cpu_percent(seconds)  # idle connections give back memory
            results["servers"][name] = {"bare_percent": before, "cpu_percent": server.cpu_percent(seconds)}
            print(f"    {count:,} clients wait, {name}: {results['servers'][name]}", flush=True)
    return results


def blocking(quick: bool) -> dict[str, Any]:
    """Hand-offs, and clients that wait."""
    rounds, count = (QUICK_ROUNDS, QUICK_HANDOFFS) if quick else (ROUNDS, HANDOFFS)
    lacking: dict[str, str] = {}
    hand_offs = _hand_offs(rounds, count, lacking)
    results = {"rounds": rounds, "count": count, "hand_offs": hand_offs, "lacking": lacking}
    return results | {"waiting": _waiting(quick)}
