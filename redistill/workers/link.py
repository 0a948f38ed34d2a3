"""The supervisor's end of the channel to one worker: each command of the worker is a call of `WorkersService`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.workers import channel
from redistill.workers.process import Worker

if TYPE_CHECKING:
    from redistill.workers.supervisor import WorkersService

log = Logger()


class Link(channel.End):
    """The supervisor's end of the channel to one worker."""

    def __init__(self, worker: Worker, owner: WorkersService) -> None:
        super().__init__()
        self._worker = worker
        self._owner = owner

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        if not self._worker.pid:  # it was killed before it told its process id
            self._worker.end("its process has ended")

    @channel.Hello.responder
    def hello(self, version: int) -> dict[str, Any]:
        if version != channel.VERSION:
            log.warn(
                "worker {number} is of another build, whose channel has version {theirs}, not {ours}:"
                " restart the server to upgrade the supervisor",
                number=self._worker.number,
                theirs=version,
                ours=channel.VERSION,
            )
            raise RuntimeError("another version of the channel")
        self._worker.link = self
        return {"orders": self._owner.orders(self._worker)}

    @channel.Ready.responder
    def ready(self) -> dict[str, Any]:
        self._owner.is_ready(self._worker)
        return {}

    @channel.Unable.responder
    def unable(self, reason: str) -> dict[str, Any]:
        self._worker.unable = reason
        return {}

    @channel.Ask.responder
    def ask(self, question: str, argument: Any, must: bool) -> Deferred[dict[str, Any]]:
        asking = self._owner.ask(self._worker, question, argument, must=must)
        return asking.addCallback(lambda answers: {"answers": answers})

    @channel.Change.responder
    def change(self, changes: dict[str, Any]) -> Deferred[dict[str, Any]]:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        return self._owner.changes.change(values).addCallback(lambda problem: {"problem": problem})

    @channel.Rewrite.responder
    def rewrite(self) -> dict[str, Any]:
        return {"problem": self._owner.rewrite()}

    @channel.Shutdown.responder
    def shutdown(self, now: bool) -> dict[str, Any]:
        self._owner.shutdown(now)
        return {}

    @channel.Give.responder
    def give(self, connection: int, state: bytes, memory: int | None = None) -> Deferred[dict[str, Any]]:
        giving = self._owner.give(self._worker, connection, state, memory)
        return giving.addCallback(lambda taken: {"taken": taken})
