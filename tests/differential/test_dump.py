"""DUMP and RESTORE: values move between Redistill, redis-server and valkey-server in every direction."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from . import dumps, sides
from .peers import Conversation, ask
from .profiles import examples
from .replies import Reply

OK = Reply("+", b"OK")

# Short and long, numbers of every width, what compresses well, badly and not at all.
values = st.one_of(
    st.binary(max_size=64),
    st.integers(-(1 << 63), (1 << 63) - 1).map(lambda n: b"%d" % n),
    st.sampled_from([b"%d" % (s * (1 << bits) + d) for bits in (7, 8, 15, 16, 31, 32, 63) for s in (1, -1) for d in (-1, 0, 1)]),
    st.tuples(st.binary(min_size=1, max_size=8), st.integers(1, 5000)).map(lambda t: t[0] * t[1]),
    st.tuples(st.binary(min_size=1, max_size=300), st.integers(1, 20), st.binary(max_size=300)).map(lambda t: t[0] * t[1] + t[2] + t[0]),
    st.sampled_from([63, 64, 16383, 16384, 70000, 1 << 20]).flatmap(lambda n: st.sampled_from([b"x" * n, bytes(range(256)) * (n // 256)])),
)  # fmt: skip


class DumpTests(SynchronousTestCase):
    """Values out of one server and into another."""

    def setUp(self) -> None:
        self.ours = self.client(sides.ours().open())
        self.redis = self.client(sides.oracle().open())
        self.valkey = self.client(sides.newer_oracle().open())

    def client(self, conversation: Conversation) -> Conversation:
        """A client of an emptied server, closed at the end."""
        self.addCleanup(conversation.close)
        ask(conversation, "FLUSHALL")
        return conversation

    def moved(self, source: Conversation, target: Conversation, value: bytes) -> None:
        """The value arrives as it was."""
        self.assertEqual(ask(source, "SET", "k", value), OK)
        self.assertEqual(ask(target, "RESTORE", "k", "0", ask(source, "DUMP", "k").value, "REPLACE"), OK)
        self.assertEqual(ask(target, "GET", "k"), Reply("$", value))

    @examples(100)
    @given(values)
    def test_to_redis_and_back(self, value: bytes) -> None:
        """Ours to redis-server, redis-server's to ours, ours to ours."""
        self.moved(self.ours, self.redis, value)
        self.moved(self.redis, self.ours, value)
        self.moved(self.ours, self.ours, value)

    @examples(40)
    @given(values)
    def test_to_valkey(self, value: bytes) -> None:
        """A newer server reads ours."""
        self.moved(self.ours, self.valkey, value)

    def test_same_bytes(self) -> None:
        """Uncompressed values are dumped as the same bytes as by redis-server."""
        for value in (
            b"",
            b"a",
            b"0",
            b"-1",
            b"127",
            b"128",
            b"-128",
            b"-129",
            b"32768",
            b"2147483647",
            b"2147483648",
            b"01",
            b"x" * 20,
        ):
            ask(self.ours, "SET", "k", value)
            ask(self.redis, "SET", "k", value)
            self.assertEqual(ask(self.ours, "DUMP", "k"), ask(self.redis, "DUMP", "k"), f"{value!r}")

    def test_compressed(self) -> None:
        """A value that repeats itself is dumped compressed."""
        ask(self.ours, "SET", "k", b"abc" * 10000)
        self.assertLess(len(ask(self.ours, "DUMP", "k").value), 3000)

    def test_made_payloads(self) -> None:
        """Hand-made payloads, good and bad, are accepted and refused alike."""
        for payload in dumps.GOOD + dumps.BAD:
            theirs, ours = (ask(c, "RESTORE", "k", "0", payload, "REPLACE") for c in (self.redis, self.ours))
            self.assertEqual(theirs, ours, f"{payload!r}")
            self.assertEqual(ask(self.redis, "GET", "k"), ask(self.ours, "GET", "k"))

    @examples(300)
    @given(
        st.binary(max_size=60),
        st.sampled_from([b"\x00", b"\x00\xc3", b"\x00\x40", b"\x00\x80", b"\x00\x81", b"\x00\xc3\x05\x0a", b""]),
    )
    def test_forged_payloads(self, body: bytes, head: bytes) -> None:
        """Random bodies under a right checksum: the same verdict and value; nothing is read or written out of bounds."""
        payload = dumps.sealed(head + body)
        if payload[0] != 0:
            return  # a type that is not a string: other issues
        for client in (self.redis, self.ours):
            ask(client, "DEL", "k")
        theirs, ours = (ask(c, "RESTORE", "k", "0", payload, "REPLACE") for c in (self.redis, self.ours))
        if dumps.wanted(payload[1:-10]) > len(payload) - 11:
            # redis-server reads on into the version and the checksum; ours does not take them for data.
            self.assertEqual(ours, Reply("-", b"ERR Bad data format"), f"{payload!r}")
            return
        self.assertEqual(theirs, ours, f"{payload!r}")
        self.assertEqual(ask(self.redis, "GET", "k"), ask(self.ours, "GET", "k"))

    def test_expiry_does_not_travel(self) -> None:
        """DUMP leaves the TTL out; RESTORE sets the one it is given."""
        ask(self.redis, "SET", "k", "v", "EX", "100")
        payload = ask(self.redis, "DUMP", "k").value
        ask(self.ours, "RESTORE", "a", "0", payload)
        ask(self.ours, "RESTORE", "b", "100000000", payload)
        ask(self.ours, "RESTORE", "c", "4000000000123", payload, "ABSTTL")
        self.assertEqual(ask(self.ours, "TTL", "a").value, -1)
        self.assertTrue(99000 < ask(self.ours, "TTL", "b").value <= 100000)
        self.assertEqual(ask(self.ours, "PEXPIRETIME", "c").value, 4000000000123)

    def test_hyperloglogs_travel(self) -> None:
        """A HyperLogLog, sparse or dense, counts the same in the other server, and the two merge."""
        for count in (0, 1, 100, 5000):
            elements = [f"e{n}" for n in range(count)]
            for source, target in ((self.ours, self.redis), (self.redis, self.ours)):
                ask(source, "DEL", "h")
                ask(source, "PFADD", "h", *elements)
                ask(target, "RESTORE", "h2", "0", ask(source, "DUMP", "h").value, "REPLACE")
                self.assertEqual(ask(target, "PFCOUNT", "h2"), ask(source, "PFCOUNT", "h"))
                ask(target, "PFADD", "h3", "other")
                self.assertEqual(ask(target, "PFMERGE", "h3", "h2"), OK)
