"""The core's table of commands as Python objects, read once at the start."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redistill._core import ffi, lib

FLAGS = {
    "write": "RD_WRITE",
    "readonly": "RD_READONLY",
    "denyoom": "RD_DENYOOM",
    "admin": "RD_ADMIN",
    "pubsub": "RD_PUBSUB",
    "noscript": "RD_NOSCRIPT",
    "blocking": "RD_BLOCKING",
    "loading": "RD_LOADING",
    "stale": "RD_STALE",
    "skip_monitor": "RD_SKIP_MONITOR",
    "skip_slowlog": "RD_SKIP_SLOWLOG",
    "fast": "RD_FAST",
    "no_auth": "RD_NO_AUTH",
    "no_mandatory_keys": "RD_NO_MANDATORY_KEYS",
    "no_async_loading": "RD_NO_ASYNC_LOADING",
    "no_multi": "RD_NO_MULTI",
    "movablekeys": "RD_MOVABLEKEYS",
    "allow_busy": "RD_ALLOW_BUSY",
}
"""Names and order of COMMAND INFO -> the core's."""

CATEGORIES: tuple[str, ...] = (
    *("keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo"),
    *("stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"),
)
"""Category of bit n of the core's ``acl``, n = 0, 1 ..."""


KEY_FLAGS: tuple[str, ...] = (
    *("RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags"),
)
"""Flag of bit n of a key, n = 0, 1 ..."""

BEGIN_SEARCH = ("unknown", "index", "keyword")
FIND_KEYS = ("unknown", "range", "keynum")


@dataclass(frozen=True, slots=True)
class Search:
    """One of the two steps of a key spec: its kind, and what it goes by, as COMMAND INFO names it."""

    kind: str
    spec: Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class KeySpec:
    """The positions of keys, and the use that the command makes of them (core/command/command.h)."""

    flags: tuple[str, ...]
    notes: str | None
    begin_search: Search
    find_keys: Search


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument, or a group of them, as COMMAND DOCS describes it."""

    name: str
    type: str
    token: str | None = None
    key_spec: int | None = None
    since: str | None = None
    deprecated_since: str | None = None
    flags: tuple[str, ...] = ()
    """Any of "optional", "multiple", "multiple_token"."""
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command, or a subcommand."""

    name: str
    """Full and in lower case: ``get``, ``client|list``."""
    id: int
    summary: str
    since: str
    group: str
    complexity: str | None
    arity: int
    flags: tuple[str, ...]
    control_plane: bool
    """Answered outside the core."""
    internal: bool
    """Not meant for users."""
    categories: tuple[str, ...]
    first_key: int
    last_key: int
    key_step: int
    key_specs: tuple[KeySpec, ...]
    tips: tuple[str, ...]
    syntax: str
    """The command's arguments in the notation of core/command/command.h."""
    deprecated_since: str | None
    replaced_by: str | None
    subcommands: tuple[CommandEntry, ...]

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The command's arguments as a tree."""
        return parse_arguments(self.syntax)

    def takes(self, count: int) -> bool:
        """Whether `count` words, the name included, fit its arity."""
        return count == self.arity if self.arity >= 0 else count >= -self.arity


class CommandTable:
    """All commands. Immutable."""

    def __init__(self) -> None:
        self.commands: tuple[CommandEntry, ...] = tuple(
            _entry(command) for command in _all() if command.full_name == ffi.NULL
        )
        """Without the subcommands, in the order of the table."""
        self.by_name: Mapping[str, CommandEntry] = {entry.name: entry for entry in self.flattened()}
        """The subcommands, too."""

    def flattened(self) -> Iterator[CommandEntry]:
        """All entries, a container's subcommands behind it."""
        for entry in self.commands:
            yield entry
            yield from entry.subcommands

    def named(self, name: bytes) -> CommandEntry | None:
        """The entry of a full name, ``get`` or ``CLIENT|LIST``."""
        return self.by_name.get(name.lower().decode("latin-1"))

    def find(self, argv: Sequence[bytes]) -> CommandEntry | None:
        """The command that `argv` would run. A container with an unknown subcommand gives None, one without arguments
        itself."""
        entry = self.named(argv[0])
        if entry and entry.subcommands and len(argv) > 1:
            return self.named(argv[0] + b"|" + argv[1]) if b"|" not in argv[1] else None
        return entry if b"|" not in argv[0] else None

    def keys(self, entry: CommandEntry, argv: Sequence[bytes]) -> list[tuple[bytes, tuple[str, ...]]] | None:
        """The keys among `argv`, each with what the command does with it; None when the arguments make no sense."""
        buffers = [ffi.from_buffer(word) for word in argv]
        words = ffi.new("rd_bytes[]", [(ffi.cast("uint8_t *", buffer), len(buffer)) for buffer in buffers])
        command = lib.rd_command_by_id(entry.id)
        keys = ffi.new("rd_keys *")
        lib.rd_command_keys(command, words, len(argv), keys)
        if not keys.understood:
            return None
        return [
            (argv[run.first + place * run.step], _key_flags(run.flags))
            for run in keys.run[0 : keys.runs]
            for place in range(run.count)
        ]


def _all() -> Iterator[Any]:
    return (lib.rd_command_by_id(number) for number in range(lib.rd_command_count()))


def _text(chars: Any) -> str | None:
    if chars == ffi.NULL:
        return None
    text = ffi.string(chars)
    assert isinstance(text, bytes)
    return text.decode("ascii")


