"""Checks the folders of the core, its rooms: each uses only itself and what stands below it, and core/README.md is
their map.

    python tests/rooms.py [CORE]

prints a line `FILE:LINE: RULE` for each thing that is wrong, and then ends with 1. `make lint` runs it.
"""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Iterator
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "redistill" / "core"
ORDER = ("base", "rdb", "arena", "wire", "store", "types", "command", "commands", "script", "session", "net", "")
"""The rooms, bottom to top; the last is the files beside the folders."""

INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
DECLARED = re.compile(r"^\w[^;:{}()=]*?\b(rd_\w+)\([^;{}]*\)[^;{}()]*;", re.MULTILINE)
DEFINED = re.compile(r"^\w[^;{}()=#]*?\b(rd_\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
MAP = "README.md"
MAPPED = (".c", ".h", ".py", ".def")
HEADING = re.compile(r"## (?:the top|(\w+/)(?::.*)?)$")
ENTRY = re.compile(r"    (\S+)\s+\S")


def room(path: str) -> str:
    """The folder of a file, whose path begins in the core."""
    return path.partition("/")[0] if "/" in path else ""


def rank(path: str) -> int:
    """How high the room of a file is; -1: there is no such room."""
    return ORDER.index(room(path)) if room(path) in ORDER else -1


def sources(core: Path) -> dict[str, str]:
    """The text of each C file and header, by its path in the core."""
    files = sorted(path for path in core.rglob("*.[ch]") if path.is_file())
    return {str(path.relative_to(core)): path.read_text() for path in files}


def wrong_includes(files: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """Includes of a room above, or without the room's name."""
    for name, text in files.items():
        if rank(name) < 0:
            yield name, 1, f"the folder {room(name)} has no place in the order of rooms ({', '.join(ORDER[:-1])})"
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            quote, included = found.groups()
            if included not in files:
                if quote == "<":
                    continue  # the system's
                yield name, number, f"{included} is no file of the core; an include names the folder, from the core on"
            elif rank(included) > rank(name):
                above = room(included) or "the top"
                yield name, number, f"includes {included}: {room(name)} is below {above}, and uses nothing above it"


def bare(text: str) -> str:
    """The text with its comments and strings blanked out, on the same lines."""
    return COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def wrong_homes(files: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """Functions that one room declares and another defines. The functions of the command table are the exception."""
    homes: dict[str, str] = {}
    for name, text in files.items():
        if name.endswith(".c"):
            homes.update((found[1], name) for found in DEFINED.finditer(bare(text)))
    for name, text in files.items():
        for found in DECLARED.finditer(bare(text)):
            home = homes.get(found[1], name)
            if room(home) != room(name) and not found[1].startswith("rd_cmd_"):
                line = text.count("\n", 0, found.start()) + 1
                yield name, line, f"declares {found[1]}, which {home} defines: a function is declared in its own room"


def wrong_beginnings(files: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """C files that do not begin with a sentence about themselves."""
    for name, text in files.items():
        begin = f"/* {name.rpartition('/')[2]} - "
        if name.endswith(".c") and (not text.startswith(begin) or text.startswith(begin + "see ")):
            yield name, 1, f'a C file begins with "{begin}" and a sentence about it'


def wrong_map(names: list[str], text: str) -> Iterator[tuple[str, int, str]]:
    """Files that the map has no line for, lines that no file is for, rooms out of order."""
    files, seen = set(names), set()
    folder, rooms = "", []
    for number, line in enumerate(text.splitlines(), 1):
        if heading := HEADING.match(line):
            folder = heading[1] or ""
            rooms.append(folder.rstrip("/"))
        elif rooms and (entry := ENTRY.match(line)):
            found = fnmatch.filter(files, folder + entry[1])
            if not found or not seen.isdisjoint(found):
                yield (
                    MAP,
                    number,
                    f"{folder}{entry[1]}: {'another line has it, too' if found else 'there is no such file'}",
                )
            seen.update(found)
    for name in sorted(files - seen):
        yield MAP, 1, f"{name} has no line in the map"
    if rooms != [name for name in ORDER if name in rooms]:
        yield MAP, 1, f"the rooms of the map are not in order: {', '.join(rooms)}"


def main(core: Path) -> int:
    files = sources(core)
    names = [str(path.relative_to(core)) for path in core.rglob("*") if path.suffix in MAPPED and path.is_file()]
    map_text = (core / MAP).read_text() if (core / MAP).exists() else ""
    wrong = [*wrong_includes(files), *wrong_homes(files), *wrong_beginnings(files), *wrong_map(names, map_text)]
    wrong.sort()
    for name, line, rule in wrong:
        print(f"{core / name}:{line}: {rule}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CORE))
