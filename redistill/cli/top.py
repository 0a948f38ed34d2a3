"""``redistill top``: a live view of a server, in a terminal.

Rich draws it, because that library knows the terminals.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from redistill.cli.connection import fields

if TYPE_CHECKING:
    from redistill.cli.connection import Connection

SECTIONS = ("server", "clients", "memory", "stats", "workers", "commandstats", "keyspace")
COMMANDS = 12
"""Number of commands shown; those that take the most time come first."""
BAR = 30


@dataclass(frozen=True)
class Look:
    """INFO at a moment."""

    at: float
    """Seconds of a monotonic clock."""
    info: Mapping[str, str]
    histograms: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """See `Connection.histograms`."""

    def number(self, name: str) -> float:
        """A field; 0 when the server has none of that name."""
        return float(self.info.get(name, "0") or 0)

    def commands(self) -> dict[str, dict[str, str]]:
        """The fields of each command."""
        start = "cmdstat_"
        return {name.removeprefix(start): fields(value) for name, value in self.info.items() if name.startswith(start)}

    def workers(self) -> dict[int, dict[str, str]]:
        """The fields of each worker."""
        return {
            int(name.removeprefix("worker")): fields(value)
            for name, value in self.info.items()
            if name.startswith("worker") and name[6:].isdigit()
        }


def per_second(old: Look, new: Look, name: str) -> float:
    """The increase of a counter a second. A counter that was reset counts from 0."""
    return rate(old.number(name), new.number(name), new.at - old.at)


def rate(before: float, after: float, seconds: float) -> float:
    """The increase a second, of a counter that went from `before` to `after` in so many seconds."""
    return max(after - before if after >= before else after, 0.0) / seconds if seconds > 0 else 0.0


def short(number: float) -> str:
    """A number as people read it."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def size(number: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def percentiles(before: Mapping[int, int], after: Mapping[int, int], *shares: float) -> list[float]:
    """Microseconds that such shares of the calls between two cumulative histograms did not exceed, taken as spread
    evenly between a bound and its half. Nothing when there were no calls."""
    if sum(after.values()) < sum(before.values()):  # it was reset
        before = {}
    found: list[float] = []
    earlier = seen = 0
    spread: list[tuple[int, int]] = []  # bounds, and the calls up to them
    for bound in sorted({*before, *after}):
        earlier, seen = before.get(bound, earlier), after.get(bound, seen)
        spread.append((bound, seen - earlier))
    calls = spread[-1][1] if spread else 0
    for share in shares if calls > 0 else ():
        below = 0
        for bound, upto in spread:
            if upto >= share * calls:
                low = bound / 2 if bound > 1 else 0.0
                found.append(low + (bound - low) * (share * calls - below) / (upto - below))
                break
            below = upto
    return found


def view(old: Look, new: Look) -> Group:
    """The whole view, for the interval between two looks."""
    return Group(_head(new), _figures(old, new), _workers(old, new), _commands(old, new))


def _head(new: Look) -> Text:
    days, rest = divmod(int(new.number("uptime_in_seconds")), 86400)
    up = f"{days}d " * (days > 0) + time.strftime("%H:%M:%S", time.gmtime(rest))
    return Text.assemble(
        ("redistill ", "bold"),
        new.info.get("redistill_version", ""),
        f"  up {up}  clients {new.info.get('connected_clients', '0')}/{new.info.get('maxclients', '0')}",
    )


def _figures(old: Look, new: Look) -> Table:
    hits, misses = (per_second(old, new, f"keyspace_{what}") for what in ("hits", "misses"))
    used, limit = new.number("used_memory"), new.number("maxmemory")
    part = used / limit if limit else 0.0
    databases = (fields(value) for name, value in new.info.items() if name.startswith("db") and "keys=" in value)
    keys = sum(float(one["keys"]) for one in databases)
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "commands/s",
        short(per_second(old, new, "total_commands_processed")),
        "hit ratio",
        f"{hits / (hits + misses):.1%}" if hits + misses else "-",
        "keys",
        short(keys),
    )
    table.add_row(
        "in/s",
        size(per_second(old, new, "total_net_input_bytes")),
        "out/s",
        size(per_second(old, new, "total_net_output_bytes")),
        "rejected/s",
        short(per_second(old, new, "rejected_connections")),
    )
    table.add_row(
        "evicted/s",
        short(per_second(old, new, "evicted_keys")),
        "expired/s",
        short(per_second(old, new, "expired_keys")),
        "new clients/s",
        short(per_second(old, new, "total_connections_received")),
    )
    full = "#" * round(BAR * min(part, 1.0))
    color = "red" if part > 0.95 else "green"
    amount = f"{size(used)} of {size(limit)}, {part:.0%}" if limit else size(used)
    memory = Text.assemble("[", (full, color), " " * (BAR - len(full)), f"] {amount}")
    outer = Table.grid()
    outer.add_row(table)
    outer.add_row(Text.assemble("memory  ", memory))
    return outer


