"""Ports and transports, for TCP and UNIX sockets, that write at once and can give their socket to the loop in C.

They are Twisted's own in everything else. A protocol that has a session calls `serve`: from then on `loop.Loop`
receives, executes and sends on the socket, and this transport only waits for its end. What ends it (loseConnection,
abortConnection, an error) takes the socket back first, with what the peer has not read yet, and goes Twisted's way. A
transport whose socket is not served reads through its reactor, as any other.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet import main, tcp, unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.python.failure import Failure

from redistill.engine import Session
from redistill.loop import Client, Line, Loop

# Either of Twisted's server transports, of which `_Direct` changes a few methods.
_Base = tcp.Server if TYPE_CHECKING else object


class _Direct(_Base):
    """Mixed into one of Twisted's server transports."""

    loop: Loop
    _line: Line | None = None

    def serve(self, session: Session, client: Client) -> Line:
        """Have the loop receive, execute and send from now on; `client` hears when the session stops. OSError."""
        self.stopReading()
        self._line = self.loop.add(session, self, client)
        return self._line

    def detach(self) -> socket.socket | None:
        """Let go of the connection without closing it: the socket, which is the caller's, out of loop and reactor.

        Nothing may be left to write. The protocol is told nothing. None: it is closed, or closing.
        """
        if not self.connected or self.disconnecting:
            return None
        self._take_back()
        self.stopReading()
        self.stopWriting()
        self.connected, self.disconnected = 0, 1
        self.producer = None
        found: socket.socket = self.socket
        del self.protocol, self.socket, self.fileno
        return found

    def _take_back(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.remove()

    # ---- the loop's ----

    def lineEnded(self) -> None:
        self.readConnectionLost(Failure(main.CONNECTION_DONE))

    def lineLost(self, reason: Failure) -> None:
        self.connectionLost(reason)

    # ---- Twisted's ----

    def write(self, data: bytes) -> None:
        if self._line is not None:
            self._line.session.push(data)
            self._line.output()
            return
        if self._idle() and isinstance(data, bytes):
            try:
                sent = self.socket.send(data)
            except OSError:  # is met again where Twisted looks for it
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)

    def _idle(self) -> bool:
        """Whether what is written may be sent at once: nothing is before it, and no producer waits to be asked."""
        return bool(
            self.connected
            and not self._tempDataBuffer
            and not self.dataBuffer
            and not self.TLS
            and not self._writeDisconnected
            and (self.producer is None or self.streamingProducer)
        )

    def writeSequence(self, iovec: Any) -> None:
        self.write(b"".join(iovec))

    def startReading(self) -> None:
        if self._line is None:
            super().startReading()
        else:
            self._line.resume()

    def stopReading(self) -> None:
        if self._line is None:
            super().stopReading()
        else:
            self._line.pause()

    def loseConnection(self, *args: Any) -> None:
        line = self._line
        self._take_back()
        if line is not None:
            while rest := line.session.output():
                self.write(rest)
        super().loseConnection(*args)

    def abortConnection(self) -> None:
        self._take_back()
        super().abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        self._take_back()
        super().connectionLost(reason)


class Server(_Direct, tcp.Server):
    """A connection over TCP."""

    def __init__(self, sock: Any, protocol: Any, client: Any, server: Any, sessionno: int, reactor: Any) -> None:
        if server is not None:
            self.loop = server.loop
        super().__init__(sock, protocol, client, server, sessionno, reactor)


class UNIXServer(_Direct, unix.Server):
    """A connection over a UNIX socket."""

    def __init__(self, sock: Any, protocol: Any, client: Any, server: Any, sessionno: int, reactor: Any) -> None:
        if server is not None:
            self.loop = server.loop
        super().__init__(sock, protocol, client, server, sessionno, reactor)

    def _idle(self) -> bool:
        return super()._idle() and not self._sendmsgQueue


class Port(tcp.Port):
    """Accepts over TCP."""

    transport = Server
    loop: Loop


class UNIXPort(unix.Port):
    """Accepts over a UNIX socket."""

    transport = UNIXServer
    loop: Loop


class SharedUNIXPort(UNIXPort):
    """Accepts on a socket that listens already, and whose file is another's to make and to remove."""

    def startListening(self) -> None:
        tcp._reservedFD.reserve()
        self.factory.doStart()
        self.connected = True
        self.socket, self._preexistingSocket = self._preexistingSocket, None
        self.fileno = self.socket.fileno
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        tcp.Port.connectionLost(self, reason)


def adopt_port(reactor: Any, loop: Loop, fd: int, family: int, factory: IProtocolFactory) -> Port | UNIXPort:
    """Accept on a socket that listens already; `fd` stays the caller's. Connections can be served by `loop`."""
    if family == socket.AF_UNIX:
        port: Port | UNIXPort = SharedUNIXPort._fromListeningDescriptor(reactor, fd, factory)
    else:
        port = Port._fromListeningDescriptor(reactor, fd, family, factory)
    return listen(port, loop)


def listen(port: Any, loop: Loop) -> Any:
    """Start `port`, whose connections can be served by `loop`. Raises CannotListenError."""
    port.loop = loop
    port.startListening()
    return port


def adopt(
    reactor: Any,
    loop: Loop,
    sock: socket.socket,
    factory: IProtocolFactory,
    prepare: Callable[[IProtocol], None] = lambda protocol: None,
) -> IProtocol | None:
    """Go on with a connected socket, which becomes the transport's, as if a port had accepted it.

    `prepare` gets the protocol before it is connected: to give it a session, a name and so on. None: the factory
    refused, and the socket is closed.
    """
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        kind: Any = UNIXServer
        client: Any = sock.getpeername()
        peer: IAddress = UNIXAddress(client or None)
    else:
        kind = Server
        client = tcp._getpeername(sock)
        peer = (IPv4Address if sock.family == socket.AF_INET else IPv6Address)("TCP", *client)
    protocol = factory.buildProtocol(peer)
    if protocol is None:
        sock.close()
        return None
    prepare(protocol)
    transport = kind(sock, protocol, client, None, 0, reactor)
    transport.loop = loop
    transport.repstr = f"<{type(protocol).__name__} on {sock.fileno()}>"
    protocol.makeConnection(transport)
    return protocol
