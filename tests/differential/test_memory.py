"""A full store: what is refused leaves every key as it was, and what is not refused is right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine import POLICIES, min_memory

from . import sides
from . import words as w
from .compare import Transcript
from .inprocess import InProcessPeer
from .keyspace import KEYSPACE
from .peers import Conversation, ask, encode
from .profiles import examples
from .replies import Reply
from .scripts import Argv, any_of
from .strings import BITMAPS, HYPERLOGLOGS, LARGE, LARGE_HLL, STRINGS
from .words import Args

OOM = Reply("-", b"OOM command not allowed when used memory > 'maxmemory'.")
SHARDS = 4
SNAPSHOT = [
    [b"MGET", *w.KEYS],
    *([b"PEXPIRETIME", key] for key in w.KEYS),
    *([b"OBJECT", b"ENCODING", key] for key in w.KEYS),
]
SNAPSHOT_BYTES = b"".join(map(encode, SNAPSHOT))

# Not sent: what leaves the database, since the snapshot is of one, and what is answered at random.
_ELSEWHERE = (b"select", b"swapdb", b"move", b"randomkey", b"restore", b"object")


def here(*groups: tuple[Args, ...]) -> st.SearchStrategy[list[Argv]]:
    """Lists of commands that stay in the database."""
    return st.lists(any_of(*groups).filter(lambda argv: argv[0].lower() not in _ELSEWHERE), min_size=10, max_size=60)


# HyperLogLogs are kept from what could damage them: a damaged one may be stored in another form by each server.
COMMANDS = st.one_of(
    here(tuple(one for one in LARGE if one not in LARGE_HLL), LARGE[:8], STRINGS, BITMAPS, KEYSPACE),
    here(HYPERLOGLOGS, HYPERLOGLOGS, STRINGS[:8], KEYSPACE),
)


class FullTests(SynchronousTestCase):
    """A store that is too small for what is asked of it, without eviction."""

    def setUp(self) -> None:
        self.theirs = sides.oracle().open()
        self.addCleanup(self.theirs.close)
        size = min_memory(SHARDS)
        self.peer = InProcessPeer(max_memory=size, map_size=size, num_shards=SHARDS)
        self.addCleanup(self.peer.close)
        self.ours = self.peer.open()
        self.addCleanup(self.ours.close)
        self.refused = 0

    def fill(self, room: int) -> None:
        """Leave about `room` bytes free: the rest is taken by a key in a database that no command looks at."""
        ask(self.ours, "SELECT", "5")
        size = self.peer.store.max_memory - self.peer.store.committed_memory - room
        ask(self.ours, "SET", "filler", b"x" * max(0, size))
        ask(self.ours, "SELECT", "0")

    def snapshot(self, client: Conversation) -> list[Reply]:
        """Values, expiries and encodings of all keys."""
        return client.exchange([SNAPSHOT_BYTES], len(SNAPSHOT))

    @examples(150)
    @given(COMMANDS, st.sampled_from([0, 70_000, 140_000, 300_000]))
    def test_refused_commands_change_nothing(self, commands: list[Argv], room: int) -> None:
        """A command that ends in OOM is one that was never sent; all others are answered as by redis-server."""
        for client in (self.theirs, self.ours):
            ask(client, "FLUSHALL")
        self.fill(room)
        transcript = Transcript(sides.known())
        for argv in commands:
            ours = ask(self.ours, *argv)
            if ours == OOM:
                self.refused += 1
                both = [*zip(SNAPSHOT, self.snapshot(self.theirs), self.snapshot(self.ours), strict=True)]
            else:
                both = [(argv, ask(self.theirs, *argv), ours)]
            for question, theirs, answer in both:
                text = transcript.check(question, theirs, answer)
                self.assertFalse(text, f"after {[a[:2] for a in commands]}, {argv[:3]!r:.200}: {text[:1000]}")
        self.assertEqual(self.peer.store.check(), (0, ""))

    def test_the_store_is_small_enough(self) -> None:
        """Large values are refused at some point, and everything can be written again after a flush."""
        for n in range(200):
            if ask(self.ours, "SET", f"k{n}", "x" * 100_000) == OOM:
                break
        # Another key may have room yet, left over in its shard's part of the memory.
        self.assertEqual(ask(self.ours, "SET", f"k{n}", "x" * 100_000), OOM)
        self.assertEqual(ask(self.ours, "GET", "k0"), Reply("$", b"x" * 100_000))
        self.assertEqual(ask(self.ours, "FLUSHALL"), Reply("+", b"OK"))
        for i in range(n):
            self.assertEqual(ask(self.ours, "SET", f"k{i}", "x" * 100_000), Reply("+", b"OK"))

    def test_oom_in_a_transaction(self) -> None:
        """A command that is refused when it is queued ends the transaction, of which nothing is executed."""
        big = "x" * 100_000
        ask(self.ours, "SET", "b", "0")
        while ask(self.ours, "APPEND", "k", big) != OOM:
            pass
        ask(self.ours, "MULTI")
        self.assertEqual(ask(self.ours, "SET", "a", big * 20), OOM)
        self.assertEqual(ask(self.ours, "SET", "b", "1"), Reply("+", b"QUEUED"))
        self.assertEqual(
            ask(self.ours, "EXEC"), Reply("-", b"EXECABORT Transaction discarded because of previous errors.")
        )
        self.assertEqual(ask(self.ours, "GET", "b"), Reply("$", b"0"))
        # Commands that only look like growth are queued: a read of bits, an increment, and invalid offsets.
        ask(self.ours, "FLUSHALL")
        ask(self.ours, "MULTI")
        for line in (
            "BITFIELD k GET u8 4294967288",
            "BITFIELD k GET u8 #500000000 INCRBY u8 0 2147483647",
            "BITFIELD k SET u8 4294967296 1",
            "SETBIT k 4294967296 1",
            "SETRANGE k 536870912 x",
        ):
            self.assertEqual(ask(self.ours, *line.split()), Reply("+", b"QUEUED"), line)
        self.assertEqual(ask(self.ours, "BITFIELD", "k", "SET", "u8", "#500000000", "1"), OOM)
        ask(self.ours, "DISCARD")


class EvictionTests(SynchronousTestCase):
    """A full store that evicts."""

    def setUp(self) -> None:
        self.theirs = sides.oracle().open()
        self.addCleanup(self.theirs.close)

    def reconciled(self, ours: list[Reply]) -> list[Reply]:
        """The other side's snapshot after it has deleted what was evicted here."""
        gone = [key for key, value in zip(w.KEYS, ours[0].value, strict=True) if value.value is None]
        if gone:
            ask(self.theirs, "DEL", *gone)
        return self.theirs.exchange([SNAPSHOT_BYTES], len(SNAPSHOT))

    @examples(250)
    @given(
        st.sampled_from(POLICIES),
        COMMANDS,
        st.sampled_from([0, 70_000, 140_000, 300_000]),
    )
    def test_what_is_left_is_right(self, policy: str, commands: list[Argv], room: int) -> None:
        """Whatever was evicted, every key that is left has the value, the expiry and the encoding it should have."""
        size = min_memory(SHARDS)
        peer = InProcessPeer(max_memory=size, map_size=size, num_shards=SHARDS, policy=policy)
        client = peer.open()
        try:
            ask(client, "SELECT", "5")
            for n in range(max(0, size - peer.store.committed_memory - room) // 5000):
                ask(client, "SET", f"filler:{n}", "x" * 5000, *(["EX", "1000"] if n % 2 else []))
            ask(client, "SELECT", "0")
            ask(self.theirs, "FLUSHALL")
            transcript = Transcript(sides.known())
            for argv in commands:
                answer = ask(client, *argv)
                if answer != OOM:
                    text = transcript.check(argv, ask(self.theirs, *argv), answer)
                    self.assertFalse(text, f"{policy}, {argv[:3]!r:.200}: {text[:1000]}")
                snapshot = client.exchange([SNAPSHOT_BYTES], len(SNAPSHOT))
                for question, theirs, ours in zip(SNAPSHOT, self.reconciled(snapshot), snapshot, strict=True):
                    text = transcript.check(question, theirs, ours)
                    self.assertFalse(text, f"{policy}, after {argv[:3]!r:.200}: {text[:1000]}")
                self.assertLessEqual(peer.store.used_memory, size)
            self.assertEqual(peer.store.check(), (0, ""))
        finally:
            client.close()
            peer.close()
