"""Arguments of control-plane commands."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.commands.arguments import integer, printable, text


class IntegerTests(SynchronousTestCase):
    """`integer`."""

    def test_canonical(self) -> None:
        """Numbers of 64 bits in canonical decimal are numbers, at the bounds too."""
        for data, number in ((b"0", 0), (b"-1", -1), (b"9223372036854775807", 2**63 - 1)):
            self.assertEqual(integer(data), number)
        self.assertEqual(integer(b"-9223372036854775808"), -(2**63))

    def test_other(self) -> None:
        """Everything else is none."""
        for data in (b"", b"-", b"+1", b"01", b"-0", b" 1", b"1 ", b"1\n", b"1.0", b"9223372036854775808", b"1" * 5000):
            self.assertIsNone(integer(data))


class TextTests(SynchronousTestCase):
    """`printable` and `text`."""

    def test_printable(self) -> None:
        """Visible ASCII is, at both ends of it, and nothing beyond."""
        self.assertTrue(printable(b"!~"))
        self.assertTrue(printable(b""))
        for data in (b" ", b"\x7f", b"\n", b"\0", b"\x80"):
            self.assertFalse(printable(data))

    def test_text(self) -> None:
        """Any bytes come back."""
        data = bytes(range(256))
        self.assertEqual(text(data).encode("utf-8", "surrogateescape"), data)
