"""Arguments of control-plane commands, judged as Redis does."""

from __future__ import annotations

import re

from redistill.base import resp
from redistill.base.words import text as text

MAX_NAME = 1024
"""Bytes of a client's name, and of its library's name and version."""

_VISIBLE = re.compile(rb"[!-~]*")
_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


def integer(data: bytes) -> int | None:
    """The signed 64-bit number that `data` is in canonical decimal (nothing before it but a minus), else None."""
    if not _INTEGER.fullmatch(data):
        return None
    number = int(data)
    return number if -(2**63) <= number < 2**63 else None


def bad_name(data: bytes, what: str) -> bytes | None:
    """The refusal of `data` as the name of a client, or of its library; None: it may be one.

    It is visible ASCII, so that CLIENT LIST stays one line a client and one word a field, and not long, since every
    connection may have one.
    """
    if not _VISIBLE.fullmatch(data):
        return resp.error(f"ERR {what} cannot contain spaces, newlines or special characters.")
    if len(data) > MAX_NAME:
        return resp.error(f"ERR {what} cannot be longer than {MAX_NAME} bytes.")
    return None


def surplus(argv: list[bytes]) -> bytes:
    """The refusal of arguments that a subcommand does not take."""
    return resp.error(
        f"ERR unknown subcommand or wrong number of arguments for '{resp.shown(argv[1])}'."
        f" Try {resp.shown(argv[0]).upper()} HELP."
    )
