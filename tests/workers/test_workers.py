"""The supervisor's side of the workers, with processes that are only played."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.amp import UnknownRemoteError
from twisted.trial.unittest import SynchronousTestCase

import redistill
from redistill.base.failures import Refused
from redistill.base.throttle import SELDOM
from redistill.config.config import Config
from redistill.control.state import Identity
from redistill.engine import PLACES
from redistill.workers import balance, channel, supervision, supervisor
from redistill.workers.changes import ANSWER_SECONDS
from redistill.workers.fork_client import environment
from redistill.workers.pool import ALONE_WAIT, LEAVE_SECONDS, LONGEST_WAIT, START_SECONDS, UNABLE_WAIT, YOUNG
from redistill.workers.process import Worker
from redistill.workers.supervision import LOOK
from redistill.workers.supervisor import TIDY, UNREADY, WorkersService


class Figures(NamedTuple):
    """The block of a worker in the arena, played."""

    place: int
    pid: int
    heartbeat: float
    connections: int
    number: int = 0


class PlayedStore:
    """An arena in which workers say what a test has them say."""

    def __init__(self) -> None:
        self.figures: dict[int, Figures] = {}
        self.owner = 0
        self.reaped: list[int] = []
        self.added: list[tuple[str, int]] = []
        self.lost = 0
        self.announced = 7
        self.num_shards = 16
        self.doubts = 0
        self.workers = self

    def __iter__(self) -> Iterator[Figures]:
        return iter(list(self.figures.values()))

    def announce(self, generation: int) -> None:
        self.announced = generation

    def doubt(self) -> None:
        self.doubts += 1

    def lock_owner(self) -> int:
        return self.owner

    def reap(self, place: int) -> None:
        self.reaped.append(place)

    def counter(self, name: str) -> int:
        return self.lost

    def add(self, name: str, n: int) -> None:
        self.added.append((name, n))


class PlayedLink:
    """A channel that remembers what was said, and answers when the test does."""

    def __init__(self) -> None:
        self.said: list[tuple[type, dict[str, Any], Deferred[Any]]] = []

    def callRemote(self, command: type, **arguments: Any) -> Deferred[Any]:
        self.said.append((command, arguments, Deferred()))
        return self.said[-1][2]

    def told(self, command: type) -> list[dict[str, Any]]:
        """The arguments of all calls of `command`."""
        return [arguments for said, arguments, _ in self.said if said is command]

    def break_off(self) -> None:
        """The process is gone, and what it was told with it."""
        for _, _, waiting in self.said:
            if not waiting.called:
                waiting.errback(ConnectionDone())

    def answer(self, command: type, **box: Any) -> None:
        """Answer the calls of `command` that wait."""
        for said, _, waiting in self.said:
            if said is command and not waiting.called:
                waiting.callback(box)


class PlayedReactor(Clock):
    """Starts processes that do nothing (`PlayedLauncher`)."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Worker] = []
        self.problem: Exception | None = None
        """Why there are no more processes."""


class PlayedLauncher:
    """Starts workers that are only played, and remembers what it was told of fork servers."""

    def __init__(self, reactor: PlayedReactor) -> None:
        self.reactor = reactor
        self.renewed: list[Worker] = []
        """Workers of a fork server on trial."""
        self.said: list[Any] = []

    def start(self, supplies: Any) -> None:
        self.said.append("start")

    def launch(self, worker: Worker, renewed: bool = False) -> None:
        if self.reactor.problem is not None:
            raise self.reactor.problem
        worker.pid = 1000 + len(self.reactor.started)
        self.reactor.started.append(worker)
        if renewed:
            self.renewed.append(worker)

    def renew(self) -> None:
        self.said.append("renew")

    def settle(self, good: bool) -> None:
        self.said.append(good)

    def doubt(self, worker: Worker) -> None:
        self.said.append(worker)

    def stop(self) -> Deferred[None]:
        self.said.append("stop")
        return succeed(None)


class PlayedListening:
    """Listening sockets, of which there are none yet."""

    def __init__(self, workers: int) -> None:
        self.listeners: list[list[Any]] = [[] for _ in range(workers)]
        self.settled = 0

    def settle(self) -> None:
        """The change is over."""
        self.settled += 1

    def close(self) -> None:
        """There is nothing to close."""

    def log_addresses(self) -> None:
        """It has none."""


