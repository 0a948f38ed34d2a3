"""The operator's signals."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

log = Logger()


class Stoppable(Interface):
    """A server, or several, whose stop takes time."""

    grace: float
    """Seconds that clients have."""

    def state(self) -> str:
        """SERVING while clients are served, or why they are not."""
        ...

    def alive(self) -> bool:
        """False if no client has been served for so long that only a restart can help."""
        ...

    def problem(self) -> str:
        """A problem that an operator must solve although clients may be served; empty if there is none."""
        ...


class SignalService(Service):
    """The actions of the operator's signals: TERM and INT stop the daemon gracefully, once; HUP reloads it, USR1 opens
    the log file again."""

    def __init__(
        self,
        reactor: Any,
        server: Stoppable,
        reload: Callable[[], object],
        reopen: Callable[[], object],
        delay: Callable[[], float],
    ) -> None:
        """`delay` gives the seconds between the word to stop and the stop, for load balancers to look elsewhere."""
        self._reactor = reactor
        self._server = server
        self._acts = (
            (signal.SIGTERM, self.stop),
            (signal.SIGINT, self.stop),
            (signal.SIGHUP, reload),
            (signal.SIGUSR1, reopen),
        )
        self._delay = delay
        self._end: IDelayedCall | None = None
        self.stopping = False
        self.began: Callable[[float, float], None] = lambda delay, grace: None
        """Called when a stop begins, with the seconds until it and those that clients have then."""

    def privilegedStartService(self) -> None:
        # Before any service starts and says so: whoever reads that may send a signal.
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._install()

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        # Again after the reactor has installed its own, which would end the process with the signal's exit status.
        self._reactor.callWhenRunning(self._install)

    def _install(self) -> None:
        for number, act in self._acts:
            signal.signal(number, self._caller(act))

    def _caller(self, act: Callable[[], object]) -> Callable[[int, object], None]:
        return lambda number, frame: self._reactor.callFromThread(act)

    def stop(self, now: bool = False) -> None:
        """Stop the daemon. A second time, or with `now`: without waiting for anybody."""
        at_once = now or self.stopping
        if at_once:
            self._server.grace = 0
        delay = 0.0 if at_once else self._delay()
        if not self.stopping:
            self.stopping = True
            self.began(delay, self._server.grace)
            if delay:
                log.info("stopping in {seconds} seconds", seconds=delay)
                self._end = self._reactor.callLater(delay, self._reactor.stop)
            else:
                self._reactor.stop()
        elif self._end is not None and self._end.active():
            self._end.reset(0)
