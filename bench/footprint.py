"""Costs of servers besides commands: memory for keys and for idle connections, idle CPU time, the time to start."""

from __future__ import annotations

import contextlib
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import load, programs, servers

KEYS = 1_000_000
VALUE = 32
KEY_PREFIX = "key:"
CONNECTIONS = 10_000
IDLE_SECONDS = 5.0
STARTS = 5
TMPFS = Path("/dev/shm")


def each_server(what: Callable[[str, Path], dict[str, Any]]) -> dict[str, Any]:
    """`what` of one server after the other, each in a directory of its own; why one is missing in "lacking"."""
    results: dict[str, Any] = {"servers": {}, "lacking": {}}
    for name in programs.SERVERS:
        with tempfile.TemporaryDirectory() as directory:
            try:
                got = results["servers"][name] = what(name, Path(directory))
                print(f"    {name}: {_said(got)}", flush=True)
            except programs.NotAvailable as why:
                results["lacking"][name] = str(why)
    return results


def _said(figures: dict[str, Any]) -> str:
    """A result in one line, with the median of several values."""
    single = {name: statistics.median(v) if isinstance(v, list) else v for name, v in figures.items()}
    return ", ".join(f"{name} {value:,.4g}" for name, value in single.items())


def keys(quick: bool) -> dict[str, Any]:
    """Bytes for a key of 16 bytes with a value of 32: as the server counts, and of RAM."""
    count = KEYS // 10 if quick else KEYS

    def filled(name: str, directory: Path) -> dict[str, Any]:
        with servers.running(name, directory) as server:
            load.fill(server, KEY_PREFIX, 1000, VALUE)  # buffers and first pages are there already
            used, resident = server.used_bytes(), server.resident_bytes()
            load.fill(server, KEY_PREFIX, count, VALUE)
            used, resident = server.used_bytes() - used, server.resident_bytes() - resident
            return {"used": used / (count - 1000), "resident": resident / (count - 1000)}

    return each_server(filled) | {"keys": count}


def idle(quick: bool) -> dict[str, Any]:
    """Bytes of RAM for a connection that was answered once and is idle, and CPU time without them and with all of them.

    They are fewer than they should be where the limit of open files is lower.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count, seconds = (1000, 1.0) if quick else (CONNECTIONS, IDLE_SECONDS)
    count = min(count, hard - 1000)

    def held(name: str, directory: Path) -> dict[str, Any]:
        with servers.running(name, directory) as server, contextlib.ExitStack() as stack:
            bare = server.cpu_percent(seconds)
            before = server.resident_bytes()
            for _ in range(count):
                connection = stack.enter_context(server.connect())
                servers.reset_at_end(connection)
                connection.sendall(b"get key:000000000000\r\n")
                if not connection.recv(100):
                    sys.exit(f"{name} closed a connection")
            # A server gives back the memory of connections that have become idle, after some time.
            first, cpu = server.cpu_percent(seconds), server.cpu_percent(seconds)
            resident = (server.resident_bytes() - before) / count
            return {"bytes": resident, "bare_percent": bare, "first_percent": first, "cpu_percent": cpu}

    return each_server(held) | {"connections": count, "seconds": seconds}


def start(quick: bool) -> dict[str, Any]:
    """Seconds from exec to the first answer."""
    times = 2 if quick else STARTS

    def started(name: str, directory: Path, line: programs.Line | None = None) -> dict[str, Any]:
        seconds = []
        for _ in range(times):
            with servers.running(name, directory, line=line) as server:
                seconds.append(server.start_seconds)
        return _milliseconds(seconds)

    results = each_server(started) | {"times": times}
    with tempfile.TemporaryDirectory() as directory:
        results["twistd"] = started("redistill", Path(directory), programs.twistd_alone)
    print(f"    twistd, with a service of one line: {_said(results['twistd'])}", flush=True)
    results["attached"] = _attached(times, KEYS // 10 if quick else KEYS) if TMPFS.is_dir() else {}
    print(f"    redistill, with the keys of its predecessor: {_said(results['attached'])}", flush=True)
    return results


def _attached(times: int, count: int) -> dict[str, Any]:
    """Redistill on an arena that already exists."""
    with tempfile.TemporaryDirectory(dir=TMPFS) as tmpfs, tempfile.TemporaryDirectory() as directory:
        line = programs.attaching(Path(tmpfs) / "arena")
        with servers.running("redistill", Path(directory), line=line) as server:
            load.fill(server, KEY_PREFIX, count, VALUE)
        seconds = []
        for _ in range(times):
            with servers.running("redistill", Path(directory), line=line) as server:
                seconds.append(server.start_seconds)
                if (there := int(server.ask("DBSIZE"))) != count:
                    sys.exit(f"redistill was started again with {there} keys of {count}")
        return _milliseconds(seconds) | {"keys": count}


def _milliseconds(seconds: list[float]) -> dict[str, Any]:
    return {"milliseconds": [1e3 * value for value in seconds]}
