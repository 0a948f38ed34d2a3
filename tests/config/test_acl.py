"""Users as values: rules, lines, files."""

from __future__ import annotations

import dataclasses
import json
import time
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.base import words
from redistill.config import acl
from redistill.config.acl import (
    DEFAULT_LINE,
    READ,
    WRITE,
    RuleError,
    Selector,
    User,
    UserTable,
    edited,
    parsed,
    read,
    table,
)
from redistill.config.load import Config
from redistill.config.values import MAX_PASSWORD

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
        return Selector().changed(*rules)

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
        self.assertEqual(self.made("%R~a", "~b", "%W~a").keys, ("~a", "~b"))
        self.assertEqual(self.made("~a", "%R~a", "%r", "%RW").keys, ("~a", "~"))
        self.assertEqual(self.made("~a", "%R~*", "%W~*").keys, ("~*",))
        self.assertEqual(self.made("+get", "").commands, ("-@all", "+get"))
        self.assertEqual(self.made("&a").words, ("resetchannels", "&a", "-@all"))
        self.assertEqual(self.made("~a", "allchannels", "+get").words, ("~a", "&*", "-@all", "+get"))

    def test_key_patterns(self) -> None:
        """Each with what may be done; a pattern may hold any bytes."""
        selector = self.made("~\udcff*", "%R~in~%R~", "%W~")
        self.assertEqual(
            list(selector.key_patterns()),
            [([b"in~%R~"], READ), ([b""], WRITE), ([b"\xff*"], READ | WRITE)],
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
            ("+config|get|", acl.FIRST_ARGUMENT),
            ("+get|a|b", acl.UNKNOWN),
            ("+get|", acl.SYNTAX),
            ("+config|", acl.SYNTAX),
            ("-get|x", acl.UNKNOWN),
            ("-config|get|x", acl.UNKNOWN),
            ("-config|", acl.UNKNOWN),
            ("+|", acl.UNKNOWN),
            ("+\u212aeys", acl.UNKNOWN),
            ("a\u017f", acl.SYNTAX),
            ("get", acl.SYNTAX),
            ("~a b", acl.SYNTAX),
            ("~a\0", acl.SYNTAX),
            ("%~a", acl.SYNTAX),
            ("%X~a", acl.SYNTAX),
            ("%", acl.SYNTAX),
            ("%RR~a", acl.SYNTAX),
            ("%Rx~a", acl.SYNTAX),
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
            ("user bob +nosuch", f"line 1: '+nosuch': {acl.UNKNOWN}"),
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
        """Of a file that is read again, the users that are the same are not made anew."""
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
        self.patch(acl, "MAX_USERS", 2)
        self.refused(acl.TOO_MANY, users, "setuser v")
        self.patch(acl, "MAX_LINES", acl.MAX_LINE)
        self.refused(acl.TOO_MANY, UserTable(), f"setuser u ~{'p' * room}")
        self.assertRaises(ValueError, read, "user a\nuser b\nuser c")

    def refused(self, reason: str, users: UserTable, line: str) -> None:
        """An edit is refused for this reason."""
        self.assertEqual(str(self.assertRaises(RuleError, self.edited, users, line)), reason)

    def test_configured_passwords(self) -> None:
        """What the configuration goes on to give is not taken away in appearance; more may be given."""
        users = UserTable()
        for rule in ("nopass", "reset", "resetpass", "<secret", "!" + SECRET):
            problem = self.assertRaises(RuleError, self.edited, users, f"setuser default {rule}", ("secret",))
            self.assertIn("security.password", str(problem))
        more = self.edited(users, "setuser default >more", ("secret",))
        self.assertEqual(self.edited(more, "setuser default <more nopass"), users)
        self.assertIn("bob", self.edited(users, "setuser bob reset", ("secret",)))


def granted(user: User) -> list[tuple[frozenset[int], list[tuple[list[bytes], int]]]]:
    """What a user may do, as the core has it."""
    return [(one.command_ids(), list(one.key_patterns())) for one in (user.root, *user.selectors)]


SEPARATORS = "\t\n\v\f\r \0\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2007\u2028\u2029\u202f\u205f\u3000\ufeff"
PARTS = st.one_of(
    st.sampled_from(list(SEPARATORS)),
    st.sampled_from(
        [
            "~",
            "(",
            ")",
            "*",
            "%R~",
            "&",
            ">",
            "#",
            "|",
            "@",
            "+@all",
            "nopass",
            "allkeys",
            "a",
            '"',
            "'",
            "\\",
            "\\x41",
            "\u212a",
            "\u0130",
        ]
    ),
    st.binary(min_size=1, max_size=3).map(words.text),
)
ODD = st.lists(PARTS, max_size=5).map("".join).map(words.data).map(words.text)
ODD_RULES = st.one_of(
    ODD,
    st.builds("{}{}".format, st.sampled_from(["~", "%R~", "%W~", "%", "&", "(", "(~", "(+get ~", ">", "+", "-"]), ODD),
    st.builds("(+get ~{})".format, ODD),
    st.sampled_from(RULES),
)


class SameTests(SynchronousTestCase):
    """What is accepted stays what it is, wherever it goes, and is what was said."""

    @settings(max_examples=500)
    @given(ODD, st.lists(ODD_RULES, max_size=5))
    def test_everywhere(self, name: str, rules: list[str]) -> None:
        """A user that is accepted is the same after ACL SAVE and LOAD, and in other processes."""
        try:
            users = edited(UserTable(), ("setuser", name, *rules), ())
        except RuleError:
            return
        (user,) = (one for one in users.values() if one.name != "default" or one.line != DEFAULT_LINE)
        file = words.data("".join(f"{one.line}\n" for one in users.ordered()))
        self.assertEqual(file.count(b"\n"), len(users))
        config = Config(users=users)
        for again in (
            read(words.text(file)),
            Config.from_json(json.loads(json.dumps(config.to_json()))).users,
            Config.from_json(json.loads(json.dumps(config.to_json(Config()))), Config()).users,
        ):
            self.assertEqual(again, users)
            self.assertEqual([one.line for one in again.ordered()], [one.line for one in users.ordered()])
            self.assertEqual(granted(again[user.name]), granted(user))

    @given(st.sampled_from(["~", "%R~", "%W~", "&"]), ODD)
    def test_pattern(self, sign: str, text: str) -> None:
        """A pattern is taken as it was said, byte by byte, or refused; nothing else is granted by it."""
        said = words.data(text)
        try:
            user = User("u").changed([sign + text])
        except RuleError:
            self.assertTrue(set(said) & set(b" \t\n\v\f\r\0"), said)
            return
        self.assertFalse(set(said) & set(b" \t\n\v\f\r\0"), said)
        patterns = [pattern for some, _ in user.root.key_patterns() for pattern in some]
        self.assertEqual(patterns, [] if sign == "&" else [said])
        self.assertEqual(
            (user.root.command_ids(), user.nopass, user.enabled, user.selectors), (frozenset(), False, False, ())
        )

    def test_smuggled(self) -> None:
        """Spaces of Unicode are bytes of the name and of the pattern."""
        users = edited(UserTable(), ("setuser", "t\xa0nopass", "on", "+ping", "~tenant1:\xa0(~*\xa0+@all)"), ())
        user = read("".join(f"{one.line}\n" for one in users.ordered()))["t\xa0nopass"]
        self.assertEqual((user.nopass, user.selectors), (False, ()))
        self.assertEqual(user.root.keys, ("~tenant1:\xa0(~*\xa0+@all)",))
        self.assertEqual(user.root.command_ids(), ids("ping"))

    def test_unwritable(self) -> None:
        """A selector that its line would not give again is refused: the pattern would end it."""
        for rules in (["(+get ~a))"], ["(~(b)", "+get)"], ["( ~(b) )"]):
            self.assertRaises(RuleError, edited, UserTable(), ("setuser", "u", *rules), ())
        for rules in (["~a)"], ["(+get", "~a)"], ["~(b)"], ["&(x)", "(+get)"]):
            self.assertIn("u", edited(UserTable(), ("setuser", "u", *rules), ()))

    def test_many_patterns(self) -> None:
        """Rules are added in constant time: twice as many take about twice as long, not four times."""

        def seconds(count: int) -> float:
            began = time.process_time()
            users = edited(UserTable(), ("setuser", "u", *(f"~k{n}:*" for n in range(count))), ())
            edited(users, ("setuser", "u", "~one-more"), ())
            return time.process_time() - began

        self.assertLess(min(seconds(32_000) for _ in range(3)), 6 * min(seconds(8_000) for _ in range(3)) + 0.05)
