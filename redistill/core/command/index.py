"""Make the core's table of commands from commands/table/*.def.

A row says what COMMAND INFO and COMMAND DOCS say, and nothing that follows from the rest of it: ids, prototypes,
implied ACL categories, first key, last key and step are derived here. An example, with each kind of line::

    sort -2 write denyoom @set @sortedset @list @dangerous
        Sorts the elements of a list, set or sorted set
        since 1.0.0, O(N+M*log(M)) where N is the number of elements
        deprecated 9.0.0, `SORTED`
        key RO access: 1
        key OW update: unknown -- the key behind STORE
        options 2 BY=1 LIMIT=2 GET=1 ASC DESC ALPHA STORE#1
        args key#0 ?BY=pattern ?destination{STORE=key#1}
        tips nondeterministic_output_order

The first line has the name, the arity, COMMAND INFO's flags and ours (OWN_FLAGS), and the ACL categories that are not
implied. A subcommand is ``client|list``, right behind its container. Next comes the summary. Lines that are indented
deeper go on with the one before.

``key FLAGS: WHERE -- NOTES`` is a key spec. WHERE is ``1`` (argv[1]), ``1 to -1 step 2`` (to the end, every other),
``numkeys at 1`` (argv[1] counts the keys behind it), ``STREAMS from 1 to -1 limit 2`` (behind that word, which is
looked for from argv[1] on; the first half of what is left), or ``unknown``.

``options FROM`` describes the arguments from there on: ``WORD``, ``WORD=n`` with so many values, or ``WORD#k``, whose
values are the keys of spec k. It is for commands whose keys stand behind options: these are then found as the
command itself finds them (rd_next_option), so that a value is never taken for a word, and the last ``#`` given wins.

``grows NAME``: rd_grows_NAME bounds the bytes that a call writes beyond its arguments, so that a transaction finds room
for all of its commands. A command that reads some keys and writes another, and may be refused for lack of memory, has
``grows values`` unless it has another such line: it writes what it reads.

``element 2``: argv[2] names an element of the key's value, a field or a member, whose memory is prefetched before the
command runs. ``element -1, -2``: the last argument does, and the one before it is its new score. Of several elements
the line has one.

``args`` is in the notation of core/command/command.h. The command's function is rd_cmd_NAME, except that the control
plane answers what is flagged ``control``, and a container that has nothing but subcommands has none.

Writes index.h (ids), commands/table/table.c (the table, and the perfect hash of its names) and commands/cmd.h
(prototypes); all three are checked in. ``--check`` writes nothing and fails when they are not what the table asks for.
"""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

CORE = pathlib.Path(__file__).resolve().parents[1]
TABLE = CORE / "commands" / "table"
GROUPS = (
    "connection",
    "string",
    "hash",
    "list",
    "set",
    "sorted-set",
    "stream",
    "bitmap",
    "hyperloglog",
    "geo",
    "generic",
    "transactions",
    "pubsub",
    "scripting",
    "server",
    "cluster",
)
MASK = (1 << 64) - 1
NAME_MAX = 32
MAX_KEY_SPECS = 3

OWN_FLAGS = {
    "control": "CONTROL_PLANE",
    "own_locks": "OWN_LOCKS",
    "internal": "SYSCMD",
    "lists": "LISTS",
    "placed": "PLACED",
    "whole": "WHOLE",
}
FLAGS = (
    *("write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking", "loading", "stale", "skip_monitor"),
    *("skip_slowlog", "fast", "no_auth", "no_mandatory_keys", "no_async_loading", "no_multi", "allow_busy"),
    *("may_replicate", *OWN_FLAGS),
)
CATEGORIES = (
    *("keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo"),
    *("stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"),
)
IMPLIED = {
    "write": ("write",),
    "readonly": ("read",),
    "admin": ("admin", "dangerous"),
    "pubsub": ("pubsub",),
    "blocking": ("blocking",),
}
"""Flag -> categories, as Redis derives them; and all commands are fast or slow."""
KEY_FLAGS = (
    *("RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags"),
    "instead",
)
"""Flags of COMMAND INFO, and one of our own: the keys of this spec replace those of the specs before it."""

