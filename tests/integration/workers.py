"""Servers of several workers, and clients of which it is known who serves them."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable
from pathlib import Path

import redis
from twisted.trial.unittest import TestCase

from tests.integration import servers

FORK_SERVER = "rd-fork"
CONFIG = """
[server]
workers = {workers}
worker_timeout = 1
[memory]
max_memory = "64mb"
[security]
enable_debug_command = "yes"
"""


def workers_of(client: redis.Redis) -> dict[int, int]:
    """Process id of each worker by its number."""
    found = client.info("workers")
    return {
        int(name.removeprefix("worker")): fields["pid"] for name, fields in found.items() if isinstance(fields, dict)
    }


def children(pid: int) -> dict[int, tuple[str, str]]:
    """The name and state of each child of a process, by its id."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            own, name, rest = re.fullmatch(r"(\d+) \((.*)\) (.*)", stat.read_text().strip(), re.S).groups()  # type: ignore[union-attr]
            state, parent = rest.split()[:2]
            if int(parent) == pid:
                found[int(own)] = (name, state)
    return found


def fork_servers(server: servers.Server) -> list[int]:
    """Process ids."""
    return [pid for pid, (name, state) in children(server.pid).items() if name == FORK_SERVER and state != "Z"]


class OnWorkers(TestCase):
    """A test with real workers."""

    def start(self, workers: int = 2, more: str = "") -> servers.Server:
        """A server that is stopped with the test; `more` stands in [security], or begins with a table of its own."""
        server = servers.redistill(CONFIG.format(workers=workers) + more, tcp=True)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def client(self, server: servers.Server, **options: object) -> redis.Redis:
        """A client of one connection."""
        client = redis.Redis(port=server.port, socket_timeout=20, single_connection_client=True, **options)  # type: ignore[arg-type]
        self.addCleanup(client.close)
        return client

    def on_each(self, server: servers.Server, workers: int = 2) -> dict[int, redis.Redis]:
        """A client on each worker, by the worker's number."""
        first = self.client(server)
        self.eventually(lambda: len(workers_of(first)) == workers, "all workers are there")
        found: dict[int, redis.Redis] = {}
        for _ in range(200):
            client = self.client(server)
            found.setdefault(client.info("server")["worker_number"], client)
            if len(found) == workers:
                return dict(sorted(found.items()))
        raise AssertionError(f"the kernel gave no client to some worker: {sorted(found)}")

    def eventually(self, condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        """Wait for it."""
        servers.until(condition, seconds, what)
