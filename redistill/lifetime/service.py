"""The lifetime of the server: it accepts clients, and lets them finish before it stops."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from redistill.config.config import Config
from redistill.net.accept_limits import AcceptLimits
from redistill.net.endpoints import EndpointListener
from redistill.net.loop import Loop
from redistill.net.ports import adopt_port
from redistill.net.protocol import RespProtocol
from redistill.net.relay import SocketRelay
from redistill.net.sockets import close_listeners, set_keepalive

log = Logger()

SERVING = "ok"
"""The state of a server that serves; any other says why it does not."""
DRAIN = 0.01
"""Seconds between two looks at the clients that are still there while the server stops."""
CHATTER = 1.0
"""Seconds for which a client that goes on sending is still served then."""


class ServerService(Service):
    """Accepts clients, and lets them finish before it stops."""

    def __init__(
        self,
        reactor: Any,
        loop: Loop,
        listeners: Sequence[Sequence[socket.socket]],
        number: int,
        factory_for: Callable[[socket.socket], tuple[IProtocolFactory, AcceptLimits]],
        clients: Mapping[int, RespProtocol],
        grace: float,
        relay: SocketRelay | None = None,
        endpoints: Sequence[EndpointListener] = (),
    ) -> None:
        """`listeners` are the bound sockets of each worker, of which this one is `number`; one socket may be several
        workers'. `factory_for` gives the factory for the clients of one, and their limits. `grace` is the time in
        seconds that clients have to take their last replies. `relay`: clients come through it, too. `endpoints` belong
        to worker 0: the process that accepts its clients listens on them."""
        self.grace = grace
        self.on_serving: Callable[[], None] = lambda: None
        """Called when clients are accepted."""
        self._relay = relay
        self._endpoints = endpoints
        self._reactor = reactor
        self._loop = loop
        self._listeners = [list(some) for some in listeners]
        self._number = number
        self._factory_for = factory_for
        self._clients = clients
        self._covered: set[int] = set()
        self._ports: dict[socket.socket, IListeningPort] = {}

    def privilegedStartService(self) -> None:
        """Listen on the endpoints of a process that serves by itself, before twistd drops its privileges. An endpoint
        on which it cannot listen stops the start with one line, as any other listening socket does."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        for endpoint in self._endpoints:
            endpoint.start()
            if endpoint.problem:
                raise SystemExit(
                    f"redistill: server.endpoints: cannot listen on {endpoint.description!r}: {endpoint.problem};"
                    " stop the program that has it, or change the setting"
                )

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.join(self._reactor)
        self.cover(self._number, True)
        if self._relay is not None:
            self._relay.start()
        self.on_serving()

    def state(self) -> str:
        """SERVING while clients are accepted, or why they are not."""
        return SERVING if self.running else "starting"

    def alive(self) -> bool:
        """A process that serves by itself and answers this serves."""
        return True

    def problem(self) -> str:
        """Empty: a change that cannot be applied is refused at once."""
        return ""

    def cover(self, number: int, on: bool) -> None:
        """Accept the clients of worker `number`, or no longer."""
        (self._covered.add if on else self._covered.discard)(number)
        wanted = {listener for number in self._covered for listener in self._listeners[number]}
        self._open(wanted)
        self._close(set(self._ports) - wanted)
        for endpoint in self._endpoints:
            if 0 in self._covered:
                endpoint.start()
            else:
                endpoint.stop()

    def listen(self, listeners: Sequence[Sequence[socket.socket]]) -> list[socket.socket]:
        """Accept clients on other sockets, given for each worker. Returns the sockets no longer used, which the caller
        closes. After OSError nothing has changed."""
        wanted = {listener for number in self._covered for listener in listeners[number]}
        before = set(self._ports)
        try:
            self._open(wanted)
        except OSError:
            self._close(set(self._ports) - before)
            raise
        self._close(before - wanted)
        old, self._listeners = self._listeners, [list(some) for some in listeners]
        kept = {listener for some in listeners for listener in some}
        return list({listener for some in old for listener in some} - kept)

    def _open(self, listeners: set[socket.socket]) -> None:
        for listener in listeners - set(self._ports):
            fd, family = listener.fileno(), listener.family
            self._ports[listener] = adopt_port(self._reactor, self._loop, fd, family, *self._factory_for(listener))

    def _close(self, listeners: set[socket.socket]) -> None:
        for listener in listeners:
            closing = maybeDeferred(self._ports.pop(listener).stopListening)
            closing.addErrback(lambda failure: log.failure("internal error while closing a port", failure))

    def apply(self, config: Config) -> None:
        """Go by the grace period and the keepalive of `config`."""
        self.grace = config.server.shutdown_grace_period_secs
        self.set_keepalive(config.performance.tcp_keepalive)

    def set_keepalive(self, seconds: int) -> None:
        """Set the keepalive of later connections."""
        for listener in {one for some in self._listeners for one in some}:
            if listener.family != socket.AF_UNIX:
                set_keepalive(listener, seconds)
        for endpoint in self._endpoints:
            endpoint.set_keepalive(seconds)

    def stop_accepting(self) -> None:
        """Leave new clients to others."""
        for number in list(self._covered):
            self.cover(number, False)
        if self._relay is not None:
            self._relay.stop()

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]
        log.info("stopping; {clients} clients", clients=len(self._clients))
        self.stop_accepting()
        close_listeners(self._listeners, remove=len(self._listeners) == 1)
        self._listeners = [[] for _ in self._listeners]
        stopped: Deferred[None] = Deferred()
        began = self._reactor.seconds()
        # Two, for a call that is due runs before the sockets are looked at: what has arrived is read in between.
        self._reactor.callLater(0, self._reactor.callLater, 0, self._drain, stopped, began, began)
        return stopped

    def _drain(self, stopped: Deferred[None], began: float, looked: float) -> None:
        """Close clients that have sent nothing since the last call; after the grace period, all clients."""
        now = self._reactor.seconds()
        for client in list(self._clients.values()):
            if now - began >= self.grace:
                client.abort()
            elif client.last_active < looked or now - began >= CHATTER:
                client.finish()
        if not self._clients:
            self._loop.leave(self._reactor)
            stopped.callback(None)
        else:
            self._reactor.callLater(DRAIN, self._drain, stopped, began, now)
