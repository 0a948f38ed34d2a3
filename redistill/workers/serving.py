"""A worker: one of several processes that serve clients. The supervisor has it forked (`forkserver`).

It inherits its descriptors, and gets its configuration and its orders over the channel.
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
        """Put another configuration into effect. `plain` is what its `Config.to_json` made with the present one as
        `before`. If this raises, nothing has changed."""
        ...

    def caught_up(self, generation: int) -> None:
        """Note that this process applied or refused the configuration of this generation (`engine.Store.caught_up`)."""
        ...

    def listen(self, listeners: Sequence[tuple[socket.socket, Sequence[int]]]) -> None:
        """Accept clients on other sockets, each given with the numbers of the workers that accept on it. After OSError
        nothing has changed."""
        ...

    def cover(self, number: int, on: bool) -> None:
        """Accept the clients of worker `number` as well, or no longer."""
        ...

    def take(self, connection: int, state: bytes, memory: int | None) -> bool:
        """Take a connection from another worker, or refuse it (`Handover.take`)."""
        ...

    def measure_work(self) -> int:
        """See `Handover.measure_work`."""
        ...

    def move_work(self, percent: int) -> Deferred[int]:
        """See `Handover.give_some`."""
        ...

    def retire(self) -> Deferred[None]:
        """Accept no more clients, hand all connections over. Fires when none is left."""
        ...

    def stop(self, now: bool) -> Deferred[None]:
        """Accept no more clients, let those connected finish. Fires when none is left."""
        ...


Begin = Callable[["Channel", Mapping[str, Any]], Serving]
"""Begins to serve as the orders say (`workers.WorkersService.orders`)."""


class Channel(channel.End):
    """The worker's end of its channel. When the supervisor has ended, the worker ends too."""

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
        """Replace the listening sockets by the `count` that have arrived; 0: keep them. After OSError nothing has
        changed."""
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
        finally:  # after a refusal the supervisor sends the configuration to go back to
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
        """Answer when the worker has finished, then close the channel."""

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
            server.config.replace(changes)  # raises what can be found wrong here
        changing: Deferred[Any] = self._link.callRemote(channel.Change, changes=dict(changes))
        return changing.addCallback(lambda box: raise_problem(box["problem"]))

    def rewrite(self, server: ServerState) -> Deferred[None]:
        def done(box: Mapping[str, Any]) -> None:
            if box["problem"] is not None:
                raise ConfigError(box["problem"])

        writing: Deferred[Any] = self._link.callRemote(channel.Rewrite)
        return writing.addCallback(done)

    def give(self, connection: int, state: bytes, memory: int | None) -> Deferred[bool]:
        """Hand a connection to another worker. Fires with whether it is gone. The caller closes the descriptors."""
        giving: Deferred[Any] = self._link.callRemote(channel.Give, connection=connection, state=state, memory=memory)
        return giving.addCallback(lambda box: box["taken"])

    def shutdown(self, now: bool) -> None:
        """Stop the server."""
        self._link.callRemote(channel.Shutdown, now=now)
