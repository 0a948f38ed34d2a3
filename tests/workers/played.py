"""A supervisor whose workers, fork server and arena are only played."""

from __future__ import annotations

import math
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.failures import Refused
from redistill.config.config import Config
from redistill.control.state import Identity
from redistill.workers import supervision, supervisor
from redistill.workers.process import Worker
from redistill.workers.supervision import LOOK
from redistill.workers.supervisor import WorkersService


class Figures(NamedTuple):
    """The block of a worker in the arena, played."""

    place: int
    pid: int
    heartbeat: float
    connections: int
    number: int = 0


class PlayedStore:
    """An arena in which workers say what a test has them say."""

    def __init__(self) -> None:
        self.figures: dict[int, Figures] = {}
        self.owner = 0
        self.reaped: list[int] = []
        self.added: list[tuple[str, int]] = []
        self.lost = 0
        self.announced = 7
        self.num_shards = 16
        self.doubts = 0
        self.workers = self

    def __iter__(self) -> Iterator[Figures]:
        return iter(list(self.figures.values()))

    def announce(self, generation: int) -> None:
        self.announced = generation

    def doubt(self) -> None:
        self.doubts += 1

    def lock_owner(self) -> int:
        return self.owner

    def reap(self, place: int) -> None:
        self.reaped.append(place)

    def counter(self, name: str) -> int:
        return self.lost

    def add(self, name: str, n: int) -> None:
        self.added.append((name, n))


class PlayedLink:
    """A channel that remembers what was said, and answers when the test does."""

    def __init__(self) -> None:
        self.said: list[tuple[type, dict[str, Any], Deferred[Any]]] = []

    def callRemote(self, command: type, **arguments: Any) -> Deferred[Any]:
        self.said.append((command, arguments, Deferred()))
        return self.said[-1][2]

    def told(self, command: type) -> list[dict[str, Any]]:
        """The arguments of all calls of `command`."""
        return [arguments for said, arguments, _ in self.said if said is command]

    def break_off(self) -> None:
        """The process is gone, and what it was told with it."""
        for _, _, waiting in self.said:
            if not waiting.called:
                waiting.errback(ConnectionDone())

    def answer(self, command: type, **box: Any) -> None:
        """Answer the calls of `command` that wait."""
        for said, _, waiting in self.said:
            if said is command and not waiting.called:
                waiting.callback(box)


class PlayedReactor(Clock):
    """Starts processes that do nothing (`PlayedLauncher`)."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Worker] = []
        self.problem: Exception | None = None
        """Why there are no more processes."""


class PlayedLauncher:
    """Starts workers that are only played, and remembers what it was told of fork servers."""

    def __init__(self, reactor: PlayedReactor) -> None:
        self.reactor = reactor
        self.renewed: list[Worker] = []
        """Workers of a fork server on trial."""
        self.said: list[Any] = []

    def start(self, supplies: Any) -> None:
        self.said.append("start")

    def launch(self, worker: Worker, renewed: bool = False) -> None:
        if self.reactor.problem is not None:
            raise self.reactor.problem
        worker.pid = 1000 + len(self.reactor.started)
        self.reactor.started.append(worker)
        if renewed:
            self.renewed.append(worker)

    def renew(self) -> None:
        self.said.append("renew")

    def settle(self, good: bool) -> None:
        self.said.append(good)

    def doubt(self, worker: Worker) -> None:
        self.said.append(worker)

    def stop(self) -> Deferred[None]:
        self.said.append("stop")
        return succeed(None)


class PlayedListening:
    """Listening sockets, of which there are none yet."""

    def __init__(self, workers: int) -> None:
        self.listeners: list[list[Any]] = [[] for _ in range(workers)]
        self.settled = 0

    def settle(self) -> None:
        """The change is over."""
        self.settled += 1

    def close(self) -> None:
        """There is nothing to close."""

    def log_addresses(self) -> None:
        """It has none."""


class PlayedWorkersTestCase(SynchronousTestCase):
    """Tests of a WorkersService with three workers that serve."""

    def setUp(self) -> None:
        self.reactor = PlayedReactor()
        self.launcher = PlayedLauncher(self.reactor)
        self.store = PlayedStore()
        self.killed: list[int] = []
        self.applied: list[int] = []
        self.failing = 0
        self.busy = {1000: 0.0, 1001: 0.0, 1002: 0.0}
        self.patch(os, "kill", lambda pid, number: self.killed.append(pid))
        self.patch(supervision, "runs", lambda pid: False)
        self.patch(supervisor, "busy_seconds", lambda pid: self.busy.get(pid, 0.0))
        self.pool = self.service(workers=3)
        self.pool.startService()
        self.links: dict[Worker, PlayedLink] = {}
        for worker in self.reactor.started:
            self.serve(worker)
        for link in self.links.values():
            link.said.clear()

    def service(self, workers: int) -> WorkersService:
        """A supervisor of so many workers."""
        self.listening = PlayedListening(workers)
        return WorkersService(
            self.reactor,
            self.store,  # type: ignore[arg-type]
            config=Config(),
            listening=self.listening,  # type: ignore[arg-type]
            arena=lambda: 0,
            apply=self.apply,
            stop=lambda now: None,
            launcher=self.launcher,  # type: ignore[arg-type]
            relay=lambda lines: None,
            identity=Identity.new(workers=workers),
        )

    def apply(self, config: Config) -> None:
        if config.server.max_connections == self.failing:
            raise OSError("no more files")
        if config.server.max_connections == 1234:
            raise Refused("maxclients", "too many")
        self.applied.append(config.server.max_connections)

    def serve(self, worker: Worker) -> None:
        """A worker has started and says that it serves."""
        self.links[worker] = worker.link = PlayedLink()  # type: ignore[assignment]
        worker.generation = self.pool.changes.generation
        self.pool.is_ready(worker)

    def end(self, worker: Worker, status: int = signal.SIGKILL) -> None:
        """The process of a worker ends, as waitpid(2) tells."""
        worker.processEnded(status)

    def listen(self) -> tuple[socket.socket, socket.socket]:
        """The server listens elsewhere: the workers 0 and 1 on one socket, worker 2 on the other."""
        one, two = socket.socket(), socket.socket()
        self.addCleanup(one.close)
        self.addCleanup(two.close)
        self.listening.listeners = [[one], [one], [two]]
        return one, two

    def wait(self, seconds: float) -> None:
        """Time passes, in which the supervisor is awake."""
        self.reactor.pump([LOOK] * math.ceil(seconds / LOOK))

    def given(self, giver: Worker) -> tuple[int, Deferred[bool]]:
        """A connection that a worker gives away."""
        read, write = os.pipe()
        os.close(write)
        return read, self.pool.give(giver, read, b"state")
