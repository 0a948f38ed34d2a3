"""Users as values: rules and lines."""

from __future__ import annotations

import json
import time
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.base import words
from redistill.config import acl
from redistill.config.acl import DEFAULT_LINE, User, parsed
from redistill.config.config import Config
from redistill.config.selector import RuleError, table
from redistill.config.user_table import UserTable, edited, read

SECRET = sha256(b"secret").hexdigest()
RULES = (
    *("on", "off", "nopass", "resetpass", "reset", "clearselectors", "sanitize-payload", "allkeys", "resetkeys"),
    *("allchannels", "resetchannels", "allcommands", "nocommands", "+get", "-get", "+@read", "-@dangerous", "+config"),
    *("+config|get", "-config|set", "-config", ">pw", "#" + SECRET, "~a*", "%R~b", "%W~c", "%RW~d", "&ch", "~*", "&*"),
    *("(+get ~x)", "(+@all allkeys)", "()"),
)


class UserTests(SynchronousTestCase):
    """`User`."""

    def test_new(self) -> None:
        """A new user may do nothing."""
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
        """A selector in parentheses grants its own permissions, whether it comes in one word or in several."""
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


def granted(user: User) -> list[tuple[frozenset[int], list[tuple[list[bytes], int]]]]:
    """The permissions of a user, as the core has them."""
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
    """An accepted user is the same after each conversion, and has the rules that were given."""

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
        self.assertEqual(user.root.command_ids(), frozenset([table().by_name["ping"].id]))

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
