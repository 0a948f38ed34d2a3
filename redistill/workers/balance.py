"""Balance of load: the kernel spreads connections over the workers, and cannot know how much work each will cause.

The supervisor looks every few seconds at how busy its workers were. If one was busy while another had time to spare, it
gives away connections that cause half of the difference. The work of a connection is measured between two looks: at the
first uneven look the workers begin to measure their connections, at the second they report how the connections share
the work, and one worker is told to give some away.

The busy time of a worker without time to spare does not show how much work it has: three connections that could each
keep a worker busy look like one. If its connections are few they are counted as well. The kernel spreads many
connections evenly enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from twisted.internet import defer
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.workers import channel

log = Logger()

LOOK = 2.0
"""Seconds between two looks."""
BUSY, GAP = 0.6, 0.3
"""Shares of the time: a worker busy for more than BUSY, and for GAP more than another, gives connections away."""
FULL = 0.9
"""Share of the time: a worker that was busy for more has none left."""
FEW = 32
"""A worker with more heavy connections than this is judged by its time alone."""
REST, LONGEST_REST = 2 * LOOK, 320.0
"""Seconds without a move after one; longer each time while load only goes back to where it came from."""
ANSWER_SECONDS = 3.0
"""Seconds that a worker has to answer."""


class Worker(Protocol):
    """See workers.Worker."""

    @property
    def number(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def link(self) -> Any: ...


class Load(NamedTuple):
    """A worker's load from one look to the next."""

    busy: float
    """Share of the time that the worker was busy."""
    heavy: int
    """Connections that make the most of it (`Handover.measure_work`)."""


class Move(NamedTuple):
    """The move that would make two workers even; both by their place among the loads."""

    giver: int
    taker: int
    percent: int
    """Share of the giver's work that is to move."""


def plan(loads: Sequence[Load]) -> Move | None:
    """The move that is to be made; None: the load is even enough."""
    order = sorted(range(len(loads)), key=lambda place: (min(loads[place].busy, FULL), loads[place].heavy))
    least, most = loads[order[0]], loads[order[-1]]
    share = 0.0
    if _uneven(most.busy, least.busy):
        share = (most.busy - least.busy) / 2 / most.busy
    if most.busy > FULL and least.heavy + 1 < most.heavy <= FEW:
        share = max(share, (most.heavy - least.heavy) / 2 / most.heavy)
    return Move(order[-1], order[0], round(share * 100)) if share else None


def _uneven(most: float, least: float) -> bool:
    return most > BUSY and most - least > GAP


def busy_seconds(pid: int, proc: str = "/proc") -> float:
    """Seconds that a process of one thread ran so far, or waited for a CPU. Raises OSError when it has ended."""
    try:
        with open(f"{proc}/{pid}/schedstat", encoding="ascii") as file:
            ran, waited, _ = file.read().split()
        return (int(ran) + int(waited)) / 1e9
    except FileNotFoundError:  # it has ended, or the kernel does not tell: then only the CPU time is known
        return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)


class Balance:
    """Has busy workers give connections to those that have less to do."""

    def __init__(
        self,
        clock: IReactorTime,
        workers: Callable[[], Sequence[Worker]],
        busy: Callable[[int], float],
        moved: Callable[[int], None],
    ) -> None:
        """`workers` gives those among which connections may be moved now; `busy` how long a process was busy so far
        (`busy_seconds`); `moved` is told how many were moved."""
        self._clock = clock
        self._workers = workers
        self._moved = moved
        self._busy = busy
        self._seen: dict[Worker, float] = {}
        self._looked_at = 0.0
        self._measured = False
        """The workers have begun to weigh at the last look."""
        self._asking = False
        self._rest, self._rests_until = REST, 0.0
        self._pair: tuple[Worker, Worker] | None = None
        self._last_taker: Worker | None = None
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock

    def start(self) -> None:
        self._looks.start(LOOK, now=False)

    def stop(self) -> None:
        self._looks.stop()

    def taker(self, giver: Worker) -> Worker | None:
        """The worker to which `giver` is giving connections now; None: to none."""
        return self._pair[1] if self._pair is not None and self._pair[0] is giver else None

    def _look(self) -> None:
        now, before = self._clock.seconds(), self._seen
        elapsed, self._looked_at = now - self._looked_at, now
        try:
            self._seen = {worker: self._busy(worker.pid) for worker in self._workers()}
        except OSError:  # it has just ended
            self._seen = {}
        measured, self._measured = self._measured, False
        # Neither after a pause of this process, or a step of the clock, nor while workers come and go.
        if len(self._seen) < 2 or self._seen.keys() != before.keys() or not LOOK / 2 < elapsed < 2 * LOOK:
            return
        busy = {worker: (seconds - before[worker]) / elapsed for worker, seconds in self._seen.items()}
        most, least = max(busy.values()), min(busy.values())
        if self._asking or now < self._rests_until or not (most > FULL or _uneven(most, least)):
            return
        self._asking = True
        self._even_out(busy, measured).addErrback(_failed).addCallback(self._answered)

    def _answered(self, nothing: None) -> None:
        self._asking = False

    @inlineCallbacks
    def _even_out(self, busy: dict[Worker, float], measured: bool) -> Any:
        workers, loads = list(busy), []
        for worker in workers:
            answer = yield self._told(worker, channel.MeasureWork)
            loads.append(Load(busy[worker], answer["heavy"]))
        self._measured = True
        move = plan(loads) if measured else None
        if move is None or list(self._workers()) != workers:
            return
        giver, taker = workers[move.giver], workers[move.taker]
        self._rest = min(2 * self._rest, LONGEST_REST) if giver is self._last_taker else REST
        self._rests_until = self._clock.seconds() + self._rest
        self._pair = giver, taker
        try:
            answer = yield self._told(giver, channel.MoveWork, percent=move.percent)
        finally:
            self._pair = None
        if answer["given"]:
            self._last_taker = taker
            self._moved(answer["given"])
            log.info(
                "worker {giver} was busy for {busy:.0%} of the time, worker {taker} for {other:.0%}:"
                " {given} connections were moved",
                giver=giver.number,
                taker=taker.number,
                busy=busy[giver],
                other=busy[taker],
                given=answer["given"],
            )

    def _told(self, worker: Worker, command: type, **arguments: object) -> Deferred[Any]:
        telling: Deferred[Any] = worker.link.callRemote(command, **arguments)
        return telling.addTimeout(ANSWER_SECONDS, self._clock)


def _failed(failure: Failure) -> None:
    """The next look begins anew. A worker that ended is dealt with where its end is noticed."""
    if failure.check(ConnectionDone, ConnectionLost) is None:
        late = failure.check(defer.TimeoutError) is not None
        reason = f"a worker gave no answer for {ANSWER_SECONDS:g} seconds" if late else failure.getErrorMessage()
        log.warn("connections were not moved: {reason}", reason=reason)
