"""bench/floor.c: the cost of the system calls of a small command, through epoll and through io_uring."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import load
from bench.programs import Place
from bench.servers import Server, connect, free_port

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent / "build" / "bench" / "floor"
CONNECTIONS = (50, 1000)
ROUNDS, SECONDS = 5, 1.0


def has_uring() -> bool:
    """Whether liburing's headers are installed."""
    probe = [load.CC, "-fsyntax-only", "-xc", "-"]
    return not subprocess.run(probe, input=b"#include <liburing.h>\n", stderr=subprocess.DEVNULL).returncode


@contextlib.contextmanager
def running(way: str) -> Iterator[Server]:
    """The program, listening."""
    place = Place(Path(tempfile.gettempdir()), "tcp", free_port(), frozenset({0}))
    argv = [str(PROGRAM), way, str(place.port)]
    process = subprocess.Popen(argv, preexec_fn=lambda: os.sched_setaffinity(0, place.cpus))
    try:
        until = time.monotonic() + 5
        while True:
            with contextlib.suppress(OSError), connect(place):
                break
            if time.monotonic() > until or process.poll() is not None:
                raise SystemExit(f"{argv} did not start")
            time.sleep(0.001)
        yield Server(way, "resp", argv, process, place, 0.0)
    finally:
        process.kill()
        process.wait()


def floor(quick: bool) -> dict[str, Any]:
    """GET of 32 bytes with P=1: CPU microseconds per command, by way and connections; the median of the rounds."""
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(PROGRAM)]
    ways = ("epoll", "uring") if has_uring() else ("epoll",)
    libraries = ["-luring"] if has_uring() else []
    subprocess.run([load.CC, *flags, str(HERE / "floor.c"), *libraries], check=True)
    options = ("--workload", "get", "--prefix", "key:", "--keys", 1000, "--value", 32, "--pipeline", 1)
    found: dict[str, Any] = {way: {} for way in ways}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(running(way)) for way in ways]
        for count in CONNECTIONS:
            rounds: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(1 if quick else ROUNDS):
                for server in servers:
                    more = ("--connections", count, "--requests", 100_000_000, "--seconds", SECONDS)
                    rounds[server.name].append(load.run(server, *options, *more)["server_cpu_us"])
            for way in ways:
                found[way][str(count)] = statistics.median(rounds[way])
    print(f"    {found}", flush=True)
    return found
