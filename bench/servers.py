"""The servers that are measured, and what the system knows of their processes.

Each runs in a directory of its own and listens on one address: a free TCP port of the loopback, with TLS or without, or
a UNIX socket.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.programs import LACKS, SERVERS, Line, NotAvailable, Place, shown

START_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    protocol: str  # "resp" or "memcached"
    argv: list[str]
    process: subprocess.Popen[bytes]
    place: Place
    start_seconds: float  # from exec to the first answer

    def command_line(self) -> str:
        """The command line that started it."""
        return shown(self.argv, self.place)

    def address(self) -> list[str]:
        """The address in the form that bench/load.c reads."""
        if self.place.transport == "unix":
            return ["--unix", self.place.path, "--protocol", self.protocol]
        tls = ["--tls"] if self.place.transport == "tls" else []
        return ["--port", str(self.place.port), "--protocol", self.protocol, *tls]

    def connect(self) -> socket.socket:
        return connect(self.place)

    def ask(self, *command: str) -> bytes:
        """The reply to a command: of a RESP bulk its content, else the line without its type; memcached's up to END."""
        with self.connect() as conversation:
            return ask(conversation, self.protocol, *command)

    def pids(self) -> list[int]:
        """The process and its descendants."""
        parents: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self) -> float:
        """User and system time so far of all its processes, in the kernel's nanoseconds."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids())  # clock_getcpuclockid(3)

    def cpu_percent(self, seconds: float) -> float:
        """The server's share of one CPU in the next seconds."""
        cpu = self.cpu_seconds()
        time.sleep(seconds)
        return (self.cpu_seconds() - cpu) / seconds * 100

    def resident_bytes(self) -> int:
        """Memory of all its processes that is in RAM; what they share is counted once."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def used_bytes(self) -> int:
        """Memory for data as the server itself counts it."""
        if self.protocol == "memcached":
            return int(self.ask("stats").partition(b"STAT bytes ")[2].split()[0])
        return int(self.ask("INFO", "memory").partition(b"used_memory:")[2].split()[0])


def connect(place: Place) -> socket.socket:
    """A connection to the server there. OSError."""
    if place.transport == "unix":
        conversation = socket.socket(socket.AF_UNIX)
        conversation.settimeout(10)
        try:
            conversation.connect(place.path)
        except OSError:
            conversation.close()
            raise
        return conversation
    plain = socket.create_connection(("127.0.0.1", place.port), timeout=10)
    if place.transport == "tcp":
        return plain
    context = ssl.create_default_context(cafile=place.certificate[0])
    with plain:
        return context.wrap_socket(plain, server_hostname="127.0.0.1")


def reset_at_end(conversation: socket.socket) -> None:
    """Have a connection end with a reset, which leaves no port behind in TIME_WAIT."""
    conversation.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ask(conversation: socket.socket, protocol: str, *command: str) -> bytes:
    """`Server.ask` over an open connection."""
    conversation.sendall(" ".join(command).encode() + b"\r\n")
    with conversation.makefile("rb") as replies:
        line = replies.readline().rstrip()
        if protocol == "resp":
            return replies.read(int(line[1:]) + 2)[:-2] if line.startswith(b"$") else line[1:]
        while line.startswith(b"STAT") and not line.endswith(b"END"):
            line += b"\n" + replies.readline().rstrip()
        return line


def queued_ns(pids: list[int]) -> int:
    """How long these processes were ready to run and had no CPU, so far."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
        except OSError:
            continue
    return total


def free_port() -> int:
    """A port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_certificate(place: Place) -> None:
    """A self-signed certificate for 127.0.0.1, with a P-256 key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(
        now + datetime.timedelta(days=2)
    )
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    files = [Path(path) for path in place.certificate]
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def cpus_of(name: str) -> frozenset[int]:
    """The CPUs that a server is given: the first one, or the first two for two workers."""
    return frozenset(range(2 if "2 workers" in name else 1))


@contextlib.contextmanager
def running(name: str, directory: Path, transport: str = "tcp", line: Line | None = None) -> Iterator[Server]:
    """Start the server in a new directory below `directory`; it answers. It is stopped at the end.

    `line` stands for another command line than that of SERVERS. Raises NotAvailable.
    """
    place = Place(directory / f"{len(list(directory.iterdir()))}", transport, free_port(), cpus_of(name))
    place.directory.mkdir()
    if transport == "tls":
        _write_certificate(place)
    argv = (line or SERVERS[name])(place)
    protocol = "memcached" if name == "memcached" else "resp"
    env = {key: value for key, value in os.environ.items() if not key.startswith(("REDIS_", "REDISTILL_"))}
    log = place.directory / "log"
    with log.open("wb") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            argv,
            cwd=place.directory,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: os.sched_setaffinity(0, place.cpus),
        )
    try:
        while not _answers(place, protocol):
            if process.poll() is not None or time.monotonic() > start + START_SECONDS:
                said = log.read_text(errors="replace").strip()
                for words, meaning in LACKS.items():
                    if words in said:
                        raise NotAvailable(meaning)
                sys.exit(f"{argv[0]} did not start: {said[-2000:]}")
            time.sleep(0.001)
        yield Server(name, protocol, argv, process, place, time.monotonic() - start)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def started(names: Iterable[str], lacking: dict[str, str], transport: str = "") -> Iterator[dict[str, Server]]:
    """Several servers at once, by name. Why one is not among them is written into `lacking`, with the transport if it
    is given; else the transport is TCP."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = {}
        for name in names:
            try:
                found[name] = stack.enter_context(running(name, directory, transport or "tcp"))
            except NotAvailable as why:
                lacking[f"{name}, {transport}" if transport else name] = str(why)
        yield found


def _answers(place: Place, protocol: str) -> bool:
    try:
        with connect(place) as conversation:
            return ask(conversation, protocol, "PING" if protocol == "resp" else "version") != b""
    except OSError:
        return False
