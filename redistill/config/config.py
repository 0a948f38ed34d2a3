"""The configuration as one frozen value: all settings, and what the files that they name held.

`Config.replace` is CONFIG SET. Nothing that is wrong is replaced by a default in silence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redistill.base.sizes import Size
from redistill.config import acl, endpoints, user_table
from redistill.config.errors import ConfigError, Refuse, quoted, raise_error
from redistill.config.files import Pem, read_passwords, read_pem, read_users
from redistill.config.selector import RuleError
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
    Types,
    Value,
)
from redistill.config.user_table import UserTable
from redistill.config.values import is_loopback, show

USERS = "users"
"""Stands for the users among what is changed (`Config.replace`), where all other names are those of settings."""
LOAD = ("load",)
FILES = "files"
"""Stands for what is in the files that settings name: `Config.file_passwords` and `Config.pem` (`Config.replace`)."""
PEM_PATHS = ("security.tls_cert_path", "security.tls_key_path", "security.tls_ca_path")
READS_PEM = frozenset({*PEM_PATHS, "security.tls_client_auth"})
READ = READS_PEM | {"security.password_file"}
"""A change of these reads files."""
MAX_QUOTED = 4096
"""Characters of a rule that a refusal quotes."""


@dataclass(frozen=True)
class Config:
    """All settings, by section: ``config.server.port``."""

    server: Server = field(default_factory=Server)
    security: Security = field(default_factory=Security)
    memory: Memory = field(default_factory=Memory)
    types: Types = field(default_factory=Types)
    logging: Logging = field(default_factory=Logging)
    performance: Performance = field(default_factory=Performance)
    path: str = ""
    """The file it came from; empty when there was none."""
    file_passwords: tuple[str, ...] = ()
    """The passwords of security.password_file when it was read."""
    pem: Pem = field(default_factory=Pem)
    """The contents of the TLS files when they were read (`with_pem`). They stay in use until others are read and found
    good, so neither the start of a process nor the change of another setting depends on files."""
    users: UserTable = field(default_factory=UserTable)
    file_users: str = ""
    """A digest of what security.acl_file held when it was read."""
    files: tuple[str, ...] = field(default=(), compare=False)
    """The files that `load` read for it: `path`, if there was one, and its drop-ins."""
    given: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The settings that the configuration names, and where: a file, a variable, an option; where `load` made it."""
    links: tuple[str, ...] = field(default=(), compare=False)
    """Variables of the environment, ``NAME=value``, that have a setting's name and are not used, because they tell the
    place of a service (`load.is_service_link`)."""

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
        """The settings that differ from their defaults, as people read them, without secrets."""
        default = Config()
        changed = [(row, self.get(row.name)) for row in SETTINGS if self.get(row.name) != default.get(row.name)]
        return {row.name: _readable(row, value) for row, value in changed}

    def to_json(self, before: Config | None = None) -> dict[str, Any]:
        """The configuration in types of JSON, with all passwords. Users and contents of TLS files are left out if they
        are those of `before`, a configuration that the reader has; without `before` all are included."""
        users = self.users.differences(UserTable() if before is None else before.users)
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
        known, held = (UserTable(), Pem()) if before is None else (before.users, before.pem)
        changes = {name: None if line is None else acl.parsed(line) for name, line in plain["users"].items()}
        empty = cls(
            path=plain["path"],
            file_passwords=tuple(plain["file_passwords"]),
            users=known.replaced(changes) if changes else known,
            file_users=plain["file_users"],
            pem=Pem(*(text.encode("latin-1") for text in plain["pem"])) if plain["pem"] else held,
        )
        return with_values(empty, values)

    def replace(self, changes: Mapping[str, Value]) -> Config:
        """A configuration with `changes` (``section.key`` to value), or ConfigError when they do not fit together.

        A new ``security.password_file`` is read, and so are new files of TLS, unless `FILES` among the changes is what
        they hold, or the files that there are: a pair of `file_passwords` and `pem`. `USERS` among the changes is an
        edit of the users: ``setuser`` or ``deluser`` as `user_table.edited` has them, or ``load``, which reads
        security.acl_file again.
        """
        settings = {name: value for name, value in changes.items() if name not in (USERS, FILES)}
        places = {name: f"CONFIG SET {BY_NAME[name].wire_name}" for name in settings}
        held: Any = changes.get(FILES)
        config = with_values(self, settings)
        if held is not None:
            config = dataclasses.replace(config, file_passwords=held[0], pem=held[1])
        elif "security.password_file" in settings:
            config = config.with_passwords(places)
        if settings or held is not None:
            config = checked(config, places)
        if held is None and not READS_PEM.isdisjoint(settings):
            config = config.with_pem()
        edit = changes.get(USERS)
        if isinstance(edit, tuple):
            config = config.with_users() if edit == LOAD else config._edited(edit)
        return config

    def with_pem(self) -> Config:
        """A copy with the present contents of the TLS files, if TLS is enabled. Raises ConfigError."""
        if not (self.security.tls_enabled or self.security.tls_port):
            return self
        paths = {name: self.get(name) for name in PEM_PATHS}
        if self.security.tls_client_auth == "no":
            paths["security.tls_ca_path"] = ""
        return dataclasses.replace(self, pem=Pem(*(read_pem(name, str(path)) for name, path in paths.items())))

    def with_passwords(self, places: Mapping[str, str]) -> Config:
        """A copy with the passwords of security.password_file, if that is set. `places` says where settings stand, for
        errors."""
        path = self.security.password_file
        read = read_passwords(places.get("security.password_file") or self.path, path) if path else ()
        return dataclasses.replace(self, file_passwords=read)

    def with_users(self) -> Config:
        """A copy with the users of security.acl_file, if that is set. Raises ConfigError."""
        path = self.security.acl_file
        if not path:
            return self
        place = self.given.get("security.acl_file") or self.path or "default"
        users, digest = read_users(f"{place}: security.acl_file", path, self.users)
        return dataclasses.replace(self, users=users, file_users=digest)

    def _edited(self, edit: tuple[str, ...]) -> Config:
        try:
            users = user_table.edited(self.users, edit, self.passwords)
        except RuleError as problem:
            rule = problem.rule.partition("\0")[0][:MAX_QUOTED]
            where = f"Error in ACL SETUSER modifier '{rule}': " if problem.rule else ""
            raise ConfigError(f"{where}{problem}") from None
        return dataclasses.replace(self, users=users)


