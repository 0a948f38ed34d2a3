"""When two servers' replies to the same command count as the same.

The default is equality of the raw trees. Where a reply depends on the clock, on an order that Redis does not promise or
on the server's own nature, a rule below says what is compared instead. Where ours differs on purpose, the list
`DIFFERENCES` in differences.py says so, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .differences import DIFFERENCES, Difference
from .replies import Reply, as_pairs, shape

Rule = Callable[[Reply, Reply], bool]


def settled(reply: Reply) -> Reply:
    """The reply with its sets and maps in a fixed order, since they promise none."""
    if reply.value is None or reply.kind not in "*>~%":
        return reply
    if reply.kind == "%":
        return Reply("%", tuple(sorted(((settled(k), settled(v)) for k, v in reply.value), key=repr)))
    items = [settled(item) for item in reply.value]
    return Reply(reply.kind, tuple(sorted(items, key=repr) if reply.kind == "~" else items))


def equal(theirs: Reply, ours: Reply) -> bool:
    """Whether two trees of replies are equal, but for the order within sets and maps."""
    return theirs == ours or settled(theirs) == settled(ours)


def same_kind(theirs: Reply, ours: Reply) -> bool:
    """Whether two replies have the same type, errors the same text, and null only meets null."""
    if theirs.kind == "-" or ours.kind == "-":
        return theirs == ours
    return theirs.kind == ours.kind and (theirs.value is None) == (ours.value is None)


def same_names(theirs: Reply, ours: Reply) -> bool:
    """Maps (flat arrays in RESP2) with the same names, whatever the values."""
    if theirs.kind not in "%*" or theirs.kind != ours.kind:
        return theirs == ours
    return sorted(as_pairs(theirs)) == sorted(as_pairs(ours))


def _members(reply: Reply) -> list[bytes]:
    return sorted(item.value for item in reply.value)


def unordered(theirs: Reply, ours: Reply) -> bool:
    """Arrays or sets with the same members."""
    if theirs.kind not in "*~" or ours.kind != theirs.kind:
        return theirs == ours
    return _members(theirs) == _members(ours)


def scanned(theirs: Reply, ours: Reply) -> bool:
    """A page of SCAN; its members are compared where both servers took one page for everything."""
    if theirs.kind != "*" or ours.kind != "*":
        return theirs == ours
    done = theirs.value[0].value == b"0" and ours.value[0].value == b"0"
    return not done or sorted(set(_members(theirs.value[1]))) == sorted(set(_members(ours.value[1])))


def paired(theirs: Reply, ours: Reply) -> bool:
    """Maps, or in RESP2 the flat arrays in their place, with the same pairs in any order."""
    if theirs.kind != "*" or ours.kind != "*":
        return equal(theirs, ours)
    return _pairs(theirs) == _pairs(ours)


def _pairs(reply: Reply) -> list[tuple[bytes, bytes]]:
    flat = [item.value for item in reply.value]
    return sorted(zip(flat[::2], flat[1::2], strict=True))


def scanned_pairs(theirs: Reply, ours: Reply) -> bool:
    """A page of HSCAN or ZSCAN; its pairs are compared where both servers took one page for everything."""
    if theirs.kind != "*" or ours.kind != "*":
        return theirs == ours
    done = theirs.value[0].value == b"0" and ours.value[0].value == b"0"
    return not done or sorted(set(_pairs(theirs.value[1]))) == sorted(set(_pairs(ours.value[1])))


def same_shape(theirs: Reply, ours: Reply) -> bool:
    """Replies of the same types, and aggregates of the same lengths; errors have the same text."""
    return theirs == ours if "-" in (theirs.kind, ours.kind) else shape(theirs) == shape(ours)


def same_scores(theirs: Reply, ours: Reply) -> bool:
    """The same replies, though a score may have other digits: redis-server 7.0 writes 17, Redis 7.2 the fewest."""
    return equal(_numbers(theirs), _numbers(ours))


def _numbers(reply: Reply) -> Reply:
    if reply.kind in "*~" and reply.value is not None:
        return Reply(reply.kind, tuple(map(_numbers, reply.value)))
    if reply.kind not in "$," or reply.value is None:
        return reply
    try:
        number = float(reply.value)
    except ValueError:
        return reply
    return reply if math.isnan(number) else Reply(reply.kind, number)  # a member's name: no score is NaN


def scanned_scores(theirs: Reply, ours: Reply) -> bool:
    """A page of ZSCAN."""
    return scanned_pairs(_numbers(theirs), _numbers(ours))


def near(tolerance: int) -> Rule:
    """Numbers that may differ by the time that passed between the two servers' runs; negative ones may not."""

    def rule(theirs: Reply, ours: Reply) -> bool:
        if theirs.kind != ":" or ours.kind != ":" or min(theirs.value, ours.value) < 0:
            return theirs == ours
        return abs(theirs.value - ours.value) <= tolerance

    return rule


def each(rule: Rule) -> Rule:
    """Arrays of as many elements, each of which the rule compares."""

    def compare(theirs: Reply, ours: Reply) -> bool:
        if theirs.kind != "*" or ours.kind != "*" or len(theirs.value) != len(ours.value):
            return theirs == ours
        return all(rule(t, o) for t, o in zip(theirs.value, ours.value, strict=True))

    return compare


