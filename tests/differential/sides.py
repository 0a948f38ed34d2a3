"""Which servers are compared, and the comparison of one script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.integration import servers

from . import words
from .compare import Transcript
from .differences import DIFFERENCES, FROM_VALKEY, OF_VALKEY, STREAMS, Difference
from .peers import Peer, WirePeer, ask, encode
from .scripts import Script

OURS = servers.SUBJECT


def oracle() -> Peer:
    """redis-server 7."""
    return WirePeer(servers.shared("redis"))


def newer_oracle() -> Peer:
    """valkey-server 9, for what redis-server 7.0 does not have yet."""
    return WirePeer(servers.shared("valkey"))


def ours() -> Peer:
    """A real Redistill process."""
    return WirePeer(servers.shared("ours"))


def known() -> Sequence[Difference]:
    """The differences to expect."""
    return DIFFERENCES if OURS == "redistill" else OF_VALKEY


def known_of_newer() -> Sequence[Difference]:
    """The differences to expect from valkey-server 9."""
    return FROM_VALKEY if OURS == "redistill" else OF_VALKEY


def streams() -> Mapping[bytes, tuple[str, tuple[str, ...]]]:
    """The malformed streams after which other words are expected."""
    return STREAMS if OURS == "redistill" else {}


_FINALE = [[b"RESET"]]
for _db in (b"0", b"1", b"2"):
    _FINALE += [[b"SELECT", _db], [b"KEYS", b"*"]]
    for _key in words.KEYS:
        _FINALE += [
            [b"GET", _key],
            [b"PEXPIRETIME", _key],
            [b"OBJECT", b"ENCODING", _key],
            [b"HGETALL", _key],
            [b"LRANGE", _key, b"0", b"-1"],
            [b"SMEMBERS", _key],
            [b"ZRANGE", _key, b"0", b"-1", b"WITHSCORES"],
        ]
    for _key in (b"x1", b"x2", b"k0"):
        _FINALE += [[b"XRANGE", _key, b"-", b"+"], [b"XINFO", b"STREAM", _key]]
_FINALE_BYTES = b"".join(map(encode, _FINALE))


def differing(script: Script, theirs: Peer, ours_: Peer, expected: Sequence[Difference]) -> list[str]:
    """Run the script on both, each emptied before; every difference in the replies and in the final keyspace."""
    commands = script.commands + _FINALE
    pieces = [*script.pieces(), _FINALE_BYTES]
    answers = []
    for peer in (theirs, ours_):
        conversation = peer.open()
        try:
            ask(conversation, "FLUSHALL")
            ask(conversation, "HELLO", script.resp)
            answers.append(conversation.exchange(pieces, len(commands)))
        finally:
            conversation.close()
    transcript = Transcript(expected)
    checks = (transcript.check(argv, t, o) for argv, t, o in zip(commands, *answers, strict=True))
    return [text for text in checks if text]


def explain(script: Script, found: Sequence[str]) -> str:
    """The text of a failure."""
    lines = ["", *found[:5], f"RESP{script.resp}, seed {script.seed}, after these commands:"]
    return "\n".join([*lines, *(f"  {argv!r}" for argv in script.commands)])
