"""Two clients of one server, their commands interleaved: transactions, WATCH, and what each sees of the other."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.servers import until

from . import sides
from . import words as w
from .compare import Transcript
from .peers import Conversation, Peer, ask, encode
from .profiles import examples
from .replies import Reply
from .scripts import Argv
from .words import command, few_keys, pick

Turn = tuple[int, Argv]

db = pick("0", "0", "1")
watched = st.lists(few_keys, min_size=1, max_size=3)
# Everything that can change a watched key, and much that looks as if it did.
CHANGES = st.one_of(
    command("SET", few_keys, w.small),
    command("SET", few_keys, w.small, w.words("NX")),
    command("DEL", watched),
    command("UNLINK", watched),
    command("EXPIRE", few_keys, pick("100000", "-1", "0")),
    command("PEXPIREAT", few_keys, pick("1", "4000000000000")),
    command("PERSIST", few_keys),
    command("GETDEL", few_keys),
    command("GETEX", few_keys, w.optional("PERSIST", "EX 100000")),
    command("GETSET", few_keys, w.small),
    command("APPEND", few_keys, pick("", "x")),
    command("SETRANGE", few_keys, pick("0"), pick("", "x")),
    command("SETBIT", few_keys, pick("7"), pick("0", "1")),
    command("INCR", few_keys),
    command("INCRBY", few_keys, pick("0", "1")),
    command("MSET", w.many(few_keys, w.small)),
    command("MSETNX", w.many(few_keys, w.small)),
    command("RENAME", few_keys, few_keys),
    command("COPY", few_keys, few_keys, w.optional("REPLACE", "DB 1")),
    command("MOVE", few_keys, db),
    command("SWAPDB", db, db),
    command("SELECT", db),
    command("FLUSHDB"),
    command("FLUSHALL"),
    command("PFADD", few_keys, st.just([b"a"])),
    command("BITOP", pick("AND"), few_keys, watched),
    command("BITFIELD", few_keys, w.words("GET u8 0")),
    command("BITFIELD", few_keys, w.words("SET u8 0 0")),
    command("GET", few_keys),
    command("TOUCH", watched),
    command("STRLEN", few_keys),
)
CONTROL = st.one_of(
    command("WATCH", watched),
    command("WATCH", watched),
    command("UNWATCH"),
    command("MULTI"),
    command("MULTI"),
    command("EXEC"),
    command("EXEC"),
    command("DISCARD"),
    command("NOSUCH"),
    command("RESET"),
)


@st.composite
def stories(draw: st.DrawFn) -> list[Turn]:
    """Turns of two clients. One story in two is built around a watch, which chance alone would seldom complete."""
    turn = st.tuples(st.integers(0, 1), st.one_of(CHANGES, CHANGES, CONTROL))
    if draw(st.booleans()):
        return draw(st.lists(turn, min_size=1, max_size=20))
    before = draw(st.lists(st.tuples(st.integers(0, 1), CHANGES), max_size=3))
    between = draw(st.lists(st.tuples(st.sampled_from([1, 1, 1, 0]), CHANGES), min_size=1, max_size=3))
    queued = draw(st.lists(st.tuples(st.sampled_from([0, 0, 1]), CHANGES), max_size=3))
    ends: list[Turn] = [(0, [b"EXEC"]), (1, [b"MGET", *w.KEYS[:3]])]
    return [*before, (0, [b"WATCH", *draw(watched)]), *between, (0, [b"MULTI"]), *queued, *ends]


def play(peer: Peer, turns: Sequence[Turn]) -> list[Reply]:
    """The replies to the turns, on an emptied server."""
    clients = [peer.open(), peer.open()]
    try:
        ask(clients[0], "FLUSHALL")
        return [clients[who].exchange([encode(argv)], 1)[0] for who, argv in turns]
    finally:
        for client in clients:
            client.close()


class InterleavedTests(SynchronousTestCase):
    """Both servers get the same turns."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.oracle(), sides.ours()

    @examples(400)
    @given(stories())
    def test_turns(self, turns: list[Turn]) -> None:
        """Each client gets the same replies, turn by turn."""
        transcripts = [Transcript(sides.known()), Transcript(sides.known())]
        both = zip(turns, play(self.theirs, turns), play(self.ours, turns), strict=True)
        for n, ((who, argv), theirs, ours) in enumerate(both):
            text = transcripts[who].check(argv, theirs, ours)
            told = "\n".join(f"  client {c}: {a!r}" for c, a in turns[: n + 1])
            self.assertFalse(text, f"\n{text}\n{told}")
            if text == "" and theirs.kind != ours.kind:
                return  # a documented difference, after which the two may go different ways