def stream_figures(theirs: Reply, ours: Reply) -> bool:
    """XINFO STREAM, but for Redis's tree of nodes."""
    if theirs.kind not in "*%" or theirs.kind != ours.kind:
        return theirs == ours
    kept = [
        {name: reply for name, reply in as_pairs(one).items() if not name.startswith(b"radix-")}
        for one in (theirs, ours)
    ]
    return kept[0] == kept[1]


# By command, or by command and subcommand. Tolerances are generous: a loaded machine must not fail a test.
RULES: dict[str, Rule] = {
    "keys": unordered,
    "scan": scanned,
    "randomkey": same_kind,
    "hgetall": paired,
    "hkeys": unordered,
    "hvals": unordered,
    "hscan": scanned_pairs,
    "hrandfield": same_shape,
    "httl": each(near(30)),
    "hpttl": each(near(30_000)),
    "hexpiretime": each(near(30)),
    "hpexpiretime": each(near(30_000)),
    "smembers": unordered,
    "sinter": unordered,
    "sunion": unordered,
    "sdiff": unordered,
    "sscan": scanned,
    "spop": unordered,
    "srandmember": same_shape,
    **dict.fromkeys(
        ("zadd", "zincrby", "zscore", "zmscore", "zpopmin", "zpopmax", "zmpop", "zrange", "zrevrange"), same_scores
    ),
    "zrangebyscore": same_scores,
    "zrevrangebyscore": same_scores,
    "zscan": scanned_scores,
    **dict.fromkeys(("zunion", "zinter", "zdiff"), same_scores),
    "zrandmember": same_shape,
    "xinfo stream": stream_figures,
    "ttl": near(30),
    "pttl": near(30_000),
    "expiretime": near(30),
    "pexpiretime": near(30_000),
    "object idletime": near(30),
    "object help": same_kind,
    "memory usage": same_kind,
    "memory help": same_kind,
    "memory doctor": same_kind,
    "memory stats": same_kind,
    "dump": same_kind,
    "time": same_kind,
    "info": same_kind,
    "lolwut": same_kind,
    "lastsave": same_kind,
    "hello": same_names,
    "client id": same_kind,
    "client info": same_kind,
    "client list": same_kind,
    "client help": same_kind,
    "config get": same_names,
    "config help": same_kind,
    "command": same_kind,
    "command getkeys": equal,
    "command getkeysandflags": equal,
    "command count": same_kind,
    "command help": same_kind,
    "command docs": same_names,
    "command info": same_kind,
    "command list": unordered,
    "latency doctor": same_kind,
    "latency help": same_kind,
    "latency histogram": same_kind,
    "slowlog get": same_kind,
    "slowlog len": same_kind,
    "slowlog help": same_kind,
    "debug help": same_kind,
}


def rule_of(argv: Sequence[bytes]) -> Rule:
    """The rule by which replies to this command are compared."""
    names = [word.decode("latin-1").lower() for word in argv[:2]]
    return RULES.get(" ".join(names)) or RULES.get(names[0] if names else "") or equal


def excuse(argv: Sequence[bytes], theirs: Reply, ours: Reply, known: Sequence[Difference]) -> Difference | None:
    """The documented difference that explains these two replies, if there is one."""
    return next((difference for difference in known if difference.covers(argv, theirs, ours)), None)


class Transcript:
    """Compares the replies of one connection, command by command; knows what EXEC's array holds."""

    def __init__(self, known: Sequence[Difference] = DIFFERENCES) -> None:
        self._known = known
        self._queued: list[Sequence[bytes]] = []
        self.diverged = False
        """Whether a documented difference has set the two servers apart; nothing is compared from there on."""

    def check(self, argv: Sequence[bytes], theirs: Reply, ours: Reply) -> str:
        """Text that describes the difference, "" when there is none."""
        name = argv[0].lower() if argv else b""
        if self.diverged:
            return ""
        if theirs.kind == "+" and theirs.value == b"QUEUED" and theirs == ours:
            self._queued.append(argv)
            return ""
        if (
            name == b"exec"
            and theirs.kind == "*"
            and ours.kind == "*"
            and theirs.value is not None
            and ours.value is not None
        ):
            queued, self._queued = self._queued, []
            if len(theirs.value) == len(ours.value) == len(queued):
                inner = (self._one(q, t, o) for q, t, o in zip(queued, theirs.value, ours.value, strict=True))
                return "; ".join(filter(None, inner))
        if name in (b"exec", b"discard", b"reset"):
            self._queued = []
        return self._one(argv, theirs, ours)

    def _one(self, argv: Sequence[bytes], theirs: Reply, ours: Reply) -> str:
        if self.diverged or rule_of(argv)(theirs, ours):
            return ""
        if difference := excuse(argv, theirs, ours, self._known):
            self.diverged = difference.diverges
            return ""
        return f"{list(argv)!r}: theirs {theirs!r}, ours {ours!r}"
