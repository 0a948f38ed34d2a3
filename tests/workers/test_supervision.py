"""The workers that are killed for hanging, and those that are not: processes, heartbeats and locks are played."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from redistill.workers import supervision
from redistill.workers.process import Worker
from redistill.workers.supervision import BETWEEN_KILLS, BUSY, HOLDING, LOOK, OWING, Supervision

TIMEOUT = 20.0


class Figures(NamedTuple):
    """The block of a worker in the arena, played."""

    pid: int
    heartbeat: float


class PlayedArena:
    """The workers' blocks, and the owner of a lock that others wait for."""

    def __init__(self) -> None:
        self.hearts: dict[int, float] = {}
        self.owner = 0

    def __iter__(self) -> Iterator[Figures]:
        return (Figures(pid, at) for pid, at in self.hearts.items())

    def lock_owner(self) -> int:
        return self.owner

    def reap(self, place: int) -> None:
        """Nobody joins."""


class SupervisionTests(SynchronousTestCase):
    """Three workers, whose pids are 1000, 1001 and 1002."""

    def setUp(self) -> None:
        self.killed: list[int] = []
        self.patch(os, "kill", lambda pid, number: self.killed.append(pid))
        self.patch(supervision, "runs", lambda pid: pid in self.runnable)
        self.runnable: set[int] = set()
        self.reactor = Clock()
        self.patience = Clock()
        self.reactor.advance(5000)
        self.arena = PlayedArena()
        self.silent: set[int] = set()
        self.working: set[int] = set()
        self.busy: dict[int, float] = {}
        self.timeout = TIMEOUT
        self.workers = [Worker(number, lambda lines: None, lambda worker, reason: None) for number in range(3)]
        for worker in self.workers:
            worker.pid = 1000 + worker.number
            worker.served_since = 1.0
            worker.serving = True
        self.supervision = Supervision(
            self.reactor,
            self.patience,
            self.arena,
            self.workers,
            lambda: iter(self.workers),
            lambda: self.timeout,
            self.seconds,
            self.reactor.seconds,
        )
        self.supervision.start()

    def seconds(self, pid: int) -> float:
        if pid in self.working:
            self.busy[pid] = self.busy.get(pid, 0.0) + 0.1
        return self.busy.get(pid, 0.0)

    def wait(self, seconds: float) -> float:
        """Time passes until somebody is ended, so many seconds at most; how many it were."""
        began, before = self.reactor.seconds(), len(self.killed)
        while self.reactor.seconds() - began < seconds and len(self.killed) == before:
            for worker in self.workers:
                if worker.pid not in self.silent:
                    self.arena.hearts[worker.pid] = self.reactor.seconds()
            self.reactor.advance(LOOK / 5)
        for pid in self.killed[before:]:
            self.workers[pid - 1000].pid = 0
        return self.reactor.seconds() - began

    def about(self, seconds: float, expected: float) -> None:
        """It was so long, by looks."""
        self.assertTrue(abs(seconds - expected) <= 3 * LOOK, f"{seconds} s, expected {expected} s")

    def stop(self, *pids: int) -> None:
        """From now on these do not move."""
        self.wait(1)
        self.silent.update(pids)

    def test_those_that_live(self) -> None:
        """Nobody is ended whose heart beats, whatever the locks say."""
        self.arena.owner = 1001
        self.wait(200)
        self.assertEqual(self.killed, [])

    def test_stopped(self) -> None:
        """One that neither beats nor works is ended after server.worker_timeout, the next one later."""
        self.stop(1001, 1002)
        self.about(self.wait(100), TIMEOUT)
        self.assertGreaterEqual(self.wait(100), BETWEEN_KILLS)
        self.assertEqual(self.killed, [1001, 1002])

    def test_stopped_with_a_lock(self) -> None:
        """One that holds a lock for which others wait is ended after two to three seconds; they are not."""
        self.arena.owner = 1001
        self.stop(1000, 1001)
        self.assertTrue(2 <= self.wait(100) <= 3 + LOOK)
        self.arena.owner = 0
        self.silent.clear()
        self.wait(100)
        self.assertEqual(self.killed, [1001])

    def test_busy(self) -> None:
        """One that works without a beat is ended only after several times server.worker_timeout, with a lock or without;
        those that wait for it are not ended at all."""
        for owner in (0, 1000):
            self.arena.owner = owner
            self.working = {1000}
            self.workers[0].pid = 1000
            self.arena.hearts[1000] = self.reactor.seconds()
            self.silent = {1000, 1002} if owner else {1000}
            self.about(self.wait(1000), BUSY * TIMEOUT)
            self.assertEqual(self.killed.pop(), 1000)
            self.silent.clear()

    def test_starved(self) -> None:
        """One that would work and gets no CPU is as one that works."""
        self.runnable = {1000}
        self.arena.owner = 1000
        self.stop(1000)
        self.about(self.wait(1000), BUSY * TIMEOUT)

    def test_ordinary_contention(self) -> None:
        """That others wait for a lock of a worker that lives does not save one that hangs."""
        self.arena.owner = 1000
        self.stop(1001)
        self.about(self.wait(100), TIMEOUT)

    def test_owing(self) -> None:
        """One that has not done what has to be done everywhere is ended early, if it does not move either; one that is
        busy has its time, and so has one that beats."""
        debt = object()
        self.workers[1].owes[debt] = self.patience.seconds()
        self.about(self.wait(1000), BUSY * TIMEOUT)
        self.workers[2].owes[debt] = self.patience.seconds()
        self.stop(1002)
        self.about(self.wait(1000), OWING)
        self.assertEqual(self.killed, [1001, 1002])

    def test_timeout_off(self) -> None:
        """With server.worker_timeout = 0 nobody is ended, whatever it holds or owes; and the server counts as alive."""
        self.timeout = 0.0
        self.arena.owner = 1001
        self.workers[1].owes[object()] = 0.0
        self.stop(1000, 1001, 1002)
        self.wait(1000)
        self.assertEqual((self.killed, self.supervision.alive), ([], True))

    def test_short_timeout(self) -> None:
        """A shorter server.worker_timeout holds for those with a lock, too."""
        self.timeout = 1.0
        self.arena.owner = 1001
        self.stop(1001)
        self.assertLessEqual(self.wait(100), HOLDING)

    def test_starting(self) -> None:
        """One that does not serve yet is not judged by its heart."""
        self.workers[1].served_since = None
        self.stop(1001)
        self.wait(100)
        self.assertEqual(self.killed, [])

    def test_starting_and_stopped(self) -> None:
        """Unless it owes something and does not work, or holds a lock for which others wait."""
        for owner, owes in ((0, True), (1001, False)):
            worker = self.workers[1]
            worker.served_since, worker.pid = None, 1001
            self.working = {1001}
            self.silent = {1001}
            worker.owes = {object(): self.patience.seconds()} if owes else {}
            self.arena.owner = owner
            self.wait(100)
            self.assertEqual(self.killed, [])
            self.working.clear()
            self.about(self.wait(100), OWING)
            self.assertEqual(self.killed.pop(), 1001)

    def test_supervisor_that_was_stopped(self) -> None:
        """After a pause of this process, or of all, everybody has the whole time again, and nothing is overdue that was
        not before."""
        overdue: list[float] = []
        self.patience.callLater(10, lambda: overdue.append(self.reactor.seconds()))
        self.stop(1001)
        self.wait(TIMEOUT / 4)
        self.reactor.advance(3600)
        woken = self.reactor.seconds()
        self.assertEqual((self.killed, overdue), ([], []))
        self.about(self.wait(100), TIMEOUT)
        self.about(overdue[0] - woken, 10 - 1 - TIMEOUT / 4)
        self.assertEqual(self.killed, [1001])

    def test_woken_again_and_again(self) -> None:
        """A machine that sleeps most of the time ends nobody."""
        for _ in range(100):
            self.wait(1)
            self.reactor.advance(600)
        self.assertEqual((self.killed, self.supervision.alive), ([], True))

    def test_alive(self) -> None:
        """The server counts as alive until nobody has been served for server.worker_timeout."""
        self.stop(1000, 1001, 1002)
        self.timeout = 1000.0
        self.wait(TIMEOUT)
        self.timeout = TIMEOUT
        self.assertTrue(self.supervision.alive)
        self.reactor.pump([LOOK / 5] * 30)
        self.assertFalse(self.supervision.alive)

    def test_mistake_in_a_look(self) -> None:
        """An error in one look is logged, and the next look comes."""
        self.patch(self.arena, "lock_owner", lambda: 1 // 0)
        self.reactor.advance(LOOK)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.patch(self.arena, "lock_owner", lambda: 0)
        self.stop(1001)
        self.wait(100)
        self.assertEqual(self.killed, [1001])


class RunsTests(SynchronousTestCase):
    """`runs`"""

    def test_this_process(self) -> None:
        """This one does; one that is not there raises what callers expect."""
        self.assertTrue(supervision.runs(os.getpid()))
        self.assertRaises(OSError, supervision.runs, 2**22 + 1)
