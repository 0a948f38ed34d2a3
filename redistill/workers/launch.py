"""How worker processes come to be and to their end, as the supervisor sees it.

They are forked by a fork server (`forkserver`), which is made when a worker is wanted and there is none. A reload makes
another one, with what is installed then; the old one stays until a worker of the new one has come to serve.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.internet.process import reapProcessHandlers
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

import redistill
from redistill.engine import adopt_orphans
from redistill.workers import channel, forkserver
from redistill.workers.process import Output, Worker, ending

log = Logger()

PROGRAM = [sys.executable, "-P", "-m", "redistill.wiring.forkserver", str(channel.VERSION)]

IMPORT_SECONDS = 30.0
"""Seconds that a fork server has until it can fork."""
FORK_SECONDS = 3.0
"""Seconds that a fork server has to fork."""
NEW_SECONDS = 1.0
"""A fork server that has ended before it was so old is not followed by another one at once."""
DOUBT_SECONDS = 5.0
"""A fork server younger than this is not replaced because a worker did not come to serve."""
LONGEST_WAIT = 60.0
"""Longest time until the next fork server when they end again and again and no worker is wanted."""
SWEEP_SECONDS = 1.0
"""Time between two looks for children that nobody waits for."""


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
        self, reactor: Any, supplies: Supplies, relay: Callable[[str], None], ended: Callable[[ForkServer], None]
    ) -> None:
        """Start it. `ended` is called when it has ended and nobody told it to. Raises OSError."""
        self.alive = True
        """Whether the fork server may be asked for workers."""
        self.made = reactor.seconds()
        self._ended = ended
        self._reactor = reactor
        self._supplies = supplies
        self._ready = False
        self._ids = itertools.count()
        self._waiting: list[Worker] = []
        self._asked: dict[int, Worker] = {}
        self._late: IDelayedCall | None = None
        self._wanted = False
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
            reactor.spawnProcess(self, PROGRAM[0], PROGRAM, env=environment(os.environ), childFDs=fds)
            if not self.alive:
                raise OSError("it was killed")  # before Twisted could begin to wait for it
            self._wanted = True
            failed.pop_all()

    @property
    def idle(self) -> bool:
        """Whether it will tell of no more processes."""
        return not self._asked

    def fork(self, worker: Worker) -> None:
        """Have it fork a worker, now or as soon as it can. Raises OSError; the worker ends when that shows later."""
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
            return  # this process was the one that did not move
        if self._ready and all(worker.over for worker in self._asked.values()):
            self._asked.clear()  # they were killed before they could say anything
        else:
            log.error("the fork server does not answer; it is killed")
            self.end()

    # ---- what it says ----

    def fileno(self) -> int:
        return self._control.fileno()

    def logPrefix(self) -> str:
        return "fork server"

    def doRead(self) -> None:
        """Read the fork server's answers to requests."""
        try:
            data = self._control.recv(forkserver.MESSAGE)
        except (BlockingIOError, ConnectionResetError):
            return  # the latter comes once, before what was said, when there was more to ask
        except OSError:
            data = b""
        if data:
            self._hear(json.loads(data))
        else:
            self._hang_up()

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
                os.kill(said["pid"], signal.SIGKILL)  # nobody has waited for it yet, so the id is its own
            else:
                worker.begin(said["pid"])
        if self._asked:
            self._expect(FORK_SECONDS)

    def _listen(self) -> None:
        """Hear all that has been said already."""
        for _ in range(len(self._asked) + 2):
            if self._control.fileno() >= 0:
                self.doRead()

    def _hang_up(self) -> None:
        """Close the control socket: neither the fork server nor a worker that it has just forked has the other end."""
        if self._control.fileno() >= 0:
            self._reactor.removeReader(self)
            self._control.close()
        self._give_up()
        self._asked.clear()

    def _give_up(self) -> None:
        """Wait no longer for workers that have not begun."""
        self._expect_nothing()
        given_up, self._waiting = [*self._waiting, *self._asked.values()], []
        for worker in given_up:
            worker.end("the fork server has ended")

    def end(self) -> None:
        """End the fork server; workers that have not begun by now do not."""
        self._wanted = self.alive = False
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Any) -> None:
        self.alive = False
        self._output.close()
        self._listen()  # those that were forked may have said so
        self._give_up()
        if self._wanted:
            log.error("the fork server has ended: {reason}", reason=ending(reason.value.status))
            self._ended(self)

    def connectionLost(self, reason: Failure) -> None:
        self._hang_up()


