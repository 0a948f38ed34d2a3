"""The files that settings name: passwords, users, and those of TLS. Each is read as a whole, within a bound."""

from __future__ import annotations

import codecs
import hashlib
import os
from dataclasses import dataclass

from redistill.base import words
from redistill.config import user_table
from redistill.config.errors import BadValue, ConfigError, quoted
from redistill.config.machine import machine_memory
from redistill.config.settings import BY_NAME
from redistill.config.user_table import UserTable
from redistill.config.values import check

MAX_FILE = 1024 * 1024
"""Bytes that a configuration file, a password file or a file of TLS may have."""
MAX_ACL_FILE = 2 * user_table.MAX_LINES
"""Bytes that security.acl_file may have."""


@dataclass(frozen=True, repr=False)
class Pem:
    """The contents of the files of the certificate, its key and the authority when they were read."""

    certificate: bytes = b""
    key: bytes = b""
    authority: bytes = b""


def contents(place: str, path: str, setting: str = "", most: int = MAX_FILE) -> bytes:
    """The contents of a file, at most so many bytes, without a byte order mark. Raises ConfigError."""
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


def read_passwords(place: str, path: str) -> tuple[str, ...]:
    """The passwords in the file security.password_file = `path`. Raises ConfigError."""
    name = "security.password_file"
    lines = [line for line in words.lines(words.text(contents(f"{place}: {name}", path, name))) if line]
    start = f"{place}: {name} {quoted(BY_NAME[name], path)}"
    if not lines:
        raise ConfigError(f"{start}holds no password; write one a line", name)
    try:
        entries = check(BY_NAME["security.password"], lines, machine_memory)
    except BadValue as problem:
        raise ConfigError(f"{start}holds passwords that {problem}", name) from None
    assert isinstance(entries, tuple)
    return entries


def read_users(place: str, path: str, known: UserTable) -> tuple[UserTable, str]:
    """The users in the file security.acl_file = `path`, and a digest of what it holds; those of `known` that are the
    same are not made anew. Raises ConfigError."""
    data = contents(place, path, "security.acl_file", MAX_ACL_FILE)
    try:
        users = user_table.read(words.text(data), known)
    except ValueError as problem:
        raise ConfigError(f"{place}: {path!r}, {problem}", "security.acl_file") from None
    digest = hashlib.sha256(words.data("\n".join(user.line for user in users.ordered())))
    return users, digest.hexdigest()


def read_pem(name: str, path: str) -> bytes:
    """The contents of the TLS file that the setting `name` names; empty if it is not set. Raises ConfigError."""
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
