"""Text from clients, files and the environment, taken apart by ASCII alone.

Such text is bytes: those that are not UTF-8 stand in it as lone surrogates, and `data` makes the same bytes again.
Python's own `split`, `strip`, `splitlines` and `lower` go by Unicode: they see a space in U+00A0, a line's end in
U+2028 and a ``k`` in the Kelvin sign, where Redis sees bytes of a word. A rule or a password would then be read
otherwise than it was given.
"""

from __future__ import annotations

import re

SPACES = " \t\n\v\f\r"
"""What C's isspace calls one."""

_WORD = re.compile(f"[^{SPACES}]+")


def text(data: bytes) -> str:
    """Any bytes as text, from which `data` makes the same bytes again."""
    return data.decode("utf-8", "surrogateescape")


def data(text: str) -> bytes:
    """The bytes that a text stands for."""
    return text.encode("utf-8", "surrogateescape")


def lower(text: str) -> str:
    """`text` with A to Z as a to z, and nothing else changed."""
    return text.lower() if text.isascii() else data(text).lower().decode("utf-8", "surrogateescape")


def split(text: str) -> list[str]:
    """The words of `text`."""
    return _WORD.findall(text)


def strip(text: str) -> str:
    """`text` without spaces around it."""
    return text.strip(SPACES)


def lines(text: str) -> list[str]:
    """The lines of `text`, which end with LF or CR LF; the last one may have no end."""
    found = text.split("\n")
    if not found[-1]:
        found.pop()
    return [line.removesuffix("\r") for line in found]
