"""Ports and transports, for TCP and UNIX sockets, that write at once and can give their socket to the loop in C.

They are Twisted's own in everything else. A protocol that has a session calls `serve`: from then on `loop.Loop`
receives, executes and sends on the socket, and this transport only waits for its end. loseConnection, abortConnection
or an error takes the socket back first, with the replies that the peer has not read yet, and goes on as in Twisted. A
transport whose socket is not served reads through its reactor, as any other. A transport that is to speak TLS
(`establish`) does the handshake there, and all else in the loop; `peek` looks at the peer's first message before that.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from OpenSSL import SSL
from twisted.internet import main, tcp, unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.python.failure import Failure
from twisted.python.log import msg

from redistill.engine import Session
from redistill.net.gate import Gate
from redistill.net.loop import Client, Loop, LoopConnection, LoopListener

PEEKED = 5 + 16384
"""Most bytes that `Server.peek` looks at: a record of TLS (RFC 8446, 5.1)."""

_P = TypeVar("_P", "Port", "UNIXPort", "Port | UNIXPort")


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
    _tls: Any = None
    _step: Callable[[], Exception | None] | None = None
    """Called when the socket is ready, until the protocol may read: `_look`, then `_shake_hands`."""
    _low_water = 1
    _await: tuple[Callable[[bytes], int], Callable[[bytes], None]]
    _established: Callable[[], None]

    def __init__(self, sock: Any, protocol: Any, client: Any, server: Any, sessionno: int, reactor: Any) -> None:
        if server is not None:
            self.loop = server.loop
        super().__init__(sock, protocol, client, server, sessionno, reactor)

    def peek(self, size: Callable[[bytes], int], heard: Callable[[bytes], None]) -> None:
        """Look at the peer's first bytes, and leave them to be read. `size` says, from the bytes so far, how many are
        wanted; `heard` gets the bytes when so many are there, or no more will come, and `PEEKED` of them at most."""
        self._await = size, heard
        self._step = self._look

    def _look(self) -> Exception | None:
        size, heard = self._await
        try:
            data = self.socket.recv(PEEKED, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:  # met again by the next read
            data = b""
        wanted = size(data)
        if self._low_water < wanted and len(data) < wanted:
            self._set_low_water(wanted)  # the kernel wakes us when all of it is there, or the end
            return None
        if self._low_water > 1:
            self._set_low_water(1)
        self._step = None
        heard(data)
        return None if self._step is None else self._step()

    def _set_low_water(self, size: int) -> None:
        self._low_water = size
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def establish(self, tls: SSL.Connection, established: Callable[[], None]) -> None:
        """Shake hands with `tls`, made for this socket, and then call `established`; until then nothing can be written.

        After that the protocol has the connection served: TLS is spoken in the loop only. Replies that are not sent
        when the connection ends are lost, for they may not go out in the clear.
        """
        self._tls = tls
        self._established = established
        self._step = self._shake_hands

    def _shake_hands(self) -> Exception | None:
        """A step of the handshake; the error that ends the connection."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self.stopWriting()
            self.startReading()
        except SSL.WantWriteError:
            self.stopReading()
            self.startWriting()
        except SSL.Error as problem:
            return problem
        else:
            self.stopWriting()
            self._step = None
            self._established()
        return None

    def serve(self, session: Session, client: Client) -> LoopConnection:
        """Have the loop receive, execute and send from now on; `client` hears when the session stops. OSError."""
        self.stopReading()
        self._connection = self.loop.add(session, self, client, self._tls)
        return self._connection

    @property
    def movable(self) -> bool:
        """Whether `detach` is possible, now or later: not with TLS, whose state is not in the socket."""
        return self._tls is None

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
        return super().doRead() if self._step is None else self._step()

    def doWrite(self) -> Any:
        return super().doWrite() if self._step is None else self._step()

    def write(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.session.push(data)
            self._connection.flush()
            return
        if self._tls is not None:
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
            super().writeSequence(data)  # raises what a caller expects
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
            if self._tls is not None:
                self._say_goodbye()
            while self._tls is None and (rest := connection.session.output()):
                self.write(rest)
            if not self.disconnecting and self._idle():
                # Before any other client's next command: a killed client is not in CLIENT LIST any more.
                self.disconnecting = True
                self.reactor.callLater(0, self.connectionLost, _done())
                return
        super().loseConnection(*args)

    def _say_goodbye(self) -> None:
        """Send close_notify, so that the peer knows that nothing was cut off (RFC 8446, 6.1), if it reads."""
        with contextlib.suppress(SSL.Error):
            self._tls.shutdown()

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


def _peer(sock: socket.socket) -> Any:
    """The peer's address; None: the peer has gone again. Over a UNIX socket it is mostly ""."""
    try:
        return sock.getpeername() if sock.family == socket.AF_UNIX else tcp._getpeername(sock)
    except OSError:
        return None


class Port(tcp.Port):
    """Accepts over TCP; through a gate, if it has one."""

    transport: Any = Server
    loop: Loop
    gate: Gate | None = None
    factory: Any
    reactor: Any
    sessionno: int
    _listener: LoopListener | None = None

    def startReading(self) -> None:
        if self.gate is None:
            super().startReading()
        elif self._listener is None:
            self._listener = self.loop.listen(self.fileno(), self.gate, self)

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
            client = _peer(sock)
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
    reactor: Any, loop: Loop, fd: int, family: int, factory: IProtocolFactory, gate: Gate | None = None
) -> Port | UNIXPort:
    """Accept on a socket that listens already; `fd` stays the caller's. Connections can be served by `loop`.

    With a `gate` it is the loop that accepts.
    """
    if family == socket.AF_UNIX:
        port: Port | UNIXPort = SharedUNIXPort._fromListeningDescriptor(reactor, fd, factory)
    else:
        port = Port._fromListeningDescriptor(reactor, fd, family, factory)
    port.gate = gate
    return listen(port, loop)


def listen(port: _P, loop: Loop) -> _P:
    """Start `port`, whose connections can be served by `loop`. Raises CannotListenError."""
    port.loop = loop
    port.startListening()
    return port


def adopt(
    reactor: Any, loop: Loop, sock: socket.socket, build: Callable[[IAddress], IProtocol | None]
) -> IProtocol | None:
    """Go on with a connected stream socket, which becomes the transport's, as if a port had accepted it.

    `build` makes the protocol for an address: a factory's buildProtocol, or its `readmit` followed by
    `RespProtocol.go_on_as`. None: `build` gave none. Raises PeerGone, and what `build` raises. In all these cases the
    socket is closed, and a session stays the caller's.
    """
    sock.setblocking(False)
    protocol: Any = None
    try:
        client = _peer(sock)
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
