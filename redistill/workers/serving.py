"""A worker: a process that serves clients beside others of its kind. The supervisor has it forked (`forkserver`).

What it needs it inherits, or is told over its channel.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.amp import AMP
from twisted.python.failure import Failure

from redistill.base.failures import Refused
from redistill.config.config import READ, USERS
from redistill.config.errors import ConfigError
from redistill.config.settings import Value
from redistill.control.peers import problem_of, raise_problem
from redistill.control.state import ServerState
from redistill.workers import channel

log = Logger()


class Serving(Protocol):
    """A worker that serves, as the supervisor commands it."""

    def answer(self, question: str, argument: Any) -> Any:
        """See `control.ControlPlane.answer`."""
        ...

    def apply(self, plain: Mapping[str, Any]) -> None:
        """Put another configuration into effect, which `Config.to_json` was called on with the one that holds. Whatever
        it raises, it changes nothing."""
        ...

    def caught_up(self, generation: int) -> None:
        """Note that the configuration of this generation was dealt with; see `engine.Store.caught_up`."""
        ...

    def listen(self, listeners: Sequence[tuple[socket.socket, Sequence[int]]]) -> None:
        """Accept clients on other sockets: each, and the numbers of the workers that it is of. OSError, and nothing has
        changed."""
        ...

    def cover(self, number: int, on: bool) -> None:
        """Accept the clients of worker `number` as well, or no longer."""
        ...

    def take(self, connection: int, state: bytes, memory: int | None) -> bool:
        """Go on with a connection of another worker, or refuse it. The descriptors are ours in either case."""
        ...

    def measure_work(self) -> int:
        """See `Handover.measure_work`."""
        ...

    def move_work(self, percent: int) -> Deferred[int]:
        """Give connections away that made so much of the work that was measured. Fires with how many."""
        ...

    def retire(self) -> Deferred[None]:
        """Accept nobody, hand all connections over. Fires when there are none."""
        ...

    def stop(self, now: bool) -> Deferred[None]:
        """Accept nobody, let the clients finish. Fires when there are none."""
        ...


Begin = Callable[["Channel", Mapping[str, Any]], Serving]
"""Begins to serve as the orders say (`workers.WorkersService.orders`)."""


class Channel(channel.End):
    """The worker's end of its channel. Without a supervisor there is nothing to do: then the process ends."""

    def __init__(self, begin: Begin, end: Callable[[], None]) -> None:
        """`end` ends the process."""
        super().__init__()
        self._begin = begin
        self._end = end
        self._serving: Serving
        self._over = False
        self._arrived: list[tuple[socket.socket, list[int]]] = []

    def connectionMade(self) -> None:
        super().connectionMade()
        self.callRemote(channel.Hello, version=channel.VERSION).addCallback(self._told).addErrback(self._failed)

    def _told(self, box: Mapping[str, Any]) -> Any:
        self._serving = self._begin(self, box["orders"])
        self._listen(box["orders"].get("sockets", 0))
        return self.callRemote(channel.Ready)

    def _failed(self, failure: Failure) -> None:
        problem: Any = failure.value
        log.failure("cannot begin to serve", failure)
        self.callRemote(channel.Unable, reason=problem_of(problem)[1])
        self._end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        if not self._over:
            log.warn("the supervisor has ended")
        self._end()

    @channel.Question.responder
    def question(self, question: str, argument: Any) -> Deferred[dict[str, Any]]:
        def failed(failure: Failure) -> None:
            log.failure("internal error in the answer to {question!r}", failure, question=question)

        answer = maybeDeferred(self._serving.answer, question, argument)
        return answer.addErrback(failed).addCallback(lambda answer: {"answer": answer})

    @channel.Listen.responder
    def listen(self, listener: int, workers: list[int]) -> dict[str, Any]:
        self._arrived.append((socket.socket(fileno=listener), workers))
        return {}

    def _listen(self, count: int) -> None:
        """Have the sockets that have arrived, `count` of them, take the place of those that there are; 0: none did.
        OSError, and nothing has changed."""
        arrived, self._arrived = self._arrived, []
        try:
            if count != len(arrived):
                raise OSError(f"{len(arrived)} of {count} sockets came: no more files can be opened")
            if count:
                self._serving.listen(arrived)
        except OSError:
            for listener, _ in arrived:
                listener.close()
            raise

    @channel.Apply.responder
    def apply(self, config: dict[str, Any], generation: int, sockets: int) -> dict[str, Any]:
        try:
            self._listen(sockets)
            self._serving.apply(config)
        except Exception as problem:
            if not isinstance(problem, (ConfigError, Refused)):
                log.failure("cannot apply a configuration; the previous one stays in use")
            return {"problem": problem_of(problem)}
        finally:  # who has refused is told what holds instead
            self._serving.caught_up(generation)
        return {"problem": None}

    @channel.Cover.responder
    def cover(self, number: int, on: bool) -> dict[str, Any]:
        self._serving.cover(number, on)
        return {}

    @channel.Take.responder
    def take(self, connection: int, state: bytes, memory: int | None = None) -> dict[str, Any]:
        return {"taken": self._serving.take(connection, state, memory)}

    @channel.MeasureWork.responder
    def measure_work(self) -> dict[str, Any]:
        return {"heavy": self._serving.measure_work()}

    @channel.MoveWork.responder
    def move_work(self, percent: int) -> Deferred[dict[str, Any]]:
        return self._serving.move_work(percent).addCallback(lambda given: {"given": given})

    @channel.Retire.responder
    def retire(self) -> Deferred[dict[str, Any]]:
        return self._ending(maybeDeferred(self._serving.retire))

    @channel.Stop.responder
    def stop(self, now: bool) -> Deferred[dict[str, Any]]:
        return self._ending(maybeDeferred(self._serving.stop, now))

    def _ending(self, ended: Deferred[Any]) -> Deferred[dict[str, Any]]:
        """Answer when it is over, and let the supervisor hang up."""

        def over(nothing: object) -> dict[str, Any]:
            self._over = True
            self.transport.loseConnection()  # type: ignore[union-attr]
            return {}

        ended.addErrback(lambda failure: log.failure("internal error while the worker ended", failure))
        return ended.addCallback(over)


