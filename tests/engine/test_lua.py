"""Finding and loading Lua. What it loads stays in a process, so each test has one of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine import lua
from redistill.wiring.announcements import announce_lua
from tests.integration import servers


def run(code: str, *path: str) -> list[str]:
    """The lines that a new Python prints which runs this code, with `path` before all other places of modules."""
    environment = servers.environment()
    environment["PYTHONPATH"] = os.pathsep.join([*path, environment.get("PYTHONPATH", "")])
    code = f"import sys; from redistill.engine import lua; from redistill._core import lib\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class LuaTests(SynchronousTestCase):
    """`redistill.engine.lua`"""

    def test_lupa_comes_first_and_is_not_imported(self) -> None:
        """The module of lupa is loaded as a shared object: no module of lupa is imported for that."""
        path, problem, loaded, imported = run(
            "print(*lua.load(lua.candidates()), lib.rd_lua_loaded(), [m for m in sys.modules if 'lupa' in m], sep='\\n')"
        )
        self.assertIn("lupa" + os.sep + "lua51.", path)
        self.assertEqual((problem, loaded, imported), ("", "True", "[]"))

    def test_system(self) -> None:
        """Without lupa, the system's library is loaded by its name."""
        hidden = "import importlib.util; importlib.util.find_spec = lambda name: None\n"
        lines = run(f"{hidden}found = lua.candidates()\nprint(found, *lua.load(found), lib.rd_lua_loaded(), sep='\\n')")
        self.assertEqual(lines, [f"['{lua.SYSTEM}']", lua.SYSTEM, "", "True"])

    def test_neither(self) -> None:
        """Without any library the problem of the last one is told, and nothing is loaded."""
        path, problem, loaded = run(
            "print(*lua.load(['/nonexistent/lua51.so', 'liblua-none.so.0']), lib.rd_lua_loaded(), sep='\\n')"
        )
        self.assertIn("liblua-none.so.0", problem)
        self.assertEqual((path, loaded), ("", "False"))

    def test_no_candidate(self) -> None:
        """Without a candidate there is a problem to tell, too."""
        self.assertEqual(run("print(lua.load([])[1])"), ["no library is known"])

    def test_broken_lupa(self) -> None:
        """A damaged or foreign file in the place of lupa's module is passed over."""
        folder = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(folder, "lupa"))
        suffix = run("import importlib.machinery; print(importlib.machinery.EXTENSION_SUFFIXES[0])")[0]
        for name, text in (("__init__.py", "raise SystemExit(9)"), (f"lua51{suffix}", "no object")):
            with open(os.path.join(folder, "lupa", name), "w", encoding="ascii") as file:
                file.write(text)
        code = "found = lua.candidates()\nprint(found[0], *lua.load(found), sep='\\n')"
        self.assertEqual(run(code, folder), [os.path.join(folder, "lupa", f"lua51{suffix}"), lua.SYSTEM, ""])

    def test_another_library(self) -> None:
        """A library that is not Lua 5.1 is refused with the first function that it lacks."""
        path, problem, loaded = run("print(*lua.load(['libm.so.6']), lib.rd_lua_loaded(), sep='\\n')")
        self.assertIn("lua_newstate", problem)
        self.assertEqual((path, loaded), ("", "False"))

    def test_log(self) -> None:
        """The log names the library at the level info, or warns with the advice what to install."""
        with capturedLogs() as events:
            announce_lua("/lib/a.so", "")
            announce_lua("", "it is gone")
        self.assertEqual(
            [(event["log_level"].name, event["log_format"].format(**event)) for event in events],
            [
                ("info", "scripts run with /lib/a.so"),
                (
                    "warn",
                    "scripts cannot run, because Lua 5.1 is missing: it is gone; install lupa (pip) or liblua5.1-0 (apt)",
                ),
            ],
        )
