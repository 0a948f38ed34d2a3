"""The daemon's log: its level, format and output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    eventAsText,
    formatEvent,
    formatEventAsClassicLogText,
)
from twisted.python.components import Componentized
from zope.interface import provider

from redistill.base import words
from redistill.base.files import UnsafeFile, open_append
from redistill.base.throttle import Throttle

log = Logger()

PRIORITIES = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
"""Levels as syslog numbers them (sd-daemon(3))."""


class Output(Protocol):
    """An output for lines; a TextIO, or a `LogFile`."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


Lines = Callable[[LogEvent], str]
"""The text of an event, its line ends included; "" for none."""


class LogFile:
    """A file that is appended to, and can be opened again when another program has moved it away."""

    def __init__(self, path: str) -> None:
        """Raises OSError when it cannot be written to."""
        self.path = os.path.abspath(path)
        self._file = self._open()

    def _open(self) -> TextIO:
        return open(self.path, "a", encoding="utf-8", errors="backslashreplace", opener=_opened)

    def write(self, text: str) -> None:
        self._file.write(text)

    def flush(self) -> None:
        self._file.flush()

    def reopen(self) -> None:
        """Go on in the file that is at the path now, a new one if there is none. OSError: the old one stays in use."""
        old, self._file = self._file, self._open()
        old.close()

    def close(self) -> None:
        """Close the file; nothing is written after that."""
        self._file.close()


def _opened(path: str, flags: int) -> int:
    try:
        return open_append(path)
    except UnsafeFile as problem:
        problem.path = path
        raise
    except OSError as problem:
        problem.filename = path  # not the part of it that was being opened
        raise


class Level(Protocol):
    """See settings.Logging."""

    @property
    def level(self) -> str: ...


class Configured(Protocol):
    """See config.Config."""

    @property
    def logging(self) -> Level: ...


class Log:
    """The log: writes events from a level on as lines of text or of JSON."""

    def __init__(
        self,
        level: str = "info",
        form: str = "text",
        *,
        file: str = "",
        clock: IReactorTime | None = None,
        quiet: Sequence[str] = (),
        worker: int | None = None,
        journal: bool | None = None,
    ) -> None:
        """`file` is where the log goes unless twistd was told otherwise. The loggers `quiet`, by namespace, write only
        warnings and worse, whatever the level. Without a `clock` nothing is held back. `worker` is the number of the
        process, when there are several of its kind: each event says which it is of. `journal`: whether lines begin with
        their priority, as journald takes it; None: if the output is its."""
        self.file = file
        self.journal = bool(journal)
        self._asked = journal
        self._clock = clock
        self._quiet = quiet
        self._worker = worker
        self._levels = LogLevelFilterPredicate()
        self._out: Output | None = None
        self._form = form
        self.set_level(level)

    def apply(self, config: Configured) -> None:
        """Write what ``logging.level`` of the configuration asks for."""
        self.set_level(config.logging.level)

    def set_level(self, level: str) -> None:
        """Write events of this level and above from now on."""
        least = LogLevel.levelWithName(level)
        self._levels.setLogLevelForNamespace("", least)
        for namespace in self._quiet:
            self._levels.setLogLevelForNamespace(namespace, max(least, LogLevel.warn))

    def relay(self, lines: str) -> None:
        """Write whole lines that another process of ours has made."""
        if self._out is None:  # somebody else's observer writes the log
            for line in words.lines(lines):
                log.info("{line}", line=line)
        else:
            self._out.write(lines)
            self._out.flush()

    def reopen(self) -> None:
        """Go on in a new file, if the log goes to one (SIGUSR1)."""
        if isinstance(self._out, LogFile):
            try:
                self._out.reopen()
            except OSError as problem:
                log.error("the log file could not be opened again: {problem}", problem=str(problem))
            else:
                log.info("the log file {path} was opened again", path=self._out.path)

    def observer(self, out: Output) -> ILogObserver:
        """The observer that writes to `out`."""
        self._out = out
        if self._asked is None:
            self.journal = is_journal(out, os.environ)
        lines = json_line if self._form == "json" else plain_text if self.journal else formatEventAsClassicLogText
        last = _writer(out, with_priority(lines) if self.journal else lines)
        if self._worker is not None:
            last = _of_worker(self._worker, last)
        if self._clock is not None:
            last = cast(ILogObserver, Throttle(self._clock, last))
        return FilteringLogObserver(last, [self._levels, _without_ports])


