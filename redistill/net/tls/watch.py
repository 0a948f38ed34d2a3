"""Notices changes of the certificate's files while the server runs."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from redistill.config.errors import ConfigError
from redistill.config.settings import Security

log = Logger()

LOOK_SECONDS = 10.0
"""Seconds between two looks at the certificate's files."""
AGAIN = 60
"""Number of looks after which unusable files are read again, though they have not changed."""
FORBIDDEN = "forbidden"
"""The state of a file that this process has no permission to look at."""


class CertificateWatch(Service):
    """Notices changes of the certificate's files, as a program that renews certificates makes them.

    It waits until the files rest: the certificate and its key are not written at once.
    """

    def __init__(self, clock: IReactorTime, security: Callable[[], Security], changed: Callable[[], bool]) -> None:
        """`security` names the files. `changed` is called after a change; it returns whether it has read the files. If
        not, it is called again soon. It may raise ConfigError: then it is called at the next change, or later."""
        self._security = security
        self._changed = changed
        self._read: object = None
        self._seen: object = None
        self._rests = 0
        """Number of looks since the last change of the files."""
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._read = self._seen = self.state()
        self._looks.start(LOOK_SECONDS, now=False)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        self._looks.stop()

    def noted(self, state: object) -> None:
        """Note that the files have been read and are in use: in this `state` they count as unchanged."""
        self._read = state

    def knows(self, security: Security) -> bool:
        """Whether `security` names the files that were read last, and these are unchanged. Files that this process may
        not look at, since it has become another user, count as unchanged: it could not read them."""
        paths, states = _paths_of(security), _files_of(security)
        if paths != _paths_of(self._security()) or states != self._read:
            return False
        if any(path and state is None for path, state in zip(paths, states, strict=True)):
            return False
        for path, state in zip(paths, states, strict=True):
            if state is FORBIDDEN:
                log.warn("the server's user cannot reach {path}: its former contents stay in use", path=path)
        return True

    def _look(self) -> None:
        before, self._seen = self._seen, self.state()
        self._rests = self._rests + 1 if self._seen == before else 0
        # Unusable files may become usable without a change of the files.
        if self._seen != self._read and self._rests % AGAIN == 1:
            try:
                if self._changed():
                    self.noted(self._seen)
                else:
                    self._rests = 0
            except ConfigError as problem:
                log.error("the certificate was not renewed, the old one stays in use: {problem}", problem=str(problem))

    def state(self) -> object:
        """The state of the files: another value after each change."""
        return _files_of(self._security())


def _paths_of(security: Security) -> list[str]:
    return [security.tls_cert_path, security.tls_key_path, security.tls_ca_path]


def _files_of(security: Security) -> list[object]:
    return [_state_of(path) for path in _paths_of(security)]


def _state_of(path: str) -> object:
    try:
        found = os.stat(path)
    except PermissionError:
        return FORBIDDEN
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns  # the last: its permissions
