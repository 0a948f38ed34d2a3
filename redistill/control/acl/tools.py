"""ACL CAT, GENPASS and DRYRUN: commands that change nothing."""

from __future__ import annotations

import secrets

from redistill.base import resp
from redistill.config.selector import table
from redistill.control.acl.refusal import no_command
from redistill.control.arguments import integer, surplus, text
from redistill.control.state import ServerState
from redistill.engine.command_table import CATEGORIES
from redistill.engine.permissions import Denial
from redistill.net.interfaces import Client

GENPASS_BITS = 256
MOST_BITS = 4096


def cat(client: Client, argv: list[bytes]) -> bytes:
    """ACL CAT [category]"""
    if len(argv) > 3:
        return surplus(argv)
    if len(argv) == 2:
        return resp.array([resp.bulk(name) for name in CATEGORIES])
    category = text(argv[2].lower())
    if category not in CATEGORIES:
        return resp.error(f"ERR Unknown category '{resp.shown(argv[2])}'")
    return resp.array([resp.bulk(one.name) for one in table().flattened() if category in one.categories])


def generate(client: Client, argv: list[bytes]) -> bytes:
    """ACL GENPASS [bits]"""
    if len(argv) > 3:
        return surplus(argv)
    bits = integer(argv[2]) if len(argv) > 2 else GENPASS_BITS
    if bits is None:
        return resp.error("ERR value is not an integer or out of range")
    if not 0 < bits <= MOST_BITS:
        return resp.error(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to"
            f" {MOST_BITS}"
        )
    digits = -(-bits // 4)
    return resp.bulk(secrets.token_hex(-(-digits // 2))[:digits])


def dry_run(server: ServerState, argv: list[bytes]) -> bytes:
    """ACL DRYRUN username command [arg ...]"""
    account = server.users.get(text(argv[2]))
    if account is None:
        return resp.error(f"ERR User '{resp.shown(argv[2])}' not found")
    entry = table().find(argv[3:])
    if entry is None:
        return resp.error(f"ERR Command '{resp.shown(argv[3])}' not found")
    if not entry.takes(len(argv) - 3):
        return resp.error(f"ERR wrong number of arguments for '{entry.name}' command")
    if account.permissions is None:
        return resp.OK
    denial, position = account.permissions.judge(entry, argv[3:])
    if denial == Denial.NONE:
        return resp.OK
    if denial == Denial.KEY:
        key = resp.shown(argv[3 + position])
        return resp.bulk(f"User {account.user.name} has no permissions to access the '{key}' key")
    if denial == Denial.CHANNEL:
        channel = resp.shown(argv[3 + position])
        return resp.bulk(f"User {account.user.name} has no permissions to access the '{channel}' channel")
    return resp.bulk(no_command(account.user.name, entry.name))
