"""The core's table of commands as Python sees it."""

from __future__ import annotations

import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, ClassVar

from twisted.trial.unittest import TestCase

from redistill.control import GROUPS, command
from redistill.engine.command_table import Argument, CommandTable, parse_arguments
from tests.support.control import Server

ROOT = Path(__file__).resolve().parents[2]


class ArgumentNotationTests(TestCase):
    """core/command/command.h's one-line notation of arguments."""

    def test_tree(self) -> None:
        """Every sign of the notation has its meaning."""
        self.assertEqual(
            parse_arguments(
                "key#0 ?when{NX | XX@2.6.12 | IFEQ=other} ?DB=index:integer!7.0.0 pair(a b:double)*+@6.2.0"
            ),
            (
                Argument("key", "key", key_spec=0),
                Argument(
                    "when",
                    "oneof",
                    flags=("optional",),
                    arguments=(
                        Argument("nx", "pure-token", token="NX"),
                        Argument("xx", "pure-token", token="XX", since="2.6.12"),
                        Argument("other", "string", token="IFEQ"),
                    ),
                ),
                Argument("index", "integer", token="DB", deprecated_since="7.0.0", flags=("optional",)),
                Argument(
                    "pair",
                    "block",
                    since="6.2.0",
                    flags=("multiple", "multiple_token"),
                    arguments=(Argument("a", "string"), Argument("b", "double")),
                ),
            ),
        )

    def test_what_does_not_parse_is_refused(self) -> None:
        """A slip of the pen in the table is an error, not a shorter list of arguments."""
        for wrong in ("a{b", "a(b | c)", "a | b", "EX=", "a%", "a)", "a{}", "a{b c}", "? "):
            with self.assertRaises(ValueError, msg=wrong):
                parse_arguments(wrong)


class TableTests(TestCase):
    """The table itself."""

    table = CommandTable()

    def test_ids_are_places(self) -> None:
        """Each entry has an id of its own, counted up through the table, subcommands behind their container."""
        entries = list(self.table.flattened())
        self.assertEqual([entry.id for entry in entries], list(range(len(entries))))
        self.assertEqual(len(self.table.by_name), len(entries))

    def test_arguments_parse(self) -> None:
        """The arguments of every entry parse, and the keys among them are as many as its key specs."""
        for entry in self.table.flattened():
            keys = set(key_specs(entry.arguments))
            specs = {number for number, spec in enumerate(entry.key_specs) if "not_key" not in spec.flags}
            self.assertEqual(keys, specs, entry.name)

    def test_find(self) -> None:
        """A command is found by what a client would send, in any case."""
        for words, name in (
            ([b"GeT", b"k"], "get"),
            ([b"Client", b"LIST"], "client|list"),
            ([b"COMMAND"], "command"),
            ([b"client"], "client"),
            ([b"client", b"nothing"], None),
            ([b"client|list"], None),
            ([b"client", b"list|x"], None),
            ([b"get\0"], None),
            ([b""], None),
        ):
            entry = self.table.find(words)
            self.assertEqual(entry and entry.name, name, words)

    def test_control_plane(self) -> None:
        """Each command that the core passes on has a function in the control plane, and each function a command in the table."""
        server = Server()
        functions = {name for group in GROUPS for name in group.commands(server.state)}
        functions |= set(command.commands(server.state, self.table))
        entries = {entry.name for entry in self.table.flattened() if entry.control_plane}
        containers = {entry.name for entry in self.table.commands if entry.subcommands}
        self.assertEqual(functions - containers, entries - containers)

    def test_summaries(self) -> None:
        """A summary is one sentence that begins with a capital and has no full stop at its end."""
        for entry in self.table.flattened():
            self.assertRegex(entry.summary, r"\A[A-Z][ -~]*[^. ]\Z", entry.name)


def key_specs(arguments: tuple[Argument, ...]) -> list[int]:
    """The key specs that a tree of arguments names."""
    found = [one.key_spec for one in arguments if one.key_spec is not None]
    return found + [spec for one in arguments for spec in key_specs(one.arguments)]


ROW = """
{0} 2 readonly fast control @string
    Returns something
    since 1.0.0, O(1)
    key RO access: 1
"""

LOOKUP = """
#include "command/command.c"
#include "table.c"
_Static_assert(RD_COMMANDS == 600, "the table of this test");
bool rd_arg_is(rd_bytes s, const char *word) { return strlen(word) == s.len && strncasecmp((const char *)s.data, word, s.len) == 0; }
int main(void) {
  for (uint16_t id = 0; id < RD_COMMANDS; id++) {
    const rd_command *cmd = rd_command_by_id(id);
    uint8_t name[RD_COMMAND_NAME_MAX + 1];
    size_t len = strlen(cmd->name);
    bool unknown_sub;
    memcpy(name, cmd->name, len);
    for (size_t i = 0; i < len; i++) name[i] = name[i] >= 'a' ? name[i] - 32 : name[i];
    rd_bytes argv = {name, len};
    if (rd_command_find(&argv, 1, &unknown_sub) != cmd) return 1;
    for (size_t bit = 0; bit < 8 * len; bit++) {
      name[bit / 8] ^= 1 << bit % 8;
      const rd_command *found = rd_command_find(&argv, 1, &unknown_sub);
      bool letter = cmd->name[bit / 8] >= 'a' && bit % 8 == 5;
      if (found != NULL && (found != cmd || !letter) && strncasecmp(found->name, (char *)name, len)) return 2;
      if ((found == cmd) != letter) return 3;
      name[bit / 8] ^= 1 << bit % 8;
    }
    for (argv.len = 0; argv.len < len; argv.len++)
      if (rd_command_find(&argv, 1, &unknown_sub) == cmd) return 4;
  }
  return 0;
}
"""


