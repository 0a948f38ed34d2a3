"""The supervisor's fork servers: the one that workers come from, and the one on trial.

A fork server (`fork_client`) is made when a worker is wanted and there is none. A reload makes another one, with the
program that is installed then; the old one stays until a worker of the new one has come to serve.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.process import reapProcessHandlers
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from redistill.engine import adopt_orphans
from redistill.workers.fork_client import ForkServer, Supplies
from redistill.workers.process import Worker

log = Logger()

NEW_SECONDS = 1.0
"""Seconds; the successor of a fork server that ends sooner is made later."""
DOUBT_SECONDS = 5.0
"""A fork server younger than this is not replaced because a worker did not come to serve."""
LONGEST_WAIT = 60.0
"""Longest time until the next fork server when they end again and again and no worker is wanted."""
SWEEP_SECONDS = 1.0
"""Seconds between two looks for orphans to reap."""


class Launcher:
    """Starts workers, and a new fork server when the last one has ended."""

    def __init__(self, reactor: Any, program: Sequence[str], relay: Callable[[str], None]) -> None:
        """`program` is the command line of fork servers; `relay` gets the lines that they write."""
        self._reactor = reactor
        self._program = program
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
        """Let workers be launched from now on; `supplies` has their descriptors."""
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
        """End the trial, if there is one: use the new fork server from now on if it was `good`, else the old one."""
        if self._trial is None:
            return
        self._server, other = (self._trial, self._server) if good else (self._server, self._trial)
        self._trial = None
        if other is not None:
            other.end()

    def doubt(self, worker: Worker) -> None:
        """End the fork server of a worker that did not come to serve, unless the fork server is new. It may be at fault
        (by the limits that it was started with, or for want of memory), so the next worker comes from another."""
        server = self._server
        if server is not None and worker.made_by is server and self._age(server) >= DOUBT_SECONDS:
            server.end()

    def stop(self) -> Deferred[Any]:
        """End the fork servers. Fires when they are gone; workers that are still forked meanwhile are killed."""
        self._sweep.stop()
        if self._again is not None and self._again.active():
            self._again.cancel()
        for server in (self._server, self._trial):
            if server is not None:
                server.end()
        self._server = self._trial = None
        return DeferredList([server.gone for server in self._known])

    def _make(self) -> ForkServer:
        server = ForkServer(self._reactor, self._program, self._supplies, self._relay, self._has_ended)
        self._known.append(server)
        return server

    def _age(self, server: ForkServer) -> float:
        """Seconds since the fork server was made. A new one is not replaced at once: that would keep a CPU busy."""
        return float(self._reactor.seconds() - server.made)

    def _has_ended(self, server: ForkServer) -> None:
        """Make another fork server after one that ended by itself, later each time if it was new."""
        if server is self._server:
            self._make_later(server, self._age(server) < NEW_SECONDS)

    def _make_later(self, ended: ForkServer, soon: bool) -> None:
        self._wait = min(max(2 * self._wait, NEW_SECONDS), LONGEST_WAIT) if soon else 0.0
        self._again = self._reactor.callLater(self._wait, self._stand_ready, ended)

    def _stand_ready(self, ended: ForkServer) -> None:
        if self._server is ended:  # else another one was made since, for a worker
            try:
                self._server = self._make()
            except OSError as problem:
                log.error("the fork server could not be started: {problem}", problem=str(problem))
                self._make_later(ended, True)

    def _reap_strays(self) -> None:
        """Reap orphans: a process whose parent was killed became this one's child. As long as a worker may still tell
        its process id, any of them could be that worker."""
        self._known = [server for server in self._known if not server.gone.called]
        if all(server.idle for server in self._known):
            with contextlib.suppress(ChildProcessError):
                while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    if found.si_pid in reapProcessHandlers:
                        return
                    os.waitpid(found.si_pid, 0)
