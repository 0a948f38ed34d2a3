"""Makes the header that test_keyspecs.c includes: python tests/core/keyspecs.py > HEADER

The commands of keyspecs.def as rows in C, and the calls of keyspecs.txt with the keys that each has.
"""

from __future__ import annotations

import runpy
import shlex
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
index: dict[str, Any] = runpy.run_path(str(HERE.parents[1] / "redistill" / "core" / "command" / "index.py"))


def vectors() -> list[tuple[list[str], str, str]]:
    """The calls of keyspecs.txt: words, the core's answer, Redis's."""
    found = []
    for line in (HERE / "keyspecs.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            call, _, answers = line.partition(" =>")
            ours, bar, theirs = answers.partition(" |")
            found.append((shlex.split(call), ours.strip(), theirs.strip() if bar else ours.strip()))
    return found


def rows() -> list[Any]:
    """The commands of keyspecs.def, and those of the core's own table that keyspecs.txt calls."""
    found: list[Any] = index["parse"]((HERE / "keyspecs.def").read_text(), "keyspecs")
    called = {words[0].lower() for words, _, _ in vectors()} - {row.name for row in found}
    for path in sorted(index["TABLE"].glob("*.def")):
        found += [row for row in index["parse"](path.read_text(), path.stem) if row.name in called]
    return found


def main() -> None:
    print('#include "commands/cmd.h"\n\nstatic const rd_command rows[] = {')
    for row in rows():
        print("\n".join(index["entry"](row, 0)))
    print("};\n\nstatic const struct {\n  const char *words[24], *keys;\n} vectors[] = {")
    for words, ours, _ in vectors():
        print(f"  {{{{{', '.join(map(index['quoted'], words))}}}, {index['quoted'](ours)}}},")
    print("};")


if __name__ == "__main__":
    main()
