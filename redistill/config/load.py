"""The configuration: the file, then the environment over it, as one frozen value.

`load` is all that the daemon needs at its start; `Config.replace` is CONFIG SET. Whatever is wrong is said in one line
that names the place, the setting and the remedy, and nothing is replaced by a default in silence.
"""

from __future__ import annotations

import codecs
import dataclasses
import difflib
import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redistill.base import words
from redistill.config import acl
from redistill.config.settings import (
    BY_NAME,
    SECTIONS,
    SETTINGS,
    Kind,
    Logging,
    Memory,
    Performance,
    Security,
    Server,
    Setting,
    Value,
)
from redistill.config.values import Available, BadValue, check, is_loopback, parse, show

DEFAULT_PATH = "/etc/redistill/redistill.toml"
PATH_VARIABLE = "REDISTILL_CONFIG"
USERS = "users"
"""Stands for the users among what is changed (`Config.replace`), where all other names are those of settings."""
LOAD = ("load",)
FILES = "files"
"""Stands for what is in the files that settings name: `Config.file_passwords` and `Config.pem` (`Config.replace`)."""
PEM_PATHS = ("security.tls_cert_path", "security.tls_key_path", "security.tls_ca_path")
READS_PEM = frozenset({*PEM_PATHS, "security.tls_client_auth"})
READ = READS_PEM | {"security.password_file"}
"""A change of these reads files."""
MAX_FILE = 1024 * 1024
"""Bytes that a configuration file or a password file may have."""
MAX_ACL_FILE = 2 * acl.MAX_LINES
"""The same of security.acl_file."""
MISTAKES = {
    "Invalid value": 'a value is no number, and a text stands in "quotes"',
    "Expected newline or end of document after a statement": 'a value is no number, and a text stands in "quotes"',
    "Cannot declare": "a table is there twice",
    "Cannot overwrite a value": "a key is there twice",
}
"""What `tomllib` says, and what it most probably is."""
MAX_QUOTED = 4096
"""Characters of a rule that a refusal quotes."""


class ConfigError(Exception):
    """The configuration cannot be used. The text is one line for the operator: place, setting, remedy."""

    def __init__(self, text: str, setting: str = "") -> None:
        """`setting`: the name of the one that is to be mended, as the file has it; empty: it is none, or several."""
        super().__init__(text)
        self.setting = setting


@dataclass(frozen=True, repr=False)
class Pem:
    """What the files of the certificate, of its key and of the authority held when they were read."""

    certificate: bytes = b""
    key: bytes = b""
    authority: bytes = b""


