"""Hashes, lists, sets, sorted sets and streams, beside other servers: bytes of a value, CPU time of a command."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bench import load, servers
from bench.progress import Progress

SERVERS = ("redistill", "redis", "valkey")
ROUNDS, SECONDS = 3, 0.6
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.3
SMALL_KEYS = 20_000
LARGE = 100_000
MILLION = 1_000_000

FILLS = {
    "hash": "HSET %k %f %v",
    "list": "RPUSH %k %m",
    "set": "SADD %k %m",
    "integers": "SADD %k %n",
    "sorted set": "ZADD %k %s %m",
    "places": "GEOADD %k %x %y %m",
    "stream": "XADD %k %i-1 field %v",
}
GROUP = "XGROUP CREATE %k group 0"
"""Sent to each stream."""
PAYLOADS = {"hash": 24, "list": 16, "set": 16, "integers": 4, "sorted set": 24}
"""Bytes of an element, as the tables count them."""


@dataclass(frozen=True)
class Held:
    """Values whose memory is measured, and the most bytes over their payload, for an element or a whole value."""

    type: str
    keys: int
    members: int
    most: float

    @property
    def whole(self) -> bool:
        """Whether the figure is for the whole value with its key."""
        return self.members <= 10

    @property
    def title(self) -> str:
        """The row's name."""
        name = "set of integers" if self.type == "integers" else self.type
        if self.whole:
            return f"{name} of {self.members}, whole"
        return f"{name} of {self.members:,}, an element" + (f" ({self.keys:,} of them)" if self.keys > 1 else "")


HELD = (
    *(Held(kind, 10 * SMALL_KEYS, 10, most) for kind, most in zip(PAYLOADS, (70, 60, 60, 45, 45), strict=True)),
    *(Held(kind, 1, MILLION, most) for kind, most in zip(PAYLOADS, (12, 1.6, 10, 8, 22), strict=True)),
    *(Held(kind, 1, 1_300_000, most) for kind, most in (("hash", 12), ("set", 10))),
    *(Held(kind, 1000, 1000, most) for kind, most in (("hash", 12), ("set", 10), ("sorted set", 22))),
)


@dataclass(frozen=True)
class Row:
    """A command on values of one size, and the most CPU time in relation to Redis's by the commands in a pipeline."""

    command: str
    type: str
    members: int
    most: tuple[tuple[int, float], ...]
    keys: int = 1
    result: str = ""
    """A few words for the title on the result of the command."""

    @property
    def title(self) -> str:
        """The command, and what it is sent to."""
        *names, last = (command.split()[0] for command in self.command.split(";"))
        said = f"{', '.join(names)} and {last}" if names else last
        return f"{said}, {self.type} of {self.members:,}{self.result and f', {self.result}'}"


USUAL = ((1, 0.92), (16, 0.65), (64, 0.55))
RANGES = ((16, 0.75), (64, 0.75))
PLACES = ((16, 0.75),)
HUGE = ((64, 0.35),)
ENTRIES = ((16, 0.70), (64, 0.70))
VALUE = 16


def _rows() -> Iterator[Row]:
    both = ((SMALL_KEYS, 10), (1, LARGE))
    for command, kind in (
        ("HSET %k %f %v", "hash"),
        ("HGET %k %f", "hash"),
        ("HINCRBY %k n%f 1", "hash"),
        ("LPUSH %k %m ; RPOP %k", "list"),
        ("SADD %k %m", "set"),
        ("SISMEMBER %k %m", "set"),
        ("ZADD %k %r %m", "sorted set"),
        ("ZSCORE %k %m", "sorted set"),
        ("ZINCRBY %k 1 %m", "sorted set"),
        ("XADD %k * field %v", "stream"),
    ):
        yield from (Row(command, kind, members, USUAL, keys) for keys, members in both)
    yield Row("HGETALL %k", "hash", 10, RANGES, SMALL_KEYS)
    yield Row("SMEMBERS %k", "set", 10, RANGES, SMALL_KEYS)
    yield Row("LRANGE %k 0 99", "list", 100, RANGES, 1000)
    yield Row("ZRANGE %k 5000 5009", "sorted set", 10_000, RANGES)
    yield Row("ZRANGEBYSCORE %k 5000 5010", "sorted set", 10_000, RANGES)
    yield Row("GEOADD %k %x %y %m", "places", LARGE, PLACES)
    yield Row("GEOSEARCH %k FROMLONLAT %x %y BYRADIUS 20 km", "places", LARGE, PLACES, 1, "about 100")
    yield Row(
        "GEOSEARCH %k FROMLONLAT %x %y BYRADIUS 20 km ASC WITHDIST WITHCOORD", "places", LARGE, PLACES, 1, "sorted"
    )
    yield Row("GEOSEARCH %k FROMLONLAT 5 5 BYRADIUS 2000 km", "places", 1000, PLACES, 1, "all")
    yield Row("XRANGE %k %i-1 + COUNT 10", "stream", LARGE, ENTRIES, 1, "10 entries")
    # XGROUP SETID goes back to a known id, so there is always an entry to read, and the id to acknowledge is known.
    grouped = "XGROUP SETID %k group %i-0 ; XREADGROUP GROUP group one COUNT 1 STREAMS %k > ; XACK %k group %i-1"
    yield from (Row(grouped, "stream", members, ENTRIES, keys) for keys, members in both)
    yield Row("ZRANK %k %m", "sorted set", MILLION, HUGE)
    yield Row("ZADD %k %r %m", "sorted set", MILLION, HUGE)
    yield Row("ZRANGEBYSCORE %k %r +inf LIMIT 0 10", "sorted set", MILLION, HUGE)


