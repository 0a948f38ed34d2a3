"""Text from clients, files and the environment, taken apart by ASCII alone.

Such text is bytes: those that are not UTF-8 stand in it as lone surrogates, and `data` makes the same bytes again.
Python's own `split`, `strip`, `splitlines` and `lower` go by Unicode: they see a space in U+00A0, a line's end in
U+2028 and a ``k`` in the Kelvin sign, where Redis sees bytes of a word. A rule or a password would then be read
otherwise than it was given.
"""

from __future__ import annotations

import re

SPACES = " \t\n\v\f\r"
"""The characters that C's isspace accepts."""

_WORD = re.compile(f"[^{SPACES}]+")
_QUOTED = re.compile(
    rb"""[ \t\n\v\f\r]*+(?P<plain>[^ \t\n\v\f\r"']*+)"""
    rb"""(?:"(?P<double>(?>\\.|[^"\\])*+)"|'(?P<single>(?>\\'|[^'])*+)')?(?=[ \t\n\v\f\r]|\Z)""",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(?:x(?P<code>[0-9a-fA-F]{2})|(?P<sign>.))", re.DOTALL)
_SIGNS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


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


def unquoted(text: str) -> list[str] | None:
    """The words of `text`, of which one may end in quotes, as Redis reads an inline request; None if it cannot be."""
    raw, found, at = data(text), [], 0
    end = len(raw.rstrip(SPACES.encode()))
    while at < end:
        match = _QUOTED.match(raw, at)
        if match is None:
            return None
        at = match.end()
        double, single = match["double"] or b"", match["single"] or b""
        found.append(match["plain"] + _ESCAPE.sub(_unescaped, double) + single.replace(rb"\'", b"'"))
    return [word.decode("utf-8", "surrogateescape") for word in found]


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match["code"].decode()) if match["code"] else _SIGNS.get(match["sign"], match["sign"])


def strip(text: str) -> str:
    """`text` without spaces around it."""
    return text.strip(SPACES)


def lines(text: str) -> list[str]:
    """The lines of `text`, which end with LF or CR LF; the last one may have no end."""
    found = text.split("\n")
    if not found[-1]:
        found.pop()
    return [line.removesuffix("\r") for line in found]
