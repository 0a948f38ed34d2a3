"""The sections of the page about the core alone, and about hit ratios."""

from __future__ import annotations

from typing import Any

from bench.markdown import number, spread, table
from bench.targets import HITS, HOT, MIXES, POLICIES, cores_ratios

Results = dict[str, Any]

CORE = """\
## The core alone

`bench/core.c` creates an arena of 256 shards in a memfd and feeds RESP requests to one session, in the process, on
one thread that stays on one CPU: parsing, hashing, locking, counting and replying are in every figure, sockets are
not. Keys are `key:` and twelve digits (16 bytes), values 32 bytes unless stated otherwise. Durations are CPU time of
the thread, unless they are called wall time. The build is the daemon's (`-O3 -flto -DNDEBUG`).

**Overhead.** 1,000,000 keys are set. `used_memory` (header, tables, index, items, allocator headers: every byte in
use in the arena) minus 48 bytes of payload a key, divided by the keys; the second figure sets every key with `EX`.
One run is enough, since these are counts and not times. By whole regions, free space inside them included:
{overhead_whole_regions} and {overhead_ttl_whole_regions} bytes.

**Speed.** After the keys are set, random keys among them are read (GET, all hits) and then overwritten (SET),
in pipelines of 64; the requests of 64 pipelines are made before the clock runs, so that they are in the CPU's cache, as
after a `recv`. 2,097,152 commands a measurement, the median of three.

**Stalls.** 10,000,000 SETs of new keys, one a call, from an empty store on; each is timed by the wall clock and by
the CPU clock. The arena is fresh, so the kernel's page faults count. Interruptions of the process count in the
wall time, too: the best of three rounds is reported, and the longest stalls of all rounds were {longest_of_each}.

{histogram}

**Size shift.** 256 MiB, `allkeys-lru`: new keys with 100-byte values until three times the memory was written, then
with 1,000-byte values, then with 100-byte values again. The keys in the store at the end of each: {shift}.

**A large value.** A cache of 64 MiB is filled beyond its limit with small keys; then one SET of 10 MiB, and STRLEN.
The wall time of the two: {large}.

**Expiry.** 1,000,000 keys get the same TTL (3 seconds) besides 10,000 without one, which a client reads and writes
meanwhile, one command a call. As in the daemon, the sweep has 1 ms every 10 ms; a command that arrives during it
waits, and its time includes the wait. Wall time and CPU time, best of three rounds. `used_memory` was
{expire_memory_before} MB before, {expire_memory_full} MB with the keys, {expire_memory_after} MB after.
"""

HIT_RATIO = """\
## Hit ratio

`bench/hits.c` plays one sequence of {requests:,} requests (same seed for all) to the core and, over a UNIX socket, to
redis-server, each with `max_memory` 64 MiB and samples of 5: a GET, and a SET if the key did not exist. 16-byte keys
out of 2,000,000, 100-byte values; the first half warms up and is not counted.

- zipf(0.9): key *i* with probability proportional to 1 / *i*^0.9.
- zipf(0.99) with a scan: in every second block of 250,000 requests, every other request reads a new key that no later
  request reads. These requests miss in every cache.
- A hot set that moves: four of five requests go evenly to a window of 100,000 keys, which moves by one key every
  10 requests; the other requests go to any key.

Redis's LRU clock ticks once a second and that of the core every 128 ms. Redis runs in real time; the core's time is
an argument, and advances as far as it did for Redis. Two facts determine the figures: how many keys fit ({keys}),
and which keys the policy keeps. The keys are counted in the first workload.

{table}
"""

CORES = """\
## One process and two

`bench/core.c` makes an arena with 1,000,000 keys, whose values have 32 bytes. Processes attach it as workers of the
daemon do, and each feeds pipelines of 16 requests, made beforehand, to a session of its own for half a second, so
that no client limits it: one process on CPU 0, then two at once, on the CPUs 0 and 1; then, to measure the
machine's own limit, two processes that have an arena each and share nothing. Mixed is 9 SETs in 100 commands. HGET and
HSET are on 1,000,000 fields of 100,000 hashes; hot are those on as many fields of one hash, whose shard one process at
a time can lock. The table has millions of commands a second by the wall clock, and the ratio of two processes to one;
by CPU time is the same ratio, divided by the time that the processes ran on the CPUs. The median of {rounds} rounds
(least{dash}most).

{table}
"""


def _histogram(stall: dict[str, Any]) -> str:
    rows = []
    for name, count in stall.items():
        if name.startswith("stall_below_"):
            bound = float(name.removeprefix("stall_below_").removesuffix("_us"))
            rows.append((f"{bound:,.{0 if bound > 10 else 1}f} µs", f"{count:,.0f}", f"{stall['by_cpu'][name]:,.0f}"))
    return table(("SETs that took less than (and not less than the line above)", "by wall time", "by CPU time"), rows)


def core(results: Results) -> str:
    memory, stall, shift = results["memory"], results["stall"], results["shift"]
    large, expire = results["large"], results["expire"]
    return CORE.format(
        **{name: number(value) for name, value in memory.items()},
        longest_of_each=", ".join(f"{value / 1e3:.2f} ms" for value in stall["longest_of_each"]),
        histogram=_histogram(stall),
        shift=", ".join(number(shift[f"shift_{i}_{n}_bytes"], 0) for i, n in enumerate((100, 1000, 100))),
        large=", ".join(f"{name.removeprefix('large_')} {words[1]} ms" for name, words in large.items()),
        **{name: words[0] for name, words in expire.items()},
    )


def hit_ratio(results: Results) -> str:
    rows: list[tuple[str, ...]] = []
    for workload, cells in results["hits"].items():
        row = [HITS[workload]]
        for who, policies in (("core", POLICIES), ("redis", POLICIES[:2])):
            row += [f"{cells[f'{who} {p}']:.2%}" if f"{who} {p}" in cells else "" for p in policies]
        rows.append(tuple(row))
    head = ("", *(f"core, {p}" for p in POLICIES), *(f"Redis, {p}" for p in POLICIES[:2]))
    keys = ", ".join(
        f"{number(value, 0)} in {'the core' if who.startswith('core') else 'Redis'}"
        for who, value in results["hits"]["zipf-0.9"].items()
        if who.endswith("allkeys-lru keys")
    )
    return HIT_RATIO.format(requests=results["requests"], keys=keys, table=table(head, rows))


def cores(results: Results) -> str:
    rounds = results["cores"]
    rows = []
    for mix in [*MIXES, *HOT]:
        rates = [[r[f"cores_{mix}_{which}"] / 1e6 for r in rounds] for which in ("one", "two", "apart")]
        ratios = [cores_ratios(rounds, mix, which) for which in ("two", "apart")]
        ratios.insert(1, [r[f"cores_{mix}_two_cpu"] / r[f"cores_{mix}_one_cpu"] for r in rounds])
        name = " ".join(word if word in ("mixed", "hot") else word.upper() for word in mix.split("_"))
        rows.append((name, *map(spread, rates), *map(spread, ratios)))
    head = ("", "one", "two", "two apart", "two to one", "by CPU time", "two apart to one")
    return CORES.format(rounds=len(rounds), dash="\N{EN DASH}", table=table(head, rows))