@dataclass(frozen=True)
class Config:
    """All settings, by section: ``config.server.port``."""

    server: Server = field(default_factory=Server)
    security: Security = field(default_factory=Security)
    memory: Memory = field(default_factory=Memory)
    logging: Logging = field(default_factory=Logging)
    performance: Performance = field(default_factory=Performance)
    path: str = ""
    """The file it came from; empty when there was none."""
    file_passwords: tuple[str, ...] = ()
    """What security.password_file held when it was read."""
    pem: Pem = field(default_factory=Pem)
    """What the files of TLS held when they were read (`with_pem`). It is used until others are read and found good, so
    that neither the start of a process nor the change of another setting depends on files."""
    users: acl.UserTable = field(default_factory=acl.UserTable)
    file_users: str = ""
    """A digest of what security.acl_file held when it was read."""
    given: frozenset[str] = field(default=frozenset(), compare=False)
    """Names of the settings that the file or the environment set, where `load` made it."""

    @property
    def passwords(self) -> tuple[str, ...]:
        """All passwords that are valid; empty: none is asked for."""
        return self.security.password + self.file_passwords

    def get(self, name: str) -> Value:
        """The value of the setting ``section.key``."""
        section, _, key = name.partition(".")
        value: Value = getattr(getattr(self, section), key)
        return value

    def changed(self) -> dict[str, str]:
        """What is set otherwise than by default, as CONFIG GET shows it, without secrets."""
        default = Config()
        changed = [row for row in SETTINGS if self.get(row.name) != default.get(row.name)]
        return {
            row.name: "(hidden)" if row.kind is Kind.PASSWORDS else show(row, self.get(row.name)) for row in changed
        }

    def to_json(self, before: Config | None = None) -> dict[str, Any]:
        """The same as JSON can hold it; it has all passwords. Of the users it has those that differ from the users of
        `before`, which whoever reads it has; without it all of them. So it is with what the files of TLS held."""
        users = self.users.differences(acl.UserTable() if before is None else before.users)
        return {
            **{section: dataclasses.asdict(getattr(self, section)) for section in SECTIONS},
            "path": self.path,
            "file_passwords": self.file_passwords,
            "users": {name: None if user is None else user.line for name, user in users.items()},
            "file_users": self.file_users,
            "pem": None
            if before is not None and before.pem == self.pem
            else [data.decode("latin-1") for data in (self.pem.certificate, self.pem.key, self.pem.authority)],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], before: Config | None = None) -> Config:
        """The configuration that `to_json` was called on, of this version or one with other settings: what is not known
        is left out, what is missing has its default."""
        values = {
            row.name: tuple(value) if isinstance(value, list) else value
            for row in SETTINGS
            if (value := plain.get(row.section, {}).get(row.key)) is not None
        }
        known, held = (acl.UserTable(), Pem()) if before is None else (before.users, before.pem)
        changes = {name: None if line is None else acl.parsed(line) for name, line in plain["users"].items()}
        empty = cls(
            path=plain["path"],
            file_passwords=tuple(plain["file_passwords"]),
            users=known.replaced(changes) if changes else known,
            file_users=plain["file_users"],
            pem=Pem(*(text.encode("latin-1") for text in plain["pem"])) if plain["pem"] else held,
        )
        return _with(empty, values)

    def replace(self, changes: Mapping[str, Value]) -> Config:
        """A configuration with `changes` (``section.key`` to value), or ConfigError when they do not fit together.

        A new ``security.password_file`` is read, and so are new files of TLS, unless `FILES` among the changes is what
        they hold, or the files that there are: a pair of `file_passwords` and `pem`. `USERS` among the changes is an
        edit of the users: ``setuser`` or ``deluser`` as `acl.edited` has them, or ``load``, which reads
        security.acl_file again.
        """
        settings = {name: value for name, value in changes.items() if name not in (USERS, FILES)}
        places = {name: f"CONFIG SET {BY_NAME[name].wire_name}" for name in settings}
        held: Any = changes.get(FILES)
        config = _with(self, settings)
        if held is not None:
            config = dataclasses.replace(config, file_passwords=held[0], pem=held[1])
        elif "security.password_file" in settings:
            config = _read_passwords(config, places)
        if settings or held is not None:
            config = _checked(config, places)
        if held is None and not READS_PEM.isdisjoint(settings):
            config = config.with_pem()
        edit = changes.get(USERS)
        if isinstance(edit, tuple):
            config = _read_users(config) if edit == LOAD else config._edited(edit)
        return config

    def with_pem(self) -> Config:
        """The same with what the files of TLS hold now, where TLS is spoken. Raises ConfigError."""
        if not (self.security.tls_enabled or self.security.tls_port):
            return self
        paths = {name: self.get(name) for name in PEM_PATHS}
        if self.security.tls_client_auth == "no":
            paths["security.tls_ca_path"] = ""
        return dataclasses.replace(self, pem=Pem(*(_pem(name, str(path)) for name, path in paths.items())))

    def _edited(self, edit: tuple[str, ...]) -> Config:
        try:
            users = acl.edited(self.users, edit, self.passwords)
        except acl.RuleError as problem:
            rule = problem.rule.partition("\0")[0][:MAX_QUOTED]
            where = f"Error in ACL SETUSER modifier '{rule}': " if problem.rule else ""
            raise ConfigError(f"{where}{problem}") from None
        return dataclasses.replace(self, users=users)


Refuse = Callable[[ConfigError], None]
"""What is done with a mistake: it is raised, or noted."""


def _raise(problem: ConfigError) -> None:
    raise problem from None


def load(
    path: str | None, environ: Mapping[str, str], available: Available | None = None, refuse: Refuse = _raise
) -> Config:
    """Read the configuration: the file `path`, then what the environment says in its place.

    Without `path` it is the file that REDISTILL_CONFIG names, else `DEFAULT_PATH` if there is one, else none.
    `available` is asked for the machine's memory when max_memory is a percentage of it. Raises ConfigError; a `refuse`
    that does not raise hears of all that is wrong, and a setting that cannot be has its default then.
    """
    ask = available or machine_memory
    if path is None:
        path = environ.get(PATH_VARIABLE) or (DEFAULT_PATH if os.path.exists(DEFAULT_PATH) else "")
    values: dict[str, Value] = {}
    places: dict[str, str] = {}
    bad: set[str] = set()

    def put(place: str, row: Setting, raw: Any, judge: Any) -> None:
        try:
            values[row.name] = judge(row, raw, ask)
            places[row.name] = place
        except BadValue as problem:
            bad.add(row.name)
            refuse(ConfigError(f"{place}: {row.name} {_quoted(row, raw)}{problem}", row.name))

    for row, raw in _read(path, refuse) if path else ():
        put(path, row, raw, check)
    for row in SETTINGS:
        # An empty variable counts as not set: compose files pass `${REDIS_PASSWORD}` on whether it is there or not.
        if text := environ.get(row.environ, "") if row.environ else "":
            if row.name == "server.port" and text.startswith("tcp://"):
                bad.add(row.name)
                refuse(
                    ConfigError(
                        f"{row.environ}: {row.name} = {text!r} was set by Kubernetes for a service named redis;"
                        " set enableServiceLinks: false in the pod, or rename the service"
                    )
                )
            else:
                put(row.environ, row, text, parse)
    config = _with(Config(path=path, given=frozenset(values)), values)
    try:
        config = _read_passwords(config, places)
    except ConfigError as problem:
        bad.add("security.password_file")
        refuse(problem)
    config = _checked(config, places, bad, refuse)
    try:
        return _read_users(config)
    except ConfigError as problem:
        refuse(problem)
        return config


