"""The core's table of commands as Python sees it."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

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
            self.assertEqual(keys, set(range(len(entry.key_specs))), entry.name)

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
        """What the core hands up has a function in the control plane, and each of those an entry in the table."""
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


class GeneratedFileTests(TestCase):
    """What is made from the table is current."""

    def test_index(self) -> None:
        """The files that core/command/index.py makes of the table are current."""
        maker = ROOT / "redistill" / "core" / "command" / "index.py"
        check = subprocess.run([sys.executable, str(maker), "--check"], capture_output=True, text=True, check=False)
        self.assertEqual((check.returncode, check.stderr), (0, ""))

    def test_compatibility(self) -> None:
        """docs/compatibility.md is what docs/gen_compatibility.py makes of the table."""
        maker = runpy.run_path(str(ROOT / "docs" / "gen_compatibility.py"))
        self.assertEqual(maker["text"](), (ROOT / "docs" / "compatibility.md").read_text(), "run `make gen`")