@provider(ILogFilterPredicate)
def _without_ports(event: LogEvent) -> Any:
    """Leave out Twisted's messages about each port that it opens and closes: the server has its own (`listening on`).
    They come through its old interface, as errors and warnings of Python do."""
    is_message = event.get("log_namespace") == "log_legacy" and event.get("log_level") == LogLevel.info
    return PredicateResult.no if is_message and "warning" not in event else PredicateResult.maybe


def _of_worker(number: int, lines: ILogObserver) -> ILogObserver:
    """An observer that names the worker to `lines`: as a field, and in the place before a line of text."""

    @provider(ILogObserver)
    def write(event: LogEvent) -> None:
        place = event.get("log_system") or f"{event.get('log_namespace', '-')}#{_level(event)}"
        lines({**event, "worker": number, "log_system": f"worker {number} {place}"})

    return cast(ILogObserver, write)


def _writer(out: Output, lines: Callable[[LogEvent], str | None]) -> ILogObserver:
    @provider(ILogObserver)
    def write(event: LogEvent) -> None:
        if text := lines(event):
            out.write(text)
            out.flush()

    return cast(ILogObserver, write)


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    return level.name if level else "info"


def is_journal(out: object, environ: Mapping[str, str]) -> bool:
    """Whether journald reads what is written to `out`: it is the stream that it named to us (systemd.exec(5))."""
    try:
        status = os.fstat(out.fileno())  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def with_priority(lines: Callable[[LogEvent], str | None]) -> Lines:
    """`lines`, each of them with its priority before it."""

    def marked(event: LogEvent) -> str:
        text = lines(event) or ""
        return "".join(f"<{PRIORITIES[_level(event)]}>{line}\n" for line in words.lines(text))

    return marked


def plain_text(event: LogEvent) -> str:
    """A line of text without the time, which journald has."""
    text = eventAsText(event, includeTimestamp=False)
    return f"{text}\n" if text else ""


class LogService(MultiService):
    """The daemon as a whole, when it becomes the application: its log is then the application's.

    twistd asks the application for its observer when it begins to log, which is after this; a ``--logger`` that it was
    given takes precedence, and so does ``--syslog``. Its ``--logfile`` goes before `Log.file`.
    """

    def __init__(self, log: Log, twistd: Mapping[str, Any]) -> None:
        """`twistd`: its own options. Raises OSError when the log file cannot be written to."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._log = log
        self._out: Output | None = None
        if not twistd.get("syslog"):
            path, foreground = twistd.get("logfile"), twistd.get("nodaemon", False)
            path = (
                (None if path in ("", "-") and foreground else path) or log.file or ("" if foreground else "twistd.log")
            )
            self._out = LogFile(path) if path else sys.stdout

    def setServiceParent(self, parent: Any) -> None:
        if isinstance(parent, Componentized) and self._out is not None:
            parent.setComponent(ILogObserver, self._log.observer(self._out))  # type: ignore[no-untyped-call]
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[Any]:
        stopped: Deferred[Any] = maybeDeferred(super().stopService)
        return stopped.addBoth(self._stopped)

    def _stopped(self, result: Any) -> Any:
        log.info("stopped")
        return result


def json_line(event: LogEvent) -> str:
    """An object in a line: time, level, logger, message, and the event's own fields."""
    return json.dumps(entry(event), ensure_ascii=True) + "\n"


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
        # Fields that begin with log_ are Twisted's; those that the old logging module adds contain nothing new.
        if name not in fields and not name.startswith("log_") and name not in ("format", "isError", "system", "why"):
            fields[name] = value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
    return fields
