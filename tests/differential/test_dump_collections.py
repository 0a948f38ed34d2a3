"""DUMP and RESTORE of hashes, lists, sets and sorted sets: between Redistill, redis-server and valkey-server in every
direction, and from payloads of each encoding that Redis has had."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from . import payloads, sides
from .dumps import sealed
from .peers import Conversation, ask
from .profiles import examples
from .replies import Reply

OK = Reply("+", b"OK")
BAD = Reply("-", b"ERR Bad data format")
FAR = 33177117420123
"""A time in milliseconds that no test lives to see."""

# Numbers of every width, texts around the lengths at which a head grows, and what looks like a number and is none.
elements = st.one_of(
    st.integers(-20, 200).map(lambda n: b"%d" % n),
    st.sampled_from([b"%d" % (s * (1 << bits) + d) for bits in (7, 12, 15, 23, 31, 63) for s in (1, -1) for d in (-1, 0)]),
    st.binary(max_size=20),
    st.sampled_from([0, 1, 63, 64, 65, 191, 192, 253, 254, 255, 512, 513, 4095, 4096, 8192, 8193, 16383, 16384, 20000]).map(
        lambda n: b"y" * n
    ),
    st.sampled_from([b"-0", b"007", b"+1", b"1e3", b" 1", b"9223372036854775808", b"inf"]),
)  # fmt: skip
numbers = st.one_of(st.integers(-300, 300), st.integers(-(1 << 31), 1 << 31), st.integers(-(1 << 63), (1 << 63) - 1))
scores = st.one_of(
    st.sampled_from([b"0", b"-0", b"1", b"1.5", b"-2.25", b"1e+17", b"inf", b"-inf", b"0.1", b"5e-324", b"9007199254740993"]),
    st.integers(-5, 5).map(lambda n: b"%d" % n),
)  # fmt: skip


def several(one: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """A few, or some hundreds, so that values are packed or not."""
    few = st.lists(one, min_size=1, max_size=12)
    return st.one_of(
        few, few, st.tuples(few, st.integers(1, 200)).map(lambda t: t[0] + [b"e%d" % n for n in range(t[1])])
    )


def distinct(data: Sequence[bytes]) -> list[bytes]:
    """Without repetitions."""
    return list(dict.fromkeys(data))


members = several(elements).map(distinct)
integers = st.lists(numbers, min_size=1, max_size=40, unique=True).map(lambda ns: [b"%d" % n for n in ns])
pairs = st.tuples(members, st.lists(elements, min_size=1)).map(
    lambda t: [(field, t[1][at % len(t[1])]) for at, field in enumerate(t[0])]
)
scored = st.tuples(members, st.lists(scores, min_size=1)).map(
    lambda t: [(member, t[1][at % len(t[1])]) for at, member in enumerate(t[0])]
)


def texts(reply: Reply) -> list[bytes]:
    """The strings of an array; an error as itself."""
    return [reply.value] if reply.kind == "-" else [item.value for item in reply.value]


def content(client: Conversation, key: str = "k") -> object:
    """A value, in a form that is equal for equal values."""
    kind = ask(client, "TYPE", key).value
    if kind == b"list":
        return kind, texts(ask(client, "LRANGE", key, "0", "-1"))
    if kind == b"set":
        return kind, sorted(texts(ask(client, "SMEMBERS", key)))
    if kind == b"hash":
        flat = texts(ask(client, "HGETALL", key))
        return kind, sorted(zip(flat[::2], flat[1::2], strict=True))
    if kind == b"zset":
        flat = texts(ask(client, "ZRANGE", key, "0", "-1", "WITHSCORES"))
        return kind, [(member, float(score)) for member, score in zip(flat[::2], flat[1::2], strict=True)]
    return kind


class Case(SynchronousTestCase):
    """The three servers, emptied."""

    def setUp(self) -> None:
        self.ours = self.client(sides.ours().open())
        self.redis = self.client(sides.oracle().open())
        self.valkey = self.client(sides.newer_oracle().open())

    def client(self, conversation: Conversation) -> Conversation:
        """A client of an emptied server, closed at the end."""
        self.addCleanup(conversation.close)
        ask(conversation, "FLUSHALL")
        return conversation

    def restored(self, client: Conversation, payload: bytes) -> Reply:
        """The reply to RESTORE of the payload."""
        return ask(client, "RESTORE", "k", "0", payload, "REPLACE")


class TravelTests(Case):
    """Values that a server was given by commands."""

    def travel(self, *command: bytes | str) -> None:
        """The value that the command makes arrives as it was, whichever the two servers."""
        servers = {"ours": self.ours, "redis": self.redis, "valkey": self.valkey}
        for name, source in servers.items():
            ask(source, "DEL", "k")
            ask(source, *command)
            made, payload = content(source), ask(source, "DUMP", "k").value
            for other, target in servers.items():
                if (name, other) == ("valkey", "redis"):
                    continue  # redis-server 7.0 refuses version 80
                self.assertEqual(self.restored(target, payload), OK, f"{name} to {other}: {payload!r}")
                self.assertEqual(content(target), made, f"{name} to {other}: {payload!r}")
            ask(source, "DEL", "k")

    @examples(40)
    @given(several(elements))
    def test_lists(self, data: list[bytes]) -> None:
        """Elements in their order."""
        self.travel("RPUSH", "k", *data)

    @examples(40)
    @given(st.one_of(members, integers))
    def test_sets(self, data: list[bytes]) -> None:
        """Members, integers or not."""
        self.travel("SADD", "k", *data)

    @examples(40)
    @given(pairs)
    def test_hashes(self, data: payloads.Pairs) -> None:
        """Fields and values."""
        self.travel("HSET", "k", *payloads.joined(data))

    @examples(40)
    @given(scored)
    def test_sorted_sets(self, data: payloads.Pairs) -> None:
        """Members and scores."""
        self.travel("ZADD", "k", *(part for member, score in data for part in (score, member)))

    def test_large_values(self) -> None:
        """Values of 20,000 elements."""
        words = [b"element:%d" % n for n in range(20000)]
        self.travel("RPUSH", "k", *words)
        self.travel("SADD", "k", *words)
        self.travel("SADD", "k", *(b"%d" % (n * n) for n in range(20000)))
        self.travel("HSET", "k", *(part for word in words for part in (word, word)))
        self.travel("ZADD", "k", *(part for n, word in enumerate(words) for part in (b"%d" % (n % 100), word)))

    def test_fields_that_expire(self) -> None:
        """Between ours and Valkey, with their times."""
        for count in (3, 300):
            for source, target in ((self.ours, self.valkey), (self.valkey, self.ours), (self.ours, self.ours)):
                fields = [b"f%d" % n for n in range(count)]
                ask(source, "DEL", "k")
                ask(source, "HSET", "k", *(part for field in fields for part in (field, b"v")))
                ask(source, "HPEXPIREAT", "k", str(FAR), "FIELDS", "2", "f0", "f2")
                times = ("HPEXPIRETIME", "k", "FIELDS", str(count), *fields)
                made, before, payload = content(source), ask(source, *times), ask(source, "DUMP", "k").value
                self.assertEqual(self.restored(target, payload), OK)
                self.assertEqual((content(target), ask(target, *times)), (made, before))
                self.assertEqual(texts(before)[:3], [FAR, -1, FAR])

    def test_same_bytes(self) -> None:
        """Small values are dumped as the same bytes as by redis-server, if their order is the same."""
        for command in (
            ("RPUSH", "k", "a", "1", "-5000", "b" * 10),
            ("SADD", "k", "3"),
            ("HSET", "k", "f", "v", "g", "12"),
            ("ZADD", "k", "1", "a", "2.5", "b", "-inf", "c"),
        ):
            for client in (self.ours, self.redis):
                ask(client, "DEL", "k")
                ask(client, *command)
            ask(self.redis, "CONFIG", "SET", "rdbcompression", "no")
            theirs = ask(self.redis, "DUMP", "k")
            ask(self.redis, "CONFIG", "SET", "rdbcompression", "yes")
            self.assertEqual(ask(self.ours, "DUMP", "k"), theirs, command)


class EncodingTests(Case):
    """Payloads that are made without a server."""

    def same(self, payload: bytes, oracle: Conversation) -> None:
        """The payload gives the value that the other server reads in it, and the encoding that Valkey shows."""
        theirs, ours = self.restored(oracle, payload), self.restored(self.ours, payload)
        self.assertEqual((theirs, ours), (OK, OK), f"{payload!r}")
        self.assertEqual(content(oracle), content(self.ours), f"{payload!r}")
        self.restored(self.valkey, payload)
        theirs, ours = (ask(client, "OBJECT", "ENCODING", "k") for client in (self.valkey, self.ours))
        self.assertEqual(theirs, ours, f"{payload!r}")

    @examples(60)
    @given(several(elements))
    def test_lists(self, data: list[bytes]) -> None:
        """Types 1, 10, 14 and 18."""
        for payload in payloads.lists(data):
            self.same(payload, self.redis)

    @examples(60)
    @given(st.one_of(members, integers))
    def test_sets(self, data: list[bytes]) -> None:
        """Types 2 and 11, and 20."""
        for payload in payloads.sets(data):
            self.same(payload, self.redis)
        for payload in payloads.new_sets(data):
            self.same(payload, self.valkey)

    @examples(60)
    @given(pairs)
    def test_hashes(self, data: payloads.Pairs) -> None:
        """Types 4, 9, 13 and 16."""
        for payload in payloads.hashes(data):
            self.same(payload, self.redis)

    @examples(60)
    @given(scored)
    def test_sorted_sets(self, data: payloads.Pairs) -> None:
        """Types 3, 5, 12 and 17."""
        ordered = sorted(data, key=lambda pair: (float(pair[1]), pair[0]))
        for payload in payloads.sorted_sets(ordered):
            self.same(payload, self.redis)

    @examples(40)
    @given(pairs, st.lists(st.sampled_from([None, FAR, FAR + 1000]), min_size=1, max_size=5))
    def test_fields_that_expire(self, data: payloads.Pairs, times: list[int | None]) -> None:
        """Type 22 of Valkey 9, and 24 and 25 of Redis 7.4, which say the same."""
        fields = [(field, value, times[at % len(times)]) for at, (field, value) in enumerate(data)]
        asked = ("HPEXPIRETIME", "k", "FIELDS", str(len(fields)), *(field for field, _, _ in fields))
        self.same(payloads.valkey_hash(fields), self.valkey)
        self.assertEqual(ask(self.ours, *asked), ask(self.valkey, *asked))
        for payload in payloads.redis_hashes(fields):
            self.assertEqual(self.restored(self.ours, payload), OK)
            self.assertEqual(content(self.ours), content(self.valkey))
            self.assertEqual(ask(self.ours, *asked), ask(self.valkey, *asked))

    def test_fields_that_have_expired(self) -> None:
        """They are left out; a hash of no others does not come to exist."""
        self.assertEqual(self.restored(self.ours, payloads.valkey_hash([(b"a", b"1", 1), (b"b", b"2", None)])), OK)
        self.assertEqual(content(self.ours), (b"hash", [(b"b", b"2")]))
        self.assertEqual(self.restored(self.ours, payloads.valkey_hash([(b"a", b"1", 1)])), OK)
        self.assertEqual(ask(self.ours, "EXISTS", "k").value, 0)

    def test_expiry_travels_beside(self) -> None:
        """RESTORE sets the key's expiry, and one that has passed deletes it; the payload is checked all the same."""
        payload = payloads.lists([b"a", b"b"])[0]
        for client in (self.redis, self.ours):
            self.assertEqual(ask(client, "RESTORE", "k", str(FAR), payload, "ABSTTL"), OK)
            self.assertEqual(ask(client, "PEXPIRETIME", "k").value, FAR)
            self.assertEqual(ask(client, "RESTORE", "k", "1", payload, "ABSTTL", "REPLACE"), OK)
            self.assertEqual(ask(client, "EXISTS", "k").value, 0)


