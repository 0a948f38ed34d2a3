"""SORT and SORT_RO."""

from __future__ import annotations

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, option, options, pick

NUMBERS = ("1", "2", "3", "10", "-1", "1.5", "007", " 4", "0x10", "1e2", "-0", "5", "20", "inf", "-inf")
number = pick(*NUMBERS)
element = st.one_of(number, pick("a", "b", "aa", "B", "", "2", "1", "3", "x\x00y", "nan", "1x", "9" * 40))
# Without 1e400: after a number out of range, redis-server 7.0 refuses whatever it sorts next (a stale errno).
source = pick("k0", "k1", "k2", "k3")
# The keys that the patterns below name for an element: some exist, some do not, and some are no strings.
weight = st.tuples(pick("w_", "k", "w_", "w_"), st.one_of(number, element)).map(b"".join)
pattern = pick(
    "w_*",
    "w_*",
    "w_*",
    "k*",
    "*",
    "#",
    "w_*->f",
    "w_*->",
    "nosuch_*",
    "w_1",
    "w_*_*",
    "w\x00_*",
    "",
    "w_*->\x00f",
    "->*",
)
# A pattern without a star leaves a set in the server's own order, which differs: test_sort.c has what is sure.
starred = pick("w_*", "w_*", "k*", "*", "w_*->f", "w_*->", "nosuch_*", "w_*_*", "w\x00_*", "w_*->\x00f", "->*")
by = option("BY", starred)
limit = option("LIMIT", w.index, w.index)
common = (
    by,
    limit,
    option("LIMIT", pick("0", "1", "2"), pick("2", "5", "-1")),
    "ASC",
    "DESC",
    "ALPHA",
    "alpha",
    "desc",
)
# More than one star, or a missing value, leaves the order to Redis's own sort, which is not stable with LIMIT: so the
# scripts that combine these are in test_sort.py, with what is sure.

SORTS: tuple[Args, ...] = (
    command("RPUSH", source, st.lists(number, min_size=1, max_size=8)),
    command("RPUSH", source, st.lists(element, min_size=1, max_size=8)),
    command("SET", weight, st.one_of(number, element)),
    command("SET", weight, number),
    command("SORT", source, options("ASC", "DESC", "ALPHA", limit, limit, "JUNK", "BY", "LIMIT 1", most=3)),
    command("SORT", source, options("ALPHA", "DESC", limit, option("GET", pattern), option("GET", pattern), most=5)),
    command("SORT", source, option("BY", starred), options("DESC", option("GET", pattern), most=3)),
    command("SORT", source, w.words("ALPHA"), options("DESC", limit), option("STORE", source)),
    command(
        "SORT",
        source,
        options(*common[1:3], "DESC"),
        option("STORE", source),
        options(option("STORE", source)),
    ),
    command("SORT", source, options(option("GET", pattern), most=3), option("STORE", source)),
    command(
        "SORT_RO", source, options("ALPHA", "DESC", limit, option("GET", pattern), option("STORE", source), most=4)
    ),
    command("LRANGE", source, w.words("0 -1")),
    command("DEL", source),
    command("EXPIRE", source, pick("100000")),
    command("GET", source),
)