class ThroughSupervisor:
    """The other workers (`control.peers.Peers`), reached through the supervisor."""

    def __init__(self, link: AMP) -> None:
        self._link = link

    def ask(self, question: str, argument: Any, must: bool = False) -> Deferred[list[Any]]:
        asking: Deferred[Any] = self._link.callRemote(channel.Ask, question=question, argument=argument, must=must)
        return asking.addCallback(lambda box: box["answers"])

    def change(self, server: ServerState, changes: Mapping[str, Value]) -> Deferred[None]:
        # The supervisor judges users, which may have many rules while clients wait here, and reads files.
        if USERS not in changes and READ.isdisjoint(changes):
            server.config.replace(changes)  # what can be seen to be wrong here need not go further
        changing: Deferred[Any] = self._link.callRemote(channel.Change, changes=dict(changes))
        return changing.addCallback(lambda box: raise_problem(box["problem"]))

    def rewrite(self, server: ServerState) -> Deferred[None]:
        def done(box: Mapping[str, Any]) -> None:
            if box["problem"] is not None:
                raise ConfigError(box["problem"])

        writing: Deferred[Any] = self._link.callRemote(channel.Rewrite)
        return writing.addCallback(done)

    def give(self, connection: int, state: bytes, memory: int | None) -> Deferred[bool]:
        """Hand a connection to another worker; whether it is gone. The descriptors stay ours."""
        giving: Deferred[Any] = self._link.callRemote(channel.Give, connection=connection, state=state, memory=memory)
        return giving.addCallback(lambda box: box["taken"])

    def shutdown(self, now: bool) -> None:
        """Stop the server."""
        self._link.callRemote(channel.Shutdown, now=now)
