"""The rules of a user that say which commands and keys are allowed: a selector, as a value that does not change.

The words are those of Redis 7.2 (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/). Rules
are bytes (see `words`): they are split where Redis splits them. The core enforces the `command_ids` and
`key_patterns` of a `Selector`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from redistill.base import words
from redistill.engine.command_table import CATEGORIES, CommandEntry, CommandTable
from redistill.engine.permissions import READ, WRITE

_SIGNS = {READ: "%R~", WRITE: "%W~", READ | WRITE: "~"}
_PLAIN = {"%R~": READ, "%W~": WRITE}
"""How nearly all rules about some access begin; `_ACCESS` knows all of them."""
UNKNOWN = "Unknown command or category name in ACL"
SYNTAX = "Syntax error"
FIRST_ARGUMENT = "Allowing first-arg of a subcommand is not supported"
FIRST_ARGUMENT_OF_COMMAND = "Allowing first-arg of a command is not supported; allow all of it, or none"
AFTER_ALL_KEYS = (
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect."
    " Try 'resetkeys' to start with an empty list of patterns"
)
AFTER_ALL_CHANNELS = (
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect."
    " Try 'resetchannels' to start with an empty list of channels"
)
_ACCESS = re.compile(r"%(?P<access>r|w|rw|wr)(?:~|\Z)(?P<pattern>.*)", re.DOTALL | re.IGNORECASE | re.ASCII)
SEPARATOR = re.compile(f"[{words.SPACES}\0]")


class RuleError(ValueError):
    """A rule that cannot be. `rule` is the word, or empty where it is about several; the text says why."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


@cache
def table() -> CommandTable:
    """The commands and categories that rules speak of."""
    return CommandTable()


@dataclass(frozen=True)
class Selector:
    """Commands, and the keys they may be run on."""

    commands: tuple[str, ...] = ("-@all",)
    """The rules in their order: ``+get``, ``-@dangerous``; the first is about ``@all``."""
    patterns: Mapping[str, int] = field(default_factory=dict)
    """Patterns of keys, and what may be done with keys that match: `READ`, `WRITE`, or both."""
    channels: tuple[str, ...] = ()
    """``&pattern``: channels that messages may be sent to and received from."""

    def changed(self, *rules: str) -> Selector:
        """With more rules. Raises RuleError."""
        draft = SelectorDraft(self)
        for rule in rules:
            draft.add(rule)
        return draft.made()

    @property
    def keys(self) -> tuple[str, ...]:
        """``~pattern`` or ``%R~pattern``."""
        return tuple([f"{_SIGNS[access]}{pattern}" for pattern, access in self.patterns.items()])

    @property
    def words(self) -> tuple[str, ...]:
        """The rules as they stand in a user's line."""
        channels = self.channels if "&*" in self.channels else ("resetchannels", *self.channels)
        return (*self.keys, *channels, *self.commands)

    @property
    def all_keys(self) -> bool:
        return self.patterns.get("*") == READ | WRITE

    @property
    def all_channels(self) -> bool:
        return "&*" in self.channels

    def channel_patterns(self) -> list[bytes]:
        """The patterns of channels."""
        return [words.data(channel[1:]) for channel in self.channels]

    def command_ids(self) -> frozenset[int]:
        """The commands that it allows, by the number that the core has for each."""
        allowed: frozenset[int] = frozenset()
        for rule in self.commands:
            allowed = allowed | _ids(rule[1:]) if rule[0] == "+" else allowed - _ids(rule[1:])
        return allowed

    def key_patterns(self) -> Iterator[tuple[list[bytes], int]]:
        """Pairs: patterns of keys, and the access to them that is granted (`READ`, `WRITE` or both)."""
        for access in _SIGNS:
            if found := [pattern for pattern, granted in self.patterns.items() if granted == access]:
                yield [words.data(pattern) for pattern in found], access

    @property
    def unrestricted(self) -> bool:
        """Whether it allows everything."""
        return self.all_keys and self.all_channels and self.command_ids() == _ids("@all")


@cache
def _ids(name: str) -> frozenset[int]:
    """The numbers of the commands that a rule without its sign is about, which `SelectorDraft` has found to exist."""
    return frozenset(entry.id for entry in _meant(name))


def _meant(name: str) -> Iterable[CommandEntry]:
    if name == "@all":
        return table().flattened()
    if name.startswith("@"):
        return (entry for entry in table().flattened() if name[1:] in entry.categories)
    entry = table().by_name[name]
    return (entry, *entry.subcommands)


