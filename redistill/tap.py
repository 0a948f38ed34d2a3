"""How the daemon is put together. Only this file makes objects of the others."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import os
import pwd
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger, globalLogBeginner
from twisted.python import usage

from redistill import __version__
from redistill.base.failures import Refused
from redistill.base.files import UnsafeFile
from redistill.base.logs import Log, LogService
from redistill.config import acl, sizing
from redistill.config.load import FILES, Config, ConfigError, load
from redistill.config.settings import Server
from redistill.control import ControlPlane
from redistill.control.peers import Alone, Peers
from redistill.control.state import Identity
from redistill.engine import Saved, Session, Store, name_process, stats
from redistill.engine.shared import SUPERVISOR
from redistill.engine.stats import DaemonCounters
from redistill.lifetime.arena import Arena, find_arena, joining
from redistill.lifetime.memory_limit import MemoryLimitService
from redistill.lifetime.reload import Reload
from redistill.lifetime.service import BackgroundService, ServerService, SignalService, Stoppable, StoreService
from redistill.lifetime.systemd import Systemd, SystemdService
from redistill.net import tls
from redistill.net.client_memory import ClientMemory
from redistill.net.gate import Gate
from redistill.net.limits import AddressLimit, RateLimit, TotalLimit
from redistill.net.listening import Listening
from redistill.net.loop import Loop
from redistill.net.protocol import RespFactory, RespProtocol
from redistill.net.reactor import use_monotonic_time
from redistill.net.sockets import StartError, allow_files, listen_tcp
from redistill.net.tickets import Post, Tickets
from redistill.net.transport import adopt
from redistill.wiring.front import Front
from redistill.workers.handover import Handover
from redistill.workers.launch import Launcher
from redistill.workers.supervisor import WorkersService
from redistill.workers.worker import ThroughSupervisor

log = Logger()

SUPERVISOR_QUIET = ("twisted.protocols.amp",)
WORKER_QUIET = (*SUPERVISOR_QUIET, "twisted.internet.base", "log_legacy")
"""Loggers that tell of every channel and port, of which there are many. The last is that of Twisted's older parts."""
EXPIRY_DAYS = 14
"""A certificate that ends sooner is warned of: whoever renews it by itself does so long before."""
SHORT_PASSWORD = 16
"""Characters; a shorter one is warned of."""
OUTPUT_HIGH = 256 * 1024
"""Bytes of replies at which a session stops executing until they are written."""


class Options(usage.Options):
    """What ``twistd redistill`` takes."""

    optParameters = [  # noqa: RUF012
        ["config", "c", None, "Configuration file; without it $REDISTILL_CONFIG, or /etc/redistill/redistill.toml"],
    ]

    def postOptions(self) -> None:
        """Have the loop in C serve clients, unless a reactor was asked for by name, which twistd installs before this.
        Its default one it imports later, where there is none."""
        if "twisted.internet.reactor" not in sys.modules:
            from redistill.net import reactor

            reactor.install()


def makeService(options: Options) -> IService:
    """The daemon, its sockets bound and its arena made, so that what cannot work stops the start with one line."""
    from twisted.internet import reactor

    use_monotonic_time(reactor)
    try:
        config = load(options["config"], os.environ)
        settings = config.logging
        output = Log(settings.level, settings.format, file=settings.file, clock=reactor, quiet=SUPERVISOR_QUIET)
        daemon = log_service(output, options)
        with as_group(group_of(options.parent or {})):
            wire(reactor, config, output, Systemd(os.environ)).setServiceParent(daemon)  # type: ignore[no-untyped-call]
        name_process("redistill")
    except (ConfigError, StartError) as problem:
        raise SystemExit(f"redistill: {problem}") from None
    # What is there now stays: the collector need not look at it again, which would hold up clients for 40 ms each time.
    # Some dozens of objects in it are garbage, and stay too: a look for them is a tenth of the whole start.
    gc.freeze()
    return daemon


def group_of(twistd: Mapping[str, Any]) -> int | None:
    """The group that twistd, with these options, will run the daemon as; None: the one of now."""
    uid, gid = twistd.get("uid"), twistd.get("gid")
    if gid is None and uid is not None:
        gid = pwd.getpwuid(uid).pw_gid  # as twistd does
    return gid


