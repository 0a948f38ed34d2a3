"""The wiring of a worker, and its main function."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.protocol import Factory
from twisted.logger import globalLogBeginner
from twisted.python.systemd import ListenFDs

from redistill.base.logs import Log
from redistill.config.config import Config
from redistill.control.state import Identity
from redistill.engine import Store, name_arguments, name_process
from redistill.lifetime.arena import Arena
from redistill.lifetime.store import StoreService
from redistill.net.tls.context import TlsContext, uses_tls
from redistill.wiring.clients import ServingProcess, serve
from redistill.workers.serving import Channel, Serving, ThroughSupervisor

WORKER_QUIET = ("twisted.protocols.amp", "twisted.internet.base", "log_legacy")
"""Loggers that tell of every channel and port, of which there are many. The last is that of Twisted's older parts."""


def run(number: int, link: int, arena: int, inherited: Sequence[int]) -> None:
    """Serve until the supervisor says that it is enough, or is gone.

    The rest are descriptors, which are ours: of the channel, of the arena, of the eventfds that wake the processes of
    the arena by their places, of the sockets that systemd has passed, of the listening sockets of all workers in turn,
    of the socket that this one takes connections from and of the other ends of all workers' (`relay.SocketRelay`).
    """
    with contextlib.suppress(OSError):  # that it goes by another name is no reason not to serve
        name_process(f"rd-worker-{number}")  # `pgrep redistill` finds the daemon alone
        name_arguments([*sys.orig_argv[:-2], "redistill.wiring.worker", str(number)])
    from redistill.net import reactor as ours

    ours.install()
    from twisted.internet import reactor as installed

    def begin(channel: Channel, orders: Mapping[str, Any]) -> Serving:
        return work(reactor, ThroughSupervisor(channel), orders, arena, inherited)

    reactor: Any = installed

    def end() -> None:
        if reactor.running:
            reactor.stop()

    factory = Factory.forProtocol(lambda: Channel(begin, end))
    factory.noisy = False
    os.set_blocking(link, False)
    reactor.adoptStreamConnection(link, socket.AF_UNIX, factory)
    os.close(link)
    # Signals may go to all processes of the service or the terminal. They are the supervisor's, and ignored here.
    reactor.run(installSignalHandlers=False)


def work(
    reactor: Any, peers: ThroughSupervisor, orders: Mapping[str, Any], arena_fd: int, inherited: Sequence[int]
) -> ServingProcess:
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
    names = orders.get("passed", [])  # not of a supervisor of an older version
    passed, inherited = ListenFDs(list(inherited[: len(names)]), names), inherited[len(names) :]
    first = orders["relay"]
    known = [socket.socket(fileno=fd) for fd in inherited]
    sockets = [[known[i] for i in some] for some in orders["listeners"]]
    identity = Identity(**orders["identity"])
    context = TlsContext(config.security, config.pem) if uses_tls(config.security) else None
    relay_ends = known[first], known[first + 1 :]
    serving = serve(
        reactor,
        config,
        output,
        store,
        sockets,
        number,
        peers,
        identity,
        peers.shutdown,
        context,
        relay_ends,
        inherited=passed,
    )
    serving.background.setServiceParent(keeper)  # type: ignore[no-untyped-call]
    serving.life = keeper
    keeper.startService()
    store.set_wakers(wakers)
    reactor.loop.read_ring(store, wakers[store.place])
    return serving
