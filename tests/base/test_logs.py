"""The daemon's log."""

from __future__ import annotations

import ast
import io
import json
import os
import pathlib
import shutil
import string
from collections.abc import Iterator
from typing import Any

from twisted.application.service import Application
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher, globalLogPublisher
from twisted.python import log as theirs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.logs import Log, LogService, is_journal
from redistill.base.throttle import MORE

ROOT = pathlib.Path(__file__).parents[2]
CALLS = {f"log.{method}" for method in ("debug", "info", "warn", "error", "critical", "failure")}


class LogTests(SynchronousTestCase):
    """`Log`."""

    def setUp(self) -> None:
        self.out = io.StringIO()
        self.publisher = LogPublisher()
        self.logger = Logger("redistill.test", observer=self.publisher)

    def begin(self, level: str, form: str) -> Log:
        """A log that writes to `out`."""
        log = Log(level, form)
        self.publisher.addObserver(log.observer(self.out))
        return log

    def lines(self) -> list[str]:
        """The text written so far."""
        return self.out.getvalue().splitlines()

    def test_levels(self) -> None:
        """Events below the level are left out, at each of the levels."""
        names = [level.name for level in (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error)]
        for number, least in enumerate(names):
            self.setUp()
            self.begin(least, "text")
            for name in names:
                getattr(self.logger, name)("said")
            self.assertEqual(len(self.lines()), len(names) - number)

    def test_ports(self) -> None:
        """Twisted's messages about its ports are left out; its errors and Python's warnings are not."""
        log = Log("debug")
        observer = log.observer(self.out)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        theirs.msg("RateLimit starting on 6379")
        theirs.msg("(TCP Port 6379 Closed)")
        self.assertEqual(self.lines(), [])
        theirs.err(Failure(ValueError("odd")), "broken")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertIn("ValueError: odd", self.out.getvalue())
        theirs.theLogPublisher.showwarning(DeprecationWarning("old"), DeprecationWarning, "file.py", 1)
        self.assertIn("DeprecationWarning: old", self.lines()[-1])

    def test_level_changes(self) -> None:
        """Another level counts at once."""
        log = self.begin("error", "text")
        self.logger.info("one")
        log.set_level("debug")
        self.logger.debug("two")
        self.assertEqual([line.rpartition(" ")[2] for line in self.lines()], ["two"])

    def test_json(self) -> None:
        """In JSON each event is a line, with its fields beside the message, whatever they hold."""
        self.begin("info", "json")
        self.logger.warn("{peer} has\n{count}", peer="1.2.3.4:5", count=3, odd={1}, quoted='"\n\udcff')
        (line,) = self.lines()
        event: dict[str, Any] = json.loads(line)
        self.assertRegex(event.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")
        self.assertEqual(
            event,
            {
                "level": "warn",
                "logger": "redistill.test",
                "message": "1.2.3.4:5 has\n3",
                "peer": "1.2.3.4:5",
                "count": 3,
                "odd": "{1}",
                "quoted": '"\n\udcff',
            },
        )

    def test_json_failure(self) -> None:
        """A failure comes with its traceback, in the same line."""
        self.begin("info", "json")
        self.logger.failure("broken", Failure(ValueError("odd")))
        event = json.loads(self.lines()[0])
        self.assertEqual((event["level"], event["message"]), ("critical", "broken"))
        self.assertIn("ValueError: odd", event["traceback"])


class JournalTests(SynchronousTestCase):
    """Lines for journald"""

    def lines(self, form: str) -> list[str]:
        """An event of each level, and a failure."""
        out = io.StringIO()
        publisher = LogPublisher()
        publisher.addObserver(Log("debug", form, journal=True).observer(out))
        logger = Logger("redistill.test", observer=publisher)
        for level in ("debug", "info", "warn", "error", "critical"):
            getattr(logger, level)("said")
        logger.failure("broken", Failure(ValueError("odd")))
        return out.getvalue().splitlines()

    def test_text(self) -> None:
        """Each line begins with its priority, those of a traceback too, and has no time."""
        lines = self.lines("text")
        self.assertEqual(lines[:2], ["<7>[redistill.test#debug] said", "<6>[redistill.test#info] said"])
        self.assertEqual([line[:3] for line in lines[2:5]], ["<4>", "<3>", "<2>"])
        self.assertGreater(len(lines), 6)
        self.assertEqual({line[:3] for line in lines[5:]}, {"<2>"})

    def test_line_ends(self) -> None:
        """Characters that only Unicode takes for a line's end are none: a client could forge a line with them."""
        out = io.StringIO()
        publisher = LogPublisher()
        publisher.addObserver(Log("info", "text", journal=True).observer(out))
        Logger("redistill.test", observer=publisher).info("{name}", name="a\x85b\u2028c\x1cd")
        self.assertEqual(out.getvalue().count("<6>"), 1)

    def test_json(self) -> None:
        """So does JSON, which is whole without it."""
        lines = self.lines("json")
        self.assertEqual([line[:3] for line in lines], ["<7>", "<6>", "<4>", "<3>", "<2>", "<2>"])
        self.assertEqual({json.loads(line[3:])["logger"] for line in lines}, {"redistill.test"})

    def test_who_reads(self) -> None:
        """The output is journald's when it is the stream that JOURNAL_STREAM names."""
        with open(self.mktemp(), "w", encoding="utf-8") as out:
            status = os.fstat(out.fileno())
            stream = f"{status.st_dev}:{status.st_ino}"
            self.assertTrue(is_journal(out, {"JOURNAL_STREAM": stream}))
            self.assertFalse(is_journal(out, {"JOURNAL_STREAM": "1:2"}))
            self.assertFalse(is_journal(out, {}))
        self.assertFalse(is_journal(io.StringIO(), {"JOURNAL_STREAM": stream}))


class LogServiceTests(SynchronousTestCase):
    """`LogService`."""

    def observer(self, options: dict[str, Any], log: Log) -> Any:
        """The application's observer, as twistd would find it."""
        application = Application("redistill")
        LogService(log, options).setServiceParent(application)
        return application.getComponent(ILogObserver)

    def test_log_file(self) -> None:
        """The log goes where twistd's own options say."""
        path = self.mktemp()
        observer = self.observer({"logfile": path, "nodaemon": True}, Log("info", "json"))
        Logger("a", observer=observer).info("here")
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.loads(file.read())["message"], "here")

    def test_log_file_of_the_configuration(self) -> None:
        """Without --logfile it goes to logging.file; a line is appended to what is there."""
        path = self.mktemp()
        for text in ("one", "two"):
            Logger("a", observer=self.observer({"nodaemon": True}, Log("info", "json", file=path))).info(text)
        with open(path, encoding="utf-8") as file:
            self.assertEqual([json.loads(line)["message"] for line in file], ["one", "two"])

    def test_log_file_is_opened_again(self) -> None:
        """After another program has moved the file away a new one begins, and none of the lines is lost."""
        path = self.mktemp()
        log = Log("info", "json", file=path)
        logger = Logger("a", observer=self.observer({"nodaemon": True}, log))
        logger.info("one")
        os.rename(path, path + ".1")
        logger.info("two")
        log.reopen()
        logger.info("three")
        said = []
        for name in (path + ".1", path):
            with open(name, encoding="utf-8") as file:
                said.append([json.loads(line)["message"] for line in file])
        self.assertEqual(said, [["one", "two"], ["three"]])

    def test_log_file_that_cannot_be_opened_again(self) -> None:
        """Then the old one stays in use."""
        directory = self.mktemp()
        os.mkdir(directory)
        log = Log("info", "json", file=os.path.join(directory, "log"))
        logger = Logger("a", observer=self.observer({"nodaemon": True}, log))
        with open(os.path.join(directory, "log"), encoding="utf-8") as file:
            shutil.rmtree(directory)
            log.reopen()
            logger.info("on")
            self.assertEqual(json.loads(file.read())["message"], "on")

    def test_syslog(self) -> None:
        """With --syslog the log is left to twistd."""
        self.assertIsNone(self.observer({"syslog": True}, Log()))