class GeneratorTests(TestCase):
    """core/command/index.py."""

    index: ClassVar[dict[str, Any]] = runpy.run_path(str(ROOT / "redistill" / "core" / "command" / "index.py"))

    def row(self, text: str) -> Any:
        """The only row of a table."""
        (row,) = self.index["parse"](text, "string")
        return row

    def test_what_follows_from_a_row(self) -> None:
        """Categories, first key, last key and step, the kind of keys and the function are derived."""
        row = self.row(ROW.format("x").replace("readonly fast control", "write admin blocking pubsub"))
        self.assertEqual(row.acl, ["write", "string", "pubsub", "admin", "slow", "blocking", "dangerous"])
        self.assertEqual(row.run, "rd_cmd_x")
        for keys, triple, kind in (
            (["1"], (1, 1, 1, False), "RD_ONE_KEY"),
            (["2"], (2, 2, 1, False), "RD_ONE_KEY"),
            (["1 to 2"], (1, 2, 1, False), "RD_KEYS"),
            (["1 to -1 step 2"], (1, -1, 2, False), "RD_KEYS"),
            (["1", "2"], (1, 2, 1, False), "RD_KEYS"),
            (["2", "3 to -1"], (2, -1, 1, False), "RD_KEYS"),
            (["1", "3"], (1, 1, 1, True), "RD_KEYS"),
            (["numkeys at 1"], (0, 0, 0, True), "RD_KEYS"),
            (["1", "numkeys at 2"], (1, 1, 1, True), "RD_KEYS"),
            (["STREAMS from 1 to -1 limit 2"], (0, 0, 0, True), "RD_KEYS"),
            ([], (0, 0, 0, False), "RD_NO_KEYS"),
        ):
            lines = "".join(f"    key RO access: {where}\n" for where in keys)
            row = self.row(ROW.format("x").replace("    key RO access: 1\n", lines))
            self.assertEqual((row.triple(), row.kind()), (triple, kind), keys)

    def test_mistakes_are_named_with_their_line(self) -> None:
        """A row that is not understood, says what follows from it anyway, or has no place, stops the generator."""
        for before, after in (
            ("readonly", "readnoly"),
            ("@string", "@strings"),
            ("@string", "@read"),
            ("@string", "@fast"),
            ("x 2", "x"),
            ("x 2", "x 0"),
            ("x 2", "y|x 2"),
            ("x 2", "x" * 33 + " 2"),
            ("RO access: 1", "RO access: first"),
            ("RO access: 1", "access RO: 1"),
            ("RO access: 1", "RO reads: 1"),
            ("RO access: 1", "RO access: STREAMS from 1 to 3 limit 2"),
            ("    key RO access: 1\n", "    key RO access: 1\n" * 4),
            ("    key RO", "    keys RO"),
            ("    since", "    options 1 A#1\n    since"),
            ("    since 1.0.0, O(1)\n", ""),
        ):
            text = ROW.format("x").replace(before, after)
            self.assertNotEqual(text, ROW.format("x"))
            with self.assertRaisesRegex(SystemExit, "string.def", msg=after):
                self.row(text)

    def test_room_for_many_commands_with_long_names(self) -> None:
        """600 commands with names of up to 32 bytes are found by them, in any case, and no other name finds one."""
        names = [
            f"{'zunionstoregeoradiusbymember-wide'[:size]}{number:x}" for number in range(600) for size in [number % 30]
        ]
        tables = dict.fromkeys(self.index["GROUPS"], "") | {"string": "".join(map(ROW.format, names))}
        folder = Path(self.mktemp())
        for path, text in self.index["make"](tables).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        (folder / "lookup.c").write_text(LOOKUP)
        compiler = sysconfig.get_config_var("CC").split()[0]
        core = ROOT / "redistill" / "core"
        flags = ["-std=gnu11", "-D_GNU_SOURCE", f"-I{folder}", f"-I{folder / 'commands' / 'table'}", f"-I{core}"]
        made = folder / "lookup"
        subprocess.run([compiler, *flags, "-o", str(made), str(folder / "lookup.c")], check=True)
        self.assertEqual(subprocess.run([str(made)], check=False).returncode, 0)


class GeneratedFileTests(TestCase):
    """The files made from the table are current."""

    def test_index(self) -> None:
        """The files that core/command/index.py makes of the table are current."""
        maker = ROOT / "redistill" / "core" / "command" / "index.py"
        check = subprocess.run([sys.executable, str(maker), "--check"], capture_output=True, text=True, check=False)
        self.assertEqual((check.returncode, check.stderr), (0, ""))

    def test_compatibility(self) -> None:
        """docs/compatibility.md is what docs/gen_compatibility.py makes of the table."""
        maker = runpy.run_path(str(ROOT / "docs" / "gen_compatibility.py"))
        self.assertEqual(maker["text"](), (ROOT / "docs" / "compatibility.md").read_text(), "run `make gen`")
