"""OBJECT ENCODING of lists, compared with valkey-server 9: redis-server 7.0 has no listpacks for lists."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .peers import Conversation, ask

HUNDRED = "a" * 100
MOST = "x" * 8185
"""The longest element of a listpack of 8 KiB."""


def pushes(count: int) -> list[list[str]]:
    """Commands that push so many elements of 100 bytes."""
    return [["RPUSH", "l", *[HUNDRED] * min(50, count - n)] for n in range(0, count, 50)]


def lines(text: str) -> list[list[str]]:
    """A command a line."""
    return [line.split() for line in text.strip().splitlines()]


class EncodingTests(SynchronousTestCase):
    """`list-max-listpack-size` in bytes and in elements, growing and shrinking."""

    def setUp(self) -> None:
        self.sides = [sides.newer_oracle().open(), sides.ours().open()]
        for client in self.sides:
            self.addCleanup(client.close)
            self.addCleanup(ask, client, "CONFIG", "SET", "list-max-listpack-size", "-2")

    def compare(self, size: int, *commands: list[str]) -> None:
        """Both name the same encoding after each of the commands."""

        def answers(client: Conversation) -> list[tuple[object, object]]:
            ask(client, "FLUSHALL")
            ask(client, "CONFIG", "SET", "list-max-listpack-size", size)
            return [(ask(client, *words), ask(client, "OBJECT", "ENCODING", "l")) for words in commands]

        theirs, ours = map(answers, self.sides)
        for words, one, other in zip(commands, theirs, ours, strict=True):
            self.assertEqual(other, one, (size, [word[:20] for word in words[:4]]))

    def test_growing_by_bytes(self) -> None:
        """A list becomes a quicklist when the listpack's bytes and those of the new strings exceed the limit."""
        for size, count in ((-1, 36), (-2, 76), (-3, 156), (-4, 315), (-5, 633), (-9, 633)):
            self.compare(size, *pushes(count), *[["RPUSH", "l", HUNDRED], ["LPUSH", "l", "1"]] * 4)

    def test_forms(self) -> None:
        """Numbers and strings of all lengths count as in a listpack."""
        for text in ("0", "127", "128", "-1", "4095", "4096", "-4097", "32768", "8388608", "2147483648", "1e3", ""):
            self.compare(-1, ["RPUSH", "l", "x" * 3900], *[["RPUSH", "l", *[text] * 4]] * 20)
        for length in (63, 64, 124, 125, 126, 127, 191, 192, 512, 513):
            self.compare(-1, *[["RPUSH", "l", "y" * length]] * 70)
        for length in (4095, 4096, 8000, 16381, 16382, 16383, 16384):
            self.compare(-4, *[["RPUSH", "l", "y" * length]] * 12)

    def test_shrinking(self) -> None:
        """A quicklist that is popped from the end at which it was filled is a listpack below half of the limit."""
        for size, count in ((-1, 60), (-2, 100), (-3, 200)):
            self.compare(size, *pushes(count), *[["RPOP", "l"]] * count)
        for size in (1, 2, 3, 5, 10, 128):
            self.compare(size, *[["RPUSH", "l", "1", "2", "3"]] * 50, *[["RPOP", "l"]] * 150)

    def test_changes_in_the_middle(self) -> None:
        """LSET, LINSERT, LREM, LTRIM and LMOVE; also those that change nothing else."""
        commands = f"""
RPUSH l {MOST}
DEL l
RPUSH l {MOST}x
LSET l 0 a
LSET l 0 {MOST}x
LSET l 0 abc
LSET l 5 {MOST}x
LSET l 0 abc
LINSERT l BEFORE zz {MOST}x
LTRIM l 0 -1
DEL l
RPUSH l a b c
LINSERT l AFTER b {MOST}
DEL l
RPUSH l {MOST[:8000]}
RPUSH k {"y" * 180}
LMOVE k l LEFT LEFT
LPOP l
DEL l k
RPUSH l {MOST[:8000]} {"y" * 170}
RPUSH k 1234567890
LMOVE k l LEFT LEFT
LMOVE l l LEFT RIGHT
LMOVE l l RIGHT RIGHT
RPUSH l 1234567890
DEL l k
RPUSH l {MOST[:8000]} {"y" * 170}
LMOVE l l LEFT RIGHT
"""
        self.compare(-2, *lines(commands))

    def test_elements(self) -> None:
        """A positive limit counts elements; and bytes, of which there may be 8 KiB."""
        commands = f"""
RPUSH l 1 2 3 4 5
RPUSH l 6
RPOP l
RPOP l
RPOP l
RPOP l
DEL l
RPUSH l 1 2 3 4 5 6
LTRIM l 0 1
DEL l
RPUSH l 1 2 3 4 5
LINSERT l BEFORE 9 x
LSET l 0 1
DEL l
RPUSH l 1 2 3 4 5
LSET l 0 x
DEL l
RPUSH l 1 2 {MOST[:8170]}
LINSERT l BEFORE zz {"a" * 20}
RPOP l
"""
        self.compare(5, *lines(commands))
        for size in (0, 1, 2):
            self.compare(size, *lines("RPUSH l 1\nRPUSH l 2\nRPUSH l 3\nRPOP l\nRPOP l\nRPOP l"))
