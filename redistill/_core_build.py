"""Builds `redistill._core`: the C core behind cffi, in API mode.

Two switches in the environment change how: ``REDISTILL_ASSERTS=1`` keeps the core's asserts in (what the tests run),
``REDISTILL_SANITIZE=1`` adds AddressSanitizer and UBSan (the process must then preload libasan).
"""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent

INCLUDE = re.compile(r'^#include "(.+)"$', re.MULTILINE)
SHOWN = re.compile(r"/\* python: begin \*/(.*?)/\* python: end \*/", re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
CONSTANT = re.compile(r"^#define (\w+) .*$", re.MULTILINE)
LENGTH = re.compile(r"\[[^]\d][^]]*\]")
LISTED = re.compile(r"\w+\(\w+\)\s*(\w+)\s*\}")


def declarations(core: Path) -> str:
    """The declarations of redistill.h, in the form that cffi reads.

    They stand between "python: begin" and "python: end" in the headers that it includes, in this order. There
    every ``#define`` is a number, and no function has a body. The compiler knows better than cffi what a constant is,
    how long an array whose length has a name, and which enumerators a list (``RD_STATS``) stands for: all these become
    "...", and cffi asks.
    """
    shown = ""
    for header in INCLUDE.findall((core / "redistill.h").read_text()):
        text = (core / header).read_text()
        parts = SHOWN.findall(text)
        if not parts or text.count("python: begin") != len(parts) or text.count("python: end") != len(parts):
            raise ValueError(f'{core / header}: it shows nothing to Python, or a "python: begin" has no end')
        shown += "\n".join(parts)
    text = CONSTANT.sub(r"#define \1 ...", COMMENT.sub("", shown))
    return LISTED.sub(r"\1, ... }", LENGTH.sub("[...]", text))


def compiler_flags(asserts: bool, sanitize: bool) -> tuple[list[str], list[str]]:
    """Flags for compiling and for linking."""
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-fvisibility=hidden", "-fstack-protector-strong"]
    link = ["-Wl,-z,relro", "-Wl,-z,now"]
    if sanitize:
        sanitizers = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
        return [*flags, *sanitizers, "-g", "-O1", "-UNDEBUG", "-U_FORTIFY_SOURCE"], [*link, *sanitizers]
    # Python's own flags bring -DNDEBUG, and some of them a level of fortification.
    flags += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
    if asserts:
        return [*flags, "-g", "-O1", "-UNDEBUG"], link
    # Inlining across the files is worth a seventh of a GET. Other compilers want other linkers for it.
    whole = ["-O3", "-flto=auto"] if "gcc" in os.environ.get("CC", sysconfig.get_config_var("CC") or "") else ["-O3"]
    return [*flags, *whole, "-DNDEBUG"], [*link, *whole]


def builder(core: str) -> FFI:
    """The FFI whose `compile` makes the extension module; `core` is the path of core/ from the working directory."""
    compile_flags, link_flags = compiler_flags(
        bool(os.environ.get("REDISTILL_ASSERTS")), bool(os.environ.get("REDISTILL_SANITIZE"))
    )

    def files(pattern: str) -> list[str]:
        return sorted(f"{core}/{path.relative_to(HERE / 'core')}" for path in (HERE / "core").rglob(pattern))

    ffi = FFI()
    ffi.cdef(declarations(HERE / "core"))
    ffi.set_source(
        "redistill._core",
        '#include "redistill.h"\n',
        sources=files("*.c"),
        depends=files("*.h"),
        include_dirs=[core],
        libraries=["pthread", "m"],
        extra_compile_args=compile_flags,
        extra_link_args=link_flags,
    )
    return ffi


ffibuilder = builder("redistill/core")
"""The builder for setup.py, which runs in its own directory."""

if __name__ == "__main__":
    # Beside the sources, for tests. Not in the project's own directory: setuptools would read its pyproject.toml there.
    os.chdir(HERE)
    built = Path(builder(str(HERE / "core")).compile(tmpdir="../build/core", verbose=True))
    # A process that runs has the old file mapped: it must not be written over.
    os.replace(shutil.copy(built, HERE / "_core.new"), HERE / built.name)
