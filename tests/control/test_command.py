"""COMMAND and its subcommands, compared field by field with redis-server's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import TestCase

from tests.differential.peers import WirePeer, ask
from tests.differential.replies import Parser, Reply
from tests.integration import servers
from tests.support.control import TABLE, Server

OTHER_ARGUMENTS = {
    *("set", "client|list", "client|kill", "cluster|addslotsrange", "cluster|delslotsrange", "cluster|meet"),
    *("cluster|reset", "cluster|setslot", "sort", "sort_ro", "zadd", "geoadd"),
}
"""Commands whose arguments Redis 7.0 documents in another way: SET has IFEQ of Valkey, the others have other names."""


LONGER = {b"zrank", b"zrevrank"}
BLOCKING_NOW = {b"wait"}
"""Commands that have the flag `blocking` since 7.2."""
"""Commands that took more arguments with Redis 7.2: WITHSCORE."""
ONLY_OF_REDIS = {"delex", "digest", "xackdel", "xdelex"}
"""Commands, since Redis 8.2 or 8.4, that neither oracle has."""


class CommandTestCase(TestCase):
    """Our side: the commands, called as the control plane calls them."""

    def setUp(self) -> None:
        self.table = TABLE
        self.server = Server()

    def run_command(self, *words: str | bytes, version: int = 3) -> Reply:
        """The reply to COMMAND `words`."""
        self.server.client.session.state.resp = version
        answer = self.server.ask("COMMAND", *words)
        assert isinstance(answer, bytes)
        parser = Parser()
        parser.feed(answer)
        reply = parser.get()
        assert reply is not None
        self.assertEqual(parser.rest, b"")
        return reply


class CommandTests(CommandTestCase):
    """COMMAND, without comparison to another server."""

    def test_count(self) -> None:
        """COUNT counts the commands without their subcommands."""
        self.assertEqual(self.run_command("COUNT"), Reply(":", len(self.table.commands)))

    def test_many_names(self) -> None:
        """A name that comes often is answered as often; what there is not is null, or left out."""
        for version in (2, 3):
            self.assertEqual(len(self.run_command("INFO", *["get", "nosuch"] * 1000, version=version).value), 2000)
            pairs = self.run_command("DOCS", *["get", "nosuch"] * 1000, version=version).value
            self.assertEqual(len(pairs), 2000 if version == 2 else 1000)

    def test_documentation_beyond_the_limit(self) -> None:
        """A reply stops being made where the session takes no more."""
        self.server.client.session.room = 1_000_000
        answer = self.server.ask("COMMAND", "DOCS", *["set"] * 100_000)
        assert isinstance(answer, bytes)
        self.assertIn(len(answer), range(900_000, 1_000_000))

    def test_list(self) -> None:
        """LIST names the subcommands, too."""
        names = texts(self.run_command("LIST"))
        self.assertEqual(names, [entry.name for entry in self.table.flattened()])
        self.assertIn("client|list", names)

    def test_list_filters(self) -> None:
        """FILTERBY takes a pattern, a category, in any case, or a module, of which there are none."""
        self.assertEqual(texts(self.run_command("LIST", "filterby", "Pattern", "GETR*")), ["getrange"])
        transactions = ["multi", "exec", "discard", "watch", "unwatch"]
        self.assertEqual(texts(self.run_command("LIST", "FILTERBY", "ACLCAT", "TRANSACTION")), transactions)
        self.assertEqual(texts(self.run_command("LIST", "FILTERBY", "ACLCAT", "no-such")), [])
        self.assertEqual(texts(self.run_command("LIST", "FILTERBY", "MODULE", "json")), [])

    def test_list_syntax(self) -> None:
        """Any other filter is a syntax error."""
        for words in (["X"], ["FILTERBY", "PATTERN"], ["FILTERBY", "NAME", "x"], ["FILTERBY", "PATTERN", "x", "y"]):
            self.assertEqual(self.run_command("LIST", *words), Reply("-", b"ERR syntax error"))

    def test_unknown_names(self) -> None:
        """INFO answers a null for a name it does not know, DOCS leaves it out."""
        for version, null in ((2, Reply("$", None)), (3, Reply("_", None))):
            reply = self.run_command("INFO", "nothing", "GET", version=version)
            self.assertEqual((reply.value[0], reply.value[1].value[0]), (null, Reply("$", b"get")))
        reply = self.run_command("DOCS", "nothing", "GET", "Client|ID")
        self.assertEqual([name.value for name, _ in reply.value], [b"get", b"client|id"])

    def test_all(self) -> None:
        """COMMAND, and INFO and DOCS without names, tell about all commands."""
        self.assertEqual(self.run_command(), self.run_command("INFO"))
        names = [entry.name.encode() for entry in self.table.commands]
        self.assertEqual([entry.value[0].value for entry in self.run_command().value], names)
        self.assertEqual([name.value for name, _ in self.run_command("DOCS").value], names)

    def test_help(self) -> None:
        """HELP is an array of lines, the subcommands among them."""
        lines = [line.value for line in self.run_command("HELP").value]
        for entry in self.table.by_name["command"].subcommands:
            word = entry.name.partition("|")[2].upper().encode()
            self.assertTrue(any(line.split()[0] == word for line in lines), word)


class OracleTests(CommandTestCase):
    """COMMAND compared with redis-server 7.0, and with Valkey for newer commands."""

    def setUp(self) -> None:
        super().setUp()
        self.redis = servers.redis_server()
        self.addCleanup(self.redis.stop)

    def theirs(self, *words: str | bytes, version: int = 3, server: servers.Server | None = None) -> Reply:
        """The reply of the other server."""
        conversation = WirePeer(server or self.redis).open()
        try:
            ask(conversation, "HELLO", version)
            return ask(conversation, "COMMAND", *words)
        finally:
            conversation.close()

    def test_info(self) -> None:
        """COMMAND INFO agrees in every field but the words of the notes: name, arity, flags, keys, categories, tips,
        key specs, subcommands, in RESP2 and RESP3."""
        for version in (2, 3):
            ours = {entry.value[0].value: entry for entry in self.run_command("INFO", version=version).value}
            reply = self.theirs("INFO", *ours, version=version)
            for name, one in zip(ours, reply.value, strict=True):
                if one.value is None:
                    self.assertIn(name.decode(), self.newer())
                else:
                    self.compare_info(ours[name], one)

    def compare_info(self, ours: Reply, theirs: Reply) -> None:
        """One entry of COMMAND INFO."""
        name = ours.value[0].value
        self.assertEqual((ours.kind, len(ours.value)), (theirs.kind, len(theirs.value)), name)
        if name in LONGER:
            self.assertEqual(ours.value[1].value, -theirs.value[1].value, name)
        else:
            self.assertEqual(ours.value[1], theirs.value[1], name)
        if name not in BLOCKING_NOW:
            self.assertEqual(ours.value[2:8], theirs.value[2:8], name)
        self.assertEqual(without_notes(ours.value[8]), without_notes(theirs.value[8]), name)
        self.assertEqual(ours.value[9].kind, theirs.value[9].kind, name)
        subcommands = {sub.value[0].value: sub for sub in theirs.value[9].value}
        for sub in ours.value[9].value:
            full_name = sub.value[0].value
            if full_name in subcommands:  # or it is newer than 7.0
                self.compare_info(sub, subcommands[full_name])
            else:
                self.assertGreaterEqual(self.table.by_name[full_name.decode()].since, "7.2.0")

    def test_docs(self) -> None:
        """COMMAND DOCS agrees in version, group and arguments; the sentences are our own."""
        for version in (2, 3):
            names = [entry.name for entry in self.table.flattened()]
            ours = by_name(self.run_command("DOCS", *names, version=version))
            theirs = by_name(self.theirs("DOCS", *names, version=version))
            for name in theirs:
                self.compare_docs(name, ours[name], theirs[name])
            self.assertEqual(self.newer(), set(ours) - set(theirs))

    def newer(self) -> set[str]:
        """The commands that Redis 7.0 does not have."""
        return {entry.name for entry in self.table.flattened() if entry.since >= "7.2"}

    def compare_docs(self, name: str, ours: Reply, theirs: Reply) -> None:
        """One entry of COMMAND DOCS."""
        self.assertEqual(ours.kind, theirs.kind, name)
        mine, other = by_name(ours), by_name(theirs)
        other.pop("history", None)
        self.assertEqual(list(mine), list(other), name)
        for field, value in other.items():
            self.assertEqual(mine[field].kind, value.kind, (name, field))
            if field == "arguments" and name not in OTHER_ARGUMENTS:
                taken = arguments(mine[field], newest=b"7.0.99")
                self.assertEqual(taken[: -1 if name.encode() in LONGER else None], arguments(value), name)
            elif field not in ("summary", "complexity", "subcommands", "arguments"):
                self.assertEqual(mine[field], value, (name, field))

    def test_keys(self) -> None:
        """GETKEYS and GETKEYSANDFLAGS find the same keys, and refuse in the same words."""
        for line in (
            "GET k",
            "set k v",
            "SET k v GET",
            "SET k v EX 10 gEt",
            "MSET a 1 b 2",
            "MSET a 1 b",
            "MGET a b c",
            "BITOP AND d a b",
            "BITOP AND d",
            "LCS a b LEN",
            "COPY a b DB 1",
            "RENAME a b",
            "PFMERGE d",
            "PFMERGE d a b",
            "PFCOUNT a b",
            "DEL a b",
            "WATCH a b",
            "OBJECT ENCODING k",
            "OBJECT HELP",
            "OBJECT nothing k",
            "MEMORY USAGE k SAMPLES 5",
            "BITFIELD k",
            "BITFIELD k GET u8 0",
            "BITFIELD k OVERFLOW SAT",
            "BITFIELD k GET u8 0 SET u8 0 1",
            "BITFIELD k nonsense",
            "BITFIELD_RO k GET u8 0",
            "HSET h f v g w",
            "HRANDFIELD h 2 WITHVALUES",
            "RPUSH a b c",
            "LMOVE a b LEFT RIGHT",
            "LMPOP 2 a b LEFT COUNT 2",
            "LMPOP 3 a b LEFT",
            "SMOVE a b m",
            "SINTERCARD 2 a b LIMIT 1",
            "SINTERCARD x a b",
            "SUNIONSTORE d a b",
            "ZADD z GT 1 m",
            "ZMPOP 2 a b MIN",
            "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
            "ZINTER 2 a b",
            "SORT a BY w_* GET o_* STORE d",
            "SORT_RO a BY nosort",
            "ZRANGESTORE d s 0 -1 REV",
            "GEOADD g 1 2 m",
            "GEORADIUS g 1 2 3 m STORE d",
            "GEORADIUS g 1 2 3 m STOREDIST d ASC",
            "GEORADIUS_RO g 1 2 3 m",
            "GEORADIUSBYMEMBER g m 3 km COUNT 1 STORE d",
            "GEOSEARCH g FROMMEMBER m BYRADIUS 1 m",
            "GEOSEARCHSTORE d g FROMMEMBER m BYRADIUS 1 m",
            "PING x",
            "CLIENT LIST",
            "GET a b",
            "SET a",
            "nothing k",
            "client|list x",
            "SPUBLISH c m",
            "SSUBSCRIBE c",
            "PUBLISH c m",
        ):
            for word in ("GETKEYS", "GETKEYSANDFLAGS"):
                for version in (2, 3):
                    words = [word, *line.split()]
                    ours, theirs = self.run_command(*words, version=version), self.theirs(*words, version=version)
                    self.assertEqual(ours, theirs, words)

    def test_newer(self) -> None:
        """Commands that Redis 7.0 does not have are as Valkey's, except those that only Redis 8 has."""
        valkey = servers.valkey_server()
        self.addCleanup(valkey.stop)
        names = sorted(self.newer() - ONLY_OF_REDIS)
        ours = self.run_command("INFO", *names, version=2)
        theirs = self.theirs("INFO", *names, version=2, server=valkey)
        self.assertEqual(ours, theirs)
        names = [*(name for name in names if self.table.by_name[name].arguments), "set"]
        mine, other = (
            {name: arguments(by_name(entry)["arguments"]) for name, entry in by_name(reply).items()}
            for reply in (self.run_command("DOCS", *names), self.theirs("DOCS", *names, server=valkey))
        )
        conditions = next(one for one in mine["set"] if one["name"].value == b"condition")
        conditions["arguments"] = [one for one in conditions["arguments"] if one["since"].value != b"8.4.0"]
        self.assertEqual(mine, other)


