"""How long a server of two workers is without them: when they are killed at random, and at a reload.

    python -m bench.restarts [KILLS]

Prints the time of a reload and its CPU time, the memory of all processes, and the longest times in which none of four
clients that send pipelines without a pause got a reply, while workers were killed every 0.1 to 0.5 seconds.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench import servers

CLIENTS = 4
KILLS = 60
PAUSE = (0.1, 0.5)
"""Seconds between two kills."""
RELOADS = 5
PIPELINE = 100
SEED = 1


class Load:
    """Clients that send pipelines and reconnect when disconnected; the times at which any of them got a reply."""

    def __init__(self, server: servers.Server) -> None:
        self.replies = 0
        self.gaps: list[float] = []
        """The longest times in which no client got a reply, in seconds."""
        self._server = server
        self._heard = time.monotonic()
        self._lock = threading.Lock()
        self._over = False
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * PIPELINE
        while not self._over:
            with contextlib.suppress(OSError), self._server.connect() as connection:
                connection.settimeout(10)
                while not self._over:
                    connection.sendall(request)
                    left = 5 * PIPELINE
                    while left:
                        if not (got := len(connection.recv(left))):
                            raise ConnectionResetError
                        left -= got
                        self._hear()

    def _hear(self) -> None:
        with self._lock:
            now = time.monotonic()
            self.replies += 1
            if now - self._heard > 0.02:
                self.gaps = sorted([*self.gaps, now - self._heard], reverse=True)[:10]
            self._heard = now

    def stop(self) -> None:
        self._over = True
        for thread in self._threads:
            thread.join()


def workers(server: servers.Server) -> dict[int, int]:
    """Process id of each worker that serves, by its number."""
    found = {}
    for line in server.ask("INFO", "workers").decode().splitlines():
        if line.startswith("worker") and ":pid=" in line:
            name, _, fields = line.partition(":")
            found[int(name.removeprefix("worker"))] = int(fields.partition("pid=")[2].partition(",")[0])
    return found


def until(what: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            sys.exit("it does not come to pass")
        time.sleep(0.002)


def reload(server: servers.Server) -> tuple[float, float]:
    """Seconds until all workers are new, and the CPU time that it took."""
    log, said = server.place.directory / "log", b"all workers were replaced"
    before, cpu, start = log.read_bytes().count(said), _cpu_used(server), time.monotonic()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: log.read_bytes().count(said) > before)
    return time.monotonic() - start, _cpu_used(server) - cpu


def _cpu_used(server: servers.Server) -> float:
    """User and system time of all its processes, those that have ended included."""
    total = 0
    for pid in server.pids():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def memory(server: servers.Server) -> float:
    """Megabytes that its processes have in RAM, without the arena; what they share is counted once."""
    total = 0
    for pid in server.pids():
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss_Anon:", "Pss_File:")):
                total += int(line.split()[1])
    return total / 1024


def kill_at_random(server: servers.Server, kills: int) -> Load:
    """Kill workers, under load."""
    dice, load, killed = random.Random(SEED), Load(server), set[int]()
    try:
        for _ in range(kills):
            time.sleep(dice.uniform(*PAUSE))
            with contextlib.suppress(OSError):
                alive = [pid for pid in workers(server).values() if pid not in killed]
                if alive:
                    victim = dice.choice(alive)
                    killed.add(victim)
                    os.kill(victim, signal.SIGKILL)
    finally:
        load.stop()
    print(f"kills: {len(killed)}; replies: {load.replies}")
    return load


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    with tempfile.TemporaryDirectory() as directory, servers.running("redistill, 2 workers", Path(directory)) as server:
        until(lambda: len(workers(server)) == 2)
        print(f"first reply after the start: {server.start_seconds:.2f} s")
        pids = server.pids()
        print(f"memory (PSS) of {len(pids)} processes, without the arena: {memory(server):.1f} MB")
        times = [reload(server) for _ in range(RELOADS)]
        wall, cpu = (statistics.median(values) for values in zip(*times, strict=True))
        print(f"reload: {wall:.2f} s, CPU {cpu:.2f} s (medians of {RELOADS})")
        load = kill_at_random(server, kills)
        print("longest times without a reply: " + ", ".join(f"{gap:.2f}" for gap in load.gaps) + " s")


if __name__ == "__main__":
    main()
