"""Users and what they may do: Redis's access control lists, as values that do not change.

A user is a line of rules, ``user alice on #... ~cached:* -@all +get``, and `User.line` writes what `parsed` reads. The
words are those of Redis 7.2 (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/). What the
core needs to enforce them is made of a `Selector`'s `command_ids` and `key_patterns`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256

from redistill.command_table import CATEGORIES, CommandEntry, CommandTable

DEFAULT = "default"
"""The user that every connection begins as."""
DEFAULT_LINE = "user default on nopass ~* &* +@all"

SHOWN = 8

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
BAD_HASH = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
NO_SUCH_PASSWORD = "The password you are trying to remove from the user does not exist"  # noqa: S105

_KEYS = re.compile(r"(?:~|%(?P<access>R|W|RW|WR)~)(?P<pattern>.*)", re.DOTALL | re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{64}")
_SPACE = re.compile(r"[ \t\r\n\v\f\0]")


class RuleError(ValueError):
    """A rule that cannot be. `rule` is the word, or empty where it is about several; the text says why."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


@cache
def table() -> CommandTable:
    """The commands and categories that rules speak of."""
    return CommandTable()


def hashed(password: bytes) -> str:
    """A password as it stands in a user's line: SHA-256, in hexadecimal digits."""
    return sha256(password).hexdigest()


def number_of(digest: str) -> int:
    """A secret, given as `hashed` has it, as the arena knows it (core/secrets.h)."""
    return int(digest[:16], 16)


def shown(number: int) -> str:
    """The same as operators see it: the first digits of its hash."""
    return f"{number:016x}"[:SHOWN]


@dataclass(frozen=True)
class Selector:
    """Commands, and the keys they may be run on."""

    commands: tuple[str, ...] = ("-@all",)
    """The rules in their order: ``+get``, ``-@dangerous``; the first is about ``@all``."""
    keys: tuple[str, ...] = ()
    """``~pattern`` or ``%R~pattern``."""
    channels: tuple[str, ...] = ()
    """``&pattern``. No command uses them; they are kept, so that a line of Redis's stays as it is."""

    def changed(self, rule: str) -> Selector:
        """With one rule more. Raises RuleError."""
        word = rule.lower()
        if word in ("allkeys", "~*"):
            return replace(self, keys=("~*",))
        if word == "resetkeys":
            return replace(self, keys=())
        if word in ("allchannels", "&*"):
            return replace(self, channels=("&*",))
        if word == "resetchannels":
            return replace(self, channels=())
        if word in ("allcommands", "+@all"):
            return replace(self, commands=("+@all",))
        if word in ("nocommands", "-@all"):
            return replace(self, commands=("-@all",))
        if word[:1] in ("+", "-"):
            return replace(self, commands=_with_command(self.commands, word, rule))
        if word[:1] in ("~", "%"):
            return replace(self, keys=_with(self.keys, _key_rule(rule), "~*", rule, AFTER_ALL_KEYS))
        if word[:1] == "&" and not _SPACE.search(rule):
            return replace(self, channels=_with(self.channels, rule, "&*", rule, AFTER_ALL_CHANNELS))
        raise RuleError(rule, SYNTAX)

    @property
    def words(self) -> tuple[str, ...]:
        """The rules as they stand in a user's line."""
        channels = self.channels if "&*" in self.channels else ("resetchannels", *self.channels)
        return (*self.keys, *channels, *self.commands)

    @property
    def all_keys(self) -> bool:
        return "~*" in self.keys

    def command_ids(self) -> frozenset[int]:
        """The commands that it allows, by the number that the core has for each."""
        allowed: set[int] = set()
        for rule in self.commands:
            ids = {entry.id for entry in _meant(rule[1:])}
            allowed = allowed | ids if rule[0] == "+" else allowed - ids
        return frozenset(allowed)

    def key_patterns(self) -> Iterator[tuple[bytes, bool, bool]]:
        """Each pattern, and whether keys that match it may be read and written."""
        for rule in self.keys:
            match = _KEYS.fullmatch(rule)
            assert match is not None
            access = (match["access"] or "RW").upper()
            yield match["pattern"].encode("utf-8", "surrogateescape"), "R" in access, "W" in access

    @property
    def unrestricted(self) -> bool:
        """Whether it allows everything."""
        return self.all_keys and len(self.command_ids()) == sum(1 for _ in table().flattened())


