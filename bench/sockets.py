"""Server CPU a command, Redistill's next to that of redis-server, over TCP with redis-benchmark as the load."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
CONNECTIONS = 50
KEYSPACE = 100_000
# Pipeline -> commands of a measurement: some half a second each.
COMMANDS = {1: 40_000, 16: 400_000, 64: 800_000}
START_SECONDS = 20.0


@dataclass(frozen=True)
class Server:
    """A running server: its process, TCP port, and UNIX socket."""

    pid: int
    port: int
    path: str

    def ask(self, *command: str) -> str:
        """The first line of the reply to an inline command, without its type."""
        with socket.socket(socket.AF_UNIX) as conversation:
            conversation.settimeout(10)
            conversation.connect(self.path)
            conversation.sendall(" ".join(command).encode() + b"\r\n")
            return conversation.makefile("rb").readline()[1:].decode().strip()

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _running(argv: Sequence[str], place: Path, port: int, cpu: int) -> Iterator[Server]:
    """Start a server that listens in `place`, on the core `cpu`; stop it at the end."""
    path = str(place / "s")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "REDISTILL_"))}
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=ROOT, env=env, stdout=log, stderr=log, preexec_fn=lambda: os.sched_setaffinity(0, {cpu})
        )
    server = Server(process.pid, port, path)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                if server.ask("PING") == "PONG":
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{argv[0]} did not start: {(place / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def redis_server(place: Path, cpu: int, options: Sequence[str] = ()) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(place / "s")]
    argv += ["--save", "", "--appendonly", "no", "--dir", str(place), *options]
    return _running(argv, place, port, cpu)


def redistill(place: Path, cpu: int) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    config = place / "redistill.toml"
    config.write_text(
        f'[server]\nport = {port}\nunix_socket = "{place / "s"}"\nworkers = 1\n[memory]\nmax_memory = "1gb"\n'
    )
    twistd = str(Path(sys.executable).with_name("twistd"))
    argv = [sys.executable, twistd, "--reactor", "redistill", "-n", "--pidfile=", f"--rundir={place}"]
    argv += ["redistill", "--config", str(config)]
    return _running(argv, place, port, cpu)


def load(server: Server, command: str, pipeline: int, cpu: int) -> float:
    """CPU microseconds of the server for one command."""
    count = COMMANDS[pipeline]
    argv = ["timeout", "60", "redis-benchmark", "-p", str(server.port), "-t", command, "-n", str(count), "-q"]
    argv += ["-P", str(pipeline), "-c", str(CONNECTIONS), "-d", "32", "-r", str(KEYSPACE)]
    before = server.cpu_seconds()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    return (server.cpu_seconds() - before) * 1e6 / count


def compare() -> dict[str, dict[str, float]]:
    """For "GET P=16" and so on: the CPU microseconds of both, and the median of the ratios of the rounds."""
    if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
        print("    no redis-server or no redis-benchmark: left out")
        return {}
    first, last = min(range(os.cpu_count() or 1)), (os.cpu_count() or 1) - 1
    results: dict[str, dict[str, float]] = {}
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (place / "ours").mkdir()
        (place / "theirs").mkdir()
        servers = {
            "redistill": stack.enter_context(redistill(place / "ours", first)),
            "redis": stack.enter_context(redis_server(place / "theirs", first)),
        }
        for server in servers.values():  # every key is there, so that every GET hits
            load(server, "set", 64, last)
        for pipeline in COMMANDS:
            for command in ("get", "set"):
                rounds: list[dict[str, float]] = []
                for turn in range(ROUNDS):
                    names = list(servers) if turn % 2 == 0 else list(servers)[::-1]
                    rounds.append({name: load(servers[name], command, pipeline, last) for name in names})
                row = {name: statistics.median(r[name] for r in rounds) for name in servers}
                row["ratio"] = statistics.median(r["redistill"] / r["redis"] for r in rounds)
                results[f"{command.upper()} P={pipeline}"] = row
                print(f"    {command} P={pipeline}: {row}", flush=True)
    return results
