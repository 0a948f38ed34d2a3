"""Lua 5.1 for the core: which shared object has it, and loading that.

There are two. The PyPI package lupa carries Lua's C API in its module `lua51`, and is a dependency, so pip brings a
version that the tests know; it comes first, since then no package of another program decides which Lua runs. Without
lupa, as in the package for Debian 13, the system's library serves. lupa itself is not imported: that would take a
Lua state and memory that nobody uses.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
from collections.abc import Iterable

from redistill._core import ffi, lib

SYSTEM = "liblua5.1.so.0"
"""The library's name on Debian and Ubuntu (liblua5.1-0), for the dynamic linker to find."""


def candidates() -> list[str]:
    """The shared objects that may have Lua 5.1, the best first."""
    spec = importlib.util.find_spec("lupa")
    folders = (spec and spec.submodule_search_locations) or ()
    names = [f"lua51{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES]
    paths = (os.path.join(folder, name) for folder in folders for name in names)
    return [*(path for path in paths if os.path.exists(path)), SYSTEM]


def load(paths: Iterable[str]) -> tuple[str, str]:
    """Have this process run scripts with the first of these that is Lua 5.1. Call it before the first session.

    Returns the path and "", or "" and the problem of the last one: then this process runs no scripts.
    """
    problem = "no library is known"
    for path in paths:
        found = lib.rd_lua_load(os.fsencode(path))
        if found == ffi.NULL:
            return path, ""
        problem = ffi.string(found).decode("utf-8", "replace")
    return "", problem