def machine_memory(root: str = "/") -> int:
    """Bytes of memory that this process may use: the machine's, or its cgroup's limit where that is lower."""
    total, limit = total_memory(root), cgroup_memory(root)
    return total if limit is None else min(total, limit)


def total_memory(root: str = "/") -> int:
    """Bytes of the machine's memory."""
    with open(os.path.join(root, "proc/meminfo"), encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))


def cgroup_memory(root: str = "/") -> int | None:
    """Bytes of memory that the cgroup of this process, and those above it, may have; None: there is no limit."""
    limits = []
    for directory, version in _cgroups(root, "memory"):
        words = _words(os.path.join(directory, "memory.max" if version == 2 else "memory.limit_in_bytes"))
        if words and words[0].isdigit():
            limits.append(int(words[0]))
    return min(limits, default=None)


def machine_cpus(root: str = "/") -> int:
    """CPUs that this process may use: those it may run on, or as many as its cgroup's share is worth, rounded up."""
    limits = [len(os.sched_getaffinity(0))]
    for directory, version in _cgroups(root, "cpu"):
        if version == 2:
            words = _words(os.path.join(directory, "cpu.max"))
        else:
            words = [
                word for end in ("quota", "period") for word in _words(os.path.join(directory, f"cpu.cfs_{end}_us"))
            ]
        if len(words) == 2 and all(word.isdigit() and int(word) for word in words):
            limits.append(-(-int(words[0]) // int(words[1])))
    return min(limits)


def _words(path: str) -> list[str]:
    """What a small file says; nothing when there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except (OSError, ValueError):
        return []


def _cgroups(root: str, controller: str) -> Iterable[tuple[str, int]]:
    """The directories of this process's cgroup and of all cgroups above it, and the version of each (2, or 1)."""
    try:
        with open(os.path.join(root, "proc/self/cgroup"), encoding="utf-8") as text:
            lines = [line.rstrip("\n").split(":", 2) for line in text]
    except OSError:
        return
    for number, subsystems, path in (line for line in lines if len(line) == 3):
        if number != "0" and controller not in subsystems.split(","):
            continue
        mount, version = ("sys/fs/cgroup", 2) if number == "0" else (f"sys/fs/cgroup/{controller}", 1)
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            yield os.path.join(root, mount, *parts[:depth]), version


def problems(path: str, environ: Mapping[str, str]) -> tuple[Config | None, list[ConfigError]]:
    """All that is wrong with a configuration, and what it is; None when its file cannot be read at all.

    What does not fit together is named as far as the settings that it depends on are right.
    """
    found: list[ConfigError] = []
    try:
        return load(path, environ, refuse=found.append), found
    except ConfigError as problem:
        return None, [*found, problem]


def _read(path: str, refuse: Refuse) -> Iterable[tuple[Setting, object]]:
    """The settings that the file at `path` names, with what it says, in its order. Raises ConfigError when it cannot be
    read at all."""
    data = _contents(path, path)
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


def _mistake(problem: Exception) -> str:
    """What is wrong with a file that is not TOML, and where. `tomllib` quotes single characters only, no password."""
    said, _, rest = str(problem).partition(" (at ")
    place = re.match("line [0-9]+", rest)
    what = next((ours for theirs, ours in MISTAKES.items() if said.startswith(theirs)), said)
    if not isinstance(problem, tomllib.TOMLDecodeError):
        what = "a value is too long, or too deep"
    return f"not TOML{f' in {place[0]}' if place else ''}: {what}"


def _contents(place: str, path: str, setting: str = "", most: int = MAX_FILE) -> bytes:
    """What a file holds, at most so many bytes, without a byte order mark. Raises ConfigError."""
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        text = f"{place}: cannot read {path!r}: {reason}; correct the path or its permissions"
        raise ConfigError(text, setting) from None
    if len(data) > most:
        raise ConfigError(f"{place}: {path!r} is larger than {most} bytes; name another file", setting)
    return data.removeprefix(codecs.BOM_UTF8)


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


def _quoted(row: Setting, raw: object) -> str:
    """``= 'abc' ``, unless it is a secret or long."""
    raw = " ".join(raw) if row.kind in (Kind.ADDRESSES, Kind.NAMES) and isinstance(raw, tuple) else raw
    text = ascii(raw).lower() if isinstance(raw, bool) else ascii(raw)
    if row.name == "security.password":
        text = ""
    return f"= {text} " if 0 < len(text) <= 80 else ""


def _read_users(config: Config) -> Config:
    """`config` with the users of security.acl_file, if it names one."""
    path = config.security.acl_file
    if not path:
        return config
    place = f"{config.path or 'default'}: security.acl_file"
    data = _contents(place, path, "security.acl_file", MAX_ACL_FILE)
    try:
        users = acl.read(words.text(data), config.users)
    except ValueError as problem:
        raise ConfigError(f"{place}: {path!r}, {problem}", "security.acl_file") from None
    digest = hashlib.sha256(words.data("\n".join(user.line for user in users.ordered())))
    return dataclasses.replace(config, users=users, file_users=digest.hexdigest())


def _read_passwords(config: Config, places: Mapping[str, str]) -> Config:
    """`config` with the passwords of security.password_file, if it names one."""
    path = config.security.password_file
    read = _passwords(places.get("security.password_file") or config.path, path) if path else ()
    return dataclasses.replace(config, file_passwords=read)


def _pem(name: str, path: str) -> bytes:
    """What the file of TLS holds that the setting `name` names; no setting, no bytes. Raises ConfigError."""
    if not path:
        return b""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as problem:
        raise ConfigError(f"{name}: cannot read {path}: {os.strerror(problem.errno or 0)}") from None
    if len(data) > MAX_FILE:
        raise ConfigError(f"{name}: {path} is larger than {MAX_FILE} bytes")
    return data


def _with(config: Config, values: Mapping[str, Value]) -> Config:
    sections: dict[str, Any] = {}
    for section in SECTIONS:
        changes: dict[str, Any] = {
            row.key: values[row.name] for row in SETTINGS if row.section == section and row.name in values
        }
        sections[section] = dataclasses.replace(getattr(config, section), **changes)
    return dataclasses.replace(config, **sections)


def _checked(config: Config, places: Mapping[str, str], bad: Iterable[str] = (), refuse: Refuse = _raise) -> Config:
    """`config`, if its settings fit together; `places` says where each one stands.

    Nothing is said about what depends on a setting that is `bad`, for which the default stands.
    """
    wrong = set(bad)

    def need(holds: object, name: str, problem: str, *others: str) -> None:
        """`holds` depends on the setting `name`, which is to be mended, and on `others`."""
        if not holds and not wrong & {name, *others}:
            place = places.get(name) or config.path or "default"
            refuse(ConfigError(f"{place}: {name} {_quoted(BY_NAME[name], config.get(name))}{problem}", name))

    server, security = config.server, config.security
    near = 1 << server.num_shards.bit_length() - 1
    need(
        server.num_shards == near,
        "server.num_shards",
        f"must be a power of two, e.g. {near} or {min(near * 2, 4096)}",
    )
    need(
        server.port or server.unix_socket or security.tls_port,
        "server.port",
        "leaves nothing to listen on; set it, or set server.unix_socket",
        "server.unix_socket",
        "security.tls_port",
    )
    need(
        config.passwords or not (server.port or security.tls_port) or all(map(is_loopback, server.bind)),
        "server.bind",
        "would let anybody on the network in; set security.password (or REDIS_PASSWORD), or bind 127.0.0.1",
        "security.password",
        "security.password_file",
    )
    for switch in ("security.tls_enabled", "security.tls_port"):
        for needed in ("security.tls_cert_path", "security.tls_key_path"):
            need(config.get(needed) or not config.get(switch), switch, f"needs {needed}; set it", needed)
    need(
        security.tls_ca_path or security.tls_client_auth == "no" or not (security.tls_enabled or security.tls_port),
        "security.tls_client_auth",
        "needs security.tls_ca_path; set it",
        "security.tls_ca_path",
    )
    return config


def _passwords(place: str, path: str) -> tuple[str, ...]:
    """What the file security.password_file = `path` holds. Raises ConfigError."""
    name = "security.password_file"
    lines = [line for line in words.lines(words.text(_contents(f"{place}: {name}", path, name))) if line]
    start = f"{place}: {name} {_quoted(BY_NAME[name], path)}"
    if not lines:
        raise ConfigError(f"{start}holds no password; write one a line", name)
    try:
        entries = check(BY_NAME["security.password"], lines, machine_memory)
    except BadValue as problem:
        raise ConfigError(f"{start}holds passwords that {problem}", name) from None
    assert isinstance(entries, tuple)
    return entries