@contextlib.contextmanager
def as_group(gid: int | None) -> Iterator[None]:
    """Make files as that group: the UNIX socket is for it, although it is made before twistd drops its privileges."""
    before = os.getegid()
    try:
        if gid is not None and os.geteuid() == 0:
            os.setegid(gid)
        yield
    finally:
        os.setegid(before)


def log_service(output: Log, options: Options) -> LogService:
    """The daemon's outermost service. Raises StartError when the log cannot be written to."""
    try:
        return LogService(output, options.parent or {})
    except UnsafeFile as problem:
        raise StartError(f"logging.file: {problem.path!r} is not used: {problem}, or set another path") from None
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise StartError(f"logging.file: cannot write to {problem.filename!r}: {reason}; set another path") from None


def wire(reactor: Any, config: Config, output: Log, systemd: Systemd) -> IService:
    """The wiring diagram of the daemon, which serves by itself or looks after workers. Raises StartError."""
    here = sizing.machine()
    workers = sizing.workers(config, here)
    announce(config, workers)
    sizes = sizing.sizes(config, here, workers)
    warn_of_sizes(sizes)
    config = config.with_pem()
    certificate = tls.Context(config.security, config.pem) if tls.is_used(config.security) else None
    warn_of_expiry(certificate)
    # A predecessor that is just dying is waited for first: it may have the sockets, too.
    fitting = config.memory
    if fitting.max_memory:
        fitting = dataclasses.replace(fitting, max_memory=sizes.max_memory)
    arena = find_arena(fitting, systemd.arena)
    sockets = Listening(config, workers)
    health_socket = health_listener(config.server)
    store = Store()
    fewer = "server.num_shards" not in config.given
    arena.open(store, fitting, config.server.num_shards, joining(workers), sizes.max_memory, fewer=fewer)
    systemd.keep(-1 if arena.path else arena.fd)
    keeper = StoreService(store, arena, 0 if workers == 1 else SUPERVISOR)
    MemoryLimitService(reactor, store).setServiceParent(keeper)  # type: ignore[no-untyped-call]
    identity = Identity.new(
        workers=workers,
        supervised="systemd" if systemd.supervised else "no",
        changes_before=store.counter("changes"),
    )

    def stop(now: bool) -> None:
        signals.stop(now)

    seen: object = None
    """The state of the certificate's files before the last reload read them."""

    def with_certificate(new: Config) -> Config:
        running = reload.running()
        if certificate is None:
            return new
        if watch.knows(new.security) and new.security.tls_client_auth == running.security.tls_client_auth:
            # Nothing new; and after `twistd --uid` this process may not be able to read the key any more.
            new = dataclasses.replace(new, pem=running.pem)
        else:
            new = new.with_pem()
        tls.make_context(new.security, new.pem)
        return new

    def read() -> Config:
        nonlocal seen
        seen = watch.state()
        return with_certificate(load(config.path or None, os.environ))

    def reloaded() -> None:
        watch.noted(seen)
        warn_of_expiry(certificate)

    def renew() -> bool:
        if reload.busy:
            return False
        running = reload.running()
        new = with_certificate(running)
        if new.pem != running.pem:
            log.info("the certificate's files have changed; it is renewed")
            reload.renew({FILES: (running.file_passwords, new.pem)})
        return True

    reload: Reload
    server: Stoppable
    listening: Deferred[object]
    if workers == 1:
        front = serve(
            reactor,
            config,
            output,
            store,
            sockets.listeners,
            0,
            Alone(),
            identity,
            stop,
            certificate,
            listening=sockets,
        )
        front.background.setServiceParent(keeper)  # type: ignore[no-untyped-call]
        state, server, listening = front.control.state, front.server, succeed(None)
        reload = Reload(read, lambda: state.config, lambda changes: Alone().change(state, changes), reloaded)
    else:
        server = pool = WorkersService(
            reactor,
            store,
            config=config,
            listening=sockets,
            arena=lambda: arena.fd,
            apply=lambda new: supervise(store, output, pool, certificate, sockets, new, workers),
            stop=stop,
            launcher=Launcher(reactor, output.relay),
            relay=output.relay,
            journal=lambda: output.journal,
            identity=identity,
        )
        pool.setServiceParent(keeper)  # type: ignore[no-untyped-call]
        listening = pool.ready

        def replace() -> Deferred[None]:
            reloaded()
            return pool.replace()

        reload = Reload(read, lambda: pool.config, pool.try_change, replace)
    delay = lambda: reload.running().server.drain_delay_secs  # noqa: E731
    signals = SignalService(reactor, server, reload.reload, output.reopen, delay)
    signals.setServiceParent(keeper)  # type: ignore[no-untyped-call]
    watch = tls.CertificateWatch(reactor, lambda: reload.running().security, renew)
    if certificate is not None:
        watch.setServiceParent(keeper)  # type: ignore[no-untyped-call]
    manager = SystemdService(reactor, systemd, listening)
    manager.setServiceParent(keeper)  # type: ignore[no-untyped-call]
    reload.began, reload.ended = manager.reloading, manager.ready
    if health_socket is None:
        return keeper
    return watched(
        reactor,
        keeper,
        store,
        identity,
        health_socket,
        own_names(config.server),
        lambda: "stopping" if signals.stopping else server.state(),
        lambda: stats.Configured(
            reload.running().server.max_connections, 0.0 if certificate is None else certificate.expires
        ),
        lambda: signals.stopping or server.alive(),
        server.problem,
    )