class WorkersTests(SynchronousTestCase):
    """WorkersService"""

    def setUp(self) -> None:
        self.reactor = PlayedReactor()
        self.launcher = PlayedLauncher(self.reactor)
        self.store = PlayedStore()
        self.killed: list[int] = []
        self.applied: list[int] = []
        self.failing = 0
        self.busy = {1000: 0.0, 1001: 0.0, 1002: 0.0}
        self.patch(os, "kill", lambda pid, number: self.killed.append(pid))
        self.patch(supervision, "runs", lambda pid: False)
        self.patch(supervisor, "busy_seconds", lambda pid: self.busy.get(pid, 0.0))
        self.pool = self.service(workers=3)
        self.pool.startService()
        self.links: dict[Worker, PlayedLink] = {}
        for worker in self.reactor.started:
            self.serve(worker)
        for link in self.links.values():
            link.said.clear()

    def service(self, workers: int) -> WorkersService:
        """A supervisor of so many workers."""
        self.listening = PlayedListening(workers)
        return WorkersService(
            self.reactor,
            self.store,  # type: ignore[arg-type]
            config=Config(),
            listening=self.listening,  # type: ignore[arg-type]
            arena=lambda: 0,
            apply=self.apply,
            stop=lambda now: None,
            launcher=self.launcher,  # type: ignore[arg-type]
            relay=lambda lines: None,
            identity=Identity.new(workers=workers),
        )

    def apply(self, config: Config) -> None:
        if config.server.max_connections == self.failing:
            raise OSError("no more files")
        if config.server.max_connections == 1234:
            raise Refused("maxclients", "too many")
        self.applied.append(config.server.max_connections)

    def serve(self, worker: Worker) -> None:
        """A worker has started and says that it serves."""
        self.links[worker] = worker.link = PlayedLink()  # type: ignore[assignment]
        worker.generation = self.pool.changes.generation
        self.pool.is_ready(worker)

    def end(self, worker: Worker, status: int = signal.SIGKILL) -> None:
        """The process of a worker ends, as waitpid(2) tells."""
        worker.processEnded(status)

    def covers(self, worker: Worker) -> list[tuple[int, bool]]:
        """The `Cover` commands to a worker: numbers of other workers, and on or off."""
        told = self.links[worker].told(channel.Cover)
        return [(arguments["number"], arguments["on"]) for arguments in told]

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

    def listen(self) -> tuple[socket.socket, socket.socket]:
        """The server listens elsewhere: the workers 0 and 1 on one socket, worker 2 on the other."""
        one, two = socket.socket(), socket.socket()
        self.addCleanup(one.close)
        self.addCleanup(two.close)
        self.listening.listeners = [[one], [one], [two]]
        return one, two

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

    def waits(self) -> list[float]:
        """Seconds until the starts that are to come."""
        now = self.reactor.seconds()
        starts = [slot.next_start for slot in self.pool.pool.slots if slot.next_start is not None]
        return [round(start.getTime() - now, 3) for start in starts if start.active()]

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

    def wait(self, seconds: float) -> None:
        """Time passes, in which the supervisor is awake."""
        self.reactor.pump([LOOK] * math.ceil(seconds / LOOK))

    def test_questions(self) -> None:
        """A question goes to all but who asks; who does not answer in time, or has no answer, is left out."""
        one, two, three = self.reactor.started
        answers = self.pool.ask(one, "client-list", {"a": 1})
        self.assertEqual(self.links[one].said, [])
        self.links[two].answer(channel.Question, answer=["x"])
        self.assertNoResult(answers)
        self.wait(ANSWER_SECONDS)
        self.assertEqual(self.successResultOf(answers), [["x"]])
        self.assertEqual(self.links[three].told(channel.Question), [{"question": "client-list", "argument": {"a": 1}}])

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

    def test_question_that_has_to_be_answered(self) -> None:
        """A change in all workers is confirmed only when all have made it or have ended."""
        one, two, three = self.reactor.started
        answers = self.pool.ask(one, "client-kill", {}, must=True)
        self.links[two].answer(channel.Question, answer=1)
        self.wait(100)
        self.assertNoResult(answers)
        self.links[three].break_off()
        self.assertEqual(self.successResultOf(answers), [1])

    def test_question_to_one_that_begins(self) -> None:
        """It is asked what has to be answered, since it may have clients already, and nothing else."""
        one, two, three = self.reactor.started
        self.end(two)
        self.reactor.advance(LONGEST_WAIT)
        new = self.reactor.started[3]
        self.links[new] = new.link = PlayedLink()  # type: ignore[assignment]
        self.pool.ask(one, "client-list", {})
        answers = self.pool.ask(one, "client-kill", {}, must=True)
        self.assertEqual([told["question"] for told in self.links[new].told(channel.Question)], ["client-kill"])
        self.links[new].answer(channel.Question, answer=1)
        self.assertNoResult(answers)
        self.links[three].answer(channel.Question, answer=1)
        self.assertEqual(self.successResultOf(answers), [1, 1])

    def test_cover_that_fails(self) -> None:
        """A worker that could not accept another's clients is told again."""
        one, two, three = self.reactor.started
        self.end(two)
        (failing,) = [waiting for said, _, waiting in self.links[one].said if said is channel.Cover]
        failing.errback(UnknownRemoteError("internal error: OSError: no more files"))
        self.assertEqual(len(self.flushLoggedErrors(UnknownRemoteError)), 1)
        self.reactor.advance(TIDY)
        self.assertEqual((self.covers(one), self.covers(three)), ([(1, True), (1, True)], [(1, True)]))

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

    def given(self, giver: Worker) -> tuple[int, Deferred[bool]]:
        """A connection that a worker gives away."""
        read, write = os.pipe()
        os.close(write)
        return read, self.pool.give(giver, read, b"state")

    def is_open(self, fd: int) -> bool:
        with contextlib.suppress(OSError):
            os.fstat(fd)
            return True
        return False

    def test_connection_goes_to_who_has_least(self) -> None:
        """A connection goes to the worker with the fewest clients; the supervisor keeps no copy."""
        one, two, three = self.reactor.started
        self.store.figures = {pid: Figures(0, pid, 0, n) for pid, n in ((1000, 0), (1001, 9), (1002, 8))}
        fd, giving = self.given(one)
        self.assertEqual(self.links[three].told(channel.Take), [{"connection": fd, "state": b"state", "memory": None}])
        self.assertTrue(self.is_open(fd))
        self.links[three].answer(channel.Take, taken=True)
        self.assertEqual((self.successResultOf(giving), self.is_open(fd)), (True, False))
        self.assertEqual(self.links[two].said, [])

    def test_refused_connection_stays(self) -> None:
        """A refused connection stays with the giver, and so does one that no worker can take."""
        one, two, three = self.reactor.started
        _, giving = self.given(one)
        self.links[two].answer(channel.Take, taken=False)
        self.assertFalse(self.successResultOf(giving))
        self.end(two)
        self.end(three)
        fd, giving = self.given(one)
        self.assertEqual((self.successResultOf(giving), self.is_open(fd)), (False, False))

    def test_taker_that_does_not_answer(self) -> None:
        """A taker that gives no answer may have executed commands, so the connection counts as gone."""
        _, giving = self.given(self.reactor.started[0])
        self.wait(ANSWER_SECONDS)
        self.assertTrue(self.successResultOf(giving))

    def look(self) -> None:
        """The first worker has been busy until the supervisor looks again; all answer what they are asked then."""
        self.busy[1000] += balance.LOOK
        self.busy[1001] += balance.LOOK / 10
        self.reactor.pump([LOOK] * int(balance.LOOK / LOOK))
        for link in self.links.values():
            link.answer(channel.MeasureWork, heavy=2)

    def test_busy_worker(self) -> None:
        """A busy worker is told to give connections away, which go to the least busy, whoever has fewest clients; they
        are counted. Then they go to who has fewest again."""
        one, two, three = self.reactor.started
        self.store.figures = {pid: Figures(0, pid, 0, n) for pid, n in ((1000, 9), (1001, 1), (1002, 8))}
        for _ in range(3):
            self.look()
        self.assertEqual(self.links[one].told(channel.MoveWork), [{"percent": 50}])
        self.given(one)
        self.links[one].answer(channel.MoveWork, given=1)
        self.assertEqual(self.store.added, [("connections_moved", 1)])
        self.given(one)
        self.assertEqual([len(self.links[taker].told(channel.Take)) for taker in (three, two)], [1, 1])

    def test_load_while_workers_come_and_go(self) -> None:
        """During a reload, without one of the workers, and at the end nobody is asked or told to give."""
        self.pool.replace()
        for _ in range(3):
            self.look()
        self.end(self.reactor.started[3])
        self.end(self.reactor.started[2])
        for _ in range(3):
            self.look()
        self.pool.stopService()
        for _ in range(3):
            self.look()
        self.assertEqual([link.told(channel.MeasureWork) for link in self.links.values()], [[], [], []])

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


class EnvironmentTests(SynchronousTestCase):
    """The environment of a worker."""

    def test_settings_are_left_out(self) -> None:
        """Settings, which may be secrets, and what is the supervisor's alone are not passed on; our package can be
        imported."""
        kept = environment(
            {
                "REDIS_PASSWORD": "x",
                "REDISTILL_CONFIG": "y",
                "LISTEN_FDS": "1",
                "NOTIFY_SOCKET": "/n",
                "WATCHDOG_USEC": "9",
                "HOME": "/h",
            }
        )
        home = os.path.dirname(os.path.dirname(os.path.abspath(redistill.__file__)))
        self.assertEqual(kept, {"HOME": "/h", "PYTHONPATH": home})
        self.assertEqual(environment({"PYTHONPATH": "/p"})["PYTHONPATH"], f"{home}{os.pathsep}/p")
