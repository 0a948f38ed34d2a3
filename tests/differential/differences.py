"""Where Redistill's replies differ from redis-server 7.0's on purpose. Each entry says why; nothing else may differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redistill.engine.command_table import CommandTable

from .replies import Reply, as_pairs


@dataclass(frozen=True)
class Difference:
    """A documented difference: whether it explains these two replies to this command, and the reason for it."""

    reason: str
    covers: Callable[[Sequence[bytes], Reply, Reply], bool]
    diverges: bool = False
    """Whether the two hold different values afterwards, so that nothing can be compared any more."""


def lowered(argv: Sequence[bytes]) -> list[bytes]:
    """The words of a command in lower case."""
    return [word.lower() for word in argv]


def starts(argv: Sequence[bytes], *names: str) -> bool:
    """Whether the command is one of the names, each of a word or two."""
    text = " ".join(word.decode("latin-1").lower() for word in argv[:2])
    return any(text == name or text.split(" ")[0] == name for name in names)


def tamed(text: bytes) -> bytes:
    """An error text as we write it: what the client sent stays on one line and holds no control bytes."""
    return bytes(32 if c < 32 or c == 127 else c for c in text)


def _same_but_controls(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return theirs.kind == ours.kind == "-" and tamed(theirs.value).strip() == ours.value.strip()


_NEWER = {entry.name.encode() for entry in CommandTable().flattened() if entry.since >= "7.2"}
"""Commands that redis-server 7.0 does not have."""


def _fewer_commands(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    if not starts(argv, "command list") or theirs.kind != "*" or ours.kind != "*":
        return False
    return {item.value for item in ours.value} - _NEWER <= {item.value for item in theirs.value}


def _more_parameters(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    if not starts(argv, "config get") or theirs.kind not in "*%" or theirs.kind != ours.kind:
        return False
    return set(as_pairs(theirs)) <= set(as_pairs(ours))


def _other_policies(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    if not starts(argv, "config set") or theirs.kind != "-" or ours.kind != "-":
        return False
    start = theirs.value.partition(b" - ")[0]
    return ours.value.startswith(start + b" - argument") and theirs.value.startswith(start + b" - argument")


def _made_up_cursor(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "scan") and argv[1:2] == [b"-1"] and theirs.kind == ours.kind == "*"


def _refcount(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "object refcount") and theirs.value == 2147483647 and ours.value == 1


def _small_lists(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "object encoding") and theirs.value == b"quicklist" and ours.value == b"listpack"


def _lowest_count(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    wanted = b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
    return starts(argv, "lrem", "lpos") and b"-9223372036854775808" in argv and ours.value == wanted


def _newer_encoding(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "object encoding") and theirs.value == b"hashtable" and ours.value == b"listpack"


def _replication(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "debug change-repl-id") and ours.kind == "-"


def _corrupted(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return (
        starts(argv, "pfadd", "pfmerge", "pfcount", "pfdebug")
        and ours.value == b"INVALIDOBJ Corrupted HLL object detected"
    )


def _rank_with_score(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "zrank", "zrevrank") and len(argv) == 4 and theirs.kind == "-"


DIFFERENCES: tuple[Difference, ...] = (
    Difference("control bytes of a client never reach an error line: they become spaces", _same_but_controls),
    Difference("the table has fewer commands than Redis's: streams, scripts and messages are missing", _fewer_commands),
    Difference("Redistill's own settings and Redis 7.2's parameters are in the configuration too", _more_parameters),
    Difference("the policies and bounds that an error of CONFIG SET lists are Redistill's own", _other_policies),
    Difference("a cursor that no SCAN returned is safe, and may be at another place", _made_up_cursor),
    Difference("ZRANK WITHSCORE is 7.2's", _rank_with_score),
    Difference("small numbers are not shared objects, so their count is 1", _refcount),
    Difference("a small list is a listpack, as in Redis 7.2", _small_lists),
    Difference("the lowest integer, which has no opposite, is refused as by Redis 7.2", _lowest_count, diverges=True),
    Difference("small sets of texts are listpacks, as in Redis 7.2", _newer_encoding),
    Difference("there is no replication whose identity could change", _replication),
    Difference(
        "a damaged HyperLogLog is refused as a whole, not only when the damage is met", _corrupted, diverges=True
    ),
)

# ---- beside Valkey 9 ----


def _stricter_numbers(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return theirs.kind == "-" and theirs.value.endswith((b"not a float", b"not a valid float"))


def _cursor(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "scan", "hscan", "sscan", "zscan") and theirs.value == b"ERR invalid cursor"


def _unknown_type(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "scan") and theirs.kind == "-" and theirs.value.startswith(b"ERR unknown type name")


def _embedded(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "object encoding") and {theirs.value, ours.value} == {b"embstr", b"raw"}


def _arguments_first(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    refused = ours.kind == "-" and ours.value.startswith(b"WRONGTYPE")
    nothing = refused or ours.value in (None, 0, -1)
    return starts(argv, "getex", "bitcount", "bitpos") and theirs.kind == "-" and nothing


def _from_the_end(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, *_RANGES) and b"limit" in lowered(argv) and ours in (Reply("*", ()), Reply(":", 0))


_RANGES = ("zrange", "zrangestore", "zrangebyscore", "zrevrangebyscore", "zrangebylex", "zrevrangebylex")


def _expected_size(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return starts(argv, "object encoding") and theirs.value == b"skiplist" and ours.value == b"listpack"


def _in_transaction(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    return theirs.kind == ours.kind == "-" and theirs.value.endswith(b"not allowed inside a transaction")


def _geo_words(argv: Sequence[bytes], theirs: Reply, ours: Reply) -> bool:
    if theirs.kind != "-" or ours.kind != "-":
        return False
    missing = theirs.value.endswith(b" does not exist") and ours.value == b"ERR could not decode requested zset member"
    return missing or b"BYPOLYGON" in theirs.value


FROM_VALKEY: tuple[Difference, ...] = (
    DIFFERENCES[0],
    Difference("Valkey 9 reads no scores that are hexadecimal or begin with a space", _stricter_numbers, diverges=True),
    Difference("Valkey 9 checks cursors more strictly, and before the type of the key", _cursor),
    Difference("Valkey 9 refuses SCAN with the name of a type that does not exist", _unknown_type),
    Difference("Valkey 9 embeds a short string only if its key leaves room for it", _embedded),
    Difference("Valkey 9 checks arguments before it looks for the key", _arguments_first),
    Difference("a negative offset of LIMIT counts from the end in Valkey 9", _from_the_end, diverges=True),
    Difference("Valkey 9 converts a sorted set already for arguments that add nothing to it", _expected_size),
    Difference(
        "WATCH and MULTI inside a transaction are refused in Redis's words, and EXEC still runs",
        _in_transaction,
        diverges=True,
    ),
    Difference("small numbers are not shared objects, so their count is 1", _refcount),
    Difference("searches for places are refused in Redis's words", _geo_words),
    Difference("a damaged HyperLogLog is refused as a whole, not when the damage is met", _corrupted, diverges=True),
)
"""Where Redistill's replies differ from those of Valkey 9 on purpose."""

