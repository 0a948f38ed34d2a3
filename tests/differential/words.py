"""Hypothesis strategies for the arguments of commands: keys that collide, values of every kind, numbers at their edges.

Two rules keep the replies of two servers comparable. Times are far away or long past, never near. And no argument may
ask for a large value: an offset is below 70,000 or above what Redis allows.
"""

from __future__ import annotations

from hypothesis import strategies as st

Args = st.SearchStrategy[list[bytes]]
Word = st.SearchStrategy[bytes]

KEYS = (b"k0", b"k1", b"k2", b"k3", b"user:1", b"user:2", b"\x00\xff\r\n", b"", b"0", b"K0", b"a" * 64, b"z" * 300)


def pick(*words: bytes | str) -> Word:
    """One of the words."""
    return st.sampled_from([w.encode() if isinstance(w, str) else w for w in words])


def word(text: str) -> Word:
    """A word of the syntax, in one case or another."""
    return pick(text, text, text.lower(), text.capitalize())


key = pick(*KEYS, *KEYS[:4], *KEYS[:4], *KEYS[:4])
keys = st.lists(key, min_size=1, max_size=4)
few_keys = pick(*KEYS[:3])

far = (b"100000", b"31536000", b"1000000000")
odd_numbers = (
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"-0",
    b"00",
    b"+100000",
    b" 100000",
    b"100000 ",
    b"1e5",
    b"0x10",
    b"1.5",
    b"",
    b"abc",
    b"\x00",
    b"9" * 40,
)

seconds = pick(*far, *far, b"0", b"-1", b"-100000", b"9223372036854775", b"9223372036854776", *odd_numbers)
milliseconds = pick(b"100000000", b"31536000000", b"5000000001", b"0", b"-1", b"9223372036854775806", *odd_numbers)
at_seconds = pick(b"33177117420", b"33177117421", b"4000000000", b"1", b"0", b"-1", b"9223372036854776", *odd_numbers)
at_milliseconds = pick(b"33177117420123", b"4000000000999", b"1", b"0", b"-1", b"9223372036854775806", *odd_numbers)

small = st.integers(-12, 40).map(lambda n: b"%d" % n)
integer = st.one_of(
    small,
    pick(*odd_numbers),
    pick(b"2147483647", b"-2147483648", b"4294967296", b"1000000", b"9223372036854775806", b"-9223372036854775807"),
)
index = st.one_of(small, small, pick(b"100", b"-100", b"5000", *odd_numbers))
offset = st.one_of(small, small, pick(b"100", b"9999", b"65536", b"536870913", b"4294967296", *odd_numbers))
bit_offset = st.one_of(small, small, pick(b"100", b"9999", b"65536", b"4294967296", *odd_numbers))
bit = pick(b"0", b"1", b"1", b"0", b"1", b"2", b"-1", b"x", b"")
decimal = pick(
    b"0.1", b"3.0e3", b"-1.5", b"1e17", b"1e-17", b"5", b"-0", b"0", b"1e400", b"1e5000", b"inf", b"-inf", b"nan",
    b"0x10", b" 1", b"1 ", b"", b"abc", b"1.", b".5", b"17179869184.00390625", b"1e30", b"-123456789.123456789",
    b"9223372036854775807", b"1\x00", b"1e-5", b"100", b"3.14159265358979323846", b"1E2", b"infinity",
)  # fmt: skip
database = pick(b"0", b"1", b"2", b"0", b"1", b"15", b"16", b"-1", b"abc", b"9223372036854775808", b"")

value = st.one_of(
    small,
    st.binary(max_size=12),
    pick(
        b"", b"value", b"3.5", b"10.5e2", b"hello world", b"\x00\x01\x02\xff\xfe", b"9223372036854775807", b"-9223372036854775808",
        b"9223372036854775808", b"01", b"+1", b" 1", b"1 ", b"nan", b"foobar", b"mytext", b"ourmynewtext", b"ohmytext",
        b"x" * 43, b"x" * 44, b"x" * 45, b"x" * 200, b"ab" * 2500, b"\xff" * 70, b"\x00" * 70, b"1" * 40, b"12345678901234567890",
    ),
)  # fmt: skip

pattern = pick(
    b"*", b"*", b"k?", b"k[0-2]", b"k[^0]", b"k[2-0]", b"u*:?", b"", b"[", b"k[", b"k[0", b"\\*", b"\\", b"k\\0", b"**", b"*0*",
    b"?", b"[k]0", b"[\\k]0", b"\x00*", b"user:[12]", b"*:*", b"z*z", b"a**********************b", b"[^k]*", b"k[]0", b"k[-]",
    b"*\xff*", b"K0", b"[a-", b"[a-z]?",
)  # fmt: skip

odd_word = pick(
    b"",
    b"0",
    b"-1",
    b"abc",
    b"NX",
    b"XX",
    b"GET",
    b"\x00",
    b"9223372036854775808",
    b"4294967296",
    b"1.5",
    b"k0",
    b"\r\n",
)


def command(name: str | Word, *parts: Word | Args) -> Args:
    """A command of the name and of its parts; a part that is a list is spliced in."""

    def flatten(drawn: tuple[bytes | list[bytes], ...]) -> list[bytes]:
        argv: list[bytes] = []
        for part in drawn:
            if isinstance(part, bytes):
                argv.append(part)
            else:
                argv += part
        return argv

    return st.tuples(word(name) if isinstance(name, str) else name, *parts).map(flatten)


def words(text: str) -> Args:
    """The words of a fixed tail."""
    return st.just([w.encode() for w in text.split()])


def optional(*choices: Args | str) -> Args:
    """One of the choices, or nothing."""
    return st.one_of(st.just([]), *(words(c) if isinstance(c, str) else c for c in choices))


def options(*choices: Args | str, most: int = 3) -> Args:
    """Some of the choices, in any order and also twice."""
    one = st.one_of(*(words(c) if isinstance(c, str) else c for c in choices))
    sizes = st.sampled_from([0, 1, 1, 1, 2, 2, most])
    some = sizes.flatmap(lambda n: st.lists(one, min_size=n, max_size=n))
    return some.map(lambda lists: [w for part in lists for w in part])


def option(name: str, *arguments: Word) -> Args:
    """An option and its arguments."""
    return st.tuples(word(name), *arguments).map(list)


def many(*parts: Word, most: int = 4) -> Args:
    """The parts as a group, once or several times."""
    return st.lists(st.tuples(*parts), min_size=1, max_size=most).map(lambda groups: [w for g in groups for w in g])
