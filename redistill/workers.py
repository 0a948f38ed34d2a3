"""The supervisor's side of the worker processes: it starts, watches and replaces them, and stands between them.

A worker is a process that runs `redistill.worker`. It inherits the arena, its end of an AMP channel, and the listening
sockets of all workers, of which it serves its own; while another worker is not there it serves that one's too. So a
client is never refused for a worker's death, and the sockets outlive them all, since they are the supervisor's.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, DeferredLock, inlineCallbacks, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, ProcessProtocol
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
from redistill.rewrite import rewrite
from redistill.service import SERVING, LostShards
from redistill.settings import Value
from redistill.sockets import close_listeners, log_addresses

log = Logger()

PYTHON = [sys.executable, "-P", "-m", "redistill.worker"]

ANSWER_SECONDS = 3.0
"""How long a worker has to answer a question."""
START_SECONDS = 30.0
"""How long a worker has from its start until it serves."""
YOUNG = 5.0
"""A worker that ends within so many seconds of serving may do so again: the next one is started later each time."""
LONGEST_WAIT = 5.0
ALONE_WAIT = 0.2
"""Longest wait before the next start, and the same as long as no other worker serves."""
LOOK = 0.5
"""Seconds between two looks at the workers' heartbeats."""
BETWEEN_KILLS = 1.0
"""After a hung worker was killed, those that waited for a lock of its own have so long to go on."""
LEAVE_SECONDS = 5.0
"""Beyond the grace period, until a worker that was told to end is killed."""


class Link(AMP):
    """The supervisor's end of the channel to one worker."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker
        self._pool = worker.pool

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
        return {"orders": self._pool.orders(self._worker)}

    @channel.Ready.responder
    def ready(self) -> dict[str, Any]:
        self._pool.is_ready(self._worker)
        return {}

    @channel.Ask.responder
    def ask(self, question: str, argument: Any) -> Deferred[dict[str, Any]]:
        return self._pool.ask(self._worker, question, argument).addCallback(lambda answers: {"answers": answers})

    @channel.Tell.responder
    def tell(self, question: str, argument: Any) -> dict[str, Any]:
        self._pool.ask(self._worker, question, argument)
        return {}

    @channel.Change.responder
    def change(self, changes: dict[str, Any]) -> Deferred[dict[str, Any]]:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        return self._pool.change(values).addCallback(lambda problem: {"problem": problem})

    @channel.Rewrite.responder
    def rewrite(self) -> dict[str, Any]:
        return {"problem": self._pool.rewrite()}

    @channel.Shutdown.responder
    def shutdown(self, now: bool) -> dict[str, Any]:
        self._pool.shutdown(now)
        return {}

    @channel.Give.responder
    def give(self, connection: int, state: bytes) -> Deferred[dict[str, Any]]:
        return self._pool.give(self._worker, connection, state).addCallback(lambda taken: {"taken": taken})


class Worker(ProcessProtocol):
    """One worker process, as the supervisor knows it."""

    transport: Any

    def __init__(self, pool: WorkersService, number: int) -> None:
        self.pool = pool
        self.number = number
        self.pid = 0
        """Of the process; 0 before it has started and when it has ended."""
        self.link: Link | None = None
        self.serving = False
        """From its `Ready` until it was told to retire or has ended."""
        self.leaving = False
        """It was told to end."""
        self.served_since: float | None = None
        self.overdue: IDelayedCall | None = None
        self.covers: set[int] = set()
        self.ready: Deferred[Worker] = Deferred()
        self.ended: Deferred[Worker] = Deferred()
        self._lines: dict[int, bytes] = {}

    def kill(self) -> None:
        """End the process at once, if there is one."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def connectionMade(self) -> None:
        self.pid = self.transport.pid

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        lines, _, rest = (self._lines.get(childFD, b"") + data).rpartition(b"\n")
        if len(rest) > 65536:  # a line without an end is passed on as it is
            lines, rest = lines + rest, b""
        self._lines[childFD] = rest
        if lines:
            self.pool.relay(lines.decode("utf-8", "replace") + "\n")

    def processEnded(self, reason: Failure) -> None:
        for rest in filter(None, self._lines.values()):
            self.pool.relay(rest.decode("utf-8", "replace") + "\n")
        self.pool.has_ended(self, reason)


