"""The configuration in all processes of a server: it changes everywhere or nowhere.

The supervisor puts a change into effect in itself, sends it to every worker, and announces in the arena that it did
(`engine.Store.announce`): from then on no worker serves a client before it has applied the change. The change is in
effect when all workers have confirmed it. A worker that refuses it keeps the old configuration, and the change is
undone everywhere. The supervisor waits for a worker that does not answer; `supervision` kills it when it hangs, and its
successor begins with the configuration that is then in effect.

Only a worker that has begun to serve shows that workers can begin with a configuration. If no worker serves and none
can begin with the present configuration, the last one with which a worker began replaces it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredLock, inlineCallbacks
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.protocols.amp import UnknownRemoteError

from redistill.base.failures import reason_of
from redistill.config.config import Config
from redistill.config.settings import SETTINGS, Value
from redistill.control.peers import problem_of
from redistill.workers import channel
from redistill.workers.channel import NoAnswer, within
from redistill.workers.process import Worker

log = Logger()

Problem = tuple[str, str]
"""The directive (empty: not known) and the reason for a refusal."""
LOST_STARTS = 3
"""So many workers in a row that end before they serve, without a reason, cannot begin with the configuration."""
ANSWER_SECONDS = 3.0
"""Seconds that a worker has to answer a question; and to apply a change, if server.worker_timeout is 0."""


class Changes:
    """The configuration in effect. It makes one change at a time."""

    def __init__(
        self,
        clock: IReactorTime,
        config: Config,
        generation: int,
        workers: Sequence[Worker],
        serving: Callable[[], bool],
        apply: Callable[[Config], None],
        announce: Callable[[int], None],
        equip: Callable[[Worker], int] = lambda worker: 0,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """`config` is the first configuration, `generation` its number. `workers` are all processes, now and later;
        `serving` says whether one of them serves. `apply` puts a configuration into effect in this process; if it
        raises, nothing has changed. `announce` tells all processes of a generation. `equip` sends a worker the
        listening sockets that it lacks, and gives their number; `settle` is called when a change has succeeded or
        failed."""
        self.config = config
        self.generation = generation
        self.problem = ""
        """Why the last change is not in effect, or why workers cannot begin; empty: no problem."""
        self._clock = clock
        self._workers = workers
        self._serving = serving
        self._apply = apply
        self._announce = announce
        self._equip = equip
        self._settle = settle
        self._changing = DeferredLock()
        self._began_with: Config | None = None
        self._lost_starts = 0
        self._to_begin: Deferred[Problem | None] | None = None
        """Fires when a worker has begun with the present configuration, or cannot."""

    # ---- changing ----

    def change(self, changes: Mapping[str, Value]) -> Deferred[Problem | None]:
        """Change settings in all processes, or in none. Fires with None, or with the Problem."""

        @inlineCallbacks
        def act() -> Any:
            old = self.config
            try:
                new = old.replace(changes)
            except Exception as problem:
                return problem_of(problem)
            try:
                refusal = yield self._put(new)
            finally:
                self._settle()
            if refusal is None:
                self.problem = ""
            return refusal

        return self._changing.run(act)

    @inlineCallbacks
    def _put(self, new: Config) -> Any:
        """Put `new` into effect everywhere, or go back to the present configuration."""
        old = self.config
        try:
            self._apply(new)
        except Exception as problem:
            return problem_of(problem)
        self.config = new
        try:
            refusal, late = yield self._in_workers(old)
        except Exception as problem:
            log.failure("cannot send a change to the workers")
            refusal, late = problem_of(problem), None
        if refusal is not None:
            self.problem = f"a change could not be applied and was undone: {refusal[1]}"
            log.error("a change was undone: {problem}", problem=refusal[1])
            self._apply_here(old)
            self.config = old
            again, _ = yield self._in_workers(new)
            if again is not None:
                log.error("a change cannot be undone in every worker: {reason}", reason=again[1])
            return refusal
        return late

    def _apply_here(self, config: Config) -> None:
        try:
            self._apply(config)
        except Exception:
            log.failure("the supervisor cannot apply the configuration")

    @inlineCallbacks
    def _in_workers(self, before: Config) -> Any:
        """Have all workers, which have the configuration `before` or refused it, apply the present one. Fires, when
        each has applied it, refused it, or ended, with the first refusal, and with the Problem of a worker that did not
        answer in time (if server.worker_timeout is 0). If all have ended, the next worker that begins decides."""
        self.generation += 1
        self._lost_starts = 0
        plain = self.config.to_json(before)
        told = [worker for worker in self._workers if worker.link is not None]
        answers = [
            insist(
                worker,
                self._clock,
                self.limit,
                channel.Apply,
                config=plain,
                generation=self.generation,
                sockets=self._equip(worker),
            )
            for worker in told
        ]
        self._announce(self.generation)
        results = yield DeferredList(answers, consumeErrors=True)
        refusal: Problem | None = None
        late: Problem | None = None
        applied = 0
        for worker, (good, result) in zip(told, results, strict=True):
            if good and result["problem"] is None:
                applied += 1
            elif good:
                refusal = refusal or tuple(result["problem"])
            elif result.check(NoAnswer) is not None:
                late = "", f"it holds everywhere but in worker {worker.number} (pid {worker.pid}), which does not move"
            elif result.check(ConnectionDone, ConnectionLost) is None:
                refusal = refusal or ("", _reason(result.value))
        if refusal is None and late is None and not applied and not self._began():
            self._to_begin = Deferred()
            refusal = yield self._to_begin
        return refusal, late

    @property
    def limit(self) -> float:
        """Seconds that a worker has to answer; 0: no limit, since `supervision` kills it."""
        return 0.0 if self.config.server.worker_timeout else ANSWER_SECONDS

    def _began(self) -> bool:
        return self._began_with is self.config

    # ---- beginning ----

    def has_begun(self, worker: Worker) -> None:
        """Note that a worker serves."""
        if worker.generation != self.generation:
            return
        if self._lost_starts:
            self.problem = ""
        self._lost_starts = 0
        self._began_with = self.config
        self._begins(None)

    def has_ended(self, worker: Worker) -> None:
        """Note the end of a worker. If it had not served and was not told to end, it may have been unable to begin."""
        killed = worker.was_killed and not worker.unable  # a kill is no fault of the configuration
        if worker.leaving or worker.served_since is not None or worker.generation != self.generation or killed:
            return
        self._lost_starts = LOST_STARTS if worker.unable else self._lost_starts + 1
        reason = worker.unable or "it ended before it served"
        self.problem = f"worker {worker.number} cannot begin: {reason}"
        if self._lost_starts < LOST_STARTS:
            return
        if self._to_begin is not None:
            self._begins(("", self.problem))
        elif self._began_with is not None and not self._began() and not self._serving():
            self._fall_back(self.problem)

    def _begins(self, problem: Problem | None) -> None:
        waiting, self._to_begin = self._to_begin, None
        if waiting is not None:
            waiting.callback(problem)

    def _fall_back(self, reason: str) -> None:
        bad = self.config

        @inlineCallbacks
        def act() -> Any:
            old = self._began_with
            if self.config is not bad or old is None or self._serving():
                return
            changed = ", ".join(row.name for row in SETTINGS if old.get(row.name) != bad.get(row.name))
            self._apply_here(old)
            self.config = old
            self.problem = (
                f"{reason}; the last configuration with which a worker served is in use again, without the later"
                f" changes ({changed or 'users'})"
            )
            log.error("an earlier configuration is in use: {problem}", problem=self.problem)
            yield self._in_workers(bad)
            self._settle()

        self._changing.run(act).addErrback(
            lambda failure: log.failure("internal error while restoring an earlier configuration", failure)
        )


def _reason(problem: Any) -> str:
    """The reason why a worker failed at a command: the text that it sent, if any."""
    return str(problem.description) if isinstance(problem, UnknownRemoteError) else reason_of(problem)


def insist(worker: Worker, clock: IReactorTime, seconds: float, command: Any, **arguments: Any) -> Deferred[Any]:
    """Send a worker a command that it has to answer. Until then it owes the answer, and `supervision` kills it if it
    hangs.

    Fires with the answer, or fails with UnknownRemoteError, with ConnectionLost when the worker has ended, or with
    NoAnswer after `seconds` (0: no limit).
    """
    debt = object()
    worker.owes[debt] = clock.seconds()

    def paid(result: object) -> object:
        del worker.owes[debt]
        return result

    return within(worker.link.callRemote(command, **arguments).addBoth(paid), clock, seconds)  # type: ignore[union-attr]