class Launcher:
    """Starts workers, whatever becomes of its fork servers."""

    def __init__(self, reactor: Any, relay: Callable[[str], None]) -> None:
        """`relay` gets the lines that fork servers write."""
        self._reactor = reactor
        self._relay = relay
        self._supplies: Supplies
        self._server: ForkServer | None = None
        self._trial: ForkServer | None = None
        self._known: list[ForkServer] = []
        self._wait = 0.0
        self._again: IDelayedCall | None = None
        self._sweep = LoopingCall(self._reap_strays)
        self._sweep.clock = reactor

    def start(self, supplies: Supplies) -> None:
        """From now on there may be workers."""
        adopt_orphans()
        self._supplies = supplies
        self._sweep.start(SWEEP_SECONDS, now=False)

    def launch(self, worker: Worker, renewed: bool = False) -> None:
        """Start the process of a worker; `renewed`: by the fork server that is on trial. Raises OSError; a problem that
        shows later ends the worker."""
        if renewed:
            if self._trial is None or not self._trial.alive:
                raise OSError("the fork server has ended")
            self._trial.fork(worker)
        else:
            if self._server is None or not self._server.alive:
                self._server = self._make()
            self._server.fork(worker)

    def renew(self) -> None:
        """Make another fork server, with what is installed now, and try it. Raises OSError."""
        self._trial = self._make()

    def settle(self, good: bool) -> None:
        """The trial, if there is one, is over: what was tried is used from now on, or it goes on with the old one."""
        if self._trial is None:
            return
        self._server, other = (self._trial, self._server) if good else (self._server, self._trial)
        self._trial = None
        if other is not None:
            other.end()

    def doubt(self, worker: Worker) -> None:
        """A worker did not come to serve. That can be the fork server's fault (limits that it was started with, memory
        that it has no more), so the next one comes from another, if it is not new itself."""
        server = self._server
        if server is not None and worker.made_by is server and self._age(server) >= DOUBT_SECONDS:
            server.end()

    def stop(self) -> None:
        """End the fork servers; there are no more workers to come."""
        self._sweep.stop()
        if self._again is not None and self._again.active():
            self._again.cancel()
        for server in (self._server, self._trial):
            if server is not None:
                server.end()
        self._server = self._trial = None

    def _make(self) -> ForkServer:
        server = ForkServer(self._reactor, self._supplies, self._relay, self._has_ended)
        self._known.append(server)
        return server

    def _age(self, server: ForkServer) -> float:
        """Seconds since it was made. To make one again and again would keep a processor busy."""
        return float(self._reactor.seconds() - server.made)

    def _has_ended(self, server: ForkServer) -> None:
        """A fork server has ended by itself: another one is to stand ready, later each time if it ends soon."""
        if server is self._server:
            self._make_later(server, self._age(server) < NEW_SECONDS)

    def _make_later(self, ended: ForkServer, soon: bool) -> None:
        self._wait = min(max(2 * self._wait, NEW_SECONDS), LONGEST_WAIT) if soon else 0.0
        self._again = self._reactor.callLater(self._wait, self._stand_ready, ended)

    def _stand_ready(self, ended: ForkServer) -> None:
        if self._server is ended:  # else one was made since, for a worker
            try:
                self._server = self._make()
            except OSError as problem:
                log.error("the fork server could not be started: {problem}", problem=str(problem))
                self._make_later(ended, True)

    def _reap_strays(self) -> None:
        """Wait for children that nobody else waits for: whose parent was killed before it could do so, and which became
        ours. As long as a worker may still tell its process id, any could be that one."""
        self._known = [server for server in self._known if server.alive or not server.idle]
        if all(server.idle for server in self._known):
            with contextlib.suppress(ChildProcessError):
                while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    if found.si_pid in reapProcessHandlers:
                        return
                    os.waitpid(found.si_pid, 0)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """A worker's environment: without settings, which it is told (they may be secrets), and with our own package."""
    left_out = ("REDIS_", "REDISTILL_", "LISTEN_", "NOTIFY_", "WATCHDOG_")
    kept = {name: value for name, value in environ.items() if not name.startswith(left_out)}
    home = os.path.dirname(os.path.dirname(os.path.abspath(redistill.__file__)))
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [home, kept.get("PYTHONPATH", "")]))
    return kept
