"""Which commands and keys the rules of a selector allow."""

from __future__ import annotations

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from redistill.config import selector
from redistill.config.selector import RuleError, Selector, table
from redistill.engine.permissions import READ, WRITE

SECRET = sha256(b"secret").hexdigest()


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
        """Only who may run all commands on all keys and all channels."""
        self.assertTrue(self.made("+@all", "allkeys", "allchannels").unrestricted)
        self.assertFalse(self.made("+@all", "allkeys").unrestricted)
        self.assertFalse(self.made("+@all", "~a*", "&*").unrestricted)
        self.assertFalse(self.made("+@all", "-acl", "~*", "&*").unrestricted)

    def test_refused(self) -> None:
        """The error for a bad rule has Redis's words and the rule."""
        for rules, reason in (
            ("+nosuch", selector.UNKNOWN),
            ("+@nosuch", selector.UNKNOWN),
            ("+config|nosuch", selector.UNKNOWN),
            ("-", selector.UNKNOWN),
            ("+get|x", selector.FIRST_ARGUMENT_OF_COMMAND),
            ("+config|get|x", selector.FIRST_ARGUMENT),
            ("+config|get|", selector.FIRST_ARGUMENT),
            ("+get|a|b", selector.UNKNOWN),
            ("+get|", selector.SYNTAX),
            ("+config|", selector.SYNTAX),
            ("-get|x", selector.UNKNOWN),
            ("-config|get|x", selector.UNKNOWN),
            ("-config|", selector.UNKNOWN),
            ("+|", selector.UNKNOWN),
            ("+\u212aeys", selector.UNKNOWN),
            ("a\u017f", selector.SYNTAX),
            ("get", selector.SYNTAX),
            ("~a b", selector.SYNTAX),
            ("~a\0", selector.SYNTAX),
            ("%~a", selector.SYNTAX),
            ("%X~a", selector.SYNTAX),
            ("%", selector.SYNTAX),
            ("%RR~a", selector.SYNTAX),
            ("%Rx~a", selector.SYNTAX),
            ("&a b", selector.SYNTAX),
        ):
            problem = self.assertRaises(RuleError, self.made, rules)
            self.assertEqual((problem.rule, str(problem)), (rules, reason))
        self.assertEqual(str(self.assertRaises(RuleError, self.made, "~*", "~a")), selector.AFTER_ALL_KEYS)
        self.assertEqual(str(self.assertRaises(RuleError, self.made, "&*", "&a")), selector.AFTER_ALL_CHANNELS)