def texts(reply: Reply) -> list[str]:
    """The bulk strings of an array."""
    return [word.value.decode() for word in reply.value]


def pairs(reply: Reply) -> Iterable[tuple[Reply, Reply]]:
    """The pairs of a map, or of the flat array that stands for it in RESP2."""
    if reply.kind == "%":
        return list(reply.value)
    return list(zip(reply.value[::2], reply.value[1::2], strict=True))


def by_name(reply: Reply) -> dict[str, Reply]:
    """A map as a dictionary."""
    return {name.value.decode(): value for name, value in pairs(reply)}


def without_notes(specs: Reply) -> list[dict[str, Reply]]:
    """Key specs without their notes."""
    return [{name: value for name, value in by_name(spec).items() if name != "notes"} for spec in specs.value]


def arguments(reply: Reply, newest: bytes = b"99") -> list[dict[str, Any]]:
    """A list of arguments without `display_text`, which Redis 7.0 does not have, without sentences, and without those
    that came with a version after `newest`."""
    found: list[dict[str, Any]] = []
    for one in reply.value:
        fields: dict[str, Any] = by_name(one)
        if "arguments" in fields:
            fields["arguments"] = arguments(fields["arguments"], newest)
        if fields["type"].value == b"integer":
            fields.pop("key_spec_index", None)  # Valkey has one for the number of fields in HSETEX
        if "since" in fields and fields["since"].value > newest:
            continue
        found.append({name: value for name, value in fields.items() if name not in ("display_text", "summary")})
    return found
