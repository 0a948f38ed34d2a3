"""The service manager: it gets the daemon's state (sd_notify), and keeps the arena while no daemon runs.

The protocol is that of sd_notify(3) and sd_listen_fds(3).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Container, Mapping, MutableMapping, Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.systemd import ListenFDs

log = Logger()

ARENA = "redistill-arena"
"""Name of the arena's descriptor in the manager's store."""
MEMORY = "/memfd:redistill "
"""Beginning of what /proc shows for a descriptor of an arena without a file."""
LAST_REPLIES = "Clients take their last replies"
MARGIN = 10.0
"""Seconds that the end of the processes may take after the grace period."""
PATIENCE = 1.0
"""Seconds to wait for a manager that does not read."""


class Systemd:
    """The manager that started this process; without one, its methods do nothing."""

    def __init__(self, environ: MutableMapping[str, str], original: Mapping[str, str] | None = None) -> None:
        """Removes the variables about inherited descriptors from `environ`.

        Twisted removes them from os.environ too, when twisted.internet.endpoints is imported, which other plugins of
        twistd may do first. Then `original` still has them: the environment that the process was started with.
        """
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.supervised = self._address[:1] in ("/", "@")
        """Whether a manager started this process."""
        self.watchdog = _watchdog(environ) if self.supervised else 0.0
        """Seconds without a sign of life after which the manager kills the daemon; 0: never."""
        if "LISTEN_FDS" not in environ:
            environ = dict(original_environment() if original is None else original)
        passed = ListenFDs.fromEnvironment(environ)
        self._arena = passed.inheritedNamedDescriptors().get(ARENA, -1)
        names = {fd: name for name, fd in passed.inheritedNamedDescriptors().items()}
        sockets = [fd for fd in passed.inheritedDescriptors() if fd != self._arena]
        self.sockets = ListenFDs(sockets, [names.get(fd, "") for fd in sockets])
        """Sockets for ``systemd:`` endpoints; this object owns them. If several have one name, the last one has it."""
        if self._arena >= 0:
            os.set_inheritable(self._arena, False)
        self._lost = arenas_inherited() if self._arena < 0 else []

    def report_lost(self) -> None:
        """Say so when an arena was passed that the environment does not assign to this process."""
        for fd in self._lost:
            log.error(
                "descriptor {fd} is a cache that was kept, but LISTEN_PID and LISTEN_FDNAMES do not assign it to this"
                " process: its keys are lost; start the server from the unit directly (exec in a wrapper script)",
                fd=fd,
            )

    def warn_of_unused(self, used: Container[int] = ()) -> None:
        """Say so when sockets were passed that are not `used`."""
        names = {fd: name for name, fd in self.sockets.inheritedNamedDescriptors().items()}
        for fd in self.sockets.inheritedDescriptors():
            if fd not in used:
                log.warn("inherited descriptor {fd}, {name}, is not used", fd=fd, name=names.get(fd, ""))

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
        if kept >= 0 or self._lost:  # the manager has room for one
            self.notify(f"FDSTOREREMOVE=1\nFDNAME={ARENA}")
        if fd >= 0:
            self.notify(f"FDSTORE=1\nFDNAME={ARENA}", [fd])

    def reloading(self) -> None:
        """Tell it that the configuration is read again, until the next READY=1."""
        self.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=Reloading")

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


def original_environment() -> dict[str, str]:
    """The environment that this process was started with, whatever was changed since; empty if there is no /proc."""
    try:
        with open("/proc/self/environ", encoding="utf-8", errors="surrogateescape") as file:
            return dict(entry.split("=", 1) for entry in file.read().split("\0") if "=" in entry)
    except OSError:
        return {}


def arenas_inherited(directory: str = "/proc/self/fd") -> list[int]:
    """Descriptors of anonymous arenas that were passed to this process; those that it makes are not inheritable."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            with contextlib.suppress(OSError):  # the descriptor of the list itself
                if os.readlink(f"{directory}/{name}").startswith(MEMORY) and os.get_inheritable(int(name)):
                    found.append(int(name))
    return sorted(found)


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
        self._told = False
        """Whether the manager knows that clients take their last replies."""
        self._alive = LoopingCall(systemd.notify, "WATCHDOG=1")
        self._alive.clock = reactor

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        if self._systemd.watchdog:
            self._alive.start(self._systemd.watchdog / 2)
        self._listening.addCallback(lambda _: self.ready())

    def ready(self, problem: str = "") -> None:
        """Clients can connect; or a reload is over, which was refused because of `problem`."""
        if self.running:
            refused = f"; the last reload was refused: {' '.join(problem.split())}" if problem else ""
            self._systemd.notify(f"READY=1\nSTATUS=Serving clients{refused}")

    def reloading(self) -> None:
        """The configuration is read again, until `ready`."""
        self._systemd.reloading()

    def stopping(self, delay: float, grace: float) -> None:
        """The daemon stops in `delay` seconds, and then gives clients `grace` seconds, whatever TimeoutStopSec= is."""
        self._told = not delay
        status = f"Stopping in {delay:g} s" if delay else LAST_REPLIES
        longest = round((delay + grace + MARGIN) * 1_000_000)
        self._systemd.notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={longest}\nSTATUS={status}")

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        # The signs of life go on to the end of the process: one that waits for its clients is not stuck.
        if not self._told:
            self._systemd.notify(f"STOPPING=1\nSTATUS={LAST_REPLIES}")
