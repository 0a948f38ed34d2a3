"""Arguments of control-plane commands, judged as Redis does."""

from __future__ import annotations

import re

from redistill.words import text as text

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


def integer(data: bytes) -> int | None:
    """The signed 64-bit number that `data` is in canonical decimal (nothing before it but a minus), else None."""
    if not _INTEGER.fullmatch(data):
        return None
    number = int(data)
    return number if -(2**63) <= number < 2**63 else None


def printable(data: bytes) -> bool:
    """Whether `data` may be a client's name: nothing but visible ASCII, so that CLIENT LIST stays one line a client and
    one word a field."""
    return all(0x21 <= byte <= 0x7E for byte in data)
