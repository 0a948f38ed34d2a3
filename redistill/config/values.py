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
from redistill.config import events, lists
from redistill.config.errors import BadValue
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
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_YES = ("yes", "true", "on", "1")
_NO = ("no", "false", "off", "0")

Available = Callable[[], int]
"""The memory of the machine in bytes, asked for when a percentage of it is to be known."""


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
        return lists.passwords(raw)
    if kind is Kind.ADDRESSES:
        return lists.addresses(raw)
    if kind is Kind.NAMES:
        return lists.names(raw)
    if kind is Kind.PERCENTAGES:
        return lists.percentages(raw)
    if kind is Kind.ENDPOINTS:
        return lists.endpoints(raw)
    if not isinstance(raw, str):
        raise BadValue('must be a text in "quotes"')
    if kind is Kind.CHOICE:
        if raw not in setting.choices:
            raise BadValue("must be one of the following: " + ", ".join(setting.choices), "argument(s)")
        return raw
    if "\0" in raw or "\n" in raw:
        raise BadValue("must be one line")
    if kind is Kind.ADDRESS:
        return lists.address(raw)
    if kind is Kind.EVENTS:
        return events.canonical(raw)
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
    """The text that ``{ base64 = "..." }`` stands for, in a list too; anything else as it is."""
    if isinstance(raw, list):
        return [_decoded(one) for one in raw]
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
