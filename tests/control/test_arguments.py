"""Arguments of control-plane commands."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.control.arguments import MAX_NAME, bad_name, integer, text


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
    """`bad_name` and `text`."""

    def test_names(self) -> None:
        """Visible ASCII may be a name, at both ends of it, up to the bound; nothing else may."""
        for data in (b"!~", b"", b"a" * MAX_NAME):
            self.assertIsNone(bad_name(data, "Names"))
        for data in (b" ", b"\x7f", b"\n", b"a\n", b"\0", b"\x80"):
            refusal = b"-ERR Names cannot contain spaces, newlines or special characters.\r\n"
            self.assertEqual(bad_name(data, "Names"), refusal)
        self.assertEqual(bad_name(b"a" * (MAX_NAME + 1), "Names"), b"-ERR Names cannot be longer than 1024 bytes.\r\n")

    def test_text(self) -> None:
        """Any bytes come back."""
        data = bytes(range(256))
        self.assertEqual(text(data).encode("utf-8", "surrogateescape"), data)
