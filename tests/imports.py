"""Check that no module of redistill/ imports from a package above its own: `make lint` runs it.

The packages, from the bottom to the top, are `ORDER`. An import inside of a function counts, and so does one for types
only: it is a dependency for whoever reads.
"""

from __future__ import annotations

import ast
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORDER = (
    "_core",
    "base",
    "engine",
    "config",
    "net",
    "control",
    "lifetime",
    "workers",
    "observe",
    "wiring",
    "tap",
    "transfer",
    "cli",
)


def imported(tree: ast.Module) -> list[tuple[int, str]]:
    """The modules of redistill that are imported, with the lines where."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "redistill":
            found += [(node.lineno, f"redistill.{name.name}") for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, node.module or ""))
    return [(line, name) for line, name in found if name.startswith("redistill.") and name != "redistill.__version__"]


def upward(root: pathlib.Path) -> list[str]:
    """A line for each import that points upward."""
    problems = []
    for path in sorted((root / "redistill").rglob("*.py")):
        place = path.relative_to(root / "redistill").with_suffix("").parts[0]
        if place in ("core", "_core_build", "__init__"):
            continue
        if place not in ORDER:
            problems.append(f"{path.relative_to(root)}: {place} has no place in ORDER")
            continue
        for line, name in imported(ast.parse(path.read_text())):
            package = name.split(".")[1]
            if ORDER.index(package) > ORDER.index(place):
                problems.append(f"{path.relative_to(root)}:{line}: {place} is below {package}, and must not import it")
    return problems


if __name__ == "__main__":
    sys.exit("\n".join(upward(ROOT)) or 0)