def _meant(name: str) -> Iterable[CommandEntry]:
    """The commands that a rule without its sign is about; none: it is about nothing that there is."""
    if name == "@all":
        return table().flattened()
    if name.startswith("@"):
        return (entry for entry in table().flattened() if name[1:] in entry.categories)
    entry = table().by_name.get(name)
    return () if entry is None else (entry, *entry.subcommands)


def _with_command(rules: tuple[str, ...], word: str, rule: str) -> tuple[str, ...]:
    """The rules with one about a command or a category, in the place of those that it makes void."""
    name = word[1:]
    if name.startswith("@"):
        if name[1:] not in CATEGORIES:
            raise RuleError(rule, UNKNOWN)
    elif name not in table().by_name:
        command, *rest = name.split("|")
        known = table().by_name.get(command)
        if known is not None and rest and not known.subcommands:
            raise RuleError(rule, FIRST_ARGUMENT_OF_COMMAND)
        if known is not None and len(rest) > 1:
            raise RuleError(rule, FIRST_ARGUMENT)
        raise RuleError(rule, UNKNOWN)
    kept = (one for one in rules if one[1:] != name and not one[1:].startswith(f"{name}|"))
    return (*kept, word)


def _key_rule(rule: str) -> str:
    match = _KEYS.fullmatch(rule)
    if match is None or _SPACE.search(rule):
        raise RuleError(rule, SYNTAX)
    access = (match["access"] or "RW").upper()
    return f"~{match['pattern']}" if len(access) == 2 else f"%{access}~{match['pattern']}"


def _with(rules: tuple[str, ...], added: str, everything: str, rule: str, refusal: str) -> tuple[str, ...]:
    if added == everything:
        return (everything,)
    if everything in rules:
        raise RuleError(rule, refusal)
    return rules if added in rules else (*rules, added)


@dataclass(frozen=True)
class User:
    """A name, the passwords it goes with, and what who has one may do."""

    name: str
    enabled: bool = False
    nopass: bool = False
    """Any password is right."""
    hashes: tuple[str, ...] = ()
    """Of the passwords, see `hashed`."""
    root: Selector = Selector()
    selectors: tuple[Selector, ...] = ()
    """What is allowed beside `root`, each for itself."""

    @property
    def flags(self) -> tuple[str, ...]:
        """The words of ACL GETUSER."""
        return ("on" if self.enabled else "off", *(("nopass",) if self.nopass else ()))

    @property
    def line(self) -> str:
        """The user as a line of the ACL file."""
        others = (f"({' '.join(selector.words)})" for selector in self.selectors)
        return " ".join(
            ("user", self.name, *self.flags, *(f"#{one}" for one in self.hashes), *self.root.words, *others)
        )

    def changed(self, rules: Iterable[str]) -> User:
        """With the rules of ACL SETUSER, one after another. Raises RuleError."""
        user = self
        for rule in list(merged(rules)):
            user = user._changed(rule)
        return user

    def _changed(self, rule: str) -> User:
        word = rule.lower()
        if word in ("on", "off"):
            return replace(self, enabled=word == "on")
        if word == "nopass":
            return replace(self, nopass=True, hashes=())
        if word == "resetpass":
            return replace(self, nopass=False, hashes=())
        if word == "reset":
            return User(self.name)
        if word == "clearselectors":
            return replace(self, selectors=())
        if word in ("sanitize-payload", "skip-sanitize-payload"):
            return self  # what RESTORE is given is checked for everybody
        if rule[:1] in (">", "#", "<", "!"):
            return self._with_password(rule)
        if rule[:1] == "(":
            selector = Selector()
            try:
                for one in rule[1:-1].split():
                    selector = selector.changed(one)
            except RuleError as problem:
                raise RuleError(rule, str(problem)) from None
            return replace(self, selectors=(*self.selectors, selector))
        return replace(self, root=self.root.changed(rule))

    def _with_password(self, rule: str) -> User:
        sign, text = rule[0], rule[1:]
        if sign in "#!" and not _HASH.fullmatch(text):
            raise RuleError(rule, BAD_HASH)
        digest = text if sign in "#!" else hashed(text.encode("utf-8", "surrogateescape"))
        others = tuple(one for one in self.hashes if one != digest)
        if sign in ">#":
            return replace(self, nopass=False, hashes=self.hashes if digest in self.hashes else (*others, digest))
        if others == self.hashes:
            raise RuleError(rule, NO_SUCH_PASSWORD)
        return replace(self, hashes=others)