HEAD = re.compile(r"(?P<name>[a-z0-9_-]+(?:\|[a-z0-9_-]+)?) (?P<arity>-?[1-9]\d*)(?P<rest>( @?[a-z_]+)*)")
KEY = re.compile(
    r"(?P<flags>[A-Za-z_ ]+): (?:(?P<unknown>unknown)|numkeys at (?P<numkeys>\d+)|"
    r"(?:(?P<index>\d+)|(?P<keyword>[A-Z]+) from (?P<start>-?\d+))(?: to (?P<last>-?\d+))?(?: limit (?P<limit>\d+))?)"
    r"(?: step (?P<step>\d+))?(?: -- (?P<notes>.+))?"
)
OPTION = re.compile(r"(?P<word>[A-Z0-9]+)(?:=(?P<values>\d)|#(?P<spec>\d))?")


@dataclass
class KeySpec:
    """A key spec, as core/command/command.h has it."""

    flags: list[str]
    begin_search: str
    find_keys: str
    keyword: str | None
    begin: int
    last: int
    step: int
    limit: int
    notes: str | None
    by_option: bool = False

    @property
    def is_range(self) -> bool:
        """Whether it always has its keys at the same places."""
        return self.begin_search == "INDEX" and self.find_keys == "RANGE"


@dataclass
class Row:
    """A command, or a subcommand."""

    name: str
    group: str
    arity: int
    flags: list[str]
    categories: list[str]
    summary: str = ""
    since: str = ""
    complexity: str | None = None
    deprecated: str | None = None
    replaced_by: str | None = None
    keys: list[KeySpec] = field(default_factory=list)
    options_from: int = 0
    options: list[tuple[str, str, int]] = field(default_factory=list)
    """Word, number of values, number of its key spec plus 1."""
    arguments: str | None = None
    tips: str | None = None
    growth: str | None = None
    element: int = 0
    score: int = 0
    subcommands: list[Row] = field(default_factory=list)

    @property
    def ident(self) -> str:
        """The command's name as part of a name in C."""
        return re.sub(r"[|-]", "_", self.name)

    @property
    def acl(self) -> list[str]:
        """The ACL categories of the command, including the implied ones."""
        found = {*self.categories, "fast" if "fast" in self.flags else "slow"}
        for flag in self.flags:
            found.update(IMPLIED.get(flag, ()))
        if "scripting" in found and "readonly" in self.flags:
            found.remove("read")  # as in Redis: who may read need not be allowed to run scripts
        return [category for category in CATEGORIES if category in found]

    @property
    def grows(self) -> str | None:
        """The name of the function that bounds the command's growth."""
        reads = {"RO" in spec.flags for spec in self.keys}
        growth = self.growth or ("values" if "denyoom" in self.flags and reads == {True, False} else None)
        return growth and f"rd_grows_{growth}"

    @property
    def run(self) -> str | None:
        """The name of the command's function in C."""
        return None if self.subcommands or "control" in self.flags else f"rd_cmd_{self.ident}"

    def triple(self) -> tuple[int, int, int, bool]:
        """First key, last key, step; and whether there may be keys elsewhere. As Redis merges specs that adjoin."""
        if len(self.keys) == 1 and self.keys[0].is_range:
            only = self.keys[0]
            last = only.last if only.last < 0 else only.begin + only.last
            return only.begin, last, only.step, "incomplete" in only.flags
        found: list[tuple[int, int]] = []
        movable = False
        for spec in self.keys:
            before = found[-1][1] if found else 0
            if not spec.is_range or spec.step != 1 or (before and before != spec.begin - 1):
                movable = True
                continue
            movable |= "incomplete" in spec.flags
            found.append((spec.begin, spec.last if spec.last < 0 else spec.begin + spec.last))
        if not found:
            return 0, 0, 0, movable
        return found[0][0], max((last for _, last in found), key=lambda last: last & MASK), 1, movable

    def kind(self) -> str:
        """Whether it has no key, or one that is always at the same place, or others."""
        if all("not_key" in spec.flags for spec in self.keys):
            return "RD_NO_KEYS"
        return "RD_ONE_KEY" if len(self.keys) == 1 and self.keys[0].is_range and not self.keys[0].last else "RD_KEYS"


class Wrong(Exception):
    """A line of the table is not understood."""


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line but comments, with those that go on with it."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" " * 8) and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        else:
            found.append((number, line.rstrip()))
    return iter(found)


