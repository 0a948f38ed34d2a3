"""How a change of the configuration reaches all workers, or none."""

from __future__ import annotations

from twisted.protocols.amp import UnknownRemoteError

from redistill.config.config import Config
from redistill.workers import channel
from redistill.workers.changes import ANSWER_SECONDS
from redistill.workers.process import Worker
from redistill.workers.slot import ALONE_WAIT, LONGEST_WAIT
from tests.workers.played import (
    PlayedLink,
    PlayedWorkersTestCase,
)


class ConfigurationChangeTests(PlayedWorkersTestCase):
    """Changes, made by WorkersService in all workers"""

    def begin(self, worker: Worker) -> None:
        """A worker gets its orders and serves."""
        self.pool.orders(worker)
        self.links[worker] = worker.link = PlayedLink()  # type: ignore[assignment]
        self.pool.is_ready(worker)

    def cannot_begin(self, worker: Worker, reason: str = "") -> None:
        """A worker gets its orders, cannot begin with them, and says why; or says nothing."""
        self.pool.orders(worker)
        worker.unable = reason
        self.end(worker, 1 << 8)

    def test_sockets_that_change(self) -> None:
        """A worker gets the sockets before the configuration that they are of, once; when all have applied it, the
        old ones are closed."""
        for worker in self.reactor.started:
            self.pool.inherited(worker)
        one, two = self.listen()
        change = self.pool.changes.change({"server.port": 7000})
        for link in self.links.values():
            said = [(command, arguments) for command, arguments, _ in link.said]
            self.assertEqual([command for command, _ in said], [channel.Listen, channel.Listen, channel.Apply])
            self.assertEqual(said[0][1], {"listener": one.fileno(), "workers": [0, 1]})
            self.assertEqual(said[1][1], {"listener": two.fileno(), "workers": [2]})
            self.assertEqual(said[2][1]["sockets"], 2)
            self.assertEqual(self.listening.settled, 0)
            link.answer(channel.Apply, problem=None)
        self.assertIsNone(self.successResultOf(change))
        self.assertEqual(self.listening.settled, 1)
        self.pool.changes.change({"server.max_connections": 5})
        for link in self.links.values():
            self.assertEqual((len(link.told(channel.Listen)), link.told(channel.Apply)[-1]["sockets"]), (2, 0))

    def test_sockets_that_change_before_a_worker_begins(self) -> None:
        """One that was started with those of before gets the new ones with its orders."""
        worker = self.reactor.started[0]
        self.pool.inherited(worker)
        self.listen()
        orders = self.pool.orders(worker)
        self.assertEqual((orders["listeners"], orders["sockets"]), ([[], [], []], 2))
        self.assertEqual(len(self.links[worker].told(channel.Listen)), 2)

    def test_change(self) -> None:
        """A change of settings holds when all workers have it."""
        change = self.pool.changes.change({"server.max_connections": 50})
        self.assertNoResult(change)
        for link in self.links.values():
            link.answer(channel.Apply, problem=None)
        self.assertIsNone(self.successResultOf(change))
        self.assertEqual((self.pool.config.server.max_connections, self.applied), (50, [50]))

    def test_change_that_a_worker_refuses(self) -> None:
        """A change that one worker refuses is undone everywhere."""
        change = self.pool.changes.change({"server.max_connections": 50})
        one, two, three = self.links.values()
        one.answer(channel.Apply, problem=None)
        two.answer(channel.Apply, problem=["maxclients", "no"])
        three.answer(channel.Apply, problem=None)
        for link in (one, two, three):
            self.assertEqual(Config.from_json(link.told(channel.Apply)[-1]["config"]), Config())
            link.answer(channel.Apply, problem=None)
        self.assertEqual(self.successResultOf(change), ("maxclients", "no"))
        self.assertEqual((self.pool.config, self.applied), (Config(), [50, 10000]))

    def test_change_that_is_refused_here(self) -> None:
        """A bad change is refused before it is sent to a worker."""
        self.assertEqual(
            self.successResultOf(self.pool.changes.change({"server.max_connections": 1234})), ("maxclients", "too many")
        )
        problem = self.successResultOf(self.pool.changes.change({"server.port": 0}))
        self.assertIn("leaves nothing to listen on", problem[1])
        self.assertFalse(any(link.said for link in self.links.values()))

    def test_change_that_fails_in_a_worker(self) -> None:
        """So is what a worker fails at without a word that was foreseen; the operator can see that it was."""
        change = self.pool.changes.change({"server.max_connections": 50})
        one, two, three = self.links.values()
        for link in (one, two):
            link.answer(channel.Apply, problem=None)
        (fails,) = [waiting for said, _, waiting in three.said if said is channel.Apply]
        fails.errback(UnknownRemoteError("internal error: MemoryError: "))
        for link in (one, two, three):
            link.answer(channel.Apply, problem=None)
        self.assertEqual(self.successResultOf(change), ("", "internal error: MemoryError: "))
        self.assertEqual((self.pool.config, self.applied), (Config(), [50, 10000]))
        self.assertIn("could not be applied and was undone: internal error: MemoryError", self.pool.problem())
        again = self.pool.changes.change({})
        for link in (one, two, three):
            link.answer(channel.Apply, problem=None)
        self.successResultOf(again)
        self.assertEqual(self.pool.problem(), "")

    def test_change_that_fails_here(self) -> None:
        """A change that fails in the supervisor is in effect nowhere, and the supervisor goes on."""
        self.failing = 77
        change = self.pool.changes.change({"server.max_connections": 77})
        self.assertEqual(self.successResultOf(change), ("", "internal error: OSError: no more files"))
        self.assertEqual((self.pool.config, self.applied), (Config(), []))
        self.assertFalse(any(link.said for link in self.links.values()))

    def test_change_waits_for_all(self) -> None:
        """A change is not said to hold before every worker has it, or is gone; what was announced is its number."""
        change = self.pool.changes.change({"server.max_connections": 50})
        one, two, three = self.reactor.started
        self.assertEqual(self.store.announced, 8)
        self.assertEqual({arguments["generation"] for arguments in self.links[one].told(channel.Apply)}, {8})
        for worker in (one, two):
            self.links[worker].answer(channel.Apply, problem=None)
        self.wait(100)
        self.assertNoResult(change)
        self.end(three)
        self.links[three].break_off()
        self.assertIsNone(self.successResultOf(change))
        self.assertEqual(self.pool.config.server.max_connections, 50)

    def test_change_where_none_is_ended(self) -> None:
        """With server.worker_timeout = 0, which ends no worker, it is said who has not applied a change."""
        self.pool.changes.config = Config().replace({"server.worker_timeout": 0})
        change = self.pool.changes.change({"server.max_connections": 50})
        for worker in self.reactor.started[1:]:
            self.links[worker].answer(channel.Apply, problem=None)
        self.wait(ANSWER_SECONDS)
        self.assertEqual(
            self.successResultOf(change),
            ("", "it holds everywhere but in worker 0 (pid 1000), which does not move"),
        )
        self.assertEqual(self.pool.config.server.max_connections, 50)

    def test_orders_in_the_middle_of_a_change(self) -> None:
        """A worker that begins while a change is under way has it, and has it taken back."""
        self.end(self.reactor.started[0])
        self.reactor.advance(LONGEST_WAIT)
        new = self.reactor.started[3]
        change = self.pool.changes.change({"server.max_connections": 50})
        orders = self.pool.orders(new)
        self.assertEqual((orders["generation"], orders["config"]["server"]["max_connections"]), (8, 50))
        self.serve(new)
        one, two = self.reactor.started[1:3]
        self.links[one].answer(channel.Apply, problem=None)
        self.links[two].answer(channel.Apply, problem=["maxclients", "no"])
        (told,) = self.links[new].told(channel.Apply)
        self.assertEqual((told["generation"], told["config"]["server"]["max_connections"]), (9, 10000))
        for worker in (one, two, new):
            self.links[worker].answer(channel.Apply, problem=None)
        self.assertEqual(self.successResultOf(change), ("maxclients", "no"))

    def test_change_that_ends_the_workers(self) -> None:
        """A change that no worker has survived holds when another one has begun with it; when none can, it is taken
        back, and they are started with what held before."""
        change = self.pool.changes.change({"server.max_connections": 50})
        for worker in self.reactor.started[:3]:
            self.links[worker].break_off()
            self.end(worker)
        self.assertNoResult(change)
        self.reactor.advance(ALONE_WAIT)
        self.cannot_begin(self.reactor.started[3], "OSError: no more files")
        self.assertEqual(self.successResultOf(change), ("", "worker 0 cannot begin: OSError: no more files"))
        self.assertEqual(self.pool.config, Config())
        self.reactor.advance(ALONE_WAIT)
        self.assertEqual(self.pool.orders(self.reactor.started[-1])["config"]["server"]["max_connections"], 10000)
        self.begin(self.reactor.started[-1])
        again = self.pool.changes.change({"server.max_connections": 60})
        for link in self.links.values():
            link.answer(channel.Apply, problem=None)
        self.assertIsNone(self.successResultOf(again))

    def test_configuration_with_which_none_can_begin(self) -> None:
        """When nobody serves and none can begin with what was changed, the last configuration with which one began is
        in its place, and it is said that it is."""
        for worker in self.reactor.started[:3]:
            self.end(worker)
        self.reactor.advance(ALONE_WAIT)
        for worker in self.reactor.started[3:6]:
            self.begin(worker)
        change = self.pool.changes.change({"server.max_connections": 50})
        for worker in self.reactor.started[3:6]:
            self.links[worker].answer(channel.Apply, problem=None)
        self.assertIsNone(self.successResultOf(change))
        self.end(self.reactor.started[3])
        self.reactor.advance(LONGEST_WAIT)
        self.cannot_begin(self.reactor.started[6], "ValueError: x")
        self.assertEqual(self.pool.config.server.max_connections, 50)  # others serve with it
        self.assertEqual(self.pool.problem(), "worker 0 cannot begin: ValueError: x")
        for worker in self.reactor.started[4:6]:
            self.end(worker)
        self.reactor.advance(ALONE_WAIT)
        self.cannot_begin(self.reactor.started[7])
        self.assertEqual(self.pool.config.server.max_connections, 10000)
        self.assertIn("without the later changes (server.max_connections)", self.pool.problem())
        self.reactor.advance(ALONE_WAIT)
        self.assertEqual(self.pool.orders(self.reactor.started[-1])["config"]["server"]["max_connections"], 10000)

    def test_killed_starts_say_nothing(self) -> None:
        """Workers that are killed from outside before they serve are no reason to change the configuration."""
        change = self.pool.changes.change({"server.max_connections": 50})
        for link in self.links.values():
            link.answer(channel.Apply, problem=None)
        self.successResultOf(change)
        for _ in range(10):
            for worker in list(self.pool.pool.workers):
                self.pool.orders(worker)
                self.end(worker)
            self.reactor.advance(ALONE_WAIT)
        self.assertEqual((self.pool.config.server.max_connections, self.pool.problem()), (50, ""))

    def test_changes_come_one_after_another(self) -> None:
        """If two changes come at the same time, the second begins when the first is over."""
        first = self.pool.changes.change({"server.max_connections": 50})
        second = self.pool.changes.change({"server.connection_timeout": 9})
        self.assertEqual(self.applied, [50])
        for change in (first, second):
            for link in self.links.values():
                link.answer(channel.Apply, problem=None)
            self.successResultOf(change)
        self.assertEqual((self.pool.config.server.max_connections, self.pool.config.server.connection_timeout), (50, 9))