def _readable(row: Setting, value: Value) -> str:
    if row.kind is Kind.PASSWORDS:
        return "(hidden)"
    if row.kind in (Kind.SIZE, Kind.MEMORY, Kind.SHARE) and isinstance(value, int) and value > 0:
        return str(Size(value))
    return show(row, value)


def with_values(config: Config, values: Mapping[str, Value]) -> Config:
    """`config` with other values of the settings that `values` names."""
    sections: dict[str, Any] = {}
    for section in SECTIONS:
        changes: dict[str, Any] = {
            row.key: values[row.name] for row in SETTINGS if row.section == section and row.name in values
        }
        sections[section] = dataclasses.replace(getattr(config, section), **changes)
    return dataclasses.replace(config, **sections)


def checked(config: Config, places: Mapping[str, str], bad: Iterable[str] = (), refuse: Refuse = raise_error) -> Config:
    """`config`, if its settings fit together; `places` says where each one stands.

    Nothing is said about what depends on a setting that is `bad`, for which the default stands.
    """
    wrong = set(bad)

    def need(holds: object, name: str, problem: str, *others: str) -> None:
        """`holds` depends on the setting `name`, which is to be mended, and on `others`."""
        if not holds and not wrong & {name, *others}:
            place = places.get(name) or config.path or "default"
            refuse(ConfigError(f"{place}: {name} {quoted(BY_NAME[name], config.get(name))}{problem}", name))

    server, security = config.server, config.security
    near = 1 << server.num_shards.bit_length() - 1
    need(
        server.num_shards == near,
        "server.num_shards",
        f"must be a power of two, e.g. {near} or {min(near * 2, 4096)}",
    )
    need(
        server.port or server.unix_socket or security.tls_port or server.endpoints,
        "server.port",
        "leaves nothing to listen on; set it, or set server.unix_socket",
        "server.unix_socket",
        "server.endpoints",
        "security.tls_port",
    )
    need(
        config.passwords or not (server.port or security.tls_port) or all(map(is_loopback, server.bind)),
        "server.bind",
        "would let anybody on the network in; set security.password (or REDIS_PASSWORD), or bind 127.0.0.1",
        "security.password",
        "security.password_file",
    )
    need(
        config.passwords or all(map(endpoints.is_local, server.endpoints)),
        "server.endpoints",
        "would let anybody on the network in; set security.password (or REDIS_PASSWORD), or add interface=127.0.0.1",
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
