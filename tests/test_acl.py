"""Users as values: rules, lines, files."""

from __future__ import annotations

import dataclasses
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill import acl
from redistill.acl import DEFAULT_LINE, RuleError, Selector, User, defined, edited, parsed, read, table

SECRET = sha256(b"secret").hexdigest()
RULES = (
    *("on", "off", "nopass", "resetpass", "reset", "clearselectors", "sanitize-payload", "allkeys", "resetkeys"),
    *("allchannels", "resetchannels", "allcommands", "nocommands", "+get", "-get", "+@read", "-@dangerous", "+config"),
    *("+config|get", "-config|set", "-config", ">pw", "#" + SECRET, "~a*", "%R~b", "%W~c", "%RW~d", "&ch", "~*", "&*"),
    *("(+get ~x)", "(+@all allkeys)", "()"),
)


def ids(*names: str) -> frozenset[int]:
    """The numbers of commands."""
    return frozenset(table().by_name[name].id for name in names)


class SelectorTests(SynchronousTestCase):
    """`Selector`."""

    def made(self, *rules: str) -> Selector:
        """A new one with these rules."""
        selector = Selector()
        for rule in rules:
            selector = selector.changed(rule)
        return selector

    def test_commands(self) -> None:
        """Rules hold one after another; a container stands for its subcommands, a category for all that are in it."""
        self.assertEqual(self.made().command_ids(), frozenset())
        self.assertEqual(self.made("+get", "+SET").command_ids(), ids("get", "set"))
        self.assertEqual(self.made("+@transaction").command_ids(), ids("multi", "exec", "discard", "watch", "unwatch"))
        whole = self.made("+@all").command_ids()
        self.assertEqual(len(whole), len(table().by_name))
        self.assertEqual(whole - self.made("+@all", "-config|set").command_ids(), ids("config|set"))
        config = {name for name in table().by_name if name.partition("|")[0] == "config"}
        self.assertEqual(self.made("+config").command_ids(), ids(*config))
        self.assertEqual(self.made("+config", "-config|set").command_ids(), ids(*config) - ids("config|set"))
        self.assertEqual(self.made("+config|set", "-config", "+config|get").command_ids(), ids("config|get"))
        self.assertNotIn(*ids("flushall"), self.made("+@write", "-@dangerous").command_ids())

    def test_words(self) -> None:
        """A rule takes the place of those that it makes void, and is written as it was said."""
        self.assertEqual(self.made("+get", "+@read", "-get").commands, ("-@all", "+@read", "-get"))
        self.assertEqual(self.made("+config|get", "-config|set", "-config").commands, ("-@all", "-config"))
        self.assertEqual(self.made("+get", "allcommands").commands, ("+@all",))
        self.assertEqual(self.made("~a", "%rw~b", "%r~c", "~a").keys, ("~a", "~b", "%R~c"))
        self.assertEqual(self.made("~a", "~*").keys, ("~*",))
        self.assertEqual(self.made("&a").words, ("resetchannels", "&a", "-@all"))
        self.assertEqual(self.made("~a", "allchannels", "+get").words, ("~a", "&*", "-@all", "+get"))

    def test_key_patterns(self) -> None:
        """Each with what may be done; a pattern may hold any bytes."""
        selector = self.made("~\udcff*", "%R~in~%R~", "%W~")
        self.assertEqual(
            list(selector.key_patterns()),
            [(b"\xff*", True, True), (b"in~%R~", True, False), (b"", False, True)],
        )

    def test_unrestricted(self) -> None:
        """Only who may run all commands on all keys."""
        self.assertTrue(self.made("+@all", "allkeys").unrestricted)
        self.assertFalse(self.made("+@all", "~a*").unrestricted)
        self.assertFalse(self.made("+@all", "-acl", "~*").unrestricted)

    def test_refused(self) -> None:
        """What cannot be is said in Redis's words, with the rule."""
        for rules, reason in (
            ("+nosuch", acl.UNKNOWN),
            ("+@nosuch", acl.UNKNOWN),
            ("+config|nosuch", acl.UNKNOWN),
            ("-", acl.UNKNOWN),
            ("+get|x", acl.FIRST_ARGUMENT_OF_COMMAND),
            ("+config|get|x", acl.FIRST_ARGUMENT),
            ("", acl.SYNTAX),
            ("get", acl.SYNTAX),
            ("~a b", acl.SYNTAX),
            ("~a\0", acl.SYNTAX),
            ("%~a", acl.SYNTAX),
            ("%X~a", acl.SYNTAX),
            ("%R", acl.SYNTAX),
            ("&a b", acl.SYNTAX),
        ):
            problem = self.assertRaises(RuleError, self.made, rules)
            self.assertEqual((problem.rule, str(problem)), (rules, reason))
        self.assertEqual(str(self.assertRaises(RuleError, self.made, "~*", "~a")), acl.AFTER_ALL_KEYS)
        self.assertEqual(str(self.assertRaises(RuleError, self.made, "&*", "&a")), acl.AFTER_ALL_CHANNELS)


