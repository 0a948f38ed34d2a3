"""Commands on sorted sets."""

from __future__ import annotations

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, key, option, optional, options, pick

MEMBERS = (b"a", b"b", b"c", b"", b"0", b"12", b"-5", b"\x00\xff", b"x" * 64, b"y" * 65, b"z" * 600)
member = st.one_of(pick(*MEMBERS, *MEMBERS[:6], *MEMBERS[:6]), w.small)
members = st.lists(member, min_size=1, max_size=5)
some_score = st.one_of(w.small, w.small, pick("1.5", "0.1", "-2.25", "inf", "-inf", "+inf", "1e20", "-0", "3e-7"))
score = st.one_of(some_score, some_score, some_score, some_score, w.decimal)
bound = st.one_of(
    st.tuples(pick("", "", "("), st.one_of(w.small, some_score)).map(b"".join),
    pick("-inf", "+inf", "inf", "(inf", "(-inf", "", "(", " 1", "1 ", "nan", "((1", "abc", "1e400", "0x2", "1\0x"),
)
name = st.one_of(
    st.tuples(pick("[", "("), member).map(b"".join), pick("-", "+", "-", "+", "[", "(", "", "a", "--", "+x", "-\0")
)
conditions = options("NX", "XX", "GT", "LT", "CH", "nx", "ch", "JUNK")
limit = option("LIMIT", pick("0", "1", "2", "-1", "100", "x"), pick("0", "1", "2", "3", "-1", "-5", "100", "x"))
count = pick("0", "1", "-1", "3", "-3", "1000", "-7", "9223372036854775807", "-9223372036854775808", "", "abc", "1.5")
cursor = pick("0", "0", "0", "abc", "", "0 ", "18446744073709551616")
scan_options = options(option("MATCH", w.pattern), option("COUNT", pick("1000", "1", "0", "-1", "abc", "")), "JUNK")

# Ranges by name have a meaning only where all scores are the same: in these keys.
names = pick("names:1", "names:2")


