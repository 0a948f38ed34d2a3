"""Charts as SVG: a dot for each server in each row, with the span of its rounds, on a logarithmic axis.

They are read on light and on dark pages: each paints its own ground, and follows what the reader prefers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

Span = tuple[float, float, float]
"""The least, the median and the most of a figure's rounds."""

WIDTH, LEFT, RIGHT, ROW, HEAD, FOOT = 820, 220, 36, 26, 64, 52
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600; font-size: 15px }
.ground { fill: #ffffff } .band { fill: #f3f5f7 } .grid { stroke: #d0d7de }
.s0 { fill: #0969da; stroke: #0969da } .s1 { fill: #00897b; stroke: #00897b } .s2 { fill: #d1242f; stroke: #d1242f }
.s3 { fill: #bf6a02; stroke: #bf6a02 } .s4 { fill: #8250df; stroke: #8250df } line { stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .ground { fill: #0d1117 } .band { fill: #161b22 } .grid { stroke: #3d444d }
.s0 { fill: #58a6ff; stroke: #58a6ff } .s1 { fill: #3fb9a7; stroke: #3fb9a7 } .s2 { fill: #ff7b72; stroke: #ff7b72 }
.s3 { fill: #e3a04f; stroke: #e3a04f } .s4 { fill: #bc8cff; stroke: #bc8cff } }"""
SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "M-4.5-4.5h9v9h-9z",
    "M0-6L6 5H-6z",
    "M0-6L6 0L0 6L-6 0z",
    "M0 6L6-5H-6z",
)
"""A shape for each series, so that the chart can be read without colours."""


@dataclass(frozen=True)
class Chart:
    """The contents of a chart. `axis` names the figure and its unit; `rows` have a span for each of their series."""

    title: str
    axis: str
    series: Sequence[str]
    rows: Mapping[str, Mapping[str, Span]]


def svg(chart: Chart) -> str:
    """The drawing."""
    height = HEAD + ROW * len(chart.rows) + FOOT
    scale = _Scale([value for spans in chart.rows.values() for span in spans.values() for value in span])
    body = [*_ground(chart, height), *_axis(chart, scale, height), *_legend(chart), *_dots(chart, scale)]
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    name = f'role="img" aria-label="{escape(chart.title)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {name}>\n<style>\n{STYLE}\n</style>\n' + "\n".join(
        [*body, "</svg>\n"]
    )


class _Scale:
    """Figures to places on a logarithmic axis whose ends are 1, 2 or 5 times a power of ten."""

    def __init__(self, values: Sequence[float]) -> None:
        self._low, self._high = math.log10(min(values)), math.log10(max(values))
        self.ticks = [tick for tick in _steps() if 0.4 * min(values) < tick < 2.5 * max(values)]
        self._low = min(self._low, math.log10(self.ticks[0]))
        self._high = max(self._high, math.log10(self.ticks[-1]))

    def place(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def _steps() -> Iterator[float]:
    for power in range(-6, 12):
        yield from (factor * 10.0**power for factor in (1, 2, 5))


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _ground(chart: Chart, height: int) -> Iterator[str]:
    yield f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>'
    yield _text(16, 24, chart.title, style="title")
    for i, name in enumerate(chart.rows):
        y = HEAD + i * ROW
        if i % 2 == 0:
            yield f'<rect class="band" x="8" y="{y}" width="{WIDTH - 16}" height="{ROW}"/>'
        yield _text(LEFT - 16, y + ROW / 2 + 4, name, "end")


def _axis(chart: Chart, scale: _Scale, height: int) -> Iterator[str]:
    bottom = height - FOOT
    for tick in scale.ticks:
        x = scale.place(tick)
        yield f'<line class="grid" x1="{x:.1f}" y1="{HEAD}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(x, bottom + 18, f"{tick:,.10g}", "middle")
    yield _text((LEFT + WIDTH - RIGHT) / 2, bottom + 40, f"{chart.axis} (logarithmic)", "middle")


def _legend(chart: Chart) -> Iterator[str]:
    x = 16.0
    for i, name in enumerate(chart.series):
        yield f'<path class="s{i}" transform="translate({x + 6:.1f} 44)" d="{SHAPES[i]}"/>'
        yield _text(x + 18, 48, name)
        x += 34 + 7.2 * len(name)


def _dots(chart: Chart, scale: _Scale) -> Iterator[str]:
    for row, spans in enumerate(chart.rows.values()):
        y = HEAD + row * ROW + ROW / 2
        for i, name in enumerate(chart.series):
            if name not in spans:
                continue
            least, median, most = map(scale.place, spans[name])
            yield f'<line class="s{i}" x1="{least:.1f}" y1="{y}" x2="{most:.1f}" y2="{y}"/>'
            yield f'<path class="s{i}" transform="translate({median:.1f} {y})" d="{SHAPES[i]}"/>'