def parse(text: str, group: str) -> list[Row]:
    """The commands of a file."""
    rows: list[Row] = []
    for number, line in lines(text):
        try:
            if not line.startswith("    "):
                start(rows, line, group)
            else:
                add((rows[-1].subcommands or rows)[-1], line.strip())
        except (Wrong, ValueError, IndexError) as error:
            raise SystemExit(f"{group}.def:{number}: {error}") from None
    for row in rows:
        for one in (row, *row.subcommands):
            if not one.since:
                raise SystemExit(f"{group}.def: {one.name} has no summary, or no version that brought it")
    return rows


def start(rows: list[Row], line: str, group: str) -> None:
    """The first line of a row."""
    head = HEAD.fullmatch(line)
    if head is None:
        raise Wrong("a name, an arity, flags and @categories are wanted")
    words = head["rest"].split()
    flags = [word for word in words if not word.startswith("@")]
    categories = [word[1:] for word in words if word.startswith("@")]
    if unknown := {*flags} - {*FLAGS} | {*categories} - {*CATEGORIES}:
        raise Wrong(f"no such flag or category: {', '.join(sorted(unknown))}")
    if len(head["name"].partition("|")[0]) > NAME_MAX:
        raise Wrong(f"the name has more than {NAME_MAX} bytes")
    row = Row(head["name"], group, int(head["arity"]), flags, categories)
    if redundant := {*categories} & {*Row("", "", 1, flags, []).acl}:
        raise Wrong(f"implied by its flags: {', '.join(sorted(redundant))}")
    container, bar, _ = row.name.partition("|")
    if not bar:
        rows.append(row)
    elif not rows or rows[-1].name != container:
        raise Wrong("a subcommand stands behind its container")
    else:
        rows[-1].subcommands.append(row)


def add(row: Row, line: str) -> None:
    """One more line of a row."""
    if not row.summary:
        row.summary = line
        return
    word, _, rest = line.partition(" ")
    first, _, second = rest.partition(", ")
    if word == "since":
        row.since, row.complexity = first, second or None
    elif word == "deprecated":
        row.deprecated, row.replaced_by = first, second
    elif word == "key":
        row.keys.append(key_spec(rest))
        if len(row.keys) > MAX_KEY_SPECS:
            raise Wrong(f"more than {MAX_KEY_SPECS} key specs")
    elif word == "options":
        add_options(row, rest)
    elif word == "args":
        row.arguments = rest
    elif word == "tips":
        row.tips = rest
    elif word == "element":
        row.element, row.score = int(first), int(second or 0)
    elif word == "grows":
        row.growth = rest
    else:
        raise Wrong(f"no line begins with {word!r}")


def key_spec(text: str) -> KeySpec:
    """The key spec of a line `key`."""
    match = KEY.fullmatch(text)
    if match is None:
        raise Wrong("a key spec is wanted")
    flags = match["flags"].split()
    if flags != [flag for flag in KEY_FLAGS if flag in flags]:
        raise Wrong("no such flag of a key, or in another order")
    step, limit, notes = int(match["step"] or 1), int(match["limit"] or 0), match["notes"]
    if match["unknown"]:
        return KeySpec(flags, "UNKNOWN", "UNKNOWN", None, 0, 0, step, 0, notes)
    if match["numkeys"]:
        return KeySpec(flags, "INDEX", "KEYNUM", None, int(match["numkeys"]), 0, step, 0, notes)
    last = int(match["last"] or 0)
    if match["keyword"]:
        if limit and last != -1:
            raise Wrong("a limit is for what goes to the end")
        return KeySpec(flags, "KEYWORD", "RANGE", match["keyword"], int(match["start"]), last, step, limit, notes)
    begin = int(match["index"])
    return KeySpec(flags, "INDEX", "RANGE", None, begin, last - begin if last > 0 else last, step, limit, notes)


def add_options(row: Row, text: str) -> None:
    """Add the options of a line `options` to `row`."""
    first, *words = text.split()
    row.options_from = int(first)
    for word in words:
        option = OPTION.fullmatch(word)
        if option is None:
            raise Wrong(f"no option: {word}")
        values, spec = option["values"] or "0", 0
        if option["spec"]:
            target = row.keys[int(option["spec"])]
            target.by_option = True
            values = "RD_ALL_THE_REST" if target.last < 0 else "1"
            spec = int(option["spec"]) + 1
        row.options.append((option["word"], values, spec))


def names_of(rows: list[Row]) -> list[Row]:
    """The rows sorted by their names, of which none is there twice."""
    names = [row.name for row in rows]
    if len({*names}) != len(names):
        raise SystemExit(f"a name twice: {sorted(name for name in {*names} if names.count(name) > 1)}")
    return sorted(rows, key=lambda row: row.name)


