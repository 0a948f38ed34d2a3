"""What clients inside notice of those that are refused at the door."""

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
SECONDS = 8.0
ROUNDS = 5
HEAD_START = 0.5
"""Seconds until all of those inside are."""


class Attempts:
    """Connections that come and go at a rate, from a thread; how many were told why they may not stay."""

    def __init__(self, port: int) -> None:
        self.made = 0
        self.told = 0
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._over.wait(HEAD_START)
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
        """Wait for the last one."""
        self._over.set()
        self._thread.join()


@contextlib.contextmanager
def _elsewhere() -> Iterator[int]:
    """The port of a listener in this process that says something to who comes, and closes."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, contextlib.suppress(OSError):
                        client.sendall(b"-no\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def refused(quick: bool) -> dict[str, Any]:
    """The p99 of clients inside a full server, in rounds: alone; while others try to come in; and, since those who try
    share the CPU with the load, while they try elsewhere."""
    seconds, rounds = (1.0, 2) if quick else (SECONDS, ROUNDS)
    results: dict[str, Any] = {"connections": CONNECTIONS, "rate": RATE, "attempts": ATTEMPTS, "seconds": seconds}
    for name in ("alone", "elsewhere", "refused"):
        results[name] = []
    with tempfile.TemporaryDirectory() as directory, _elsewhere() as elsewhere:
        line = programs.limited(CONNECTIONS)
        with servers.running("redistill", Path(directory), line=line) as server:
            load.fill(server, "key:", 1000, 32)
            for _ in range(rounds):
                results["alone"].append(_p99(server, seconds))
                for name, port in (("elsewhere", elsewhere), ("refused", server.place.port)):
                    attempts = Attempts(port)
                    try:
                        results[name].append(_p99(server, seconds))
                    finally:
                        attempts.stop()
                if attempts.told < 0.9 * attempts.made or attempts.made < 0.8 * ATTEMPTS * (seconds - HEAD_START):
                    sys.exit(f"of {attempts.made} attempts {attempts.told} were refused")
    found = {name: statistics.median(results[name]) for name in ("alone", "elsewhere", "refused")}
    print("    p99 in us: " + ", ".join(f"{name} {value:.0f}" for name, value in found.items()), flush=True)
    return results


def _p99(server: servers.Server, seconds: float) -> float:
    options = ("--workload", "get", "--prefix", "key:", "--keys", 1000, "--connections", CONNECTIONS)
    return float(load.run(server, *options, "--rate", RATE, "--seconds", seconds)["latency_us"]["p99"])