class UserTests(SynchronousTestCase):
    """`User`."""

    def test_new(self) -> None:
        """Who is new may do nothing."""
        self.assertEqual(User("x").line, "user x off resetchannels -@all")
        self.assertEqual(parsed(DEFAULT_LINE).line, DEFAULT_LINE)
        self.assertTrue(parsed(DEFAULT_LINE).root.unrestricted)

    def test_passwords(self) -> None:
        """They are added and taken away, in words or hashed; only the hash is kept."""
        user = User("x").changed([">secret", ">other", ">secret"])
        self.assertEqual(user.hashes, (SECRET, sha256(b"other").hexdigest()))
        self.assertNotIn("secret", user.line)
        self.assertEqual(user.changed(["!" + SECRET]).hashes, user.changed(["<secret"]).hashes)
        self.assertEqual(user.changed(["#" + SECRET]), user)
        self.assertEqual((user.changed(["nopass"]).hashes, user.changed(["nopass"]).nopass), ((), True))
        self.assertFalse(user.changed(["nopass", ">new"]).nopass)
        self.assertFalse(user.changed(["nopass", "resetpass"]).nopass)
        for rule, reason in (
            ("<none", acl.NO_SUCH_PASSWORD),
            ("!" + "0" * 64, acl.NO_SUCH_PASSWORD),
            ("#abc", acl.BAD_HASH),
            ("#" + SECRET.upper(), acl.BAD_HASH),
            ("!", acl.BAD_HASH),
        ):
            self.assertEqual(str(self.assertRaises(RuleError, user.changed, [rule])), reason)

    def test_selectors(self) -> None:
        """What stands between parentheses is allowed for itself, whether it comes in one word or in several."""
        user = User("x").changed(["+get", "(+set", "~a)", "(%R~b +get)"])
        self.assertEqual(user.selectors[0].words, ("~a", "resetchannels", "-@all", "+set"))
        self.assertEqual(
            user.line,
            "user x off resetchannels -@all +get (~a resetchannels -@all +set) (%R~b resetchannels -@all +get)",
        )
        self.assertEqual(user.changed(["clearselectors"]), User("x").changed(["+get"]))
        problem = self.assertRaises(RuleError, user.changed, ["(+get", "~a"])
        self.assertEqual(str(problem), "Unmatched parenthesis in acl selector starting at '(+get'.")
        self.assertEqual(self.assertRaises(RuleError, user.changed, ["(+get", "+no)"]).rule, "(+get +no)")

    @given(st.lists(st.sampled_from(RULES), max_size=12))
    def test_line(self, rules: list[str]) -> None:
        """Whatever rules made a user, its line makes the same one."""
        user = User("x")
        for rule in rules:
            try:
                user = user.changed([rule])
            except RuleError:
                continue
        again = parsed(user.line)
        self.assertEqual(again, user)
        self.assertEqual(again.root.command_ids(), user.root.command_ids())


class FileTests(SynchronousTestCase):
    """`read`."""

    def test_lines(self) -> None:
        """A user a line, in any order; empty lines and comments are left out."""
        text = f"# ours\n\nuser bob on >secret ~a*\n  \nuser alice off\n{DEFAULT_LINE}"
        self.assertEqual(
            read(text),
            ("user alice off resetchannels -@all", f"user bob on #{SECRET} ~a* resetchannels -@all", DEFAULT_LINE),
        )
        self.assertEqual(read(""), ())

    def test_mistakes(self) -> None:
        """The line and what is wrong are named, a password is not."""
        for text, said in (
            ("user", "line 1: 'user': a line begins with 'user' and a name"),
            ("\nbob on", "line 2: 'bob': a line begins with 'user' and a name"),
            ("user bob\nuser bob", "line 2: user 'bob' is there twice"),
            ("user bob +nosuch", f"line 1: '+nosuch': {acl.UNKNOWN}"),
            ("user bob <secret", f"line 1: {acl.NO_SUCH_PASSWORD}"),
            ("user bob (+get", "line 1: Unmatched parenthesis in acl selector starting at '(+get'."),
        ):
            self.assertEqual(str(self.assertRaises(ValueError, read, text)), said)


class EditTests(SynchronousTestCase):
    """`edited` and `defined`."""

    def test_default(self) -> None:
        """The default user is always there, and may do everything until its rules are changed."""
        self.assertEqual([user.line for user in defined(()).values()], [DEFAULT_LINE])
        lines = edited((), ("setuser", "default", "off"), ())
        self.assertFalse(defined(lines)["default"].enabled)
        self.assertEqual(edited(lines, ("setuser", "default", "on"), ()), ())

    def test_set_and_delete(self) -> None:
        """Users come, change and go; their names are in order."""
        lines = edited((), ("setuser", "b", "on"), ())
        lines = edited(lines, ("setuser", "a"), ())
        lines = edited(lines, ("setuser", "b", "nopass"), ())
        self.assertEqual(list(defined(lines)), ["a", "b", "default"])
        self.assertEqual(defined(lines)["b"], dataclasses.replace(User("b"), enabled=True, nopass=True))
        self.assertEqual(edited(lines, ("deluser", "b", "nosuch"), ()), ("user a off resetchannels -@all",))

    def test_all_or_nothing(self) -> None:
        """A rule that cannot be leaves no trace of those before it."""
        lines = edited((), ("setuser", "b", "on"), ())
        self.assertRaises(RuleError, edited, lines, ("setuser", "b", "off", "+nosuch"), ())
        self.assertTrue(defined(lines)["b"].enabled)

    def test_configured_passwords(self) -> None:
        """What the configuration goes on to give is not taken away in appearance; more may be given."""
        for rule in ("nopass", "reset", "resetpass", "<secret", "!" + SECRET):
            problem = self.assertRaises(RuleError, edited, (), ("setuser", "default", rule), ("secret",))
            self.assertIn("security.password", str(problem))
        lines = edited((), ("setuser", "default", ">more"), ("secret",))
        self.assertEqual(edited(lines, ("setuser", "default", "<more", "nopass"), ()), ())
        self.assertEqual(len(edited((), ("setuser", "bob", "reset"), ("secret",))), 1)
