"""SLOWLOG, word for word as redis-server 7."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.commands.interfaces import SlowEntry
from redistill.commands.slowlog import redacted, trimmed
from tests.control import NOW, Server


class SlowLogTests(SynchronousTestCase):
    """What is kept, and how it is shown."""

    def setUp(self) -> None:
        self.server = Server({"performance.slowlog_slower_than": 1000, "security.enable_debug_command": "yes"})
        self.client = self.server.client

    def slow(self, microseconds: int, *argv: bytes) -> None:
        """The core hands up a slow command."""
        entry = SlowEntry(microseconds * 1000, int(NOW) * 1000 + 999, argv, False)
        self.server.plane.slow(self.client, entry)

    def test_entry(self) -> None:
        """An entry is its number, when, how long, what, from where, and the client's name."""
        self.client.name = b"w"
        self.slow(1000, b"keys", b"*")
        self.assertEqual(
            self.server.run("SLOWLOG GET"),
            b"*1\r\n*6\r\n:0\r\n:1700000000\r\n:1000\r\n*2\r\n$4\r\nkeys\r\n$1\r\n*\r\n"
            b"$15\r\n127.0.0.1:51000\r\n$1\r\nw\r\n",
        )

    def test_threshold(self) -> None:
        """A command at the threshold is kept, one below it is not."""
        self.slow(999, b"get", b"a")
        self.assertEqual(self.server.run("SLOWLOG LEN"), b":0\r\n")
        self.slow(1000, b"get", b"a")
        self.assertEqual(self.server.run("SLOWLOG LEN"), b":1\r\n")

    def test_newest_first(self) -> None:
        """GET shows ten by default, the newest first; -1 shows all; RESET forgets them but counts on."""
        for number in range(12):
            self.slow(1000 + number, b"get")
        for line, numbers in (
            ("SLOWLOG GET", range(11, 1, -1)),
            ("SLOWLOG GET 2", (11, 10)),
            ("SLOWLOG GET 0", ()),
            ("SLOWLOG GET -1", range(11, -1, -1)),
        ):
            shown = self.server.run(line)
            self.assertEqual([int(part[:2]) for part in shown.split(b"*6\r\n:")[1:]], list(numbers))
        self.assertEqual(self.server.run("SLOWLOG RESET"), b"+OK\r\n")
        self.assertEqual(self.server.run("SLOWLOG GET"), b"*0\r\n")
        self.slow(1000, b"get")
        self.assertIn(b"*6\r\n:12\r\n", self.server.run("SLOWLOG GET"))

    def test_bound(self) -> None:
        """No more than slowlog-max-len entries are kept."""
        self.server.run("CONFIG SET slowlog-max-len 3")
        for _ in range(5):
            self.slow(1000, b"get")
        self.assertEqual(self.server.run("SLOWLOG LEN"), b":3\r\n")

    def test_control_plane(self) -> None:
        """A slow command of the control plane is kept as well, with the time its answer took."""
        answer = self.server.ask("DEBUG", "SLEEP", "0.0025")
        assert isinstance(answer, Deferred)
        self.server.clock.advance(0.0025)
        self.assertEqual(self.successResultOf(answer), b"+OK\r\n")
        self.assertIn(b":2500\r\n*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n", self.server.run("SLOWLOG GET"))

    def test_mistakes(self) -> None:
        """A count below -1 or that is none is refused, and so is a second one."""
        for line in ("SLOWLOG GET -2", "SLOWLOG GET x"):
            self.assertEqual(self.server.run(line), b"-ERR count should be greater than or equal to -1\r\n")
        self.assertEqual(
            self.server.run("SLOWLOG GET 1 2"),
            b"-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.\r\n",
        )


class ArgumentTests(SynchronousTestCase):
    """What of the arguments is kept."""

    def test_trimmed(self) -> None:
        """Of 32 arguments of 128 bytes all is kept; of more, Redis's word on how much more there was."""
        self.assertEqual(trimmed([b"x" * 128] * 32), [b"x" * 128] * 32)
        self.assertEqual(
            trimmed([b"x" * 130] * 39),
            [b"x" * 128 + b"... (2 more bytes)"] * 31 + [b"... (8 more arguments)"],
        )

    def test_redacted(self) -> None:
        """Passwords do not get into the log, whichever command carries them."""
        for line, shown in (
            ("AUTH secret", "AUTH (redacted)"),
            ("auth default secret", "auth (redacted) (redacted)"),
            ("HELLO 3 auth default secret SETNAME a", "HELLO 3 auth (redacted) (redacted) SETNAME a"),
            ("HELLO 3 AUTH default", "HELLO 3 AUTH (redacted)"),
            ("ACL SETUSER bob on >secret", "ACL SETUSER bob (redacted) (redacted)"),
            ("config SET timeout 1 RequirePass secret", "config SET timeout 1 RequirePass (redacted)"),
            ("CONFIG SET security.password_file f", "CONFIG SET security.password_file (redacted)"),
            ("CONFIG SET requirepass", "CONFIG SET requirepass"),
            ("CONFIG GET requirepass", "CONFIG GET requirepass"),
        ):
            self.assertEqual(b" ".join(redacted(line.encode().split(b" "))).decode(), shown)
