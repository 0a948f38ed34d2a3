"""The core's patterns, those of KEYS, for the commands of the control plane (core/base/glob.h)."""

from __future__ import annotations

from typing import Any

from redistill._core import ffi, lib

STEPS: int = lib.RD_GLOB_STEPS
"""Steps that the comparison of one text may take; all texts of a `Glob` together may take as many."""


def shared_steps(times: int) -> Any:
    """A bound for several patterns together: so many times what one may take."""
    return ffi.new("uint64_t *", STEPS * times)


class Glob:
    """A pattern that one command compares with many texts.

    The cost of all comparisons together is bounded: beyond `STEPS` bytes of the pattern looked at, some milliseconds,
    nothing matches.
    """

    def __init__(self, pattern: bytes, *, nocase: bool = False, steps: Any = None) -> None:
        """`nocase` folds ASCII letters. Several patterns may share their bound, made by `steps`."""
        if pattern[:3] == b"***":
            pattern = b"**" + pattern.lstrip(b"*")  # the same, and no matter how many
        self._memory = ffi.from_buffer("uint8_t[]", pattern)
        self._pattern = ffi.new("rd_bytes *", [self._memory, len(pattern)])[0]
        self._nocase = nocase
        self._steps = steps or ffi.new("uint64_t *", STEPS)

    def matches(self, text: bytes) -> bool:
        """Whether all of `text` is matched."""
        memory = ffi.from_buffer("uint8_t[]", text)
        words = ffi.new("rd_bytes *", [memory, len(text)])[0]
        return bool(lib.rd_glob_within(self._pattern, words, self._nocase, self._steps))

    @property
    def given_up(self) -> bool:
        """Whether the bound was reached, and texts do not match for that reason."""
        return not self._steps[0]


def glob_match(pattern: bytes, text: bytes, *, nocase: bool = False) -> bool:
    """Whether the glob `pattern` matches all of `text`; for more than one text, use a `Glob`."""
    return Glob(pattern, nocase=nocase).matches(text)
