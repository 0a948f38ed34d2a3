"""Reading the configuration: the file, then the environment over it.

`load` is all that the daemon needs at its start. Whatever is wrong is said in one line that names the place, the
setting and the remedy, and nothing is replaced by a default in silence.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from redistill.config import endpoints
from redistill.config.collisions import collisions
from redistill.config.config import Config, checked, with_values
from redistill.config.errors import BadValue, ConfigError, Refuse, quoted, raise_error
from redistill.config.files import contents
from redistill.config.machine import machine_memory
from redistill.config.settings import BY_NAME, SECTIONS, SETTINGS, Kind, Setting, Value
from redistill.config.values import Available, check, parse

DEFAULT_PATH = "/etc/redistill/redistill.toml"
CREDENTIAL = "redistill.password"
"""Name of the credential of systemd that has the passwords, if security.password_file names no file."""
PATH_VARIABLE = "REDISTILL_CONFIG"
DROP_INS = "conf.d"
"""The directory beside a file named redistill.toml whose files, ``*.toml``, are read after it."""
MAX_DROP_INS = 100
_LINK = re.compile("(tcp|udp|sctp)://")
MISTAKES = {
    "Invalid value": 'a value is no number, and a text stands in "quotes"',
    "Expected newline or end of document after a statement": 'a value is no number, and a text stands in "quotes"',
    "Cannot declare": "a table is there twice",
    "Cannot overwrite a value": "a key is there twice",
}
"""Message of `tomllib` -> the probable error."""


def load(
    path: str | None,
    environ: Mapping[str, str],
    available: Available | None = None,
    refuse: Refuse = raise_error,
    options: Mapping[str, str] = MappingProxyType({}),
) -> Config:
    """Read the configuration: the file `path` and its drop-ins, then what the environment says in their place, then the
    `options` of the command line, texts by the names of settings.

    Without `path` it is the file that REDISTILL_CONFIG names, else `DEFAULT_PATH` if there is one, else none.
    `drop_ins` says which files follow it.
    `available` is asked for the machine's memory when max_memory is a percentage of it. Raises ConfigError; a `refuse`
    that does not raise hears of all that is wrong, and a setting that cannot be has its default then.
    """
    ask = available or machine_memory
    if path is None:
        path = usual_path(environ)
    files = [path] * bool(path) + drop_ins(path or DEFAULT_PATH)
    values: dict[str, Value] = {}
    places: dict[str, str] = {}
    bad: set[str] = set()
    links: list[str] = []

    def put(place: str, row: Setting, raw: Any, judge: Any) -> None:
        try:
            values[row.name] = judge(row, raw, ask)
            places[row.name] = place
        except BadValue as problem:
            bad.add(row.name)
            refuse(ConfigError(f"{place}: {row.name} {quoted(row, raw)}{problem}", row.name))

    for file in files:
        for row, raw in _read(file, refuse):
            put(file, row, raw, check)
    for row in SETTINGS:
        # An empty variable counts as not set: compose files pass `${REDIS_PASSWORD}` on whether it is there or not.
        if row.name in options:
            put(f"--{row.key}", row, options[row.name], parse)
        elif text := environ.get(row.environ, "") if row.environ else "":
            if is_service_link(row, text):
                links.append(f"{row.environ}={text}")
            else:
                put(row.environ, row, text, parse)
    if "security.password_file" not in {*values, *bad} and (credential := credential_path(environ)):
        values["security.password_file"], places["security.password_file"] = credential, "CREDENTIALS_DIRECTORY"
    config = Config(path=path, files=tuple(files), given=places, links=tuple(links))
    config = with_values(config, values)
    try:
        config = config.with_passwords(places)
    except ConfigError as problem:
        bad.add("security.password_file")
        refuse(problem)
    config = checked(config, places, bad, refuse)
    _check_endpoints(config, places, bad, refuse)
    _check_collisions(config, bad, refuse)
    try:
        return config.with_users()
    except ConfigError as problem:
        refuse(problem)
        return config


def usual_path(environ: Mapping[str, str]) -> str:
    """The configuration file that is read when no option names one; empty if there is none."""
    return environ.get(PATH_VARIABLE) or (DEFAULT_PATH if os.path.exists(DEFAULT_PATH) else "")


def credential_path(environ: Mapping[str, str]) -> str:
    """The file with the passwords that the service manager has passed (LoadCredential=); empty if it has passed none:
    the unit has a blank default (SetCredential=)."""
    path = os.path.join(environ.get("CREDENTIALS_DIRECTORY", ""), CREDENTIAL)
    if not os.path.isabs(path) or not os.path.exists(path):
        return ""
    return path if contents("CREDENTIALS_DIRECTORY", path, "security.password_file").strip() else ""


def drop_ins(path: str) -> list[str]:
    """The files that are read after the configuration file `path`, in the order of their names: a setting of a later
    one is the one that holds. Other files than redistill.toml have none: such as those of further servers, which may
    stand in the same directory. Raises ConfigError."""
    directory, name = os.path.split(path)
    directory = os.path.join(directory, DROP_INS)
    if name != os.path.basename(DEFAULT_PATH):
        return []
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".toml") and not name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as problem:
        reason = os.strerror(problem.errno or 0)
        text = f"{path}: cannot read the directory {directory!r}: {reason}; correct its permissions, or remove it"
        raise ConfigError(text) from None
    if len(names) > MAX_DROP_INS:
        raise ConfigError(f"{path}: {directory!r} has more than {MAX_DROP_INS} files; join some of them")
    return [os.path.join(directory, name) for name in names]


def is_service_link(row: Setting, text: str) -> bool:
    """Whether a variable says where a service is, and not what the setting is to be.

    Kubernetes sets REDIS_PORT=tcp://10.0.0.1:6379 in every pod beside a service named redis, and so does a container
    link; REDIS_HEALTH_CHECK_PORT belongs to a service named redis-health-check in the same way. No number looks so.
    """
    return row.kind is Kind.INTEGER and row.environ.endswith("_PORT") and bool(_LINK.match(text))


def _read(path: str, refuse: Refuse) -> Iterable[tuple[Setting, object]]:
    """The settings that the file at `path` names, with what it says, in its order. Raises ConfigError when it cannot be
    read at all."""
    data = contents(path, path)
    try:
        text = data.decode()
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path}: {path!r} is not UTF-8 at byte {problem.start}; save it as UTF-8") from None
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as problem:  # it leaves some to int and to the stack
        raise ConfigError(f"{path}: {_mistake(problem)}; correct it") from None
    for section, table in tables.items():
        if section not in SECTIONS or not isinstance(table, dict):
            refuse(ConfigError(_unknown(path, section, [f"[{name}]" for name in SECTIONS]), section))
            continue
        for key, raw in table.items():
            name = f"{section}.{key}"
            row = BY_NAME.get(name)
            if row is None:
                refuse(ConfigError(_unknown(path, name, list(BY_NAME)), name))
            else:
                yield row, raw


def _check_endpoints(config: Config, places: Mapping[str, str], bad: set[str], refuse: Refuse) -> None:
    """Refuse descriptions of endpoints that mean nothing here, or whose files cannot be read; the setting is `bad`
    then.

    Only when the configuration is read: a change of another setting does not depend on files.
    """
    name = "server.endpoints"
    for description in config.server.endpoints:
        try:
            endpoints.check(description)
        except endpoints.BadEndpoint as problem:
            bad.add(name)
            place = places.get(name) or config.path or "default"
            refuse(ConfigError(f"{place}: {name}: {description!r} cannot be used: {problem}; correct it", name))


def _check_collisions(config: Config, bad: Iterable[str], refuse: Refuse) -> None:
    """Refuse two settings that listen on the same address, unless one of them is `bad`."""
    for one, other in collisions(config):
        if {one.setting, other.setting, "server.bind"}.isdisjoint(bad):
            same = one.setting == other.setting
            name = "server.bind" if same and one.setting != "server.endpoints" else other.setting
            place = config.given.get(name) or config.path or "default"
            whose = "the same setting" if same else one.setting
            remedy = "leave one out" if same else "set another one"
            text = f"{place}: {name}: {other} collides with {one}, of {whose}; {remedy}"
            refuse(ConfigError(text, name))
            bad = {*bad, name}


def _mistake(problem: Exception) -> str:
    """The error of a file that is not TOML, with its place. `tomllib` quotes single characters only, no password."""
    said, _, rest = str(problem).partition(" (at ")
    place = re.match("line [0-9]+", rest)
    what = next((ours for theirs, ours in MISTAKES.items() if said.startswith(theirs)), said)
    if not isinstance(problem, tomllib.TOMLDecodeError):
        what = "a value is too long, or too deep"
    return f"not TOML{f' in {place[0]}' if place else ''}: {what}"


def _unknown(path: str, name: str, known: list[str]) -> str:
    """The line about a name that the table does not have, with the one that was probably meant."""
    key = name.rpartition(".")[2]
    # A key in the wrong section, or in none.
    matches = [row.name for row in SETTINGS if row.key == key] or difflib.get_close_matches(name, known, 1, 0.6)
    if matches:
        return f"{path}: {name!r} is no setting; did you mean {matches[0]}?"
    if matches := difflib.get_close_matches(key, [row.key for row in SETTINGS], 1, 0.8):
        full = next(row.name for row in SETTINGS if row.key == matches[0])
        return f"{path}: {name!r} is no setting; did you mean {full}?"
    return f"{path}: {name!r} is no setting; remove it"