class DocumentationTests(SynchronousTestCase):
    """docs/logging.md."""

    def calls(self) -> Iterator[tuple[str, str, set[str]]]:
        """Each call of a logger in the program: format, level, names of the fields."""
        for path in (ROOT / "redistill").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if isinstance(node, ast.Call) and called in CALLS:
                    level = called.removeprefix("log.").replace("failure", "critical")
                    fields = {word.arg for word in node.keywords if word.arg and not word.arg.startswith("log_")}
                    yield ast.literal_eval(node.args[0]), level, fields
        yield MORE, "that of the event", {"count", "seconds", "origin", "event"}

    def rows(self) -> list[list[str]]:
        """The table: event, level, when."""
        text = (ROOT / "docs/logging.md").read_text(encoding="utf-8")
        rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()]
        return [row for row in rows if row[0].startswith("`") and not row[0].startswith("`logging.")]

    def test_every_event_is_listed(self) -> None:
        """Each event that the program logs has its row, with its level, and there is no row without an event."""
        listed = [(row[0].strip("`"), row[1]) for row in self.rows()]
        self.assertEqual({(event, level) for event, level, _ in self.calls()}, set(listed))
        self.assertEqual(len(listed), len(set(listed)))

    def test_every_field_is_listed(self) -> None:
        """Each field of an event stands in its text, or is named beside it; and none else stands there."""
        rows = {(row[0].strip("`"), row[1]): row[2] for row in self.rows()}
        for event, level, fields in self.calls():
            shown = {name.partition("!")[0] for _, name, _, _ in string.Formatter().parse(event) if name}
            self.assertEqual(shown - fields, set(), event)
            for name in fields - shown:
                self.assertIn(f"field `{name}`", rows[event, level], event)
