"""The wiring of the objects that serve clients, in a worker and in a daemon without workers."""

from __future__ import annotations

import functools
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from redistill.base.logs import Log
from redistill.config import endpoints, selector
from redistill.config.config import Config
from redistill.config.effect import HasSettings, apply_to_all
from redistill.control import ControlPlane
from redistill.control.peers import Peers
from redistill.control.state import Identity
from redistill.engine import Store
from redistill.engine.counters import DaemonCounters
from redistill.lifetime.background import BackgroundService
from redistill.lifetime.memory_limit import MemoryLimit
from redistill.lifetime.service import ServerService
from redistill.net.accept_limits import AcceptLimits, ConnectionLimits
from redistill.net.client_memory import ClientMemory
from redistill.net.endpoints import EndpointListener
from redistill.net.limits import AddressLimit, RateLimit, TotalLimit
from redistill.net.listening import Listening, OwnListening
from redistill.net.loop import Loop
from redistill.net.protocol import RespFactory, RespProtocol
from redistill.net.relay import SocketRelay
from redistill.net.sessions import Sessions
from redistill.net.sockets import OpenFiles, allow_files, close_listeners
from redistill.net.tls.context import TlsContext, speaks_tls
from redistill.net.tls.handshake import TlsFactory
from redistill.net.tls.tickets import Tickets
from redistill.net.transport import adopt
from redistill.wiring.announcements import warn_of_sizes
from redistill.workers.handover import Handover


class ServingProcess:
    """The objects of a process that serves clients, as the supervisor commands them; see `workers.serving.Serving`."""

    life: IService
    """The service to stop when the worker ends."""
    objects: Sequence[HasSettings]
    """All that go by settings, in the order in which a change is applied."""

    def __init__(
        self,
        store: Store,
        control: ControlPlane,
        server: ServerService,
        background: BackgroundService,
        handover: Handover,
    ) -> None:
        self._store = store
        self.control = control
        self.server = server
        self.background = background
        self._handover = handover

    def answer(self, question: str, argument: Any) -> Any:
        return self.control.answer(question, argument)

    def apply(self, plain: Mapping[str, Any]) -> None:
        state = self.control.state
        config = Config.from_json(plain, state.config)
        state.apply(config)
        state.config = config

    def caught_up(self, generation: int) -> None:
        self._store.caught_up(generation)

    def listen(self, listeners: Sequence[tuple[socket.socket, Sequence[int]]]) -> None:
        count = 1 + max(number for _, numbers in listeners for number in numbers)
        of_worker = [[listener for listener, numbers in listeners if number in numbers] for number in range(count)]
        close_listeners([self.server.listen(of_worker)], remove=False)

    def cover(self, number: int, on: bool) -> None:
        self.server.cover(number, on)

    def take(self, connection: int, state: bytes, memory: int | None) -> bool:
        return self._handover.take(connection, state, memory)

    def measure_work(self) -> int:
        return self._handover.measure_work()

    def move_work(self, percent: int) -> Deferred[int]:
        return self._handover.give_some(percent)

    def retire(self) -> Deferred[None]:
        self.server.stop_accepting()
        return self._handover.give_all(self.server.grace).addCallback(lambda nothing: self.stop(False))

    def stop(self, now: bool) -> Deferred[None]:
        if now:
            self.server.grace = 0
        return maybeDeferred(self.life.stopService)


