"""Values of settings: from text and from TOML, and back to text.

The configuration file, the environment and CONFIG SET all come through here, so that each value is judged in one place.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable

from redistill.base import words
from redistill.config.endpoints import MAX_DESCRIPTION, MAX_ENDPOINTS
from redistill.config.settings import Kind, Setting, Value

_UNITS = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 2**10,
    "m": 1000**2,
    "mb": 2**20,
    "g": 1000**3,
    "gb": 2**30,
    "t": 1000**4,
    "tb": 2**40,
}
_SIZE = re.compile(r"([0-9]{1,20})([a-z]{0,2})", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,3})%", re.ASCII)
_NAME = re.compile(r"[0-9a-z._-]{1,253}", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_ALL = {"*": "0.0.0.0", "::*": "::"}  # noqa: S104
"""Redis's notation of all addresses."""
_YES = ("yes", "true", "on", "1")
_NO = ("no", "false", "off", "0")

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

Available = Callable[[], int]
"""The memory of the machine in bytes, asked for when a percentage of it is to be known."""


class BadValue(ValueError):
    """A value that a setting does not take. The text says what it takes, and reads on after the setting's name."""

    def __init__(self, problem: str, subject: str = "argument") -> None:
        super().__init__(problem)
        self.redis = f"{subject} {problem}".lstrip()
        """The text in the words of Redis, for CONFIG SET."""


def bounds(setting: Setting) -> str:
    """The numbers that `setting` takes, in words: ``between 1 and 64 inclusive, or 0 (no limit)``."""
    text = f"between {setting.minimum} and {setting.maximum} inclusive"
    if setting.zero and setting.minimum > 0:
        text += f", or 0 ({setting.zero})"
    return text + "".join(f', or "{word}"' for word in setting.words)


def parse(setting: Setting, text: str, available: Available) -> Value:
    """The value that `text` stands for in the environment and in CONFIG SET.

    Raises BadValue.
    """
    kind = setting.kind
    if kind is Kind.BOOLEAN:
        word = words.lower(text)
        if word not in _YES + _NO:
            raise BadValue("must be 'yes' or 'no'")
        return word in _YES
    if kind is Kind.INTEGER and text not in setting.words:
        if not _INTEGER.fullmatch(text):
            raise BadValue("couldn't be parsed into an integer")
        return check(setting, int(text), available)
    if kind is Kind.PASSWORDS:
        return check(setting, [text] if text else [], available)
    if kind is Kind.CHOICE:
        for own, redis in setting.redis_words.items():
            if words.lower(text) == redis:
                return own
        return check(setting, words.lower(text), available)
    return check(setting, text, available)


def check(setting: Setting, raw: object, available: Available) -> Value:
    """The value that `raw`, as TOML knows it, stands for: sizes become bytes, passwords a tuple.

    Raises BadValue when it is of the wrong type or out of bounds.
    """
    kind, raw = setting.kind, _decoded(raw)
    if isinstance(raw, str) and raw in setting.words:
        return setting.words[raw]
    if kind is Kind.BOOLEAN:
        if not isinstance(raw, bool):
            raise BadValue("must be true or false")
        return raw
    if kind is Kind.INTEGER:
        return _bounded(setting, _whole(raw, f"must be a whole number {bounds(setting)}"))
    if kind is Kind.SHARE and isinstance(raw, str) and (percent := _PERCENT.fullmatch(words.strip(raw))):
        if not 1 <= int(percent[1]) <= 100:
            raise BadValue("must be between 1% and 100%, or a size")
        return -int(percent[1])
    if kind is Kind.SHARE and isinstance(raw, int) and (-100 <= raw < 0 or raw in setting.words.values()):
        return raw
    if kind in (Kind.SIZE, Kind.MEMORY, Kind.SHARE):
        return _bounded(setting, _size(setting, raw, available))
    if kind is Kind.PASSWORDS:
        return _passwords(raw)
    if kind is Kind.ADDRESSES:
        return _addresses(raw)
    if kind is Kind.NAMES:
        return _names(raw)
    if kind is Kind.PERCENTAGES:
        return _percentages(raw)
    if kind is Kind.ENDPOINTS:
        return _endpoints(raw)
    if not isinstance(raw, str):
        raise BadValue('must be a text in "quotes"')
    if kind is Kind.CHOICE:
        if raw not in setting.choices:
            raise BadValue("must be one of the following: " + ", ".join(setting.choices), "argument(s)")
        return raw
    if "\0" in raw or "\n" in raw:
        raise BadValue("must be one line")
    if kind is Kind.ADDRESS:
        return _address(raw)
    return raw


