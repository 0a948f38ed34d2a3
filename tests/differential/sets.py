"""Commands on sets."""

from __future__ import annotations

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, key, option, options, pick

member = st.one_of(w.value, w.small, w.small, pick(b"a", b"b", b"c", b"d"))
members = st.lists(member, min_size=1, max_size=5)


def numbers(bounds: tuple[int, int]) -> list[bytes]:
    """Numbers as members."""
    first, count = bounds
    return [b"%d" % n for n in range(first, first + count)]


def names(bounds: tuple[int, int]) -> list[bytes]:
    """Texts as members."""
    first, count = bounds
    return [b"m%d" % n for n in range(first, first + count)]


_sizes = st.tuples(st.integers(-20, 400), st.sampled_from([3, 60, 128, 129, 200, 513]))
many_members = st.one_of(members, members, _sizes.map(numbers), _sizes.map(names))
# With a count below the number of members a choice of Redis would be compared with one of ours.
all_of_them = pick("100000", "0", "-1", "abc", "", "9223372036854775807", "9223372036854775808")
any_count = pick("100000", "5", "1", "-1", "-20", "0", "abc", "", "9223372036854775808", "-9223372036854775808")
scan = options(option("MATCH", w.pattern), option("COUNT", pick("100000", "10", "0", "-1", "abc", "")), "TYPE set")
limit = options(option("LIMIT", w.index), "LIMIT", most=2)
counted_keys = st.lists(key, min_size=1, max_size=4).map(lambda keys: [b"%d" % len(keys), *keys])
miscounted_keys = st.tuples(w.index, w.keys).map(lambda pair: [pair[0], *pair[1]])

SETS: tuple[Args, ...] = (
    command("SADD", key, members),
    command("SADD", key, many_members),
    command("SADD", key, many_members),
    command("SREM", key, members),
    command("SREM", key, many_members),
    command("SCARD", key),
    command("SISMEMBER", key, member),
    command("SMISMEMBER", key, members),
    command("SMEMBERS", key),
    command("SPOP", key, all_of_them),
    command("SRANDMEMBER", key),
    command("SRANDMEMBER", key, any_count),
    command("SMOVE", key, key, member),
    command("SINTER", w.keys),
    command("SINTERCARD", counted_keys, limit),
    command("SINTERCARD", miscounted_keys, limit),
    command("SINTERSTORE", key, w.keys),
    command("SUNION", w.keys),
    command("SUNIONSTORE", key, w.keys),
    command("SDIFF", w.keys),
    command("SDIFFSTORE", key, w.keys),
    command("SSCAN", key, pick("0", "0", "0", "abc", "0 ", "18446744073709551616"), scan),
    command("OBJECT", w.word("ENCODING"), key),
    command("TYPE", key),
    command("DEL", key),
)
