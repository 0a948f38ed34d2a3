"""Whether the workers live: who hangs, is busy, or waits for another, and what is done about it.

A worker is asked nothing. It says in the arena that it is alive (its heart), the kernel says whether it works (its time
on a CPU, or waiting for one), and the locks say who waits for whom. One that

- does not work, and holds a lock of the arena that others wait for, is ended after `HOLDING` seconds;
- does not work, and owes an answer about something that has to be in force everywhere, after `OWING` seconds;
- does not work otherwise, after server.worker_timeout;
- works without a beat of its heart is in a long command, and has `BUSY` times as long;
- waits for a lock that another one holds is not judged until that one is.

The process that looks may have been stopped itself, with the machine or alone. Then nobody has had a chance to be
heard: the clock by which it has patience stands still meanwhile.
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
"""After so many seconds without a look, this process was stopped."""
BETWEEN_KILLS = 1.0
"""After a worker was ended, those that waited for a lock of its own have so long to go on."""
HOLDING = 2.5
OWING = 3.0
BUSY = 3
"""Times server.worker_timeout."""
FRESH = 2.0
"""A heart that has beaten within so many seconds is one of a worker that serves."""


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
    """Looks at the workers, and ends those that hang."""

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
        """`clock` is everybody's patience, for whatever a worker has so many seconds for: it goes forward by looks, and
        not while this process is stopped. `known` is what processes say of themselves, `workers` are ours, `serving`
        gives those that serve. `timeout` is server.worker_timeout, 0: nobody is ended. `busy`: seconds that a process
        had or wanted a CPU (OSError); `monotonic` is the clock of the hearts."""
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
        """How busy those were so far whose heart does not beat, and when they were last seen to work, by pid."""
        self._looks = LoopingCall(self._look)
        self._looks.clock = reactor

    def start(self) -> None:
        """Begin to look."""
        self._looked_at = self._reactor.seconds()
        self._awake_since = self._monotonic()
        self._looks.start(LOOK, now=False)

    def stop(self) -> None:
        """Look no more; what has so many seconds has as many as it wants."""
        self._looks.stop()

    @property
    def unserved(self) -> float:
        """Seconds for which nobody has been served."""
        return self._clock.seconds() - self._served_at

    @property
    def alive(self) -> bool:
        """False when that is longer than server.worker_timeout."""
        return not 0 < self._timeout() < self.unserved

    # ---- looking ----

    def _look(self) -> None:
        now = self._reactor.seconds()
        elapsed, self._looked_at = now - self._looked_at, now
        if elapsed > LATE:
            self._awake_since = self._monotonic()
            self._seen.clear()
            return
        # One look's mistake is not the last look.
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
        """Whether a worker is to be ended whose heart was `quiet`, and which was `idle`, for so many seconds. `holds`:
        it has a lock for which others wait; `another`: one that is silent, too, has such a lock."""
        timeout = self._timeout()
        owes = self._clock.seconds() - min(worker.owes.values(), default=self._clock.seconds())
        starts = worker.served_since is None  # its heart does not beat yet; how long it may take is the pool's
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
        """Seconds for which these have not worked, by pid; 0: they have since the last look, or it is the first."""
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
