"""Questions and connections that workers send each other through the supervisor."""

from __future__ import annotations

import contextlib
import os

from redistill.workers import balance, channel
from redistill.workers.changes import ANSWER_SECONDS
from redistill.workers.slot import LONGEST_WAIT
from redistill.workers.supervision import LOOK
from tests.workers.played import (
    Figures,
    PlayedLink,
    PlayedWorkersTestCase,
)


class ExchangeTests(PlayedWorkersTestCase):
    """Questions and connections between workers"""

    def is_open(self, fd: int) -> bool:
        with contextlib.suppress(OSError):
            os.fstat(fd)
            return True
        return False

    def look(self) -> None:
        """The first worker has been busy until the supervisor looks again; all answer what they are asked then."""
        self.busy[1000] += balance.LOOK
        self.busy[1001] += balance.LOOK / 10
        self.reactor.pump([LOOK] * int(balance.LOOK / LOOK))
        for link in self.links.values():
            link.answer(channel.MeasureWork, heavy=2)

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