# Valkey 9 against redis-server 7.0, for the check of these tests against two servers that are both known to be good.
OF_VALKEY: tuple[Difference, ...] = ()

_CRLF = "two bytes after a bulk that are no CRLF mean that its length is wrong: what follows would be misread"
_INLINE = "the bound of 64 KiB on a line holds however the bytes arrive, not only when the end is late"
_NUL = "a NUL ends the words of an inline command, not the line, so that the client gets an answer"
_HTTP = "the replies to what came before are sent; Redis drops them"
_ERROR = "ERR Protocol error: "

# Streams after which ours says something else: the bytes after a PING -> why, and what ours says after its PONG.
STREAMS: dict[bytes, tuple[str, tuple[str, ...]]] = {
    b"*1048577\r\n": ("a bound that is stated: 1,048,576 arguments", (_ERROR + "invalid multibulk length",)),
    b"*1\r\n\x00\r\n": (
        "a whole error line instead of one that the NUL cut short",
        (_ERROR + "expected '$', got ' '",),
    ),
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n": (_CRLF, (_ERROR + "expected CRLF after a bulk",)),
    b"*1\r\n$4\r\nPING\n\n*1\r\n$4\r\nPING\r\n": (_CRLF, (_ERROR + "expected CRLF after a bulk",)),
    b"PING\x00\r\n": (_NUL, ("ERR unknown command 'PING', with args beginning with: ",)),
    b"\x00PING\r\n": (_NUL, ("ERR unknown command '', with args beginning with: ",)),
    b"GET " + b"x" * 65600 + b"\r\n": (_INLINE, (_ERROR + "too big inline request",)),
    b"*" + b"1" * 65600 + b"\r\n": (_INLINE, (_ERROR + "too big mbulk count string",)),
    b"*1\r\n$" + b"1" * 65600 + b"\r\n": (_INLINE, (_ERROR + "too big bulk count string",)),
    b"POST / HTTP/1.1\r\nHost: a\r\n\r\n": (_HTTP, ()),
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n": (_HTTP, ("ERR wrong number of arguments for 'get' command",)),
    b"Host: a\r\n*1\r\n$4\r\nPING\r\n": (_HTTP, ()),
}
