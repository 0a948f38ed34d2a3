"""ACL SETUSER, DELUSER, GETUSER, LIST, USERS and WHOAMI, in the words of Redis 7.2."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.acl import DEFAULT_LINE, MAX_LINE, MAX_RULES
from redistill.config.errors import ConfigError
from redistill.control.users import changed
from tests.support.acl import BOB, OK, WRONGPASS, bulks
from tests.support.control import FakeClient, Server


class UserTests(SynchronousTestCase):
    """SETUSER, DELUSER, GETUSER, LIST, USERS, WHOAMI."""

    def setUp(self) -> None:
        self.server = Server()

    def test_set(self) -> None:
        """A user is made of rules, and shown as a line and in parts."""
        self.assertEqual(self.server.run("ACL SETUSER bob on >pw ~a* +get"), OK)
        self.assertEqual(self.server.run("ACL LIST"), bulks(BOB, DEFAULT_LINE))
        self.assertEqual(self.server.run("ACL USERS"), bulks("bob", "default"))
        shown = self.server.run("ACL GETUSER bob")
        for part in (
            b"*12\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n",
            b"$8\r\ncommands\r\n$10\r\n-@all +get\r\n$4\r\nkeys\r\n$3\r\n~a*\r\n$8\r\nchannels\r\n$0\r\n\r\n",
            b"$9\r\nselectors\r\n*0\r\n",
        ):
            self.assertIn(part, shown)
        self.client3()
        self.assertTrue(self.server.run("ACL GETUSER bob").startswith(b"%6\r\n$5\r\nflags\r\n~1\r\n"))
        self.assertEqual(self.server.run("ACL GETUSER nobody"), b"_\r\n")

    def client3(self) -> None:
        """RESP3 from here on."""
        self.server.client.session.state.resp = 3

    def test_refused(self) -> None:
        """An invalid rule changes nothing; a name has no blanks."""
        self.server.run("ACL SETUSER bob on")
        self.assertEqual(
            self.server.run("ACL SETUSER bob off +nosuch"),
            b"-ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL\r\n",
        )
        self.assertIn(b"user bob on", self.server.run("ACL LIST"))
        self.assertEqual(
            self.server.run("ACL SETUSER bob (+get"),
            b"-ERR Unmatched parenthesis in acl selector starting at '(+get'.\r\n",
        )
        for name in (b"a b", b"", b"a\0", b"a\n", b"a\x0b", b"\r"):
            self.assertEqual(
                self.server.ask("ACL", "SETUSER", name), b"-ERR Usernames can't contain spaces or null characters\r\n"
            )

    def test_bounded(self) -> None:
        """Rules and names are bounded, and a refusal quotes a part."""
        for words in ((b"x" * 1025,), (b"x", b"~" + b"p" * MAX_LINE), (b"x", *[b"+get"] * MAX_RULES)):
            said = self.server.ask("ACL", "SETUSER", *words)
            assert isinstance(said, bytes)
            self.assertIn(b"can't", said)
            self.assertLess(len(said), 120)
        said = self.server.ask("ACL", "SETUSER", "x", b"p" * 100_000)
        assert isinstance(said, bytes)
        self.assertLess(len(said), 4300)
        self.assertTrue(said.endswith(b"': Syntax error\r\n"))
        self.assertEqual(
            self.server.ask("ACL", "SETUSER", "x", b"~a\0b"),
            b"-ERR Error in ACL SETUSER modifier '~a': Syntax error\r\n",
        )
        self.assertEqual(self.server.run("ACL USERS"), bulks("default"))

    def test_one_of_many(self) -> None:
        """A change of one user leaves the accounts and sessions of the others alone."""
        self.server.run("ACL SETUSER eve on >pw +get ~a")
        self.server.run("ACL SETUSER bob on >pw +get ~a")
        eve, bob = self.connect("eve", "pw"), self.connect("bob", "pw")
        before, bobs = self.server.state.users.get("eve"), bob.session.permissions
        seen = eve.session.permissions
        self.server.run("ACL SETUSER bob +set")
        self.server.run("ACL SETUSER default >pw")
        self.assertIs(self.server.state.users.get("eve"), before)
        self.assertIs(eve.session.permissions, seen)
        self.assertIsNot(bob.session.permissions, bobs)

    def test_delete(self) -> None:
        """DELUSER answers the number of deleted users; the default user stays."""
        self.server.run("ACL SETUSER bob")
        self.server.run("ACL SETUSER eve")
        self.assertEqual(self.server.run("ACL DELUSER bob nobody eve bob"), b":2\r\n")
        self.assertEqual(self.server.run("ACL USERS"), bulks("default"))
        self.assertEqual(self.server.run("ACL DELUSER default"), b"-ERR The 'default' user cannot be removed\r\n")

    def connect(self, user: str, password: str) -> FakeClient:
        """A client that has authenticated."""
        client = self.server.connect()
        self.assertEqual(self.server.run(f"AUTH {user} {password}", client), OK)
        return client

    def test_connections_of_a_deleted_user(self) -> None:
        """Connections of a deleted user are closed; the one that deletes its own user gets the answer first."""
        self.server.run("ACL SETUSER bob on >pw +@all")
        other, bob = self.connect("bob", "pw"), self.connect("bob", "pw")
        self.assertEqual(self.server.run("ACL DELUSER bob", bob), b":1\r\n")
        self.assertEqual((other.killed, bob.killed, self.server.client.killed), (True, False, False))
        self.assertTrue(bob.session.state.close_after_reply)
        self.assertFalse(bob.changes)

    def test_change_that_is_refused(self) -> None:
        """A client that a change would have closed stays when the change is taken back."""
        self.server.run("ACL SETUSER bob on >pw +@all")
        bob, done = self.connect("bob", "pw"), Deferred[None]()
        server = self.server.state
        users, old = server.users, server.config

        def change(state: object, changes: Mapping[str, Any]) -> Deferred[None]:
            server.apply(old.replace(changes))
            return done

        self.patch(server, "peers", SimpleNamespace(change=change))
        answer = self.server.ask("ACL", "DELUSER", "bob", client=bob)
        assert isinstance(answer, Deferred)
        self.assertTrue(bob.session.state.close_after_reply)
        changed(server, users)
        self.assertFalse(bob.session.state.close_after_reply)
        done.errback(Failure(ConfigError("another worker refuses")))
        self.assertEqual(self.successResultOf(answer), b"-ERR another worker refuses\r\n")
        self.assertEqual((bob.killed, bob.changes), (False, False))

    def test_transaction(self) -> None:
        """With the locks of a transaction held a change holds here at once, and is taken back if it is refused; the
        answer comes when all have judged it."""
        self.server.run("ACL SETUSER bob on >pw +@all ~* &*")
        bob, changes = self.connect("bob", "pw"), list[Deferred[None]]()

        def change(state: object, edit: object) -> Deferred[None]:
            changes.append(Deferred())
            return changes[-1]

        bob.session.state.locked = True
        self.patch(self.server.state, "peers", SimpleNamespace(change=change))
        self.assertIn(b"Unknown command", self.server.run("ACL SETUSER bob +nosuch", bob))
        answers = []
        for line in ("SETUSER bob -get", "SETUSER eve >new", "SETUSER eve <new", "DELUSER eve"):
            answer = self.server.ask("ACL", *line.split(), client=bob)
            assert isinstance(answer, Deferred)
            self.assertNoResult(answer)
            answers.append(answer)
            self.assertIsNotNone(bob.session.permissions)
        for one in changes:
            one.errback(Failure(ConfigError("no")))
        self.assertEqual([self.successResultOf(answer) for answer in answers], [b"-ERR no\r\n"] * 4)
        self.assertIsNone(bob.session.permissions)
        self.assertEqual(
            self.server.run("ACL LIST"), bulks(*(one.line for one in self.server.state.config.users.ordered()))
        )

    def test_permissions_at_once(self) -> None:
        """A change of rules holds for connected clients at once."""
        self.server.run("ACL SETUSER bob on >pw +@all allkeys allchannels")
        bob = self.connect("bob", "pw")
        self.assertIsNone(bob.session.permissions)
        self.server.run("ACL SETUSER bob -set")
        assert bob.session.permissions is not None
        self.assertEqual(self.server.run("ACL WHOAMI", bob), b"$3\r\nbob\r\n")
        self.server.run("ACL SETUSER default -@all +acl", self.server.client)
        self.assertIsNotNone(self.server.client.session.permissions)
        self.assertIsNotNone(self.server.connect().session.permissions)

    def test_default_user_with_a_password(self) -> None:
        """A new client is not authenticated before it gives the password, nor after RESET."""
        self.server.run("ACL SETUSER default >pw")
        client = self.server.connect()
        self.assertFalse(client.session.state.authenticated)
        self.assertEqual(self.server.run("AUTH nope", client), WRONGPASS)
        self.assertEqual(self.server.run("AUTH pw", client), OK)
        self.server.run("RESET", client)
        self.assertFalse(client.session.state.authenticated)
        self.server.run("ACL SETUSER default off nopass")
        self.assertEqual(self.server.run("AUTH default pw", client), WRONGPASS)
        self.assertFalse(self.server.connect().session.state.authenticated)
