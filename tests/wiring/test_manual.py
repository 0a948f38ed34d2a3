"""man/redistill.8, the manual page of the daemon, beside the program."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from twisted.internet.task import Clock
from twisted.scripts.twistd import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from redistill.lifetime.signals import SignalService
from redistill.tap import Options

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "man/redistill.8"
OPTION = re.compile(r"--[a-z][a-z_-]*")


def plain(text: str) -> str:
    """A page without the marks of roff."""
    return re.sub(r"\\f.", "", text).replace("\\-", "-").replace('"', "")


class ManualTests(SynchronousTestCase):
    """The page names everything, and nothing that there is not."""

    def setUp(self) -> None:
        parts = re.split(r"^\.SH (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
        self.sections = dict(zip(parts[1::2], map(plain, parts[2::2]), strict=True))

    def tags(self, section: str) -> str:
        """The lines that follow .TP: what each paragraph is about."""
        return "\n".join(re.findall(r"^\.TP\n(.*)$", self.sections[section], flags=re.MULTILINE))

    def options(self, options: Options | ServerOptions) -> set[str]:
        """The long options of a program."""
        return {f"--{name.rstrip('=')}" for name in options.longOpt}

    def test_options(self) -> None:
        """All options of `twistd redistill` are there; those of twistd exist."""
        own, _, theirs = self.tags("OPTIONS").partition("--nodaemon")
        self.assertEqual(set(OPTION.findall(own)), self.options(Options()))
        self.assertLessEqual(set(OPTION.findall(theirs)), self.options(ServerOptions()))

    def test_signals(self) -> None:
        """All signals that the daemon acts on are there, and no others."""
        service = SignalService(Clock(), None, lambda: None, lambda: None, lambda: 0.0)  # type: ignore[arg-type]
        acts = {signal.Signals(number).name for number, _ in service._acts}
        self.assertEqual(set(re.findall("SIG[A-Z0-9]+", self.tags("SIGNALS"))), acts)

    def test_sections(self) -> None:
        """It has the sections that operators look for, and refers to our other pages."""
        wanted = {"NAME", "SYNOPSIS", "OPTIONS", "SIGNALS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"}
        self.assertLessEqual(wanted, set(self.sections))
        for page in (ROOT / "man").iterdir():
            name, _, section = page.name.rpartition(".")
            if page != PAGE:
                self.assertIn(f"{name} ({section})", self.sections["SEE ALSO"])

    def test_environment(self) -> None:
        """The variables that the program reads by their names are there."""
        source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "redistill/lifetime").glob("*.py"))
        source += (ROOT / "redistill/base/logs.py").read_text(encoding="utf-8")
        read = set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', source)) - {"WATCHDOG_PID"}
        self.assertTrue(read)
        for name in (*read, "REDISTILL_CONFIG"):
            self.assertIn(name, self.sections["ENVIRONMENT"])