class WatchTests(SynchronousTestCase):
    """Changes of a watched key that depend on time or on a second database."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.oracle(), sides.ours()

    def outcome(self, peer: Peer, before: Sequence[str], change: Sequence[str], gone: str = "") -> Reply:
        """EXEC's reply: client 0 runs `before` (a WATCH in it), client 1 the change; `gone` names a key to wait for."""
        one, two = peer.open(), peer.open()
        try:
            ask(one, "FLUSHALL")
            for text in before:
                ask(one, *text.split())
            for text in change:
                ask(two, *text.split())
            if gone:
                self.wait_until_gone(two, gone)
            ask(one, "MULTI")
            ask(one, "PING")
            return ask(one, "EXEC")
        finally:
            one.close()
            two.close()

    def wait_until_gone(self, client: Conversation, key: str) -> None:
        """Return when the key has expired."""
        until(lambda: ask(client, "PTTL", key).value < 0, 10, f"{key} expires")

    def same(self, before: Sequence[str], change: Sequence[str], gone: str = "", aborted: bool = False) -> None:
        """Both servers decide alike, and as expected."""
        theirs = self.outcome(self.theirs, before, change, gone)
        ours = self.outcome(self.ours, before, change, gone)
        self.assertEqual(theirs, ours)
        self.assertEqual(theirs.value is None, aborted)

    def test_untouched(self) -> None:
        """Nothing happened: EXEC runs."""
        self.same(["SET k v", "WATCH k"], ["GET k"])

    def test_what_changes_nothing(self) -> None:
        """A command that leaves the bytes and the expiry as they are aborts where it does in Redis, and nowhere else."""
        number, word, hll = "SET k 1", "SET k abc", "PFADD k x"
        for before, change in (
            *((number, f"SETBIT k {bit}") for bit in ("0 0", "2 1", "3 1", "100 0")),
            *((word, f"BITFIELD k {field}") for field in ("SET u8 0 97", "SET u8 0 98", "GET u8 0", "INCRBY u8 0 0")),
            *((word, f"BITFIELD k {field}") for field in ("OVERFLOW FAIL INCRBY u8 0 255", "SET u8 100 0")),
            *(
                (number, change)
                for change in ("INCRBY k 0", "DECRBY k 0", "INCRBYFLOAT k 0", "INCRBY k x", "GETSET k 1")
            ),
            *((number, f"SET k 1 {option}".strip()) for option in ("", "NX", "XX", "GET", "KEEPTTL")),
            *(
                (number, change)
                for change in ("GETEX k", "GETEX k PERSIST", "PERSIST k", "EXPIRE k 100 XX", "SETNX k 2")
            ),
            *((number, change) for change in ("RENAME k k", "RENAMENX k k", "COPY k k", "MSETNX k 1 c 2", "TOUCH k")),
            *((number, change) for change in ("SETRANGE k 0 1", "BITOP AND k k", "MOVE k 0", "SWAPDB 0 0", "DUMP k")),
            *((hll, change) for change in ("PFADD k x", "PFADD k y", "PFMERGE k", "PFCOUNT k", "PFCOUNT k other")),
        ):
            with self.subTest(before=before, change=change):
                theirs = self.outcome(self.theirs, [before, "WATCH k"], [change])
                self.assertEqual(theirs, self.outcome(self.ours, [before, "WATCH k"], [change]))

    def test_set_to_the_same_value(self) -> None:
        """A SET counts even when the value is the same."""
        self.same(["SET k v", "WATCH k"], ["SET k v"], aborted=True)

    def test_expiry_while_watched(self) -> None:
        """A key that expires between WATCH and EXEC has changed."""
        self.same(["SET k v PX 400", "WATCH k"], [], gone="k", aborted=True)

    def test_expiry_that_nobody_saw(self) -> None:
        """The comparison when no command has met the expired key before EXEC."""
        self.same(["SET k v PX 400", "SET later v PX 401", "WATCH k"], [], gone="later", aborted=True)

    def test_expired_before(self) -> None:
        """A key that was past its time when WATCH came, and is only removed afterwards, has not changed."""
        answers = []
        for peer in (self.theirs, self.ours):
            one, two = peer.open(), peer.open()
            for text in ("FLUSHALL", "SET k v PX 1", "SET later v PX 30"):
                ask(one, *text.split())
            self.wait_until_gone(two, "later")
            ask(one, "WATCH", "k")
            ask(two, "GET", "k")
            ask(one, "MULTI")
            answers.append((ask(one, "PING"), ask(one, "EXEC")))
            one.close()
            two.close()
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[1][1], Reply("*", (Reply("+", b"PONG"),)))

    def test_deleted_and_made_again(self) -> None:
        """A key deleted and set again is another key."""
        self.same(["SET k v", "WATCH k"], ["DEL k", "SET k v"], aborted=True)

    def test_absent_stays_absent(self) -> None:
        """Deleting or flushing what is not there changes nothing."""
        self.same(["WATCH k"], ["DEL k", "FLUSHDB", "FLUSHALL"])

    def test_flushes(self) -> None:
        """FLUSHDB and FLUSHALL change the keys that exist."""
        self.same(["SET k v", "WATCH k"], ["FLUSHDB"], aborted=True)
        self.same(["SET k v", "WATCH k"], ["FLUSHALL"], aborted=True)
        self.same(["SET k v", "WATCH k"], ["SELECT 1", "FLUSHDB"])

    def test_swapped_databases(self) -> None:
        """SWAPDB changes a watched key when it exists on either side."""
        self.same(["SET k v", "WATCH k"], ["SWAPDB 0 1"], aborted=True)
        self.same(["SELECT 1", "SET k v", "SELECT 0", "WATCH k"], ["SWAPDB 0 1"], aborted=True)
        self.same(["WATCH k"], ["SWAPDB 0 1"])
        self.same(["SET k v", "WATCH k"], ["SWAPDB 1 2"])
        self.same(["WATCH k"], ["SET k v", "SWAPDB 0 1"], aborted=True)
        self.same(["WATCH k"], ["SET k v", "DEL k", "SWAPDB 0 1"], aborted=True)

    def test_another_database(self) -> None:
        """A key of the same name in another database is another key."""
        self.same(["SET k v", "WATCH k"], ["SELECT 1", "SET k v"])

    def test_given_up(self) -> None:
        """UNWATCH, DISCARD and an EXEC end the watch."""
        self.same(["SET k v", "WATCH k", "SET k w", "UNWATCH"], [])
        self.same(["SET k v", "WATCH k", "MULTI", "DISCARD"], ["SET k w"])
        self.same(["SET k v", "WATCH k", "MULTI", "EXEC"], ["SET k w"])

    def test_a_watch_of_many_keys(self) -> None:
        """One of two hundred keys changed."""
        names = " ".join(f"k{n}" for n in range(200))
        self.same([f"WATCH {names}"], ["SET k150 v"], aborted=True)
        self.same([f"WATCH {names}", f"WATCH {names}"], ["SET k200 v"])
