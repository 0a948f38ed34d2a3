"""Two workers, and heavy connections that the kernel gave to one of them: the time until both have some."""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench import servers

CONNECTIONS = 4
PIPELINE = 1000
KEYS = 100_000
VALUE = b"v" * 32
AFTER_SECONDS = 4.0
LONGEST_WAIT = 30.0


class Load:
    """Connections that send pipelines of GETs, each from a thread of its own, and compare what comes.

    The requests are made beforehand, so that the client needs little of the CPUs that the workers are to have.
    """

    def __init__(self, connections: list[socket.socket]) -> None:
        self.done = [0] * len(connections)
        self.failures: list[BaseException] = []
        self._over = False
        self._threads = [threading.Thread(target=self._run, args=one) for one in enumerate(connections)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int, connection: socket.socket) -> None:
        dice = random.Random(number)
        keys = (b"key:%012d" % dice.randrange(KEYS) for _ in range(PIPELINE))
        request = b"".join(b"*2\r\n$3\r\nGET\r\n$16\r\n%b\r\n" % key for key in keys)
        expected = b"$%d\r\n%b\r\n" % (len(VALUE), VALUE) * PIPELINE
        reply = memoryview(bytearray(len(expected)))
        try:
            while not self._over:
                connection.sendall(request)
                received = 0
                while received < len(reply):
                    got = connection.recv_into(reply[received:])
                    received += got or sys.exit("the server closed a connection")
                if reply != expected:
                    sys.exit("a wrong reply")
                self.done[number] += PIPELINE
        except BaseException as failure:
            self.failures.append(failure)

    def stop(self) -> None:
        """Raise the error of a thread, if there was one."""
        self._over = True
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]


def balance(quick: bool) -> dict[str, Any]:
    """Commands a second before and after connections were moved, and the seconds until then."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.running("redistill, 2 workers", Path(directory)))
        _fill(server)
        connections = [stack.enter_context(_connected_to_first(server)) for _ in range(CONNECTIONS)]
        start = time.monotonic()
        load = Load(connections)
        try:
            before = _rate(load, 1.0)
            while not (moved := _moved(server)):
                if load.failures or time.monotonic() > start + LONGEST_WAIT:
                    sys.exit(f"nothing was moved in {LONGEST_WAIT:.0f} s")
                time.sleep(0.02)
            seconds = time.monotonic() - start
            after = _rate(load, AFTER_SECONDS / 4 if quick else AFTER_SECONDS)
        finally:
            load.stop()
        results = {"connections": CONNECTIONS, "pipeline": PIPELINE, "moved": moved, "seconds": seconds}
        print(f"    {before:,.0f} commands a second, {after:,.0f} after {seconds:.1f} s", flush=True)
        return results | {"before": before, "after": after}


def _fill(server: servers.Server) -> None:
    with server.connect() as connection:
        for first in range(0, KEYS, PIPELINE):
            sets = (b"SET key:%012d %b\r\n" % (key, VALUE) for key in range(first, first + PIPELINE))
            connection.sendall(b"".join(sets))
            awaited = len(b"+OK\r\n") * PIPELINE
            while awaited:
                awaited -= len(connection.recv(awaited)) or sys.exit("the server closed a connection")


def _connected_to_first(server: servers.Server) -> socket.socket:
    """A connection to worker 0."""
    while True:
        connection = server.connect()
        if b"\r\nworker_number:0\r\n" in servers.ask(connection, "resp", "INFO", "server"):
            return connection
        connection.close()


def _moved(server: servers.Server) -> int:
    return int(server.ask("INFO", "workers").partition(b"connections_moved:")[2].split()[0])


def _rate(load: Load, seconds: float) -> float:
    """Commands a second from now on."""
    start, before = time.monotonic(), sum(load.done)
    time.sleep(seconds)
    return (sum(load.done) - before) / (time.monotonic() - start)
