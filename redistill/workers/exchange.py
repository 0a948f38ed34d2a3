"""Messages between workers, which the supervisor passes on: questions to all others, and connections handed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.engine.shared import Worker as Block
from redistill.workers import channel
from redistill.workers.changes import ANSWER_SECONDS, insist
from redistill.workers.channel import was_refused, within
from redistill.workers.pool import Pool
from redistill.workers.process import Worker

log = Logger()


class Exchange:
    """Passes questions and connections of one worker on to others."""

    def __init__(
        self,
        patience: IReactorTime,
        pool: Pool,
        known: Iterable[Block],
        limit: Callable[[], float],
        meant_taker: Callable[[Worker], object],
    ) -> None:
        """`patience` is the clock of timeouts (`supervision`); `known` are the blocks of processes in the arena.
        `limit` gives the seconds that a worker has for an answer that it must give (`Changes.limit`); `meant_taker`
        gives the worker that load of another is moved to (`Balance.taker`)."""
        self._patience = patience
        self._pool = pool
        self._known = known
        self._limit = limit
        self._meant_taker = meant_taker

    def ask(self, asker: Worker | None, question: str, argument: Any, *, must: bool = False) -> Deferred[list[Any]]:
        """The answers of all workers but the asker, without those that come too late. `must`: each worker has to
        answer, and is killed if it hangs instead."""

        def missing(failure: Failure, worker: Worker) -> None:
            if failure.check(ConnectionDone, ConnectionLost) is None:
                log.warn(
                    "worker {number} did not answer {question!r}: {reason}",
                    number=worker.number,
                    question=question,
                    reason=failure.getErrorMessage(),
                )

        arguments = {"question": question, "argument": argument}
        asked = []
        for worker in self._pool.workers:
            # A worker that is starting may have clients already; it answers when it serves.
            if worker is asker or worker.link is None or (worker.served_since is None and not must):
                continue
            if must:
                answer = insist(worker, self._patience, self._limit(), channel.Question, **arguments)
            else:
                answer = within(worker.link.callRemote(channel.Question, **arguments), self._patience, ANSWER_SECONDS)
            asked.append(answer.addCallbacks(lambda box: box["answer"], missing, errbackArgs=(worker,)))

        def answers(results: list[tuple[bool, Any]]) -> list[Any]:
            return [answer for _, answer in results if answer is not None]

        return DeferredList(asked).addCallback(answers)

    def give(self, giver: Worker, connection: int, state: bytes, memory: int | None = None) -> Deferred[bool]:
        """Hand a connection to another worker: to the giver's successor, else to the worker that load is moved to, else
        to the worker with the fewest clients. Fires with whether the giver has lost the connection.

        Only a refusal leaves the connection with the giver. A taker that died or did not answer may have executed a
        command, so the connection is closed: no command may be executed twice.
        """

        def close(result: object) -> object:
            os.close(connection)
            if memory is not None:
                os.close(memory)
            return result

        others = [worker for worker in self._pool.serving() if worker is not giver]
        clients = {one.pid: one.connections for one in self._known}
        fewest = min(others, key=lambda one: clients.get(one.pid, 0), default=None)
        meant = (self._pool.slots[giver.number].current, self._meant_taker(giver))
        taker = next((one for one in others if one in meant), fewest)
        if taker is None or taker.link is None:
            close(None)
            return succeed(False)

        def unknown(failure: Failure) -> bool:
            if was_refused(failure):
                return False
            log.warn(
                "a connection was lost during its hand-over to worker {number}: {reason}",
                number=taker.number,
                reason=str(failure.value),
            )
            return True

        # The descriptor is closed when the taker has answered: before, it may not have been sent.
        taking = taker.link.callRemote(channel.Take, connection=connection, state=state, memory=memory).addBoth(close)
        answer = within(taking, self._patience, ANSWER_SECONDS)
        return answer.addCallbacks(lambda box: bool(box["taken"]), unknown)