class DamageTests(Case):
    """Payloads that are wrong, under a right checksum."""

    def test_what_is_refused(self) -> None:
        """The key stays as it was."""
        pair = payloads.string(b"a") + payloads.string(b"1")
        double = struct.pack("<d", 1.0)
        for body in (
            b"\x01\x00",  # nothing in it
            b"\x02\x00",
            b"\x04\x00",
            b"\x05\x00",
            b"\x0e\x00",
            b"\x12\x00",
            b"\x10" + payloads.string(payloads.listpack([])),
            b"\x11" + payloads.string(payloads.listpack([])),
            b"\x14" + payloads.string(payloads.listpack([])),
            b"\x0a" + payloads.string(payloads.ziplist([])),
            b"\x0b" + payloads.string(struct.pack("<II", 2, 0)),
            b"\x09" + payloads.string(b"\x00\xff"),
            b"\x12\x01\x02" + payloads.string(payloads.listpack([])),
            b"\x02\x02\x01a\x01a",  # twice the same
            b"\x04\x02" + pair + pair,
            b"\x05\x02\x01a" + double + b"\x01a" + double,
            b"\x10" + payloads.string(payloads.listpack([b"a", b"1", b"a", b"2"])),
            b"\x11" + payloads.string(payloads.listpack([b"a", b"1", b"a", b"2"])),
            b"\x14" + payloads.string(payloads.listpack([b"a", b"a"])),
            b"\x0b" + payloads.string(struct.pack("<IIhh", 2, 2, 2, 1)),  # not in order
            b"\x11" + payloads.string(payloads.listpack([b"a", b"2", b"b", b"1"])),
            b"\x0c" + payloads.string(payloads.ziplist([b"b", b"1", b"a", b"1"])),
            b"\x10" + payloads.string(payloads.listpack([b"a"])),  # without a value
            b"\x11" + payloads.string(payloads.listpack([b"a", b"1", b"b"])),
            b"\x0d" + payloads.string(payloads.ziplist([b"a", b"1", b"b"])),
            b"\x05\x01\x01a" + struct.pack("<d", float("nan")),
            b"\x03\x01\x01a\xfd",
            b"\x11" + payloads.string(payloads.listpack([b"a", b"nan"])),
            b"\x11" + payloads.string(payloads.listpack([b"a", b"x"])),
            b"\x01\x02\x01a",  # ends too early
            b"\x01\x81" + b"\xff" * 8 + b"\x01a",
            b"\x02\x80\xff\xff\xff\xff\x01a",
            b"\x12\x01\x03\x01a",  # a kind of node that there is not
            b"\x0f\x00\x00\x00\x00",  # streams are not there yet
            b"\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\x06\x00",
            b"\x1f\x00",
        ):  # fmt: skip
            ask(self.ours, "SET", "k", "before")
            self.assertEqual(self.restored(self.ours, sealed(body, 12)), BAD, f"{body!r}")
            self.assertEqual(ask(self.ours, "GET", "k").value, b"before")

    def test_bytes_that_follow(self) -> None:
        """A collection ends with its last entry."""
        for payload in (payloads.lists([b"a"])[0], payloads.hashes([(b"a", b"b")])[3], payloads.sets([b"1"])[1]):
            self.assertEqual(self.restored(self.ours, sealed(payload[:-10] + b"x", 10)), BAD)

    @examples(200)
    @given(
        st.one_of(
            several(elements).map(payloads.lists),
            members.map(lambda data: payloads.sets(data) + payloads.new_sets(data)),
            integers.map(payloads.sets),
            pairs.map(payloads.hashes),
            scored.map(payloads.sorted_sets),
        ).flatmap(st.sampled_from),
        st.data(),
    )
    def test_changed_bytes(self, payload: bytes, data: st.DataObject) -> None:
        """A changed byte, or some that are cut out or doubled: an error, or a value that is whole."""
        body = bytearray(payload[:-10])
        at = data.draw(st.integers(1, len(body) - 1) | st.integers(1, min(12, len(body) - 1)))
        how = data.draw(st.sampled_from(["set", "set", "cut", "double"]))
        if how == "set":
            body[at] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del body[at : at + data.draw(st.integers(1, 4))]
        else:
            body[at:at] = body[at : at + data.draw(st.integers(1, 4))]
        ask(self.ours, "SET", "k", "before")
        reply = self.restored(self.ours, sealed(bytes(body), 12))
        if reply == OK:
            made, again = content(self.ours), ask(self.ours, "DUMP", "k").value
            self.assertEqual(self.restored(self.ours, again), OK)
            self.assertEqual(content(self.ours), made)
        else:
            self.assertEqual(reply, BAD)
            self.assertEqual(ask(self.ours, "GET", "k").value, b"before")

    def test_claims_of_size(self) -> None:
        """Lengths that a payload only claims take neither memory nor time."""
        claim = b"\xc3" + b"\x05" + b"\x80\x20\x00\x00\x00" + b"\x00a\xe0\xff\x00"  # five bytes of LZF "of" 512 MiB
        for kind in (1, 2, 4, 14):
            self.assertEqual(self.restored(self.ours, sealed(bytes([kind]) + b"\x81" + b"\x7f" * 8 + claim, 12)), BAD)
        for kind in (9, 10, 11, 12, 13, 16, 17, 20):
            self.assertEqual(self.restored(self.ours, sealed(bytes([kind]) + claim, 12)), BAD)
