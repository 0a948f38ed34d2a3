"""The pool of workers: it starts a process in each slot, and another one when that ends.

`launch` forks the processes; `supervisor` sends them their orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredLock, inlineCallbacks
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.base.throttle import SELDOM
from redistill.engine import Store
from redistill.lifetime.service import SERVING
from redistill.workers import channel
from redistill.workers.launch import Launcher
from redistill.workers.process import Worker
from redistill.workers.slot import Slot

log = Logger()

START_SECONDS = 30.0
"""Seconds that a worker has from its start until it serves."""
LEAVE_SECONDS = 5.0
"""Seconds beyond the grace period until a worker that was told to end is killed."""


class Pool:
    """The worker processes, from the start to the end of the server."""

    def __init__(
        self,
        reactor: Any,
        store: Store,
        count: int,
        launcher: Launcher,
        relay: Callable[[str], None],
        grace: Callable[[], float],
        patience: IReactorTime,
    ) -> None:
        """`count` is the number of workers. `launcher` starts their processes; `relay` gets the lines that they write;
        `grace` gives the seconds that clients have when a worker ends. `patience` is the clock of timeouts of workers
        (`supervision`)."""
        self.slots = [Slot(number) for number in range(count)]
        self.workers: list[Worker] = []
        """All processes: those that serve, and those that come or go."""
        self.ready: Deferred[object] = Deferred()
        """Fires when all workers serve for the first time."""
        self.restarts = 0
        self.stopping = False
        self._reactor = reactor
        self._store = store
        self._launcher = launcher
        self._relay = relay
        self._grace = grace
        self._patience = patience
        self._reloading = DeferredLock()

    def start(self) -> None:
        """Start a worker in each place."""
        for slot in self.slots:
            self._start(slot)

    def stop(self) -> Deferred[Any]:
        """End all workers and the fork servers. Fires when they are gone; no worker is started any more."""
        self.stopping = True
        for slot in self.slots:
            _cancel(slot.next_start)
        launched = self._launcher.stop()
        return DeferredList([launched, *(self._end(worker) for worker in list(self.workers))])

    def _end(self, worker: Worker) -> Deferred[Worker]:
        """Tell a worker to end, see that it does, and wait for it."""
        worker.leaving, worker.serving = True, False
        if worker.link is None:
            worker.kill()
            return worker.ended
        worker.link.callRemote(channel.Stop, now=self._grace() == 0).addErrback(unless_gone)
        return self._awaited_end(worker)

    def _awaited_end(self, worker: Worker) -> Deferred[Worker]:
        late = self._patience.callLater(self._grace() + LEAVE_SECONDS, self._is_late, worker)

        def ended(worker: Worker) -> Worker:
            _cancel(late)
            return worker

        return worker.ended.addCallback(ended)

    def _is_late(self, worker: Worker) -> None:
        log.error(
            "worker {number} (pid {pid}) has not ended in time; it is killed", number=worker.number, pid=worker.pid
        )
        worker.kill()

    # ---- lives of workers ----

    def _start(self, slot: Slot, renewed: bool = False) -> Worker:
        """Start a process in a slot in which none is starting, `renewed` with the program that is installed now. A
        worker that cannot be started has ended when this returns."""
        _cancel(slot.next_start)
        slot.started = self._reactor.seconds()
        slot.coming = worker = Worker(slot.number, self._relay, self._has_ended)
        self.workers.append(worker)
        worker.overdue = self._patience.callLater(START_SECONDS, self._is_overdue, worker)
        try:
            self._launcher.launch(worker, renewed)
        except Exception as problem:  # no processes, descriptors or memory left: that may pass
            worker.end(str(problem) or repr(problem))
        return worker

    def _is_overdue(self, worker: Worker) -> None:
        log.error(
            "worker {number} (pid {pid}) has not begun to serve in time; it is killed",
            number=worker.number,
            pid=worker.pid,
        )
        worker.unable = "it did not begin to serve in time"
        self._launcher.doubt(worker)
        worker.kill()

    def is_ready(self, worker: Worker) -> None:
        """Note that a worker serves. The worker that served in its slot before retires."""
        _cancel(worker.overdue)
        slot = self.slots[worker.number]
        if worker.leaving or slot.coming is not worker:
            return
        old, slot.current, slot.coming = slot.current, worker, None
        worker.serving = True
        worker.served_since = self._reactor.seconds()
        log.debug("worker {number} serves, pid {pid}", number=worker.number, pid=worker.pid)
        self.cover()
        if old is not None:
            self._retire(old)
        worker.ready.callback(None)
        if not self.ready.called and all(slot.current for slot in self.slots):
            self.ready.callback(None)

    def _has_ended(self, worker: Worker, reason: str) -> None:
        """Note that the process of a worker has ended, or was never started."""
        pid, worker.pid = worker.pid, 0
        self.workers.remove(worker)
        _cancel(worker.overdue)
        worker.serving = False
        if worker.has_crashed:
            self._store.doubt()
        for one in self._store.workers:
            if one.pid == pid:
                self._store.workers.reap(one.place)
        if worker.leaving:
            pass  # it was told to end, perhaps before it began
        elif not pid:
            log.error(
                "worker {number} could not be started: {reason}",
                number=worker.number,
                reason=reason,
                log_throttle=SELDOM,
            )
        else:
            log.error("worker {number} has ended: {reason}", number=worker.number, reason=reason, pid=pid)
        slot = self.slots[worker.number]
        if slot.current is worker:
            slot.current = None
        elif slot.coming is worker:
            slot.coming = None
        self.cover()
        if not self.stopping:
            if slot.current is slot.coming is None and not _is_set(slot.next_start):
                self._start_again(slot, worker)
            if not any(self.serving()):
                self._hurry()
        if not worker.ready.called:
            if not worker.leaving and not worker.was_killed:
                self._launcher.doubt(worker)
            worker.ready.callback(f"its successor did not come to serve: {reason}")
        worker.ended.callback(worker)

    def _start_again(self, slot: Slot, ended: Worker) -> None:
        """Plan the next start in the slot of a worker that ended by itself."""
        self.restarts += 1
        slot.note_end(ended, self._reactor.seconds())
        slot.next_start = self._reactor.callLater(self._due_in(slot), self._start, slot)

    def _due_in(self, slot: Slot) -> float:
        return slot.due_in(self._reactor.seconds(), others_serve=any(self.serving()))

    def _hurry(self) -> None:
        """Shorten the waits of empty slots: no worker serves any more."""
        for slot in self.slots:
            if (start := slot.next_start) is not None and start.active():
                start.reset(self._due_in(slot))

    def serving(self) -> Iterator[Worker]:
        """The workers that accept clients."""
        return (slot.current for slot in self.slots if slot.current is not None and slot.current.serving)

    def state(self) -> str:
        """SERVING while a worker accepts clients, or why none does."""
        if any(self.serving()):
            return SERVING
        return "no worker serves" if self.ready.called else "starting"

    def settled(self) -> list[Worker]:
        """The workers, if none of them is starting or ending; otherwise none."""
        workers = [worker for worker in self.serving() if worker.pid]
        return workers if len(workers) == len(self.slots) == len(self.workers) else []

    def cover(self) -> None:
        """Have serving workers accept the clients of those that do not serve. Called regularly, to retry."""
        serving = list(self.serving())
        missing = {slot.number for slot in self.slots} - {worker.number for worker in serving}
        for worker in serving:
            for number in missing ^ worker.covers:
                if worker.link is not None:
                    covering = worker.link.callRemote(channel.Cover, number=number, on=number in missing)
                    covering.addErrback(self._not_covered, worker, number)
            worker.covers = set(missing)

    def _not_covered(self, failure: Failure, worker: Worker, number: int) -> None:
        """Note that `worker` failed to do so: the next call of `cover` tells it again."""
        worker.covers ^= {number}
        unless_gone(failure)

    # ---- replacing them all ----

    def replace(self) -> Deferred[None]:
        """Replace the workers, one after another, by processes that run the program that is installed now. Their
        clients are handed over. If a successor does not come to serve, the worker and those after it stay. An empty
        slot is filled."""

        @inlineCallbacks
        def act() -> Any:
            done, problem = 0, self._renew()
            for slot in self.slots:
                if self.stopping or problem is not None:
                    break
                self._give_up(slot.coming)
                old = slot.current
                problem = yield self._start(slot, renewed=done == 0).ready
                if done == 0:
                    self._launcher.settle(problem is None)
                if problem is None:
                    done += 1
                    if old in self.workers:
                        yield self._awaited_end(old)
            if self.stopping:
                return
            if problem is None:
                log.info("all workers were replaced")
            else:
                log.error(
                    "the reload stopped at worker {number}, {number} of {count} workers were replaced: {problem}",
                    number=done,
                    count=len(self.slots),
                    problem=problem,
                )

        return self._reloading.run(act)

    def _renew(self) -> str | None:
        """Have workers forked from the program that is installed now. Returns the problem, or None."""
        if self.stopping:
            return "the server stops"
        try:
            self._launcher.renew()
        except OSError as problem:
            return f"the fork server could not be started: {problem}"
        return None

    def _give_up(self, coming: Worker | None) -> None:
        """End a worker that is still starting: it runs the program from before the reload."""
        if coming is not None:
            self.slots[coming.number].coming = None
            coming.leaving = True
            coming.kill()

    def _retire(self, worker: Worker) -> None:
        worker.leaving, worker.serving = True, False
        if worker.link is not None:
            worker.link.callRemote(channel.Retire).addErrback(unless_gone)


def _is_set(call: IDelayedCall | None) -> bool:
    return call is not None and bool(call.active())


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


def unless_gone(failure: Failure) -> None:
    """Log a failed message, unless the worker has ended, which `Pool` notices by itself."""
    if failure.check(ConnectionDone, ConnectionLost) is None:
        log.failure("internal error in a message to a worker", failure)
