"""SLOWLOG, word for word as redis-server 7."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.control.redaction import redacted
from redistill.control.slices import SLICE
from redistill.control.slowlog import MOST, Entry, trimmed
from redistill.engine.interfaces import SlowEntry
from tests.support.control import NOW, TABLE, Server


class SlowLogTests(SynchronousTestCase):
    """The entries that are kept, and how they are shown."""

    def setUp(self) -> None:
        self.server = Server({"performance.slowlog_slower_than": 1000, "security.enable_debug_command": "yes"})
        self.client = self.server.client

    def slow(self, microseconds: int, *argv: bytes) -> None:
        """The core reports a slow command."""
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

    def test_bytes(self) -> None:
        """The log has at most MOST bytes, however many entries may be kept."""
        self.server.run("CONFIG SET slowlog-max-len 1000000")
        words = [b"x" * 128] * 32
        fit = MOST // Entry(0, 0, 0, tuple(words), self.client.peer, b"").size
        for _ in range(fit + 1):
            self.slow(1000, *words)
        self.assertEqual(self.server.run("SLOWLOG LEN"), b":%d\r\n" % fit)
        self.assertEqual(self.server.run("SLOWLOG RESET"), b"+OK\r\n")
        self.slow(1000, *words)
        self.assertEqual(self.server.run("SLOWLOG LEN"), b":1\r\n")

    def test_slices(self) -> None:
        """A long log is collected and shown in slices."""
        for number in range(100):
            self.slow(1000 + number, b"get")
        now = iter(range(0, 10**15, SLICE))
        whole = self.server.ask("SLOWLOG", "GET", "-1")
        self.server.state.ticks = lambda: next(now)
        shown = self.server.ask("SLOWLOG", "GET", "-1")
        assert isinstance(shown, Deferred)
        self.server.clock.advance(0)
        self.assertEqual((self.successResultOf(shown), self.client.session.parts), (b"", whole))

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
    """The arguments that are kept."""

    def test_trimmed(self) -> None:
        """32 arguments of 128 bytes are kept whole; of more, Redis's remark says how much was left out."""
        self.assertEqual(trimmed([b"x" * 128] * 32), [b"x" * 128] * 32)
        self.assertEqual(
            trimmed([b"x" * 130] * 39),
            [b"x" * 128 + b"... (2 more bytes)"] * 31 + [b"... (8 more arguments)"],
        )

    def test_redacted(self) -> None:
        """Passwords do not get into the log, whichever command carries them."""
        secret = "(redacted)"
        for line, shown in (
            ("AUTH pw", f"AUTH {secret}"),
            ("auth default pw", f"auth {secret} {secret}"),
            ("auth a b c", f"auth {secret} {secret} {secret}"),
            ("HELLO", "HELLO"),
            ("HELLO 3", "HELLO 3"),
            ("HELLO 3 auth default pw SETNAME a", f"HELLO 3 auth {secret} {secret} SETNAME a"),
            ("HELLO 3 SETNAME auth AUTH u pw", f"HELLO 3 SETNAME auth AUTH {secret} {secret}"),
            ("HELLO 3 AUTH u pw AUTH v pw", f"HELLO 3 AUTH {secret} {secret} AUTH {secret} {secret}"),
            ("HELLO 3 AUTH auth pw auth u pw", f"HELLO 3 AUTH {secret} {secret} auth {secret} {secret}"),
            ("HELLO 3 AUTH pw", f"HELLO 3 AUTH {secret}"),
            ("HELLO 3 AUTH", "HELLO 3 AUTH"),
            ("HELLO 3 SETNAME", f"HELLO 3 {secret}"),
            ("HELLO 3 AUTHH u pw AUTH", f"HELLO 3 {secret} {secret} {secret} {secret}"),
            ("ACL SETUSER bob on >pw", f"ACL SETUSER {secret} {secret} {secret}"),
            ("acl deluser bob eve", f"acl deluser {secret} {secret}"),
            ("ACL GETUSER bob", f"ACL GETUSER {secret}"),
            ("ACL DRYRUN bob AUTH x pw", f"ACL DRYRUN bob AUTH {secret} {secret}"),
            (
                "ACL DRYRUN bob acl dryrun x config set requirepass pw",
                f"ACL DRYRUN bob acl dryrun x config set requirepass {secret}",
            ),
            ("ACL DRYRUN bob get k", "ACL DRYRUN bob get k"),
            ("ACL DRYRUN bob migrate pw", "ACL DRYRUN bob migrate"),
            ("ACL DRYRUN bob", "ACL DRYRUN bob"),
            ("COMMAND GETKEYS AUTH pw", f"COMMAND GETKEYS AUTH {secret}"),
            ("COMMAND GETKEYSANDFLAGS migrate h 1 k 0 1 AUTH pw", "COMMAND GETKEYSANDFLAGS migrate"),
            ("config SET timeout 1 RequirePass pw", f"config SET timeout 1 RequirePass {secret}"),
            ("CONFIG SET security.password_file f", f"CONFIG SET security.password_file {secret}"),
            ("CONFIG SET masterauth pw", f"CONFIG SET masterauth {secret}"),
            ("CONFIG SET requirepas pw timeout 1", f"CONFIG SET {secret} {secret} timeout 1"),
            ("CONFIG SET timeout requirepass pw", f"CONFIG SET timeout requirepass {secret}"),
            ("CONFIG SET pw requirepass timeout", f"CONFIG SET {secret} requirepass timeout"),
            ("CONFIG SET requirepass", "CONFIG SET requirepass"),
            ("CONFIG GET requirepass", "CONFIG GET requirepass"),
            ("CONFIG SETT requirepass pw", "CONFIG"),
            ("ACL SETUSERR u >pw", "ACL"),
            ("AUTHH pw", "AUTHH"),
            ("MIGRATE h 1 k 0 10 COPY AUTH pw", "MIGRATE"),
            ("config|set requirepass pw", "config|set"),
            ("GET k", "GET k"),
        ):
            self.assertEqual(b" ".join(redacted(line.encode().split(b" "), TABLE)).decode(), shown)

    def test_many(self) -> None:
        """A secret among very many arguments is not kept either, and the rest costs nothing."""
        for head in (
            [b"HELLO", b"3"],
            [b"CONFIG", b"SET"],
            [b"ACL", b"SETUSER", b"u"],
            [b"ACL", b"DRYRUN", b"u", b"AUTH"],
        ):
            for fill in (b"SETNAME", b"timeout", b"AUTH", b"requirepass", b"pw"):
                for count in (27, 28, 29, 30, 31, 100_000):
                    argv = trimmed(
                        redacted([*head, *[fill] * count, b"AUTH", b"u", b"hunter2", b"requirepass", b"hunter2"], TABLE)
                    )
                    self.assertNotIn(b"hunter2", argv, (head, fill, count))

    def test_kept(self) -> None:
        """No password is in SLOWLOG GET, whatever the command was, in a transaction too."""
        server = Server()
        server.run("CONFIG SET slowlog-log-slower-than 0")
        for in_exec in (False, True):
            server.client.session.state.in_exec = in_exec
            for line in (
                "AUTHH hunter2",
                "HELLO 3 SETNAME auth AUTH default hunter2",
                "ACL SETUSER u >hunter2",
                "MIGRATE h 1 k 0 10 AUTH hunter2",
                "CONFIG SET requirepass hunter2",
                "ACL SETUSERR u >hunter2",
            ):
                server.ask(*line.split(" "))
        kept = server.run("SLOWLOG GET -1")
        self.assertIn(b"MIGRATE", kept)
        self.assertNotIn(b"hunter2", kept)
