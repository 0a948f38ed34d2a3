"""Listening sockets, bound before the daemon starts, so that a taken port stops the start.

An accepted socket inherits the options of the listening one (Linux), so all clients' options are set here, once.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import resource
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from twisted.logger import Logger

from redistill.base.failures import Refused
from redistill.config.config import Config

log = Logger()

BACKLOG = 511
UNIX_MODE = 0o660
"""Permissions of the UNIX socket: its owner and its group may connect."""
RESERVED_FILES = 192
"""Descriptors that are not for clients: 128 connections of the health port (`http.CONNECTIONS`), or in a worker, which
has no such port, 64 eventfds (`Store.set_wakers`); log, arena, reactor, listening sockets, the libraries' own."""


class StartError(Exception):
    """The daemon cannot start. The text is one line: the setting, the reason, the remedy."""


class NoSuchAddress(StartError):
    """This machine does not have the address, or no addresses of its kind."""


class PassedSocket(socket.socket):
    """A listening socket that the service manager has made, and keeps when this process ends."""


def passed_sockets(descriptors: Iterable[int]) -> dict[int, PassedSocket]:
    """The stream sockets that listen among some descriptors, which stay the caller's: copies, by descriptor."""
    found = {}
    for fd in descriptors:
        try:
            copy = PassedSocket(fileno=os.dup(fd))
        except OSError:  # not a socket
            continue
        if copy.type == socket.SOCK_STREAM and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            copy.setblocking(False)
            found[fd] = copy
        else:
            copy.close()
    return found


def listen_on(
    addresses: Sequence[str],
    port: int,
    *,
    nodelay: bool,
    keepalive: int,
    count: int = 1,
    settings: tuple[str, str] = ("server.bind", "server.port"),
    held: Mapping[tuple[str, bool], list[socket.socket]] = MappingProxyType({}),
) -> list[list[socket.socket]]:
    """Sockets of `listen_tcp` for each of the `addresses`; one after ``-`` may be missing on this machine. StartError.

    ``::`` stands for the addresses of IPv4 too, unless one of them is named as well. `held`: the sockets that this
    server has bound to the port, by address and whether they are of IPv6 only: such an address is not bound again, and
    others may overlap with it (127.0.0.1 with 0.0.0.0).
    """
    found: list[list[socket.socket]] = []
    fresh: list[list[socket.socket]] = []
    only_v6 = any(":" not in address for address in addresses)
    options: dict[str, Any] = {"nodelay": nodelay, "keepalive": keepalive, "count": count, "only_v6": only_v6}
    try:
        for address in addresses:
            host = numeric(address.removeprefix("-"))
            if known := held.get((host, ":" in host and (only_v6 or host != "::"))):
                found.append(known)
                continue
            try:
                with overlapping(held.values()):
                    fresh.append(listen_tcp(host, port, settings=settings, overlaps=bool(held), **options))
                found.append(fresh[-1])
            except NoSuchAddress as problem:
                if host == address or (not found and address == addresses[-1]):
                    raise
                log.warn("not listening on {address}: {problem}", address=host, problem=str(problem))
    except StartError:
        close_listeners(fresh)
        raise
    return found


def numeric(host: str) -> str:
    """An address in its shortest notation."""
    return "127.0.0.1" if host == "localhost" else ipaddress.ip_address(host).compressed


@contextlib.contextmanager
def overlapping(held: Iterable[Sequence[socket.socket]]) -> Iterator[None]:
    """A context in which the kernel lets other sockets be bound beside the `held` ones."""
    alone = [some[0] for some in held if len(some) == 1]
    for listener in alone:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        for listener in alone:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def listen_tcp(
    host: str,
    port: int,
    *,
    nodelay: bool,
    keepalive: int,
    count: int = 1,
    settings: tuple[str, str] = ("server.bind", "server.port"),
    only_v6: bool = False,
    overlaps: bool = False,
) -> list[socket.socket]:
    """Sockets that listen on `host`, an IP address or localhost. `keepalive` in seconds, 0: off. Raises StartError.

    With a `count` above 1 the kernel spreads the clients over them (SO_REUSEPORT). `settings`: the names of the
    address's and the port's. `only_v6`: ``::`` does not stand for the addresses of IPv4. `overlaps`: it may share
    addresses with another socket of this server (`overlapping`).
    """
    host = numeric(host)
    listeners: list[socket.socket] = []
    try:
        if count > 1 and not overlaps:
            # A socket that shares its port can be bound beside another program's; one that does not share it cannot.
            _bound(host, port, shared=False, only_v6=only_v6).close()
        for _ in range(count):
            listeners.append(listener := _bound(host, port, shared=count > 1 or overlaps, only_v6=only_v6))
            port = listener.getsockname()[1]
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
            set_keepalive(listener, keepalive)
            listener.listen(BACKLOG)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, count > 1)
    except OSError as problem:
        for listener in listeners:
            listener.close()
        if problem.errno == errno.EADDRINUSE:
            remedy = "stop the program that has it, or set another port"
        elif problem.errno == errno.EACCES:
            remedy = "ports below 1024 need a privilege; set another port"
        elif problem.errno == errno.EAFNOSUPPORT:
            raise NoSuchAddress(f"{settings[0]} = {host!r}: {_reason(problem)}; set it to an IPv4 address") from None
        elif problem.errno == errno.EADDRNOTAVAIL:
            raise NoSuchAddress(
                f"{settings[1]}: cannot listen on {host} port {port}: {_reason(problem)};"
                f" set {settings[0]} to an address of this machine"
            ) from None
        else:
            remedy = f"set {settings[0]} to an address of this machine"
        raise _refused(f"{settings[1]}: cannot listen on {host} port {port}", problem, remedy) from None
    return listeners


