"""The comparison itself: it must see a difference, and must not see one where there is none."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from . import dumps
from .compare import Transcript, rule_of
from .differences import DIFFERENCES
from .peers import encode
from .replies import Malformed, Parser, Reply
from .scripts import cut, quoted, stream


class ParserTests(SynchronousTestCase):
    """RESP to trees."""

    def test_any_split(self) -> None:
        """Replies are the same however the bytes arrive."""
        data = b"+OK\r\n-ERR x\r\n:-5\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*2\r\n_\r\n,1.5\r\n%1\r\n+k\r\n~1\r\n#t\r\n=5\r\ntxt:x\r\n"
        parser, replies = Parser(), []
        for i in range(len(data)):
            parser.feed(data[i : i + 1])
            while (reply := parser.get()) is not None:
                replies.append(reply)
        self.assertEqual(
            replies,
            [
                Reply("+", b"OK"),
                Reply("-", b"ERR x"),
                Reply(":", -5),
                Reply("$", b"a\r\n"),
                Reply("$", None),
                Reply("*", None),
                Reply("*", (Reply("_", None), Reply(",", b"1.5"))),
                Reply("%", ((Reply("+", b"k"), Reply("~", (Reply("#", b"t"),))),)),
                Reply("=", b"txt:x"),
            ],
        )
        self.assertEqual(parser.rest, b"")

    def test_what_is_no_resp(self) -> None:
        """A wrong type byte, and a bulk that is longer than it says, raise Malformed."""
        for data in (b"?x\r\n", b"$1\r\nab\r\n", b"\r\n"):
            parser = Parser()
            parser.feed(data)
            self.assertRaises(Malformed, parser.get)


class TranscriptTests(SynchronousTestCase):
    """The rules of equality."""

    def test_a_wrong_value_is_seen(self) -> None:
        """A different reply to GET is a difference."""
        self.assertIn("GET", Transcript(()).check([b"GET", b"k"], Reply("$", b"a"), Reply("$", b"b")))

    def test_order_of_keys(self) -> None:
        """KEYS promises no order, but neither may it lose a key."""
        a, b = Reply("$", b"a"), Reply("$", b"b")
        self.assertEqual(Transcript(()).check([b"KEYS", b"*"], Reply("*", (a, b)), Reply("*", (b, a))), "")
        self.assertNotEqual(Transcript(()).check([b"KEYS", b"*"], Reply("*", (a, b)), Reply("*", (a,))), "")

    def test_digits_of_scores(self) -> None:
        """A score may have other digits, but no other value; a member may be called nan."""
        rule = rule_of([b"ZUNION", b"1", b"k", b"WITHSCORES"])
        theirs = Reply("*", (Reply("$", b"nan"), Reply("$", b"0.10000000000000001")))
        self.assertTrue(rule(theirs, Reply("*", (Reply("$", b"nan"), Reply("$", b"0.1")))))
        self.assertFalse(rule(theirs, Reply("*", (Reply("$", b"nan"), Reply("$", b"0.2")))))

    def test_rules_hold_inside_a_transaction(self) -> None:
        """EXEC's replies are compared each by the rule of its command."""
        queued = Reply("+", b"QUEUED")
        transcript = Transcript(())
        transcript.check([b"TTL", b"k"], queued, queued)
        transcript.check([b"GET", b"k"], queued, queued)
        theirs = Reply("*", (Reply(":", 100), Reply("$", b"a")))
        self.assertEqual(transcript.check([b"EXEC"], theirs, Reply("*", (Reply(":", 99), Reply("$", b"a")))), "")
        transcript.check([b"TTL", b"k"], queued, queued)
        transcript.check([b"GET", b"k"], queued, queued)
        self.assertIn("GET", transcript.check([b"EXEC"], theirs, Reply("*", (Reply(":", 99), Reply("$", b"x")))))

    def test_expiry_in_the_past_or_none_is_exact(self) -> None:
        """-1 and -2 of TTL are answers, not times."""
        rule = rule_of([b"TTL", b"k"])
        self.assertFalse(rule(Reply(":", -1), Reply(":", -2)))
        self.assertFalse(rule(Reply(":", -1), Reply(":", 0)))

    def test_every_difference_has_a_reason(self) -> None:
        """The list says why, in words."""
        self.assertEqual([d for d in DIFFERENCES if len(d.reason) < 20], [])


class StreamTests(SynchronousTestCase):
    """Scripts as bytes."""

    def test_cuts_lose_nothing(self) -> None:
        """The pieces make the stream."""
        data = bytes(range(256)) * 3
        for seed in range(50):
            self.assertEqual(b"".join(cut(data, random.Random(seed))), data)

    def test_quoting(self) -> None:
        """A quoted word holds no byte that would end it."""
        for seed in range(50):
            text = quoted(b"a b\r\n\"'\\\x00\xff", random.Random(seed))
            self.assertEqual((text[:1], text[-1:]), (b'"', b'"'))
            self.assertEqual(text, rb'"a b\r\n\"' + b"'" + rb'\\\x00\xff"')

    def test_noise_is_not_a_command(self) -> None:
        """A stream of commands contains each of them."""
        argv = [b"\xff", b""]
        self.assertIn(encode(argv), stream([argv] * 20, random.Random(1)))


class DumpTests(SynchronousTestCase):
    """Payloads made here."""

    def test_crc64(self) -> None:
        """The check value of the polynomial."""
        self.assertEqual(dumps.crc64(b"123456789"), 0xE9C6D914C4B8D9CA)
