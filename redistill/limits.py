"""Limits on connections, as factories around a factory.

They count in `buildProtocol` and hand the protocol through as it is; each adds its release to the protocol's `leaving`,
which the protocol calls when its connection is lost. So they stack in any order, and cost nothing while a client is
served. A client that is refused is told why before its connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill.stats import DaemonCounters

TOO_MANY = b"-ERR max number of clients reached\r\n"
TOO_MANY_OF_ADDRESS = b"-ERR max number of clients reached for your address\r\n"
TOO_FAST = b"-ERR max number of new clients per second reached\r\n"


class Refusal(Protocol):
    """Says one line and closes."""

    transport: Any
    leaving: tuple[Callable[[], None], ...] = ()

    def __init__(self, line: bytes) -> None:
        self._line = line

    def connectionMade(self) -> None:
        self.transport.write(self._line)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        for release in self.leaving:
            release()


@implementer(IProtocolFactory)
class Limit:
    """A factory that lets some connections through to another one. Subclasses say which in `admit`."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, limit: int, counters: DaemonCounters) -> None:
        """`limit` 0: none. It may be set at any time; nobody who is connected is closed for it."""
        self.factory = factory
        self.limit = limit
        self.counters = counters

    def doStart(self) -> None:
        self.factory.doStart()

    def doStop(self) -> None:
        self.factory.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        if line := self.admit(addr):
            self.counters.connections_received += 1
            self.counters.rejected_connections += 1
            return Refusal(line)
        protocol: Any = self.factory.buildProtocol(addr)
        if protocol is not None:
            protocol.leaving += self.enter(addr)
        return protocol  # type: ignore[no-any-return]

    def admit(self, addr: IAddress) -> bytes:
        """What to say to a connection from `addr` that is refused; b"" lets it through."""
        raise NotImplementedError

    def enter(self, addr: IAddress) -> tuple[Callable[[], None], ...]:
        """Count a connection that was let through; what to call when it is lost."""
        return ()


class TotalLimit(Limit):
    """At most `limit` connections at the same time."""

    open = 0

    def admit(self, addr: IAddress) -> bytes:
        return TOO_MANY if self.limit and self.open >= self.limit else b""

    def enter(self, addr: IAddress) -> tuple[Callable[[], None], ...]:
        self.open += 1
        return (self._leave,)

    def _leave(self) -> None:
        self.open -= 1


class AddressLimit(Limit):
    """At most `limit` connections of one IP address at the same time; those over a UNIX socket are not counted."""

    def __init__(self, factory: IProtocolFactory, limit: int, counters: DaemonCounters) -> None:
        super().__init__(factory, limit, counters)
        self._open: dict[str, int] = {}

    def admit(self, addr: IAddress) -> bytes:
        host = _host(addr)
        return TOO_MANY_OF_ADDRESS if host and self.limit and self._open.get(host, 0) >= self.limit else b""

    def enter(self, addr: IAddress) -> tuple[Callable[[], None], ...]:
        host = _host(addr)
        if not host:
            return ()
        self._open[host] = self._open.get(host, 0) + 1
        return (lambda: self._leave(host),)

    def _leave(self, host: str) -> None:
        self._open[host] -= 1
        if not self._open[host]:
            del self._open[host]


class RateLimit(Limit):
    """At most `limit` new connections a second: a bucket that holds one second's worth and fills steadily."""

    def __init__(self, factory: IProtocolFactory, limit: int, counters: DaemonCounters, clock: IReactorTime) -> None:
        super().__init__(factory, limit, counters)
        self._clock = clock
        self._room = float(limit)
        self._filled_at = clock.seconds()

    def admit(self, addr: IAddress) -> bytes:
        if not self.limit:
            return b""
        now = self._clock.seconds()
        self._room = min(float(self.limit), self._room + (now - self._filled_at) * self.limit)
        self._filled_at = now
        if self._room < 1:
            return TOO_FAST
        self._room -= 1
        return b""


def _host(addr: IAddress) -> str:
    """The IP address, IPv4 in IPv6 as IPv4; "" when there is none."""
    if not isinstance(addr, (IPv4Address, IPv6Address)):
        return ""
    return addr.host.removeprefix("::ffff:") if "." in addr.host else addr.host
