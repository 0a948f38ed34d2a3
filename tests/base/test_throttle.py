"""Log events that clients can cause as often as they like."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.logs import Log
from redistill.base.throttle import MOST_ADDRESSES, MOST_KINDS, SELDOM


class ThrottleTests(SynchronousTestCase):
    """Events that say that they may be many"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.out = io.StringIO()
        publisher = LogPublisher()
        self.log = Log("info", "json", clock=self.clock)
        publisher.addObserver(self.log.observer(self.out))
        self.logger = Logger("redistill.test", observer=publisher)

    def refuse(self, count: int, peer: str = "a") -> None:
        """So many events of a kind."""
        for _ in range(count):
            self.logger.warn("{peer} is refused", peer=peer, log_throttle=SELDOM)

    def said(self) -> list[str]:
        """The text written since the last call."""
        lines = self.out.getvalue().splitlines()
        self.out.seek(0)
        self.out.truncate()
        return [json.loads(line)["message"] for line in lines]

    def test_first_at_once_then_how_many(self) -> None:
        """The first event is written at once, the others as a number when the time is over."""
        self.refuse(1, "a")
        self.refuse(999, "b")
        self.assertEqual(self.said(), ["a is refused"])
        self.clock.advance(SELDOM - 0.001)
        self.assertEqual(self.said(), [])
        self.clock.advance(0.001)
        self.assertEqual(self.said(), ["999 more in the last 10 s like: a is refused"])

    def test_goes_on_as_long_as_they_come(self) -> None:
        """While they come there is one line each time; after a time without any the next one is written at once."""
        for _ in range(3):
            self.refuse(5)
            self.clock.advance(SELDOM)
        self.assertEqual(
            self.said(),
            ["a is refused"] + [f"{count} more in the last 10 s like: a is refused" for count in (4, 5, 5)],
        )
        self.clock.advance(SELDOM)
        self.refuse(1, "b")
        self.assertEqual(self.said(), ["b is refused"])

    def test_several_in_one(self) -> None:
        """An event may stand for several: all but the one that is written are counted."""
        for count in (3, 4):
            self.logger.warn("{peer} is refused", peer="a", log_throttle=SELDOM, log_count=count)
        self.clock.advance(SELDOM)
        self.assertEqual(self.said(), ["a is refused", "6 more in the last 10 s like: a is refused"])

    def test_nothing_is_left_behind(self) -> None:
        """When they have stopped nothing waits any more."""
        self.refuse(2)
        self.clock.advance(SELDOM)
        self.clock.advance(SELDOM)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_kinds_are_apart(self) -> None:
        """An event of another kind, or one that does not say so, is not held back."""
        self.refuse(2)
        self.logger.warn("{peer} is closed", peer="a", log_throttle=SELDOM)
        for _ in range(2):
            self.logger.info("once")
        self.assertEqual(self.said(), ["a is refused", "a is closed", "once", "once"])

    def test_fields_of_the_sum(self) -> None:
        """The line with the number has the level and the logger of the event, and the number as a field."""
        self.refuse(3)
        self.clock.advance(SELDOM)
        event = json.loads(self.out.getvalue().splitlines()[1])
        del event["time"], event["message"]
        wanted = {
            "level": "warn",
            "logger": "redistill.test",
            "count": 2,
            "seconds": 10.0,
            "origin": "",
            "event": "a is refused",
        }
        self.assertEqual(event, wanted)

    def test_level_counts_first(self) -> None:
        """Events below the level are neither written nor counted."""
        self.log.set_level("error")
        self.refuse(5)
        self.clock.advance(SELDOM)
        self.assertEqual(self.said(), [])

    def kind(self, kind: str, count: int = 1, peers: tuple[str, ...] = (), **more: Any) -> None:
        """An event of a kind, which stands for `count`, from `peers`."""
        self.logger.warn(
            "{kind} is full", kind=kind, log_throttle=SELDOM, log_kind=kind, log_count=count, log_from=peers, **more
        )

    def test_kinds_of_one_format(self) -> None:
        """Events of one format and of different kinds are counted apart."""
        for kind in ("a", "b", "a", "a", "b"):
            self.kind(kind)
        self.assertEqual(self.said(), ["a is full", "b is full"])
        self.clock.advance(SELDOM)
        self.assertEqual(
            self.said(), ["2 more in the last 10 s like: a is full", "1 more in the last 10 s like: b is full"]
        )

    def test_addresses(self) -> None:
        """The summary says how many addresses the counted events came from, each counted once."""
        self.kind("a", 1, ("192.0.2.1",))
        self.kind("a", 5, ("192.0.2.2", "192.0.2.3"))
        self.kind("a", 2, ("192.0.2.3",))
        self.clock.advance(SELDOM)
        self.assertEqual(self.said(), ["a is full", "7 more in the last 10 s from 2 addresses like: a is full"])
        self.kind("a", 1, ("192.0.2.9",))
        self.clock.advance(SELDOM)
        self.assertEqual(self.said(), ["1 more in the last 10 s from 1 address like: a is full"])

    def test_many_addresses(self) -> None:
        """At the bound the number is exact, one further it is said that there are more."""
        for number in (MOST_ADDRESSES, MOST_ADDRESSES + 1, MOST_ADDRESSES + 500):
            self.kind("a", 1, tuple(map(str, range(number))))
            self.kind("a", 1, tuple(map(str, range(number))))
            self.clock.advance(SELDOM)
            self.assertIn(
                f" from {'more than ' * (number > MOST_ADDRESSES)}{MOST_ADDRESSES} addresses like", self.said()[-1]
            )
            self.clock.advance(SELDOM)

    def test_more_addresses(self) -> None:
        """An event may say that there were others, whose addresses are not known."""
        self.kind("a", 5, ("192.0.2.1", "192.0.2.2"), log_from_more=True)
        self.clock.advance(SELDOM)
        self.assertEqual(self.said()[-1], "4 more in the last 10 s from more than 2 addresses like: a is full")

    def test_burst(self) -> None:
        """So many events are written by themselves in an interval; while more come, only their number is."""
        for _ in range(2):
            for _ in range(7):
                self.kind("a", log_burst=5)
            self.clock.advance(SELDOM)
        more = ["2 more in the last 10 s like: a is full", "7 more in the last 10 s like: a is full"]
        self.assertEqual(self.said(), ["a is full"] * 5 + more)
        self.clock.advance(SELDOM)
        self.kind("a", log_burst=5)
        self.assertEqual(self.said(), ["a is full"])

    def test_many_kinds(self) -> None:
        """Beyond the bound the kinds are counted together, with the number of their addresses; no memory is lost."""
        for number in range(MOST_KINDS + 10):
            self.kind(str(number), 1, (str(number),))
        said = self.said()
        self.assertEqual(len(said), MOST_KINDS + 1)
        self.clock.advance(SELDOM)
        self.assertEqual(self.said(), [f"9 more in the last 10 s from 9 addresses like: {MOST_KINDS} is full"])
        self.clock.advance(SELDOM)
        self.assertEqual(self.clock.getDelayedCalls(), [])
