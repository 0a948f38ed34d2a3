"""ACL: what rules make of a user, and what the user may do then, compared with valkey-server 9.

(redis-server 7.0 describes a user's commands in its own words; from 7.2 on it keeps those of the rules, as we do.)
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .peers import Conversation, Peer, ask
from .profiles import examples
from .replies import Reply, as_pairs

USER = "differential"
PATTERNS = ("*", "a*", "b", "a?", "[ab]*", "")
NAMES = (
    *("get", "set", "mget", "mset", "del", "copy", "incr", "getdel", "bitop", "bitfield", "ping", "auth", "multi"),
    *("config", "config|get", "config|set", "client", "client|list", "client|getname", "flushall", "keys", "scan"),
    *("object", "object|encoding", "nosuch", "get|x", "config|x", "config|get|x", ""),
)
CATEGORIES = ("@all", "@read", "@write", "@string", "@bitmap", "@keyspace", "@fast", "@slow", "@transaction", "@nosuch")
COMMAND_RULES = st.builds("{}{}".format, st.sampled_from("+-"), st.sampled_from(NAMES + CATEGORIES))
KEY_RULES = st.builds(
    "{}{}".format, st.sampled_from(["~", "%R~", "%W~", "%RW~", "%rw~", "%~", "%X~"]), st.sampled_from(PATTERNS)
).filter(
    lambda rule: rule[:1] == "~" or rule[-2:] != "~*"
)  # all access to * is ~* for us, for them until another comes
WORDS = st.sampled_from(
    [
        *("on", "off", "nopass", "resetpass", "reset", "allkeys", "resetkeys", "allchannels", "resetchannels"),
        *("allcommands", "nocommands", "clearselectors", ">pw", "<pw", "#" + "0" * 64, "!" + "0" * 64, "#x", "&ch"),
        *(
            "(+get ~b)",
            "(+set %W~a*)",
            "(+nosuch)",
            "(",
            "junk",
            "ALLKEYS",
            "+GET",
            "-@ALL",
            "",
            " ",
            "on ",
            "%R",
            "%rw",
            "%",
        ),
        *(
            "~a\xa0b",
            "~a\tb",
            "~a\x0bb",
            "~a\x1cb",
            "~a\x85\u2028",
            "~a\0b",
            "&a\xa0",
            "&a b",
            "+\u212aeys",
            "al\u017fkeys",
        ),
        *(
            "(+get\t~a)",
            "(+get\n~a)",
            "( +get  ~b )",
            "(+get\xa0~a)",
            "((~a))",
            "(~a (+get))",
            "(on)",
            "(>pw)",
            "(",
            ")",
            "()",
        ),
        *(
            '(~"a" +get)',
            "(~'a b')",
            "('+get' ~a)",
            '(~"a\\x41*" +get)',
            "(~a\\ +get)",
            '(+get"")',
            '(~"")',
            "(~a",
            "+get)",
            "(~b)x",
            "(~b) ",
            "+get|a|b",
            "+config|",
            "-config|get|x",
            "+@",
            "+|",
            "%RR~a",
            "%Wx~a",
        ),
    ]
)
RULES = st.lists(st.one_of(COMMAND_RULES, COMMAND_RULES, KEY_RULES, WORDS), max_size=6)
TRIED = (
    "GET a",
    "GET b",
    "GET c",
    "SET a 1",
    "SET b 1 GET",
    "SET ab 1",
    "MGET a ab b",
    "MSET a 1 c 2",
    "DEL b c",
    "COPY a b",
    "INCR b",
    "GETDEL a",
    "BITOP AND a b c",
    "BITFIELD a GET u8 0",
    "BITFIELD b SET u8 0 1",
    "PING",
    "AUTH x y",
    "MULTI",
    "CONFIG GET x",
    "CONFIG SET x y",
    "CLIENT LIST",
    "CLIENT GETNAME",
    "FLUSHALL",
    "KEYS *",
    "SCAN 0",
    "OBJECT ENCODING b",
)
FIELDS = (b"flags", b"passwords", b"commands", b"keys", b"channels")


def first_argument(rule: str) -> bool:
    """Whether valkey still takes the rule, which Redis calls deprecated and we refuse: a first argument of a command
    that has no subcommands."""
    return rule[1:].lower() == "get|x"


class AclTests(SynchronousTestCase):
    """One user on both."""

    def setUp(self) -> None:
        self.conversations = [peer.open() for peer in (sides.newer_oracle(), sides.ours())]
        for conversation in self.conversations:
            self.addCleanup(conversation.close)

    def both(self, *words: str) -> list[Reply]:
        """The answer of both to a command."""
        return [ask(conversation, *words) for conversation in self.conversations]

    def same(self, *words: str) -> None:
        """Both answer a command alike."""
        theirs, ours = self.both(*words)
        self.assertEqual(theirs, ours, words)

    @examples(150)
    @given(st.lists(RULES, max_size=4))
    def test_rules(self, edits: Sequence[Sequence[str]]) -> None:
        """Rules in any order: what is said to them, how the user is shown, and what it may do."""
        self.both("ACL", "DELUSER", USER)
        for rules in [[], *edits]:
            self.same("ACL", "SETUSER", USER, *(rule for rule in rules if not first_argument(rule)))
        theirs, ours = (dict(as_pairs(reply)) for reply in self.both("ACL", "GETUSER", USER))
        for field in FIELDS:
            self.assertEqual(theirs[field], ours[field], field)
        for line in TRIED:
            self.same("ACL", "DRYRUN", USER, *line.split())
        self.same("ACL", "DELUSER", USER)


class LiveTests(SynchronousTestCase):
    """A connection of a user that may do little."""

    def talk(self, peer: Peer, lines: Sequence[str]) -> list[Reply]:
        """The data that it receives."""
        admin, client = peer.open(), peer.open()
        try:
            ask(admin, "FLUSHALL")
            ask(
                admin,
                "ACL",
                "SETUSER",
                USER,
                "reset",
                "on",
                ">pw",
                "~a*",
                "+get",
                "+set",
                "+multi",
                "+exec",
                "+acl|whoami",
            )
            said = [ask(client, "AUTH", USER, "pw")]
            for line in lines:
                who: Conversation = admin if line.startswith("!") else client
                said.append(ask(who, *line.lstrip("!").split()))
            return said
        finally:
            ask(admin, "ACL", "DELUSER", USER)
            for conversation in (admin, client):
                conversation.close()

    def check(self, *lines: str) -> None:
        """It hears the same from both."""
        self.assertEqual(self.talk(sides.newer_oracle(), lines), self.talk(sides.ours(), lines), lines)

    def test_denied(self) -> None:
        """Commands and keys, and what is no command at all."""
        self.check(
            "SET a 1", "GET a", "GET k", "DEL a", "CONFIG GET x", "CONFIG NOSUCH", "GET", "ACL WHOAMI", "ACL LIST"
        )
        self.check("AUTH default x", "ACL WHOAMI", "GET k")
        self.check("AUTH nobody x", "AUTH differential x", "ACL WHOAMI")

    def test_transactions(self) -> None:
        """A denied command spoils the transaction; what was queued is judged again when it runs."""
        self.check("MULTI", "SET a 1", "GET k", "EXEC", "EXEC")
        self.check("MULTI", "SET a 1", "GET a", "!ACL SETUSER differential -set", "EXEC", "GET a")
        self.check("MULTI", "SET a 1", "!ACL SETUSER differential resetkeys ~b", "EXEC", "GET a")
        self.check("MULTI", "SET a 1", "!ACL SETUSER differential -exec", "EXEC", "GET a", "EXEC")

    def test_off(self) -> None:
        """Turning a user off keeps its connections open and refuses new ones."""
        self.check("!ACL SETUSER differential off", "ACL WHOAMI", "AUTH differential pw", "ACL WHOAMI")

    def test_words(self) -> None:
        """Arguments that are none."""
        self.check(
            "!ACL",
            "!ACL NOSUCH",
            "!ACL SETUSER",
            "!ACL DELUSER",
            "!ACL DELUSER default",
            "!ACL DELUSER a b c",
            "!ACL GETUSER nobody",
            "!ACL CAT nosuch",
            "!ACL CAT",
            "!ACL GENPASS 0",
            "!ACL GENPASS x",
            "!ACL LOG x",
            "!ACL LOG 1 2",
            "!ACL DRYRUN nobody get x",
            "!ACL DRYRUN default nosuch",
            "!ACL DRYRUN default get",
            "!ACL WHOAMI x",
        )
