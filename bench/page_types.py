"""The sections of the page about hashes, lists, sets, sorted sets and streams."""

from __future__ import annotations

from typing import Any

from bench.markdown import figure, table
from bench.page_servers import TITLES, beside_redis, lacking

Results = dict[str, Any]

VALUES = """\
## Memory for hashes, lists, sets and sorted sets

Bytes beyond the payload, of INFO's `used_memory`: of an element of a large value, or of a whole value of ten elements
with its key of 10 bytes. The payload of an element is 24 bytes in a hash (a field of 8, a value of 16) and in a sorted
set (a member of 16, a score of 8), 16 in a list and a set, 4 in a set of integers.{missing}

{table}
"""
COMMANDS = """\
## Hashes, lists, sets, sorted sets and streams

All servers run at once and get the same load in turns, {rounds} rounds of {seconds} s for each row, from 50 connections
over TCP: CPU time of the server in microseconds a command, as in "Over a socket", and divided by redis-server's in the
same run. Values of ten elements are taken evenly from 20,000, a large value is alone. P is the pipeline. With
`XREADGROUP` and `XACK` of one entry goes an `XGROUP SETID` to the id before it; the figure is the mean of the
three.{missing}

{table}
"""


def values(results: Results) -> str:
    """The table of memory."""
    part = results["values"]
    names = list(dict.fromkeys(name for row in part["rows"] for name in row["servers"]))
    lines = [
        [row["title"], *(figure(row["servers"][name]) for name in names), figure(row["most"])] for row in part["rows"]
    ]
    head = ["", *(TITLES[name] for name in names), "wanted: at most"]
    return VALUES.format(missing=lacking(part), table=table(head, lines))


def commands(results: Results) -> str:
    """The table of CPU time."""
    part = results["types"]
    return COMMANDS.format(
        rounds=part["rounds"], seconds=part["seconds"], missing=lacking(part), table=beside_redis(part, "of Redis's")
    )
