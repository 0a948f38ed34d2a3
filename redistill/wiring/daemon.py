"""The wiring of the daemon: one that serves clients itself, or the supervisor of workers."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from twisted.application.internet import TimerService
from twisted.application.service import IService
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.systemd import ListenFDs

from redistill.base.logs import Log
from redistill.config import endpoints, sizing
from redistill.config.config import FILES, Config
from redistill.config.effect import HasSettings, apply_to_all
from redistill.config.errors import ConfigError
from redistill.config.problems import problems
from redistill.config.settings import Server
from redistill.control.peers import Alone
from redistill.control.state import Identity
from redistill.engine import Store, lua, stats
from redistill.engine.process import total_memory
from redistill.engine.shared import SUPERVISOR
from redistill.lifetime.arena import find_arena, joining
from redistill.lifetime.memory_limit import MemoryLimit, MemoryLimitService
from redistill.lifetime.reload import Reload
from redistill.lifetime.service import SERVING
from redistill.lifetime.signals import SignalService, Stoppable
from redistill.lifetime.store import StoreService
from redistill.lifetime.systemd import Systemd, SystemdService
from redistill.net.listening import Listening
from redistill.net.sockets import OpenFiles, StartError, listen_tcp, passed_sockets
from redistill.net.tls.context import TlsContext, make_context, uses_tls
from redistill.net.tls.validity import DAY, problem_of
from redistill.net.tls.watch import CertificateWatch
from redistill.wiring import forkserver
from redistill.wiring.announcements import announce, announce_lua, warn_of_sizes, warn_of_validity
from redistill.wiring.clients import serve
from redistill.workers.channel import VERSION
from redistill.workers.launch import Launcher
from redistill.workers.supervisor import WorkersService

log = Logger()

FORK_SERVER = (sys.executable, "-P", "-m", forkserver.__name__, str(VERSION))
"""The command line of the fork server."""


def wire(
    reactor: Any, config: Config, output: Log, systemd: Systemd, options: Mapping[str, str] = MappingProxyType({})
) -> IService:
    """The wiring diagram of the daemon, which serves by itself or looks after workers. `options` are those of the
    command line, with which `config` was loaded. Raises StartError."""
    here = sizing.machine()
    workers = sizing.workers(config, here)
    announce(config, workers, reactor)
    # Also in a supervisor, which runs no script: so the log has one line, and not one a worker.
    announce_lua(*lua.load(lua.candidates()))
    sizes = sizing.sizes(config, here, workers)
    warn_of_sizes(sizes)
    config = config.with_pem()
    certificate = TlsContext(config.security, config.pem) if uses_tls(config.security) else None
    systemd.report_lost()
    if any(endpoints.kind(one) == "systemd" for one in config.server.endpoints):
        look_for_sockets(config.server, systemd.sockets)
    # A predecessor that is just dying is waited for first: it may have the sockets, too.
    fitting = config.memory
    if fitting.max_memory:
        fitting = dataclasses.replace(fitting, max_memory=sizes.max_memory)
    arena = find_arena(fitting, systemd.arena)
    sockets = Listening(config, workers, passed_sockets(systemd.sockets.inheritedDescriptors()))
    if not any(endpoints.kind(one) == "systemd" for one in config.server.endpoints):
        systemd.warn_of_unused(sockets.adopted)
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
    shown = ""
    """The certificate before it, as its digits."""

    def with_certificate(new: Config) -> Config:
        running = reload.running()
        if certificate is None:
            return new
        if watch.knows(new.security) and new.security.tls_client_auth == running.security.tls_client_auth:
            # Nothing new; and after `twistd --uid` this process may not be able to read the key any more.
            new = dataclasses.replace(new, pem=running.pem)
        else:
            new = new.with_pem()
        make_context(new.security, new.pem)
        return new

    def read() -> Config:
        nonlocal seen, shown
        seen, shown = watch.state(), "" if certificate is None else certificate.fingerprint
        new, found = problems(config.path or None, os.environ, options)
        if found or new is None:
            raise ConfigError(". Also: ".join(map(str, found)))
        return with_certificate(new)

    def reloaded() -> None:
        watch.noted(seen)
        if certificate is not None and certificate.fingerprint == shown:  # of another one it was said as it came
            warn_of_validity(certificate)

    def renew() -> bool:
        if reload.busy:
            return False
        running = reload.running()
        new = with_certificate(running)
        if new.pem != running.pem:
            log.info("renewing the TLS certificate: its files have changed")
            reload.renew({FILES: (running.file_passwords, new.pem)})
        return True

    reload: Reload
    server: Stoppable
    listening: Deferred[object]
    if workers == 1:
        serving = serve(
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
            inherited=systemd.sockets,
        )
        serving.background.setServiceParent(keeper)  # type: ignore[no-untyped-call]
        state, server, listening = serving.control.state, serving.server, succeed(None)
        reload = Reload(read, lambda: state.config, lambda changes: Alone().change(state, changes), reloaded)
    else:
        server = pool = WorkersService(
            reactor,
            store,
            config=config,
            listening=sockets,
            arena=lambda: arena.fd,
            apply=lambda new: apply_to_all(objects, new, pool.config),
            stop=stop,
            launcher=Launcher(reactor, FORK_SERVER, output.relay),
            relay=output.relay,
            journal=lambda: output.journal,
            identity=identity,
            passed=systemd.sockets,
        )
        objects: Sequence[HasSettings] = (
            OpenFiles(lambda: pool.config),
            sockets,
            *(() if certificate is None else (certificate,)),
            MemoryLimit(store, config, workers, warn_of_sizes),
            output,
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
    watch = CertificateWatch(reactor, lambda: reload.running().security, renew)
    if certificate is not None:
        watch.setServiceParent(keeper)  # type: ignore[no-untyped-call]
        certificate.on_change = lambda: warn_of_validity(certificate)
        daily: Any = TimerService(DAY, warn_of_validity, certificate)  # type: ignore[no-untyped-call]
        daily.clock = reactor
        daily.setServiceParent(keeper)
    manager = SystemdService(reactor, systemd, listening)
    manager.setServiceParent(keeper)  # type: ignore[no-untyped-call]
    reload.began, reload.ended = manager.reloading, lambda: manager.ready(reload.problem)
    signals.began = manager.stopping
    if health_socket is None:
        return keeper

    def problem() -> str:
        if found := server.problem():
            return found
        found = "" if certificate is None else problem_of(certificate.begins, certificate.expires, time.time())
        return found and f"the TLS certificate {found}"

    return watched(
        reactor,
        keeper,
        store,
        identity,
        health_socket,
        own_names(config.server),
        lambda: "stopping" if signals.stopping else server.state(),
        lambda: stats.Configured(
            reload.running().server.max_connections,
            0.0 if certificate is None else certificate.expires,
            0.0 if certificate is None else certificate.begins,
            name_of(reload.running()),
        ),
        lambda: signals.stopping or server.alive(),
        problem,
        lambda: signals.stopping and server.state() == SERVING,
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
    draining: Callable[[], bool],
) -> IService:
    """The daemon with its health port around it."""
    from redistill.observe.health import HealthService  # Klein, which most of the start would be spent on

    machine_memory, no_rates = total_memory(), stats.Rates()

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

    health = HealthService(reactor, listener, snapshot, state, configured, hosts, alive, problem, draining)
    keeper.setServiceParent(health)  # type: ignore[no-untyped-call]
    return health


def look_for_sockets(server: Server, inherited: ListenFDs) -> None:
    """Raise StartError when systemd has not passed a socket that an endpoint is for."""
    for description in server.endpoints:
        if endpoints.kind(description) == "systemd":
            try:
                os.close(endpoints.passed(description, inherited))
            except endpoints.BadEndpoint as problem:
                raise StartError(
                    f"server.endpoints: cannot listen on {description!r}: {problem}; correct the .socket unit"
                ) from None


def health_listener(server: Server) -> socket.socket | None:
    """The bound socket for HTTP, if there is to be one. Raises StartError."""
    if not server.health_check_port:
        return None
    names = ("server.health_check_bind", "server.health_check_port")
    host, port = server.health_check_bind, server.health_check_port
    return listen_tcp(host, port, nodelay=True, keepalive=0, settings=names)[0]


def name_of(config: Config) -> str:
    """The host and port by which operators know the server; without a port the path of its UNIX socket."""
    port = config.server.port or config.security.tls_port
    return f"{socket.gethostname()}:{port}" if port else config.server.unix_socket or socket.gethostname()


def own_names(server: Server) -> list[str]:
    """The host names under which browsers may ask the health port: the machine's, with its domain and without, and
    those of the configuration."""
    machine = socket.gethostname().lower()
    return [machine, machine.partition(".")[0], *(name.lower() for name in server.health_check_hosts)]
