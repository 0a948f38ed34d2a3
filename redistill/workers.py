"""The supervisor's side of the worker processes: it starts, watches and replaces them, and stands between them.

A worker is a process that runs `redistill.worker`. It inherits the arena, its end of an AMP channel, and the listening
sockets of all workers, of which it serves its own; while another worker is not there it serves that one's too. So a
client is never refused for a worker's death, and the sockets outlive them all, since they are the supervisor's.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, DeferredLock, inlineCallbacks, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.amp import AMP
from twisted.python.failure import Failure

from redistill import channel
from redistill.balance import Balance, busy_seconds
from redistill.commands.interfaces import Refused
from redistill.commands.peers import problem_of, raise_problem
from redistill.commands.state import Identity
from redistill.config import Config, ConfigError
from redistill.engine import Store
from redistill.launch import PYTHON, Worker, environment
from redistill.pool import Pool
from redistill.pool import unless_gone as _unless_gone
from redistill.rewrite import rewrite
from redistill.service import LostShards
from redistill.settings import Value
from redistill.sockets import close_listeners, log_addresses

log = Logger()

ANSWER_SECONDS = 3.0
"""How long a worker has to answer a question."""
LOOK = 0.5
"""Seconds between two looks at the workers' heartbeats."""
BETWEEN_KILLS = 1.0
"""After a hung worker was killed, those that waited for a lock of its own have so long to go on."""


class Link(AMP):
    """The supervisor's end of the channel to one worker."""

    def __init__(self, worker: Worker, owner: WorkersService) -> None:
        super().__init__()
        self._worker = worker
        self._owner = owner

    @channel.Hello.responder
    def hello(self, version: int) -> dict[str, Any]:
        if version != channel.VERSION:
            log.warn(
                "worker {number} is of another build, whose channel has version {theirs}, not {ours}: restart the"
                " server to bring the supervisor to it",
                number=self._worker.number,
                theirs=version,
                ours=channel.VERSION,
            )
            raise RuntimeError("another version of the channel")
        self._worker.link = self
        return {"orders": self._owner.orders(self._worker)}

    @channel.Ready.responder
    def ready(self) -> dict[str, Any]:
        self._owner.pool.is_ready(self._worker)
        return {}

    @channel.Ask.responder
    def ask(self, question: str, argument: Any) -> Deferred[dict[str, Any]]:
        return self._owner.ask(self._worker, question, argument).addCallback(lambda answers: {"answers": answers})

    @channel.Tell.responder
    def tell(self, question: str, argument: Any) -> dict[str, Any]:
        self._owner.ask(self._worker, question, argument)
        return {}

    @channel.Change.responder
    def change(self, changes: dict[str, Any]) -> Deferred[dict[str, Any]]:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        return self._owner.change(values).addCallback(lambda problem: {"problem": problem})

    @channel.Rewrite.responder
    def rewrite(self) -> dict[str, Any]:
        return {"problem": self._owner.rewrite()}

    @channel.Shutdown.responder
    def shutdown(self, now: bool) -> dict[str, Any]:
        self._owner.shutdown(now)
        return {}

    @channel.Give.responder
    def give(self, connection: int, state: bytes) -> Deferred[dict[str, Any]]:
        return self._owner.give(self._worker, connection, state).addCallback(lambda taken: {"taken": taken})


