"""NOPERM, and ACL LOG."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.acl import MAX_NAME
from redistill.control.denials import Entry, merged
from redistill.engine.permissions import Denial
from tests.support.acl import OK, WRONGPASS
from tests.support.control import Server


class DenialTests(SynchronousTestCase):
    """NOPERM, and ACL LOG."""

    def setUp(self) -> None:
        self.server = Server()
        self.server.run("ACL SETUSER bob on >pw +get ~a*")
        self.bob = self.server.connect()
        self.server.run("AUTH bob pw", self.bob)

    def denied(self, line: str, denial: Denial, at: int = 0) -> bytes:
        """The answer to a command of bob's that the core has denied."""
        state = self.bob.session.state
        state.denied, state.denied_at = denial, at
        try:
            return self.server.run(line, self.bob)
        finally:
            state.denied = 0

    def test_words(self) -> None:
        """The errors are Redis's, in and outside of a transaction."""
        no_set = b"User bob has no permissions to run the 'set' command\r\n"
        self.assertEqual(self.denied("SET a 1", Denial.COMMAND), b"-NOPERM " + no_set)
        self.assertEqual(self.denied("GET b", Denial.KEY, 1), b"-NOPERM No permissions to access a key\r\n")
        self.assertEqual(
            self.denied("CONFIG GET x", Denial.COMMAND),
            b"-NOPERM User bob has no permissions to run the 'config|get' command\r\n",
        )
        self.bob.session.state.in_multi = True
        self.assertEqual(
            self.denied("EXEC", Denial.COMMAND),
            b"-EXECABORT Transaction discarded because of: NOPERM "
            b"User bob has no permissions to run the 'exec' command\r\n",
        )
        self.bob.session.state.in_exec = True
        self.assertEqual(
            self.denied("SET a 1", Denial.COMMAND),
            b"-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call."
            b" This command is no longer allowed for the following reason: no permission to execute the command or"
            b" subcommand\r\n",
        )
        counters = self.server.state.counters
        self.assertEqual((counters.denied_commands, counters.denied_keys), (4, 1))

    def log(self, *words: str) -> bytes:
        """ACL LOG"""
        return self.server.run(" ".join(("ACL LOG", *words)))

    def test_log(self) -> None:
        """ACL LOG shows denials, newest first; equal ones are one entry."""
        self.assertEqual(self.log(), b"*0\r\n")
        for _ in range(3):
            self.denied("SET a 1", Denial.COMMAND)
        self.server.clock.advance(2.5)
        self.denied("GET b", Denial.KEY, 1)
        self.server.run("AUTH bob wrong")
        found = self.log()
        entries = found.split(b"*20\r\n")[1:]
        self.assertEqual(len(entries), 3)
        for entry, parts in zip(
            reversed(entries),
            (
                (b":3\r\n$6\r\nreason\r\n$7\r\ncommand", b"object\r\n$3\r\nset\r\n$8\r\nusername\r\n$3\r\nbob"),
                (b":1\r\n$6\r\nreason\r\n$3\r\nkey", b"object\r\n$1\r\nb\r\n"),
                (b"reason\r\n$4\r\nauth", b"object\r\n$4\r\nAUTH\r\n$8\r\nusername\r\n$3\r\nbob"),
            ),
            strict=True,
        ):
            for part in (*parts, b"context\r\n$8\r\ntoplevel", b"client-info\r\n$"):
                self.assertIn(part, entry)
        self.assertIn(b"age-seconds\r\n$3\r\n2.5\r\n", entries[-1])
        self.assertEqual(self.log("1").count(b"*20\r\n"), 1)
        self.assertEqual(self.log("-3"), b"*0\r\n")
        self.assertEqual(self.log("RESET"), OK)
        self.assertEqual(self.log(), b"*0\r\n")

    def test_long_name(self) -> None:
        """Of a name that is too long for a user the beginning is logged, and the user of that name is not let in."""
        name = b"x" * MAX_NAME
        self.assertEqual(self.server.ask("ACL", "SETUSER", name, "on", "nopass"), OK)
        self.assertEqual(self.server.ask("AUTH", name + b"y" * 10_000, "pw"), WRONGPASS)
        self.assertIn(b"username\r\n$1024\r\n" + name + b"\r\n", self.log())
        self.assertEqual(self.server.ask("AUTH", name, "pw"), OK)

    def test_later(self) -> None:
        """An equal denial after a minute is another entry."""
        self.denied("SET a 1", Denial.COMMAND)
        self.server.clock.advance(61)
        self.denied("SET a 1", Denial.COMMAND)
        self.assertEqual(self.log().count(b"*20\r\n"), 2)

    def test_several_workers(self) -> None:
        """Equal denials on two workers are one entry, as they would be on one worker."""

        def entry(number: int, what: str, client: str, created: float, updated: float, count: int) -> Entry:
            return Entry(number, "key", "toplevel", what, "bob", client, created, updated, count)

        here = [entry(5, "b", "id=5", 100, 130, 4), entry(1, "a", "id=1", 10, 10, 1)]
        there = [
            entry(7, "c", "id=7", 125, 125, 1),
            entry(6, "b", "id=6", 110, 120, 2),
            entry(2, "a", "id=2", 71, 71, 1),
        ]
        self.assertEqual(
            merged([*here, *there]),
            [
                entry(5, "b", "id=5", 100, 130, 6),
                entry(7, "c", "id=7", 125, 125, 1),
                entry(2, "a", "id=2", 71, 71, 1),  # more than a minute later
                entry(1, "a", "id=1", 10, 10, 1),
            ],
        )
        self.assertEqual(here[0].count, 4)
        latest = merged([entry(1, "a", "id=1", 10, 10, 1), entry(2, "a", "id=2", 70, 80, 1)])
        self.assertEqual(latest, [entry(1, "a", "id=2", 10, 80, 2)])

    def test_bounded(self) -> None:
        """The log has at most acllog-max-len entries, also after it was lowered; a long key is cut."""
        for n in range(5):
            self.denied(f"GET b{n}", Denial.KEY, 1)
        self.server.run("CONFIG SET acllog-max-len 3")
        self.assertEqual(self.log("100").count(b"*20\r\n"), 3)
        self.denied("GET " + "b" * 5000, Denial.KEY, 1)
        found = self.log("100")
        self.assertEqual(found.count(b"*20\r\n"), 3)
        self.assertIn(b"object\r\n$1024\r\nbbb", found)

    def test_arguments(self) -> None:
        """ACL LOG takes a number or RESET."""
        self.assertEqual(self.log("x"), b"-ERR value is not an integer or out of range\r\n")
        self.assertIn(b"-ERR unknown subcommand or wrong number of arguments for 'LOG'", self.log("1", "2"))