def _workers(old: Look, new: Look) -> Table:
    table = Table("worker", "clients", "commands/s", "cpu", title_justify="left", box=None, header_style="bold")
    before = old.workers()
    for number, now in sorted(new.workers().items()):
        then = before.get(number, {})
        same = then if then.get("pid") == now["pid"] else {}
        seconds = new.at - old.at
        cpu = sum(rate(float(same.get(one, now[one])), float(now[one]), seconds) for one in ("cpu_user", "cpu_sys"))
        commands = rate(float(then.get("commands", now["commands"])), float(now["commands"]), seconds)
        table.add_row(str(number), now["clients"], short(commands), f"{cpu:.0%}")
    return table


def _commands(old: Look, new: Look) -> Table:
    table = Table("command", "calls/s", "us/call", "p50 us", "p99 us", "failed/s", box=None, header_style="bold")
    before, seconds = old.commands(), new.at - old.at
    rows = []
    for name, now in new.commands().items():
        then = before.get(name, {})
        calls, usec, failed = (
            rate(float(then.get(field, 0)), float(now[field]), seconds) for field in ("calls", "usec", "failed_calls")
        )
        if calls:
            measured = percentiles(old.histograms.get(name, {}), new.histograms.get(name, {}), 0.5, 0.99)
            slow = [f"{one:.1f}" for one in measured] or ["-", "-"]
            rows.append((usec, (name, short(calls), f"{usec / calls:.2f}", *slow, short(failed))))
    for _, row in sorted(rows, reverse=True)[:COMMANDS]:
        table.add_row(*row)
    return table


def look(ask: Connection) -> Look:
    """Read the figures from the server now."""
    return Look(time.monotonic(), ask.info(*SECTIONS), ask.histograms())


def watch(ask: Connection, interval: float, once: bool) -> None:
    """Show the view until `q` or Ctrl-C; with `once`, or if the output is not a terminal, for one interval.

    A server that does not answer is asked again and again, so the view survives a restart. redis.RedisError if it does
    not answer at first, or refuses."""
    console = Console()
    old = look(ask)
    with contextlib.suppress(KeyboardInterrupt):
        if once or not console.is_terminal:
            time.sleep(interval)
            console.print(view(old, look(ask)))
            return
        with quit_key() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            frame, footer = view(old, old), Text("q: quit", style="dim")
            while not pressed(interval):
                new = look_again(ask)
                if isinstance(new, str):
                    missing = f"no answer for {time.monotonic() - old.at:.0f} s, trying again: {new}"
                    live.update(Group(Text(missing, style="bold red"), frame, footer), refresh=True)
                    continue
                if new.info.get("run_id") != old.info.get("run_id"):
                    old = new  # it was restarted: its counters began anew
                frame = view(old, new)
                live.update(Group(frame, footer), refresh=True)
                old = new


def look_again(ask: Connection) -> Look | str:
    """One look; the reason if the server does not answer. Its refusals are raised."""
    import redis

    try:
        return look(ask)
    except redis.AuthenticationError:  # which is a ConnectionError
        raise
    except (redis.ConnectionError, redis.TimeoutError) as problem:
        return " ".join(str(problem).split())


@contextlib.contextmanager
def quit_key() -> Iterator[Callable[[float], bool]]:
    """A function that waits for so many seconds, or until the key `q` is pressed: then it returns True."""
    if not sys.stdin.isatty():
        yield sleep
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)

    def pressed(seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([keyboard], [], [], left)[0]:
                keys = os.read(keyboard, 100)
                if not keys or b"q" in keys.lower():  # without keys the terminal has gone
                    return True
        return False

    try:
        yield pressed
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def sleep(seconds: float) -> bool:
    """Wait; there is no keyboard."""
    time.sleep(seconds)
    return False
