"""Limits on connections, as factories around a factory: `RateLimit` on new ones, `TotalLimit`, `AddressLimit`.

In `buildProtocol` each limit asks `engine.shared.Admission`, which decides and counts over all workers, and returns the
protocol of the factory that it wraps unchanged. It adds its releases to the protocol's `releases`, which the protocol
calls when its connection is lost. So limits stack in any order, and cost nothing while a client is served.
`wiring/clients.py` stacks them around `protocol.RespFactory`. A refused client gets one error line (`Refusal`) before
its connection is closed.

A new limit is a subclass of `Limit` that names its setting and its error line, and asks in `admit`. The protocol of the
innermost factory needs a tuple `releases`, and that factory a `readmit` beside `buildProtocol`, for connections that
another worker has admitted: they are counted and never refused.

Most refused connections do not reach these factories: with `accept_limits.AcceptLimits` the loop in C refuses them as
it accepts, which costs less. A new limit goes there, too, and into core/arena/admission.c, which counts all refusals.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any
from typing import Protocol as Interface

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill.base.throttle import SELDOM
from redistill.config.config import Config
from redistill.net import sockets

log = Logger()


class Refusal(Protocol):
    """The protocol of a refused client: writes one error line and closes."""

    transport: Any
    releases: tuple[Callable[[], None], ...] = ()

    def __init__(self, line: bytes) -> None:
        self.line = line

    def connectionMade(self) -> None:
        self.transport.write(self.line)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        for release in self.releases:
            release()


class Admission(Interface):
    """Decides for all workers; see engine.shared.Admission."""

    def enter(self, local: bool, limit: int, kept: int) -> bool: ...
    def leave(self, local: bool) -> None: ...
    def enter_address(self, address: bytes, limit: int) -> bool: ...
    def leave_address(self, address: bytes) -> None: ...
    def take(self, local: bool, per_second: int, kept: int, seconds: float) -> bool: ...


Release = Callable[[], None]


@implementer(IProtocolFactory)
class Limit:
    """A factory that admits some connections to another one. Subclasses decide in `admit`."""

    noisy = False
    setting: str
    """The name of the limit's setting."""
    words: bytes
    """The error line sent to a refused client."""

    def __init__(self, factory: IProtocolFactory, limit: int, admission: Admission) -> None:
        """`limit` 0: none. It may be set at any time; a lower one closes no connection."""
        self.factory = factory
        self.limit = limit
        self.admission = admission

    def doStart(self) -> None:
        self.factory.doStart()

    def doStop(self) -> None:
        self.factory.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        admitted = self.admit(addr, self.limit)
        if admitted is None:
            host = getattr(addr, "host", None)
            self.log_refused(host, [] if host is None else [host])
            return Refusal(self.words)
        return self._counted(admitted, self.factory.buildProtocol, addr)

    def log_refused(self, host: str | None, hosts: Sequence[str], count: int = 1, *, more: bool = False) -> None:
        """Log `count` refused connections, the last of them from `host`; None: over a UNIX socket. They came from
        `hosts`, and from `more` of them if there were too many to name. Each limit has a summary of its own."""
        log.warn(
            "{peer} is refused: {setting} = {limit}",
            peer=host or "a local client",
            setting=self.setting,
            limit=self.limit,
            log_throttle=SELDOM,
            log_kind=self.setting,
            log_count=count,
            log_from=hosts,
            log_from_more=more,
        )

    def readmit(self, addr: IAddress) -> IProtocol | None:
        """As buildProtocol, for a connection that another worker admitted and handed over: counted, never refused."""
        factory: Any = self.factory
        return self._counted(self.admit(addr, 0), factory.readmit, addr)

    def _counted(self, admitted: Any, build: Callable[[IAddress], Any], addr: IAddress) -> IProtocol | None:
        protocol: Any = None
        try:
            protocol = build(addr)
        finally:
            if protocol is None:
                for release in admitted:
                    release()
        if protocol is not None:
            protocol.releases += admitted
        return protocol  # type: ignore[no-any-return]

    def apply(self, config: Config) -> None:
        """Limit connections as `config` says."""
        limit: Any = config.get(self.setting)
        self.limit = limit

    def admit(self, addr: IAddress, limit: int) -> tuple[Release, ...] | None:
        """Count a connection from `addr`. Returns what to call when it is lost; None: `limit` refuses it."""
        raise NotImplementedError


class TotalLimit(Limit):
    """At most `limit` connections at the same time, of which `kept` are for clients of this machine."""

    setting = "server.max_connections"
    words = b"-ERR max number of clients reached\r\n"

    def __init__(self, factory: IProtocolFactory, limit: int, kept: int, admission: Admission) -> None:
        """`kept` may be set at any time, as `limit`."""
        super().__init__(factory, limit, admission)
        self.kept = kept

    def apply(self, config: Config) -> None:
        """Limit connections as `config` says, as far as the limit of open files allows it."""
        self.limit, self.kept = sockets.allow_files(config.server.max_connections), config.server.reserved_connections

    def admit(self, addr: IAddress, limit: int) -> tuple[Release, ...] | None:
        local = is_local(addr)
        if not self.admission.enter(local, limit, self.kept):
            return None
        return (lambda: self.admission.leave(local),)


class AddressLimit(Limit):
    """At most `limit` connections of one IP address at the same time; those over a UNIX socket are not counted."""

    setting = "server.max_connections_per_ip"
    words = b"-ERR max number of clients reached for your address\r\n"

    def admit(self, addr: IAddress, limit: int) -> tuple[Release, ...] | None:
        address = packed(addr)
        if not address:
            return ()
        if not self.admission.enter_address(address, limit):
            return None
        return (lambda: self.admission.leave_address(address),)


class RateLimit(Limit):
    """At most `limit` new connections a second: a bucket that holds one second's worth and fills steadily. The last
    `kept` of it are for clients of this machine."""

    setting = "server.connection_rate_limit"
    words = b"-ERR max number of new clients per second reached\r\n"

    def __init__(
        self,
        factory: IProtocolFactory,
        limit: int,
        kept: int,
        admission: Admission,
        seconds: Callable[[], float],
    ) -> None:
        """`kept` may be set at any time, as `limit`. `seconds` is a monotonic clock, the same in all workers."""
        super().__init__(factory, limit, admission)
        self.kept = kept
        self._seconds = seconds

    def apply(self, config: Config) -> None:
        super().apply(config)
        self.kept = config.server.reserved_connections

    def admit(self, addr: IAddress, limit: int) -> tuple[Release, ...] | None:
        return () if self.admission.take(is_local(addr), limit, self.kept, self._seconds()) else None


def is_local(addr: IAddress) -> bool:
    """Whether a client at `addr` is on this machine: it came over loopback, or over a UNIX socket."""
    if not isinstance(addr, (IPv4Address, IPv6Address)):
        return True
    address = ipaddress.ip_address(addr.host)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def packed(addr: IAddress) -> bytes:
    """The IP address in 16 bytes, IPv4 in IPv6; b"" when there is none."""
    if not isinstance(addr, (IPv4Address, IPv6Address)):
        return b""
    address = ipaddress.ip_address(addr.host)
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
