"""The sections of INFO about each command and each kind of error."""

from __future__ import annotations

from redistill.control.sections.fields import Fields
from redistill.control.state import ServerState
from redistill.engine import stats
from redistill.engine.counters import CommandCount


def commandstats(server: ServerState, now: stats.Snapshot) -> Fields:
    for one in now.commands:
        microseconds = one.nanoseconds // 1000
        each = one.nanoseconds / 1000 / one.calls if one.calls else 0.0
        yield (
            f"cmdstat_{one.name}",
            f"calls={one.calls},usec={microseconds},usec_per_call={each:.2f},"
            f"rejected_calls={one.rejected},failed_calls={one.failed}",
        )


def errorstats(server: ServerState, now: stats.Snapshot) -> Fields:
    for code, count in sorted(now.errors.items()):
        yield f"errorstat_{code}", f"count={count}"


def latencystats(server: ServerState, now: stats.Snapshot) -> Fields:
    settings = server.config.performance
    shares = [(name, float(name) / 100) for name in settings.latency_percentiles]
    for one in now.commands if settings.latency_tracking else ():
        if sum(one.histogram):
            values = ",".join(f"p{name}={percentile(one, share):.3f}" for name, share in shares)
            yield f"latency_percentiles_usec_{one.name}", values


def percentile(count: CommandCount, share: float) -> float:
    """Microseconds that `share` of the calls did not exceed, taken as spread evenly within their bucket."""
    wanted = share * sum(count.histogram)
    seen = 0.0
    for bucket, calls in enumerate(count.histogram):
        if calls and seen + calls >= wanted:
            low = 1 << bucket - 1 if bucket else 0
            return low + ((1 << bucket) - low) * (wanted - seen) / calls
        seen += calls
    return 0.0
