"""Number the commands of commands/table/ and make the perfect hash of their names.

Writes index.h and index.c beside itself; both are checked in. ``--check`` writes nothing and fails when
they are not what the table asks for.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
TABLE = HERE.parent / "commands" / "table"
GROUPS = ("connection", "string", "bitmap", "hyperloglog", "generic", "transactions", "server", "cluster")
SLOT_BITS = 10
MASK = (1 << 64) - 1

ARRAY = re.compile(r"^const rd_command (rd_(?:sub)?commands_\w+)\[\] = \{$")
NAME = re.compile(r'^\s+\.name = "([a-z0-9_-]+)",$')
HEAD = "/* index.{} - made by index.py from commands/table/; do not edit. */\n"


def arrays(group: str) -> dict[str, list[str]]:
    """Names of the entries of each array in GROUP.c and GROUP_*.c, in their order."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for path in (TABLE / f"{group}.c", *sorted(TABLE.glob(f"{group}_*.c"))):
        for line in path.read_text().splitlines():
            if match := ARRAY.match(line):
                names = found.setdefault(match[1], [])
            elif match := NAME.match(line):
                names.append(match[1])
    return found


def words(name: str) -> tuple[int, int]:
    """The name as rd_command_name keeps it."""
    data = name.encode().ljust(16, b"\0")
    assert len(data) == 16, name
    return int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")


def slots(names: list[str]) -> tuple[int, list[int]]:
    """A multiplier that gives each name a slot of its own, and the slots."""
    pairs = [words(name) for name in names]
    multiplier = 0x9E3779B97F4A7C15
    while True:
        chosen = [((head + tail * 3) * multiplier & MASK) >> (64 - SLOT_BITS) for head, tail in pairs]
        if len(set(chosen)) == len(chosen):
            return multiplier, chosen
        multiplier = (multiplier * 0xD1342543DE82EF95 + 2) & MASK | 1


def ident(*parts: str) -> str:
    return "RD_ID_" + "_".join(parts).replace("-", "_")


def make() -> dict[str, str]:
    """The text of both files."""
    externs: list[str] = []
    ids: list[str] = []
    by_id: list[str] = []
    top: dict[str, str] = {}
    for group in GROUPS:
        found = arrays(group)
        externs += [f"extern const struct rd_command {array}[];" for array in found]
        table = f"rd_commands_{group}"
        for index, name in enumerate(found[table]):
            ids.append(ident(name))
            by_id.append(f"&{table}[{index}]")
            top[name] = f"&{table}[{index}]"
            for place, sub in enumerate(found.get(f"rd_subcommands_{name}", ())):
                ids.append(ident(name, sub))
                by_id.append(f"&rd_subcommands_{name}[{place}]")

    names = sorted(top)
    assert len(names) == sum(len(arrays(group)[f"rd_commands_{group}"]) for group in GROUPS), "a name twice"
    assert len(names) < 256, "rd_command_slots needs uint16_t"
    multiplier, chosen = slots(names)
    header = [
        "#ifndef RD_COMMAND_INDEX_H",
        "#define RD_COMMAND_INDEX_H",
        "",
        *externs,
        "",
        "enum {",
        *(f"  {name} = {number}," for number, name in enumerate(ids)),
        f"  RD_COMMANDS = {len(ids)},",
        "};",
        "",
        f"#define RD_COMMAND_NAMES {len(names)}u",
        f"#define RD_COMMAND_SLOTS {1 << SLOT_BITS}u",
        f"#define RD_COMMAND_SHIFT {64 - SLOT_BITS}u",
        f"#define RD_COMMAND_MULTIPLIER {multiplier:#x}ull",
        "",
        "#endif",
    ]
    source = [
        '#include "command/command_table.h"',
        "",
        "const rd_command *const rd_commands_by_id[RD_COMMANDS] = {",
        *(f"  [{name}] = {place}," for name, place in zip(ids, by_id, strict=True)),
        "};",
        "",
        "const rd_command_name rd_command_names[RD_COMMAND_NAMES] = {",
    ]
    for name in names:
        head, tail = words(name)
        source.append(f"  {{{head:#x}, {tail:#x}, {top[name]}}},")
    source += ["};", "", "const uint8_t rd_command_slots[RD_COMMAND_SLOTS] = {"]
    line = " "
    for place, slot in sorted(enumerate(chosen, 1), key=lambda pair: pair[1]):
        item = f" [{slot}] = {place},"
        if len(line) + len(item) > 118:
            source.append(line.rstrip())
            line = " "
        line += item
    source += [line.rstrip(), "};"]
    off, on = "/* clang-format off */\n", "/* clang-format on */\n"
    return {
        "index.h": HEAD.format("h") + off + "\n".join(header) + "\n" + on,
        "index.c": HEAD.format("c") + off + "\n".join(source) + "\n" + on,
    }


def main() -> int:
    stale = 0
    for name, text in make().items():
        path = HERE / name
        if path.exists() and path.read_text() == text:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{name}: stale; run {pathlib.Path(__file__).name}", file=sys.stderr)
            stale = 1
        else:
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main())
