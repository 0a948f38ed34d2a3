"""One worker process, as the supervisor knows it: its state, what it writes, and how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.internet.process import registerReapProcessHandler, unregisterReapProcessHandler
from twisted.protocols.amp import AMP
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from redistill.workers.fork_client import ForkServer

CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})
LINE = 65536
"""Bytes that are waited for until a line ends."""


class Worker:
    """One worker process, as the supervisor knows it."""

    def __init__(self, number: int, relay: Callable[[str], None], gone: Callable[[Worker, str], None]) -> None:
        """`relay` gets the lines that the process writes; `gone` is called when it has ended, with the reason."""
        self.number = number
        self.relay = relay
        self._gone = gone
        self.pid = 0
        """The process id; 0 before the process has started and when it has ended."""
        self.link: AMP | None = None
        self.serving = False
        """From its `Ready` until it was told to retire or has ended."""
        self.leaving = False
        """Whether the worker was told to end."""
        self.over = False
        """Whether the process has ended, or was given up before it began."""
        self.served_since: float | None = None
        self.generation = -1
        """The generation of the configuration that the worker's orders had."""
        self.listeners: Sequence[Sequence[socket.socket]] = ()
        """The listening sockets that it has: `listening.Listening.listeners` as it was."""
        self.unable = ""
        """Why it could not begin to serve, if that is known."""
        self.was_killed = False
        """Whether the process ended by SIGKILL: from outside, or by us."""
        self.has_crashed = False
        """Whether the process died of a signal whose usual cause is bad memory."""
        self.owes: dict[object, float] = {}
        """Since when it owes answers that it has to give (`changes.insist`)."""
        self.overdue: IDelayedCall | None = None
        self.covers: set[int] = set()
        self.ready: Deferred[str | None] = Deferred()
        """Fires when it serves, or with the reason why it never will."""
        self.ended: Deferred[Worker] = Deferred()
        self.made_by: ForkServer | None = None
        self.output: Output | None = None
        self.channel: Any = None
        """The transport of `link`, from before there is one."""

    def kill(self) -> None:
        """End the process at once. One that has not begun yet is given up, and killed when it does."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        else:
            self.end("it was given up before it began")

    def begin(self, pid: int) -> None:
        """The process is there."""
        self.pid = pid
        registerReapProcessHandler(pid, self)

    def reapProcess(self) -> None:
        """Some process of ours may have ended (Twisted calls this)."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has waited for it
            pid, status = self.pid, 0
        if pid:
            unregisterReapProcessHandler(pid, self)
            self.processEnded(status)

    def processEnded(self, status: int) -> None:
        """The process has ended (Twisted calls this if it had before anybody waited for it)."""
        died_of = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self.was_killed = died_of == signal.SIGKILL
        self.has_crashed = died_of in CRASHES
        self.end(ending(status))

    def end(self, reason: str) -> None:
        """Note that the process has ended, or will never begin."""
        if self.over:
            return
        self.over = True
        if self.output is not None:
            self.output.close()
        if self.channel is not None and not self.pid:
            self.channel.loseConnection()  # should it begin after all, it ends
        self._gone(self, reason)


@implementer(IReadDescriptor)
class Output:
    """The pipe that a process writes stdout and stderr to."""

    def __init__(self, reactor: Any, relay: Callable[[str], None]) -> None:
        """`relay` gets whole lines. Raises OSError."""
        self._reactor = reactor
        self._relay = relay
        self._rest = b""
        self._fd, self.theirs = os.pipe()
        """`theirs` is the end for the process, to be closed here when it has it."""
        os.set_blocking(self._fd, False)
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "output"

    def doRead(self) -> None:
        """Pass on what is there."""
        try:
            data = os.read(self._fd, LINE)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        lines, _, self._rest = (self._rest + data).rpartition(b"\n")
        if len(self._rest) > LINE:  # a line without an end is passed on as it is
            lines, self._rest = lines + self._rest, b""
        if lines:
            self._pass_on(lines)

    def close(self) -> None:
        """Pass on the rest; there is nothing more."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        self._reactor.removeReader(self)
        with contextlib.suppress(BlockingIOError), os.fdopen(fd, "rb", 0) as pipe:
            self._rest += pipe.read() or b""
        if self._rest:
            self._pass_on(self._rest)
        self._rest = b""

    def _pass_on(self, lines: bytes) -> None:
        self._relay(lines.decode("utf-8", "replace").removesuffix("\n") + "\n")

    def connectionLost(self, reason: Failure) -> None:
        self.close()


def ending(status: int) -> str:
    """How a process ended, in words, by the status that wait(2) gives."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        known = {one.value: one.name for one in signal.Signals}
        return f"killed by {known.get(number, f'signal {number}')}"
    return f"exit status {os.WEXITSTATUS(status)}"
