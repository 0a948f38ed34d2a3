"""ZUNION, ZINTER, ZDIFF and their relatives, on sorted sets and sets."""

from __future__ import annotations

from hypothesis import strategies as st

from . import words as w
from .sets import many_members
from .sorted_sets import many_pairs, numbered, score
from .words import Args, command, key, option, options, pick

member = st.one_of(w.small, pick("a", "b", "c", "d", "m1", "m7", ""))
weight = st.one_of(w.small, score)
_keys = st.lists(key, min_size=1, max_size=4)
counted = _keys.map(lambda keys: [b"%d" % len(keys), *keys])
aggregate = option("AGGREGATE", pick("SUM", "MIN", "MAX", "sum", "JUNK"))


def weighted(pair: tuple[list[bytes], list[bytes]]) -> list[bytes]:
    """The keys with a weight for each."""
    keys, weights = pair
    return [b"%d" % len(keys), *keys, b"WEIGHTS", *weights[: len(keys)]]


with_weights = st.tuples(_keys, st.lists(weight, min_size=4, max_size=4)).map(weighted)
miscounted = st.tuples(w.index, _keys, st.lists(weight, max_size=3)).map(
    lambda parts: [parts[0], *parts[1], b"WEIGHTS", *parts[2]]
)
sources = st.one_of(counted, counted, with_weights, with_weights, miscounted)
extras = options("WITHSCORES", "WITHSCORES", aggregate, aggregate, "JUNK", most=2)
limit = options(option("LIMIT", w.index), "LIMIT", most=2)

SORTED_ALGEBRA: tuple[Args, ...] = (
    command("ZADD", key, w.many(score, member)),
    command("ZADD", key, many_pairs.map(numbered)),
    command("SADD", key, many_members),
    command("ZUNION", sources, extras),
    command("ZINTER", sources, extras),
    command("ZDIFF", counted, extras),
    command("ZINTERCARD", counted, limit),
    command("ZUNIONSTORE", key, sources, extras),
    command("ZINTERSTORE", key, sources, extras),
    command("ZDIFFSTORE", key, counted, extras),
    command("ZRANGE", key, w.words("0 -1 WITHSCORES")),
    command("OBJECT", w.word("ENCODING"), key),
)
