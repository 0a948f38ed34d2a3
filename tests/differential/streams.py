"""Commands on streams. No id is chosen by the clock, so both servers have the same ones."""

from __future__ import annotations

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, option, optional, options, pick

stream = pick("x1", "x1", "x1", "x2", "k0")
ms = st.integers(1, 40).map(lambda n: b"%d" % n)
seq = pick("0", "1", "2", "3", "18446744073709551615")
whole = st.tuples(ms, pick("-"), seq).map(b"".join)
odd_id = pick(
    "0-0", "0", "-", "+", "x", "", "1-", "-1", "1-1-1", "*", "$", ">", "18446744073709551615", "01-002", " 3-1"
)
some_id = st.one_of(whole, whole, whole, ms, odd_id)
new_id = st.one_of(st.tuples(ms, pick("-*")).map(b"".join), whole, whole, odd_id.filter(lambda text: text != b"*"))
bound = st.one_of(pick("-", "+"), pick("-", "+"), some_id, st.tuples(pick("("), some_id).map(b"".join))
field = pick("a", "b", "a longer name of a field", "", "12")
value = st.one_of(w.small, pick("", "text", "x" * 64, "y" * 300, "z" * 600, "-70000", "1e3", "\0\xff\r\n"))
pairs = w.many(field, value)
count = option("COUNT", pick("1", "2", "10", "0", "-1", "x", ""))
threshold = pick("0", "1", "3", "10", "100", "-1", "x")
trim = st.one_of(
    st.tuples(w.word("MAXLEN"), optional("=", "~"), threshold).map(lambda t: [t[0], *t[1], t[2]]),
    st.tuples(w.word("MINID"), optional("="), some_id).map(lambda t: [t[0], *t[1], t[2]]),
)
limit = options(option("LIMIT", pick("0", "1", "100", "-1", "x")), most=1)

STREAMS: tuple[Args, ...] = (
    command("XADD", stream, new_id, pairs),
    command("XADD", stream, new_id, pairs),
    command("XADD", stream, new_id, pairs),
    command("XADD", stream, st.tuples(ms, pick("-*")).map(b"".join), w.words("a"), w.small, w.words("b"), value),
    command("XADD", stream, options("NOMKSTREAM", "junk", most=1), trim, limit, new_id, pairs),
    command("XLEN", stream),
    command("XRANGE", stream, bound, bound, options(count, "JUNK", most=2)),
    command("XREVRANGE", stream, bound, bound, options(count, "JUNK", most=2)),
    command("XDEL", stream, st.lists(some_id, min_size=1, max_size=4)),
    command("XTRIM", stream, trim, limit),
    command("XSETID", stream, some_id, options(option("ENTRIESADDED", threshold), option("MAXDELETEDID", some_id))),
    command("XINFO", w.word("STREAM"), stream, optional("FULL", "FULL COUNT 2", "FULL COUNT 0", "FULL COUNT", "x")),
    command("XINFO", w.word("GROUPS"), stream),
    command("XINFO", w.word("CONSUMERS"), stream, pick("g1", "g2")),
    command("COPY", stream, stream, optional("REPLACE", "DB 1")),
    command("RENAME", stream, stream),
    command("MOVE", stream, pick("1")),
    command("EXPIRE", stream, pick("100000", "-1")),
    command("OBJECT", w.word("ENCODING"), stream),
    command("TYPE", stream),
    command("DEL", stream),
    command("SET", stream, pick("a string")),
)
