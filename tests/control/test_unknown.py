"""The control plane as a whole: dispatch, and commands that nobody knows."""

from __future__ import annotations

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.throttle import SELDOM
from redistill.control.unknown import MAX_LIBRARIES, MAX_NAMES, OTHER, UnknownCommands
from tests.support.control import Server


class RefusalTests(SynchronousTestCase):
    """The errors that answer unknown commands."""

    def setUp(self) -> None:
        self.server = Server()

    def test_words(self) -> None:
        """The reply is Redis's, with the first of the arguments, and counts as one more unknown command."""
        for argv, name, arguments in (
            ((b"foo",), b"foo", b""),
            ((b"Foo", b"a", b"b'c"), b"Foo", b"'a' 'b'c' "),
            ((b"f" * 200, b"a"), b"f" * 128, b"'a' "),
            ((b"foo", b"a" * 200, b"b"), b"foo", b"'%s' " % (b"a" * 128)),
            ((b"foo", b"a" * 108, b"b" * 36, b"c"), b"foo", b"'%s' '%s' " % (b"a" * 108, b"b" * 17)),
            ((b"",), b"", b""),
            ((b"client|id",), b"client|id", b""),
        ):
            self.assertEqual(
                self.server.ask(*argv),
                b"-ERR unknown command '%s', with args beginning with: %s\r\n" % (name, arguments),
            )
        self.assertEqual(self.server.state.counters.unknown_commands, 7)

    def test_escaped(self) -> None:
        """Line ends become spaces, a NUL ends what is shown, other bytes are shown as they are."""
        self.assertEqual(
            self.server.ask(b"f\r\n+OK\x01\xff", b"a\r\nb", b"c\0d"),
            b"-ERR unknown command 'f  +OK\x01\xff', with args beginning with: 'a  b' 'c' \r\n",
        )

    def test_http(self) -> None:
        """A browser that was made to send its POST here is hung up on without a word, whatever comes after."""
        for argv in ((b"POST", b"/", b"HTTP/1.1"), (b"Host:", b"localhost")):
            server = Server()
            self.assertEqual(server.ask(*argv), b"")
            self.assertTrue(server.client.session.state.close_after_reply)

    def test_http_in_the_log(self) -> None:
        """An HTTP request is logged, throttled as a frequent event."""
        with capturedLogs() as events:
            self.server.ask(b"POST")
        said = [(event["peer"], event["log_throttle"]) for event in events]
        self.assertEqual(said, [(self.server.client.peer, SELDOM)])

    def test_subcommands(self) -> None:
        """An unknown subcommand is named, with where to look."""
        for line, reply in (
            ("CONFIG FOO", b"-ERR unknown subcommand 'FOO'. Try CONFIG HELP.\r\n"),
            ("config f\r\noo x", b"-ERR unknown subcommand 'f  oo'. Try CONFIG HELP.\r\n"),
            ("SLOWLOG ", b"-ERR unknown subcommand ''. Try SLOWLOG HELP.\r\n"),
        ):
            self.assertEqual(self.server.run(line), reply)

    def test_help(self) -> None:
        """Every container explains itself, and each line is a simple string."""
        self.server.state.config = self.server.state.config.replace({"security.enable_debug_command": "yes"})
        for name in ("CLIENT", "CONFIG", "DEBUG", "LATENCY", "MEMORY", "SLOWLOG"):
            lines = self.server.run(f"{name} HELP").split(b"\r\n")[1:-1]
            self.assertIn(f"+{name} <subcommand> ".encode(), lines[0])
            self.assertEqual([line for line in lines if not line.startswith(b"+")], [])
            self.assertEqual(lines[-2:], [b"+HELP", b"+    Prints this help."])


class MistakeTests(SynchronousTestCase):
    """A command that raises."""

    def test_counted(self) -> None:
        """An exception of a command is counted, and passed on to the protocol, which closes the connection."""
        server = Server()
        del server.client.session.state
        with self.assertRaises(AttributeError):
            server.run("CLIENT INFO")
        self.assertEqual(server.state.counters.internal_errors, 1)


class CountTests(SynchronousTestCase):
    """The unknown commands that INFO shows."""

    def test_shown(self) -> None:
        """INFO has each name with its calls, and how many of them came from which client library."""
        server = Server()
        for line in ("HSET a b c", "hset a b c", "ZADD z 1 a"):
            server.run(line)
        server.run("CLIENT SETINFO LIB-NAME redis-py(celery,v5=1:2)")
        server.run("HSET a b c")
        shown = server.run("INFO unknowncommands").decode().split("\r\n")[1:-2]
        self.assertEqual(
            shown,
            [
                "# Unknowncommands",
                "unknowncmd_hset:count=3,(none)=2,redis-py(celery_v5_1_2)=1",
                "unknowncmd_zadd:count=1,(none)=1",
            ],
        )
        self.assertIn("\r\nunknown_commands:4\r\n", server.run("INFO stats").decode())

    def test_bounds(self) -> None:
        """However many names and libraries there are, so many are kept; the rest is counted together."""
        counts = UnknownCommands()
        for number in range(MAX_NAMES + 10):
            counts.add(b"cmd%d" % number, b"lib")
        for number in range(MAX_LIBRARIES + 10):
            counts.add(b"cmd0", b"lib%d" % number)
        found = counts.snapshot()
        self.assertEqual(len(found), MAX_NAMES + 1)
        self.assertEqual(found[OTHER], {"lib": 10})
        self.assertEqual(len(found["cmd0"]), MAX_LIBRARIES + 1)
        self.assertEqual(found["cmd0"][OTHER], 11)

    def test_strangers(self) -> None:
        """Unknown commands before AUTH are counted, but their names are not kept: strangers could fill the table."""
        server = Server({"security.password": ("p",)})
        server.run("HSET a b c")
        self.assertEqual((server.state.counters.unknown_commands, dict(server.state.unknown.snapshot())), (1, {}))

    def test_names_are_tame(self) -> None:
        """A name cannot break the lines of INFO, nor be longer than 64 bytes."""
        counts = UnknownCommands()
        for name in (b"a\r\nb:c=d,e\xff", b"x" * 100, b""):
            counts.add(name, b"")
        self.assertEqual(list(counts.snapshot()), ["a__b_c_d_e_", "x" * 64, "(empty)"])
