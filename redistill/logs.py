"""The daemon's log: how much of it, and in which form."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from twisted.application.service import MultiService
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    textFileLogObserver,
)
from twisted.python.components import Componentized
from twisted.python.logfile import LogFile
from zope.interface import provider

log = Logger()


class Log:
    """Where events go, from some level on, as lines of text or of JSON."""

    def __init__(
        self, level: str = "info", form: str = "text", *, quiet: Sequence[str] = (), worker: int | None = None
    ) -> None:
        """Of the loggers `quiet`, by namespace, only warnings and worse are written, whatever the level. `worker` is
        the number of the process, when there are several of its kind: each event says which it is of."""
        self._quiet = quiet
        self._worker = worker
        self._levels = LogLevelFilterPredicate()
        self._out: TextIO | None = None
        self._lines = json_lines if form == "json" else textFileLogObserver
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Write events of this level and above from now on."""
        least = LogLevel.levelWithName(level)
        self._levels.setLogLevelForNamespace("", least)
        for namespace in self._quiet:
            self._levels.setLogLevelForNamespace(namespace, max(least, LogLevel.warn))

    def relay(self, lines: str) -> None:
        """Write whole lines that another process of ours has made."""
        if self._out is None:  # somebody else's observer writes the log
            for line in lines.splitlines():
                log.info("{line}", line=line)
        else:
            self._out.write(lines)
            self._out.flush()

    def observer(self, out: TextIO) -> ILogObserver:
        """The observer that writes to `out`."""
        self._out = out
        lines = self._lines(out)
        return FilteringLogObserver(lines if self._worker is None else _of_worker(self._worker, lines), [self._levels])


def _of_worker(number: int, lines: ILogObserver) -> ILogObserver:
    """An observer that names the worker to `lines`: as a field, and in the place before a line of text."""

    @provider(ILogObserver)
    def write(event: LogEvent) -> None:
        place = event.get("log_system") or f"{event.get('log_namespace', '-')}#{_level(event)}"
        lines({**event, "worker": number, "log_system": f"worker {number} {place}"})

    return cast(ILogObserver, write)


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    return level.name if level else "info"


class LogService(MultiService):
    """The daemon as a whole, when it becomes the application: its log is then the application's.

    twistd asks the application for its observer when it begins to log, which is after this; a ``--logger`` that it was
    given takes precedence, and so does ``--syslog``.
    """

    def __init__(self, log: Log, twistd: Mapping[str, Any]) -> None:
        """`twistd`: its own options."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._log = log
        self._twistd = twistd

    def setServiceParent(self, parent: Any) -> None:
        if isinstance(parent, Componentized) and not self._twistd.get("syslog"):
            out = _file(self._twistd.get("logfile"), self._twistd.get("nodaemon", False))
            parent.setComponent(ILogObserver, self._log.observer(out))  # type: ignore[no-untyped-call]
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]


def json_lines(out: TextIO) -> ILogObserver:
    """An observer that writes an object a line: time, level, logger, message, and the event's own fields."""

    @provider(ILogObserver)
    def write(event: LogEvent) -> None:
        out.write(json.dumps(entry(event), ensure_ascii=True) + "\n")
        out.flush()

    return cast(ILogObserver, write)


def entry(event: LogEvent) -> Mapping[str, object]:
    """An event as JSON has it. Fields that JSON does not know become text."""
    failure = event.get("log_failure")
    fields: dict[str, object] = {
        "time": datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds"),
        "level": _level(event),
        "logger": event.get("log_namespace", ""),
        "message": formatEvent(event),
    }
    if failure is not None:
        fields["traceback"] = failure.getTraceback()
    for name, value in event.items():
        # What begins with log_ is Twisted's; what the old logging module adds says nothing new.
        if name not in fields and not name.startswith("log_") and name not in ("format", "isError", "system", "why"):
            fields[name] = value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
    return fields


def _file(path: str | None, foreground: bool) -> TextIO:
    """Where twistd's own options put the log. As with its own logger, SIGUSR1 begins a new file."""
    if foreground and path in (None, "", "-"):
        return sys.stdout
    file: Any = LogFile.fromFullPath(path or "twistd.log")  # type: ignore[no-untyped-call]
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda number, frame: file.rotate())
    return cast(TextIO, file)
