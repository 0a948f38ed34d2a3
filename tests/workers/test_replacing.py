"""A reload replaces the workers, one after another."""

from __future__ import annotations

import errno

from twisted.logger import LogLevel, capturedLogs, formatEvent

from redistill.workers import channel
from redistill.workers.slot import LONGEST_WAIT
from tests.workers.played import (
    PlayedLink,
    PlayedWorkersTestCase,
)


class ReplacingTests(PlayedWorkersTestCase):
    """WorkersService.replace"""

    def test_replacing(self) -> None:
        """A worker retires when its successor serves; then the next one's turn comes; clients go to the successor."""
        one, two, three = self.reactor.started
        replaced = self.pool.replace()
        successor = self.reactor.started[3]
        self.assertEqual((successor.number, self.links[one].told(channel.Retire)), (0, []))
        self.serve(successor)
        self.assertEqual(self.links[one].told(channel.Retire), [{}])
        self.given(one)
        self.assertEqual(len(self.links[successor].told(channel.Take)), 1)
        self.assertEqual(len(self.reactor.started), 4)
        self.end(one, 0)
        self.assertEqual(len(self.reactor.started), 5)
        for old, number in ((two, 4), (three, 5)):
            self.assertNoResult(replaced)
            self.serve(self.reactor.started[number])
            self.end(old, 0)
        self.successResultOf(replaced)
        self.assertEqual([worker.number for worker in self.pool.pool.serving()], [0, 1, 2])
        self.assertEqual(self.pool.pool.restarts, 0)

    def test_fork_server_on_trial(self) -> None:
        """At a reload the first successor comes from another fork server; when it serves, so do all others."""
        self.launcher.said.clear()
        self.pool.replace()
        self.assertEqual((self.launcher.renewed, self.launcher.said), ([self.reactor.started[3]], ["renew"]))
        self.serve(self.reactor.started[3])
        self.end(self.reactor.started[0], 0)
        self.assertEqual((len(self.launcher.renewed), self.launcher.said), (1, ["renew", True]))

    def test_fork_server_that_fails_its_trial(self) -> None:
        """When the first successor does not come to serve, workers come from the old fork server as before."""
        self.launcher.said.clear()
        self.pool.replace()
        self.end(self.reactor.started[3], 256)
        self.assertEqual(self.launcher.said[-1], False)

    def test_successor_that_does_not_serve(self) -> None:
        """When a successor ends before it serves, the worker stays, and so do those after it."""
        replaced = self.pool.replace()
        self.links[self.reactor.started[3]] = PlayedLink()
        self.end(self.reactor.started[3])
        self.successResultOf(replaced)
        self.assertEqual(list(self.pool.pool.serving()), self.reactor.started[:3])
        self.assertEqual(len(self.reactor.started), 4)

    def test_reload_fills_empty_slots(self) -> None:
        """A worker that is to start later starts with the reload; so does one that was about to come, anew. No third
        one comes beside them."""
        one, two, three = self.reactor.started
        self.pool.pool.slots[0].wait = self.pool.pool.slots[1].wait = LONGEST_WAIT
        self.end(one)
        self.end(two)
        self.reactor.advance(LONGEST_WAIT)
        early = self.reactor.started[4]
        self.end(self.reactor.started[3])
        with capturedLogs() as logged:
            replaced = self.pool.replace()
            for number, old in ((5, None), (6, early), (7, three)):
                self.assertEqual([worker.number for worker in self.reactor.started[5:]], list(range(number - 4)))
                self.serve(self.reactor.started[number])
                if old is not None:
                    self.end(old)
            self.successResultOf(replaced)
            self.reactor.advance(LONGEST_WAIT)
        self.assertEqual(self.killed, [early.pid or 1004])
        self.assertEqual(list(self.pool.pool.serving()), self.reactor.started[5:])
        self.assertEqual([formatEvent(event) for event in logged][-1], "all workers were replaced")

    def test_reload_without_processes(self) -> None:
        """A reload for which there are no processes says how far it came; empty slots are tried again."""
        self.pool.pool.slots[1].wait = LONGEST_WAIT
        self.end(self.reactor.started[1])
        replaced = self.pool.replace()
        self.serve(self.reactor.started[3])
        self.reactor.problem = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        with capturedLogs() as logged:
            self.end(self.reactor.started[0], 0)
            self.successResultOf(replaced)
        self.assertIn(
            "the reload stopped at worker 1, 1 of 3 workers were replaced: its successor did not come to serve:"
            " [Errno 11] Resource temporarily unavailable",
            [formatEvent(event) for event in logged],
        )
        self.reactor.problem = None
        self.reactor.advance(LONGEST_WAIT)
        self.serve(self.reactor.started[4])
        self.assertEqual([worker.number for worker in self.pool.pool.serving()], [0, 1, 2])

    def test_reload_while_the_server_stops(self) -> None:
        """A reload in whose middle the server stops starts nothing more, and a reload after that nothing at all."""
        replaced = self.pool.replace()
        stopped = self.pool.stopService()
        again = self.pool.replace()
        for worker in list(self.pool.pool.workers):
            self.end(worker)
        for waiting in (replaced, stopped, again):
            self.successResultOf(waiting)
        self.assertEqual((len(self.reactor.started), self.reactor.getDelayedCalls()), (4, []))

    def test_stop_before_a_successor_has_begun(self) -> None:
        """A successor that the fork server has not made yet when the server stops is no error in the log."""
        replaced = self.pool.replace()
        self.reactor.started[3].pid = 0
        with capturedLogs() as logged:
            stopped = self.pool.stopService()
            for worker in list(self.pool.pool.workers):
                self.end(worker)
        for waiting in (replaced, stopped):
            self.successResultOf(waiting)
        self.assertEqual([formatEvent(event) for event in logged if event["log_level"] >= LogLevel.warn], [])

    def test_worker_that_dies_while_it_is_replaced(self) -> None:
        """Then its successor is all there is to its place."""
        replaced = self.pool.replace()
        successor = self.reactor.started[3]
        self.end(self.reactor.started[0])
        self.reactor.advance(LONGEST_WAIT)
        self.serve(successor)
        self.reactor.advance(LONGEST_WAIT)
        self.assertEqual(next(self.pool.pool.serving()), successor)
        self.assertEqual([worker.number for worker in self.reactor.started], [0, 1, 2, 0, 1])
        self.assertNoResult(replaced)