def watched(
    reactor: Any,
    keeper: StoreService,
    store: Store,
    identity: Identity,
    listener: socket.socket,
    hosts: Iterable[str],
    state: Callable[[], str],
    configured: Callable[[], stats.Configured],
    alive: Callable[[], bool],
    problem: Callable[[], str],
) -> IService:
    """The daemon with its health port around it."""
    from redistill.observe.health import HealthService  # Klein, which most of the start would be spent on

    machine_memory, no_rates = stats.total_memory(), stats.Rates()

    def snapshot(with_commands: bool) -> stats.Snapshot:
        return stats.take(
            store,
            rates=no_rates,
            unix_time=time.time(),
            started=identity.started,
            uptime=time.monotonic() - identity.began,
            machine_memory=machine_memory,
            with_commands=with_commands,
        )

    health = HealthService(reactor, listener, snapshot, state, configured, hosts, alive, problem)
    keeper.setServiceParent(health)  # type: ignore[no-untyped-call]
    return health


def work(
    reactor: Any, peers: ThroughSupervisor, orders: Mapping[str, Any], arena_fd: int, inherited: Sequence[int]
) -> Front:
    """The wiring diagram of a worker. Raises ArenaError."""
    config, number = Config.from_json(orders["config"]), orders["number"]
    output = Log(
        config.logging.level,
        config.logging.format,
        clock=reactor,
        quiet=WORKER_QUIET,
        worker=orders["number"],
        journal=orders.get("journal", False),
    )
    globalLogBeginner.beginLoggingTo([output.observer(sys.stdout)], redirectStandardIO=False)
    store = Store()
    store.attach(arena_fd)
    store.caught_up(orders["generation"])
    keeper = StoreService(store, Arena(arena_fd, "the supervisor's memory", 0), number)
    wakers, inherited = inherited[: orders["wakers"]], inherited[orders["wakers"] :]
    post = orders["post"]
    known = [socket.socket(fileno=fd) for fd in inherited]
    sockets = [[known[i] for i in some] for some in orders["listeners"]]
    identity = Identity(**orders["identity"])
    context = tls.Context(config.security, config.pem) if tls.is_used(config.security) else None
    boxes = known[post], known[post + 1 :]
    front = serve(reactor, config, output, store, sockets, number, peers, identity, peers.shutdown, context, boxes)
    front.background.setServiceParent(keeper)  # type: ignore[no-untyped-call]
    front.life = keeper
    keeper.startService()
    store.set_wakers(wakers)
    reactor.loop.hear(store, wakers[store.place])
    return front


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
    context: tls.Context | None,
    boxes: tuple[socket.socket, Sequence[socket.socket]] | None = None,
    listening: Listening | None = None,
) -> Front:
    """The wiring diagram of what clients meet. `number` says which of the `sockets` are this process's, `boxes` how
    connections come from other processes and go to them (`tickets.Post`). `listening` is who has the sockets, where
    that is this process; else they come from the supervisor."""
    clients: dict[int, RespProtocol] = {}
    counters = DaemonCounters(publish=store.add)
    # Ours turns its own; any other reactor turns one for us (`ServerService`).
    loop: Loop = getattr(reactor, "loop", None) or Loop()
    loop.set_buffer_size(config.server.buffer_size)
    loop.set_output_limit(config.server.output_limit)

    def open_session() -> Session:
        return store.session(**session_limits(control.state.config))

    def load_session(saved: Saved) -> Session:
        return store.load_session(saved, **session_limits(control.state.config))

    def door(listener: socket.socket) -> tuple[IProtocolFactory, Gate]:
        if encrypted is None or not tls.spoken(listener, config.security):
            return rate, gates[0]
        return encrypted, gates[1]

    def look() -> None:
        memory.enforce()
        for gate in gates:
            gate.report()

    def move(config: Config) -> None:
        """Listen where `config` says. The old sockets stay for a moment, in which the change may be taken back."""
        if listening is None:
            return
        before = listening.listeners
        listening.move(config)
        if listening.listeners is not before:
            try:
                server.listen(listening.listeners)
            except OSError as problem:
                raise Refused("port", f"Unable to listen on this port: {os.strerror(problem.errno or 0)}") from None
            reactor.callLater(0, listening.settle)

    def apply(config: Config) -> None:
        # It may be called again with what held before, to undo what it has done: so it compares with what is there.
        possible = possible_clients(config, control.state.config)
        if listening is not None and sizing.settings(config) != sizing.settings(control.state.config):
            warn_of_sizes(sizing.sizes(config, sizing.machine(), identity.workers, store.map_size))
        move(config)
        if context is not None and context.use(config.security, config.pem) and tickets is not None:
            tickets.announce()
        for gate in gates:
            gate.report()  # in the terms of the limits that refused them
        total.limit, total.kept = possible, config.server.reserved_connections
        if (bounds := session_limits(config)) != session_limits(control.state.config):
            for client in clients.values():
                client.session.bound(**bounds)
        factory.output_limit = config.server.output_limit
        loop.set_output_limit(config.server.output_limit)
        factory.idle_timeout = config.server.connection_timeout
        addresses.limit = config.server.max_connections_per_ip
        rate.limit = config.server.connection_rate_limit
        for gate in gates:
            gate.apply()
        server.grace = config.server.shutdown_grace_period_secs
        server.set_keepalive(config.performance.tcp_keepalive)
        memory.apply(config)
        output.set_level(config.logging.level)

    # The commands, and who sends them: every client's connection comes through the three limits.
    control = ControlPlane(
        config,
        store,
        reactor,
        clients,
        acl.table(),
        counters=counters,
        apply=apply,
        shutdown=stop,
        peers=peers,
        identity=identity,
        number=number,
    )
    control.state.certificate = context
    store.on_monitored = loop.on_monitored = control.monitored
    factory = RespFactory(
        reactor,
        open_session,
        control,
        clients,
        counters=counters,
        next_id=store.next_client_id,
        output_limit=config.server.output_limit,
        idle_timeout=config.server.connection_timeout,
        read_size=config.server.buffer_size,
        served=loop,
        on_blocked=lambda count: store.workers.set_gauges(blocked_clients=count),
    )
    memory = ClientMemory(store, clients, identity.workers)
    memory.apply(config)
    loop.on_crowded = memory.enforce
    addresses = AddressLimit(factory, config.server.max_connections_per_ip, counters, store.admission)
    possible = allow_files(config.server.max_connections)
    total = TotalLimit(addresses, possible, config.server.reserved_connections, counters, store.admission)
    rate = RateLimit(total, config.server.connection_rate_limit, counters, store.admission, time.monotonic)
    # A refused client is to cost little: the loop applies the limits where it accepts. A TLS client is told nothing.
    gates = [Gate(store.admission, rate, total, addresses, silent=silent) for silent in (False, True)]
    encrypted = post = tickets = None
    if context is not None:
        encrypted = tls.TlsFactory(reactor, rate, context, counters)
        if boxes is not None:
            post = Post(reactor, *boxes, functools.partial(adopt, reactor, loop, build=encrypted.readmit))
            tickets = encrypted.tickets = Tickets(number, context, post, store.workers.has, peers.ask)
            control.state.questions["tickets"] = tickets.note
            reactor.callLater(0, tickets.announce)  # when the supervisor knows that this process serves
    grace = config.server.shutdown_grace_period_secs
    server = ServerService(reactor, loop, sockets, number, door, clients, grace, post)
    server.on_leaving = control.leaving
    background = BackgroundService(reactor, store, control, number, len(sockets), look)
    server.setServiceParent(background)  # type: ignore[no-untyped-call]
    handover = Handover(reactor, loop, rate, clients, load_session, peers.give)
    return Front(store, control, server, background, handover)


