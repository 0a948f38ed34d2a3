"""The latency of connected clients while the server refuses others."""

from __future__ import annotations

import contextlib
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import load, programs, servers

CONNECTIONS = 20
RATE = 10_000
ATTEMPTS = 1000
SECONDS = 4.0
ROUNDS = 7
HEAD_START = 0.5
"""Seconds until all clients of the load are connected."""
FULL = {
    "redistill": programs.limited(CONNECTIONS),
    "redis": programs.redis_with("--maxclients", str(CONNECTIONS)),
}
"""Servers whose limit the connections of the load reach."""


class Attempts:
    """Opens connections at a rate, from a thread, and counts those that got the error of a refusal."""

    def __init__(self, port: int, head_start: float) -> None:
        self.made = 0
        self.told = 0
        self._port = port
        self._head_start = head_start
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._over.wait(self._head_start)
        start = time.monotonic()
        while not self._over.wait(max(0.0, start + self.made / ATTEMPTS - time.monotonic())):
            self.made += 1
            # Who comes when those inside have just gone gets in, and hears nothing.
            with (
                contextlib.suppress(ConnectionError, TimeoutError),
                socket.create_connection(("127.0.0.1", self._port), 0.5) as one,
            ):
                # A reset at the end leaves no port behind in TIME_WAIT.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.told += one.recv(100).startswith(b"-ERR max number of clients")

    def stop(self) -> None:
        """Wait for the last connection."""
        self._over.set()
        self._thread.join()


def refused(quick: bool) -> dict[str, Any]:
    """The p99 of the clients of a full server, in rounds without and with refused clients, and the server's CPU time
    for each refusal."""
    seconds, rounds = (1.0, 2) if quick else (SECONDS, ROUNDS)
    results: dict[str, Any] = {"connections": CONNECTIONS, "rate": RATE, "attempts": ATTEMPTS, "seconds": seconds}
    found: dict[str, dict[str, list[float]]] = {name: {"alone": [], "refused": [], "cost_us": []} for name in FULL}
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        full = {}
        for name, line in FULL.items():
            full[name] = stack.enter_context(servers.running(name, Path(directory), line=line))
            load.fill(full[name], "key:", 1000, 32)
        for turn in range(rounds):
            for name, server in full.items():
                # What the machine does to the figures in the course of time is to fall on both alike.
                for state in ("alone", "refused") if turn % 2 == 0 else ("refused", "alone"):
                    found[name][state].append(_p99(server, seconds, state == "refused"))
                found[name]["cost_us"].append(_cost(server, seconds))
    for name, got in found.items():
        said = ", ".join(f"{what} {statistics.median(values):.0f}" for what, values in got.items())
        print(f"    {name}: p99 in us and cost of a refusal: {said}", flush=True)
    return results | {"servers": found}


def _p99(server: servers.Server, seconds: float, tried: bool) -> float:
    """The p99 of the connected clients, in microseconds."""
    options = ("--workload", "get", "--prefix", "key:", "--keys", 1000, "--connections", CONNECTIONS)
    with _attempts(server, seconds, HEAD_START) if tried else contextlib.nullcontext():
        return float(load.run(server, *options, "--rate", RATE, "--seconds", seconds)["latency_us"]["p99"])


def _cost(server: servers.Server, seconds: float) -> float:
    """CPU microseconds of the server for a client that it refuses, while the connected clients are silent."""
    with contextlib.ExitStack() as inside:
        for _ in range(CONNECTIONS):
            inside.enter_context(server.connect()).sendall(b"PING\r\n")
        before = server.cpu_seconds()
        with _attempts(server, seconds, 0) as attempts:
            time.sleep(seconds)
        return (server.cpu_seconds() - before) / attempts.made * 1e6


@contextlib.contextmanager
def _attempts(server: servers.Server, seconds: float, head_start: float) -> Iterator[Attempts]:
    attempts = Attempts(server.place.port, head_start)
    try:
        yield attempts
    finally:
        attempts.stop()
    if attempts.told < 0.9 * attempts.made or attempts.made < 0.8 * ATTEMPTS * (seconds - head_start):
        sys.exit(f"{server.name}: of {attempts.made} attempts {attempts.told} were refused")
