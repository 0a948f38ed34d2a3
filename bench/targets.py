"""The figures that have a target: the target, the measured value, and whether it meets the target."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from bench.blocking import OTHER
from bench.markdown import number
from bench.page_servers import row_title

Results = dict[str, Any]
Target = tuple[str, str, str, bool]
"""Figure, target, measured value, met or not."""

HITS = {
    "zipf-0.9": "zipf(0.9)",
    "zipf-0.99-scan": "zipf(0.99) with a scan through it",
    "moving": "a hot set that moves",
}
MIXES = ("get", "mixed", "set", "hget", "hset")
HOT = ("hot_hget", "hot_hset")
CPU_OF_REDIS = {1: 1.0, 16: 0.65, 64: 0.4}
"""By the commands in a pipeline."""
POLICIES = ("allkeys-lru", "allkeys-lfu", "allkeys-s3fifo")


def cores_ratios(rounds: list[dict[str, float]], mix: str, which: str = "two") -> list[float]:
    """The ratio of two processes' rate to one's, in each round; "apart": with processes that share nothing."""
    return [r[f"cores_{mix}_{which}"] / r[f"cores_{mix}_one"] for r in rounds]


def _best(cells: dict[str, float], who: str) -> tuple[float, str]:
    return max((cells[f"{who} {policy}"], policy) for policy in POLICIES if f"{who} {policy}" in cells)


def targets(results: Results) -> list[Target]:
    """The figures with targets, of all results."""
    return [
        *_memory_and_speed(results),
        *_no_pauses(results),
        *_hits(results),
        *_cores(results),
        *_sockets(results),
        *_types(results),
        *_messages(results),
        *_blocking(results),
        *_start(results),
        *_clients(results),
    ]


def _memory_and_speed(results: Results) -> Iterator[Target]:
    if memory := results.get("memory"):
        for name, label, bound in (("overhead", "", 32), ("overhead_ttl", ", with a TTL", 40)):
            measured = f"{number(memory[name])} bytes"
            yield f"Overhead of a key{label}, 1 M keys", f"<= {bound} bytes", measured, memory[name] <= bound
    if speed := results.get("speed"):
        for name, least in (("get", 5.0), ("set", 3.0)):
            small, large = 1e3 / speed[f"{name}_1m_keys"], 1e3 / speed[f"{name}_10m_keys"]
            yield f"{name.upper()}, 1 M keys", f">= {least:.0f} M/s", f"{small:.2f} M/s", small >= least
            target = 0.6 * least
            measured = f"{large:.2f} M/s ({large / small:.0%} of the speed at 1 M)"
            wanted = f">= {target:.1f} M/s (60 % of {least:.0f})"
            yield f"{name.upper()}, 10 M keys", wanted, measured, large >= target


def _no_pauses(results: Results) -> Iterator[Target]:
    if stall := results.get("stall"):
        longest, cpu = stall["stall_longest"] / 1e3, stall["stall_longest_cpu"] / 1e3
        measured = f"{longest:.2f} ms (CPU time: at most {cpu:.2f} ms)"
        yield "Longest stall, 0 to 10 M keys", "<= 1 ms on a quiet core", measured, longest <= 1
    if shift := results.get("shift"):
        share = shift["shift_last_to_first"]
        yield "Size shift 100, 1,000, 100 bytes", ">= 90 % of the keys", f"{share:.1f} %", share >= 90
    if large := results.get("large"):
        fits = [name.removeprefix("large_") for name, words in large.items() if words[0] == "fits"]
        said = "fits under " + ", ".join(fits) if fits else "does not fit"
        yield "10 MiB into a full 64 MiB cache", "any allkeys policy", said, len(fits) == len(large)
    if expire := results.get("expire"):
        longest, cpu = (float(expire[f"expire_longest_command{x}"][0]) / 1e3 for x in ("", "_cpu"))
        measured = f"{longest:.2f} ms (CPU time: at most {cpu:.2f} ms)"
        yield "Longest command while 1 M keys expire", "<= 2 ms", measured, longest <= 2
        after = expire.get("expire_memory_free_after")
        free = float(after[0]) if after else float("inf")
        yield "Their memory free again", "<= 10 s", f"{free:.2f} s", free <= 10


def _hits(results: Results) -> Iterator[Target]:
    for workload, cells in results.get("hits", {}).items():
        if "redis allkeys-lru" not in cells:
            continue
        ours, theirs = _best(cells, "core"), _best(cells, "redis")
        measured = f"{ours[0]:.2%} ({ours[1]}) against {theirs[0]:.2%} ({theirs[1]})"
        yield f"Hit ratio, {HITS[workload]}", ">= Redis's, best against best", measured, ours[0] >= theirs[0]
        lru, redis = cells["core allkeys-lru"], cells["redis allkeys-lru"]
        yield "", ">= Redis's, lru against lru", f"{lru:.2%} against {redis:.2%}", lru >= redis


def _cores(results: Results) -> Iterator[Target]:
    if rounds := results.get("cores"):
        for what, mixes, least in (("", MIXES, 1.8), (", one key", HOT, 1.0)):
            ratios = {mix: statistics.median(cores_ratios(rounds, mix)) for mix in mixes}
            measured = ", ".join(f"{ratio:.2f} times ({mix.replace('_', ' ')})" for mix, ratio in ratios.items())
            yield (
                f"Two processes on two cores, no client{what}",
                f">= {least} times one",
                measured,
                min(ratios.values()) >= least,
            )


def _sockets(results: Results) -> Iterator[Target]:
    """Beside redis-server in the same run."""
    for row in results.get("sockets", {}).get("rows", ()):
        plain = (row["connections"], row["value"], row["transport"]) == (50, 32, "tcp")
        if plain and row["workload"] in ("get", "set", "mixed") and {"redistill", "redis"} <= row["servers"].keys():
            ours, redis = (_median(row["servers"][name], "server_cpu_us") for name in ("redistill", "redis"))
            most = CPU_OF_REDIS[row["pipeline"]]
            measured = f"{ours / redis:.2f} ({ours:.2f} µs against {redis:.2f} µs)"
            yield f"Server's CPU, {row_title(row)}", f"<= {most} of Redis's", measured, ours <= most * redis
    open_loop = results.get("latency", {}).get("servers", {})
    if {"redistill", "redis"} <= open_loop.keys():
        ours, redis = (_median(open_loop[name], "p99") for name in ("redistill", "redis"))
        yield "p99 at half of Redis's load", "<= Redis's", f"{ours:.0f} µs against {redis:.0f} µs", ours <= redis


def _types(results: Results) -> Iterator[Target]:
    """Hashes, lists, sets, sorted sets and streams."""
    for row in results.get("values", {}).get("rows", ()):
        if (ours := row["servers"].get("redistill")) is not None:
            wanted = f"<= {row['most']:g} bytes over its payload"
            yield f"Memory, {row['title']}", wanted, f"{number(ours)} bytes", ours <= row["most"]
    for row in results.get("types", {}).get("rows", ()):
        if {"redistill", "redis"} <= row["medians"].keys():
            ours, redis = row["medians"]["redistill"], row["medians"]["redis"]
            measured = f"{ours / redis:.2f} ({ours:.2f} µs against {redis:.2f} µs)"
            name = f"Server's CPU, {row['title']}, P={row['pipeline']}"
            yield name, f"<= {row['most']} of Redis's", measured, ours <= row["most"] * redis


def _messages(results: Results) -> Iterator[Target]:
    """Publish/subscribe."""
    for row in results.get("messages", {}).get("rows", ()):
        if row["most"] is not None and {"redistill", "redis"} <= row["medians"].keys():
            ours, redis = row["medians"]["redistill"], row["medians"]["redis"]
            measured = f"{ours / redis:.2f} ({ours:.2f} µs against {redis:.2f} µs)"
            name = f"Server's CPU for a message, {row['title']}, P={row['pipeline']}"
            yield name, f"<= {row['most']} of Redis's", measured, ours <= row["most"] * redis


def _blocking(results: Results) -> Iterator[Target]:
    """Hand-offs, and clients that wait."""
    part = results.get("blocking", {})
    rounds = part.get("hand_offs", {})
    if {"redistill", "redis"} <= rounds.keys():
        for q in ("p50", "p99"):
            ours, redis = (_median(rounds[name], q) for name in ("redistill", "redis"))
            yield f"BLPOP, hand-off, {q}", "<= Redis's", f"{ours:.0f} µs against {redis:.0f} µs", ours <= redis
    if {"redistill, 2 workers", OTHER} <= rounds.keys():
        same, other = (_median(rounds[name], "p50") for name in ("redistill, 2 workers", OTHER))
        measured = f"{other - same:.0f} µs more ({other:.0f} µs against {same:.0f} µs)"
        yield "BLPOP, hand-off to the other worker, p50", "< 100 µs more", measured, other - same < 100
    if ours := part.get("waiting", {}).get("servers", {}).get("redistill"):
        bare, cpu = ours["bare_percent"], ours["cpu_percent"]
        measured = f"{cpu:.2f} % of a CPU, {bare:.2f} % without"
        # As with idle connections.
        yield f"{part['waiting']['connections']:,} clients wait in BLPOP", "no CPU", measured, cpu - bare < 0.2


def _start(results: Results) -> Iterator[Target]:
    if attached := results.get("start", {}).get("attached"):
        ours, twistd = (statistics.median(x["milliseconds"]) for x in (attached, results["start"]["twistd"]))
        measured = f"{ours:.0f} ms, of which twistd alone takes {twistd:.0f}"
        yield f"Ready with {attached['keys']:,} keys", "<= 100 ms", measured, ours <= 100


def _clients(results: Results) -> Iterator[Target]:
    if ours := results.get("idle", {}).get("servers", {}).get("redistill"):
        kib, bare, first, cpu = ours["bytes"] / 1024, *(ours[f"{when}_percent"] for when in ("bare", "first", "cpu"))
        measured = f"{kib:.1f} KiB; {cpu:.2f} % of a CPU with all of them, {first:.2f} % at first, {bare:.2f} % without"
        # What a server does without clients differs by more from one moment to the next.
        yield "An idle connection of 10,000", "<= 8 KiB, no CPU", measured, kib <= 8 and cpu - bare < 0.2
    if ours := results.get("refused", {}).get("servers", {}).get("redistill"):
        base, p99 = (statistics.median(ours[name]) for name in ("alone", "refused"))
        measured = f"{p99:.0f} µs against {base:.0f} µs ({p99 / base - 1:+.0%})"
        yield "p99 while 1,000 clients a second are refused", "<= a quarter more", measured, p99 <= 1.25 * base


def _median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median(r[name] for r in rounds)
