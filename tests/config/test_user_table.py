"""All users: as files have them, and as edits change them."""

from __future__ import annotations

import dataclasses
from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from redistill.config import acl, selector, user_table
from redistill.config.acl import DEFAULT_LINE, User
from redistill.config.lists import MAX_PASSWORD
from redistill.config.selector import RuleError
from redistill.config.user_table import UserTable, edited, read

SECRET = sha256(b"secret").hexdigest()


class FileTests(SynchronousTestCase):
    """`read`."""

    def test_lines(self) -> None:
        """A user a line, in any order; empty lines and comments are left out."""
        text = f"# ours\n\nuser bob on >secret ~a*\n  \nuser alice off\n{DEFAULT_LINE}"
        self.assertEqual(
            [user.line for user in read(text).ordered()],
            ["user alice off resetchannels -@all", f"user bob on #{SECRET} ~a* resetchannels -@all", DEFAULT_LINE],
        )
        self.assertEqual(read(""), UserTable())

    def test_mistakes(self) -> None:
        """The line and what is wrong are named, a password is not."""
        for text, said in (
            ("user", "line 1: a line begins with 'user' and a name"),
            ("\nbob on", "line 2: a line begins with 'user' and a name"),
            ("user bob secret", "line 1: Syntax error"),
            ("user bob\0 on", f"line 1: {acl.BAD_NAME}"),
            ("user bob ~a\0b", "line 1: '~a\\x00b': Syntax error"),
            ("user bob\nuser bob", "line 2: user 'bob' is there twice"),
            ("user bob +nosuch", f"line 1: '+nosuch': {selector.UNKNOWN}"),
            ("user bob <secret", f"line 1: {acl.NO_SUCH_PASSWORD}"),
            ("user bob (+get", "line 1: Unmatched parenthesis in acl selector starting at '(+get'."),
        ):
            self.assertEqual(str(self.assertRaises(ValueError, read, text)), said)


class EditTests(SynchronousTestCase):
    """`edited` and `UserTable`."""

    def edited(self, users: UserTable, line: str, passwords: tuple[str, ...] = ()) -> UserTable:
        """The users after an edit in one line."""
        return edited(users, line.split(" "), passwords)

    def test_default(self) -> None:
        """The default user is always there, and may do everything until its rules are changed."""
        users = UserTable()
        self.assertEqual([user.line for user in users.values()], [DEFAULT_LINE])
        off = self.edited(users, "setuser default off")
        self.assertFalse(off["default"].enabled)
        self.assertEqual(self.edited(off, "setuser default on"), users)
        self.assertEqual(self.edited(off, "deluser default"), off)

    def test_set_and_delete(self) -> None:
        """Users come, change and go; their names are in order."""
        users = self.edited(UserTable(), "setuser b on")
        users = self.edited(users, "setuser a")
        users = self.edited(users, "setuser b nopass")
        self.assertEqual([user.name for user in users.ordered()], ["a", "b", "default"])
        self.assertEqual(users["b"], dataclasses.replace(User("b"), enabled=True, nopass=True))
        users = self.edited(users, "deluser b nosuch")
        self.assertEqual([user.name for user in users.ordered()], ["a", "default"])

    def test_all_or_nothing(self) -> None:
        """A rule that cannot be leaves no trace of those before it."""
        users = self.edited(UserTable(), "setuser b on")
        self.assertRaises(RuleError, self.edited, users, "setuser b off +nosuch")
        self.assertTrue(users["b"].enabled)

    def test_one_user(self) -> None:
        """A change makes one user anew, and the difference between two tables is the users that were changed."""
        before = UserTable(User(f"u{n}").changed(["on", "+get"]) for n in range(100))
        after = self.edited(before, "setuser u7 -get")
        self.assertEqual(after.differences(before), {"u7": after["u7"]})
        self.assertEqual(before.differences(after), {"u7": before["u7"]})
        self.assertIs(self.edited(after, "setuser u7 -get"), after)
        gone = self.edited(after, "deluser u1 u7")
        self.assertEqual(gone.differences(before), {"u1": None, "u7": None})
        self.assertEqual(before.replaced(gone.differences(before)), gone)
        self.assertEqual(after.replaced({}), after)

    def test_known(self) -> None:
        """Users that have not changed are kept when a file is read again."""
        before = read("user a on ~\udcff* +get\nuser b off\n")
        again = read("".join(f"{user.line}\n" for user in before.ordered()), before)
        self.assertEqual(again.differences(before), {})

    def test_bounds(self) -> None:
        """Names, the rules of a user, the users and all their rules are bounded."""
        longest = "x" * acl.MAX_NAME
        self.assertIn(longest, self.edited(UserTable(), f"setuser {longest}"))
        self.refused(acl.LONG_NAME, UserTable(), f"setuser {longest}x")
        self.refused(acl.LONG_NAME, UserTable(), f"setuser {'é' * (acl.MAX_NAME // 2)}x")
        room = acl.MAX_LINE - len(User("u").line) - 2
        users = self.edited(UserTable(), f"setuser u ~{'p' * room}")
        self.assertEqual(users["u"].size, acl.MAX_LINE)
        self.refused(acl.LONG_LINE, users, "setuser u nopass")
        self.assertIn("p", self.edited(UserTable(), f"setuser p >{'p' * MAX_PASSWORD}"))
        self.refused(acl.LONG_PASSWORD, UserTable(), f"setuser p >{'p' * MAX_PASSWORD}p")
        many = " ".join(f"~{n}" for n in range(acl.MAX_RULES - 4))
        self.assertIn("v", self.edited(UserTable(), f"setuser v {many}"))
        self.refused(acl.LONG_LINE, UserTable(), f"setuser v ~x {many}")
        self.assertIn("v", self.edited(UserTable(), f"setuser v {'() ' * acl.MAX_SELECTORS}"))
        self.refused(acl.LONG_LINE, UserTable(), f"setuser v {'() ' * acl.MAX_SELECTORS}()")
        self.patch(user_table, "MAX_USERS", 2)
        self.refused(user_table.TOO_MANY, users, "setuser v")
        self.patch(user_table, "MAX_LINES", acl.MAX_LINE)
        self.refused(user_table.TOO_MANY, UserTable(), f"setuser u ~{'p' * room}")
        self.assertRaises(ValueError, read, "user a\nuser b\nuser c")

    def refused(self, reason: str, users: UserTable, line: str) -> None:
        """An edit is refused for this reason."""
        self.assertEqual(str(self.assertRaises(RuleError, self.edited, users, line)), reason)

    def test_configured_passwords(self) -> None:
        """Rights that the configuration still grants cannot be removed; further rights can be added."""
        users = UserTable()
        for rule in ("nopass", "reset", "resetpass", "<secret", "!" + SECRET):
            problem = self.assertRaises(RuleError, self.edited, users, f"setuser default {rule}", ("secret",))
            self.assertIn("security.password", str(problem))
        more = self.edited(users, "setuser default >more", ("secret",))
        self.assertEqual(self.edited(more, "setuser default <more nopass"), users)
        self.assertIn("bob", self.edited(users, "setuser bob reset", ("secret",)))
