"""The encoders of RESP replies, in both versions of the protocol."""

from __future__ import annotations

import math

from twisted.trial.unittest import SynchronousTestCase

from redistill.base import resp


class ScalarTests(SynchronousTestCase):
    """Replies of one value."""

    def test_same_in_both_versions(self) -> None:
        """Simple strings, errors, integers and bulk strings know no version."""
        self.assertEqual(resp.simple("PONG"), b"+PONG\r\n")
        self.assertEqual(resp.error("ERR syntax error"), b"-ERR syntax error\r\n")
        self.assertEqual(resp.integer(-(2**63)), b":-9223372036854775808\r\n")
        self.assertEqual(resp.bulk(b"a\r\n\0b"), b"$5\r\na\r\n\0b\r\n")
        self.assertEqual(resp.bulk("\N{SNOWMAN}"), b"$3\r\n\xe2\x98\x83\r\n")
        self.assertEqual(resp.bulk(b""), b"$0\r\n\r\n")

    def test_types_that_resp2_lacks(self) -> None:
        """Types that only RESP3 has are converted for RESP2 as in Redis."""
        for encode, two, three in (
            (resp.null, b"$-1\r\n", b"_\r\n"),
            (resp.null_array, b"*-1\r\n", b"_\r\n"),
            (lambda version: resp.boolean(True, version), b":1\r\n", b"#t\r\n"),
            (lambda version: resp.boolean(False, version), b":0\r\n", b"#f\r\n"),
            (lambda version: resp.double(1.5, version), b"$3\r\n1.5\r\n", b",1.5\r\n"),
            (lambda version: resp.verbatim("a\n", version), b"$2\r\na\n\r\n", b"=6\r\ntxt:a\n\r\n"),
        ):
            self.assertEqual((encode(2), encode(3)), (two, three))

    def test_doubles(self) -> None:
        """A double has 17 significant digits and no exponent that it does not need; infinities are words."""
        texts = {1.0: b"1", 0.1: b"0.10000000000000001", 1e300: b"1.0000000000000001e+300", math.inf: b"inf"}
        for number, text in texts.items():
            self.assertEqual(resp.double(number, 3), b"," + text + b"\r\n")
        self.assertEqual(resp.double(-math.inf, 3), b",-inf\r\n")
        self.assertEqual(resp.double(math.nan, 3), b",nan\r\n")


class AggregateTests(SynchronousTestCase):
    """Replies that hold others."""

    def test_array(self) -> None:
        """An array counts its elements; those of HELP are simple strings."""
        self.assertEqual(resp.array([]), b"*0\r\n")
        self.assertEqual(resp.array([resp.integer(1), resp.bulk("a")]), b"*2\r\n:1\r\n$1\r\na\r\n")
        self.assertEqual(resp.lines(["A", "    b"]), b"*2\r\n+A\r\n+    b\r\n")

    def test_map(self) -> None:
        """A map counts its pairs in RESP3, and its keys and values in RESP2."""
        pairs = [(resp.bulk("a"), resp.integer(1)), (resp.bulk("b"), resp.integer(2))]
        flat = b"$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n"
        self.assertEqual(resp.mapping(pairs, 3), b"%2\r\n" + flat)
        self.assertEqual(resp.mapping(pairs, 2), b"*4\r\n" + flat)
        self.assertEqual(resp.mapping([], 3), b"%0\r\n")

    def test_set_and_push(self) -> None:
        """Sets and pushes are arrays in RESP2."""
        items = [resp.integer(1), resp.integer(2)]
        self.assertEqual(resp.unordered(items, 3), b"~2\r\n:1\r\n:2\r\n")
        self.assertEqual(resp.push(items, 3), b">2\r\n:1\r\n:2\r\n")
        self.assertEqual(resp.unordered(items, 2), resp.array(items))
        self.assertEqual(resp.push(items, 2), resp.array(items))


class ClientBytesTests(SynchronousTestCase):
    """A client's bytes in an error line."""

    def test_no_second_reply_can_be_forged(self) -> None:
        """Line breaks of a client become spaces in an error; other control characters stay, as in Redis."""
        said = resp.error(f"ERR no '{resp.shown(bytes(range(1, 33)) + bytes([0x7F]))}'")
        shown = bytes(range(1, 33)).replace(b"\r", b" ").replace(b"\n", b" ") + bytes([0x7F])
        self.assertEqual(said, b"-ERR no '" + shown + b"'\r\n")

    def test_bytes_that_are_no_text(self) -> None:
        """All other bytes go out as they came in, up to the first NUL and the limit."""
        raw = bytes(range(0x80, 0x100))
        self.assertEqual(resp.error(resp.shown(raw)), b"-" + raw + b"\r\n")
        self.assertEqual(resp.shown(b"abc\0def"), "abc")
        self.assertEqual(resp.error(resp.shown("äöü".encode(), 3)), b"-\xc3\xa4\xc3\r\n")
