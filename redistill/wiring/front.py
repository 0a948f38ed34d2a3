"""What clients meet of a process, as one thing that a supervisor can give orders to."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred, maybeDeferred

from redistill.config.load import Config
from redistill.control import ControlPlane
from redistill.engine import Store
from redistill.lifetime.service import BackgroundService, ServerService
from redistill.net.sockets import close_listeners
from redistill.workers.handover import Handover


class Front:
    """A worker's commands, its sockets and its clients; see `worker.Serving`."""

    life: IService
    """What is to be stopped when the worker is to end."""

    def __init__(
        self,
        store: Store,
        control: ControlPlane,
        server: ServerService,
        background: BackgroundService,
        handover: Handover,
    ) -> None:
        self._store = store
        self.control = control
        self.server = server
        self.background = background
        self._handover = handover

    def answer(self, question: str, argument: Any) -> Any:
        return self.control.answer(question, argument)

    def apply(self, plain: Mapping[str, Any]) -> None:
        state = self.control.state
        config = Config.from_json(plain, state.config)
        state.apply(config)
        state.config = config

    def caught_up(self, generation: int) -> None:
        self._store.caught_up(generation)

    def listen(self, listeners: Sequence[tuple[socket.socket, Sequence[int]]]) -> None:
        count = 1 + max(number for _, numbers in listeners for number in numbers)
        of_worker = [[listener for listener, numbers in listeners if number in numbers] for number in range(count)]
        close_listeners([self.server.listen(of_worker)], remove=False)

    def cover(self, number: int, on: bool) -> None:
        self.server.cover(number, on)

    def take(self, connection: int, state: bytes, memory: int | None) -> bool:
        return self._handover.take(connection, state, memory)

    def weigh(self) -> int:
        return self._handover.weigh()

    def lighten(self, percent: int) -> Deferred[int]:
        return self._handover.give_some(percent)

    def retire(self) -> Deferred[None]:
        self.server.stop_accepting()
        return self._handover.give_all(self.server.grace).addCallback(lambda nothing: self.stop(False))

    def stop(self, now: bool) -> Deferred[None]:
        if now:
            self.server.grace = 0
        return maybeDeferred(self.life.stopService)
