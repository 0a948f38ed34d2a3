"""DEBUG: off unless it is allowed, and then what redis-server 7 answers."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from redistill.control.debug import allowed
from redistill.engine.interfaces import KeyDetails
from tests.support.control import NOW, Server

NOT_ALLOWED = (
    b'-ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local '
    b"connection, otherwise you need to set this option in the configuration file, and then restart the server.\r\n"
)


class PermissionTests(SynchronousTestCase):
    """security.enable_debug_command."""

    def test_off(self) -> None:
        """By default DEBUG is refused, whatever follows it, and CONFIG SET cannot switch it on."""
        server = Server()
        for line in ("DEBUG HELP", "DEBUG SLEEP 1", "DEBUG FOO"):
            self.assertEqual(server.run(line), NOT_ALLOWED)
        self.assertIn(b"immutable", server.run("CONFIG SET enable-debug-command yes"))

    def test_local(self) -> None:
        """`local` lets those in that come over loopback or a UNIX socket, `yes` all, `no` none."""
        local = ("127.0.0.1:5", "127.1.2.3:5", "[::1]:5", "::1:5", "/run/r.sock:0")
        remote = ("10.0.0.1:5", "[2001:db8::1]:5", "", "127:5", "1270.0.0.1:1", "[::ffff:10.0.0.1]:5")
        for peer in local + remote:
            self.assertEqual(allowed("local", peer), peer in local, peer)
            self.assertTrue(allowed("yes", peer))
            self.assertFalse(allowed("no", peer))


class DebugTests(SynchronousTestCase):
    """The subcommands."""

    def setUp(self) -> None:
        self.server = Server({"security.enable_debug_command": "yes"})

    def test_sleep(self) -> None:
        """SLEEP answers when the time is over, and not before."""
        answer = self.server.ask("DEBUG", "SLEEP", "0.5")
        assert isinstance(answer, Deferred)
        self.server.clock.advance(0.499)
        self.assertNoResult(answer)
        self.server.clock.advance(0.001)
        self.assertEqual(self.successResultOf(answer), b"+OK\r\n")

    def test_sleep_and_gone(self) -> None:
        """When the client goes meanwhile, no timer is left."""
        answer = self.server.ask("DEBUG", "SLEEP", "10")
        assert isinstance(answer, Deferred)
        answer.cancel()
        self.failureResultOf(answer)
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_no_sleep(self) -> None:
        """0, less, or what is no number, is over at once."""
        for seconds in ("0", "-1", "x", "nan", "inf", ""):
            self.assertEqual(self.server.run(f"DEBUG SLEEP {seconds}"), b"+OK\r\n")

    def test_active_expire(self) -> None:
        """SET-ACTIVE-EXPIRE switches the sweep."""
        self.assertEqual(self.server.run("DEBUG SET-ACTIVE-EXPIRE 0"), b"+OK\r\n")
        self.assertFalse(self.server.store.active_expire)
        self.assertEqual(self.server.run("DEBUG set-active-expire 1"), b"+OK\r\n")
        self.assertTrue(self.server.store.active_expire)

    def test_object(self) -> None:
        """OBJECT describes a key of the client's database."""
        self.server.store.keys[3, b"k"] = KeyDetails(0xABC0, "embstr", 5, 25, 3)
        self.assertEqual(self.server.run("DEBUG OBJECT k"), b"-ERR no such key\r\n")
        self.server.client.session.state.db = 3
        self.assertEqual(
            self.server.run("DEBUG OBJECT k"),
            b"+Value at:0xabc0 refcount:1 encoding:embstr serializedlength:5 lru:%d lru_seconds_idle:25 shard:3\r\n"
            % (int(NOW) - 25 & 0xFFFFFF),
        )

    def test_check(self) -> None:
        """CHECK has the store verified; a damaged store is answered and logged."""
        self.assertEqual(self.server.run("DEBUG CHECK"), b"+OK\r\n")
        self.server.store.violations = 2, "shard 3: count is 4, found 5"
        with capturedLogs() as events:
            reply = self.server.run("DEBUG CHECK")
        self.assertEqual(reply, b"-ERR 2 violations of the arena's invariants: shard 3: count is 4, found 5\r\n")
        self.assertEqual([event["log_level"] for event in events], [LogLevel.critical])

    def test_log(self) -> None:
        """LOG writes one line, whatever the message holds, and of a long message the beginning."""
        with capturedLogs() as events:
            self.assertEqual(self.server.ask("DEBUG", "LOG", b"a\nb\xff" + b"x" * 5000), b"+OK\r\n")
        message = events[0]["text"]
        self.assertTrue(message.startswith("'a\\nb\\ufffdxxx"), message)
        self.assertLess(len(message), 1100)

    def test_mistakes(self) -> None:
        """Unknown subcommands, and too few or too many arguments, are errors; there is no replication to change."""
        for line, word in (
            ("DEBUG FOO", b"FOO"),
            ("DEBUG SLEEP", b"SLEEP"),
            ("DEBUG LOG a b", b"LOG"),
            ("DEBUG RELOAD", b"RELOAD"),
        ):
            self.assertEqual(
                self.server.run(line),
                b"-ERR unknown subcommand or wrong number of arguments for '%s'. Try DEBUG HELP.\r\n" % word,
            )
        self.assertTrue(self.server.run("DEBUG CHANGE-REPL-ID").startswith(b"-ERR "))
