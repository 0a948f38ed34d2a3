"""The places of the workers: which process serves in each, and what happens when it ends.

The pool starts, replaces and ends processes; how one is launched, and what is said to it, is its owner's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredLock, inlineCallbacks
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill import channel
from redistill.engine import Store
from redistill.launch import Worker, ending
from redistill.service import SERVING

log = Logger()

START_SECONDS = 30.0
"""How long a worker has from its start until it serves."""
YOUNG = 5.0
"""A worker that ends within so many seconds of serving may do so again: the next one is started later each time."""
LONGEST_WAIT = 5.0
ALONE_WAIT = 0.2
"""Longest wait before the next start, and the same as long as no other worker serves."""
LEAVE_SECONDS = 5.0
"""Beyond the grace period, until a worker that was told to end is killed."""


class Slot:
    """The place of one worker: who serves there, and what came of those before."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.current: Worker | None = None
        self.next_start: IDelayedCall | None = None
        self.wait = 0.0


class Pool:
    """The worker processes, from the start to the end of the server."""

    def __init__(
        self,
        reactor: Any,
        store: Store,
        count: int,
        launch: Callable[[Worker], None],
        relay: Callable[[str], None],
        grace: Callable[[], float],
    ) -> None:
        """`count` places. `launch` starts the process of a worker; `relay` gets what the workers write; `grace` is how
        many seconds clients have when a worker ends."""
        self.slots = [Slot(number) for number in range(count)]
        self.workers: list[Worker] = []
        """All processes: those that serve, and those that come or go."""
        self.ready: Deferred[object] = Deferred()
        """Fires when all workers serve for the first time."""
        self.restarts = 0
        self.stopping = False
        self._reactor = reactor
        self._store = store
        self._launch = launch
        self._relay = relay
        self._grace = grace
        self._reloading = DeferredLock()

    def start(self) -> None:
        """Start a worker in each place."""
        for slot in self.slots:
            slot.current = self._start(slot.number)

    def stop(self) -> Deferred[Any]:
        """End all workers; none is started any more."""
        self.stopping = True
        for slot in self.slots:
            _cancel(slot.next_start)
        return DeferredList([self._end(worker) for worker in list(self.workers)])

    def _end(self, worker: Worker) -> Deferred[Worker]:
        """Tell a worker to end, see that it does, and wait for it."""
        worker.leaving, worker.serving = True, False
        if worker.link is None:
            worker.kill()
            return worker.ended
        worker.link.callRemote(channel.Stop, now=self._grace() == 0).addErrback(unless_gone)
        return self._awaited_end(worker)

    def _awaited_end(self, worker: Worker) -> Deferred[Worker]:
        late = self._reactor.callLater(self._grace() + LEAVE_SECONDS, self._is_late, worker)

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
        worker = Worker(number, self._relay, self._has_ended)
        self._launch(worker)
        self.workers.append(worker)
        worker.overdue = self._reactor.callLater(START_SECONDS, self._is_overdue, worker)
        return worker

    def _is_overdue(self, worker: Worker) -> None:
        log.error("worker {number} (pid {pid}) does not begin to serve", number=worker.number, pid=worker.pid)
        worker.kill()

    def is_ready(self, worker: Worker) -> None:
        """A worker serves."""
        _cancel(worker.overdue)
        worker.serving = not worker.leaving
        worker.served_since = self._reactor.seconds()
        log.debug("worker {number} serves, pid {pid}", number=worker.number, pid=worker.pid)
        self._cover()
        worker.ready.callback(worker)
        if not self.ready.called and all(slot.current and slot.current.serving for slot in self.slots):
            self.ready.callback(None)

    def _has_ended(self, worker: Worker, reason: Failure) -> None:
        """The process of a worker is gone."""
        pid, worker.pid = worker.pid, 0  # its transport has none any more
        self.workers.remove(worker)
        _cancel(worker.overdue)
        worker.serving = False
        for one in self._store.workers:
            if one.pid == pid:
                self._store.workers.reap(one.place)
        if not worker.leaving:
            log.error("worker {number} has ended: {reason}", number=worker.number, reason=ending(reason), pid=pid)
        self._cover()
        slot = self.slots[worker.number]
        if slot.current is worker:
            slot.current = None
            if not self.stopping:
                self._start_again(slot, worker)
        if not worker.ready.called:
            worker.ready.errback(RuntimeError("the worker ended before it served"))
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
        return (slot.current for slot in self.slots if slot.current is not None and slot.current.serving)

    def state(self) -> str:
        """SERVING while somebody accepts clients, or why nobody does."""
        if any(self.serving()):
            return SERVING
        return "no worker serves" if self.ready.called else "starting"

    def settled(self) -> list[Worker]:
        """The workers, when none of them comes or goes."""
        workers = [worker for worker in self.serving() if worker.pid]
        return workers if len(workers) == len(self.slots) == len(self.workers) else []

    def _cover(self) -> None:
        """Have those who serve accept the clients of those who do not."""
        serving = list(self.serving())
        missing = {slot.number for slot in self.slots} - {worker.number for worker in serving}
        for worker in serving:
            for number in missing ^ worker.covers:
                if worker.link is not None:
                    worker.link.callRemote(channel.Cover, number=number, on=number in missing).addErrback(unless_gone)
            worker.covers = set(missing)

    # ---- replacing them all ----

    def replace(self) -> Deferred[None]:
        """Replace the workers, one after another, by processes that run what is installed now. Their clients go with
        them. Where a successor does not come to serve, the worker stays, and so do those after it."""

        @inlineCallbacks
        def act() -> Any:
            for slot in self.slots:
                if self.stopping:
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
                if old in self.workers:
                    self._retire(old)
                    yield self._awaited_end(old)
            log.info("all workers were replaced")

        return self._reloading.run(act)

    def _retire(self, worker: Worker) -> None:
        worker.leaving, worker.serving = True, False
        if worker.link is not None:
            worker.link.callRemote(channel.Retire).addErrback(unless_gone)


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


def unless_gone(failure: Failure) -> None:
    """A worker that ended before it answered is dealt with where its end is noticed."""
    if failure.check(ConnectionDone, ConnectionLost) is None:
        log.failure("in what a worker was told", failure)