class SelectorDraft:
    """A selector while rules are added to it, each in constant time."""

    def __init__(self, selector: Selector) -> None:
        self._commands = {rule[1:]: rule[0] for rule in selector.commands}
        self._patterns = dict(selector.patterns)
        self._channels = dict.fromkeys(selector.channels)

    def made(self) -> Selector:
        """The selector."""
        commands = tuple([f"{sign}{name}" for name, sign in self._commands.items()])
        return Selector(commands, MappingProxyType(self._patterns), tuple(self._channels))

    def add(self, rule: str) -> None:
        """Add one rule. Raises RuleError."""
        sign = rule[:1]
        if sign in ("~", "%"):
            self._add_pattern(rule)
        elif sign == "&":
            self._add_channel(rule)
        elif sign in ("+", "-"):
            self._add_command(sign, words.lower(rule[1:]), rule)
        elif rule:
            self._add_word(words.lower(rule), rule)

    def _add_word(self, word: str, rule: str) -> None:
        if word in ("allkeys", "resetkeys"):
            self._patterns = {"*": READ | WRITE} if word == "allkeys" else {}
        elif word in ("allchannels", "resetchannels"):
            self._channels = {"&*": None} if word == "allchannels" else {}
        elif word in ("allcommands", "nocommands"):
            self._commands = {"@all": "+" if word == "allcommands" else "-"}
        else:
            raise RuleError(rule, SYNTAX)

    def add_patterns(self, rules: Sequence[str]) -> None:
        """Rules that begin with ``~``, of which there may be thousands: all at once, where nothing is wrong with them.
        Raises RuleError."""
        patterns = [rule[1:] for rule in rules]
        if "*" in patterns or self._patterns.get("*") == READ | WRITE or SEPARATOR.search("".join(patterns)):
            for rule in rules:
                self.add(rule)
        else:
            self._patterns.update(dict.fromkeys(patterns, READ | WRITE))

    def _add_pattern(self, rule: str) -> None:
        if rule == "~*":
            self._patterns = {"*": READ | WRITE}
            return
        if self._patterns.get("*") == READ | WRITE:
            raise RuleError(rule, AFTER_ALL_KEYS)
        access = _PLAIN.get(rule[:3], 0)
        if access:
            pattern = rule[3:]
        elif rule[0] == "~":
            pattern, access = rule[1:], READ | WRITE
        else:
            match = _ACCESS.fullmatch(rule)
            if match is None:
                raise RuleError(rule, SYNTAX)
            said, pattern = match["access"].lower(), match["pattern"]
            access = (READ if "r" in said else 0) | (WRITE if "w" in said else 0)
        if SEPARATOR.search(pattern):
            raise RuleError(rule, SYNTAX)
        access |= self._patterns.get(pattern, 0)
        if pattern == "*" and access == READ | WRITE:
            self._patterns = {}  # "~*" stands alone: nothing can be added to it, and a line begins with it
        self._patterns[pattern] = access

    def _add_channel(self, rule: str) -> None:
        if rule == "&*":
            self._channels = {rule: None}
        elif "&*" in self._channels:
            raise RuleError(rule, AFTER_ALL_CHANNELS)
        elif SEPARATOR.search(rule):
            raise RuleError(rule, SYNTAX)
        else:
            self._channels[rule] = None

    def _add_command(self, sign: str, name: str, rule: str) -> None:
        """A rule about a command or a category, in the place of those that it makes void."""
        if name == "@all":
            self._commands = {name: sign}
            return
        if name.startswith("@"):
            if name[1:] not in CATEGORIES:
                raise RuleError(rule, UNKNOWN)
        else:
            entry = table().by_name.get(name)
            if entry is None:
                raise RuleError(rule, _why_unknown(sign, name))
            for subcommand in entry.subcommands:
                self._commands.pop(subcommand.name, None)
        self._commands.pop(name, None)
        self._commands[name] = sign


def _why_unknown(sign: str, name: str) -> str:
    """The error for a rule that names an unknown command; as in Redis the last bar decides which."""
    command, bar, argument = name.rpartition("|")
    entry = table().by_name.get(command)
    if sign == "-" or not bar or entry is None:
        return UNKNOWN
    if "|" in command:
        return FIRST_ARGUMENT
    if not argument:
        return SYNTAX
    return UNKNOWN if entry.subcommands else FIRST_ARGUMENT_OF_COMMAND
