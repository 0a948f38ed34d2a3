"""``redistill secrets``: the use of each password."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from redistill.base import words
from redistill.cli.connection import fields

if TYPE_CHECKING:
    from redistill.cli.connection import Connection

PREFIX = "secret_"
SOURCES = {"config": "security.password", "file": "password_file", "acl": "ACL", "gone": "no longer valid"}


class Secret(NamedTuple):
    """A line of INFO secrets."""

    secret: str
    user: str
    source: str
    last_used: int
    connections: int
    authentications: int
    libraries: tuple[str, ...]


def read(ask: Connection) -> list[Secret]:
    """The secrets that INFO of the server lists. click.ClickException if the server has no such section."""
    text = ask.info_text("secrets")
    if not text.startswith("# Secrets"):
        raise click.ClickException("the server has no INFO secrets; it is older than this command")
    found = []
    for line in words.lines(text):
        name, colon, value = line.partition(":")
        if colon and name.startswith(PREFIX):
            one = fields(value)
            found.append(
                Secret(
                    name.removeprefix(PREFIX),
                    one["user"],
                    one["source"],
                    int(one["last_used"]),
                    int(one["connections"]),
                    int(one["authentications"]),
                    tuple(filter(None, one["libraries"].split("|"))),
                )
            )
    return found


def as_text(secrets: list[Secret], as_json: bool) -> str:
    """A table, or JSON."""
    if as_json:
        return json.dumps([one._asdict() for one in secrets], indent=2)
    if not secrets:
        return "no passwords: every client is let in"
    rows = [("SECRET", "USER", "FROM", "LAST USED", "CONNECTIONS", "LOGINS", "LIBRARIES")]
    for one in secrets:
        last = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.last_used)) if one.last_used else "never"
        source = SOURCES.get(one.source, one.source)
        libraries = ", ".join(one.libraries)
        rows.append(
            (one.secret, one.user or "-", source, last, str(one.connections), str(one.authentications), libraries)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