class WorkersService(Service):
    """The worker processes, from the start to the end of the server."""

    def __init__(
        self,
        reactor: Any,
        store: Store,
        *,
        config: Config,
        listeners: Sequence[Sequence[socket.socket]],
        arena: Callable[[], int],
        apply: Callable[[Config], None],
        stop: Callable[[bool], None],
        relay: Callable[[str], None],
        journal: Callable[[], bool] = lambda: False,
        identity: Identity,
    ) -> None:
        """As many workers as `listeners` has entries: the listening sockets of each. `arena` gives the descriptor of
        the arena. `apply` puts a configuration into effect in this process, or raises Refused; `stop` ends the daemon;
        `relay` gets what the workers write, for journald if `journal` says so; `identity` is what they are to say of
        the server as a whole."""
        self.config = config
        self.loaded = config
        self.grace = float(config.server.shutdown_grace_period_secs)
        self.relay = relay
        self._journal = journal
        self.shutdown = stop
        self._reactor = reactor
        self._store = store
        self._listeners = listeners
        self._sockets = list(dict.fromkeys(listener for some in listeners for listener in some))
        self._boxes: list[tuple[socket.socket, socket.socket]] = []
        """Of each worker, the end that it empties and the one that the others fill (`tickets.Post`)."""
        self._arena = arena
        self._apply = apply
        self._identity = identity
        self.pool = Pool(reactor, store, len(listeners), self._launch, relay, lambda: self.grace)
        self.ready = self.pool.ready
        """Fires when all workers serve for the first time."""
        self.ready.addCallback(lambda nothing: log_addresses(listeners))
        self.state = self.pool.state
        self.replace = self.pool.replace
        self._workers = self.pool.workers
        self._changing = DeferredLock()
        self._watch = LoopingCall(self._look)
        self._watch.clock = reactor
        self._lost = LostShards(store)
        self._looked_at = 0.0
        self._killed_at = 0.0
        self._balance = Balance(
            reactor, self.pool.settled, busy_seconds, lambda count: store.add("connections_moved", count)
        )

    # ---- the service ----

    def startService(self) -> None:
        super().startService()
        self._boxes = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in self._listeners]
        self.pool.start()
        self._looked_at = self._reactor.seconds()
        self._watch.start(LOOK, now=False)
        self._balance.start()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self._watch.stop()
        self._balance.stop()
        log.info("stopping; {workers} workers", workers=len(self._workers))
        ends = self.pool.stop()
        close_listeners(self._listeners)
        for one in (end for box in self._boxes for end in box):
            one.close()
        return ends.addCallback(lambda results: None)

    # ---- a worker's process ----

    def _launch(self, worker: Worker) -> None:
        """Start its process, with all that it inherits."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs, open(os.devnull, "rb") as nothing:
            ours.setblocking(False)
            factory = Factory.forProtocol(lambda: Link(worker, self))
            factory.noisy = False
            self._reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
            fds: dict[int, int | str] = {0: nothing.fileno(), 1: "r", 2: "r", channel.CHANNEL: theirs.fileno()}
            fds[channel.ARENA] = self._arena()
            boxes = [self._boxes[worker.number][0], *(filled for _, filled in self._boxes)]
            fds.update({channel.LISTENERS + i: one.fileno() for i, one in enumerate([*self._sockets, *boxes])})
            argv = [*PYTHON, str(worker.number)]
            self._reactor.spawnProcess(worker, PYTHON[0], argv, env=environment(os.environ), childFDs=fds)

    def orders(self, worker: Worker) -> dict[str, Any]:
        """What a new worker needs to know."""
        return {
            "identity": dataclasses.asdict(self._identity),
            "number": worker.number,
            "listeners": [[self._sockets.index(listener) for listener in some] for some in self._listeners],
            "post": len(self._sockets),
            "config": self.config.to_json(),
            "journal": self._journal(),
        }

    # ---- those that hang ----

    def _look(self) -> None:
        """See whether all hearts beat. One that does not may only be waiting for a lock that another holds, so that one
        is killed at a time, and it is the one who holds what others wait for."""
        self._lost.look()
        now = self._reactor.seconds()
        delayed, self._looked_at = now - self._looked_at > 4 * LOOK, now
        if (
            delayed or now - self._killed_at < BETWEEN_KILLS
        ):  # this process was not running itself: they too need a turn
            return
        limit, present = self.config.server.worker_timeout, time.monotonic()
        silence = {one.pid: present - one.heartbeat for one in self._store.workers}
        silent = [worker for worker in self._workers if worker.ready.called and silence.get(worker.pid, 0) > limit > 0]
        if not silent:
            return
        owner = self._store.workers.lock_owner()
        hung = next((worker for worker in silent if worker.pid == owner), silent[0])
        log.error(
            "worker {number} (pid {pid}) has not moved for {seconds:.1f} s; it is killed",
            number=hung.number,
            pid=hung.pid,
            seconds=silence[hung.pid],
        )
        self._killed_at = now
        hung.kill()

    # ---- between workers ----

    def ask(self, asker: Worker | None, question: str, argument: Any) -> Deferred[list[Any]]:
        """The answers of all workers but the one that asks; those that give none in time are left out."""

        def missing(failure: Failure, worker: Worker) -> None:
            if failure.check(ConnectionDone, ConnectionLost) is None:
                log.warn(
                    "worker {number} did not answer {question!r}: {reason}",
                    number=worker.number,
                    question=question,
                    reason=failure.getErrorMessage(),
                )

        asked = []
        for worker in self._workers:
            if worker is asker or worker.link is None or not worker.ready.called:
                continue
            answer = worker.link.callRemote(channel.Question, question=question, argument=argument)
            answer.addTimeout(ANSWER_SECONDS, self._reactor).addCallbacks(
                lambda box: box["answer"], missing, errbackArgs=(worker,)
            )
            asked.append(answer)

        def answers(results: list[tuple[bool, Any]]) -> list[Any]:
            return [answer for _, answer in results if answer is not None]

        return DeferredList(asked).addCallback(answers)

    def give(self, giver: Worker, connection: int, state: bytes) -> Deferred[bool]:
        """Hand a connection on: to the giver's successor, or else to whom load is moved to, or else to who has the
        fewest clients. Whether it is gone.

        Only a refusal leaves it with the giver. Of a taker that died or did not answer nobody knows whether it has
        executed something, so the connection is closed, for nothing may be executed twice.
        """
        others = [worker for worker in self.pool.serving() if worker is not giver]
        clients = {one.pid: one.connections for one in self._store.workers}
        fewest = min(others, key=lambda one: clients.get(one.pid, 0), default=None)
        meant = (self.pool.slots[giver.number].current, self._balance.taker(giver))
        taker = next((one for one in others if one in meant), fewest)
        if taker is None or taker.link is None:
            os.close(connection)
            return succeed(False)

        def unknown(failure: Failure) -> bool:
            log.warn(
                "a connection was lost on its way to worker {number}: {reason}",
                number=taker.number,
                reason=str(failure.value),
            )
            return True

        def close(taken: bool) -> bool:
            os.close(connection)
            return taken

        taking: Deferred[Any] = taker.link.callRemote(channel.Take, connection=connection, state=state)
        taking.addTimeout(ANSWER_SECONDS, self._reactor)
        return taking.addCallbacks(lambda box: box["taken"], unknown).addCallback(close)

    # ---- configuration ----

    def change(self, changes: Mapping[str, Value]) -> Deferred[tuple[str, str] | None]:
        """Change settings in all processes, or in none; then the directive and the reason."""

        @inlineCallbacks
        def act() -> Any:
            old = self.config
            try:
                new = old.replace(changes)
                self._apply(new)
            except (ConfigError, Refused) as problem:
                return problem_of(problem)
            self.config = new
            refusal = yield self._apply_in_workers(new, old)
            if refusal is not None:
                self.config = old
                self._apply(old)
                yield self._apply_in_workers(old, new)
                return refusal
            self.grace = float(new.server.shutdown_grace_period_secs)
            return None

        return self._changing.run(act)

    def try_change(self, changes: Mapping[str, Value]) -> Deferred[None]:
        """`change`, but it fails with the problem (ConfigError, Refused)."""
        return self.change(changes).addCallback(raise_problem)

    def _apply_in_workers(self, config: Config, before: Config) -> Deferred[tuple[str, str] | None]:
        """The first problem that a worker has with it. One that is gone, or gone by now, has none."""
        plain = config.to_json(before)
        asked = []
        for worker in self._workers:
            if worker.link is not None:
                answer = worker.link.callRemote(channel.Apply, config=plain).addTimeout(ANSWER_SECONDS, self._reactor)
                asked.append(answer.addCallbacks(lambda box: box["problem"], _unless_gone))

        def first(results: list[tuple[bool, Any]]) -> tuple[str, str] | None:
            return next((tuple(problem) for good, problem in results if good and problem), None)

        return DeferredList(asked, consumeErrors=True).addCallback(first)

    def rewrite(self) -> str | None:
        """Write what was changed into the file; or why that cannot be."""
        try:
            rewrite(self.config, self.loaded)
        except ConfigError as problem:
            return str(problem)
        self.loaded = self.config
        return None
