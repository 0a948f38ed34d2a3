"""The lines of a TOML file that set its keys. `tomllib` reads the values, but does not say where they stand.

The text is known to be TOML, because `tomllib` has read it. So this need not find mistakes: it only skips what is no
key, which is comments, white space and values (https://toml.io/en/v1.0.0).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

Path = tuple[str, ...]
"""The names on the way to a value: ``("server", "port")``."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2}(?!"))|' + r"'''.*?'''(?:'{0,2}(?!'))|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^\s,#\]}]+(?: [0-9][^\s,#\]}]*)?")
"""A number, a date (which may have a space before its time) or a boolean."""


def lines_of(text: str) -> Mapping[Path, int]:
    """For each key and each table of a TOML text: the line, counted from 1, where it stands first. Raises ValueError
    when the text is no TOML."""
    return _Scan(text).lines


class _Scan:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line, self._counted = 1, 0
        table: Path = ()
        while self._skip(_SPACE) and self._at < len(text):
            if text[self._at] == "[":
                double = text.startswith("[[", self._at)
                self._at += 1 + double
                table = self._key(())
                self._expect("]]" if double else "]")
            else:
                self._pair(table)

    def _pair(self, table: Path) -> None:
        """A key, and its value."""
        path = self._key(table)
        self._expect("=")
        self._skip(_BLANK)
        self._value(path)

    def _key(self, table: Path) -> Path:
        """A key in `table`; its names are noted with their line."""
        path = table
        while True:
            self._skip(_BLANK)
            line = self._present_line()
            path = (*path, self._name())
            self.lines.setdefault(path, line)
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return path
            self._at += 1

    def _name(self) -> str:
        if self._text.startswith(('"', "'"), self._at):
            name = tomllib.loads(f"name = {self._take(_TEXT)}")["name"]
            return str(name)
        return self._take(_NAME)

    def _value(self, path: Path) -> None:
        """A value, whose keys are noted if it is a table."""
        first = self._text[self._at : self._at + 1]
        if first in ('"', "'"):
            self._take(_TEXT)
        elif first in ("[", "{"):
            self._several(path, "]" if first == "[" else "}")
        else:
            self._take(_PLAIN)

    def _several(self, path: Path, end: str) -> None:
        """The values of a list, or the pairs of a table in braces."""
        self._at += 1
        while self._skip(_SPACE) and not self._text.startswith(end, self._at):
            if end == "]":
                self._value(path)
            else:
                self._pair(path)
            self._skip(_SPACE)
            if self._text.startswith(",", self._at):
                self._at += 1
        self._expect(end)

    # ---- characters ----

    def _present_line(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go past the white space here, if there is any."""
        found = pattern.match(self._text, self._at)
        assert found is not None  # it matches the empty text
        self._at = found.end()
        return True

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"no TOML in line {self._present_line()}")
        self._at = found.end()
        return found[0]

    def _expect(self, text: str) -> None:
        self._skip(_BLANK)
        if not self._text.startswith(text, self._at):
            raise ValueError(f"no TOML in line {self._present_line()}")
        self._at += len(text)