def serve(
    reactor: Any,
    config: Config,
    output: Log,
    store: Store,
    sockets: Sequence[Sequence[socket.socket]],
    number: int,
    peers: Peers,
    identity: Identity,
    stop: Callable[[bool], None],
    context: TlsContext | None,
    relay_ends: tuple[socket.socket, Sequence[socket.socket]] | None = None,
    listening: Listening | None = None,
    inherited: endpoints.Inherited = endpoints.NO_DESCRIPTORS,
) -> ServingProcess:
    """Join the objects that serve clients. `number` says which of the `sockets` are this process's, `relay_ends`
    how connections come from other processes and go to them (`relay.SocketRelay`). `listening` has the sockets,
    where this process has bound them; else they come from the supervisor. `inherited` are the sockets that systemd has
    passed."""
    clients: dict[int, RespProtocol] = {}
    counters = DaemonCounters(publish=store.add)
    # Ours turns its own; any other reactor turns one for us (`ServerService`).
    loop: Loop = getattr(reactor, "loop", None) or Loop()
    loop.set_buffer_size(config.server.buffer_size)
    loop.set_output_limit(config.server.output_limit)

    def factory_for(listener: socket.socket) -> tuple[IProtocolFactory, AcceptLimits]:
        if encrypted is None or not speaks_tls(listener, config.security):
            return rate, limits.plain
        return encrypted, limits.tls

    def look() -> None:
        memory.enforce()
        limits.report()

    # The commands, and the clients that send them: every connection passes the three limits.
    control = ControlPlane(
        config,
        store,
        reactor,
        clients,
        selector.table(),
        counters=counters,
        shutdown=stop,
        peers=peers,
        identity=identity,
        number=number,
    )
    control.state.certificate = context
    store.on_monitored = loop.on_monitored = control.monitored
    store.on_pushed = loop.on_pushed = control.pushed
    sessions = Sessions(store, clients, config)
    factory = RespFactory(
        reactor,
        sessions.open,
        control,
        clients,
        counters=counters,
        next_id=store.next_client_id,
        output_limit=config.server.output_limit,
        idle_timeout=config.server.connection_timeout,
        read_size=config.server.buffer_size,
        loop=loop,
        on_blocked=store.set_asking,
    )
    memory = ClientMemory(store, clients, identity.workers)
    memory.apply(config)
    loop.on_client_limit = memory.enforce
    addresses = AddressLimit(factory, config.server.max_connections_per_ip, store.admission)
    possible = allow_files(config.server.max_connections)
    kept = config.server.reserved_connections
    total = TotalLimit(addresses, possible, kept, store.admission)
    rate = RateLimit(total, config.server.connection_rate_limit, kept, store.admission, time.monotonic)
    # A refused client should cost little: the loop applies the limits as it accepts.
    limits = ConnectionLimits(store.admission, rate, total, addresses)
    encrypted = relay = None
    if context is not None:
        encrypted = TlsFactory(reactor, rate, context, counters)
        if relay_ends is not None:
            relay = SocketRelay(reactor, *relay_ends, functools.partial(adopt, reactor, loop, build=encrypted.readmit))
            tickets = encrypted.tickets = Tickets(number, context, relay, store.workers.has, peers.ask)
            context.on_change = tickets.announce
            control.state.questions["tickets"] = tickets.note
            reactor.callLater(0, tickets.announce)  # when the supervisor knows that this process serves
    grace = config.server.shutdown_grace_period_secs
    listeners = [
        EndpointListener(
            reactor,
            description,
            functools.partial(listen_on_endpoint, reactor, description, inherited, rate),
            nodelay=config.performance.tcp_nodelay,
            keepalive=config.performance.tcp_keepalive,
        )
        for description in config.server.endpoints
    ]
    server = ServerService(reactor, loop, sockets, number, factory_for, clients, grace, relay, listeners)
    if listening is not None:
        server.on_serving = listening.log_addresses
    background = BackgroundService(reactor, store, control, number, len(sockets), look)
    server.setServiceParent(background)  # type: ignore[no-untyped-call]
    handover = Handover(reactor, loop, rate, clients, sessions.load, peers.give, store.send_kept)
    serving = ServingProcess(store, control, server, background, handover)
    # The supervisor warns for its workers.
    warn = warn_of_sizes if listening is not None else lambda sizes: None
    # Objects that may refuse a change come first.
    serving.objects = (
        OpenFiles(lambda: control.state.config),
        *(() if listening is None else (OwnListening(reactor, listening, server),)),
        *(() if context is None else (context,)),
        MemoryLimit(store, config, identity.workers, warn),
        limits,
        sessions,
        factory,
        loop,
        server,
        memory,
        output,
        control,
    )
    control.state.apply = lambda new: apply_to_all(serving.objects, new, control.state.config)
    return serving


def listen_on_endpoint(
    reactor: Any, description: str, inherited: endpoints.Inherited, factory: IProtocolFactory
) -> Deferred[IListeningPort]:
    """Listen where `description` says. The files that it names are read anew."""
    listening: Deferred[IListeningPort] = endpoints.server_endpoint(reactor, description, inherited).listen(factory)
    return listening
