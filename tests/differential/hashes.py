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
