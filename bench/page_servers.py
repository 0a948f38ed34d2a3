"""The sections of the page about the daemon, compared with other servers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.charts import Chart, Span
from bench.markdown import figure, number, spread, table

Results = dict[str, Any]
Rounds = list[dict[str, float]]

TITLES = {
    "redistill": "Redistill",
    "redistill, 2 workers": "Redistill, 2 workers",
    "redis": "Redis",
    "valkey": "Valkey",
    "memcached": "memcached",
}
SOCKETS = """\
## Over a socket

All servers run at once and get the same load from the same program in turns, {rounds} rounds of {seconds} s for each
row: `bench/load.c`, which speaks RESP and memcached's text protocol and verifies the replies. Every server is on CPU 0,
the load on CPU {last}. {two_workers}

P is the pipeline: a connection sends P commands in one write, and the next P when all are answered (closed loop).
Unless a row says otherwise, there are 50 connections over TCP on the loopback, keys of 16 bytes and values of 32.
{keys} Keys are taken evenly, and in the mixed rows, which have one SET for ten GETs, in the zipf(0.99) distribution.
MGET and MSET have ten keys. Of the keys that were read, {hits} were hits. With TLS the certificate has a P-256 key and
is made for the run.

Figures are the median of the rounds (least\N{EN DASH}most).{missing}

{command_lines}

### CPU time of the server

Microseconds a command: user and system time of all the server's processes, as the kernel counts it in nanoseconds,
divided by the commands.

![CPU time of the server for a command](performance/cpu.svg)

{cpu}

The same, divided by redis-server's in the same round; below 1 means less CPU time than redis-server:

{ratio}

### Commands a second

In thousands. \N{DAGGER}: the client's thread was busy for 95 % of the time or more in a round, so that the server could
do more.

![Commands a second](performance/rate.svg)

{rate}

### Latency under full load

Microseconds from the sending of a batch to each of its replies: p50 / p99 / p99.9. All connections send all the time,
so these are times in the queue of a busy server.

{latency}
"""
LATENCY = """\
## Latency at half of Redis's load

GET, P=1, 50 connections, open loop: requests are due at random times (Poisson), {rate} a second, half of the
{saturation} that redis-server answered in the closed loop just before; a latency is measured from the time at which
its request was due. {rounds} rounds of {seconds} s in turns; microseconds, the median (least\N{EN DASH}most). "Sent
late" is the p99 of the client's delay in sending a request after it was due; the latencies include it.{missing}

