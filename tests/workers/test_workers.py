"""The supervisor's service, with processes that are only played."""

from __future__ import annotations

import time

from redistill.config.config import Config
from redistill.engine import PLACES
from redistill.workers import channel
from redistill.workers.pool import LEAVE_SECONDS
from redistill.workers.supervision import LOOK
from redistill.workers.supervisor import UNREADY
from tests.workers.played import (
    Figures,
    PlayedWorkersTestCase,
)


class WorkersTests(PlayedWorkersTestCase):
    """WorkersService"""

    def test_ready(self) -> None:
        """The server is ready when all workers serve, and not before."""
        self.successResultOf(self.pool.ready)
        again = self.service(workers=2)
        again.startService()
        first, second = self.reactor.started[-2:]
        again.pool.is_ready(first)
        self.assertNoResult(again.ready)
        again.pool.is_ready(second)
        self.successResultOf(again.ready)

    def test_orders(self) -> None:
        """A worker is told its number, the configuration as it is now, and which sockets are whose. All have the same
        eventfds to wake each other by."""
        other, worker = self.reactor.started[:2]
        inherited = self.pool.inherited(worker)
        orders = self.pool.orders(worker)
        self.assertEqual((orders["number"], orders["listeners"], orders["relay"]), (1, [[], [], []], 0))
        wakers = inherited[1 : 1 + orders["wakers"]]
        self.assertEqual((len(set(wakers)), self.pool.inherited(other)[1 : 1 + PLACES]), (PLACES, wakers))
        self.assertEqual((Config.from_json(orders["config"]), orders["sockets"]), (Config(), 0))

    def test_nobody_served(self) -> None:
        """Not ready once no worker has answered for some seconds; not alive after server.worker_timeout."""
        self.store.figures = {1000: Figures(0, 1000, time.monotonic() + 1000, 0)}
        self.wait(LOOK)
        self.assertEqual((self.pool.state(), self.pool.alive()), ("ok", True))
        self.store.figures = {1000: Figures(0, 1000, 1.0, 0), 1001: Figures(1, 1001, 1.0, 0)}
        self.pool._supervision._awake_since = -1000.0
        self.wait(UNREADY + LOOK)
        self.assertEqual((self.pool.state(), self.pool.alive()), ("the workers do not answer", True))
        self.wait(self.pool.config.server.worker_timeout)
        self.assertFalse(self.pool.alive())

    def test_end(self) -> None:
        """At the end all workers are told; who does not end after the grace period is killed."""
        one, two, three = self.reactor.started
        stopped = self.pool.stopService()
        for link in self.links.values():
            self.assertEqual(link.told(channel.Stop), [{"now": False}])
        self.end(one, 0)
        self.end(two, 0)
        self.wait(self.pool.grace + LEAVE_SECONDS)
        self.assertEqual(self.killed, [1002])
        self.assertNoResult(stopped)
        self.end(three)
        self.successResultOf(stopped)
        self.assertEqual((self.reactor.getDelayedCalls(), len(self.reactor.started)), ([], 3))
