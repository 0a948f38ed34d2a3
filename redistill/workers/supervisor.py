"""The supervisor starts, watches and replaces the worker processes, and passes messages between them.

A worker is a process that runs `worker.run`. It inherits the arena, its end of an AMP channel, and the listening
sockets of all workers. It accepts clients on its own sockets, and on those of a worker that is missing: so no client is
refused when a worker dies. The supervisor owns the sockets, so they outlive every worker.
"""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable, Mapping
from io import FileIO
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock, LoopingCall
from twisted.logger import Logger

from redistill.config.config import Config
from redistill.config.endpoints import NO_DESCRIPTORS, Inherited
from redistill.config.errors import ConfigError
from redistill.config.rewrite import rewrite
from redistill.config.settings import Value
from redistill.control.peers import raise_problem
from redistill.control.state import Identity
from redistill.engine import PLACES, Store
from redistill.engine.shared import SUPERVISOR
from redistill.lifetime.service import SERVING
from redistill.lifetime.store import ArenaWatch
from redistill.net.listening import Listening, spread
from redistill.workers import channel
from redistill.workers.balance import Balance, busy_seconds
from redistill.workers.changes import Changes
from redistill.workers.exchange import Exchange
from redistill.workers.launch import Launcher
from redistill.workers.link import Link
from redistill.workers.pool import Pool
from redistill.workers.process import Worker
from redistill.workers.supervision import Supervision

log = Logger()

UNREADY = 5.0
"""Seconds without a worker that answers, after which the health port reports that the server does not serve."""
TIDY = 0.5
"""Seconds between two looks for blocks and clients that dead processes left."""


