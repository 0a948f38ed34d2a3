"""docs/performance.md and its charts, from the results of bench/run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import page_core, page_messages, page_servers, page_types
from bench.charts import svg
from bench.markdown import table, wrapped
from bench.targets import targets

Results = dict[str, Any]

INTRODUCTION = """\
# Performance

`make bench` measures the figures of this page and writes it; `bench/run PART` repeats one part. Run it on a machine
that does nothing else. The table marks figures that miss their targets.
"""
CORE_PARTS = ("memory", "speed", "stall", "shift", "large", "expire")
SECTIONS = {
    "sockets": page_servers.sockets,
    "latency": page_servers.latency,
    "keys": page_servers.keys,
    "values": page_types.values,
    "types": page_types.commands,
    "messages": page_messages.messages,
    "blocking": page_messages.blocking,
    "idle": page_servers.idle,
    "start": page_servers.start,
    "refused": page_servers.refused,
    "balance": page_servers.balance,
    "floor": page_servers.floor,
    "hits": page_core.hit_ratio,
    "cores": page_core.cores,
}


def _machine(results: Results) -> str:
    facts = dict(results["machine"])
    dates, sources = (sorted({part[what] for part in results["of"].values()} - {""}) for what in ("date", "source"))
    said = f"Measured on {' to '.join(dict.fromkeys((dates[0], dates[-1])))}: "
    said += f"{facts.pop('cpu', 'a CPU')}, {facts.pop('cpus')} CPUs; "
    said += ", ".join(f"{name} {value}" for name, value in facts.items()) + "."
    if sources:
        said += f" Redistill's source at {', '.join(sources)} (+: with changes)."
    if took := results.get("took"):
        said += f" It took {sum(took.values()) / 60:.0f} minutes."
    if loads := results.get("load"):
        said += f" Load of the machine when a part began: {min(loads.values()):.1f} to {max(loads.values()):.1f}"
        said += "; above 1 other programs ran as well, which makes times longer."
    return said + "\n"


def page(results: Results) -> str:
    """The page; parts that were never measured are left out."""
    rows = [(name, target, measured, "yes" if met else "**no**") for name, target, measured, met in targets(results)]
    parts = [INTRODUCTION, _machine(results), table(("figure", "target", "measured", "met"), rows) + "\n"]
    parts += [section(results) for part, section in SECTIONS.items() if results.get(part)]
    if all(part in results for part in CORE_PARTS):
        parts.append(page_core.core(results))
    return wrapped("\n".join(parts).rstrip()) + "\n"


def write(results: Results, directory: Path) -> Path:
    """Write performance.md and performance/*.svg into the directory; the path of the page."""
    drawings = directory / "performance"
    drawings.mkdir(parents=True, exist_ok=True)
    for name, chart in page_servers.charts(results):
        (drawings / f"{name}.svg").write_text(svg(chart))
    path = directory / "performance.md"
    path.write_text(page(results))
    return path


def summary(results: Results) -> list[str]:
    """One line a figure."""
    return [
        f"{'met    ' if met else 'NOT MET'}  {name or '  ...'}: {value} ({target})"
        for name, target, value, met in targets(results)
    ]