def numbered(bounds: tuple[int, int, int]) -> list[bytes]:
    """Scores and members, numbered; every few members have the same score."""
    first, size, same = bounds
    return [word for n in range(first, first + size) for word in (b"%d" % (n * 7919 % 1000 // same), b"m%d" % n)]


many_pairs = st.tuples(st.integers(0, 300), st.sampled_from([1, 7, 60, 200, 511]), st.sampled_from([1, 50]))
pairs = many_pairs.map(numbered)
many_members = pairs.map(lambda words: words[1::2])

SORTED_SETS: tuple[Args, ...] = (
    command("ZADD", key, w.many(score, member)),
    command("ZADD", key, w.many(some_score, member)),
    command("ZADD", key, conditions, w.many(some_score, member)),
    command("ZADD", key, conditions, w.words("INCR"), score, member),
    command("ZINCRBY", key, score, member),
    command("ZREM", key, members),
    command("ZCARD", key),
    command("ZSCORE", key, member),
    command("ZMSCORE", key, members),
    command("ZRANK", key, member),
    command("ZREVRANK", key, member),
    command("ZCOUNT", key, bound, bound),
    command("ZRANGE", key, w.index, w.index, options("REV", "WITHSCORES", limit, "JUNK")),
    command("ZRANGE", key, bound, bound, w.words("BYSCORE"), options("REV", "WITHSCORES", limit, "BYLEX")),
    command("ZRANGESTORE", key, key, w.index, w.index, options("REV", limit, most=1)),
    command("ZRANGESTORE", key, key, bound, bound, w.words("BYSCORE"), options("REV", "WITHSCORES", limit)),
    command("ZREVRANGE", key, w.index, w.index, optional("WITHSCORES", "REV")),
    command("ZRANGEBYSCORE", key, bound, bound, options("WITHSCORES", limit, "REV")),
    command("ZREVRANGEBYSCORE", key, bound, bound, options("WITHSCORES", limit)),
    command("ZREMRANGEBYRANK", key, w.index, w.index),
    command("ZREMRANGEBYSCORE", key, bound, bound),
    command("ZPOPMIN", key, optional("1", "2", "0", "-1", "100", "x")),
    command("ZPOPMAX", key, optional("1", "2", "0", "-1", "100", "x", "1 1")),
    command("ZMPOP", pick("1", "2"), w.keys, pick("MIN", "MAX", "min", "JUNK"), options(option("COUNT", count))),
    command("ZRANDMEMBER", key, optional(st.tuples(count).map(list))),
    command("ZRANDMEMBER", key, count, optional("WITHSCORES", "withscores", "JUNK", "WITHSCORES JUNK")),
    command("ZSCAN", key, cursor, scan_options),
    command("ZADD", names, w.many(pick("0"), member)),
    command("ZADD", names, w.many(pick("0"), member)),
    command("ZREM", names, members),
    command("ZRANGEBYLEX", names, name, name, options(limit, "WITHSCORES", most=2)),
    command("ZREVRANGEBYLEX", names, name, name, options(limit, most=1)),
    command("ZRANGE", names, name, name, w.words("BYLEX"), options("REV", "WITHSCORES", limit)),
    command("ZLEXCOUNT", names, name, name),
    command("ZREMRANGEBYLEX", names, name, name),
)

# Sorted sets that grow to some hundred members and shrink again, so that they change their form.
LARGE_SORTED_SETS: tuple[Args, ...] = (
    command("ZADD", w.few_keys, pairs),
    command("ZADD", w.few_keys, pairs),
    command("ZADD", w.few_keys, options("NX", "XX", "GT", "LT", "CH", most=1), pairs),
    command("ZINCRBY", w.few_keys, pick("1", "-3", "500", "0.5"), pick("m1", "m100", "m500")),
    command("ZREM", w.few_keys, many_members),
    command("ZMSCORE", w.few_keys, many_members),
    command("ZRANK", w.few_keys, pick("m1", "m100", "m500")),
    command("ZREVRANK", w.few_keys, pick("m1", "m100", "m500")),
    command("ZRANGE", w.few_keys, w.index, w.index, options("REV", "WITHSCORES")),
    command("ZRANGEBYSCORE", w.few_keys, bound, pick("inf", "500", "(100"), options("WITHSCORES", limit)),
    command("ZREVRANGEBYSCORE", w.few_keys, pick("inf", "500", "(100"), bound, options("WITHSCORES", limit)),
    command("ZRANGESTORE", w.few_keys, w.few_keys, w.index, w.index, options("REV", most=1)),
    command("ZCOUNT", w.few_keys, bound, pick("inf", "500", "(100")),
    command("ZREMRANGEBYRANK", w.few_keys, w.index, w.index),
    command("ZREMRANGEBYSCORE", w.few_keys, pick("100", "10"), pick("120", "(500")),
    command("ZPOPMIN", w.few_keys, pick("1", "50")),
    command("ZPOPMAX", w.few_keys, pick("1", "50")),
    command("ZRANDMEMBER", w.few_keys, pick("5", "-5", "100", "1000")),
    command("ZSCAN", w.few_keys, pick("0"), option("COUNT", pick("100000", "1"))),
    command("ZADD", names, many_members.map(lambda found: [word for m in found for word in (b"0", m)])),
    command("ZRANGEBYLEX", names, name, name, options(limit, most=1)),
    command("ZREVRANGEBYLEX", names, name, name, options(limit, most=1)),
    command("ZLEXCOUNT", names, name, name),
    command("ZREMRANGEBYLEX", names, pick("[m2", "[m499"), pick("[m3", "+")),
    command("COPY", w.few_keys, w.few_keys, optional("REPLACE", "DB 1")),
    command("RENAME", w.few_keys, w.few_keys),
    command("MOVE", w.few_keys, pick("1")),
    command("EXPIRE", w.few_keys, pick("100000", "-1")),
    command("PERSIST", w.few_keys),
    command("OBJECT", w.word("ENCODING"), w.few_keys),
    command("DEL", w.few_keys),
)
