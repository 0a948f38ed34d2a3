"""All that is wrong with a configuration, with file and line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.files import contents
from redistill.config.lines import Path, lines_of
from redistill.config.load import load


def problems(
    path: str | None, environ: Mapping[str, str], options: Mapping[str, str] = MappingProxyType({})
) -> tuple[Config | None, list[ConfigError]]:
    """All that is wrong with a configuration, and what it is; None when one of its files cannot be read at all. The
    arguments are those of `load`.

    What does not fit together is named as far as the settings that it depends on are right.
    """
    found: list[ConfigError] = []
    config: Config | None = None
    try:
        config = load(path, environ, refuse=found.append, options=options)
    except ConfigError as problem:
        found.append(problem)
    return config, [located(problem) for problem in found]


def located(problem: ConfigError) -> ConfigError:
    """The error with the number of the line after the name of its file, if a line sets what is wrong."""
    text, keys = str(problem), _ways(problem.setting)
    if not problem.place or not problem.setting or not text.startswith(f"{problem.place}: "):
        return problem
    try:
        lines = lines_of(contents(problem.place, problem.place).decode())
    except (ConfigError, ValueError):  # the error is in a variable, or the file has been changed meanwhile
        return problem
    line = next((lines[way] for way in keys if way in lines), None)
    if line is None:
        return problem
    return ConfigError(f"{problem.place}:{line}:{text.removeprefix(f'{problem.place}:')}", problem.setting)


def _ways(setting: str) -> list[Path]:
    """The keys that `setting`, which may be a table or hold further dots, may stand for."""
    section, _, key = setting.partition(".")
    return [(section, key), (setting,), (section,)]