def show(setting: Setting, value: Value) -> str:
    """The text of `value` for CONFIG GET, which `parse` turns into `value` again. If there are several passwords,
    it is the first."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if setting.kind in (Kind.ADDRESSES, Kind.NAMES, Kind.PERCENTAGES, Kind.ENDPOINTS) and isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, tuple):
        return value[0] if value else ""
    for word, number in setting.words.items():
        if value == number:
            return word
    if setting.kind is Kind.SHARE and int(value) < 0:
        return f"{-int(value)}%"
    return setting.redis_words.get(str(value), str(value))


def literal(setting: Setting, value: Value) -> str:
    """The text of `value` for the configuration file."""
    if isinstance(value, tuple):
        if len(value) < 2:
            return literal(setting, value[0] if value else "")
        return f"[{', '.join(map(_quoted, value))}]"
    if value in setting.words.values() or (setting.kind is Kind.SHARE and int(value) < 0):
        return json.dumps(show(setting, value))
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    """`text` in quotes; as its bytes (`_decoded`) where TOML has no such text, or nobody could read it."""
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    if quoted.isprintable():
        return quoted
    return f'{{ base64 = "{base64.b64encode(words.data(text)).decode("ascii")}" }}'


def _decoded(raw: object) -> object:
    """The text that ``{ base64 = "..." }`` stands for; anything else as it is."""
    if not isinstance(raw, dict) or list(raw) != ["base64"]:
        return raw
    try:
        return words.text(base64.b64decode(raw["base64"], validate=True))
    except (TypeError, ValueError):
        raise BadValue('must be a text in "quotes", or { base64 = "..." }') from None


def size(text: str) -> int | None:
    """The bytes, or the number, that ``100``, ``100k``, ``1gb`` stand for; None: it is neither."""
    found = _SIZE.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a listener on `address`, with or without the ``-`` of an optional address."""
    address = address.removeprefix("-")
    return address == "localhost" or ipaddress.ip_address(address).is_loopback


def _whole(raw: object, problem: str) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise BadValue(problem)
    return raw


def _bounded(setting: Setting, number: int) -> int:
    if not setting.minimum <= number <= setting.maximum and not (number == 0 and setting.zero):
        raise BadValue(f"must be {bounds(setting)}")
    return number


def _size(setting: Setting, raw: object, available: Available) -> int:
    percentages = setting.kind in (Kind.MEMORY, Kind.SHARE)
    if isinstance(raw, str):
        text = words.lower(words.strip(raw))
        if (percent := _PERCENT.fullmatch(text)) and setting.kind is Kind.MEMORY and 1 <= int(percent[1]) <= 100:
            return available() * int(percent[1]) // 100
        if (number := size(text)) is not None:
            return number
    elif isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    raise BadValue("must be a memory value: bytes, or a text such as 512mb" + (", 2gb or 75%" if percentages else ""))


def _passwords(raw: object) -> tuple[str, ...]:
    if raw == "":
        return ()
    entries = [_decoded(one) for one in raw] if isinstance(raw, list) else [raw]
    texts = [entry for entry in entries if isinstance(entry, str)]
    if len(texts) < len(entries):
        raise BadValue('must be a text in "quotes", or a list of them')
    for entry in texts:
        if not 1 <= len(words.data(entry)) <= MAX_PASSWORD:
            raise BadValue(f"must be of 1 to {MAX_PASSWORD} bytes each")
    return tuple(texts)


def _address(raw: str) -> str:
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


def _percentages(raw: object) -> tuple[str, ...]:
    """Percentages in their shortest notation: ``50``, ``99.9``."""
    if isinstance(raw, list | tuple):
        raw = [str(entry) if isinstance(entry, int | float) and not isinstance(entry, bool) else entry for entry in raw]
    texts = _words(str(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else raw)
    if len(texts) > MAX_PERCENTAGES or not all(_NUMBER.fullmatch(text) for text in texts):
        raise BadValue(f"must be at most {MAX_PERCENTAGES} numbers, e.g. 50 99 99.9")
    if not all(0 <= float(text) <= 100 for text in texts):
        raise BadValue("must be between 0.0 and 100.0 each")
    return tuple(repr(float(text)).removesuffix(".0") for text in texts)


def _names(raw: object) -> tuple[str, ...]:
    """Host names."""
    names = _words(raw)
    if len(names) > MAX_NAMES or not all(_NAME.fullmatch(name) for name in names):
        raise BadValue(f"must be at most {MAX_NAMES} host names, e.g. cache.example.com, without ports")
    return tuple(dict.fromkeys(names))


def _endpoints(raw: object) -> tuple[str, ...]:
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


def _addresses(raw: object) -> tuple[str, ...]:
    """Addresses to listen on, each with the ``-`` of those that may be missing."""
    hosts = _words(raw)
    if not 1 <= len(hosts) <= MAX_ADDRESSES:
        raise BadValue(f"must be 1 to {MAX_ADDRESSES} IP addresses, e.g. 127.0.0.1, or 0.0.0.0 or :: for all")
    found: dict[str, str] = {}
    for word in hosts:
        host = word.removeprefix("-")
        host = _address(_ALL.get(host, host))
        same = "127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host))
        if same in found:
            raise BadValue(f"must name {same} once")
        found[same] = ("-" if word.startswith("-") else "") + host
    return tuple(found.values())
