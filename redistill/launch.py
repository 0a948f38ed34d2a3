"""One worker process, as the supervisor knows it, and what it inherits."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.protocols.amp import AMP
from twisted.python.failure import Failure

PYTHON = [sys.executable, "-P", "-m", "redistill.worker"]


class Worker(ProcessProtocol):
    """One worker process, as the supervisor knows it."""

    transport: Any

    def __init__(self, number: int, relay: Callable[[str], None], gone: Callable[[Worker, str], None]) -> None:
        """`relay` gets the lines that the process writes; `gone` is called when it has ended, with
        the reason."""
        self.number = number
        self._relay = relay
        self._gone = gone
        self.pid = 0
        """Of the process; 0 before it has started and when it has ended."""
        self.link: AMP | None = None
        self.serving = False
        """From its `Ready` until it was told to retire or has ended."""
        self.leaving = False
        """It was told to end."""
        self.served_since: float | None = None
        self.generation = -1
        """Of the configuration that its orders had."""
        self.unable = ""
        """Why it could not begin to serve, if that is known."""
        self.was_killed = False
        """It has ended by SIGKILL: from outside, or by us."""
        self.owes: dict[object, float] = {}
        """Since when it owes answers that it has to give (`changes.insist`)."""
        self.overdue: IDelayedCall | None = None
        self.covers: set[int] = set()
        self.ready: Deferred[str | None] = Deferred()
        """Fires when it serves, or with the reason why it never will."""
        self.ended: Deferred[Worker] = Deferred()
        self._lines: dict[int, bytes] = {}

    def kill(self) -> None:
        """End the process at once, if there is one."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def connectionMade(self) -> None:
        self.pid = self.transport.pid

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        lines, _, rest = (self._lines.get(childFD, b"") + data).rpartition(b"\n")
        if len(rest) > 65536:  # a line without an end is passed on as it is
            lines, rest = lines + rest, b""
        self._lines[childFD] = rest
        if lines:
            self._relay(lines.decode("utf-8", "replace") + "\n")

    def processEnded(self, reason: Failure) -> None:
        for rest in filter(None, self._lines.values()):
            self._relay(rest.decode("utf-8", "replace") + "\n")
        self.was_killed = getattr(reason.value, "signal", None) == signal.SIGKILL
        self._gone(self, ending(reason))


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Of a worker: without the settings, which it is told (and which may be secrets), and with our own package."""
    left_out = ("REDIS_", "REDISTILL_", "LISTEN_", "NOTIFY_", "WATCHDOG_")
    kept = {name: value for name, value in environ.items() if not name.startswith(left_out)}
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [home, kept.get("PYTHONPATH", "")]))
    return kept


def ending(reason: Failure) -> str:
    """How a process ended, in words."""
    problem = reason.value
    if isinstance(problem, ProcessTerminated) and problem.signal:
        return f"killed by {signal.Signals(problem.signal).name}"
    return f"exit status {getattr(problem, 'exitCode', None)}"
