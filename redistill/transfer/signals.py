"""Signals that end a command between two of its steps."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """A signal asked for the end; the state is written. Like KeyboardInterrupt it is nothing to recover from."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """SIGINT, SIGTERM and SIGHUP end the body with Interrupted, but not while a batch is exchanged: then behind it."""

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._busy = False
        self._pending = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in self.NUMBERS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup goes on
                self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._busy and not self._pending:
            self._pending = number
        else:
            raise Interrupted(number)

    def begin(self) -> None:
        """From here on a signal waits; a second one does not."""
        self._busy = True

    def end(self) -> None:
        """Interrupted if a signal waited."""
        self._busy = False
        if self._pending:
            raise Interrupted(self._pending)