def words(name: str) -> tuple[int, int]:
    """The first eight bytes of a name and, of one that has more, the last eight: what its hash is made of."""
    data = name.encode()
    head = int.from_bytes(data[:8], "little")
    return head, int.from_bytes(data[-8:], "little") if len(data) > 8 else 0


def slots(names: list[str]) -> tuple[int, int, list[int]]:
    """Bits of a slot's number, a multiplier that gives each name a slot of its own, and the slots.

    A multiplier fits with a probability of about exp(-n * n / 2 / slots): so there are enough slots for some thousand
    attempts."""
    pairs = [words(name) for name in names]
    assert len({*pairs}) == len(pairs), "two names with the same hash"
    bits = 10
    while len(names) ** 2 / 2 / (1 << bits) > 7:
        bits += 1
    multiplier = 0x9E3779B97F4A7C15
    while True:
        chosen = {((head + tail * 3) * multiplier & MASK) >> (64 - bits): None for head, tail in pairs}
        if len(chosen) == len(pairs):
            return bits, multiplier, list(chosen)
        multiplier = (multiplier * 0xD1342543DE82EF95 + 2) & MASK | 1


def quoted(text: str | None) -> str:
    """A text in C."""
    return "NULL" if text is None else f'"{text}"'


def bits_of(prefix: str, names: list[str]) -> str:
    """Flags in C."""
    return " | ".join(f"{prefix}{OWN_FLAGS.get(name, name).upper()}" for name in names) or "0"


def entry(row: Row, place: int) -> list[str]:
    """A row in C."""
    first, last, step, movable = row.triple()
    flags = bits_of("RD_", row.flags) if not movable else bits_of("RD_", [*row.flags, "movablekeys"])
    _, bar, sub = row.name.partition("|")
    text = [
        f'  {{.name = "{sub or row.name}", .full_name = {quoted(row.name if bar else None)}, .group = "{row.group}",',
        f"   .id = {place}, .arity = {row.arity}, .run = {row.run or 'NULL'},",
        f"   .flags = {flags},",
        f"   .acl = {bits_of('RD_ACL_', row.acl)},",
        f"   .summary = {quoted(row.summary)},",
        f"   .since = {quoted(row.since)}, .complexity = {quoted(row.complexity)},",
    ]
    if row.deprecated:
        text.append(f"   .deprecated_since = {quoted(row.deprecated)}, .replaced_by = {quoted(row.replaced_by)},")
    if row.grows:
        text.append(f"   .grows = {row.grows},")
    if row.element:
        text.append(f"   .element = {row.element}, .score = {row.score},")
    if row.keys:
        text.append(f"   .keys = {row.kind()}, .first_key = {first}, .last_key = {last}, .key_step = {step},")
        text.append("   .key_specs = {")
        text += [spec_entry(spec) for spec in row.keys]
        text.append("   },")
    if row.options:
        text.append(f"   .options_from = {row.options_from}, .options = (const rd_option[]){{")
        for word, values, spec in row.options:
            text.append(f"     {{{quoted(word.lower())}, {values}, {spec}}},")
        text.append("     {NULL, 0, 0}},")
    if row.arguments:
        text.append(f"   .arguments = {quoted(row.arguments)},")
    if row.tips:
        text.append(f"   .tips = {quoted(row.tips)},")
    if row.subcommands:
        text.append(f"   .subcommands = subcommands_{row.ident},")
    text[-1] = text[-1].removesuffix(",") + "},"
    return text


def spec_entry(spec: KeySpec) -> str:
    """A key spec in C."""
    text = f"     {{.flags = {' | '.join(f'RD_KEY_{flag.upper()}' for flag in spec.flags)}"
    if spec.begin_search != "UNKNOWN":
        text += f", .begin_search = RD_BEGIN_{spec.begin_search}, .find_keys = RD_FIND_{spec.find_keys}"
        text += f", .begin = {spec.begin}, .last = {spec.last}"
        if spec.find_keys == "KEYNUM":
            text += ", .first = 1"
    text += f", .step = {spec.step}"
    if spec.limit:
        text += f", .limit = {spec.limit}"
    if spec.keyword:
        text += f", .keyword = {quoted(spec.keyword.lower())}"
    if spec.by_option:
        text += ", .by_option = true"
    if spec.notes:
        text += f", .notes = {quoted(spec.notes)}"
    return text + "},"


