"""Commands on lists."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, key, option, options, pick

# Few different ones, so that searches find them; numbers at the ends of each form; and strings of each.
element = st.one_of(
    pick("a", "b", "c", "a", "b", "1", "2", "x" * 20),
    pick("", "-1", "127", "128", "-129", "32768", "8388608", "-8388609", "2147483648", "9223372036854775808", "007"),
    pick(b"\x00\xff\r\n", b"y" * 63, b"y" * 64, b"y" * 191, b"y" * 192, b"y" * 512, b"y" * 513, b"z" * 3000),
)
elements = st.lists(element, min_size=1, max_size=6)
many_elements = st.builds(
    lambda count, seed: [b"%d" % random.Random(seed + n).randrange(200) for n in range(count)],
    st.sampled_from([30, 200, 700]),
    st.integers(0, 100),
)
list_key = pick("k0", "k1", "k2", "k0", "k1", "k2", "k3", "user:1")
side = pick("LEFT", "RIGHT", "left", "Right", "LEFT", "RIGHT", "MIDDLE")
count = st.one_of(st.integers(-3, 6).map(lambda n: b"%d" % n), pick("0", "100", "1000", *w.odd_numbers))

LISTS: tuple[Args, ...] = (
    command("LPUSH", list_key, elements),
    command("RPUSH", list_key, elements),
    command("RPUSH", list_key, elements),
    command("RPUSH", list_key, many_elements),
    command("LPUSHX", list_key, elements),
    command("RPUSHX", list_key, elements),
    command("LPOP", list_key, w.optional(st.tuples(count).map(list))),
    command("RPOP", list_key, w.optional(st.tuples(count).map(list))),
    command("LLEN", list_key),
    command("LRANGE", list_key, w.index, w.index),
    command("LRANGE", list_key, w.words("0 -1")),
    command("LINDEX", list_key, w.index),
    command("LSET", list_key, w.index, element),
    command("LINSERT", list_key, pick("BEFORE", "AFTER", "before", "after", "behind"), element, element),
    command("LREM", list_key, count, element),
    command("LTRIM", list_key, w.index, w.index),
    command(
        "LPOS",
        list_key,
        element,
        options(option("RANK", count), option("COUNT", count), option("MAXLEN", count), "JUNK", most=4),
    ),
    command(
        "LPOS", list_key, element, options(option("RANK", pick("1", "2", "-1", "-2")), option("COUNT", pick("0", "2")))
    ),
    command("LMOVE", list_key, list_key, side, side),
    command("RPOPLPUSH", list_key, list_key),
    command("LMPOP", pick("1", "1", "2", "0", "-1", "x"), list_key, side, options(option("COUNT", count))),
    command("LMPOP", w.word("2"), key, list_key, side, options(option("COUNT", count), "COUNT")),
    command("SET", list_key, element),
    command("DEL", list_key),
    command("TYPE", list_key),
    command("OBJECT", w.word("ENCODING"), list_key),
    command("EXPIRE", list_key, pick("100000", "-1")),
    command("RENAME", list_key, list_key),
    command("COPY", list_key, list_key, w.optional("REPLACE", "DB 1")),
)
