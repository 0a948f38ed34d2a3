"""Settings that are lists: passwords, addresses, host names, percentages, endpoints.

Each function takes a list or one text, as TOML or CONFIG SET give it, and returns the entries. BadValue says what is
wrong.
"""

from __future__ import annotations

import ipaddress
import re

from redistill.base import words
from redistill.config.endpoints import MAX_DESCRIPTION, MAX_ENDPOINTS
from redistill.config.errors import BadValue

_NAME = re.compile(r"[0-9a-z._-]{1,253}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)
_ALL = {"*": "0.0.0.0", "::*": "::"}  # noqa: S104
"""Redis's notation of all addresses."""

MAX_PASSWORD = 16384
"""Bytes of a password: what a client may send before it is authenticated."""

MAX_PERCENTAGES = 64
"""In a list of them: each makes the lines of INFO longer."""

MAX_ADDRESSES = 16
"""To listen on; as many as Redis takes."""

_BARE_SPACE = re.compile(r"(\\.)|(\s)", re.DOTALL)
"""A character behind a backslash, or white space without one."""
_DESCRIPTION = re.compile(r"(?:[^\s\\]|\\.)+", re.DOTALL)

MAX_NAMES = 64
"""Host names of the health port."""


def passwords(raw: object) -> tuple[str, ...]:
    """One password or several. Raises BadValue."""
    if raw == "":
        return ()
    entries = raw if isinstance(raw, list) else [raw]
    texts = [entry for entry in entries if isinstance(entry, str)]
    if len(texts) < len(entries):
        raise BadValue('must be a text in "quotes", or a list of them')
    for entry in texts:
        if not 1 <= len(words.data(entry)) <= MAX_PASSWORD:
            raise BadValue(f"must be of 1 to {MAX_PASSWORD} bytes each")
    return tuple(texts)


def address(raw: str) -> str:
    """One IP address, or localhost. Raises BadValue."""
    try:
        if raw != "localhost":
            ipaddress.ip_address(raw)
    except ValueError:
        raise BadValue(f"must be an IP address, e.g. 127.0.0.1, or 0.0.0.0 or :: for all, not {raw!a}") from None
    return raw


def _words(raw: object) -> list[str]:
    """The words of a text, or of a list of texts."""
    entries = [raw] if isinstance(raw, str) else raw
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise BadValue('must be a text in "quotes", or a list of them')
    return [word for entry in entries for word in words.split(entry)]


def percentages(raw: object) -> tuple[str, ...]:
    """Percentages in their shortest notation: ``50``, ``99.9``."""
    if isinstance(raw, list | tuple):
        raw = [str(entry) if isinstance(entry, int | float) and not isinstance(entry, bool) else entry for entry in raw]
    texts = _words(str(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else raw)
    if len(texts) > MAX_PERCENTAGES or not all(_NUMBER.fullmatch(text) for text in texts):
        raise BadValue(f"must be at most {MAX_PERCENTAGES} numbers, e.g. 50 99 99.9")
    if not all(0 <= float(text) <= 100 for text in texts):
        raise BadValue("must be between 0.0 and 100.0 each")
    return tuple(repr(float(text)).removesuffix(".0") for text in texts)


def names(raw: object) -> tuple[str, ...]:
    """Host names."""
    names = _words(raw)
    if len(names) > MAX_NAMES or not all(_NAME.fullmatch(name) for name in names):
        raise BadValue(f"must be at most {MAX_NAMES} host names, e.g. cache.example.com, without ports")
    return tuple(dict.fromkeys(names))


def endpoints(raw: object) -> tuple[str, ...]:
    """Descriptions of endpoints, of which one text may hold several. White space within one has a backslash before it,
    as Twisted has it; in a list it need not."""
    if isinstance(raw, str):
        found = _DESCRIPTION.findall(raw)
        if "".join(found) != "".join(_BARE_SPACE.sub(lambda part: part[1] or "", raw)):
            raise BadValue("must not end with a backslash")
    elif isinstance(raw, list) and all(isinstance(entry, str) for entry in raw):
        found = [_BARE_SPACE.sub(lambda part: part[1] or f"\\{part[2]}", entry.strip()) for entry in raw]
    else:
        raise BadValue('must be a text in "quotes", or a list of them')
    if len(found) > MAX_ENDPOINTS or not all(0 < len(entry) <= MAX_DESCRIPTION for entry in found):
        raise BadValue(f"must be at most {MAX_ENDPOINTS} descriptions of endpoints, e.g. tcp:6380:interface=127.0.0.1")
    if any(char in entry for entry in found for char in "\0\r\n"):
        raise BadValue("must be one line")
    return tuple(dict.fromkeys(found))


def addresses(raw: object) -> tuple[str, ...]:
    """Addresses to listen on, each with the ``-`` of those that may be missing."""
    hosts = _words(raw)
    if not 1 <= len(hosts) <= MAX_ADDRESSES:
        raise BadValue(f"must be 1 to {MAX_ADDRESSES} IP addresses, e.g. 127.0.0.1, or 0.0.0.0 or :: for all")
    found: dict[str, str] = {}
    for word in hosts:
        host = word.removeprefix("-")
        host = address(_ALL.get(host, host))
        same = "127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host))
        if same in found:
            raise BadValue(f"must name {same} once")
        found[same] = ("-" if word.startswith("-") else "") + host
    return tuple(found.values())
