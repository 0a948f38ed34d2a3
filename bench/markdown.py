"""Figures and tables as the page has them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its rows are as long as its head."""
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float, digits: int = 1) -> str:
    return f"{value:,.{digits}f}"


def figure(value: float) -> str:
    """With three digits that count, or all before the point."""
    size = abs(value)
    return number(value, 3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0)


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most of what there is more than one of."""
    middle = figure(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({figure(min(values))}\N{EN DASH}{figure(max(values))})"
