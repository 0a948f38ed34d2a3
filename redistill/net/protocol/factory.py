"""`RespFactory` makes the protocols of clients, and keeps those of a process."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
from zope.interface import implementer

from redistill.config.config import Config
from redistill.engine import Session
from redistill.engine.counters import DaemonCounters
from redistill.net.protocol.blocked import BlockedClients
from redistill.net.protocol.client import RespProtocol
from redistill.net.protocol.idle import IdleWatch
from redistill.net.protocol.interfaces import ClientLoop, Control


@implementer(IProtocolFactory)
class RespFactory:
    """All clients of this process, by id in the order in which they came."""

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        open_session: Callable[[], Session],
        control: Control,
        clients: dict[int, RespProtocol],
        *,
        counters: DaemonCounters,
        next_id: Callable[[], int],
        output_limit: int,
        idle_timeout: float,
        read_size: int,
        loop: ClientLoop | None = None,
        on_blocked: Callable[[int], None] = lambda count: None,
    ) -> None:
        """`clients` is filled and emptied here; `next_id` gives each its number. Limits in bytes and seconds, 0: none;
        they may be set at any time. `on_blocked` is told how many clients wait for an answer whenever that changes."""
        self.clock = clock
        self.open_session = open_session
        self.control = control
        self.clients = clients
        self.counters = counters
        self.output_limit = output_limit
        self.idle_timeout = idle_timeout
        self.read_size = read_size
        self.next_id = next_id
        self._loop = loop
        self.blocked = BlockedClients(clock, lambda: self.behind, on_blocked)
        self.idle = IdleWatch(clock, counters, lambda: self.idle_timeout, loop)

    def doStart(self) -> None:
        """Nothing to do: the first client starts the watch."""

    def doStop(self) -> None:
        """Nothing to do: the last client stops the watch."""

    def apply(self, config: Config) -> None:
        """Put the output limit and the idle timeout of `config` into effect, for connected clients too."""
        self.output_limit = config.server.output_limit
        self.idle_timeout = config.server.connection_timeout

    def buildProtocol(self, addr: IAddress) -> RespProtocol:
        protocol = RespProtocol()
        protocol.factory = self
        return protocol

    readmit = buildProtocol
    """For a connection that another process let in; see `limits.Limit`."""

    def add(self, client: RespProtocol) -> None:
        """`client` is connected: the reads of its transport get their size."""
        self.clients[client.client_id] = client
        transport = client.transport
        if hasattr(transport, "bufferSize"):
            transport.bufferSize = self.read_size
        if hasattr(transport, "fileno"):
            client.fd = transport.fileno()
        self.idle.start()

    def remove(self, client: RespProtocol) -> None:
        """`client` has disconnected, or moves to another process."""
        self.idle.remove(client)
        self.clients.pop(client.client_id, None)
        self.blocked.remove(client.execution)
        if not self.clients:
            self.idle.stop()

    @property
    def behind(self) -> bool:
        """See `ClientLoop`."""
        return self._loop is not None and self._loop.behind
