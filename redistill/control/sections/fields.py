"""The fields of a section of INFO, and how their values are rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from redistill.control.state import ServerState
from redistill.engine import stats

Fields = Iterable[tuple[str, object]]
Section = Callable[[ServerState, stats.Snapshot], Fields]


def human(size: int) -> str:
    """Bytes as Redis rounds them for people."""
    if size < 1024:
        return f"{size}B"
    amount = float(size)
    for unit in "KMGTP":
        amount /= 1024
        if amount < 1024 or unit == "P":
            break
    return f"{amount:.2f}{unit}"


def part(some: float, whole: float) -> str:
    """A percentage."""
    return f"{100 * some / whole if whole else 0:.2f}%"