class WorkersService(Service):
    """The worker processes, from the start to the end of the server."""

    def __init__(
        self,
        reactor: Any,
        store: Store,
        *,
        config: Config,
        listening: Listening,
        arena: Callable[[], int],
        apply: Callable[[Config], None],
        stop: Callable[[bool], None],
        launcher: Launcher,
        relay: Callable[[str], None],
        journal: Callable[[], bool] = lambda: False,
        identity: Identity,
        passed: Inherited = NO_DESCRIPTORS,
    ) -> None:
        """The service has one worker for each list of sockets in `listening`. `arena` gives the descriptor of the
        arena. `apply` puts a configuration into effect in this process, or raises Refused; `stop` ends the daemon;
        `relay` gets the lines that workers write, for journald if `journal` is true; `identity` has the facts about the
        server that all workers report; `passed` are the sockets that systemd has passed."""
        self.loaded = config
        self._hurry: float | None = None
        self.relay = relay
        self._journal = journal
        self.shutdown = stop
        self._reactor = reactor
        self._store = store
        self._listening = listening
        self._relay_ends: list[tuple[socket.socket, socket.socket]] = []
        """For each worker, the end that it takes connections from, and the one that others fill (`SocketRelay`)."""
        self._wakers: list[FileIO] = []
        """Eventfds by which the processes of the arena wake each other, by their places."""
        self._arena = arena
        self._identity = identity
        self._passed = passed
        self._launcher = launcher
        self._patience = Clock()
        self.pool = Pool(reactor, store, len(listening.listeners), launcher, relay, lambda: self.grace, self._patience)
        self._workers = self.pool.workers
        self._supervision = Supervision(
            reactor,
            self._patience,
            store.workers,
            self._workers,
            self.pool.serving,
            lambda: self.config.server.worker_timeout,
            busy_seconds,
        )
        self.changes = Changes(
            self._patience,
            config,
            store.announced,
            self._workers,
            lambda: any(self.pool.serving()),
            apply,
            store.announce,
            self._equip,
            listening.settle,
        )
        self.ready = self.pool.ready
        """Fires when all workers serve for the first time."""
        self.ready.addCallback(lambda nothing: listening.log_addresses())
        self.replace = self.pool.replace
        self._lost = ArenaWatch(store)
        self._tidying = LoopingCall(self._tidy)
        self._tidying.clock = reactor
        self._balance = Balance(
            reactor, self.pool.settled, busy_seconds, lambda count: store.add("connections_moved", count)
        )
        exchange = Exchange(self._patience, self.pool, store.workers, lambda: self.changes.limit, self._balance.taker)
        self.ask, self.give = exchange.ask, exchange.give

    # ---- the service ----

    def startService(self) -> None:
        super().startService()
        self._relay_ends = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in self._listening.listeners]
        self._wakers = [FileIO(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)) for _ in range(PLACES)]
        self._launcher.start(self)
        self.pool.start()
        self._supervision.start()
        self._tidying.start(TIDY, now=False)
        self._balance.start()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self._tidying.stop()
        self._balance.stop()
        log.info("stopping; {workers} workers", workers=len(self._workers))
        ends = self.pool.stop()
        self._listening.close()
        for one in (end for ends in self._relay_ends for end in ends):
            one.close()
        for waker in self._wakers:
            waker.close()
        return ends.addCallback(lambda results: self._supervision.stop())

    # ---- state ----

    @property
    def config(self) -> Config:
        """The configuration in effect."""
        return self.changes.config

    @property
    def grace(self) -> float:
        """Seconds that clients have when the server stops: as configured, unless this was set."""
        return float(self.config.server.shutdown_grace_period_secs) if self._hurry is None else self._hurry

    @grace.setter
    def grace(self, seconds: float) -> None:
        self._hurry = seconds

    def state(self) -> str:
        """SERVING while a worker serves clients, or why none does."""
        state = self.pool.state()
        return "the workers do not answer" if state == SERVING and self._supervision.unserved > UNREADY else state

    def alive(self) -> bool:
        """False when no worker has served clients for longer than server.worker_timeout."""
        return self._supervision.alive

    def problem(self) -> str:
        """The difference between the configuration asked for and the one in effect, in words; empty: none."""
        return self.changes.problem

    def is_ready(self, worker: Worker) -> None:
        """Note that a worker serves."""
        self.pool.is_ready(worker)
        if worker.serving:
            self.changes.has_begun(worker)

    def _tidy(self) -> None:
        """Log the keys that were lost with processes that died; free their blocks and have other workers accept their
        clients, where that could not be done at once."""
        self._lost.look()
        self.pool.cover()
        ours = {worker.pid for worker in self._workers}
        for one in self._store.workers:
            if one.pid not in ours and one.number != SUPERVISOR:
                self._store.workers.reap(one.place)

    # ---- what a worker gets ----

    def inherited(self, worker: Worker) -> list[int]:
        """The descriptors of its process (`fork_client.Supplies`)."""
        worker.listeners = self._listening.listeners
        relay_ends = [self._relay_ends[worker.number][0], *(outlet for _, outlet in self._relay_ends)]
        sockets = [listener for listener, _ in spread(self._listening.listeners)]
        wakers = [waker.fileno() for waker in self._wakers]
        passed = self._passed.inheritedDescriptors()
        return [self._arena(), *wakers, *passed, *(one.fileno() for one in (*sockets, *relay_ends))]

    def connect(self, worker: Worker, ours: socket.socket) -> Any:
        """Talk to its process over the channel (`fork_client.Supplies`)."""
        factory = Factory.forProtocol(lambda: Link(worker, self))
        factory.noisy = False
        return self._reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)

    def orders(self, worker: Worker) -> dict[str, Any]:
        """The orders of a new worker: its identity, descriptors and configuration."""
        worker.generation = self.changes.generation
        worker.ended.addCallback(self.changes.has_ended)
        inherited = spread(worker.listeners)
        return {
            "identity": dataclasses.asdict(self._identity),
            "number": worker.number,
            "wakers": len(self._wakers),
            "passed": self._passed_names(),
            "listeners": [
                [place for place, (_, numbers) in enumerate(inherited) if number in numbers]
                for number in range(len(worker.listeners))
            ],
            "relay": len(inherited),
            "sockets": self._equip(worker),
            "config": self.config.to_json(),
            "generation": self.changes.generation,
            "journal": self._journal(),
        }

    def _passed_names(self) -> list[str]:
        names = {fd: name for name, fd in self._passed.inheritedNamedDescriptors().items()}
        return [names.get(fd, "") for fd in self._passed.inheritedDescriptors()]

    def _equip(self, worker: Worker) -> int:
        """Send the worker the present listening sockets. Returns their number; 0: it has them already."""
        if worker.listeners is self._listening.listeners:
            return 0
        worker.listeners = self._listening.listeners
        sockets = spread(worker.listeners)
        for listener, numbers in sockets:
            sent: Any = worker.link.callRemote(channel.Listen, listener=listener.fileno(), workers=numbers)  # type: ignore[union-attr]
            if sent is not None:  # None: the worker has ended, which `Pool` notices
                sent.addErrback(lambda failure: None)
        return len(sockets)

    # ---- configuration ----

    def try_change(self, changes: Mapping[str, Value]) -> Deferred[None]:
        """Change settings in all processes, or in none and fail with the problem (ConfigError, Refused)."""
        return self.changes.change(changes).addCallback(raise_problem)

    def rewrite(self) -> str | None:
        """Write changed settings into the configuration file. Returns the problem, or None."""
        try:
            rewrite(self.config, self.loaded)
        except ConfigError as problem:
            return str(problem)
        self.loaded = self.config
        return None
