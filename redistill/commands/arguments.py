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


def matches(pattern: bytes, text: bytes) -> bool:
    """Whether all of `text` is matched by the glob `pattern`: ``* ? [a-z] [^a] \\\\``, case ignored.

    Cost is at most len(pattern) * len(text): after a mismatch only the last star is retried.
    """
    pattern, text = pattern.lower(), text.lower()
    p = t = 0
    star, star_text = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == 0x2A:  # *
            star, star_text = p, t
            p += 1
            continue
        end = _one(pattern, p, text[t]) if p < len(pattern) else 0
        if end:
            p, t = end, t + 1
        elif star >= 0:
            star_text += 1
            p, t = star + 1, star_text
        else:
            return False
    return all(byte == 0x2A for byte in pattern[p:])


def _one(pattern: bytes, p: int, byte: int) -> int:
    """The position after the element at `p` when it matches `byte`, else 0."""
    first = pattern[p]
    if first == 0x3F:  # ?
        return p + 1
    if first == 0x5C and p + 1 < len(pattern):  # backslash
        return p + 2 if pattern[p + 1] == byte else 0
    if first != 0x5B:  # [
        return p + 1 if first == byte else 0
    p += 1
    negated = pattern[p : p + 1] == b"^"
    p += negated
    found = False
    while p < len(pattern) and pattern[p] != 0x5D:
        if pattern[p] == 0x5C and p + 1 < len(pattern):
            p += 1
            found |= pattern[p] == byte
        elif p + 2 < len(pattern) and pattern[p + 1] == 0x2D:
            low, high = sorted((pattern[p], pattern[p + 2]))
            found |= low <= byte <= high
            p += 2
        else:
            found |= pattern[p] == byte
        p += 1
    # A class that is never closed ends with the pattern, as in Redis.
    return min(p + 1, len(pattern)) if found != negated else 0
