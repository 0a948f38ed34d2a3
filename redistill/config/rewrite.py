"""CONFIG REWRITE: the running settings, written into the configuration file.

The file stays the operator's: comments, order and all other lines are left as they are.
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping

from redistill.base import words
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.load import drop_ins
from redistill.config.settings import BY_NAME, SETTINGS, Setting, Value
from redistill.config.values import check, literal

_TABLE = re.compile(r"[ \t]*\[[ \t]*([A-Za-z0-9_-]+)[ \t]*\][ \t]*(#.*)?$")
_KEY = re.compile(r"[ \t]*([A-Za-z0-9_-]+)[ \t]*=")


def rewrite(running: Config, loaded: Config) -> None:
    """Write what differs between `loaded` (as `config.load` read it) and `running` into the files they came from.

    A setting is written where it holds: into the last of the drop-ins that set it, else into the configuration file.
    Each file is replaced in one step, with its owner and permissions. Raises ConfigError when there is no configuration
    file or one cannot be read, and then leaves all of them alone; when one cannot be written, those before it are new.
    """
    if not running.path:
        raise ConfigError("The server is running without a config file")
    rows = [row for row in SETTINGS if running.get(row.name) != loaded.get(row.name)]
    if not rows:
        return
    try:
        texts = {path: _text(path) for path in [running.path, *drop_ins(running.path)]}
        changes: dict[str, dict[str, Value]] = {}
        for row in rows:
            changes.setdefault(_file_of(row, texts), {})[row.name] = running.get(row.name)
        written = {path: rewritten(texts[path], values).encode() for path, values in changes.items()}
        for path, data in written.items():
            replace_file(path, data)
    except (OSError, UnicodeError) as problem:
        raise ConfigError(f"Rewriting config file: {problem}") from None


def _text(path: str) -> str:
    with open(path, encoding="utf-8-sig") as file:
        return file.read()


def _file_of(row: Setting, texts: Mapping[str, str]) -> str:
    """The last of the files that sets `row`, else the first; `texts` has what they hold."""
    holding = next(iter(texts))
    for path, text in texts.items():
        try:
            if row.key in tomllib.loads(text).get(row.section, ()):
                holding = path
        except (ValueError, TypeError, RecursionError):
            raise ConfigError(f"Rewriting config file: {path!r} is not TOML; correct it") from None
    return holding


def rewritten(text: str, changes: Mapping[str, Value]) -> str:
    """The configuration file `text` with `changes` in it.

    A setting that stands there keeps its line; others come at the end of their table, which is added if need be. Raises
    ConfigError when the file is written in a way that this does not understand (a list over several lines).
    """
    lines = words.lines(text)
    for name, value in changes.items():
        _put(lines, BY_NAME[name], literal(BY_NAME[name], value))
    result = "\n".join(lines) + "\n"
    try:
        said = tomllib.loads(result)
        places = [(BY_NAME[name], value) for name, value in changes.items()]
        understood = all(check(row, said[row.section][row.key], lambda: 0) == value for row, value in places)
    except (ValueError, LookupError, TypeError, RecursionError):
        understood = False
    if not understood:
        names = ", ".join(changes)
        raise ConfigError(f"Rewriting config file: cannot place {names}; write each on a line of its own")
    return result


def _put(lines: list[str], row: Setting, value: str) -> None:
    end = None
    for number, table, key in places(lines):
        if table == row.section:
            end = number + 1
            if key == row.key:
                lines[number] = f"{row.key} = {value}"
                return
    if end is None:
        lines += ["", f"[{row.section}]"] if lines else [f"[{row.section}]"]
        end = len(lines)
    lines.insert(end, f"{row.key} = {value}")


def places(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """For each line of a configuration file that is not blank: its number, counted from 0, the table that it is in, and
    the key that it sets, or an empty text."""
    table = ""
    for number, line in enumerate(lines):
        if found := _TABLE.match(line):
            table = found[1]
        if words.strip(line):
            key = _KEY.match(line)
            yield number, table, key[1] if key else ""


def replace_file(path: str, data: bytes) -> None:
    """Put `data` in the place of what a file holds, in one step; owner and permissions stay. OSError."""
    real = os.path.realpath(path)
    status = os.stat(real)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(real), prefix=os.path.basename(real) + ".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fsync(file.fileno())
        os.replace(temporary, real)
    except BaseException:
        os.unlink(temporary)
        raise
