"""The lines of keys in a TOML file."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.lines import lines_of

ROOT = Path(__file__).resolve().parents[2]


def paths(table: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all keys of a table, those in lists of tables, too."""
    if isinstance(table, dict):
        for key, value in table.items():
            yield (*before, key)
            yield from paths(value, (*before, key))
    elif isinstance(table, list):
        for value in table:
            yield from paths(value, before)


class LinesTests(SynchronousTestCase):
    """`lines_of`"""

    def test_ways_to_write_a_key(self) -> None:
        """In its table, with dots, with quotes, in braces; with a comment or white space anywhere."""
        for text in (
            "\n[server]\nport = 1",
            "# port = 2\n\nserver.port = 1",
            "[ server ] # [server]\n# port = 2\n\tport\t=\t1 # port = 3",
            "\r\n\r\nserver . port = 1\r\n",
            "[other]\nport = 2\n[\"server\"]\r\n'port' = 1".replace("[other]\nport = 2\n", "\n"),
            '\n\n"ser\\u0076er"."po\\x72t" = 1'.replace("\\x72", "\\u0072"),
            "\n\nserver = { port = 1 }",
            "\n\nserver = {bind = '}', port = 1}",
            '[other]\na = "[server]"\nserver.port = 1'.replace("[other]\n", "\n"),
            'a = """\n[server]"""\nserver = {bind = ["{", "port = 3"], port = 1}',
        ):
            self.assertEqual(tomllib.loads(text)["server"]["port"], 1, text)
            self.assertEqual(lines_of(text)["server", "port"], 3 if text.count("\n") > 1 else 2, text)

    def test_values_that_look_like_keys(self) -> None:
        """What stands in a value, over several lines, too, is no key."""
        text = (
            'a = """\n[server]\nport = 1\n\\"""\nport = 2 ""\\\n" # """\n'
            "b = '''\n[server]\nport = 3 '' \n'''''\n"
            "c = [ # port = 4\n  'port = 5', # ]\n  [1, [2, {port = 6}]],\n  \"]\",\n]\n"
            "d = 1979-05-27 07:32:00Z\ne = -inf\nf = 0x1F\n"
            'g = ""\nh = \'\'\ni = """"""\nj = """a"""""\n'
            "[[k]]\nport = 7\n[[k]]\nport = 8\n"
            "[server.x]\nport = 9\n[server]\nport = 10\n"
        )
        found = lines_of(text)
        self.assertEqual(set(found), set(paths(tomllib.loads(text))))
        lines = text.split("\n")
        self.assertEqual(lines[found["server", "port"] - 1], "port = 10")
        self.assertEqual(lines[found["server",] - 1], "[server.x]")
        self.assertEqual(lines[found["k", "port"] - 1], "port = 7")
        self.assertEqual(lines[found["c", "port"] - 1], "  [1, [2, {port = 6}]],")
        self.assertEqual(lines[found["h",] - 1], "h = ''")
        self.assertEqual(lines[found["j",] - 1][:4], "j = ")

    def test_any_file(self) -> None:
        """In files that are made at random of all kinds of values and of ways to write a key, each key is found in its
        line, and nothing else is."""
        for seed in range(300):
            text, known = made(random.Random(seed))
            self.assertEqual(set(lines_of(text)), set(paths(tomllib.loads(text))), text)
            found = lines_of(text)
            self.assertEqual({path: found[path] for path in known}, known, text)

    def test_our_own_file(self) -> None:
        """All settings of etc/redistill.toml, when they are set."""
        text = (ROOT / "etc/redistill.toml").read_text(encoding="utf-8")
        text = "\n".join(
            line.removeprefix("#") if line.startswith("#") and line[1:2].isalpha() else line
            for line in text.split("\n")
        )
        found = lines_of(text)
        self.assertEqual(set(found), set(paths(tomllib.loads(text))))
        lines = text.split("\n")
        for path, line in found.items():
            self.assertTrue(lines[line - 1].startswith(path[1] if len(path) > 1 else f"[{path[0]}]"), (path, line))

    def test_no_toml(self) -> None:
        """A file that has been broken meanwhile raises ValueError; each beginning of a file ends in time."""
        text, _ = made(random.Random(7))
        for end in range(len(text)):
            try:
                lines_of(text[:end])
            except ValueError:
                continue


VALUES = (
    "1",
    "-1.5e3",
    "true",
    "1979-05-27T07:32:00Z",
    "1979-05-27 07:32:00",
    "07:32:00",
    '"a = 1 # [x]"',
    '"\\"]\\\\"',
    "'\\'",
    "'#'",
    '"""\nport = 1\n[x]\n"""',
    '"""a""b\\""" c"""',
    "'''\n'a' = 1\n'''",
    "[]",
    "[1, 2,]",
    '[\n  "]", # ]\n  [ "=" ],\n]',
    "{}",
)


def made(chance: random.Random) -> tuple[str, dict[tuple[str, ...], int]]:
    """A TOML text, and the lines of some of its keys."""
    lines: list[str] = []
    known: dict[tuple[str, ...], int] = {}

    def key(name: str) -> str:
        plain = name.replace("-", "").isalnum() and name.isascii()
        forms = [json.dumps(name), *([name, f"'{name}'"] if plain else [])]
        return chance.choice(forms)

    def space() -> str:
        return chance.choice(("", " ", "\t", "  "))

    def write(text: str) -> int:
        """Add lines; the number of the first."""
        number = sum(one.count("\n") + 1 for one in lines) + 1
        lines.append(text + chance.choice(("", " # = [x] '", "\r")))
        return number

    for table in range(chance.randrange(4)):
        name = chance.choice(("server", "sec urity", "a.b", "é", "x-1")) + str(table)
        if chance.random() < 0.3:
            inner = ", ".join(f"k{n}{space()}={space()}{chance.choice(VALUES[:10])}" for n in range(3))
            known[name,] = number = write(f"{key(name)}{space()}={space()}{{{space()}{inner} }}") if table == 0 else 0
            if number:
                known |= {(name, f"k{n}"): number for n in range(3)}
            else:
                del known[name,]
            continue
        known[name,] = write(f"{space()}[{space()}{key(name)}{space()}]")
        for n in range(chance.randrange(5)):
            if chance.random() < 0.3:
                write(chance.choice(("", "  ", "# [server0]", "#k0 = 1")))
            word = chance.choice(("port", "a b", "", "=", "#", "ü")) + str(n)
            if chance.random() < 0.3:
                number = write(f"{key(word)}{space()}.{space()}y = {chance.choice(VALUES)}")
                known |= {(name, word): number, (name, word, "y"): number}
            else:
                known[name, word] = write(f"{space()}{key(word)}{space()}={space()}{chance.choice(VALUES)}")
    return "\n".join([*lines, ""]), known
