"""The listening sockets of a server, and how they are replaced while it runs.

`CONFIG SET bind` and `CONFIG SET port` come here: new addresses are bound first, the processes that serve get the new
sockets, and only then are the old ones closed. The UNIX socket, and an address that is named as before, keep their
socket and the connections in its queue. A bind that fails changes nothing.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from twisted.internet.interfaces import IReactorTime

from redistill.base.failures import Refused
from redistill.config.config import Config
from redistill.config.endpoints import kind
from redistill.net.sockets import (
    PassedSocket,
    StartError,
    close_listeners,
    listen_on,
    listen_unix,
    log_addresses,
    set_keepalive,
    shown,
)
from redistill.net.tls.context import speaks_tls

Listeners = Sequence[Sequence[socket.socket]]
"""The bound sockets of each worker; several workers may have the same one."""


class Place(NamedTuple):
    """The address that a TCP socket is bound to."""

    host: str
    port: int
    only_v6: bool

    @classmethod
    def of(cls, listener: socket.socket) -> Place:
        """The place of a bound socket."""
        host, port = listener.getsockname()[:2]
        address = ipaddress.ip_address(host)
        # An address that is none of IPv4's cannot be reached over it, whatever the option says.
        only_v6 = listener.family == socket.AF_INET6 and (
            not address.is_unspecified or bool(listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
        )
        return cls(address.compressed, port, only_v6)


class Listening:
    """The listening sockets of all workers. Changes come one after another; each is to be followed by `settle`."""

    def __init__(self, config: Config, workers: int, passed: Mapping[int, PassedSocket] = MappingProxyType({})) -> None:
        """Bind the addresses, ports and UNIX socket of `config`. Those of them that the service manager listens on
        already are not bound: all workers accept on the socket `passed` for it. Raises StartError."""
        self._workers = workers
        self._security = config.security
        self._unix: socket.socket | None = None
        self._retired: list[list[socket.socket]] = []
        self._tcp: list[list[socket.socket]] = []
        theirs = ", ".join(shown(one.getsockname()) for one in passed.values())
        try:
            tcp = [one for one in passed.values() if one.family != socket.AF_UNIX]
            self._tcp = self._bound(config, [[one] * workers for one in tcp])
            # The kernel spreads no clients over these: all workers accept on one.
            if path := config.server.unix_socket:
                held = {one.getsockname(): one for one in passed.values()}
                self._unix = held.get(os.path.abspath(path)) or listen_unix(path)
            using = {one for some in self._all() for one in some}
            self._expect_no_overlap(config, [one for one in tcp if one not in using])
        except StartError as problem:
            close_listeners([*self._all(), list(passed.values())])
            if not passed:
                raise
            raise StartError(f"{problem} (the .socket unit has ListenStream= {theirs}; make it the same)") from None
        self.adopted = {fd for fd, one in passed.items() if one in using}
        """The descriptors of `passed` that are in use."""
        for one in passed.values():
            if one not in using:
                one.close()
            elif one.family != socket.AF_UNIX:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, config.performance.tcp_nodelay)
                set_keepalive(one, config.performance.tcp_keepalive)
        self._wanted = self._key(config)
        self.listeners = self._all()
        """The sockets of each worker; another object with each change."""

    def apply(self, config: Config) -> None:
        """Listen where `config` says. The previous sockets stay open until `settle`. Raises Refused, and nothing has
        changed."""
        if self._key(config) == self._wanted:
            return
        try:
            tcp = self._bound(config, [*self._tcp, *self._retired])
        except StartError as problem:
            moved = config.server.bind != self._wanted[0]
            words = "Failed to bind to specified addresses" if moved else "Unable to listen on this port"
            raise Refused("bind" if moved else "port", f"{words}: {problem}") from None
        retired = [*self._tcp, *self._retired]
        self._retired = [some for some in retired if all(some is not one for one in tcp)]
        self._tcp, self._wanted = tcp, self._key(config)
        self.listeners = self._all()

    def settle(self) -> None:
        """Close the sockets that `apply` has replaced: all workers accept on the new ones."""
        if self._retired:
            close_listeners(self._retired)
            self._retired = []
            self.log_addresses()

    def log_addresses(self) -> None:
        """Log where clients can connect, and where they speak TLS."""
        log_addresses(self.listeners, lambda listener: speaks_tls(listener, self._security))

    def close(self) -> None:
        """Close all sockets."""
        close_listeners([*self.listeners, *self._retired])
        self._tcp, self._retired, self.listeners = [], [], [[] for _ in range(self._workers)]

    def _expect_no_overlap(self, config: Config, unused: Iterable[PassedSocket]) -> None:
        """Raise StartError when the service manager listens on a port of the server, at an address that is none of the
        server's: clients that come to it would wait for ever, and those of the server too if its addresses overlap."""
        if any(kind(one) == "systemd" for one in config.server.endpoints):
            return
        for one in unused:
            address = one.getsockname()
            if address[1] in (config.server.port, config.security.tls_port):
                raise StartError(f"server.bind: {shown(address)} is none of its addresses; set it to that one")

    def _key(self, config: Config) -> tuple[tuple[str, ...], int]:
        return config.server.bind, config.server.port

    def _all(self) -> list[list[socket.socket]]:
        found = [[some[number] for some in self._tcp] for number in range(self._workers)]
        if self._unix is not None:
            for some in found:
                some.append(self._unix)
        return found

    def _bound(self, config: Config, held: Iterable[list[socket.socket]]) -> list[list[socket.socket]]:
        """The sockets of each address and port, one a worker, including those already `held`."""
        if config.server.port and config.server.port == config.security.tls_port:
            raise StartError("server.port: security.tls_port is the same port; set another one")
        known = {Place.of(some[0]): some for some in held}
        found: list[list[socket.socket]] = []
        try:
            for setting, port in (("server.port", config.server.port), ("security.tls_port", config.security.tls_port)):
                if port:
                    found += listen_on(
                        config.server.bind,
                        port,
                        settings=("server.bind", setting),
                        nodelay=config.performance.tcp_nodelay,
                        keepalive=config.performance.tcp_keepalive,
                        count=self._workers,
                        held={place[0::2]: some for place, some in known.items() if place.port == port},
                    )
        except StartError:
            close_listeners(some for some in found if all(some is not one for one in known.values()))
            raise
        return found


class Server(Protocol):
    """See lifetime.service.ServerService."""

    def listen(self, listeners: Listeners) -> list[socket.socket]:
        """Accept clients on these sockets instead. OSError, and nothing has changed."""
        ...


class OwnListening:
    """The sockets of a process that accepts clients by itself."""

    def __init__(self, clock: IReactorTime, listening: Listening, server: Server) -> None:
        self._clock = clock
        self._listening = listening
        self._server = server

    def apply(self, config: Config) -> None:
        """Accept clients where `config` says. The old sockets stay open for a moment, in which the change may be
        undone. Raises Refused."""
        before = self._listening.listeners
        self._listening.apply(config)
        if self._listening.listeners is before:
            return
        try:
            self._server.listen(self._listening.listeners)
        except OSError as problem:
            raise Refused("port", f"Unable to listen on this port: {os.strerror(problem.errno or 0)}") from None
        self._clock.callLater(0, self._listening.settle)


def spread(listeners: Listeners) -> list[tuple[socket.socket, list[int]]]:
    """Each socket, once, and the numbers of the workers that have it."""
    found: dict[socket.socket, list[int]] = {}
    for number, some in enumerate(listeners):
        for listener in some:
            found.setdefault(listener, []).append(number)
    return list(found.items())