ROWS = tuple(_rows())


def _fill(server: servers.Server, command: str, prefix: str, keys: int, members: int) -> None:
    """Send the command for each member of each key. An error of the server ends the benchmark."""
    options: tuple[object, ...] = ("--workload", "fill", "--command", command, "--prefix", prefix, "--keys", keys)
    options += ("--members", members, "--value", VALUE, "--seconds", 120)
    load.run(server, *options, "--pipeline", load.FILL_PIPELINE, "--connections", 1)


def memory(quick: bool) -> dict[str, Any]:
    """Bytes over the payload, of INFO's used_memory, for each kind of value."""
    results: dict[str, Any] = {"rows": [], "lacking": {}}
    for held in HELD:
        if quick and held.members > LARGE:
            continue
        with servers.started(SERVERS, results["lacking"]) as running:
            got = {}
            fill = FILLS[held.type].replace("%k", "%j")  # a key of 10 bytes
            for server in running.values():
                _fill(server, fill, "warm", 100, 1)  # buffers and first pages are there already
                before = server.used_bytes()
                _fill(server, fill, "key:", held.keys, held.members)
                grown = (server.used_bytes() - before) / held.keys
                payload = held.members * PAYLOADS[held.type]
                got[server.name] = (grown - payload) / (1 if held.whole else held.members)
        results["rows"].append(asdict(held) | {"title": held.title, "servers": got})
        print(f"    {held.title}: {', '.join(f'{who} {value:.1f}' for who, value in got.items())}", flush=True)
    return results


def commands(quick: bool) -> dict[str, Any]:
    """CPU time of each command: for each server one result a round, the rounds of the servers taking turns."""
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    results: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "rows": [], "lacking": {}}
    rows = [row for row in ROWS if not quick or row.members <= LARGE]
    progress = Progress(sum(len(row.most) for row in rows) * rounds * len(SERVERS))
    for row in rows:
        with servers.started(SERVERS, results["lacking"]) as running:
            for server in running.values():
                _fill(server, FILLS[row.type], "key:", row.keys, row.members)
                if row.type == "stream":
                    _fill(server, GROUP, "key:", row.keys, 1)
            for pipeline, most in row.most:
                got: dict[str, list[float]] = {}
                for turn in range(rounds):
                    for server in running.values():
                        progress.show(f"{row.title}, P={pipeline}, round {turn + 1} of {rounds}, {server.name}")
                        options: tuple[object, ...] = ("--workload", "command", "--command", row.command)
                        options += ("--keys", row.keys, "--members", row.members, "--value", VALUE)
                        options += ("--pipeline", pipeline, "--connections", 50, "--requests", 100_000_000)
                        measured = load.run(server, *options, "--seconds", seconds)
                        got.setdefault(server.name, []).append(measured["server_cpu_us"])
                medians = {who: statistics.median(each) for who, each in got.items()}
                results["rows"].append(
                    {"title": row.title, "pipeline": pipeline, "most": most, "servers": got, "medians": medians}
                )
                said = ", ".join(f"{who} {value:.2f} µs" for who, value in medians.items())
                progress.line(f"{row.title}, P={pipeline}: {said}")
    return results
