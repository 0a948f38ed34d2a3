"""SCAN's promise: a key that is there from the first call to the last is returned, whatever else happens."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .peers import Conversation, ask, encode
from .profiles import examples

PAGE = 1000


def scan(client: Conversation, *options: str) -> tuple[list[bytes], int]:
    """One whole iteration: the keys with repetitions, and the number of calls."""
    found, cursor, calls = [], b"0", 0
    while calls == 0 or cursor != b"0":
        page = ask(client, "SCAN", cursor, *options)
        cursor = page.value[0].value
        found += [item.value for item in page.value[1].value]
        calls += 1
    return found, calls


def fill(client: Conversation, names: list[str]) -> None:
    """Set every name."""
    for start in range(0, len(names), PAGE):
        chunk = names[start : start + PAGE]
        client.exchange([b"".join(encode([b"SET", name.encode(), b"v"]) for name in chunk)], len(chunk))


def drop(client: Conversation, names: list[str]) -> None:
    """Delete every name."""
    for start in range(0, len(names), PAGE):
        ask(client, "DEL", *names[start : start + PAGE])


class ScanTests(SynchronousTestCase):
    """Whole iterations over Redistill."""

    def setUp(self) -> None:
        self.client = sides.ours().open()
        self.addCleanup(self.client.close)
        ask(self.client, "FLUSHALL")

    def test_everything_once(self) -> None:
        """Without changes an iteration returns each key, and none twice."""
        names = [f"key:{n}" for n in range(5000)]
        fill(self.client, names)
        found, calls = scan(self.client)
        self.assertEqual(sorted(found), sorted(n.encode() for n in names))
        self.assertTrue(100 < calls < 5001, f"{calls} calls")

    def test_count(self) -> None:
        """A larger COUNT means fewer calls."""
        fill(self.client, [f"key:{n}" for n in range(3000)])
        few, many = scan(self.client, "COUNT", "1000")[1], scan(self.client, "COUNT", "10")[1]
        self.assertTrue(few * 10 < many, f"{few} and {many} calls")

    def test_match_and_type(self) -> None:
        """Filters drop keys from the pages, not from the iteration."""
        fill(self.client, [f"a:{n}" for n in range(500)] + [f"b:{n}" for n in range(500)])
        self.assertEqual(len(set(scan(self.client, "MATCH", "a:*")[0])), 500)
        self.assertEqual(set(scan(self.client, "MATCH", "a:17", "TYPE", "string")[0]), {b"a:17"})
        self.assertEqual(scan(self.client, "TYPE", "hash")[0], [])

    def test_databases_are_apart(self) -> None:
        """An iteration stays in the selected database."""
        fill(self.client, ["zero"])
        ask(self.client, "SELECT", "1")
        fill(self.client, ["one"])
        self.assertEqual(scan(self.client)[0], [b"one"])

    def test_empty(self) -> None:
        """Nothing to return ends the iteration, be it after several pages."""
        self.assertEqual(scan(self.client)[0], [])

    @examples(25)
    @given(
        st.integers(0, 1 << 16),
        st.sampled_from([10, 300, 3000]),
        st.sampled_from([-1.0, -0.5, 0.0, 1.0, 10.0]),
        st.sampled_from(["1", "10", "100"]),
    )
    def test_the_promise(self, seed: int, size: int, growth: float, count: str) -> None:
        """Keys that stay are returned though the keyspace grows, shrinks or turns over while the cursor moves."""
        chance = random.Random(seed)
        stay = {f"stay:{n}".encode() for n in range(size)}
        moving = [f"go:{n}" for n in range(int(size * abs(growth)) + 1)]
        ask(self.client, "FLUSHALL")
        fill(self.client, [name.decode() for name in stay])
        if growth <= 0:
            fill(self.client, moving)
        found, cursor, calls = set(), b"0", 0
        changes = [moving[i : i + PAGE] for i in range(0, len(moving), PAGE)]
        while calls == 0 or cursor != b"0":
            page = ask(self.client, "SCAN", cursor, "COUNT", count)
            cursor = page.value[0].value
            found |= {item.value for item in page.value[1].value}
            calls += 1
            if changes and chance.random() < 0.2:
                batch = changes.pop()
                (drop if growth < 0 else fill)(self.client, batch)
                if growth == 0:
                    drop(self.client, batch[::2])
        self.assertEqual(stay - found, set())
        self.assertTrue(found <= stay | {name.encode() for name in moving})

    @examples(200)
    @given(st.integers(0, (1 << 64) - 1))
    def test_any_cursor_is_safe(self, cursor: int) -> None:
        """A made-up cursor yields a page, and an iteration from it ends."""
        ask(self.client, "FLUSHALL")
        fill(self.client, [f"key:{n}" for n in range(50)])
        at, calls = str(cursor).encode(), 0
        while at != b"0" or calls == 0:
            page = ask(self.client, "SCAN", at, "COUNT", "10000")
            self.assertEqual(page.kind, "*")
            at = page.value[0].value
            calls += 1
            self.assertTrue(calls < 1000)
