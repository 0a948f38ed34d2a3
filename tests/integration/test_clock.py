"""A wall clock that is set while the server runs: an operator's mistake, a virtual machine that went on, NTP."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import redis

from tests.integration import servers
from tests.integration.workers import OnWorkers, workers_of

SOURCE = Path(__file__).with_name("shift_clock.c")
CONFIG = """
[server]
workers = {workers}
connection_timeout = 60
worker_timeout = 5
[memory]
max_memory = "64mb"
[security]
enable_debug_command = "yes"
"""


class ClockTests(OnWorkers):
    """Steps of ten minutes back and of hours ahead"""

    def begin(self, workers: int, reactor: str = servers.REACTOR) -> servers.Server:
        """A server whose clock is `set`."""
        place = servers.directory()
        library, self.shift = place / "shift.so", place / "shift"
        compiler = servers.tool("cc", "gcc")
        subprocess.run([compiler, "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        self.set(0)
        self.patch(servers, "REACTOR", reactor)
        environ = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(self.shift)}
        server = servers.redistill(CONFIG.format(workers=workers), tcp=True, environ=environ)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def set(self, seconds: int) -> None:
        """Let the wall clock be ahead by so much."""
        with open(self.shift, "r+b" if self.shift.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))

    def check(self, server: servers.Server, client: redis.Redis, idle: redis.Redis, workers: int) -> None:
        """Timers go on."""
        began = time.monotonic()
        expired, up = client.info("stats")["expired_keys"], client.info("server")["uptime_in_seconds"]
        client.mset({f"keep{n}": n for n in range(10)})
        for n in range(20):
            client.set(f"short{n}", n, px=150)
        self.eventually(lambda: client.info("stats")["expired_keys"] >= expired + 20, "keys expire by themselves", 5)
        client.client_pause(200, all=True)
        paused = time.monotonic()
        self.assertTrue(idle.ping())
        self.assertLess(time.monotonic() - paused, 5)
        for row in client.client_list():
            self.assertLess(int(row["idle"]), 50)
            self.assertLess(int(row["age"]), 50)
        self.assertLess(client.object("idletime", "keep1"), 30)
        if workers > 1:
            pids = workers_of(client)
            number = client.info("server")["worker_number"]
            os.kill(pids[1 - number], signal.SIGKILL)
            self.eventually(lambda: workers_of(client).get(1 - number, 0) not in (0, pids[1 - number]), "a new worker")
            self.assertEqual(workers_of(client)[number], pids[number])
            idle.connection_pool.disconnect()
        self.assertEqual(client.execute_command("DEBUG", "CHECK"), b"OK")
        grown = client.info("server")["uptime_in_seconds"] - up
        self.assertLessEqual(abs(grown - (time.monotonic() - began)), 2)
        self.assertNotIn("it is killed", server.logged())

    def steps(self, workers: int, reactor: str = servers.REACTOR) -> None:
        """A server goes on over all steps."""
        server = self.begin(workers, reactor)
        client = self.client(server, retry=None, protocol=2)
        idle = self.client(server, protocol=2)
        idle.client_setname("idle")
        number = idle.client_id()
        for shift in (0, -600, 3000, 100 * 3600, 0):
            before = client.execute_command("TIME")[0]
            self.set(shift)
            client.set("long", 1, ex=30 * 24 * 3600)
            if workers == 1:
                self.assertEqual(idle.client_id(), number)
            self.check(server, client, idle, workers)
            self.assertIsNotNone(before)
            self.assertGreater(client.ttl("long"), 25 * 24 * 3600)
        self.assertEqual(abs(int(client.execute_command("TIME")[0]) - int(time.time())) <= 2, True)
        self.assertNotIn("Traceback", server.logged())

    def test_one_process(self) -> None:
        """A server of one process goes on as if nothing had happened, but for keys whose time has come."""
        self.steps(1)

    def test_workers(self) -> None:
        """So do workers and their supervisor: dead ones are replaced, starting ones are not killed."""
        self.steps(2)

    def test_reactor_of_twisted(self) -> None:
        """So does a server on one of Twisted's reactors, whose timers go by the wall clock otherwise."""
        self.steps(1, "epoll")
