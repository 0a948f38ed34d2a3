"""The section of the page about publish/subscribe."""

from __future__ import annotations

from typing import Any

from bench.page_servers import beside_redis, lacking

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
