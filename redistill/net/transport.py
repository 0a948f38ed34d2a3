"""Transports, for TCP and UNIX sockets, that write at once and can give their socket to the loop in C.

They are Twisted's own in everything else. A protocol that has a session calls `serve`: from then on `loop.Loop`
receives, executes and sends on the socket, and this transport only waits for its end. loseConnection, abortConnection
or an error takes the socket back first, with the replies that the peer has not read yet, and goes on as in Twisted. A
transport whose socket is not served reads through its reactor, as any other. One that speaks TLS does so until the
handshake is done (`Server.step`).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet import main, tcp, unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.python.failure import Failure

from redistill.engine import Session
from redistill.net.loop import Loop
from redistill.net.loop_connection import Client, LoopConnection


class PeerGone(OSError):
    """The peer closed the connection during hand-over."""


class Server(tcp.Server):
    """A connection over TCP."""

    loop: Loop
    connected: Any
    disconnected: Any
    disconnecting: Any
    producer: Any
    reactor: Any
    _connection: LoopConnection | None = None
    tls: SSL.Connection | None = None
    """The TLS that is spoken on the socket, from the beginning of the handshake; the loop speaks it after that.

    Nothing is written by this transport. Replies that are not sent when the connection ends are lost, for they may not
    go out in the clear.
    """
    step: Callable[[], Exception | None] | None = None
    """Called when the socket is ready, until the protocol may read (`tls.handshake`). Returns the error that ends the
    connection."""

    def __init__(self, sock: Any, protocol: Any, client: Any, server: Any, sessionno: int, reactor: Any) -> None:
        if server is not None:
            self.loop = server.loop
        super().__init__(sock, protocol, client, server, sessionno, reactor)

    def serve(self, session: Session, client: Client) -> LoopConnection:
        """Have the loop receive, execute and send from now on; `client` hears when the session stops. OSError."""
        self.stopReading()
        self._connection = self.loop.add(session, self, client, self.tls)
        return self._connection

    @property
    def movable(self) -> bool:
        """Whether `detach` is possible, now or later: not with TLS, whose state is not in the socket."""
        return self.tls is None

    def detach(self) -> socket.socket | None:
        """Let go of a connection that is served. Returns its open socket, the caller's, which loop and reactor forget.

        The protocol is told nothing. None: the connection is not `movable`, is closed or closing, or has an event that
        is not passed on yet.
        """
        connection = self._connection
        if connection is None or connection.untold or not self.movable or not self.connected or self.disconnecting:
            return None
        self._take_back()
        return self.let_go()

    def let_go(self) -> socket.socket:
        """Let go of a socket that the loop does not have. Returns it open; it is the caller's from now on."""
        self.stopReading()
        self.stopWriting()
        self.connected, self.disconnected = 0, 1
        self.producer = None
        found: socket.socket = self.socket
        del self.protocol, self.socket, self.fileno
        return found

    def _take_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.remove()

    # ---- the loop's ----

    def readEnded(self) -> None:
        self.readConnectionLost(_done())

    def loopLost(self, reason: Failure) -> None:
        self.connectionLost(reason)

    # ---- Twisted's ----

    def doRead(self) -> Any:
        return super().doRead() if self.step is None else self.step()

    def doWrite(self) -> Any:
        return super().doWrite() if self.step is None else self.step()

    def write(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.session.push(data)
            self._connection.flush()
            return
        if self.tls is not None:
            return
        if self._idle() and isinstance(data, bytes):
            try:
                sent = self.socket.send(data)
            except OSError:  # met again where Twisted looks for it
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)

    def _idle(self) -> bool:
        """Whether data may be sent at once: no data waits before it, and no producer waits to be asked."""
        return bool(
            self.connected
            and not self._tempDataBuffer
            and not self.dataBuffer
            and not self.TLS
            and not self._writeDisconnected
            and (self.producer is None or self.streamingProducer)
        )

    def writeSequence(self, iovec: Any) -> None:
        data = list(iovec)
        if self._connection is None and not all(isinstance(one, bytes) for one in data):
            super().writeSequence(data)  # raises the TypeError that a caller expects
        else:
            self.write(b"".join(data))

    def startReading(self) -> None:
        if self._connection is None:
            super().startReading()
        else:
            self._connection.resume()

    def stopReading(self) -> None:
        if self._connection is None:
            super().stopReading()
        else:
            self._connection.pause()

    def loseConnection(self, *args: Any) -> None:
        connection = self._connection
        self._take_back()
        if connection is not None:
            if self.tls is not None:
                with contextlib.suppress(SSL.Error):
                    self.tls.shutdown()  # a peer that reads learns that nothing was cut off (RFC 8446, 6.1)
            else:
                while rest := connection.session.output():
                    self.write(rest)
            if not self.disconnecting and self._idle():
                # Before any other client's next command: a killed client is not in CLIENT LIST any more.
                self.disconnecting = True
                self.reactor.callLater(0, self.connectionLost, _done())
                return
        super().loseConnection(*args)

    def abortConnection(self) -> None:
        self._take_back()
        super().abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        self._take_back()
        super().connectionLost(reason)


def _done() -> Failure:
    return Failure(main.CONNECTION_DONE)


class UNIXServer(Server, unix.Server):
    """A connection over a UNIX socket."""

    def _idle(self) -> bool:
        return super()._idle() and not self._sendmsgQueue


def peer_of(sock: socket.socket) -> Any:
    """The peer's address; None: the peer has disconnected already. Over a UNIX socket it is mostly ""."""
    try:
        return sock.getpeername() if sock.family == socket.AF_UNIX else tcp._getpeername(sock)
    except OSError:
        return None


def adopt(
    reactor: Any, loop: Loop, sock: socket.socket, build: Callable[[IAddress], IProtocol | None]
) -> IProtocol | None:
    """Go on with a connected stream socket, which becomes the transport's, as if a port had accepted it.

    `build` makes the protocol for an address: a factory's buildProtocol, or its `readmit` followed by
    `RespProtocol.go_on_as`. None: `build` gave none. Raises PeerGone, and the exceptions of `build`. In all these cases
    the socket is closed, and a session stays the caller's.
    """
    sock.setblocking(False)
    protocol: Any = None
    try:
        client = peer_of(sock)
        if client is None:
            raise PeerGone
        if sock.family == socket.AF_UNIX:
            kind: Any = UNIXServer
            peer: IAddress = UNIXAddress(client or None)
        else:
            kind = Server
            peer = (IPv4Address if sock.family == socket.AF_INET else IPv6Address)("TCP", *client)
        protocol = build(peer)
    finally:
        if protocol is None:
            sock.close()
    if protocol is None:
        return None
    transport = kind(sock, protocol, client, None, 0, reactor)
    transport.loop = loop
    local = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        transport.logstr = f"{type(protocol).__name__},0,{local}"
    transport.repstr = f"<{type(protocol).__name__} #0 on {local if isinstance(local, str) else local[1]}>"
    protocol.makeConnection(transport)
    return protocol  # type: ignore[no-any-return]
