"""Commands on strings, bitmaps and HyperLogLogs."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, key, option, optional, options, pick, value

expiries = (
    option("EX", w.seconds),
    option("PX", w.milliseconds),
    option("EXAT", w.at_seconds),
    option("PXAT", w.at_milliseconds),
)
set_options = options("NX", "XX", "GET", "KEEPTTL", "nx", "get", *expiries, option("EX", pick("100000")))

encoding = st.one_of(
    pick("u8", "i8", "u1", "i1", "u63", "i64", "u4", "i16", "u32", "i5", "u8", "i8"),
    pick("u64", "i65", "u0", "i0", "x8", "u", "8", "U8", "u-1", "u08", "", "u 8", "i+8"),
)
slot = st.one_of(w.bit_offset, pick("#0", "#1", "#2", "#100", "#-1", "#", "#abc", "#4294967296", "0", "7"))
overflow = st.tuples(w.word("OVERFLOW"), pick("WRAP", "SAT", "FAIL", "sat", "wrong")).map(list)
field_get = option("GET", encoding, slot)
# Redis's own arithmetic overflows when it saturates a SET of a number near the ends of 64 bits (see DeliberateTests).
field_set = option(
    "SET", encoding, slot, st.one_of(w.small, pick("127", "128", "-129", "256", "-2147483648", "4294967296", "abc", ""))
)
field_incr = option("INCRBY", encoding, slot, w.integer)
fields = options(field_get, field_set, field_incr, field_incr, overflow, most=6)
bit_range = optional(
    st.tuples(w.index).map(list),
    st.tuples(w.index, w.index).map(list),
    st.tuples(w.index, w.index).map(list),
    st.tuples(w.index, w.index, pick("BYTE", "BIT", "bit", "WORD")).map(list),
    st.tuples(w.index, w.index, pick("BYTE", "BIT")).map(list),
)


def elements(bounds: tuple[int, int]) -> list[bytes]:
    """Elements of a HyperLogLog, numbered."""
    first, count = bounds
    return [b"e%d" % n for n in range(first, first + count)]


hll_elements = st.one_of(
    st.lists(value, max_size=4),
    st.tuples(st.integers(0, 400), st.integers(0, 40)).map(elements),
    st.tuples(st.integers(0, 400), st.sampled_from([300, 900])).map(elements),
)

STRINGS: tuple[Args, ...] = (
    command("SET", key, value, set_options),
    command("SET", key, value),
    command("SET", key, value, set_options),
    command("GET", key),
    command("GETSET", key, value),
    command("GETDEL", key),
    command("GETEX", key, options("PERSIST", *expiries, most=2)),
    command("SETEX", key, w.seconds, value),
    command("PSETEX", key, w.milliseconds, value),
    command("SETNX", key, value),
    command("MSET", w.many(key, value)),
    command("MSETNX", w.many(key, value)),
    command("MGET", w.keys),
    command("APPEND", key, value),
    command("STRLEN", key),
    command("GETRANGE", key, w.index, w.index),
    command("SUBSTR", key, w.index, w.index),
    command("SETRANGE", key, w.offset, value),
    command("INCR", key),
    command("DECR", key),
    command("INCRBY", key, w.integer),
    command("DECRBY", key, w.integer),
    command("INCRBYFLOAT", key, w.decimal),
    command("LCS", key, key, options("LEN", "IDX", "WITHMATCHLEN", option("MINMATCHLEN", w.index), most=4)),
)

BITMAPS: tuple[Args, ...] = (
    command("GETBIT", key, w.bit_offset),
    command("SETBIT", key, w.bit_offset, w.bit),
    command("BITCOUNT", key, bit_range),
    command("BITPOS", key, w.bit, bit_range),
    command("BITOP", pick("AND", "OR", "XOR", "NOT", "and", "not", "NAND", ""), key, w.keys),
    command("BITFIELD", key, fields),
    command("BITFIELD", key, fields),
    command("BITFIELD_RO", key, options(field_get, field_get, field_get, field_set, most=4)),
)

HYPERLOGLOGS: tuple[Args, ...] = (
    command("PFADD", key, hll_elements),
    command("PFADD", w.few_keys, hll_elements),
    command("PFCOUNT", w.keys),
    command("PFMERGE", key, st.lists(key, max_size=3)),
    command("PFDEBUG", pick("ENCODING", "DECODE", "todense", "JUNK", "a\r\nb", ""), w.few_keys),
)

# Values that do not fit into one piece of the store: places and lengths around the ends of pieces and far inside.
_places = st.one_of(st.integers(0, 300_000), st.sampled_from([7999, 8000, 8001, 16383, 16384, 65535, 65536, 131072]))
place = _places.map(lambda n: b"%d" % n)
back = _places.map(lambda n: b"%d" % -n)
bit_place = st.integers(0, 2_400_000).map(lambda n: b"%d" % n)
large = st.builds(
    lambda size, seed: random.Random(seed).randbytes(size), st.one_of(_places, st.integers(0, 100)), st.integers(0, 100)
)
either = st.one_of(place, back)

LARGE_HLL: tuple[Args, ...] = (command("PFADD", w.few_keys, hll_elements), command("PFCOUNT", w.few_keys))
LARGE: tuple[Args, ...] = (
    command("SET", w.few_keys, large),
    command("SET", w.few_keys, large, w.words("KEEPTTL")),
    command("APPEND", w.few_keys, large),
    command("SETRANGE", w.few_keys, place, large),
    command("GETRANGE", w.few_keys, either, either),
    command("GETSET", w.few_keys, large),
    command("GETDEL", w.few_keys),
    command("STRLEN", w.few_keys),
    command("MSET", w.many(w.few_keys, large, most=2)),
    command("MGET", w.keys),
    command("SETBIT", w.few_keys, bit_place, pick("0", "1")),
    command("GETBIT", w.few_keys, bit_place),
    command("BITCOUNT", w.few_keys, either, either),
    command("BITCOUNT", w.few_keys, bit_place, bit_place, w.word("BIT")),
    command("BITPOS", w.few_keys, pick("0", "1"), either),
    command("BITPOS", w.few_keys, pick("0", "1"), bit_place, bit_place, w.word("BIT")),
    command("BITOP", pick("AND", "OR", "XOR"), w.few_keys, st.lists(w.few_keys, min_size=1, max_size=3)),
    command("BITOP", w.word("NOT"), w.few_keys, w.few_keys),
    command("BITFIELD", w.few_keys, options(option("SET", pick("u8", "i33", "u63"), bit_place, w.small), most=4)),
    command(
        "BITFIELD", w.few_keys, options(option("INCRBY", pick("u5", "i64"), bit_place, w.small), "OVERFLOW SAT", most=4)
    ),
    command("COPY", w.few_keys, w.few_keys, optional("REPLACE", "DB 1")),
    command("RENAME", w.few_keys, w.few_keys),
    command("EXPIRE", w.few_keys, pick("100000", "-1")),
    command("PERSIST", w.few_keys),
    command("INCR", w.few_keys),
    *LARGE_HLL,
    command("OBJECT", w.word("ENCODING"), w.few_keys),
    command("DEL", w.few_keys),
)
