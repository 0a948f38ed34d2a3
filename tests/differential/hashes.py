"""Commands on hashes."""

from __future__ import annotations

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, key, option, optional, options, pick

FIELDS = (b"a", b"b", b"c", b"", b"0", b"12", b"-5", b"\x00\xff", b"x" * 64, b"y" * 65, b"z" * 600)
field = st.one_of(pick(*FIELDS, *FIELDS[:6], *FIELDS[:6]), w.small)
fields = st.lists(field, min_size=1, max_size=5)
value = st.one_of(w.value, w.small, w.integer, w.decimal, pick(b"v" * 64, b"v" * 65, b"v" * 511, b"v" * 513))


def numbered(bounds: tuple[int, int]) -> list[bytes]:
    """Fields and values, numbered."""
    first, count = bounds
    return [word for n in range(first, first + count) for word in (b"f%d" % n, b"%d" % (n * n))]


many_pairs = st.tuples(st.integers(0, 300), st.sampled_from([1, 7, 60, 200, 511])).map(numbered)
many_fields = many_pairs.map(lambda words: words[::2])
scan_options = options(option("MATCH", w.pattern), option("COUNT", pick("1000", "1", "0", "-1", "abc", "")), "JUNK")
count = pick("0", "1", "-1", "3", "-3", "1000", "-7", "9223372036854775807", "-9223372036854775808", "", "abc", "1.5")

HASHES: tuple[Args, ...] = (
    command("HSET", key, w.many(field, value)),
    command("HSET", key, w.many(field, value)),
    command("HSET", key, field, value),
    command("HMSET", key, w.many(field, value)),
    command("HSETNX", key, field, value),
    command("HGET", key, field),
    command("HMGET", key, fields),
    command("HGETALL", key),
    command("HKEYS", key),
    command("HVALS", key),
    command("HLEN", key),
    command("HSTRLEN", key, field),
    command("HEXISTS", key, field),
    command("HDEL", key, fields),
    command("HINCRBY", key, field, w.integer),
    command("HINCRBY", key, field, w.small),
    command("HINCRBYFLOAT", key, field, w.decimal),
    command("HRANDFIELD", key),
    command("HRANDFIELD", key, count, optional("WITHVALUES", "withvalues", "JUNK", "WITHVALUES JUNK")),
    command("HSCAN", key, pick("0", "0", "0", "abc", "", "0 ", "18446744073709551616"), scan_options),
)

# Hashes that grow to some hundred fields and shrink again, so that they change their form.
LARGE_HASHES: tuple[Args, ...] = (
    command("HSET", w.few_keys, many_pairs),
    command("HSET", w.few_keys, many_pairs),
    command("HMSET", w.few_keys, many_pairs),
    command("HDEL", w.few_keys, many_fields),
    command("HMGET", w.few_keys, many_fields),
    command("HGETALL", w.few_keys),
    command("HKEYS", w.few_keys),
    command("HVALS", w.few_keys),
    command("HLEN", w.few_keys),
    command("HSCAN", w.few_keys, pick("0"), option("COUNT", pick("100000", "1"))),
    command("HRANDFIELD", w.few_keys, pick("5", "-5", "100", "1000")),
    command("HINCRBY", w.few_keys, pick("f1", "f100", "f500"), w.small),
    command("COPY", w.few_keys, w.few_keys, optional("REPLACE", "DB 1")),
    command("RENAME", w.few_keys, w.few_keys),
    command("MOVE", w.few_keys, pick("1")),
    command("EXPIRE", w.few_keys, pick("100000", "-1")),
    command("PERSIST", w.few_keys),
    command("OBJECT", w.word("ENCODING"), w.few_keys),
    command("TYPE", w.few_keys),
    command("DEL", w.few_keys),
)

# Fields that expire, as in Valkey 9. Times are far away or long past; those beyond the year 10889 are errors of ours.
expiries = (
    option("EX", pick("100000", "1000000000", "0", "-1", "abc", "", "9223372036854775807")),
    option("PX", pick("100000000", "0", "-1", "abc", "9223372036854775807")),
    option("EXAT", pick("33177117420", "4000000000", "1", "0", "-1", "abc")),
    option("PXAT", pick("33177117420123", "4000000000999", "1", "0", "-1", "abc")),
)
conditions = options("NX", "XX", "GT", "LT", "gt", "JUNK", most=2)


@st.composite
def named(draw: st.DrawFn, pairs: bool = False) -> list[bytes]:
    """The word FIELDS, a number that mostly fits, and fields."""
    groups = draw(st.lists(st.tuples(field, value) if pairs else st.tuples(field), min_size=1, max_size=4))
    number = draw(st.sampled_from([b"%d" % len(groups)] * 12 + [b"0", b"-1", b"abc", b"%d" % (len(groups) + 1)]))
    word = draw(st.sampled_from([b"FIELDS"] * 8 + [b"fields", b"FIELD"]))
    return [word, number, *(word for group in groups for word in group)]


EXPIRING_FIELDS: tuple[Args, ...] = (
    command("HEXPIRE", w.few_keys, pick("100000", "1000000000", "0", "-1", "abc"), conditions, named()),
    command("HPEXPIRE", w.few_keys, pick("100000000", "5000000001", "0", "-1", ""), conditions, named()),
    command("HEXPIREAT", w.few_keys, pick("33177117420", "4000000000", "1", "-1", "1.5"), conditions, named()),
    command("HPEXPIREAT", w.few_keys, pick("33177117420123", "4000000000999", "1", "-1"), conditions, named()),
    command("HTTL", w.few_keys, named()),
    command("HPTTL", w.few_keys, named()),
    command("HEXPIRETIME", w.few_keys, named()),
    command("HPEXPIRETIME", w.few_keys, named()),
    command("HPERSIST", w.few_keys, named()),
    command("HGETDEL", w.few_keys, named()),
    command("HGETEX", w.few_keys, options("PERSIST", *expiries, most=2), named()),
    command("HSETEX", w.few_keys, options("FNX", "FXX", "NX", "XX", "KEEPTTL", *expiries, most=2), named(pairs=True)),
    command("HSETEX", w.few_keys, options(*expiries, most=1), named(pairs=True)),
    command("HSET", w.few_keys, w.many(field, value)),
    command("HSET", w.few_keys, many_pairs),
    command("HDEL", w.few_keys, fields),
    command("HINCRBY", w.few_keys, field, w.small),
    command("HINCRBYFLOAT", w.few_keys, field, w.decimal),
    command("HSETNX", w.few_keys, field, value),
    command("HGETALL", w.few_keys),
    command("HLEN", w.few_keys),
    command("COPY", w.few_keys, w.few_keys, optional("REPLACE", "DB 1")),
    command("RENAME", w.few_keys, w.few_keys),
    command("EXPIRE", w.few_keys, pick("100000", "-1")),
    command("PERSIST", w.few_keys),
    command("TTL", w.few_keys),
    command("SET", w.few_keys, pick("v")),
    command("DEL", w.few_keys),
    command("OBJECT", w.word("ENCODING"), w.few_keys),
    command("TYPE", w.few_keys),
)
