"""Servers in memory cgroups of their own, under loads that try to outgrow them.

``python -m tests.integration.cgroups [MEBIBYTES ...]`` fills servers of 1, 2 and 8 workers in cgroups of 256 MiB to 4 GiB
(or of the sizes that are named) and prints how near each came to its limit. It needs root.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.integration import servers

MIB = 1024 * 1024
ROOTS = ((Path("/sys/fs/cgroup/memory"), 1), (Path("/sys/fs/cgroup"), 2))


class Cgroup:
    """A memory cgroup of version 1 or 2."""

    def __init__(self, path: Path, version: int) -> None:
        self.path = path
        self._version = version

    def _read(self, name: str) -> int:
        return int((self.path / name).read_text())

    @property
    def peak(self) -> int:
        """The most bytes that it had at once."""
        return self._read("memory.max_usage_in_bytes" if self._version == 1 else "memory.peak")

    @property
    def kills(self) -> int:
        """How many of its processes the kernel killed for want of memory."""
        name = "memory.oom_control" if self._version == 1 else "memory.events"
        words = (self.path / name).read_text().split()
        return int(words[words.index("oom_kill") + 1])

    def pids(self) -> list[int]:
        """The ids of the processes in it."""
        return [int(word) for word in (self.path / "cgroup.procs").read_text().split()]


def _limited(path: Path, version: int, limit: int) -> bool:
    """Whether there is a cgroup at `path` now that may have `limit` bytes."""
    try:
        path.mkdir()
        (path / ("memory.limit_in_bytes" if version == 1 else "memory.max")).write_text(str(limit))
        return True
    except OSError:
        with contextlib.suppress(OSError):
            path.rmdir()
        return False


@contextlib.contextmanager
def cgroup(limit: int) -> Iterator[Cgroup]:
    """A new cgroup that may have `limit` bytes of memory; what is in it at the end is killed."""
    name = f"redistill-test-{os.getpid()}-{random.randrange(2**32)}"
    root, version = next((one for one in ROOTS if _limited(one[0] / name, one[1], limit)), (None, 0))
    if root is None:
        servers.missing("memory cgroups cannot be made here; it takes root")
    made = Cgroup(root / name, version)
    try:
        yield made
    finally:
        for pid in made.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        servers.until(lambda: not made.pids(), 10, "the cgroup is empty")
        made.path.rmdir()


def started(group: Cgroup, config: str) -> servers.Server:
    """A server inside of a cgroup."""
    place, port = servers.directory(), servers.free_port()
    text = servers.with_address(config, port, str(place / "s"))
    inside = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group.path / "cgroup.procs")]
    command = [*inside, *servers.command_line(place, text)]
    server = servers.start(command, ("127.0.0.1", port), place, servers.environment())
    # Workers that still start could not be told from those that were started again.
    servers.until(lambda: "listening on " in server.logged(), 30, "all workers serve")
    return server


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def fill(server: servers.Server, total: int, size: int = 10_000) -> None:
    """Write values of `size` bytes, `total` bytes in all, over four connections."""
    socks = [server.connect() for _ in range(4)]
    value, batch = os.urandom(size), 20
    for start in range(0, total // size, batch * len(socks)):
        for i, sock in enumerate(socks):
            first = start + i * batch
            sock.sendall(b"".join(command(b"SET", b"key:%d" % n, value) for n in range(first, first + batch)))
        for sock in socks:
            left = batch
            while left:
                left -= sock.recv(65536).count(b"\r\n")
    for sock in socks:
        sock.close()


def overwrite(server: servers.Server, total: int) -> None:
    """Write small values, `total` bytes in all, or until the server closes a connection for want of memory."""
    with contextlib.suppress(OSError):
        fill(server, total, size=1000)


def largest_value(server: servers.Server, most: int) -> int:
    """Bytes of the largest value, to a sixteenth, that can be written and read."""
    size = min(most // 2, 512 * MIB)
    while size > MIB:
        with contextlib.suppress(OSError), server.connect() as sock:
            sock.sendall(command(b"SET", b"large", bytes(size)))
            if sock.recv(100) == b"+OK\r\n":
                sock.sendall(command(b"GET", b"large"))
                left = size + len(b"$%d\r\n\r\n" % size)
                while left and (got := len(sock.recv(1 << 20))):
                    left -= got
                if not left:
                    return size
        size = size * 15 // 16
    return 0


def crowd(server: servers.Server, large: int, seconds: float) -> int:
    """Clients that ask for large replies and do not read, that read slowly, that send values without an end, and whose
    commands need as much memory as the largest value, all at once; how many of them were closed."""
    with server.connect() as sock:
        sock.sendall(command(b"SET", b"middle", bytes(200_000)) + command(b"SETRANGE", b"large", b"%d" % large, b"x"))
        sock.recv(100)
    opened: list[tuple[socket.socket, bytes]] = []
    for number in range(80):
        sock = server.connect()
        if number % 4 == 0:
            sock.sendall(command(b"GET", b"large"))
            more = b""
        elif number % 4 == 1:
            more = command(b"GET", b"middle") * 100
        elif number % 4 == 2:
            sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$%d\r\n" % large)
            more = bytes(100_000)
        else:
            sock.sendall(command(b"BITOP", b"NOT", b"copy%d" % number, b"large") * 3)
            more = b""
        sock.setblocking(False)
        opened.append((sock, more))
    closed, end = set(), time.monotonic() + seconds
    while time.monotonic() < end and len(closed) < len(opened):
        for sock, more in opened:
            if sock in closed or not more:
                continue
            try:
                sock.send(more)
                if len(more) < 100_000:
                    sock.recv(1000)
            except BlockingIOError:
                pass
            except OSError:
                closed.add(sock)
        select.select([], [], [], 0.001)
    for sock, _ in opened:
        sock.close()
    return len(closed)


def trial(limit: int, workers: int, config: str = "", seconds: float = 5.0, later: str = "") -> dict[str, int]:
    """The end of a server of so many workers (0: auto) in a cgroup of `limit` bytes, which is reloaded under load.
    `later`: the maxmemory that is set when it is full. AssertionError when a process was killed."""
    count = workers or '"auto"'
    text = f"[server]\nworkers = {count}\nmax_connections = 200\n{config}"
    with cgroup(limit) as group:
        server = started(group, text)
        try:
            fill(server, limit * 3 // 2)
            found = {"filled": group.peak // MIB}
            found["largest value"] = large = largest_value(server, limit) // MIB
            if later:
                with server.connect() as sock:
                    sock.sendall(command(b"CONFIG", b"SET", b"maxmemory", later.encode()))
                    assert (said := sock.recv(1000)) == b"+OK\r\n", said
            found["closed"] = crowd(server, max(large, 1) * MIB - 2000, seconds)
            writer = threading.Thread(target=overwrite, args=(server, limit // 2))
            writer.start()
            server.process.send_signal(signal.SIGHUP)
            crowd(server, max(large, 1) * MIB - 2000, seconds / 2)
            writer.join()
            fill(server, limit // 4, size=100)
            servers.until(lambda: "configuration reloaded" in server.logged(), 30, "the reload begins")
            if len(group.pids()) > 1:
                servers.until(lambda: "workers were replaced" in server.logged(), 30, "the reload ends")
            with server.connect() as sock:
                sock.sendall(b"INFO memory\r\n")
                said = sock.recv(65536)
            facts = dict(line.split(":", 1) for line in said.decode().splitlines() if ":" in line)
            found |= {"maxmemory": int(facts["maxmemory"]) // MIB, "peak": group.peak // MIB, "kills": group.kills}
            assert "SIGKILL" not in server.logged(), f"{group.kills} killed: {server.logged()}"
            return found
        except OSError as problem:
            raise AssertionError(f"{problem}; {group.kills} killed, peak {group.peak}: {server.logged()}") from problem
        finally:
            server.stop(signal.SIGKILL)


LATER = "75 % later"
CONFIGURATIONS = {"default": "", "75 %": '[memory]\nmax_memory = "75%"\n', LATER: ""}


def main(sizes: list[int]) -> None:
    """Print a line for each cgroup."""
    for size in sizes or [256, 512, 1024, 4096]:
        for workers in (0, 1, 2, 8):
            for name, config in CONFIGURATIONS.items():
                title = f"{size} MiB, {workers or 'auto'} workers, {name}:"
                try:
                    print(title, trial(size * MIB, workers, config, later="75%" * (name == LATER)), flush=True)
                except Exception as problem:
                    print(title, f"FAILED {str(problem)[:2000]}", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
