"""Patterns for the control plane: the core's."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.glob import STEPS, Glob, glob_match


class GlobTests(SynchronousTestCase):
    """`Glob` and `glob_match`."""

    def test_matches(self) -> None:
        """Globs match as in Redis, whatever the case."""
        for pattern, words, others in (
            (b"*", (b"abc",), ()),
            (b"a*c", (b"ac", b"abc", b"ABCC"), (b"ab", b"bc")),
            (b"*b*b", (b"bb", b"abab"), (b"b", b"ba")),
            (b"h?llo", (b"hello",), (b"hllo", b"heello")),
            (b"h[ae]llo", (b"hello", b"hallo"), (b"hillo",)),
            (b"h[^e]llo", (b"hallo",), (b"hello",)),
            (b"h[b-a]llo", (b"hallo", b"hbllo"), (b"hcllo",)),
            (b"a\\*", (b"a*",), (b"ab",)),
            (b"[\\]]", (b"]",), (b"\\",)),
            (b"[ab", (b"a", b"b"), (b"c",)),
            (b"", (b"",), (b"a",)),
        ):
            for word in words:
                self.assertTrue(glob_match(pattern, word, nocase=True), (pattern, word))
            for word in others:
                self.assertFalse(glob_match(pattern, word, nocase=True), (pattern, word))

    def test_case(self) -> None:
        """Case counts unless it is told not to."""
        self.assertFalse(glob_match(b"A*", b"abc"))
        self.assertTrue(glob_match(b"A*", b"abc", nocase=True))

    def test_cost(self) -> None:
        """All texts of one glob share its bound: beyond it nothing matches, and it says so."""
        for pattern in (b"[" * 400_000, b"x" + b"*" * 2_600_000, b"*" + b"a" * 2000 + b"b"):
            glob = Glob(pattern)
            started = time.process_time()
            for _ in range(1000):
                glob.matches(b"xa" if pattern[:1] == b"x" else b"a" * 4000)
            self.assertLess(time.process_time() - started, 1.0)
            self.assertTrue(glob.given_up)
            self.assertFalse(glob.matches(b"["))
        self.assertTrue(all(Glob(b"*" * 2_600_000).matches(name) for name in (b"get", b"set")))

    def test_ordinary(self) -> None:
        """Ordinary patterns are far from the bound."""
        glob = Glob(b"*max*memory*")
        self.assertTrue(all(glob.matches(b"server.max-memory-%d" % number) for number in range(10_000)))
        self.assertFalse(glob.given_up)
        self.assertGreater(STEPS, 1_000_000)
