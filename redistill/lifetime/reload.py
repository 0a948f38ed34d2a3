"""A reload (SIGHUP): reads the configuration again, applies the settings that can change, and replaces the workers.

A file with an error changes nothing: the log has the error, and the server continues unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.base.failures import Refused
from redistill.config.config import FILES, LOAD, USERS, Config
from redistill.config.errors import ConfigError
from redistill.config.settings import SETTINGS

log = Logger()


class Reload:
    """One reload after another, however many are asked for."""

    def __init__(
        self,
        read: Callable[[], Config],
        running: Callable[[], Config],
        change: Callable[[Mapping[str, Any]], Deferred[None] | None],
        replace: Callable[[], Deferred[None] | None],
    ) -> None:
        """`read` gives what the file and the environment say, or raises ConfigError; `running` what holds. `change`
        puts changes into effect (ConfigError, Refused), then `replace` replaces the workers."""
        self.began: Callable[[], None] = lambda: None
        """Called when a reload begins, `ended` when it is over, whatever came of it."""
        self.ended: Callable[[], None] = lambda: None
        self._read = read
        self.running = running
        self.problem = ""
        """Why the last reload was refused; empty if it was not."""
        self._change = change
        self._replace = replace
        self._reloading = False
        self._again = False

    def reload(self) -> None:
        """Begin, or have the one that runs followed by another."""
        if self._reloading:
            self._again = True
            return
        self._reloading, self._again = True, False
        self.began()
        self.problem = ""
        self._reload().addErrback(self._failed).addBoth(self._over)

    def _failed(self, failure: Failure) -> None:
        self.problem = "internal error"
        log.failure("internal error in the reload", failure)

    @property
    def busy(self) -> bool:
        """Whether a reload or a renewal is under way."""
        return self._reloading

    def renew(self, changes: Mapping[str, Any]) -> None:
        """Put changes into effect that are none of the configuration itself, while nothing else is under way. Nobody is
        replaced."""
        self._reloading = True
        self.began()
        self._renew(changes).addErrback(
            lambda failure: log.failure("internal error while renewing the TLS certificate", failure)
        ).addBoth(self._over)

    @inlineCallbacks
    def _renew(self, changes):  # type: ignore[no-untyped-def]
        try:
            yield maybeDeferred(self._change, changes)
        except (ConfigError, Refused) as problem:
            log.error("the certificate was not renewed, the old one stays in use: {problem}", problem=str(problem))

    def _over(self, nothing: object) -> None:
        self._reloading = False
        self.ended()
        if self._again:
            self.reload()

    @inlineCallbacks
    def _reload(self):  # type: ignore[no-untyped-def]
        try:
            read = self._read()
            changes, fixed = differences(self.running(), read)
            yield maybeDeferred(self._change, changes)
        except (ConfigError, Refused) as problem:
            self.problem = str(problem)
            log.error("the configuration was not reloaded and stays unchanged: {problem}", problem=self.problem)
            return
        log.info("configuration reloaded; changed: {changed}", changed=", ".join(changes) or "nothing")
        if fixed:
            log.warn("a restart is needed to change {settings}", settings=", ".join(fixed))
        yield maybeDeferred(self._replace)


def differences(running: Config, read: Config) -> tuple[dict[str, Any], list[str]]:
    """The settings that `read` has otherwise than `running`: those that can change now, and the names of the others.

    Users that ACL SETUSER has changed stay as they are, unless their file has changed too.
    """
    other = [row for row in SETTINGS if read.get(row.name) != running.get(row.name)]
    changes: dict[str, Any] = {row.name: read.get(row.name) for row in other if row.reloadable}
    if read.file_users != running.file_users:
        changes[USERS] = LOAD
    if (read.file_passwords, read.pem) != (running.file_passwords, running.pem):
        changes[FILES] = (read.file_passwords, read.pem)
    return changes, [row.name for row in other if not row.reloadable]
