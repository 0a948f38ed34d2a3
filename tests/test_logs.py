"""The daemon's log."""

from __future__ import annotations

import ast
import io
import json
import pathlib
from typing import Any

from twisted.application.service import Application
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.logs import Log, LogService

ROOT = pathlib.Path(__file__).parent.parent


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
        """What was written so far."""
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


class LogServiceTests(SynchronousTestCase):
    """`LogService`."""

    def observer(self, options: dict[str, Any], log: Log) -> Any:
        """What twistd would find as the application's observer."""
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

    def test_syslog(self) -> None:
        """With --syslog the log is left to twistd."""
        self.assertIsNone(self.observer({"syslog": True}, Log()))


class DocumentationTests(SynchronousTestCase):
    """docs/logging.md."""

    def test_every_event_is_listed(self) -> None:
        """Each event that the program logs has its row, with its level, and there is no row without an event."""
        logged = set()
        for path in (ROOT / "redistill").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
                    level = ast.unparse(node.func).removeprefix("log.").replace("failure", "critical")
                    logged.add((ast.literal_eval(node.args[0]), level))
        text = (ROOT / "docs/logging.md").read_text(encoding="utf-8")
        rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
        listed = {(row[0].strip("`"), row[1]) for row in rows if not row[0].startswith("`logging.")}
        self.assertEqual(logged, listed)
