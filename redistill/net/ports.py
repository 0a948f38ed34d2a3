"""Ports, for TCP and UNIX sockets, whose connections get the transports of `transport.py`.

They are Twisted's own in everything else. With limits the loop in C accepts, and refuses connections that exceed a
limit.
"""

from __future__ import annotations

import os
import socket
from typing import Any, TypeVar

from twisted.internet import tcp, unix
from twisted.internet.interfaces import IProtocolFactory
from twisted.python.failure import Failure
from twisted.python.log import msg

from redistill.net.accept_limits import AcceptLimits
from redistill.net.loop import Loop
from redistill.net.loop_listener import LoopListener
from redistill.net.transport import Server, UNIXServer, peer_of

_P = TypeVar("_P", "Port", "UNIXPort", "Port | UNIXPort")


class Port(tcp.Port):
    """Accepts over TCP; by the loop, if it has limits."""

    transport: Any = Server
    loop: Loop
    limits: AcceptLimits | None = None
    factory: Any
    reactor: Any
    sessionno: int
    _listener: LoopListener | None = None

    def startReading(self) -> None:
        if self.limits is None:
            super().startReading()
        elif self._listener is None:
            self._listener = self.loop.listen(self.fileno(), self.limits, self)

    def stopReading(self) -> None:
        if self._listener is None:
            super().stopReading()
        else:
            self._listener.close()
            self._listener = None

    def clientAccepted(self, fd: int) -> None:
        """The loop has accepted a connection; -1: accept failed, and Twisted's doRead deals with that."""
        if fd < 0:
            self.doRead()
            return
        sock = socket.socket(fileno=fd)
        protocol = None
        try:
            client = peer_of(sock)
            if client is not None:
                protocol = self.factory.buildProtocol(self._buildAddr(client))
        finally:
            if protocol is None:
                sock.close()
        if protocol is not None:
            number, self.sessionno = self.sessionno, self.sessionno + 1
            protocol.makeConnection(self.transport(sock, protocol, client, self, number, self.reactor))


class UNIXPort(Port, unix.Port):
    """Accepts over a UNIX socket."""

    transport: Any = UNIXServer


class SharedUNIXPort(UNIXPort):
    """Accepts on a socket that listens already. Another object makes and removes its file."""

    factory: Any
    fileno: Any
    socket: Any
    _shouldShutdown = False  # a shutdown would end it for the other processes, too

    def startListening(self) -> None:
        tcp._reservedFD.reserve()
        msg(f"{self._getLogPrefix(self.factory)} starting on {os.fsdecode(self._bindPath)!r}")
        self.factory.doStart()
        self.connected = True
        self.socket, self._preexistingSocket = self._preexistingSocket, None
        self.fileno = self.socket.fileno
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        tcp.Port.connectionLost(self, reason)


def adopt_port(
    reactor: Any, loop: Loop, fd: int, family: int, factory: IProtocolFactory, limits: AcceptLimits | None = None
) -> Port | UNIXPort:
    """Accept on a socket that listens already; `fd` stays the caller's. Connections can be served by `loop`.

    With `limits` the loop accepts, and applies them.
    """
    if family == socket.AF_UNIX:
        port: Port | UNIXPort = SharedUNIXPort._fromListeningDescriptor(reactor, fd, factory)
    else:
        port = Port._fromListeningDescriptor(reactor, fd, family, factory)
    port.limits = limits
    return listen(port, loop)


def listen(port: _P, loop: Loop) -> _P:
    """Start `port`, whose connections can be served by `loop`. Raises CannotListenError."""
    port.loop = loop
    port.startListening()
    return port