def header(rows: list[Row], ids: list[Row], bits: int, multiplier: int) -> list[str]:
    """index.h."""
    return [
        "#ifndef RD_COMMAND_INDEX_H",
        "#define RD_COMMAND_INDEX_H",
        "",
        "enum {",
        *(f"  RD_ID_{row.ident} = {number}," for number, row in enumerate(ids)),
        f"  RD_COMMANDS = {len(ids)},",
        "};",
        "",
        f"#define RD_COMMAND_NAMES {len(rows)}u",
        f"#define RD_COMMAND_SLOTS {1 << bits}u",
        f"#define RD_COMMAND_SHIFT {64 - bits}u",
        f"#define RD_COMMAND_MULTIPLIER {multiplier:#x}ull",
        "",
        "#endif",
    ]


def source(rows: list[Row], ids: list[Row], chosen: list[int]) -> list[str]:
    """table.c."""
    numbers = {row.name: number for number, row in enumerate(ids)}
    text = ['#include "command/command_table.h"', '#include "commands/cmd.h"', ""]
    place: dict[str, str] = {}
    for row in rows:
        if row.subcommands:
            text.append(f"static const rd_command subcommands_{row.ident}[] = {{")
            for index, sub in enumerate(row.subcommands):
                place[sub.name] = f"&subcommands_{row.ident}[{index}]"
                text += entry(sub, numbers[sub.name])
            text += ["  {.name = NULL},", "};", ""]
    text.append("static const rd_command commands[] = {")
    for index, row in enumerate(rows):
        place[row.name] = f"&commands[{index}]"
        text += entry(row, numbers[row.name])
    text += ["};", "", "const rd_command *const rd_commands_by_id[RD_COMMANDS] = {"]
    text += [f"  [RD_ID_{row.ident}] = {place[row.name]}," for row in ids]
    text += ["};", "", "const rd_command_name rd_command_names[RD_COMMAND_NAMES] = {"]
    for row in names_of(rows):
        head, tail = words(row.name)
        text.append(f"  {{{head:#x}, {tail:#x}, {place[row.name]}}}, /* {row.name} */")
    text += ["};", "", "const uint16_t rd_command_slots[RD_COMMAND_SLOTS] = {"]
    line = " "
    for number, slot in sorted(enumerate(chosen, 1), key=lambda pair: pair[1]):
        item = f" [{slot}] = {number},"
        if len(line) + len(item) > 118:
            text.append(line.rstrip())
            line = " "
        line += item
    return [*text, line.rstrip(), "};"]


def prototypes(ids: list[Row]) -> list[str]:
    """commands/cmd.h."""
    text = ["#ifndef RD_CMD_H", "#define RD_CMD_H", "", '#include "command/command.h"', ""]
    for group in GROUPS:
        found = [row.run for row in ids if row.group == group and row.run]
        if found:
            text += [f"/* {group} */", *(f"rd_command_fn {name};" for name in found), ""]
    growths = sorted({row.grows for row in ids if row.grows})
    text += ["/* the growth of commands */", *(f"rd_growth_fn {name};" for name in growths), ""]
    return [*text, "#endif"]


def make(tables: dict[str, str]) -> dict[str, str]:
    """The text of the three files, by their paths in core/; `tables`: group -> text of its .def."""
    rows = [row for group in GROUPS for row in parse(tables[group], group)]
    ids = [one for row in rows for one in (row, *row.subcommands)]
    bits, multiplier, chosen = slots([row.name for row in names_of(rows)])
    files = {
        "command/index.h": ("ids and sizes of the table of commands", header(rows, ids, bits, multiplier)),
        "commands/table/table.c": ("the table of commands and the index of its names", source(rows, ids, chosen)),
        "commands/cmd.h": ("the commands that the core executes itself, one function each", prototypes(ids)),
    }
    made = "Made by command/index.py of the rows in commands/table/: do not edit."
    off, on = "/* clang-format off */\n", "/* clang-format on */\n"
    return {
        path: f"/* {pathlib.Path(path).name} - {what}. */\n/* {made} */\n{off}" + "\n".join(body) + f"\n{on}"
        for path, (what, body) in files.items()
    }


def main() -> int:
    stale = 0
    for name, text in make({group: (TABLE / f"{group}.def").read_text() for group in GROUPS}).items():
        path = CORE / name
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
