"""Encoders of RESP replies: pure functions from Python values to bytes.

They serve the control plane, whose replies are few and small; the data plane has its own in the core. Where RESP2 lacks
a type, `version` (2 or 3) says which of the two forms is meant, and the RESP2 form is the one that Redis uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

OK = b"+OK\r\n"

_LINE_ENDS = dict.fromkeys(map(ord, "\r\n"), " ")


def simple(text: str) -> bytes:
    """A simple string. `text` is ours, never a client's: it must not hold a line break."""
    return b"+%s\r\n" % text.encode()


def error(text: str) -> bytes:
    """An error, whose first word is its code (``ERR ...``). Line ends, which could forge a second reply, become
    spaces, as in Redis; a client's bytes come in through `shown` and go out as they were."""
    return b"-%s\r\n" % text.translate(_LINE_ENDS).encode("utf-8", "surrogateescape")


def shown(data: bytes, limit: int = 4096) -> str:
    """A client's bytes as an error text may quote them: up to the first NUL, at most `limit` bytes. `error` and `bulk`
    turn the text into the same bytes again, whatever they are."""
    return data.split(b"\0", 1)[0][:limit].decode("utf-8", "surrogateescape")


def integer(number: int) -> bytes:
    """A signed 64-bit integer."""
    return b":%d\r\n" % number


def bulk(data: bytes | str) -> bytes:
    """A string of bytes; text is encoded as UTF-8."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return b"$%d\r\n%s\r\n" % (len(raw), raw)


def null(version: int) -> bytes:
    """The absent value, where a string was possible."""
    return b"_\r\n" if version == 3 else b"$-1\r\n"


def null_array(version: int) -> bytes:
    """The absent value, where an array was possible."""
    return b"_\r\n" if version == 3 else b"*-1\r\n"


def boolean(value: bool, version: int) -> bytes:
    """True or false; 1 or 0 in RESP2."""
    if version == 3:
        return b"#t\r\n" if value else b"#f\r\n"
    return integer(int(value))


def double(number: float, version: int) -> bytes:
    """A floating point number with 17 significant digits; a bulk string in RESP2."""
    if math.isinf(number):
        text = b"inf" if number > 0 else b"-inf"
    elif math.isnan(number):
        text = b"nan"
    else:
        text = b"%.17g" % number
    return b",%s\r\n" % text if version == 3 else bulk(text)


def array(items: Sequence[bytes]) -> bytes:
    """An array of replies that are encoded already."""
    return array_head(len(items)) + b"".join(items)


def array_head(count: int) -> bytes:
    """The bytes before the items of an array."""
    return b"*%d\r\n" % count


def mapping(pairs: Sequence[tuple[bytes, bytes]], version: int) -> bytes:
    """A map of encoded keys and values; a flat array in RESP2."""
    return mapping_head(len(pairs), version) + b"".join(key + value for key, value in pairs)


def mapping_head(count: int, version: int) -> bytes:
    """The bytes before the pairs of a map."""
    return b"%%%d\r\n" % count if version == 3 else array_head(2 * count)


def unordered(items: Sequence[bytes], version: int) -> bytes:
    """A set of encoded replies; an array in RESP2."""
    return (b"~%d\r\n" if version == 3 else b"*%d\r\n") % len(items) + b"".join(items)


def push(items: Sequence[bytes], version: int) -> bytes:
    """A message that answers no command; an array in RESP2."""
    return (b">%d\r\n" if version == 3 else b"*%d\r\n") % len(items) + b"".join(items)


def verbatim(text: bytes | str, version: int, kind: bytes = b"txt") -> bytes:
    """Text to be shown as it is, with its three-letter kind; a bulk string in RESP2."""
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    if version == 3:
        return b"=%d\r\n%s:%s\r\n" % (len(raw) + 4, kind, raw)
    return bulk(raw)


def lines(texts: Iterable[str]) -> bytes:
    """An array of simple strings, as HELP answers."""
    return array([simple(text) for text in texts])
