"""LATENCY: a history of slow events, and the distribution of each command's duration."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from redistill.base import resp
from redistill.control.arguments import text
from redistill.control.peers import Question, over_all
from redistill.engine.counters import CommandCount
from redistill.net.interfaces import Client, Command, Reply

if TYPE_CHECKING:
    from redistill.control.state import ServerState

SAMPLES = 160
"""Kept of one event."""
GRAPH_COLUMNS = 80
GRAPH_ROWS = 4
DAY = 86400

HELP = """\
LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
DOCTOR
    Return a human readable latency analysis report.
GRAPH <event>
    Return an ASCII latency graph for the <event> class.
HISTORY <event>
    Return time-latency samples for the <event> class.
LATEST
    Return the latest latency samples for all events.
RESET [<event> ...]
    Reset latency data of one or more <event> classes.
    (default: reset all data for all event classes)
HISTOGRAM [COMMAND ...]
    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.
    If no commands are specified then all histograms are replied.
HELP
    Prints this help.""".splitlines()

ADVICE = {
    "command": "SLOWLOG GET shows which commands these were; look for ones that touch many keys or large values.",
    "fast-command": "Commands that do little took long: the machine is busy, swaps, or is a virtual one that waits.",
    "expire-cycle": "Many keys expire at the same time: spread their TTLs.",
}


class Sample(NamedTuple):
    """The worst of one second."""

    unix_time: int
    milliseconds: int


class LatencyMonitor:
    """Samples of events that took as long as ``latency-monitor-threshold`` or longer; the caller compares."""

    def __init__(self) -> None:
        self._events: dict[str, deque[Sample]] = {}
        self._worst: dict[str, int] = {}

    def add(self, event: str, unix_time: int, milliseconds: int) -> None:
        """Keep a sample; of several in one second, the worst. `event` is one of ours, never a client's text."""
        samples = self._events.setdefault(event, deque(maxlen=SAMPLES))
        self._worst[event] = max(self._worst.get(event, 0), milliseconds)
        if samples and samples[-1].unix_time == unix_time:
            milliseconds = max(milliseconds, samples.pop().milliseconds)
        samples.append(Sample(unix_time, milliseconds))

    def events(self) -> Iterable[str]:
        """The events that have samples, by name."""
        return sorted(self._events)

    def samples(self, event: str) -> tuple[Sample, ...]:
        """The samples of `event`, oldest first."""
        return tuple(self._events.get(event, ()))

    def worst(self, event: str) -> int:
        """The longest that `event` ever took, in milliseconds."""
        return self._worst[event]

    def reset(self, events: Iterable[str]) -> list[str]:
        """Forget these events, or all if none is named. Returns the names of the events that were known."""
        names = [event for event in list(events) or list(self._events) if self._worst.pop(event, None) is not None]
        for name in names:
            del self._events[name]
        return names

    def plain(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {event: [self._worst[event], list(samples)] for event, samples in self._events.items()}

    @classmethod
    def merged(cls, parts: Iterable[Mapping[str, Any]]) -> LatencyMonitor:
        """The samples of several workers (`plain`) as one monitor."""
        whole = cls()
        samples = [
            (second, event, milliseconds)
            for part in parts
            for event, (_, seen) in part.items()
            for second, milliseconds in seen
        ]
        for second, event, milliseconds in sorted(samples):
            whole.add(event, second, milliseconds)
        for part in parts:
            for event, (worst, _) in part.items():
                whole._worst[event] = max(worst, whole._worst[event])
        return whole


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""

    def over_monitor(reply: Callable[[Client, list[bytes], LatencyMonitor], bytes]) -> Command:
        """A command that shows the events of all workers."""

        def command(client: Client, argv: list[bytes]) -> Reply:
            def merged(parts: list[Any]) -> bytes:
                return reply(client, argv, LatencyMonitor.merged(parts))

            return over_all(server, client, "latency-events", None, merged)

        return command

    def latest(client: Client, argv: list[bytes], monitor: LatencyMonitor) -> bytes:
        rows = []
        for event in monitor.events():
            last = monitor.samples(event)[-1]
            numbers = last.unix_time, last.milliseconds, monitor.worst(event)
            rows.append(resp.array([resp.bulk(event), *map(resp.integer, numbers)]))
        return resp.array(rows)

    def history(client: Client, argv: list[bytes], monitor: LatencyMonitor) -> bytes:
        samples = monitor.samples(text(argv[2]))
        return resp.array([resp.array([resp.integer(number) for number in sample]) for sample in samples])

    def reset(client: Client, argv: list[bytes]) -> Reply:
        def number_of(names: list[list[str]]) -> bytes:
            return resp.integer(len({name for some in names for name in some}))

        return over_all(server, client, "latency-reset", [text(word) for word in argv[2:]], number_of, changes=True)

    def show_graph(client: Client, argv: list[bytes], monitor: LatencyMonitor) -> bytes:
        event = text(argv[2])
        samples = monitor.samples(event)
        if not samples:
            return resp.error(f"ERR No samples available for event '{resp.shown(argv[2])}'")
        return resp.verbatim(graph(event, samples, monitor.worst(event), int(server.wall())), client.session.state.resp)

    def show_doctor(client: Client, argv: list[bytes], monitor: LatencyMonitor) -> bytes:
        return resp.verbatim(
            doctor(monitor, server.config.performance.latency_monitor_threshold, int(server.wall())),
            client.session.state.resp,
        )

    def histogram(client: Client, argv: list[bytes]) -> bytes:
        wanted = {text(word.lower()) for word in argv[2:]}
        version = client.session.state.resp
        pairs = [
            (resp.bulk(count.name), cumulative(count, version))
            for count in (server.store.command_counts() if server.config.performance.latency_tracking else ())
            if count.calls and (not wanted or count.name in wanted or count.name.partition("|")[0] in wanted)
        ]
        return resp.mapping(pairs, version)

    return {
        "latency|latest": over_monitor(latest),
        "latency|history": over_monitor(history),
        "latency|reset": reset,
        "latency|graph": over_monitor(show_graph),
        "latency|doctor": over_monitor(show_doctor),
        "latency|histogram": histogram,
        "latency|help": lambda client, argv: resp.lines(HELP),
    }


def questions(server: ServerState) -> Mapping[str, Question]:
    """The questions to each worker about its events."""
    return {
        "latency-events": lambda nothing: server.latency.plain(),
        "latency-reset": lambda events: server.latency.reset(events),
    }


def cumulative(count: CommandCount, version: int) -> bytes:
    """The histogram of one command: calls that took at most so many microseconds, where that number grows."""
    total, buckets = 0, []
    for bucket, calls in enumerate(count.histogram):
        total += calls
        if calls:
            buckets.append((resp.integer(2**bucket), resp.integer(total)))
    return resp.mapping(
        [
            (resp.bulk("calls"), resp.integer(count.calls)),
            (resp.bulk("histogram_usec"), resp.mapping(buckets, version)),
        ],
        version,
    )


def graph(event: str, samples: Sequence[Sample], worst: int, now: int) -> str:
    """The samples as columns, oldest first, over how long ago they were."""
    values = [sample.milliseconds for sample in samples]
    low, high = min(values), max(values)
    lines = [f"{event} - high {high} ms, low {low} ms (all time high {worst} ms)", "-" * GRAPH_COLUMNS]
    for start in range(0, len(samples), GRAPH_COLUMNS):
        part = samples[start : start + GRAPH_COLUMNS]
        columns = [
            _column((sample.milliseconds - low) / max(high - low, 1)) + " " + _ago(now - sample.unix_time)
            for sample in part
        ]
        depth = max(len(column) for column in columns)
        lines += ["".join(row) for row in zip(*(column.ljust(depth) for column in columns), strict=True)]
    return "\n".join(lines) + "\n"


def _column(part: float) -> str:
    """A column of `GRAPH_ROWS` characters from its top down, filled to `part` of its height in thirds of a row."""
    row, third = divmod(min(int(part * GRAPH_ROWS * 3), GRAPH_ROWS * 3 - 1), 3)
    return " " * (GRAPH_ROWS - 1 - row) + "_o#"[third] + "|" * row


def _ago(seconds: int) -> str:
    for size, unit in ((DAY, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


def doctor(monitor: LatencyMonitor, threshold: int, now: int) -> str:
    """The report of LATENCY DOCTOR about the samples. `now` is in seconds since the epoch, as the samples are."""
    if not threshold:
        return (
            "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it on: events that"
            " take as long or longer are then kept.\n"
        )
    events = list(monitor.events())
    if not events:
        return f"Nothing took {threshold} milliseconds or longer since monitoring began or was reset.\n"
    lines = [f"Some events took {threshold} milliseconds or longer:", ""]
    for number, event in enumerate(events, 1):
        values = [sample.milliseconds for sample in monitor.samples(event)]
        average = sum(values) / len(values)
        deviation = sum(abs(value - average) for value in values) / len(values)
        span = now - monitor.samples(event)[0].unix_time
        lines.append(
            f"{number}. {event}: {len(values)} latency spikes (average {average:.0f}ms,"
            f" mean deviation {deviation:.0f}ms, period {span / len(values) or 1:.2f} sec)."
            f" Worst all time event {monitor.worst(event)}ms."
        )
    lines += ["", "Advice:", ""]
    lines += [f"- {event}: {ADVICE[event]}" for event in events if event in ADVICE]
    return "\n".join(lines) + "\n"
