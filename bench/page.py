"""docs/performance.md, from what bench/run measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

Results = dict[str, Any]
Row = tuple[str, str, str, bool]

HITS = {
    "zipf-0.9": "zipf(0.9)",
    "zipf-0.99-scan": "zipf(0.99) with a scan through it",
    "moving": "a hot set that moves",
}
POLICIES = ("allkeys-lru", "allkeys-lfu", "allkeys-s3fifo")

INTRODUCTION = """\
# Performance

`make bench` measures what stands here and writes this page, in less than ten minutes; `bench/run PART` repeats one
part. Run it on a machine that does nothing else. A figure that misses its target says so.
"""

CORE = """\
## The core alone

`bench/core.c` creates an arena of 256 shards in a memfd and feeds RESP requests to one session, in the process, on
one thread that stays on one CPU: parsing, hashing, locking, counting and replying are in every figure, sockets are
not. Keys are `key:` and twelve digits (16 bytes), values 32 bytes where nothing else is said. Durations are those of
the thread's CPU clock, unless they are called wall time. The build is the daemon's (`-O3 -flto -DNDEBUG`).

**Overhead.** 1,000,000 keys are set. `used_memory` (header, tables, index, items, allocator headers: every byte in
use in the arena) minus 48 bytes of payload a key, divided by the keys; the second figure sets every key with `EX`.
Counted, not timed, so one run is enough. Whole regions, with what is free inside them: {overhead_whole_regions} and
{overhead_ttl_whole_regions} bytes.

**Speed.** After the keys are set, random keys out of them are asked for (GET, all hits) and then overwritten (SET),
in pipelines of 64; the requests of 64 pipelines are made before the clock runs, so that they are in the CPU's cache, as
after a `recv`. 2,097,152 commands a measurement, the median of three.

A good part of what 10 M keys cost more is the translation of addresses, in pages of 4 KiB: with the arena on a tmpfs
that is mounted with `huge=always` (`memory.arena_path`) a GET among 10 M keys took a third less, in a comparison made
once, by hand. The figures here are those of a memfd.

**Stalls.** 10,000,000 SETs of new keys, one a call, from an empty store on; each is timed by the wall clock and by
the CPU clock. The arena is fresh, so the kernel's page faults are in it. What interrupts the process is in the wall
time too: the best of three rounds is reported, and the longest stalls of all rounds were {longest_of_each}.

{histogram}

**Size shift.** 256 MiB, `allkeys-lru`: new keys with 100-byte values until three times the memory was written, then
with 1,000-byte values, then with 100-byte values again. The keys in the store at the end of each: {shift}.

**A large value.** A cache of 64 MiB is filled beyond its limit with small keys; then one SET of 10 MiB, and STRLEN.
The wall time of the two: {large}.

**Expiry.** 1,000,000 keys get the same TTL (3 seconds) besides 10,000 without one, which a client reads and writes
all the while, one command a call. As in the daemon, the sweep is given 1 ms every 10 ms; a command that comes during
it waits, and the wait counts into its time. Wall time and CPU time, best of three rounds. `used_memory` was
{expire_memory_before} MB before, {expire_memory_full} MB with the keys, {expire_memory_after} MB after.
"""

HIT_RATIO = """\
## Hit ratio

`bench/hits.c` plays one sequence of {requests:,} requests (same seed for all) to the core and, over a UNIX socket, to
redis-server, each with `max_memory` 64 MiB and samples of 5: a GET, and a SET of what was not there. 16-byte keys out
of 2,000,000, 100-byte values; the first half warms up and is not counted.

- zipf(0.9): key *i* with probability proportional to 1 / *i*^0.9.
- zipf(0.99) with a scan: in each second quarter of a million requests, every other request reads the next of keys
  that are never asked for again. Those always miss, for everybody.
- A hot set that moves: four of five requests go evenly to a window of 100,000 keys, which moves on by one key every
  10 requests; the others go to any key.