class Slot:
    """The place of one worker: who serves there, and what came of those before."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.current: Worker | None = None
        self.next_start: IDelayedCall | None = None
        self.wait = 0.0


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
        self.restarts = 0
        self.grace = float(config.server.shutdown_grace_period_secs)
        self.relay = relay
        self._journal = journal
        self.shutdown = stop
        self.ready: Deferred[object] = Deferred()
        """Fires when all workers serve for the first time."""
        self._reactor = reactor
        self._store = store
        self._listeners = listeners
        self._sockets = list(dict.fromkeys(listener for some in listeners for listener in some))
        self._boxes: list[tuple[socket.socket, socket.socket]] = []
        """Of each worker, the end that it empties and the one that the others fill (`tickets.Post`)."""
        self._arena = arena
        self._apply = apply
        self._identity = identity
        self._slots = [Slot(number) for number in range(len(listeners))]
        self._workers: list[Worker] = []
        self._stopping = False
        self._changing = DeferredLock()
        self._reloading = DeferredLock()
        self._watch = LoopingCall(self._look)
        self._watch.clock = reactor
        self._lost = LostShards(store)
        self._looked_at = 0.0
        self._killed_at = 0.0
        self._balance = Balance(
            reactor, self._settled, busy_seconds, lambda count: store.add("connections_moved", count)
        )

    # ---- the service ----

    def startService(self) -> None:
        super().startService()
        self._boxes = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in self._slots]
        for slot in self._slots:
            slot.current = self._start(slot.number)
        self._looked_at = self._reactor.seconds()
        self._watch.start(LOOK, now=False)
        self._balance.start()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self._stopping = True
        self._watch.stop()
        self._balance.stop()
        for slot in self._slots:
            _cancel(slot.next_start)
        log.info("stopping; {workers} workers", workers=len(self._workers))
        ends = DeferredList([self._end(worker) for worker in list(self._workers)])
        close_listeners(self._listeners)
        for one in (end for box in self._boxes for end in box):
            one.close()
        return ends.addCallback(lambda results: None)

    def _end(self, worker: Worker) -> Deferred[Worker]:
        """Tell a worker to end, see that it does, and wait for it."""
        worker.leaving, worker.serving = True, False
        if worker.link is None:
            worker.kill()
            return worker.ended
        worker.link.callRemote(channel.Stop, now=self.grace == 0).addErrback(_unless_gone)
        return self._awaited_end(worker)

    def _awaited_end(self, worker: Worker) -> Deferred[Worker]:
        late = self._reactor.callLater(self.grace + LEAVE_SECONDS, self._is_late, worker)

        def ended(worker: Worker) -> Worker:
            _cancel(late)
            return worker

        return worker.ended.addCallback(ended)

    def _is_late(self, worker: Worker) -> None:
        log.error("worker {number} (pid {pid}) does not end; it is killed", number=worker.number, pid=worker.pid)
        worker.kill()

    # ---- lives of workers ----

    def _start(self, number: int) -> Worker:
        """Start a process for the place `number`."""
        worker = Worker(self, number)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs, open(os.devnull, "rb") as nothing:
            fds: dict[int, int | str] = {0: nothing.fileno(), 1: "r", 2: "r", channel.CHANNEL: theirs.fileno()}
            fds[channel.ARENA] = self._arena()
            boxes = [self._boxes[number][0], *(filled for _, filled in self._boxes)]
            fds.update({channel.LISTENERS + i: one.fileno() for i, one in enumerate([*self._sockets, *boxes])})
            self._reactor.spawnProcess(
                worker, PYTHON[0], [*PYTHON, str(number)], env=environment(os.environ), childFDs=fds
            )
            ours.setblocking(False)
            factory = Factory.forProtocol(lambda: Link(worker))
            factory.noisy = False
            self._reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
        self._workers.append(worker)
        worker.overdue = self._reactor.callLater(START_SECONDS, self._is_overdue, worker)
        return worker

    def _is_overdue(self, worker: Worker) -> None:
        log.error("worker {number} (pid {pid}) does not begin to serve", number=worker.number, pid=worker.pid)
        worker.kill()

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

    def is_ready(self, worker: Worker) -> None:
        """A worker serves."""
        _cancel(worker.overdue)
        worker.serving = not worker.leaving
        worker.served_since = self._reactor.seconds()
        log.debug("worker {number} serves, pid {pid}", number=worker.number, pid=worker.pid)
        self._cover()
        worker.ready.callback(worker)
        if not self.ready.called and all(slot.current and slot.current.serving for slot in self._slots):
            log_addresses(self._listeners)
            self.ready.callback(None)

    def has_ended(self, worker: Worker, reason: Failure) -> None:
        """The process of a worker is gone."""
        pid, worker.pid = worker.pid, 0  # its transport has none any more
        self._workers.remove(worker)
        _cancel(worker.overdue)
        worker.serving = False
        for one in self._store.workers:
            if one.pid == pid:
                self._store.workers.reap(one.place)
        if not worker.leaving:
            log.error("worker {number} has ended: {reason}", number=worker.number, reason=_ending(reason), pid=pid)
        self._cover()
        slot = self._slots[worker.number]
        if slot.current is worker:
            slot.current = None
            if not self._stopping:
                self._start_again(slot, worker)
        if not worker.ready.called:
            worker.ready.errback(Failure(RuntimeError("the worker ended before it served")))
        worker.ready.addErrback(lambda failure: None)
        worker.ended.callback(worker)

    def _start_again(self, slot: Slot, ended: Worker) -> None:
        """Start another process at the place of one that ended by itself."""
        self.restarts += 1
        since, now = ended.served_since, self._reactor.seconds()
        old = since is not None and now - since >= YOUNG
        slot.wait = 0.0 if old else min(max(slot.wait * 2, 0.05), LONGEST_WAIT)
        wait = slot.wait if any(self.serving()) else min(slot.wait, ALONE_WAIT)

        def start() -> None:
            slot.current = self._start(slot.number)

        slot.next_start = self._reactor.callLater(wait, start)

    def serving(self) -> Iterator[Worker]:
        """The workers that accept clients."""
        return (slot.current for slot in self._slots if slot.current is not None and slot.current.serving)

    def state(self) -> str:
        """SERVING while somebody accepts clients, or why nobody does."""
        if any(self.serving()):
            return SERVING
        return "no worker serves" if self.ready.called else "starting"

    def _settled(self) -> list[Worker]:
        """The workers, when none of them comes or goes."""
        workers = [worker for worker in self.serving() if worker.pid]
        return workers if len(workers) == len(self._slots) == len(self._workers) else []

    def _cover(self) -> None:
        """Have those who serve accept the clients of those who do not."""
        serving = list(self.serving())
        missing = {slot.number for slot in self._slots} - {worker.number for worker in serving}
        for worker in serving:
            for number in missing ^ worker.covers:
                if worker.link is not None:
                    worker.link.callRemote(channel.Cover, number=number, on=number in missing).addErrback(_unless_gone)
            worker.covers = set(missing)

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
        others = [worker for worker in self.serving() if worker is not giver]
        clients = {one.pid: one.connections for one in self._store.workers}
        fewest = min(others, key=lambda one: clients.get(one.pid, 0), default=None)
        meant = (self._slots[giver.number].current, self._balance.taker(giver))
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
            refusal = yield self._apply_in_workers(new)
            if refusal is not None:
                self.config = old
                self._apply(old)
                yield self._apply_in_workers(old)
                return refusal
            self.grace = float(new.server.shutdown_grace_period_secs)
            return None

        return self._changing.run(act)

    def try_change(self, changes: Mapping[str, Value]) -> Deferred[None]:
        """`change`, but it fails with the problem (ConfigError, Refused)."""
        return self.change(changes).addCallback(raise_problem)

    def _apply_in_workers(self, config: Config) -> Deferred[tuple[str, str] | None]:
        """The first problem that a worker has with it. One that is gone, or gone by now, has none."""
        plain = config.to_json()
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

    # ---- replacing them all ----

    def replace(self) -> Deferred[None]:
        """Replace the workers, one after another, by processes that run what is installed now. Their clients go with
        them. Where a successor does not come to serve, the worker stays, and so do those after it."""

        @inlineCallbacks
        def act() -> Any:
            for slot in self._slots:
                if self._stopping:
                    return
                old = slot.current
                if old is None or not old.serving:
                    continue
                successor = self._start(slot.number)
                try:
                    yield successor.ready
                except RuntimeError as problem:
                    log.error(
                        "the reload stops at worker {number}: {problem}", number=slot.number, problem=str(problem)
                    )
                    return
                _cancel(slot.next_start)  # there is one if the old worker has died meanwhile
                slot.current = successor
                self._cover()
                if old in self._workers:
                    self._retire(old)
                    yield self._awaited_end(old)
            log.info("all workers were replaced")

        return self._reloading.run(act)

    def _retire(self, worker: Worker) -> None:
        worker.leaving, worker.serving = True, False
        if worker.link is not None:
            worker.link.callRemote(channel.Retire).addErrback(_unless_gone)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Of a worker: without the settings, which it is told (and which may be secrets), and with our own package."""
    left_out = ("REDIS_", "REDISTILL_", "LISTEN_", "NOTIFY_", "WATCHDOG_")
    kept = {name: value for name, value in environ.items() if not name.startswith(left_out)}
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [home, kept.get("PYTHONPATH", "")]))
    return kept


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


def _ending(reason: Failure) -> str:
    """How a process ended, in words."""
    problem = reason.value
    if isinstance(problem, ProcessTerminated) and problem.signal:
        return f"killed by {signal.Signals(problem.signal).name}"
    return f"exit status {getattr(problem, 'exitCode', None)}"


def _unless_gone(failure: Failure) -> None:
    """A worker that ended before it answered is dealt with where its end is noticed."""
    if failure.check(ConnectionDone, ConnectionLost) is None:
        log.failure("in what a worker was told", failure)
