"""Which worker gives how much to whom, and when: with times and channels that are only played."""

from __future__ import annotations

import os
import time
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.workers import channel
from redistill.workers.balance import (
    ANSWER_SECONDS,
    BUSY,
    FEW,
    FULL,
    GAP,
    LONGEST_REST,
    LOOK,
    REST,
    Balance,
    Load,
    Move,
    busy_seconds,
    plan,
)
from redistill.workers.handover import HEAVIER
from tests.workers.played import PlayedLink


class PlanTests(SynchronousTestCase):
    """`plan`"""

    def test_busy_beside_idle(self) -> None:
        """A busy worker gives half of the difference to the one that does least."""
        self.assertEqual(plan([Load(0.2, 1), Load(0.8, 9), Load(0.1, 1)]), Move(1, 2, 44))

    def test_bounds(self) -> None:
        """A worker that is not busy, or not much busier than another, keeps what it has."""
        self.assertIsNone(plan([Load(BUSY, 9), Load(0.0, 0)]))
        self.assertIsNotNone(plan([Load(BUSY + 0.01, 9), Load(0.0, 0)]))
        self.assertIsNone(plan([Load(0.8, 9), Load(0.8 - GAP + 0.01, 1)]))
        self.assertIsNotNone(plan([Load(0.8, 9), Load(0.8 - GAP - 0.01, 1)]))

    def test_nobody_does_anything(self) -> None:
        """Without work nothing is given."""
        self.assertIsNone(plan([Load(0.0, 0), Load(0.0, 0)]))

    def test_full(self) -> None:
        """If no worker has time left, the one with more heavy connections gives, unless it has only one more."""
        self.assertEqual(plan([Load(1.0, 1), Load(1.0, 3)]), Move(1, 0, 33))
        self.assertEqual(plan([Load(0.99, 4), Load(1.0, 2)]), Move(0, 1, 25))
        self.assertIsNone(plan([Load(1.0, 1), Load(1.0, 2)]))
        self.assertIsNone(plan([Load(FULL, 1), Load(FULL, 3)]))

    def test_many(self) -> None:
        """Connections are counted only when they are few."""
        self.assertIsNotNone(plan([Load(1.0, 1), Load(1.0, FEW)]))
        self.assertIsNone(plan([Load(1.0, 1), Load(1.0, FEW + 1)]))

    def test_equal_connections_end_up_even(self) -> None:
        """However equal connections lie at first: soon nothing moves any more, and where a worker has no time left none
        has two more than another."""
        for workers in (2, 3, 4):
            for connections in range(1, 13):
                for first in range(connections // workers, connections + 1):
                    for wanted in (0.1, 0.25, 0.35, 0.5, 0.65, 0.7, 0.9, 1.0):
                        counts = [first, *(0 for _ in range(workers - 1))]
                        for i in range(connections - first):
                            counts[1 + i % (workers - 1)] += 1
                        ended = settled(counts, wanted)
                        if max(ended) * wanted > FULL:
                            self.assertLessEqual(max(ended) - min(ended), 1, (counts, wanted))


def settled(counts: list[int], wanted: float) -> list[int]:
    """How many connections, each of which would take `wanted` of a core, the workers have when nothing moves any more.

    Raises AssertionError when that does not come about.
    """
    counts = list(counts)
    for _ in range(3 * sum(counts)):
        move = plan([Load(min(1.0, count * wanted), count) for count in counts])
        given = 0
        if move is not None:
            share, each = move.percent / 100, 1 / counts[move.giver]
            while each <= (share - given * each) * HEAVIER:
                given += 1
            counts[move.giver] -= given
            counts[move.taker] += given
        if not given:
            return counts
    raise AssertionError(f"no end: {counts}, each {wanted} of a core")


class PlayedWorker:
    """A worker that was busy for `busy` seconds."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid = 1000 + number
        self.link = PlayedLink()
        self.busy = 0.0


class BalanceTests(SynchronousTestCase):
    """`Balance`, over two workers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.one, self.two = self.workers = [PlayedWorker(0), PlayedWorker(1)]
        self.present = list(self.workers)
        self.gone = False
        self.moved: list[int] = []
        self.said: list[tuple[LogLevel, str]] = []
        self.balance = Balance(self.clock, lambda: list(self.present), self.busy_seconds, self.moved.append)
        self.balance.start()
        self.events: list[LogEvent] = []

        def observer(event: LogEvent) -> None:
            self.events.append(event)
            self.said.append((event["log_level"], event["log_format"]))

        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.clock.advance(LOOK)

    def busy_seconds(self, pid: int) -> float:
        if self.gone:
            raise OSError("no such process")
        return next(worker.busy for worker in self.workers if worker.pid == pid)

    def work(self, *shares: float, seconds: float = LOOK) -> None:
        """Each worker is busy for so much of the time until the next look."""
        for worker, share in zip(self.workers, shares, strict=True):
            worker.busy += share * seconds
        self.clock.advance(seconds)

    def told(self, worker: PlayedWorker) -> list[tuple[type, dict[str, Any]]]:
        """The commands to a worker since the last call."""
        said = [(command, arguments) for command, arguments, _ in worker.link.said]
        worker.link.said = [one for one in worker.link.said if not one[2].called]
        return said

    def answer(self, worker: PlayedWorker, **box: Any) -> None:
        worker.link.said[-1][2].callback(box)

    def weigh(self, *heavy: int) -> None:
        """Both workers answer what they are asked, one after the other."""
        for worker, count in zip(self.workers, heavy, strict=True):
            self.assertEqual([command for command, _, _ in worker.link.said], [channel.MeasureWork])
            self.answer(worker, heavy=count)
            worker.link.said.pop(0)

    def lightened(self, *shares: float) -> None:
        """Two looks, after which a worker is told to give."""
        for _ in range(2):
            self.work(*shares)
            self.weigh(4, 1)

    def test_move(self) -> None:
        """At the second uneven look the busy worker is told to give half of the difference, for the other to take."""
        self.work(1.0, 0.2)
        self.weigh(4, 1)
        self.assertEqual(self.told(self.one), [])
        self.work(1.0, 0.2)
        self.weigh(4, 1)
        self.assertEqual(self.told(self.one), [(channel.MoveWork, {"percent": 40})])
        self.assertEqual((self.balance.taker(self.one), self.balance.taker(self.two)), (self.two, None))
        self.answer(self.one, given=2)
        self.assertEqual((self.balance.taker(self.one), self.moved), (None, [2]))
        self.assertEqual([level for level, _ in self.said], [LogLevel.info])
        self.assertEqual(self.told(self.two), [])

    def test_nothing_to_move(self) -> None:
        """When the worker finds nothing that it could give nobody hears of it."""
        self.lightened(1.0, 0.2)
        self.answer(self.one, given=0)
        self.assertEqual((self.moved, self.said), ([], []))

    def test_even_load(self) -> None:
        """Workers that do about the same are not asked anything."""
        for _ in range(5):
            self.work(0.85, 0.6)
        self.assertEqual([worker.link.said for worker in self.workers], [[], []])

    def test_load_that_is_even_again(self) -> None:
        """Measurements before an even look are forgotten: a move needs two uneven looks in a row."""
        self.work(1.0, 0.2)
        self.weigh(4, 1)
        self.work(0.5, 0.5)
        self.work(1.0, 0.2)
        self.weigh(4, 1)
        self.assertEqual(self.told(self.one), [])

    def test_rest(self) -> None:
        """After a move nobody is asked for a while, and then everything begins anew."""
        self.lightened(1.0, 0.2)
        self.answer(self.one, given=2)
        self.told(self.one)
        for _ in range(int(REST / LOOK) - 1):
            self.work(1.0, 0.2)
        self.assertEqual(self.told(self.one), [])
        self.lightened(1.0, 0.2)
        self.assertEqual(self.told(self.one), [(channel.MoveWork, {"percent": 40})])

    def test_load_that_goes_back(self) -> None:
        """Load that goes to and fro does so ever more slowly, up to a bound."""
        rests, giver, shares = [], self.one, (1.0, 0.2)
        for _ in range(10):
            self.lightened(*shares)
            self.answer(giver, given=1)
            self.told(giver)
            since, giver, shares = (
                self.clock.seconds(),
                self.two if giver is self.one else self.one,
                (shares[1], shares[0]),
            )
            for _ in range(int(LONGEST_REST / LOOK)):
                self.work(*shares)
                if self.one.link.said:
                    break
            rests.append(self.clock.seconds() - since)
            self.weigh(4, 1)
            self.work(0.5, 0.5)
        self.assertEqual(rests, [REST, *(min(REST * 2**n, LONGEST_REST) for n in range(1, 10))])

    def test_others_come(self) -> None:
        """While workers come and go nothing is compared, and neither at the first look after that."""
        self.work(1.0, 0.2)
        self.weigh(4, 1)
        self.present = []
        self.work(1.0, 0.2)
        self.present = list(self.workers)
        self.work(1.0, 0.2)
        self.assertEqual(self.told(self.one), [])
        self.work(1.0, 0.2)
        self.weigh(4, 1)
        self.assertEqual(self.told(self.one), [])

    def test_reload_in_between(self) -> None:
        """A worker that begins to leave before the answers have come is not told to give."""
        self.work(1.0, 0.2)
        self.weigh(4, 1)
        self.work(1.0, 0.2)
        self.present = []
        self.weigh(4, 1)
        self.assertEqual(self.told(self.one), [])

    def test_pause(self) -> None:
        """After a pause of the whole machine, or a step of its clock, the figures mean nothing."""
        self.work(1.0, 0.2, seconds=LOOK * 2)
        self.assertEqual(self.told(self.one), [])
        self.work(1.0, 0.2)
        self.assertEqual(self.told(self.one), [(channel.MeasureWork, {})])

    def test_process_that_has_ended(self) -> None:
        """A process that is gone is no error: the next look begins anew."""
        self.work(1.0, 0.2)
        self.weigh(4, 1)
        self.gone = True
        self.work(1.0, 0.2)
        self.gone = False
        self.work(1.0, 0.2)
        self.assertEqual(self.told(self.one), [])
        self.lightened(1.0, 0.2)
        self.assertEqual(self.told(self.one), [(channel.MoveWork, {"percent": 40})])

    def test_worker_that_dies(self) -> None:
        """One that dies before it has answered is dealt with elsewhere; balancing goes on."""
        self.work(1.0, 0.2)
        self.one.link.said[-1][2].errback(Failure(ConnectionLost()))
        self.told(self.one)
        self.assertEqual(self.said, [])
        self.lightened(1.0, 0.2)
        self.one.link.said[-1][2].errback(Failure(ConnectionLost()))
        self.assertEqual((self.balance.taker(self.one), self.moved, self.said), (None, [], []))

    def test_worker_that_does_not_answer(self) -> None:
        """One that does not answer in time is named in the log; meanwhile nobody is asked again."""
        self.work(1.0, 0.2)
        self.work(1.0, 0.2)
        self.assertEqual(len(self.one.link.said), 1)
        self.clock.advance(ANSWER_SECONDS - LOOK)
        self.assertEqual([level for level, _ in self.said], [LogLevel.warn])
        self.assertEqual(self.events[-1]["reason"], "a worker gave no answer for 3 seconds")
        self.told(self.one)
        self.work(1.0, 0.2, seconds=2 * LOOK - ANSWER_SECONDS)
        self.lightened(1.0, 0.2)
        self.assertEqual(self.told(self.one), [(channel.MoveWork, {"percent": 40})])

    def test_stop(self) -> None:
        """After the end nobody looks."""
        self.balance.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class BusyTests(SynchronousTestCase):
    """`busy_seconds`"""

    def grown(self, proc: str) -> tuple[float, float, float]:
        """By how much it grows for this process, which works meanwhile; its CPU time, and the time that this takes."""
        began, seconds, worked = time.monotonic(), busy_seconds(os.getpid(), proc), time.process_time()
        while time.process_time() < worked + 0.2:
            pass
        return busy_seconds(os.getpid(), proc) - seconds, time.process_time() - worked, time.monotonic() - began

    def test_own(self) -> None:
        """It is at least the CPU time and at most all of the time, about: the kernel notes it at its ticks."""
        grown, worked, passed = self.grown("/proc")
        self.assertTrue(worked - 0.1 <= grown <= passed + 0.1, (worked, grown, passed))

    def test_kernel_that_does_not_tell(self) -> None:
        """Without the kernel's statistics it is the CPU time."""
        grown, worked, _ = self.grown(self.mktemp())
        self.assertLess(abs(grown - worked), 0.1)

    def test_nobody(self) -> None:
        """A process that does not exist has no busy time."""
        self.assertRaises(OSError, busy_seconds, 2**22 + 1)