![Latency at half of Redis's load](performance/latency.svg)

{table}
"""
KEYS = """\
## Memory for keys

{keys} keys of 16 bytes with values of 32 bytes, which is 48 bytes. The columns show the growth of the memory that the
server itself counts (INFO's `used_memory`, memcached's `bytes`), and of its resident memory (Pss), divided by the
keys.{missing}

![Memory for a key](performance/memory.svg)

{table}
"""
IDLE = """\
## Idle connections

{connections} connections, each of which has sent one GET and got its reply: resident memory (Pss) a connection, and the
CPU time of the server in the {seconds} s before they connected, in the {seconds} s after that and in the next
{seconds} s, in percent of one CPU.{missing}

{table}
"""
REFUSED = """\
## Clients that are refused

{connections} clients, as many as the server accepts, send {rate} GETs a second together, while {attempts} more clients
a second connect and are refused, since the server is full. The table shows the latency of the connected clients in
{rounds} rounds of {seconds:.0f} seconds, the median (least\N{EN DASH}most). The refused clients share a CPU with the
load, which also adds to the latency.

{table}
"""
START = """\
## Start

Milliseconds from exec to the first answer, the median (least\N{EN DASH}most) of {times}.{missing}

{table}

Keys that already exist add no time. Python and Twisted do: twistd without Redistill takes most of it.
"""
FLOOR = """\
## The floor

The cost of the system calls of a GET with P=1: CPU microseconds per command of a server that sends one fixed reply to
any input.

{table}
"""
BALANCE = """\
## Load among workers

Redistill with two workers, of which the kernel gave {connections} connections to one. Each sends {pipeline} GETs in one
write, and the next when all are answered; the client shares the CPUs with the workers. {seconds} s after they began
{moved} of them were handed over to the other worker.

{table}
"""
UNITS = {"p50": "p50", "p99": "p99", "p99.9": "p99.9", "max": "longest", "late_p99": "sent late"}


def row_title(row: Results) -> str:
    """Short enough for a chart."""
    size = {32: "", 1024: " 1 KiB", 65536: " 64 KiB"}[row["value"]]
    name = row["workload"] if row["workload"] == "mixed" else row["workload"].upper()
    connections = "" if row["connections"] == 50 else f", {row['connections']:,} conn."
    transport = {"tcp": "", "unix": ", UNIX", "tls": ", TLS"}[row["transport"]]
    return f"{name}{size} P={row['pipeline']}{connections}{transport}"


def _servers(rows: Sequence[Results]) -> list[str]:
    """The servers that any of the rows has, in the order of TITLES."""
    return [name for name in TITLES if any(name in row["servers"] for row in rows)]


def _values(rounds: Rounds, name: str, factor: float = 1.0) -> list[float]:
    return [r[name] * factor for r in rounds]


def _grid(rows: Sequence[Results], cell: Callable[[Results, str], str], names: Sequence[str]) -> str:
    """A line for each row, a column for each server; empty where a server has no such row."""
    lines = [[row_title(row), *(cell(row, n) if n in row["servers"] else "" for n in names)] for row in rows]
    return table(["", *(TITLES[name] for name in names)], lines)


def _ratio(row: Results, name: str) -> str:
    pairs = zip(row["servers"][name], row["servers"]["redis"], strict=True)
    return spread([ours["server_cpu_us"] / redis["server_cpu_us"] for ours, redis in pairs])


def _rate(row: Results, name: str) -> str:
    limited = any(r["client_busy"] >= 0.95 for r in row["servers"][name])
    return spread(_values(row["servers"][name], "per_second", 1e-3)) + (" \N{DAGGER}" if limited else "")


def _quantiles(row: Results, name: str) -> str:
    rounds = row["servers"][name]
    return " / ".join(figure(statistics.median(_values(rounds, q))) for q in ("p50", "p99", "p99.9"))


def lacking(part: Results) -> str:
    """A sentence, when a server was not measured."""
    named = "; ".join(f"{name}: {why}" for name, why in part["lacking"].items())
    return f" Not measured: {named}." if named else ""


def sockets(results: Results) -> str:
    part, cpus = results["sockets"], int(results["machine"]["cpus"])
    rows = part["rows"]
    names = _servers(rows)
    two = "Redistill's two workers have the CPUs 0 and 1"
    two += ", the second of them together with the load, which leaves less for both." if cpus <= 2 else "."
    hits = min(r["hit_ratio"] for row in rows if row["workload"] in ("get", "mixed", "mget") for r in _rounds(row))
    holds = [f"{count:,} of {size:,} bytes" for size, count in part["populations"]]
    ratio = _grid([r for r in rows if "redis" in r["servers"]], _ratio, [name for name in names if name != "redis"])
    return SOCKETS.format(
        rounds=part["rounds"],
        seconds=part["seconds"],
        last=cpus - 1,
        two_workers=two,
        keys="Keys by the size of their values: " + ", ".join(holds) + ".",
        hits="all" if hits == 1 else f"at least {hits:.4%} in a round",
        missing=lacking(part),
        command_lines="\n".join(f"- {TITLES[name]}: `{line}`" for name, line in part["command_lines"].items()),
        cpu=_grid(rows, lambda row, name: spread(_values(row["servers"][name], "server_cpu_us")), names),
        ratio=ratio,
        rate=_grid(rows, _rate, names),
        latency=_grid(rows, _quantiles, names),
    )


def _rounds(row: Results) -> Iterator[dict[str, float]]:
    for rounds in row["servers"].values():
        yield from rounds


def latency(results: Results) -> str:
    part = results["latency"]
    lines = []
    for name, rounds in part["servers"].items():
        cpu = spread(_values(rounds, "server_busy", 100))
        lines.append([TITLES[name], *(spread(_values(rounds, unit)) for unit in UNITS), f"{cpu} %"])
    return LATENCY.format(
        rate=number(part["rate"], 0),
        saturation=number(part["saturation"], 0),
        rounds=part["rounds"],
        seconds=part["seconds"],
        missing=lacking(part),
        table=table(["", *UNITS.values(), "CPU of the server"], lines),
    )


def keys(results: Results) -> str:
    part = results["keys"]
    lines = [[TITLES[n], figure(got["used"]), figure(got["resident"])] for n, got in part["servers"].items()]
    head = ["", "counted by the server, bytes", "resident, bytes"]
    return KEYS.format(keys=number(part["keys"], 0), missing=lacking(part), table=table(head, lines))


def idle(results: Results) -> str:
    part = results["idle"]
    lines = [
        [TITLES[name], number(got["bytes"], 0)]
        + [f"{got[f'{when}_percent']:.2f} %" for when in ("bare", "first", "cpu")]
        for name, got in part["servers"].items()
    ]
    return IDLE.format(
        connections=number(part["connections"], 0),
        seconds=part["seconds"],
        missing=lacking(part),
        table=table(["", "bytes a connection", "CPU without them", "CPU at first", "CPU then"], lines),
    )


def start(results: Results) -> str:
    part = results["start"]
    lines = [[TITLES[name], spread(got["milliseconds"])] for name, got in part["servers"].items()]
    if attached := part["attached"]:
        title = f"Redistill, with {number(attached['keys'], 0)} keys in `memory.arena_path` on a tmpfs"
        lines.append([title, spread(attached["milliseconds"])])
    lines.append(["twistd, with a service of one line", spread(part["twistd"]["milliseconds"])])
    text = table(["", "milliseconds"], lines)
    return START.format(times=part["times"], missing=lacking(part), table=text)


def refused(results: Results) -> str:
    part = results["refused"]
    lines = [
        [TITLES[name], spread(got["alone"]), spread(got["refused"]), spread(got["cost_us"])]
        for name, got in part["servers"].items()
    ]
    head = [
        "",
        "p99 in µs, no refused clients",
        "p99 in µs, with refused clients",
        "CPU of the server for a refusal, µs",
    ]
    return REFUSED.format(
        connections=part["connections"],
        rate=number(part["rate"], 0),
        attempts=number(part["attempts"], 0),
        rounds=len(part["servers"]["redistill"]["alone"]),
        seconds=part["seconds"],
        table=table(head, lines),
    )


def floor(results: Results) -> str:
    part = results["floor"]
    counts = list(part["epoll"])
    lines = [
        [{"epoll": "epoll, recv, send", "uring": "io_uring"}[way], *(figure(got[count]) for count in counts)]
        for way, got in part.items()
    ]
    return FLOOR.format(table=table(["", *(f"{number(int(count), 0)} connections" for count in counts)], lines))


def balance(results: Results) -> str:
    part = results["balance"]
    before, after = part["before"], part["after"]
    lines = [["all on one worker", number(before, 0)], ["on both", f"{number(after, 0)} ({after / before:.2f} times)"]]
    facts = {name: part[name] for name in ("connections", "moved")}
    facts |= {"pipeline": number(part["pipeline"], 0), "seconds": figure(part["seconds"])}
    return BALANCE.format(table=table(["", "commands a second"], lines), **facts)


def charts(results: Results) -> Iterator[tuple[str, Chart]]:
    """Name of the file, and the chart, of what was measured."""
    if part := results.get("sockets"):
        rows = [row for row in part["rows"] if (row["connections"], row["value"], row["transport"]) == (50, 32, "tcp")]
        for name, figure_of, title, axis in (
            ("cpu", "server_cpu_us", "CPU time of the server for a command", "microseconds a command"),
            ("rate", "per_second", "Commands a second, server on one core", "commands a second"),
        ):
            spans = {
                row_title(row): {TITLES[n]: _span(_values(r, figure_of)) for n, r in row["servers"].items()}
                for row in rows
            }
            yield name, Chart(title, axis, [TITLES[n] for n in _servers(rows)], spans)
    if part := results.get("latency"):
        points = {
            UNITS[q]: {TITLES[n]: _span(_values(rounds, q)) for n, rounds in part["servers"].items()}
            for q in ("p50", "p99", "p99.9", "max")
        }
        title = "Latency at half of Redis's load, GET, P=1, 50 connections"
        yield "latency", Chart(title, "microseconds", [TITLES[n] for n in part["servers"]], points)
    if part := results.get("keys"):
        sizes = {
            label: {TITLES[n]: _span([got[name]]) for n, got in part["servers"].items()}
            for name, label in (("used", "counted by the server"), ("resident", "resident"))
        }
        title = "Memory for a key of 16 bytes with a value of 32 bytes"
        yield "memory", Chart(title, "bytes a key", [TITLES[n] for n in part["servers"]], sizes)


def _span(values: Sequence[float]) -> Span:
    return min(values), statistics.median(values), max(values)


def beside_redis(part: Results, ratio: str) -> str:
    """The table of a part whose rows have CPU times by server, and the most that is wanted in relation to Redis's;
    `ratio` is the head of what was reached."""
    names = list(dict.fromkeys(name for row in part["rows"] for name in row["servers"]))
    lines = []
    for row in part["rows"]:
        medians = row["medians"]
        reached = figure(medians["redistill"] / medians["redis"]) if {"redistill", "redis"} <= medians.keys() else ""
        cells = [spread(row["servers"][name]) for name in names]
        most = figure(row["most"]) if row["most"] else ""
        lines.append([f"{row['title']}, P={row['pipeline']}", *cells, reached, most])
    return table(["", *(TITLES[name] for name in names), ratio, "wanted: at most"], lines)
