"""The supervisor finds workers that hang, and kills them.

It sends the workers no message. Each worker writes its heartbeat into the arena; the kernel tells whether the worker
works (its time on a CPU, or waiting for one); the locks of the arena tell which process waits for which. A worker that

- does not work, and holds a lock of the arena that others wait for, is killed after `HOLDING` seconds;
- does not work, and owes an answer about something that has to be in force everywhere, after `OWING` seconds;
- does not work otherwise, after server.worker_timeout;
- works without a heartbeat is in a long command, and has `BUSY` times server.worker_timeout;
- waits for a lock that another worker holds is not judged until that worker is.

The supervisor may have been stopped itself, with the machine or alone. Workers could not be heard meanwhile, so the
clock of these timeouts stands still for that time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from twisted.internet.task import Clock, LoopingCall
from twisted.logger import Logger

from redistill.workers.process import Worker

log = Logger()

LOOK = 0.5
"""Seconds between two looks."""
LATE = 4 * LOOK
"""Seconds; if the last look was longer ago, this process was stopped."""
BETWEEN_KILLS = 1.0
"""Seconds after a kill in which no other worker is killed: those that waited for its lock go on meanwhile."""
HOLDING = 2.5
OWING = 3.0
BUSY = 3
"""Times server.worker_timeout."""
FRESH = 2.0
"""Seconds; a worker with a heartbeat that is no older serves clients."""


def runs(pid: int) -> bool:
    """Whether a process runs just now or would, if it got a CPU: the kernel counts how long it waited for one only when
    it has got it. OSError."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "R"


class Workers(Protocol):
    """See shared.Workers."""

    def __iter__(self) -> Any: ...
    def lock_owner(self) -> int: ...
    def reap(self, place: int) -> object: ...


class Supervision:
    """Looks at the workers, and kills those that hang."""

    def __init__(
        self,
        reactor: Any,
        clock: Clock,
        known: Workers,
        workers: Sequence[Worker],
        serving: Callable[[], Any],
        timeout: Callable[[], float],
        busy: Callable[[int], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` runs all timeouts of workers: each look advances it, so it stands still while this process is
        stopped. `known` are the blocks of processes in the arena, `workers` the processes of this supervisor, `serving`
        gives the workers that serve. `timeout` gives server.worker_timeout; 0: no worker is killed. `busy` gives the
        seconds that a process had or wanted a CPU (OSError); `monotonic` is the clock of heartbeats."""
        self._clock = clock
        self._reactor = reactor
        self._known = known
        self._workers = workers
        self._serving = serving
        self._timeout = timeout
        self._busy = busy
        self._monotonic = monotonic
        self._looked_at = 0.0
        self._awake_since = 0.0
        self._killed_at = -BETWEEN_KILLS
        self._served_at = 0.0
        self._seen: dict[int, tuple[float, float]] = {}
        """By pid, of workers without a heartbeat: their busy seconds so far, and the time when they last worked."""
        self._looks = LoopingCall(self._look)
        self._looks.clock = reactor

    def start(self) -> None:
        """Begin to look."""
        self._looked_at = self._reactor.seconds()
        self._awake_since = self._monotonic()
        self._looks.start(LOOK, now=False)

    def stop(self) -> None:
        """Stop looking. The timeouts on `clock` do not fire any more."""
        self._looks.stop()

    @property
    def unserved(self) -> float:
        """Seconds since a worker last served clients."""
        return self._clock.seconds() - self._served_at

    @property
    def alive(self) -> bool:
        """False when `unserved` is longer than server.worker_timeout."""
        return not 0 < self._timeout() < self.unserved

    # ---- looking ----

    def _look(self) -> None:
        now = self._reactor.seconds()
        elapsed, self._looked_at = now - self._looked_at, now
        if elapsed > LATE:
            self._awake_since = self._monotonic()
            self._seen.clear()
            return
        # The loop goes on after an error in one look.
        try:
            self._clock.advance(elapsed)
        except Exception:
            log.failure("internal error in a timeout of the supervisor")
        try:
            self._judge()
        except Exception:
            log.failure("internal error in the supervision of workers")

    def _judge(self) -> None:
        present = self._monotonic()
        silence = {one.pid: present - max(one.heartbeat, self._awake_since) for one in self._known}
        if any(silence.get(worker.pid, FRESH) < FRESH for worker in self._serving()):
            self._served_at = self._clock.seconds()
        ours = [worker for worker in self._workers if worker.pid]
        idle = self._idle([one for one in ours if one.served_since is None or silence.get(one.pid, 0.0) > 2 * LOOK])
        if not self._timeout() or self._clock.seconds() - self._killed_at < BETWEEN_KILLS:
            return
        owner = self._known.lock_owner()
        for worker in sorted(ours, key=lambda one: one.pid != owner):
            quiet, still = silence.get(worker.pid, 0.0), idle.get(worker.pid, 0.0)
            if self._hangs(worker, quiet, still, worker.pid == owner, owner in idle):
                self._end(worker, quiet, worker.pid == owner, not still)
                return

    def _hangs(self, worker: Worker, quiet: float, idle: float, holds: bool, another: bool) -> bool:
        """Whether a worker hangs that had no heartbeat for `quiet` seconds and did not work for `idle` seconds.
        `holds`: it has a lock that others wait for; `another`: another silent worker has such a lock."""
        timeout = self._timeout()
        owes = self._clock.seconds() - min(worker.owes.values(), default=self._clock.seconds())
        starts = worker.served_since is None  # no heartbeat yet; `Pool` limits the time of a start
        if not idle:
            return not starts and max(quiet, owes) > BUSY * timeout
        if holds:
            return (idle if starts else quiet) > min(HOLDING, timeout)
        if another:
            return False
        if starts:
            return min(idle, owes) > OWING
        return quiet > timeout or (owes > OWING and quiet > HOLDING)

    def _idle(self, workers: Iterable[Worker]) -> dict[int, float]:
        """Seconds for which these workers have not worked, by pid; 0: worked since the last look, or the first look."""
        now, seen, self._seen = self._clock.seconds(), self._seen, {}
        for worker in workers:
            with contextlib.suppress(OSError):  # it has just ended
                busy = self._busy(worker.pid)
                before, since = seen.get(worker.pid, (-1.0, now))
                works = busy > before or runs(worker.pid)
                self._seen[worker.pid] = (busy, now if works else since)
        return {pid: now - since for pid, (_, since) in self._seen.items()}

    def _end(self, worker: Worker, quiet: float, holds: bool, works: bool) -> None:
        log.error(
            "worker {number} (pid {pid}) has made no progress for {seconds:.1f} s{works}{holds}; it is killed",
            number=worker.number,
            pid=worker.pid,
            seconds=quiet,
            works=", though it is busy" if works else "",
            holds=" and holds a lock for which others wait" if holds else "",
        )
        self._killed_at = self._clock.seconds()
        worker.kill()
