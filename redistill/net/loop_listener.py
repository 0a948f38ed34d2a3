"""A listening socket on which the loop in C accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill._core import lib
from redistill.net.accept_limits import AcceptLimits

if TYPE_CHECKING:
    from redistill.net.loop import Loop

log = Logger()


class Port(Protocol):
    """The port that has the listening socket; see ports.Port."""

    def clientAccepted(self, fd: int) -> None:
        """A connection was accepted; its descriptor is the port's now. -1: accept failed, and would fail again."""
        ...

    def connectionLost(self, reason: Failure) -> None: ...


class LoopListener:
    """A listening socket in a loop, made by `Loop.listen`."""

    def __init__(self, loop: Loop, tag: int, core: Any, limits: AcceptLimits, port: Port) -> None:
        self.port = port
        self._loop = loop
        self._tag = tag
        self._c = core
        self._limits = limits  # kept, for the core uses it

    def close(self) -> None:
        """Accept no more; the socket stays as it is."""
        lib.rd_loop_remove(self._loop.core, self._c)
        del self._loop.listeners[self._tag]

    def tell(self, fd: int) -> None:
        """Pass on an accepted connection. An exception is logged."""
        try:
            self.port.clientAccepted(fd)
        except Exception:
            log.failure("internal error while accepting a client")
