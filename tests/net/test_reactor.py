"""The clock of reactors."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.trial.unittest import SynchronousTestCase

from redistill.net.reactor import RedistillReactor, use_monotonic_time


class PlayedReactor:
    """A reactor by the wall clock, with a timer that is set already."""

    def __init__(self) -> None:
        self.calls = [DelayedCall(time.time() + 7, print, (), {}, lambda call: None, lambda call: None, time.time)]

    def seconds(self) -> float:
        return time.time()

    def getDelayedCalls(self) -> list[Any]:
        return self.calls


class TimeTests(SynchronousTestCase):
    """Timers go by the monotonic clock."""

    def test_ours(self) -> None:
        """The timers of our reactor go by the monotonic clock."""
        self.assertIs(RedistillReactor.seconds, time.monotonic)

    def test_another(self) -> None:
        """The timers of any other reactor do so too, including those set before."""
        reactor = PlayedReactor()
        use_monotonic_time(reactor)
        self.assertIs(reactor.seconds, time.monotonic)
        (call,) = reactor.calls
        self.assertLess(abs(call.getTime() - time.monotonic() - 7), 1)
