"""Generated scripts: what one client sends, as commands and as the byte stream that carries them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from . import words as w
from .connection import CONNECTION, GETKEYS, SERVER
from .hashes import HASHES
from .keyspace import FLUSHES, KEYSPACE, TRANSACTIONS
from .lists import LISTS
from .peers import encode
from .sets import SETS
from .sorted_sets import SORTED_SETS
from .strings import BITMAPS, HYPERLOGLOGS, STRINGS
from .words import Args

Argv = list[bytes]
# A wrong argument to these could stop a server, hold it up or change it for the next script.
_TAKEN_AS_THEY_ARE = (
    *(b"shutdown", b"debug", b"client", b"config", b"quit"),
    *(b"wait", b"waitaof", b"replicaof", b"slaveof", b"save", b"bgsave", b"bgrewriteaof"),
)
# ZRANK takes one argument more since 7.2: in a transaction redis-server 7.0 would discard what ours queues. HELLO with
# several options, some of them wrong, has obeyed none of them since 7.2.
_CHANGED = (b"zrank", b"zrevrank", b"hello")


class Script(NamedTuple):
    """Commands, and the seed that decides how their bytes are written and cut."""

    commands: list[Argv]
    seed: int
    resp: int

    def pieces(self) -> list[bytes]:
        """The byte stream, cut at random places."""
        chance = random.Random(self.seed)
        return cut(stream(self.commands, chance), chance)


def stream(commands: Sequence[Argv], chance: random.Random) -> bytes:
    """The commands as bytes: mostly arrays of bulks, some inline, and between them what makes no reply."""
    parts = []
    for argv in commands:
        if chance.random() < 0.05:
            parts.append(chance.choice([b"\r\n", b"\n", b"*0\r\n", b"*-1\r\n", b"  \r\n"]))
        parts.append(inline(argv, chance) if inlinable(argv) and chance.random() < 0.12 else encode(argv))
    return b"".join(parts)


def inlinable(argv: Argv) -> bool:
    """Whether the command can be sent as an inline command."""
    return bool(argv[0]) and not argv[0].startswith(b"*") and sum(map(len, argv)) < 2000


def inline(argv: Argv, chance: random.Random) -> bytes:
    """An inline command, quoted in one way or another."""
    return chance.choice([b" ", b"  ", b"\t"]).join(quoted(word, chance) for word in argv) + chance.choice(
        [b"\r\n", b"\n"]
    )


def quoted(word: bytes, chance: random.Random) -> bytes:
    """One word of an inline command."""
    if word and word.isalnum() and chance.random() < 0.7:
        return word
    if chance.random() < 0.3 and not set(word) & set(b"\r\n\0\\'\xff"):  # Valkey 9 drops a 0xff that is not escaped
        return b"'" + word + b"'"
    escapes = {10: b"\\n", 13: b"\\r", 9: b"\\t", 34: b'\\"', 92: b"\\\\"}
    return b'"' + b"".join(escapes.get(c) or (bytes([c]) if 32 <= c < 127 else b"\\x%02x" % c) for c in word) + b'"'


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """The stream in pieces: all at once, at a few places, or in many small ones."""
    places = chance.choice([0, 0, 1, 2, 5, 20])
    at = sorted(chance.randrange(len(data) + 1) for _ in range(places)) if data else []
    return [data[i:j] for i, j in zip([0, *at], [*at, len(data)], strict=True) if i < j]


@st.composite
def damaged(draw: st.DrawFn, commands: Args) -> Argv:
    """A command with an argument too few, one too many, or a wrong one."""
    argv = list(draw(commands))
    if argv[0].lower() in _TAKEN_AS_THEY_ARE + _CHANGED:
        return argv
    how = draw(st.sampled_from(["less", "more", "replaced"]))
    place = draw(st.integers(1, max(1, len(argv) - 1)))
    if how == "less":
        argv = argv[:place] + argv[place + 1 :]
    elif how == "more":
        argv.insert(place, draw(w.odd_word))
    elif place < len(argv):
        argv[place] = draw(w.odd_word)
    return argv


def any_of(*groups: tuple[Args, ...]) -> Args:
    """A command of one of the groups; one in eight is damaged."""
    whole = st.one_of([command for group in groups for command in group])
    return st.integers(0, 7).flatmap(lambda n: damaged(whole) if n == 7 else whole)


DATA = any_of(STRINGS, STRINGS, BITMAPS, HYPERLOGLOGS, HASHES, LISTS, SETS, SORTED_SETS, KEYSPACE, KEYSPACE)
EVERYTHING = any_of(
    STRINGS,
    BITMAPS,
    HYPERLOGLOGS,
    LISTS,
    HASHES,
    SETS,
    SORTED_SETS,
    KEYSPACE,
    CONNECTION,
    SERVER,
    GETKEYS,
    TRANSACTIONS,
    FLUSHES,
)


@st.composite
def counted(draw: st.DrawFn, commands: Args, most: int, queued: Args) -> list[Argv]:
    """Commands and whole transactions of `queued`, one after another."""
    in_multi = st.lists(queued, max_size=5).map(lambda argvs: [[b"MULTI"], *argvs, [b"EXEC"]])
    one = commands.map(lambda argv: [argv])
    block = st.one_of(one, one, one, one, one, one, one, one, in_multi)
    least = draw(st.sampled_from([1, 1, most // 2, most]))  # lists of no least size would be short ones
    blocks = draw(st.lists(block, min_size=least, max_size=most))
    return [argv for block in blocks for argv in block]


def scripts(commands: Args, most: int = 25, queued: Args = DATA) -> st.SearchStrategy[Script]:
    """Scripts of these commands, and of others in transactions."""
    return st.builds(Script, counted(commands, most, queued), st.integers(0, 1 << 16), st.sampled_from([2, 3]))
