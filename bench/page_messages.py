"""The sections of the page about publish/subscribe and blocking commands."""

from __future__ import annotations

from typing import Any

from bench.blocking import OTHER
from bench.markdown import number, spread, table
from bench.page_servers import TITLES, beside_redis, lacking

Results = dict[str, Any]

MESSAGES = """\
## Publish/subscribe

All servers run at once and get the same load in turns, {rounds} rounds of {seconds} s for each row: CPU time of the
server in microseconds, all its processes together, for each message of 32 bytes that a subscriber gets (in the first
row: for each PUBLISH), and divided by redis-server's in the same run. All messages are counted by those who receive
them. P is the pipeline of the publishers. The client programs run on one CPU of their own, which the second worker
shares. With one publisher they sleep often, and the server's sends wake them: that is most of the time in rows with
P=1.{missing}

{table}
"""


def messages(results: Results) -> str:
    """The table of CPU time."""
    part = results["messages"]
    return MESSAGES.format(
        rounds=part["rounds"],
        seconds=part["seconds"],
        missing=lacking(part),
        table=beside_redis(part, "one worker, of Redis's"),
    )


BLOCKING = """\
## Blocking commands

The time of a hand-off: a client waits in BLPOP, another one sends LPUSH, and the figures are the microseconds from the
sending of that to the reply of the first: {rounds} rounds of {count:,} hand-offs, the servers taking turns, median
(least\N{EN DASH}most). The two clients are one program on the last CPU, and half a millisecond lies between BLPOP and
LPUSH, so that the server sleeps. Both are clients of the same worker unless the row says otherwise.{missing}

{hand_offs}

CPU time of the server, as a share of one CPU over {seconds:.0f} s, without clients and while {connections:,} of them
wait in BLPOP, half of them with a timeout:

{waiting}
"""


def blocking(results: Results) -> str:
    """The tables of hand-offs, and of clients that wait."""
    part = results["blocking"]
    titles = TITLES | {OTHER: "Redistill, to the other worker"}
    hand_offs = [
        [titles[name], *(spread([one[q] for one in rounds]) for q in ("p50", "p99"))]
        for name, rounds in part["hand_offs"].items()
    ]
    waiting = [
        [TITLES[name], f"{number(one['bare_percent'], 2)} %", f"{number(one['cpu_percent'], 2)} %"]
        for name, one in part["waiting"]["servers"].items()
    ]
    return BLOCKING.format(
        rounds=part["rounds"],
        count=part["count"],
        seconds=part["waiting"]["seconds"],
        connections=part["waiting"]["connections"],
        missing=lacking(part),
        hand_offs=table(["", "p50", "p99"], hand_offs),
        waiting=table(["", "without", "while they wait"], waiting),
    )
