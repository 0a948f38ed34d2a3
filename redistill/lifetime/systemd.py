"""The service manager: it gets the daemon's state (sd_notify), and keeps the arena while no daemon runs.

The protocol is that of sd_notify(3) and sd_listen_fds(3).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping, Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.systemd import ListenFDs

log = Logger()

ARENA = "redistill-arena"
"""Name of the arena's descriptor in the manager's store."""
PATIENCE = 1.0
"""Seconds to wait for a manager that does not read."""


class Systemd:
    """The manager that started this process; without one, its methods do nothing."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Removes the variables about inherited descriptors from `environ`.

        Twisted takes it from os.environ too, when twisted.internet.endpoints is imported, and keeps it: that must not
        come first.
        """
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.supervised = self._address[:1] in ("/", "@")
        """Whether a manager started this process."""
        self.watchdog = _watchdog(environ) if self.supervised else 0.0
        """Seconds without a sign of life after which the manager kills the daemon; 0: never."""
        passed = ListenFDs.fromEnvironment(environ)
        self._arena = passed.inheritedNamedDescriptors().get(ARENA, -1)
        names = {fd: name for name, fd in passed.inheritedNamedDescriptors().items()}
        sockets = [fd for fd in passed.inheritedDescriptors() if fd != self._arena]
        self.sockets = ListenFDs(sockets, [names.get(fd, "") for fd in sockets])
        """Sockets for ``systemd:`` endpoints; this object owns them. If several have one name, the last one has it."""
        if self._arena >= 0:
            os.set_inheritable(self._arena, False)

    def warn_of_unused(self) -> None:
        """Say so when sockets were passed that no endpoint is for."""
        for name, fd in self.sockets.inheritedNamedDescriptors().items():
            log.warn("inherited descriptor {fd}, {name}, is not used", fd=fd, name=name)

    @property
    def arena(self) -> int:
        """The descriptor that was kept; -1: none, or no more. It stays this object's."""
        return self._arena

    def keep(self, fd: int) -> None:
        """Have `fd` given to the next process, and not what was kept so far; -1: nothing. To be called once."""
        kept, self._arena = self._arena, -1
        if kept >= 0:
            same = fd >= 0 and os.path.sameopenfile(kept, fd)
            os.close(kept)
            if same:
                return
            self.notify(f"FDSTOREREMOVE=1\nFDNAME={ARENA}")
        if fd >= 0:
            self.notify(f"FDSTORE=1\nFDNAME={ARENA}", [fd])

    def notify(self, state: str, fds: Sequence[int] = ()) -> None:
        """Tell it `state`, lines of ``NAME=value``, and hand over copies of `fds`. A failure is logged."""
        if not self.supervised:
            return
        address = self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(PATIENCE)
                sock.connect("\0" + address[1:] if address[0] == "@" else address)
                socket.send_fds(sock, [state.encode()], list(fds))
        except OSError as problem:
            log.error("cannot send {state} to the service manager: {problem}", state=state, problem=str(problem))


def _watchdog(environ: MutableMapping[str, str]) -> float:
    """Seconds, if it is this process that is watched."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1_000_000 if text.isascii() and text.isdigit() else 0.0


class SystemdService(Service):
    """Tells the manager how the daemon is: ready, reloading, stopping, and meanwhile that it lives.

    The last one of its parent's services, so that it starts after all of them and is the first to hear of the end.
    """

    def __init__(self, reactor: IReactorTime, systemd: Systemd, listening: Deferred[object]) -> None:
        """`listening` fires when clients can connect."""
        self._systemd = systemd
        self._listening = listening
        self._alive = LoopingCall(systemd.notify, "WATCHDOG=1")
        self._alive.clock = reactor

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        if self._systemd.watchdog:
            self._alive.start(self._systemd.watchdog / 2)
        self._listening.addCallback(lambda _: self.ready())

    def ready(self) -> None:
        """Clients can connect; or a reload is over."""
        if self.running:
            self._systemd.notify("READY=1\nSTATUS=Serving clients")

    def reloading(self) -> None:
        """The configuration is read again, until `ready`."""
        self._systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=Reloading")

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        # The signs of life go on to the end of the process: one that waits for its clients is not stuck.
        self._systemd.notify("STOPPING=1\nSTATUS=Clients take their last replies")
