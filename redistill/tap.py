"""How the daemon is put together. Only this file makes objects of the others."""

from __future__ import annotations

import gc
import os
import time
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import succeed
from twisted.logger import Logger
from twisted.python import usage

from redistill import __version__
from redistill.arena import find_arena
from redistill.command_table import CommandTable
from redistill.commands import ControlPlane
from redistill.commands.interfaces import Refused
from redistill.config import Config, ConfigError, load
from redistill.engine import Session, Store
from redistill.limits import AddressLimit, RateLimit, TotalLimit
from redistill.logs import Log, LogService
from redistill.protocol import RespFactory, RespProtocol
from redistill.service import ServerService, SignalService, StoreService
from redistill.sockets import StartError, allow_files, listen_tcp, listen_unix
from redistill.stats import DaemonCounters
from redistill.systemd import Systemd, SystemdService

log = Logger()

OUTPUT_HIGH = 256 * 1024
"""Bytes of replies at which a session stops executing until they are written."""


class Options(usage.Options):
    """What ``twistd redistill`` takes."""

    optParameters = [  # noqa: RUF012
        ["config", "c", None, "Configuration file; without it $REDISTILL_CONFIG, or /etc/redistill/redistill.toml"],
    ]


def makeService(options: Options) -> IService:
    """The daemon, its sockets bound and its arena made, so that what cannot work stops the start with one line."""
    from twisted.internet import reactor

    try:
        config = load(options["config"], os.environ)
        output = Log(config.logging.level, config.logging.format)
        daemon = LogService(output, options.parent or {})
        wire(reactor, config, output, Systemd(os.environ)).setServiceParent(daemon)  # type: ignore[no-untyped-call]
    except (ConfigError, StartError) as problem:
        raise SystemExit(f"redistill: {problem}") from None
    # What is there now stays: the collector need not look at it again, which would hold up clients for 40 ms each time.
    # Some dozens of objects in it are garbage, and stay too: a look for them is a tenth of the whole start.
    gc.freeze()
    return daemon


def wire(reactor: Any, config: Config, output: Log, systemd: Systemd) -> StoreService:
    """The wiring diagram. Raises StartError."""
    store = Store()
    clients: dict[int, RespProtocol] = {}
    counters = DaemonCounters(publish=store.add)

    def open_session() -> Session:
        return store.session(
            batch_size=control.state.config.server.batch_size,
            output_high=OUTPUT_HIGH,
            query_limit=control.state.config.server.query_buffer_limit,
            multi_limit=control.state.config.server.query_buffer_limit,
            output_limit=control.state.config.server.output_limit,
        )

    def apply(config: Config) -> None:
        possible = allow_files(config.server.max_connections)
        if config.server.max_connections not in (possible, control.state.config.server.max_connections):
            raise Refused("maxclients", f"The operating system allows {possible} clients and no more")
        factory.output_limit = config.server.output_limit
        factory.idle_timeout = config.server.connection_timeout
        addresses.limit = config.server.max_connections_per_ip
        total.limit = possible
        rate.limit = config.server.connection_rate_limit
        server.grace = config.server.shutdown_grace_period_secs
        server.set_keepalive(config.performance.tcp_keepalive)
        output.set_level(config.logging.level)

    # The commands, and who sends them: every client's connection comes through the three limits.
    control = ControlPlane(
        config,
        store,
        reactor,
        clients,
        CommandTable(),
        counters=counters,
        apply=apply,
        shutdown=lambda now: signals.stop(now),
        supervised="systemd" if systemd.supervised else "no",
    )
    factory = RespFactory(
        reactor,
        open_session,
        control,
        clients,
        counters=counters,
        output_limit=config.server.output_limit,
        idle_timeout=config.server.connection_timeout,
        read_size=config.server.buffer_size,
    )
    connections = allow_files(config.server.max_connections)
    addresses = AddressLimit(factory, config.server.max_connections_per_ip, counters, store.admission)
    total = TotalLimit(addresses, connections, counters, store.admission)
    rate = RateLimit(total, config.server.connection_rate_limit, counters, store.admission, time.monotonic)

    # The lives: the store's encloses the server's.
    announce(config, connections)
    # A predecessor that is just dying is waited for first: it may have the sockets, too.
    arena = find_arena(config.memory, systemd.arena)
    sockets = listeners(config)
    arena.open(store, config.memory, config.server.num_shards)
    systemd.keep(-1 if arena.path else arena.fd)
    keeper = StoreService(reactor, store, control, arena)
    server = ServerService(reactor, sockets, rate, clients, config.server.shutdown_grace_period_secs)
    server.setServiceParent(keeper)  # type: ignore[no-untyped-call]
    signals = SignalService(reactor, server)
    signals.setServiceParent(keeper)  # type: ignore[no-untyped-call]
    SystemdService(reactor, systemd, succeed(None)).setServiceParent(keeper)  # type: ignore[no-untyped-call]
    return keeper


def listeners(config: Config) -> list[Any]:
    """The bound sockets that `config` asks for. Raises StartError."""
    found = []
    if config.server.port:
        found.append(
            listen_tcp(
                config.server.bind,
                config.server.port,
                nodelay=config.performance.tcp_nodelay,
                keepalive=config.performance.tcp_keepalive,
            )
        )
    if config.server.unix_socket:
        found.append(listen_unix(config.server.unix_socket))
    return found


def announce(config: Config, connections: int) -> None:
    """Say what is about to run, and where it is less than what was asked for."""
    log.info("redistill {version}, configuration {path}", version=__version__, path=config.path or "built in")
    if not config.server.workers:
        log.info('server.workers = "auto" is one process in this version')
    if config.server.max_connections > connections:
        log.warn(
            "server.max_connections = {wanted}, but the limit of open files allows {possible};"
            " raise it (ulimit -n, LimitNOFILE=)",
            wanted=config.server.max_connections,
            possible=connections,
        )
