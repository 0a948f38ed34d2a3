"""The reactor around the loop in C. ``twistd redistill`` runs on it, unless another was asked for by name.

It is Twisted's epoll reactor, but waits on the epoll of `loop.Loop`, in which Twisted's own is one descriptor among
those of the clients. So while only clients' descriptors are ready, a turn is one epoll_wait and no Python. When a timer
is due, a signal has arrived, a thread calls, or another descriptor is ready, this reactor acts as `EPollReactor`. Ports
that listen on this reactor are those of `ports.py`.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import UnsupportedAddressFamily
from twisted.internet.interfaces import IProtocolFactory

from redistill.net import ports
from redistill.net.loop import Loop
from redistill.net.transport import adopt

BEHIND = 0.01
"""Seconds between two checks whether a configuration that was announced has arrived."""


class RedistillReactor(EPollReactor):
    """Twisted's epoll reactor, waiting in the loop that serves clients."""

    seconds = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.loop = Loop()
        super().__init__()
        self.loop.watch(self._poller.fileno())

    def doPoll(self, timeout: float | None) -> None:
        """Serve clients until something else is ready, `timeout` seconds at most; None: without end."""
        if self.loop.turn(timeout):
            # A process that is behind polls slowly for the configuration: its sender may have been stopped.
            super().doPoll(BEHIND if self.loop.behind else 0)

    doIteration = doPoll

    def removeAll(self) -> list[Any]:
        """Stop reading and writing. Returns the descriptors concerned, the loop's clients and ports included."""
        served = [*self.loop.transports(), *self.loop.ports()]
        for reader in served:
            reader.stopReading()
        return [*super().removeAll(), *served]

    def listenTCP(self, port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = "") -> ports.Port:
        return ports.listen(ports.Port(port, factory, backlog, interface, self), self.loop)

    def listenUNIX(
        self, address: Any, factory: IProtocolFactory, backlog: int = 50, mode: int = 0o666, wantPID: int = 0
    ) -> ports.UNIXPort:
        return ports.listen(ports.UNIXPort(address, factory, backlog, mode, self, wantPID), self.loop)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> Any:
        if addressFamily not in self._supportedAddressFamilies:
            raise UnsupportedAddressFamily(addressFamily)
        return ports.adopt_port(self, self.loop, fileDescriptor, addressFamily, factory)

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> Any:
        if addressFamily not in self._supportedAddressFamilies:
            raise UnsupportedAddressFamily(addressFamily)
        sock = socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM)
        protocol: Any = adopt(self, self.loop, sock, factory.buildProtocol)
        return protocol and protocol.transport


def use_monotonic_time(reactor: Any) -> None:
    """Run the timers of any reactor by the monotonic clock: otherwise they stop for as long as the wall clock is set
    back, and all are due at once when it is set forward. Calls that are scheduled already keep their delay."""
    now = reactor.seconds()
    calls = reactor.getDelayedCalls()
    reactor.seconds = time.monotonic
    for call in calls:
        call.seconds = time.monotonic
        call.reset(call.getTime() - now)


def install() -> None:
    """Make `RedistillReactor` the process's reactor."""
    from twisted.internet.main import installReactor

    installReactor(RedistillReactor())