def _words(chars: Any) -> tuple[str, ...]:
    return tuple((_text(chars) or "").split())


def _key_flags(bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(KEY_FLAGS) if bits >> bit & 1)


def _begin_search(spec: Any) -> Search:
    kind = BEGIN_SEARCH[spec.begin_search]
    if kind == "index":
        return Search(kind, {"index": spec.begin})
    if kind == "keyword":
        return Search(kind, {"keyword": (_text(spec.keyword) or "").upper(), "startfrom": spec.begin})
    return Search(kind, {})


def _find_keys(spec: Any) -> Search:
    kind = FIND_KEYS[spec.find_keys]
    if kind == "range":
        return Search(kind, {"lastkey": spec.last, "keystep": spec.step, "limit": spec.limit})
    if kind == "keynum":
        return Search(kind, {"keynumidx": 0, "firstkey": spec.first, "keystep": spec.step})
    return Search(kind, {})


def _entry(command: Any) -> CommandEntry:
    subcommands: list[CommandEntry] = []
    if command.subcommands != ffi.NULL:
        while command.subcommands[len(subcommands)].name != ffi.NULL:
            subcommands.append(_entry(command.subcommands[len(subcommands)]))
    return CommandEntry(
        name=_text(command.full_name) or _text(command.name) or "",
        id=command.id,
        summary=_text(command.summary) or "",
        since=_text(command.since) or "",
        group=_text(command.group) or "",
        complexity=_text(command.complexity),
        arity=command.arity,
        flags=tuple(name for name, constant in FLAGS.items() if command.flags & getattr(lib, constant)),
        control_plane=bool(command.flags & lib.RD_CONTROL_PLANE),
        internal=bool(command.flags & lib.RD_SYSCMD),
        categories=tuple(name for bit, name in enumerate(CATEGORIES) if command.acl >> bit & 1),
        first_key=command.first_key,
        last_key=command.last_key,
        key_step=command.key_step,
        key_specs=tuple(
            KeySpec(_key_flags(spec.flags), _text(spec.notes), _begin_search(spec), _find_keys(spec))
            for spec in command.key_specs
            if spec.flags
        ),
        tips=_words(command.tips),
        syntax=_text(command.arguments) or "",
        deprecated_since=_text(command.deprecated_since),
        replaced_by=_text(command.replaced_by),
        subcommands=tuple(subcommands),
    )


_ARGUMENT = re.compile(
    r" *(?P<optional>\??)"
    r"(?:(?P<token>[A-Z][A-Z-]*)(?P<equals>=?)|(?P<symbol>[=~*$]))?"
    r"(?P<name>[a-z][a-z0-9_-]*)?"
    r"(?::(?P<type>[a-z-]+))?(?:\#(?P<key>\d))?"
    r"(?P<open>[({]?)"
)
_AFTER = re.compile(r"(?P<multiple>\*?)(?P<multiple_token>\+?)(?:@(?P<since>[\d.]+))?(?:!(?P<deprecated>[\d.]+))?")
_BETWEEN = {"(": re.compile(r" *(\)?)"), "{": re.compile(r" *(?:\||(\}))"), "": re.compile(r" *($)?")}


def parse_arguments(syntax: str) -> tuple[Argument, ...]:
    """The tree of arguments that `syntax` (core/command/command.h) describes. ValueError when it does not parse."""
    return _group(syntax, 0, "")[0] if syntax else ()


def _group(syntax: str, at: int, opened: str) -> tuple[tuple[Argument, ...], int]:
    """Arguments from `at` on to the end of the group, and the position behind that."""
    found: list[Argument] = []
    while True:
        head = _ARGUMENT.match(syntax, at)
        if head is None or not (head["name"] or head["token"]) or bool(head["equals"]) > bool(head["name"]):
            raise ValueError(f"no argument at {at} of {syntax!r}")
        at = head.end()
        nested: tuple[Argument, ...] = ()
        if head["open"]:
            nested, at = _group(syntax, at, head["open"])
        after = _AFTER.match(syntax, at)
        assert after is not None  # it matches nothing, too
        at = after.end()
        found.append(_argument(head, after, nested))
        between = _BETWEEN[opened].match(syntax, at)
        if between is None:
            raise ValueError(f"no end of a group at {at} of {syntax!r}")
        at = between.end()
        if between[1] is not None and (between[1] or not opened):
            return tuple(found), at


def _argument(head: re.Match[str], after: re.Match[str], nested: tuple[Argument, ...]) -> Argument:
    if head["open"]:
        kind = "oneof" if head["open"] == "{" else "block"
    elif head["name"] is None or head["symbol"]:
        kind = "pure-token"
    else:
        kind = head["type"] or ("key" if head["key"] else "string")
    flags = {
        "optional": head["optional"],
        "multiple": after["multiple"],
        "multiple_token": after["multiple_token"],
    }
    return Argument(
        name=head["name"] or head["token"].lower(),
        type=kind,
        token=head["token"] or head["symbol"],
        key_spec=int(head["key"]) if head["key"] else None,
        since=after["since"],
        deprecated_since=after["deprecated"],
        flags=tuple(flag for flag, given in flags.items() if given),
        arguments=nested,
    )


def _full_name(number: int) -> str:
    command = lib.rd_command_by_id(number)
    return str(ffi.string(command.name if command.full_name == ffi.NULL else command.full_name).decode())


FULL_NAMES = tuple(_full_name(number) for number in range(lib.rd_command_count()))
"""Full names of all commands, by id: ``client|list``."""
