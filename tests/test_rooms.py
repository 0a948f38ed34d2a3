"""The order of the core's rooms is checked, and the check finds what breaks it."""

from __future__ import annotations

from pathlib import Path

from twisted.trial import unittest

from tests import rooms


class OrderTests(unittest.TestCase):
    def includes(self, **files: str) -> list[tuple[str, int, str]]:
        return list(
            rooms.wrong_includes({name.replace("__", "/").replace("_", "."): text for name, text in files.items()})
        )

    def test_the_core_keeps_the_order(self) -> None:
        files = rooms.sources(rooms.CORE)
        self.assertGreater(len(files), 80)
        self.assertEqual([*rooms.wrong_includes(files), *rooms.wrong_homes(files), *rooms.wrong_beginnings(files)], [])

    def test_the_core_is_as_its_map_says(self) -> None:
        self.assertEqual(rooms.main(rooms.CORE), 0)

    def test_a_file_uses_its_own_room_and_those_below(self) -> None:
        text = '#include <stdio.h>\n#include "base/a.h"\n#include "store/b.h"\n'
        self.assertEqual(self.includes(base__a_h="", store__b_h="", store__c_c=text, host_c=text), [])

    def test_an_include_of_a_room_above_is_named_with_its_line(self) -> None:
        [(name, line, rule)] = self.includes(base__a_c='\n/* x */\n#include "arena/b.h"\n', arena__b_h="")
        self.assertEqual((name, line), ("base/a.c", 3))
        self.assertEqual(rule, "includes arena/b.h: base is below arena, and uses nothing above it")

    def test_the_files_at_the_top_are_above_all_rooms(self) -> None:
        [(name, line, rule)] = self.includes(net__a_c='  #  include   "b.h"\n', b_h="")
        self.assertEqual((name, line), ("net/a.c", 1))
        self.assertEqual(rule, "includes b.h: net is below the top, and uses nothing above it")

    def test_a_folder_inside_of_a_room_belongs_to_it(self) -> None:
        up = '#include "session/a.h"\n'
        found = self.includes(
            session__a_h="", commands__table__b_c=up, commands__c_h="", command__d_c='#include "commands/c.h"'
        )
        self.assertEqual([name for name, _, _ in found], ["commands/table/b.c", "command/d.c"])

    def test_angle_brackets_do_not_hide_it(self) -> None:
        [(_, line, rule)] = self.includes(base__a_c="#include <stdio.h>\n#include<net/b.h>\n", net__b_h="")
        self.assertEqual((line, rule), (2, "includes net/b.h: base is below net, and uses nothing above it"))

    def test_an_include_names_the_folder(self) -> None:
        [(name, line, rule)] = self.includes(base__a_c='#include "b.h"\n', base__b_h="")
        self.assertEqual((name, line), ("base/a.c", 1))
        self.assertIn("b.h is no file of the core", rule)

    def test_a_folder_without_a_place_is_refused(self) -> None:
        [(name, _, rule)] = self.includes(cellar__a_c="")
        self.assertEqual(name, "cellar/a.c")
        self.assertIn("the folder cellar has no place", rule)


class HomeTests(unittest.TestCase):
    def homes(self, declared: str, defined: str) -> list[tuple[str, int, str]]:
        return list(rooms.wrong_homes({"base/a.h": declared, "store/b.c": defined}))

    def test_a_function_is_declared_in_the_room_that_defines_it(self) -> None:
        [(name, line, rule)] = self.homes("\nvoid\nrd_one(int a,\n  int b);\n", "void rd_one(int a, int b) {\n}\n")
        self.assertEqual((name, line), ("base/a.h", 2))
        self.assertIn("declares rd_one, which store/b.c defines", rule)

    def test_nor_does_a_c_file_declare_it(self) -> None:
        found = rooms.wrong_homes({"base/a.c": "void rd_one(void);\n", "store/b.c": "void rd_one(void) {\n}\n"})
        self.assertEqual([name for name, _, _ in found], ["base/a.c"])

    def test_a_function_that_only_a_comment_or_a_text_names_is_none(self) -> None:
        self.assertEqual(self.homes("/* void rd_one(void); */\n", "void rd_one(void) {\n}\n"), [])
        self.assertEqual(self.homes("void rd_one(void);\n", 'char *x = "\\\nvoid rd_one(void) {";\n'), [])

    def test_a_call_is_no_declaration(self) -> None:
        self.assertEqual(self.homes("static inline void f(void) {\n  rd_one();\n}\n", "void rd_one(void) {\n}\n"), [])

    def test_the_command_table_is_the_exception(self) -> None:
        self.assertEqual(self.homes("void rd_cmd_get(int a);\n", "void rd_cmd_get(int a) {\n}\n"), [])


class MapTests(unittest.TestCase):
    TEXT = """# The core

    text that is no entry, since it stands under no room

## base/: below all

    a.[ch]    first
    b.c       second

## store/: above

    t/*.def   rows

## the top

    host.h    last
"""
    FILES = ("base/a.c", "base/a.h", "base/b.c", "store/t/x.def", "store/t/y.def", "host.h")

    def wrong(self, *files: str, text: str = TEXT) -> list[str]:
        return [rule for _, _, rule in rooms.wrong_map(list(files), text)]

    def test_a_map_that_is_true(self) -> None:
        self.assertEqual(self.wrong(*self.FILES), [])

    def test_a_file_without_a_line(self) -> None:
        self.assertEqual(self.wrong(*self.FILES, "store/new.c"), ["store/new.c has no line in the map"])

    def test_a_line_without_a_file(self) -> None:
        [(name, line, rule)] = rooms.wrong_map([*self.FILES[:2], *self.FILES[3:]], self.TEXT)
        self.assertEqual((name, line, rule), ("README.md", 8, "base/b.c: there is no such file"))

    def test_a_file_with_two_lines(self) -> None:
        text = self.TEXT.replace("    b.c", "    a.c       again\n    b.c")
        self.assertEqual(self.wrong(*self.FILES, text=text), ["base/a.c: another line has it, too"])

    def test_rooms_out_of_order(self) -> None:
        text = "## store/\n\n    a.c  x\n\n## base/\n\n    a.c  y\n"
        self.assertEqual(
            self.wrong("base/a.c", "store/a.c", text=text), ["the rooms of the map are not in order: store, base"]
        )

    def test_a_file_says_what_it_is(self) -> None:
        good, bad = "/* a.c - the alphabet. */\n", "/* a.c - see a.h. */\n"
        found = rooms.wrong_beginnings({"base/a.c": good, "wire/a.c": bad, "net/a.c": "int a;\n", "net/a.h": ""})
        self.assertEqual([name for name, _, _ in found], ["wire/a.c", "net/a.c"])


class MainTests(unittest.TestCase):
    def test_it_fails_when_anything_is_wrong(self) -> None:
        core = Path(self.mktemp())
        (core / "base").mkdir(parents=True)
        good = "/* a.c - the alphabet. */\n"
        (core / "base" / "a.c").write_text(good)
        (core / "README.md").write_text("## base/\n\n    a.c  the alphabet\n")
        self.assertEqual(rooms.main(core), 0)
        for text in (good + '#include "net/b.h"\n', "/* nothing */\n"):
            (core / "base" / "a.c").write_text(text)
            self.assertEqual(rooms.main(core), 1)
        (core / "base" / "a.c").write_text(good)
        (core / "README.md").unlink()
        self.assertEqual(rooms.main(core), 1)
