"""When workers are started again, and which workers accept their clients meanwhile."""

from __future__ import annotations

import errno
import signal

from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.amp import UnknownRemoteError

from redistill.base.throttle import SELDOM
from redistill.workers import channel
from redistill.workers.pool import START_SECONDS
from redistill.workers.process import Worker
from redistill.workers.slot import ALONE_WAIT, LONGEST_WAIT, UNABLE_WAIT, YOUNG
from redistill.workers.supervisor import TIDY
from tests.workers.played import (
    Figures,
    PlayedWorkersTestCase,
)


class StartTests(PlayedWorkersTestCase):
    """Starts of workers, by WorkersService"""

    def covers(self, worker: Worker) -> list[tuple[int, bool]]:
        """The `Cover` commands to a worker: numbers of other workers, and on or off."""
        told = self.links[worker].told(channel.Cover)
        return [(arguments["number"], arguments["on"]) for arguments in told]

    def waits(self) -> list[float]:
        """Seconds until the starts that are to come."""
        now = self.reactor.seconds()
        starts = [slot.next_start for slot in self.pool.pool.slots if slot.next_start is not None]
        return [round(start.getTime() - now, 3) for start in starts if start.active()]

    def test_others_serve_for_a_dead_worker(self) -> None:
        """Until the next one serves, the others accept its clients; its block in the arena is freed."""
        one, two, three = self.reactor.started
        self.store.figures = {1001: Figures(5, 1001, 0, 0)}
        self.end(two)
        self.assertEqual((self.covers(one), self.covers(three), self.store.reaped), ([(1, True)], [(1, True)], [5]))
        self.reactor.advance(LONGEST_WAIT)
        successor = self.reactor.started[3]
        self.assertEqual(successor.number, 1)
        self.serve(successor)
        self.assertEqual(self.covers(one), [(1, True), (1, False)])
        self.assertEqual(self.covers(successor), [])

    def test_backoff(self) -> None:
        """One that ends soon after its start, again and again, is started later each time, up to a bound, counted from
        its last start; one that had served for a while is replaced at once."""
        self.reactor.advance(YOUNG)
        self.end(self.reactor.started[1])
        self.reactor.advance(0)
        waits = []
        for _ in range(12):
            self.assertEqual(self.pool.pool.restarts, len(self.reactor.started) - 3)
            self.serve(self.reactor.started[-1])
            self.reactor.advance(0.04)
            self.end(self.reactor.started[-1])
            (wait,) = self.waits()
            waits.append(round(wait + 0.04, 3))
            self.reactor.advance(wait + 0.001)  # floats
        self.assertEqual(waits, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, *[LONGEST_WAIT] * 5])

    def test_nobody_else(self) -> None:
        """While no other worker serves, the wait is short."""
        for _ in range(10):
            for worker in self.reactor.started[-3:]:
                if worker.serving:
                    self.end(worker)
            self.reactor.advance(ALONE_WAIT)
            alive = [worker for worker in self.reactor.started if worker.pid]
            self.assertTrue(alive)
            for worker in alive:
                if not worker.serving:
                    self.serve(worker)

    def test_the_last_one_ends(self) -> None:
        """When the last worker that serves ends, those that were to wait for longer start at once."""
        one, two, three = self.reactor.started
        for worker in (one, two):
            self.pool.pool.slots[worker.number].wait = LONGEST_WAIT
            self.end(worker)
        self.reactor.advance(1)
        self.assertEqual((self.waits(), len(self.reactor.started)), ([LONGEST_WAIT - 1] * 2, 3))
        self.end(three)
        self.assertEqual(self.waits(), [0, 0, 0])
        self.reactor.advance(0)
        self.assertEqual({worker.number for worker in self.reactor.started[3:]}, {0, 1, 2})

    def test_workers_that_end_at_each_start(self) -> None:
        """Workers that never come to serve are started so seldom that it keeps no processor busy."""
        for worker in list(self.reactor.started):
            self.end(worker)
        seconds = 10
        for status, wait in ((signal.SIGKILL, ALONE_WAIT), (1 << 8, UNABLE_WAIT)):
            before = len(self.reactor.started)
            for _ in range(seconds * 100):
                self.reactor.advance(0.01)
                for worker in list(self.pool.pool.workers):
                    self.end(worker, status)
            self.assertLessEqual(len(self.reactor.started) - before, 3 * (seconds / wait + 5))

    def test_start_that_fails(self) -> None:
        """A process that the system does not give is asked for again, however often; the log says so once in a while.
        Then everything is as before."""
        one, two, three = self.reactor.started
        self.reactor.problem = OSError(errno.EMFILE, "Too many open files")
        with capturedLogs() as logged:
            for worker in (one, two, three):
                self.end(worker)
            self.reactor.pump([0.1] * 100)
        said = [event for event in logged if "could not be started" in event["log_format"]]
        self.assertGreater(len(said), 9)
        self.assertEqual({event["log_throttle"] for event in said}, {SELDOM})
        self.assertIn("Too many open files", formatEvent(said[0]))
        self.assertEqual((len(self.pool.pool.workers), self.pool.state()), (0, "no worker serves"))
        self.reactor.problem = None
        self.reactor.advance(UNABLE_WAIT)
        for worker in self.reactor.started[3:]:
            self.serve(worker)
        self.assertEqual([worker.number for worker in self.pool.pool.serving()], [0, 1, 2])

    def test_start_that_fails_at_first(self) -> None:
        """So it is at the start of the server."""
        self.reactor.problem = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.reactor.started.clear()
        again = self.service(workers=2)
        again.startService()
        self.assertEqual(self.reactor.started, [])
        self.reactor.problem = None
        self.reactor.advance(ALONE_WAIT)
        for worker in self.reactor.started:
            again.pool.is_ready(worker)
        self.successResultOf(again.ready)

    def test_worker_that_does_not_begin(self) -> None:
        """A process that does not come to serve in time is killed."""
        self.end(self.reactor.started[0])
        self.reactor.advance(LONGEST_WAIT)
        self.wait(START_SECONDS)
        self.assertEqual(self.killed, [1003])

    def test_cover_that_fails(self) -> None:
        """A worker that could not accept another's clients is told again."""
        one, two, three = self.reactor.started
        self.end(two)
        (failing,) = [waiting for said, _, waiting in self.links[one].said if said is channel.Cover]
        failing.errback(UnknownRemoteError("internal error: OSError: no more files"))
        self.assertEqual(len(self.flushLoggedErrors(UnknownRemoteError)), 1)
        self.reactor.advance(TIDY)
        self.assertEqual((self.covers(one), self.covers(three)), ([(1, True), (1, True)], [(1, True)]))

    def test_arena_that_is_doubted(self) -> None:
        """A worker that dies of a signal which bad memory causes has the arena verified; no other end does."""
        for status, doubts in (
            (signal.SIGKILL, 0),
            (256, 0),
            (signal.SIGTERM, 0),
            (signal.SIGSEGV, 1),
            (signal.SIGBUS, 2),
        ):
            self.end(self.reactor.started[-1], status | (0x80 if doubts == 2 else 0))  # with a core dump, too
            self.assertEqual(self.store.doubts, doubts)
            self.reactor.advance(LONGEST_WAIT)

    def test_fork_server_that_is_doubted(self) -> None:
        """When a worker does not come to serve, the fork server may be the reason; not when it was killed."""
        self.launcher.said.clear()
        self.end(self.reactor.started[0], signal.SIGSEGV)
        self.reactor.advance(LONGEST_WAIT)
        successor = self.reactor.started[3]
        self.end(successor, signal.SIGSEGV)
        self.assertEqual(self.launcher.said, [successor])
        self.reactor.advance(LONGEST_WAIT)
        self.end(self.reactor.started[4], signal.SIGKILL)
        self.assertEqual(self.launcher.said, [successor])
