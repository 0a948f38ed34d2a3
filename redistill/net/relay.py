"""Connected sockets that one worker passes to another, unread: a pair of sockets for each worker carries them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill.net.transport import PeerGone

log = Logger()

AT_ONCE = 16
"""Connections that are taken before other descriptors have their turn."""


@implementer(IReadDescriptor)
class SocketRelay:
    """Passes connected sockets to other workers, and takes sockets that they pass."""

    def __init__(
        self,
        reactor: Any,
        inlet: socket.socket,
        outlets: Sequence[socket.socket],
        came: Callable[[socket.socket], object],
    ) -> None:
        """`inlet` is the socket that this worker takes from, `outlets` are the other ends of all workers' inlets, by
        their numbers; `came` gets each socket that another worker passes, and may raise transport.PeerGone."""
        self._reactor = reactor
        self._inlet = inlet
        self._outlets = outlets
        self._came = came
        for one in (inlet, *outlets):  # send_fds and recv_fds take flags, and do not use them
            one.setblocking(False)

    def start(self) -> None:
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Take nothing more: the sockets in the queue are the successor's."""
        self._reactor.removeReader(self)

    def send(self, number: int, sock: socket.socket) -> bool:
        """Pass a socket to worker `number`. False: there is no room for it. This process's descriptor stays open."""
        try:
            socket.send_fds(self._outlets[number], [b"\n"], [sock.fileno()])
        except OSError:
            return False
        return True

    def logPrefix(self) -> str:
        return "relay"

    def fileno(self) -> int:
        return self._inlet.fileno()

    def doRead(self) -> None:
        for _ in range(AT_ONCE):
            try:
                _, fds, _, _ = socket.recv_fds(self._inlet, 1, 1)
            except BlockingIOError:
                return
            for fd in fds:
                os.set_inheritable(fd, False)
                try:
                    self._came(socket.socket(fileno=fd))
                except PeerGone:
                    pass
                except Exception:
                    log.failure("internal error while taking a connection from another worker")

    def connectionLost(self, reason: Failure) -> None:
        log.error("cannot receive connections from other workers: {reason}", reason=reason.getErrorMessage())