def supervise(
    store: Store,
    output: Log,
    pool: WorkersService,
    certificate: tls.Context | None,
    listening: Listening,
    config: Config,
    workers: int,
) -> None:
    """Put `config` into effect as far as it is the supervisor's. A second call, with what was in effect before, undoes
    what a first one that raised (Refused, ConfigError) has done."""
    possible_clients(config, pool.config)
    listening.move(config)
    if certificate is not None:
        certificate.use(config.security, config.pem)
    if sizing.settings(config) != sizing.settings(pool.config):
        sizes = sizing.sizes(config, sizing.machine(), workers, store.map_size)
        try:
            store.set_max_memory(max(sizes.max_memory, 1))
        except ValueError as problem:
            raise Refused("maxmemory", str(problem)) from None
        warn_of_sizes(sizes)
    output.set_level(config.logging.level)


def warn_of_sizes(sizes: sizing.Sizes) -> None:
    """Say so when more was configured than fits."""
    if sizes.problem:
        log.warn("there is less memory than was configured: {problem}", problem=sizes.problem)


def warn_of_expiry(certificate: tls.Context | None) -> None:
    """Say so when it ends soon."""
    days = 0.0 if certificate is None else (certificate.expires - time.time()) / 86400
    if certificate is not None and days < EXPIRY_DAYS:
        log.warn("the TLS certificate ends in {days} days; renew it, then reload", days=int(days))


