"""The supervisor's side of one fork server (`forkserver` is the process itself)."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.internet.process import reapProcessHandlers, unregisterReapProcessHandler
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

import redistill
from redistill.workers import forkserver
from redistill.workers.process import Output, Worker, ending

log = Logger()

IMPORT_SECONDS = 30.0
"""Seconds that a fork server has until it can fork."""
FORK_SECONDS = 3.0
"""Seconds that a fork server has to fork."""
END_SECONDS = 5.0
"""Seconds that a fork server has to end, once it was killed or has closed its control socket."""


class Supplies(Protocol):
    """The descriptors and the channel that a worker gets from the supervisor."""

    def inherited(self, worker: Worker) -> Sequence[int]:
        """The descriptors of `worker.run`, from that of the arena on."""
        ...

    def connect(self, worker: Worker, ours: socket.socket) -> Any:
        """Talk to the worker over this end of its channel, which the caller closes. Returns the transport."""
        ...


@implementer(IReadDescriptor)
class ForkServer(ProcessProtocol):
    """A process that forks workers (`forkserver`)."""

    transport: Any

    def __init__(
        self,
        reactor: Any,
        program: Sequence[str],
        supplies: Supplies,
        relay: Callable[[str], None],
        ended: Callable[[ForkServer], None],
    ) -> None:
        """Start the process, whose command line is `program`. `relay` gets the lines that it writes; `ended` is called
        if it ends without having been told to. Raises OSError."""
        self.alive = True
        """Whether the fork server may be asked for workers."""
        self.gone: Deferred[None] = Deferred()
        """Fires when the process has ended and its control socket is closed, so that the reactor has nothing of it any
        more. Fires after END_SECONDS at the latest when a process does not end, or its end is never reported."""
        self.made = reactor.seconds()
        self._ended = ended
        self._reactor = reactor
        self._supplies = supplies
        self._ready = False
        self._ids = itertools.count()
        self._waiting: list[Worker] = []
        self._asked: dict[int, Worker] = {}
        self._late: IDelayedCall | None = None
        self._overdue: IDelayedCall | None = None
        self._wanted = self._over = False
        with contextlib.ExitStack() as stack:
            nothing = stack.enter_context(open(os.devnull, "rb"))
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.enter_context(theirs)
            self._control.setblocking(False)
            failed = stack.enter_context(contextlib.ExitStack())
            failed.callback(self._control.close)
            self._output = Output(reactor, relay)
            reactor.addReader(self)
            self._expect(IMPORT_SECONDS)
            failed.callback(self._hang_up)
            failed.callback(self._output.close)
            stack.callback(os.close, self._output.theirs)
            fds = {
                0: nothing.fileno(),
                1: self._output.theirs,
                2: self._output.theirs,
                forkserver.CONTROL: theirs.fileno(),
            }
            reactor.spawnProcess(self, program[0], program, env=environment(os.environ), childFDs=fds)
            if not self.alive:
                raise OSError("the process was killed")  # before Twisted could begin to wait for it
            self._pid = self.transport.pid
            self._wanted = True
            failed.pop_all()

    @property
    def idle(self) -> bool:
        """Whether the fork server has answered all requests."""
        return not self._asked

    def fork(self, worker: Worker) -> None:
        """Have the fork server fork a worker, now or as soon as it can. Raises OSError; a problem that shows later ends
        the worker."""
        if self._ready:
            self._ask(worker)
        else:
            self._waiting.append(worker)

    def _ask(self, worker: Worker) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            ours.setblocking(False)
            output = Output(self._reactor, worker.relay)
            try:
                fds = [output.theirs, theirs.fileno(), *self._supplies.inherited(worker)]
                number = next(self._ids)
                asked = {"id": number, "number": worker.number, "descriptors": len(fds)}
                for start in range(0, len(fds), forkserver.MOST):
                    some = fds[start : start + forkserver.MOST]
                    socket.send_fds(self._control, [json.dumps(asked).encode("ascii")], some)
                worker.channel = self._supplies.connect(worker, ours)
            except BaseException:
                output.close()
                raise
            finally:
                os.close(output.theirs)
        worker.output, worker.made_by = output, self
        self._asked[number] = worker
        self._expect(FORK_SECONDS)

    def _expect(self, seconds: float) -> None:
        """Expect a message of the fork server within so many seconds."""
        self._expect_nothing()
        self._late = self._reactor.callLater(seconds, self._is_late)

    def _expect_nothing(self) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()

    def _is_late(self) -> None:
        self._listen()
        if self._late is not None and self._late.active():
            return  # this process was stopped, and the answer had come meanwhile
        if self._ready and all(worker.over for worker in self._asked.values()):
            self._asked.clear()  # the workers were killed before they could tell their process ids
        else:
            log.error("the fork server does not answer; it is killed")
            self.end()

    # ---- answers ----

    def fileno(self) -> int:
        return self._control.fileno()

    def logPrefix(self) -> str:
        return "fork server"

    def doRead(self) -> None:
        """Read the fork server's answers to requests."""
        try:
            data = self._control.recv(forkserver.MESSAGE)
        except (BlockingIOError, ConnectionResetError):
            return  # a reset comes once, before the last answers, if requests were left unread
        except OSError:
            data = b""
        if data:
            self._hear(json.loads(data))
        else:
            self.alive = False
            self._hang_up()
            self._expect_end()

    def _hear(self, said: Mapping[str, Any]) -> None:
        self._expect_nothing()
        if said.get("ready"):
            self._ready = True
            waiting, self._waiting = self._waiting, []
            for worker in waiting:
                if not worker.over:
                    try:
                        self._ask(worker)
                    except Exception as problem:  # as when a start fails at once (`pool.Pool`)
                        worker.end(str(problem) or repr(problem))
        elif said["id"] in self._asked:
            worker = self._asked.pop(said["id"])
            if "problem" in said:
                worker.end(said["problem"])
            elif worker.over:
                os.kill(said["pid"], signal.SIGKILL)  # not waited for yet, so no other process has the id
            else:
                worker.begin(said["pid"])
        if self._asked:
            self._expect(FORK_SECONDS)

    def _listen(self) -> None:
        """Read the answers that have come already."""
        for _ in range(len(self._asked) + 2):
            if self._control.fileno() >= 0:
                self.doRead()

    def _hang_up(self) -> None:
        """Close the control socket, whose other end neither the fork server nor a new worker has open."""
        if self._control.fileno() >= 0:
            self._reactor.removeReader(self)
            self._control.close()
        self._give_up()
        self._asked.clear()
        self._has_gone()

    def _has_gone(self) -> None:
        """Fire `gone`, if both the process and the control socket are."""
        if self._over and self._control.fileno() < 0 and not self.gone.called:
            if self._overdue is not None and self._overdue.active():
                self._overdue.cancel()
            self.gone.callback(None)

    def _expect_end(self) -> None:
        """Expect the end of the process and of its control socket within END_SECONDS."""
        if self._overdue is None and not self.gone.called:
            self._overdue = self._reactor.callLater(END_SECONDS, self._is_overdue)

    def _is_overdue(self) -> None:
        """Wait no longer: kill the process if it is still there, and close the control socket, which a process that was
        stopped while it was forked can keep open."""
        if not self._over:
            try:
                if os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    self.transport.reapProcess()  # this process was stopped, and could not do it before
                else:
                    os.kill(self._pid, signal.SIGKILL)
            except ChildProcessError:  # somebody else has waited for it
                if self._pid in reapProcessHandlers:
                    unregisterReapProcessHandler(self._pid, self.transport)
        if not self._over:
            log.error(
                "the fork server (pid {pid}) was not seen to end within {seconds} seconds; it is no longer waited for",
                pid=self._pid,
                seconds=END_SECONDS,
            )
            self._note_end("it was not seen to end")
        self._hang_up()

    def _give_up(self) -> None:
        """End the workers that have not begun."""
        self._expect_nothing()
        given_up, self._waiting = [*self._waiting, *self._asked.values()], []
        for worker in given_up:
            worker.end("the fork server has ended")

    def end(self) -> None:
        """Kill the fork server. Workers that have not begun by now will not."""
        self._wanted = self.alive = False
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        self._expect_end()

    def processEnded(self, reason: Any) -> None:
        if not self._over:
            self._note_end(ending(reason.value.status))

    def _note_end(self, reason: str) -> None:
        self.alive, self._over = False, True
        self._output.close()
        self._listen()  # workers that were forked may have told their process ids
        self._give_up()
        if self._wanted:
            log.error("the fork server has ended: {reason}", reason=reason)
            self._ended(self)
        self._has_gone()
        self._expect_end()

    def connectionLost(self, reason: Failure) -> None:
        self._hang_up()


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """A worker's environment: ours with this package on PYTHONPATH, and without settings, which may be secrets and come
    over the channel."""
    left_out = ("REDIS_", "REDISTILL_", "LISTEN_", "NOTIFY_", "WATCHDOG_")
    kept = {name: value for name, value in environ.items() if not name.startswith(left_out)}
    home = os.path.dirname(os.path.dirname(os.path.abspath(redistill.__file__)))
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [home, kept.get("PYTHONPATH", "")]))
    return kept