Redis's LRU clock ticks once a second and that of the core every 128 ms. Redis runs in real time; the core's time is
an argument, and advances as far as it did for Redis. Two things come together in the figures: how many keys fit
({keys}), and how well they are chosen. The keys are counted in the first of the workloads.

{table}
"""

SOCKETS = """\
## Over a socket

The daemon, one process, next to redis-server {version} with its defaults (no persistence): both pinned to the same
CPU, redis-benchmark on another one, {connections} connections over TCP on the loopback, 100,000 keys of 16 bytes,
32-byte values, all GETs hit. User and system time of the server process (`/proc/PID/stat`) divided by the commands;
rounds alternate between the two, and the ratio is the median of the rounds' ratios. Below 1 Redistill costs less.

{table}
"""


def _number(value: float, digits: int = 1) -> str:
    return f"{value:,.{digits}f}"


def _best(cells: dict[str, float], who: str) -> tuple[float, str]:
    return max((cells[f"{who} {policy}"], policy) for policy in POLICIES if f"{who} {policy}" in cells)


def _rows(results: Results) -> list[Row]:
    """Figure, target, measured value, met or not."""
    rows: list[Row] = []

    def row(name: str, target: str, measured: str, met: bool) -> None:
        rows.append((name, target, measured, met))

    if memory := results.get("memory"):
        for name, label, bound in (("overhead", "", 32), ("overhead_ttl", ", with a TTL", 40)):
            row(
                f"Overhead of a key{label}, 1 M keys",
                f"<= {bound} bytes",
                f"{_number(memory[name])} bytes",
                memory[name] <= bound,
            )
    if speed := results.get("speed"):
        for name, least in (("get", 5.0), ("set", 3.0)):
            small, large = 1e3 / speed[f"{name}_1m_keys"], 1e3 / speed[f"{name}_10m_keys"]
            row(f"{name.upper()}, 1 M keys", f">= {least:.0f} M/s", f"{small:.2f} M/s", small >= least)
            target = 0.6 * least
            measured = f"{large:.2f} M/s ({large / small:.0%} of the speed at 1 M)"
            row(f"{name.upper()}, 10 M keys", f">= {target:.1f} M/s (60 % of {least:.0f})", measured, large >= target)
    if stall := results.get("stall"):
        longest, cpu = stall["stall_longest"] / 1e3, stall["stall_longest_cpu"] / 1e3
        measured = f"{longest:.2f} ms (CPU time: at most {cpu:.2f} ms)"
        row("Longest stall, 0 to 10 M keys", "<= 1 ms on a quiet core", measured, longest <= 1)
    if shift := results.get("shift"):
        share = shift["shift_last_to_first"]
        row("Size shift 100, 1,000, 100 bytes", ">= 90 % of the keys", f"{share:.1f} %", share >= 90)
    if large := results.get("large"):
        fits = [name.removeprefix("large_") for name, words in large.items() if words[0] == "fits"]
        said = "fits under " + ", ".join(fits) if fits else "does not fit"
        row("10 MiB into a full 64 MiB cache", "any allkeys policy", said, len(fits) == len(large))
    if expire := results.get("expire"):
        longest, cpu = (float(expire[f"expire_longest_command{x}"][0]) / 1e3 for x in ("", "_cpu"))
        measured = f"{longest:.2f} ms (CPU time: at most {cpu:.2f} ms)"
        row("Longest command while 1 M keys expire", "<= 2 ms", measured, longest <= 2)
        after = expire.get("expire_memory_free_after")
        free = float(after[0]) if after else float("inf")
        row("Their memory free again", "<= 10 s", f"{free:.2f} s", free <= 10)
    for workload, cells in results.get("hits", {}).items():
        if "redis allkeys-lru" not in cells:
            continue
        ours, theirs = _best(cells, "core"), _best(cells, "redis")
        measured = f"{ours[0]:.2%} ({ours[1]}) against {theirs[0]:.2%} ({theirs[1]})"
        row(f"Hit ratio, {HITS[workload]}", ">= Redis's, best against best", measured, ours[0] >= theirs[0])
        lru, redis = cells["core allkeys-lru"], cells["redis allkeys-lru"]
        row("", ">= Redis's, lru against lru", f"{lru:.2%} against {redis:.2%}", lru >= redis)
    return rows


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _histogram(stall: dict[str, Any]) -> str:
    rows = []
    for name, count in stall.items():
        if name.startswith("stall_below_"):
            bound = float(name.removeprefix("stall_below_").removesuffix("_us"))
            rows.append((f"{bound:,.{0 if bound > 10 else 1}f} µs", f"{count:,.0f}", f"{stall['by_cpu'][name]:,.0f}"))
    return _table(("SETs that took less than (and not less than the line above)", "by wall time", "by CPU time"), rows)


def _core(results: Results) -> str:
    memory, stall, shift = results["memory"], results["stall"], results["shift"]
    large, expire = results["large"], results["expire"]
    return CORE.format(
        **{name: _number(value) for name, value in memory.items()},
        longest_of_each=", ".join(f"{value / 1e3:.2f} ms" for value in stall["longest_of_each"]),
        histogram=_histogram(stall),
        shift=", ".join(_number(shift[f"shift_{i}_{n}_bytes"], 0) for i, n in enumerate((100, 1000, 100))),
        large=", ".join(f"{name.removeprefix('large_')} {words[1]} ms" for name, words in large.items()),
        **{name: words[0] for name, words in expire.items()},
    )


def _hits(results: Results) -> str:
    rows: list[tuple[str, ...]] = []
    for workload, cells in results["hits"].items():
        row = [HITS[workload]]
        for who, policies in (("core", POLICIES), ("redis", POLICIES[:2])):
            row += [f"{cells[f'{who} {p}']:.2%}" if f"{who} {p}" in cells else "" for p in policies]
        rows.append(tuple(row))
    head = ("", *(f"core, {p}" for p in POLICIES), *(f"Redis, {p}" for p in POLICIES[:2]))
    keys = ", ".join(
        f"{_number(value, 0)} in {'the core' if who.startswith('core') else 'Redis'}"
        for who, value in results["hits"]["zipf-0.9"].items()
        if who.endswith("allkeys-lru keys")
    )
    return HIT_RATIO.format(requests=results["requests"], keys=keys, table=_table(head, rows))


def _sockets(results: Results) -> str:
    rows = [
        (name, f"{cells['redistill']:.2f} µs", f"{cells['redis']:.2f} µs", f"{cells['ratio']:.2f}")
        for name, cells in results["sockets"].items()
    ]
    head = ("", "Redistill", "Redis", "ratio")
    return SOCKETS.format(version=results["machine"].get("redis-server", ""), connections=50, table=_table(head, rows))


def page(results: Results) -> str:
    """The page; parts that were never measured are left out."""
    facts = dict(results.get("machine", {}))
    machine = f"Measured on {facts.pop('date', '?')}: {facts.pop('cpu', 'a CPU')}, {facts.pop('cpus', '?')} CPUs; "
    machine += ", ".join(f"{name} {value}" for name, value in facts.items()) + "."
    if loads := results.get("load"):
        machine += f" Load of the machine when a part began: {min(loads.values()):.1f} to {max(loads.values()):.1f}"
        machine += "; more than 1 means that others ran, and times are longer than they need be."
    machine = textwrap.fill(machine, 118, break_long_words=False, break_on_hyphens=False)
    rows = [(name, target, measured, "yes" if met else "**no**") for name, target, measured, met in _rows(results)]
    parts = [INTRODUCTION, machine + "\n", _table(("figure", "target", "measured", "met"), rows) + "\n"]
    if all(part in results for part in ("memory", "speed", "stall", "shift", "large", "expire")):
        parts.append(_core(results))
    if results.get("hits"):
        parts.append(_hits(results))
    if results.get("sockets"):
        parts.append(_sockets(results))
    return "\n".join(parts).rstrip() + "\n"


def summary(results: Results) -> list[str]:
    """One line a figure."""
    return [
        f"{'met    ' if met else 'NOT MET'}  {name or '  ...'}: {value} ({target})"
        for name, target, value, met in _rows(results)
    ]
