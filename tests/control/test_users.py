"""Accounts: who gets in with which password."""

from __future__ import annotations

import dataclasses
from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.acl import User, hashed, number_of, parsed, shown
from redistill.config.config import Config
from redistill.config.lists import MAX_PASSWORD
from redistill.config.user_table import UserTable
from redistill.control.users import Account, Users
from redistill.engine.permissions import Permissions
from tests.support.control import FakeClient, Server

UMLAUT = "n\N{LATIN SMALL LETTER E WITH DIAERESIS}w"


class AccountTests(SynchronousTestCase):
    """`Account.admits`."""

    def test_any_of_several(self) -> None:
        """Each password is valid, and nothing else: not a part, not the empty one, not both."""
        account = Account(User("default", enabled=True, nopass=True), configured=("old",), from_file=(UMLAUT,))
        for good in (b"old", UMLAUT.encode()):
            self.assertEqual(account.admits(good), number_of(sha256(good).hexdigest()))
        for bad in (b"", b"ol", b"oldd", b"OLD", b"old\0", b"new", b"oldn\xc3\xabw"):
            self.assertIsNone(account.admits(bad))

    def test_long(self) -> None:
        """A text that is longer than a password may be is refused, even if its beginning is the password."""
        longest = b"x" * MAX_PASSWORD
        account = Account(User("x", enabled=True, hashes=(hashed(longest),)))
        self.assertIsNotNone(account.admits(longest))
        self.assertIsNone(account.admits(longest + b"x"))
        self.assertIsNone(Account(User("x", enabled=True, hashes=(hashed(longest + b"x"),))).admits(longest + b"x"))

    def test_nopass(self) -> None:
        """Any password will do where none is needed, but for a user that is off."""
        self.assertEqual(Account(User("x", enabled=True, nopass=True)).admits(b"any"), 0)
        self.assertIsNone(Account(User("x", nopass=True)).admits(b"any"))
        self.assertIsNone(Account(User("x", enabled=True)).admits(b""))

    def test_sources(self) -> None:
        """The source of each password; the first one counts."""
        account = Account(User("x", hashes=(hashed(b"a"),)), configured=("a", "b"), from_file=("b", "c"))
        self.assertEqual(account.sources, {hashed(b"a"): "acl", hashed(b"b"): "config", hashed(b"c"): "file"})

    def test_shown(self) -> None:
        """A secret is shown as the first digits of its hash, leading zeros too."""
        self.assertEqual(shown(number_of("00ab" * 16)), "00ab00ab")

    def test_users(self) -> None:
        """The configuration's passwords are the default user's only."""
        config = Config(users=UserTable([parsed("user bob on nopass ~* &* +@all")])).replace(
            {"security.password": ("secret",)}
        )
        users = Users(config)
        self.assertEqual([one.user.name for one in users], ["bob", "default"])
        self.assertFalse(users.default.open)
        self.assertEqual([one.open for one in users], [True, False])
        self.assertIsNone(users.get("nobody"))


class ChangeTests(SynchronousTestCase):
    """A change of users that cannot be put into effect."""

    def setUp(self) -> None:
        self.server = Server()
        for rules in ("ann on nopass ~a* +get", "bob on nopass ~b* +get"):
            self.assertEqual(self.server.run(f"ACL SETUSER {rules}"), b"+OK\r\n")
        self.ann, self.bob = self.server.connect(), self.server.connect()
        for client, name in ((self.ann, "ann"), (self.bob, "bob")):
            self.assertEqual(self.server.run(f"AUTH {name} x", client), b"+OK\r\n")
        self.before = self.ann.session.permissions, self.bob.session.permissions

    def fail_for(self, client: FakeClient) -> None:
        """Its session takes no more permissions but those that it has."""
        session, had = client.session, client.session.permissions

        def permit(permissions: Permissions | None) -> None:
            if permissions is not had:
                raise MemoryError("no memory for permissions")
            session.permissions = permissions

        session.permit = permit  # type: ignore[method-assign]

    def test_nothing_has_changed(self) -> None:
        """A change that fails in its middle changes no permissions, closes no client, and is not in effect."""
        self.fail_for(self.bob)
        config = self.server.state.config
        others = [parsed("user bob on nopass ~* &* +@all"), config.users["default"]]
        self.assertRaises(MemoryError, self.server.state.apply, dataclasses.replace(config, users=UserTable(others)))
        self.assertEqual((self.ann.session.permissions, self.bob.session.permissions), self.before)
        self.assertEqual((self.ann.killed, self.bob.killed), (False, False))
        self.assertIs(self.server.state.users.source[0], config.users)
        self.assertEqual(self.server.run("ACL WHOAMI", self.ann), b"$3\r\nann\r\n")

    def test_login_that_fails(self) -> None:
        """A login whose permissions cannot be made leaves the client's user unchanged."""
        stranger = self.server.connect()
        self.server.run("CONFIG SET requirepass secret")
        stranger.session.state.authenticated = False
        self.fail_for(stranger)
        self.assertRaises(MemoryError, self.server.run, "AUTH ann x", stranger)
        self.assertEqual((stranger.user, stranger.session.state.authenticated), ("default", False))
