"""The scripts run in this process: reads are cut exactly, and the store is checked after each script."""

from __future__ import annotations

import random

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .hashes import HASHES, LARGE_HASHES
from .inprocess import InProcessPeer
from .peers import ask, encode
from .profiles import examples
from .replies import Reply
from .scripts import EVERYTHING, Script, any_of, cut, scripts, stream
from .sorted_sets import LARGE_SORTED_SETS, SORTED_SETS
from .strings import LARGE
from .test_protocol import MALFORMED, PING


class InProcessTests(SynchronousTestCase):
    """Protocol, control plane and core in this process."""

    def setUp(self) -> None:
        self.theirs = sides.oracle()
        self.ours = InProcessPeer()
        self.addCleanup(self.ours.close)

    @examples(200)
    @given(scripts(EVERYTHING, most=60))
    def test_same_replies(self, script: Script) -> None:
        """Every reply is redis-server's, and afterwards the arena violates none of its invariants."""
        found = sides.differing(script, self.theirs, self.ours, sides.known())
        self.assertFalse(found, sides.explain(script, found))
        self.assertEqual(self.ours.store.check(), (0, ""), sides.explain(script, []))

    @examples(100)
    @given(scripts(any_of(LARGE), most=30))
    def test_large_values(self, script: Script) -> None:
        """Values in many pieces: every command that reads or changes a part of them."""
        found = sides.differing(script, self.theirs, self.ours, sides.known())
        self.assertFalse(found, sides.explain(script, found)[:4000])
        self.assertEqual(self.ours.store.check(), (0, ""))

    @examples(60)
    @given(scripts(any_of(LARGE_SORTED_SETS, LARGE_SORTED_SETS, SORTED_SETS), most=30))
    def test_large_sorted_sets(self, script: Script) -> None:
        """Sorted sets that change their form while they grow and shrink."""
        found = sides.differing(script, self.theirs, self.ours, sides.known())
        self.assertFalse(found, sides.explain(script, found)[:4000])
        self.assertEqual(self.ours.store.check(), (0, ""))

    @examples(60)
    @given(scripts(any_of(LARGE_HASHES, LARGE_HASHES, HASHES), most=30))
    def test_large_hashes(self, script: Script) -> None:
        """Hashes that change their form while they grow and shrink."""
        found = sides.differing(script, self.theirs, self.ours, sides.known())
        self.assertFalse(found, sides.explain(script, found)[:4000])
        self.assertEqual(self.ours.store.check(), (0, ""))

    @examples(100)
    @given(scripts(EVERYTHING))
    def test_byte_by_byte(self, script: Script) -> None:
        """The replies to a stream are the same when each byte arrives alone, however deep the pipeline is."""
        commands = [argv for argv in script.commands if argv[0].lower() in STEADY]
        data = stream(commands, random.Random(script.seed))
        self.assertEqual(self.replies([data], len(commands)), self.replies([bytes([c]) for c in data], len(commands)))

    def replies(self, pieces: list[bytes], count: int) -> list[Reply]:
        """The replies of the emptied store."""
        client = self.ours.open()
        ask(client, "FLUSHALL")
        try:
            return client.exchange(pieces, count)
        finally:
            client.close()

    def test_malformed(self) -> None:
        """Malformed streams end in the same words however they are cut."""
        chance = random.Random(1)
        for data in MALFORMED:
            said = []
            for pieces in (
                [PING + data],
                cut(PING + data, chance),
                [PING, *([data[i : i + 1] for i in range(len(data))])],
            ):
                client = self.ours.open()
                said.append(client.last_words(pieces))
                client.close()
            self.assertEqual(said[1:], said[:1] * 2, f"{data[:60]!r}")

    def test_deep_pipeline(self) -> None:
        """Fifty thousand commands in one piece are answered in order."""
        client = self.ours.open()
        count = 50000
        data = b"".join(encode([b"ECHO", b"%d" % n]) for n in range(count))
        self.assertEqual(client.exchange([data], count), [Reply("$", b"%d" % n) for n in range(count)])
        client.close()


# Commands whose replies depend on what was sent before and on nothing else.
STEADY = {
    name.encode()
    for name in [
        "set",
        "get",
        "getset",
        "getdel",
        "getex",
        "setex",
        "setnx",
        "mset",
        "msetnx",
        "mget",
        "append",
        "strlen",
        "getrange",
        "substr",
        "setrange",
        "incr",
        "decr",
        "incrby",
        "decrby",
        "incrbyfloat",
        "lcs",
        "hset",
        "hsetnx",
        "hget",
        "hmget",
        "hgetall",
        "hdel",
        "hincrby",
        "hincrbyfloat",
        "getbit",
        "setbit",
        "bitcount",
        "bitpos",
        "bitop",
        "bitfield",
        "bitfield_ro",
        "pfadd",
        "pfcount",
        "pfmerge",
        "del",
        "unlink",
        "exists",
        "touch",
        "type",
        "rename",
        "renamenx",
        "copy",
        "move",
        "persist",
        "multi",
        "exec",
        "discard",
        "watch",
        "unwatch",
        "ping",
        "echo",
        "select",
    ]
}
