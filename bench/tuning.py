"""Effect of each setting that is said to tune the server: CPU time a command against the server with the defaults.

    python -m bench.tuning [ROUNDS]

Prints the table of docs/tuning.md. All servers of a group run at once and take turns under the same load; a cell is the
median of the rounds, divided by that of the defaults in the same group.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import load, programs, servers
from bench.progress import Progress

ROUNDS, SECONDS = 5, 0.5
KEYS = ("key:", 1_000_000, 32)
LARGE = ("big:", 500, 65536)

Load = tuple[str, tuple[object, ...]]


def _load(workload: str, pipeline: int, population: tuple[str, int, int] = KEYS) -> Load:
    prefix, keys, value = population
    size = " 64 KiB" if population is LARGE else ""
    options: tuple[object, ...] = ("--workload", workload, "--prefix", prefix, "--keys", keys, "--value", value)
    options += ("--pipeline", pipeline, "--connections", 50, "--requests", 100_000_000, "--seconds", SECONDS)
    return f"{workload.upper()}{size} P={pipeline}", options


LOADS = [_load("get", 1), _load("get", 16), _load("get", 64), _load("set", 16), _load("mixed", 64)]
LARGE_LOADS = [_load("get", 1, LARGE), _load("set", 1, LARGE)]

GROUPS: list[tuple[str, int, list[str], list[Load]]] = [
    ("num_shards", 2, [f"num_shards = {n}" for n in (16, 64, 128, 512, 4096)], LOADS),
    ("batch_size", 1, [f"batch_size = {n}" for n in (1, 4, 32, 64)], LOADS),
    ("buffer_size", 1, [f"buffer_size = {n}" for n in (1024, 8192, 32768, 262144)], LOADS + LARGE_LOADS),
]
"""Group, its number of workers, the lines of [server] that are tried beside the defaults, and the loads."""


def measure(workers: int, lines: Sequence[str], loads: Sequence[Load], rounds: int) -> dict[str, list[float]]:
    """The median CPU time a command in us, of each load in the order of `loads`, for each line and for ""."""
    name = "redistill" if workers == 1 else f"redistill, {workers} workers"
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = {}
        for line in ("", *lines):
            running[line] = stack.enter_context(
                servers.running(name, directory, line=programs.tuned(workers, line + "\n"))
            )
            load.fill(running[line], *KEYS)
            load.fill(running[line], *LARGE)
        progress = Progress(len(loads) * rounds * len(running))
        medians: dict[str, list[float]] = {line: [] for line in running}
        for title, options in loads:
            got: dict[str, list[float]] = {line: [] for line in running}
            for _ in range(rounds):
                for line, server in running.items():
                    progress.show(f"{title}, {line or 'defaults'}")
                    got[line].append(load.run(server, *options)["server_cpu_us"])
            for line, each in got.items():
                medians[line].append(statistics.median(each))
        return medians


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    load.build()
    for name, workers, lines, loads in GROUPS:
        medians = measure(workers, lines, loads, rounds)
        default = medians.pop("")
        print(f"\n| {name}, workers = {workers} | " + " | ".join(title for title, _ in loads) + " |")
        print("| --- |" + " --- |" * len(loads))
        print("| the default | " + " | ".join(f"{value:.2f} µs" for value in default) + " |")
        for line, each in medians.items():
            ratios = " | ".join(f"{value / base:.2f}" for value, base in zip(each, default, strict=True))
            print(f"| {line.rpartition(' ')[2]} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
