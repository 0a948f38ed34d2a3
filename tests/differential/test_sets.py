"""What the generated scripts cannot compare: the names of encodings, and members that are chosen at random."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .peers import Conversation, ask
from .replies import Reply


def ints(count: int, first: int = 0) -> list[str]:
    """Members that are integers."""
    return [str(n) for n in range(first, first + count)]


def texts(count: int, first: int = 0) -> list[str]:
    """Members that are not."""
    return [f"m{n}" for n in range(first, first + count)]


STARTS: dict[str, list[str]] = {
    "few integers": ints(10),
    "127 integers": ints(127),
    "128 integers": ints(128),
    "512 integers": ints(512),
    "513 integers": ints(513),
    "few texts": texts(10),
    "128 texts": texts(128),
    "129 texts": texts(129),
    "300 texts": texts(300),
    "mixed": [*ints(100), "x"],
    "many mixed": [*ints(300), "x"],
    "long": ["x" * 65, "y"],
    "nearly long": ["x" * 64, "y"],
}
CHANGES: tuple[tuple[str, ...], ...] = (
    ("SADD", "a", "1"),
    ("SADD", "a", "1000"),
    ("SADD", "a", "x"),
    ("SADD", "a", "y" * 64),
    ("SADD", "a", "y" * 65),
    ("SADD", "a", *ints(200)),
    ("SADD", "a", *(["1"] * 513)),
    ("SADD", "a", *(["1"] * 129)),
    ("SREM", "a", *ints(400), *texts(400)),
    ("SPOP", "a", "0"),
    ("SUNIONSTORE", "a", "a"),
    ("SUNIONSTORE", "a", "a", "b"),
    ("SUNIONSTORE", "a", "b"),
    ("SINTERSTORE", "a", "a", "b"),
    ("SINTERSTORE", "a", "b"),
    ("SDIFFSTORE", "a", "a", "b"),
    ("SDIFFSTORE", "a", "a", "b", "b", "b"),
    ("SDIFFSTORE", "a", "a", "c", "c", "c", "c"),
    ("SMOVE", "b", "a", "m0"),
    ("SMOVE", "b", "a", "0"),
)


def members(client: Conversation, key: str) -> list[bytes]:
    """The members of a set, sorted."""
    return sorted(item.value for item in ask(client, "SMEMBERS", key).value)


class EncodingTests(SynchronousTestCase):
    """OBJECT ENCODING shows what Valkey 9, which has 7.2's encodings of sets, shows."""

    def setUp(self) -> None:
        self.clients = [sides.newer_oracle().open(), sides.ours().open()]
        for client in self.clients:
            self.addCleanup(client.close)

    def both(self, *argv: str | int) -> Reply:
        """The reply of both to a command, which is the same."""
        theirs, ours = (ask(client, *argv) for client in self.clients)
        self.assertEqual(theirs, ours, argv[:5])
        return ours

    def start(self, sets: Iterable[tuple[str, list[str]]]) -> None:
        """Make sets, member by member."""
        self.both("FLUSHALL")
        for key, texts_ in sets:
            for text in texts_:
                self.both("SADD", key, text)
            self.both("OBJECT", "ENCODING", key)

    def test_at_once(self) -> None:
        """A set that one SADD makes."""
        for texts_ in STARTS.values():
            self.both("FLUSHALL")
            self.both("SADD", "a", *texts_)
            self.both("OBJECT", "ENCODING", "a")

    def test_changes(self) -> None:
        """Each change of each kind of set, with another one of each kind."""
        for one in STARTS.values():
            for other in (ints(20, 5), texts(120), [*ints(250), "m5"]):
                for change in CHANGES:
                    for client in self.clients:
                        ask(client, "FLUSHALL")
                        for key, texts_ in (("a", one), ("b", other), ("c", ["x"])):
                            ask(client, "SADD", key, *texts_)
                    self.both(*change)
                    self.both("OBJECT", "ENCODING", "a")
                    self.assertEqual(*(members(client, "a") for client in self.clients))

    def test_pops(self) -> None:
        """SPOP of nearly all members makes a new set of the others."""
        for texts_ in STARTS.values():
            for left in (1, 3, len(texts_) // 5 - 1, len(texts_) // 6, len(texts_) // 6 + 1):
                if not 0 < left < len(texts_):
                    continue
                self.start([("a", texts_)] if len(texts_) < 130 else [])
                for client in self.clients:
                    ask(client, "SADD", "a", *texts_)
                for client in self.clients:
                    popped = ask(client, "SPOP", "a", len(texts_) - left).value
                    rest = members(client, "a")
                    self.assertEqual(
                        sorted([*rest, *(item.value for item in popped)]), sorted(t.encode() for t in texts_)
                    )
                if "long" not in (key for key, value in STARTS.items() if value is texts_):
                    self.both("OBJECT", "ENCODING", "a")

    def test_limits(self) -> None:
        """The thresholds that CONFIG SET changes decide, too."""
        self.addCleanup(self.limits, 512, 128, 64)
        for limits in ((0, 0, 64), (0, 128, 64), (2, 0, 64), (5, 3, 3), (512, 128, 3), (3, 200, 4)):
            self.limits(*limits)
            for texts_ in (["1"], ["x"], ["12345", "x"], ["x", "12345"], ints(6), [*ints(3), "x"], ["-100", "1", "x"]):
                self.start([("a", texts_)])
                self.both("FLUSHALL")
                self.both("SADD", "a", *texts_)
                self.both("OBJECT", "ENCODING", "a")

    def limits(self, integers: int, entries: int, value: int) -> None:
        """Set the thresholds of both."""
        self.both("CONFIG", "SET", "set-max-intset-entries", integers)
        self.both("CONFIG", "SET", "set-max-listpack-entries", entries)
        self.both("CONFIG", "SET", "set-max-listpack-value", value)


class RandomTests(SynchronousTestCase):
    """SPOP and SRANDMEMBER choose members of the set, as many as asked, and each once where Redis does so."""

    def test_choices(self) -> None:
        """Counts on both sides of the number of members, for sets of each size."""
        client = sides.ours().open()
        self.addCleanup(client.close)
        for texts_ in (*STARTS.values(), texts(3000)):
            whole = sorted(t.encode() for t in texts_)
            for count in (1, 2, 5, 40, len(texts_) - 1, len(texts_), len(texts_) + 1):
                ask(client, "DEL", "a")
                ask(client, "SADD", "a", *texts_)
                chosen = [item.value for item in ask(client, "SRANDMEMBER", "a", count).value]
                self.assertEqual(len(chosen), min(count, len(whole)))
                self.assertEqual(len({*chosen}), len(chosen))
                self.assertLessEqual({*chosen}, {*whole})
                repeated = [item.value for item in ask(client, "SRANDMEMBER", "a", -count).value]
                self.assertEqual(len(repeated), count)
                self.assertLessEqual({*repeated}, {*whole})
                popped = [item.value for item in ask(client, "SPOP", "a", count).value]
                self.assertEqual(len(popped), min(count, len(whole)))
                self.assertEqual(sorted([*popped, *members(client, "a")]), whole)
                self.assertEqual(ask(client, "EXISTS", "a").value, int(count < len(whole)))
