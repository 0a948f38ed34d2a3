"""Text taken apart by ASCII."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.base import words


class WordsTests(SynchronousTestCase):
    """`words`."""

    @given(st.binary())
    def test_as_bytes(self, raw: bytes) -> None:
        """All is what it would be with bytes, which know ASCII only."""
        text = words.text(raw)
        self.assertEqual(words.data(text), raw)
        self.assertEqual(words.data(words.lower(text)), raw.lower())
        self.assertEqual([words.data(one) for one in words.split(text)], raw.split())
        self.assertEqual(words.data(words.strip(text)), raw.strip())
        ends = [line.removesuffix(b"\r") for line in raw.split(b"\n")]
        self.assertEqual(
            [words.data(one) for one in words.lines(text)], ends[:-1] if raw[-1:] in (b"\n", b"") else ends
        )

    def test_unicode(self) -> None:
        """Characters that only Unicode calls a space, a line's end or a letter do not count as such."""
        text = "A\xa0\u2028\x85\x1c\u212a\u3000"
        self.assertEqual((words.split(text), words.strip(text), words.lines(text)), ([text], text, [text]))
        self.assertEqual(words.lower(text), "a" + text[1:])

    def test_unquoted(self) -> None:
        """Words may end in quotes, with escapes as redis-cli writes them."""
        for text, found in (
            ("", []),
            (" a\t b ", ["a", "b"]),
            ('"a b" c', ["a b", "c"]),
            ('~"a b"', ["~a b"]),
            (r'"\x41\xff\n\"\q"', ['A\udcff\n"q']),
            (r"'a\'b\n' c", [r"a'b\n", "c"]),
            ('"\\xc3\\xa9"', ["\xe9"]),
            ("a\\ b", ["a\\", "b"]),
            ('""', [""]),
            ("a\xa0b", ["a\xa0b"]),
        ):
            self.assertEqual(words.unquoted(text), found, text)
        for text in ('"a', "'a", '"a"b', "a'b", '"a\\"', r"'a\'", "'a''b'"):
            self.assertIsNone(words.unquoted(text), text)
