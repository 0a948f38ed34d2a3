"""The answers in tests/core/keyspecs.txt are Redis's, and a key that the core names is the one that Redis writes."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from redistill.control.command import key_spec
from redistill.engine.command_table import KeySpec, Search

from . import sides
from .peers import Conversation, ask
from .replies import Parser, Reply, as_pairs

KEYSPECS = runpy.run_path(str(Path(__file__).parents[1] / "core" / "keyspecs.py"))
VECTORS = KEYSPECS["vectors"]()
INVALID = b"ERR Invalid arguments specified for command"


def keys(reply: Reply) -> str:
    """A reply to COMMAND GETKEYSANDFLAGS in the words of keyspecs.txt."""
    if reply.kind == "-":
        return "-" if reply.value == INVALID else repr(reply.value)
    return ", ".join(
        " ".join([key.value.decode() or "''", *(flag.value.decode() for flag in flags.value)])
        for key, flags in (pair.value for pair in reply.value)
    )


def used(client: Conversation, words: list[str]) -> set[str] | None:
    """The keys that Redis uses: those that are there afterwards, or those in the reply. None: it refuses the call."""
    ask(client, "FLUSHALL")
    if words[0].lower() == "sort":
        ask(client, "RPUSH", words[1], "1")
    elif words[0].lower().startswith("geo"):
        ask(client, "GEOADD", words[1], 1, 2, "m")
    else:
        ask(client, "XADD", "a", "1-1", "f", "v")
        ask(client, "XGROUP", "CREATE", "a", "g", "0")
        ask(client, "XGROUP", "CREATE", "a", "streams", "0")
    reply = ask(client, *words)
    if reply.kind == "-":
        return None
    if words[0].lower().startswith("x"):
        return {pair.value[0].value.decode() for pair in reply.value or ()}
    return {key.value.decode() for key in ask(client, "KEYS", "*").value}


def described(spec: Any, version: int) -> dict[bytes, Reply]:
    """A key spec as COMMAND INFO shows it; `spec` is of core/command/index.py."""
    begin = {"INDEX": {"index": spec.begin}, "KEYWORD": {"keyword": spec.keyword, "startfrom": spec.begin}}
    find = {
        "RANGE": {"lastkey": spec.last, "keystep": spec.step, "limit": spec.limit},
        "KEYNUM": {"keynumidx": 0, "firstkey": 1, "keystep": spec.step},
    }
    steps = (
        Search(spec.begin_search.lower(), begin.get(spec.begin_search, {})),
        Search(spec.find_keys.lower(), find.get(spec.find_keys, {})),
    )
    parser = Parser()
    parser.feed(key_spec(KeySpec(tuple(flag for flag in spec.flags if flag != "instead"), None, *steps), version))
    reply = parser.get()
    assert reply is not None and not parser.rest
    return as_pairs(reply)


class KeySpecTests(SynchronousTestCase):
    """tests/core/keyspecs.txt, which the core's own test reads, too."""

    def setUp(self) -> None:
        self.client = sides.oracle().open()
        self.addCleanup(self.client.close)

    def test_redis_answers_so(self) -> None:
        """COMMAND GETKEYSANDFLAGS of redis-server answers what the file says that it does."""
        for words, _, theirs in VECTORS:
            self.assertEqual(keys(ask(self.client, "COMMAND", "GETKEYSANDFLAGS", *words)), theirs, words)

    def test_rows_are_those_of_redis(self) -> None:
        """First key, last key and step, `movablekeys` and the key specs of a row are what COMMAND INFO shows."""
        for version in (2, 3):
            ask(self.client, "HELLO", version)
            for row in KEYSPECS["rows"]():
                info = ask(self.client, "COMMAND", "INFO", row.name).value[0].value
                first, last, step, movable = row.triple()
                self.assertEqual([info[1].value], [row.arity], row.name)
                self.assertEqual([one.value for one in info[3:6]], [first, last, step], row.name)
                self.assertEqual(b"movablekeys" in [flag.value for flag in info[2].value], movable, row.name)
                specs = [as_pairs(spec) for spec in info[8].value]
                for spec in specs:
                    spec.pop(b"notes", None)
                self.assertEqual(specs, [described(spec, version) for spec in row.keys], row.name)

    def test_redis_uses_the_keys_that_the_core_names(self) -> None:
        """Where Redis executes a call, it uses the keys that the core names: all of them, and no other."""
        executed = 0
        for words, ours, theirs in VECTORS:
            if words[0].lower() not in ("sort", "georadius", "georadiusbymember", "xread", "xreadgroup"):
                continue
            found = used(self.client, words)
            if found is None:
                continue
            executed += 1
            named = {key.split(" ")[0].replace("''", "") for key in ours.split(", ")}
            if words[0].lower().startswith("x"):
                self.assertLessEqual(found, named, words)  # streams without news are not in the reply
            else:
                self.assertEqual(found, named, (words, theirs))
        self.assertGreater(executed, 40)
