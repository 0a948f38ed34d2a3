"""Figures and tables in the form of the page."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence

_KEPT = ("| ", "# ", "##", "![", "- ")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its rows are as long as its head."""
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def wrapped(text: str) -> str:
    """The text with its paragraphs filled anew; tables, headings, pictures and lists are as they were."""
    blocks = text.split("\n\n")
    return "\n\n".join(block if block.lstrip()[:2] in _KEPT else _fill(block) for block in blocks)


def _fill(paragraph: str) -> str:
    return textwrap.fill(paragraph, 118, break_long_words=False, break_on_hyphens=False)


def number(value: float, digits: int = 1) -> str:
    return f"{value:,.{digits}f}"


def figure(value: float) -> str:
    """With three digits that count, or all before the point."""
    size = abs(value)
    return number(value, 3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0)


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most if there are several values."""
    middle = figure(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({figure(min(values))}\N{EN DASH}{figure(max(values))})"