def _bound(host: str, port: int, *, shared: bool, only_v6: bool) -> socket.socket:
    """A bound socket. OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        if listener.family == socket.AF_INET6:
            # "::" means all addresses, those of IPv4 too, whatever the machine's default is.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6 or host != "::")
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def set_keepalive(listener: socket.socket, seconds: int) -> None:
    """Have the kernel probe clients silent for so many seconds, three times within as long again; 0: never."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(seconds))
    if seconds:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def listen_unix(path: str) -> socket.socket:
    """A socket that listens at `path`. The socket of a dead process there is replaced. Raises StartError."""
    path = os.path.abspath(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        _remove_dead(path)
        # Not chmod afterwards: by then a link to something else could be at the path.
        mask = os.umask(0o777 & ~UNIX_MODE)
        try:
            listener.bind(path)
        finally:
            os.umask(mask)
        listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        remedy = "stop the program that has it, or set another path"
        if problem.errno != errno.EADDRINUSE:
            remedy = "set a path in a directory that may be written to"
        raise _refused(f"server.unix_socket: cannot listen on {path!r}", problem, remedy) from None
    return listener


def close_listeners(listeners: Iterable[Iterable[socket.socket]], *, remove: bool = True) -> None:
    """Close all `listeners`; `remove` the files of UNIX sockets, unless another process goes on listening, as the
    service manager does."""
    for listener in {listener for some in listeners for listener in some}:
        if remove and listener.family == socket.AF_UNIX and not isinstance(listener, PassedSocket):
            with contextlib.suppress(OSError):
                os.unlink(listener.getsockname())
        listener.close()


def _remove_dead(path: str) -> None:
    """Remove the socket at `path` if no process listens on it. Any other file stays, and bind fails."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect(path)
    except FileNotFoundError:
        pass
    except ConnectionRefusedError:
        os.unlink(path)
    except BlockingIOError:  # a process listens, and is busy
        pass


def log_addresses(listeners: Iterable[Iterable[socket.socket]], uses_tls: Callable[[socket.socket], bool]) -> None:
    """Log the addresses that clients connect to, and of which of them a client `uses_tls`."""
    unique = {listener.getsockname(): listener for some in listeners for listener in some}
    for address, listener in unique.items():
        if uses_tls(listener):
            log.info("listening on {address}, with TLS", address=shown(address))
        else:
            log.info("listening on {address}", address=shown(address))


def shown(address: Any) -> str:
    """An address of getsockname as people write it; ``[::1]:6379`` for IPv6."""
    if isinstance(address, str):
        return address
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class OpenFiles:
    """The limit of open files, which ``server.max_connections`` needs."""

    def __init__(self, running: Callable[[], Config]) -> None:
        """`running` gives the configuration in effect."""
        self._running = running

    def apply(self, config: Config) -> None:
        """Raise the limit as far as the system allows. Refused: fewer connections fit than `config` newly asks for."""
        wanted = config.server.max_connections
        possible = allow_files(wanted)
        if wanted not in (possible, self._running().server.max_connections):
            raise Refused("maxclients", f"The operating system allows {possible} clients and no more")


def allow_files(connections: int) -> int:
    """Raise this process's limit of open files so that `connections` (0: as many as possible) fit.

    Returns how many do, which is less when the hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_FILES if connections else hard
    if soft != resource.RLIM_INFINITY and (soft < wanted or wanted == resource.RLIM_INFINITY):
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections or soft, max(1, soft - RESERVED_FILES))


def _refused(place: str, problem: OSError, remedy: str) -> StartError:
    return StartError(f"{place}: {_reason(problem)}; {remedy}")


def _reason(problem: OSError) -> str:
    return os.strerror(problem.errno) if problem.errno else str(problem)