def session_limits(config: Config) -> dict[str, int]:
    """The bounds of a client's session."""
    return {
        "batch_size": config.server.batch_size,
        "output_high": OUTPUT_HIGH,
        "query_limit": config.server.query_buffer_limit,
        "multi_limit": config.server.query_buffer_limit,
        "output_limit": config.server.output_limit,
    }


def possible_clients(config: Config, running: Config) -> int:
    """How many clients the system lets this process have. Refused when that is less than is now asked for."""
    possible = allow_files(config.server.max_connections)
    if config.server.max_connections not in (possible, running.server.max_connections):
        raise Refused("maxclients", f"The operating system allows {possible} clients and no more")
    return possible


def health_listener(server: Server) -> socket.socket | None:
    """The bound socket for HTTP, if there is to be one. Raises StartError."""
    if not server.health_check_port:
        return None
    names = ("server.health_check_bind", "server.health_check_port")
    host, port = server.health_check_bind, server.health_check_port
    return listen_tcp(host, port, nodelay=True, keepalive=0, settings=names)[0]


def own_names(server: Server) -> list[str]:
    """The host names under which browsers may ask the health port: the machine's, with its domain and without, and
    those of the configuration."""
    machine = socket.gethostname().lower()
    return [machine, machine.partition(".")[0], *(name.lower() for name in server.health_check_hosts)]


def announce(config: Config, workers: int) -> None:
    """Say what is about to run, and where it is less than what was asked for."""
    log.info(
        "redistill {version}, configuration {path}, workers: {workers}",
        version=__version__,
        path=config.path or "built in",
        workers=workers,
    )
    settings = ", ".join(f"{name} = {value}" for name, value in config.changed().items())
    log.info("settings: {settings}", settings=settings or "all as by default")
    if short := sum(len(password) < SHORT_PASSWORD for password in config.passwords):
        log.warn(
            "{count} of the passwords have fewer than {least} characters, and can be guessed; make longer ones"
            " (openssl rand -base64 32)",
            count=short,
            least=SHORT_PASSWORD,
        )
    if "server.buffer_pool_size" in config.given:
        log.info("server.buffer_pool_size has no effect, since the C library keeps freed buffers")
    possible = allow_files(config.server.max_connections)
    if config.server.max_connections > possible:
        log.warn(
            "server.max_connections = {wanted}, but the limit of open files allows {possible};"
            " raise it (ulimit -n, LimitNOFILE=)",
            wanted=config.server.max_connections,
            possible=possible,
        )