def merged(rules: Iterable[str]) -> Iterator[str]:
    """The rules, those between parentheses as one. Raises RuleError."""
    opened: list[str] = []
    for rule in rules:
        if not opened and not rule.startswith("("):
            yield rule
            continue
        opened.append(rule)
        if rule.endswith(")"):
            yield " ".join(opened)
            opened = []
    if opened:
        raise RuleError("", f"Unmatched parenthesis in acl selector starting at '{opened[0]}'.")


def parsed(line: str) -> User:
    """The user that a line of the ACL file describes. Raises RuleError."""
    word, *rest = line.split()
    if word != "user" or not rest:
        raise RuleError(word, "a line begins with 'user' and a name")
    return User(rest[0]).changed(rest[1:])


@lru_cache(maxsize=8)
def defined(lines: tuple[str, ...]) -> Mapping[str, User]:
    """The users of these lines by name, in the order of their names; the default user is always among them."""
    users = {user.name: user for user in map(parsed, (DEFAULT_LINE, *lines))}
    return {name: users[name] for name in sorted(users)}


def read(text: str) -> tuple[str, ...]:
    """The lines of an ACL file, each as `User.line` has it. ValueError names the line and what is wrong with it."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            user = parsed(line)
        except RuleError as problem:
            # A password may stand in what cannot be understood.
            shown = "" if problem.rule[:1] in ("", ">", "<", "(") else f" {problem.rule!r}:"
            raise ValueError(f"line {number}:{shown} {problem}") from None
        if user.name in found:
            raise ValueError(f"line {number}: user {user.name!r} is there twice")
        found[user.name] = user.line
    return tuple(found[name] for name in sorted(found))


def edited(lines: tuple[str, ...], edit: Sequence[str], passwords: tuple[str, ...]) -> tuple[str, ...]:
    """The lines after ``setuser NAME RULE...`` or ``deluser NAME...``. `passwords` are those that the configuration
    gives to the default user. Raises RuleError."""
    users = dict(defined(lines))
    action, *names = edit
    if action == "deluser":
        for name in names:
            users.pop(name, None)
    else:
        name, *rules = names
        if name == DEFAULT and passwords:
            _spare(rules, passwords)
        users[name] = users.get(name, User(name)).changed(rules)
    return tuple(user.line for user in sorted(users.values(), key=lambda user: user.name) if user.line != DEFAULT_LINE)


def _spare(rules: Iterable[str], passwords: tuple[str, ...]) -> None:
    """Refuse rules that seem to take passwords away which the configuration goes on to give."""
    given = {hashed(one.encode("utf-8", "surrogateescape")) for one in passwords}
    for rule in rules:
        removed = rule[1:] if rule[:1] == "!" else hashed(rule[1:].encode("utf-8", "surrogateescape"))
        if rule.lower() in ("nopass", "resetpass", "reset") or (rule[:1] in ("<", "!") and removed in given):
            raise RuleError(rule, "the configuration gives the default user passwords; change security.password")
