"""Users and what they may do: Redis's access control lists, as values that do not change.

A user is a line of rules, ``user alice on #... ~cached:* -@all +get``, and `User.line` writes what `parsed` reads. The
words are those of Redis 7.2 (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/). Rules and
names are bytes (see `words`): they are split where Redis splits them. What the core needs to enforce them is made of a
`Selector`'s `command_ids` and `key_patterns`.

Whatever is taken from a client or a file went through `checked`: its line makes the same user again, since that is how
users go to the ACL file and to the other processes. A change costs as much as the user that it is about, and a copy of
the dictionary of all.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from itertools import groupby
from types import MappingProxyType

from redistill.base import words
from redistill.config.values import MAX_PASSWORD
from redistill.engine.command_table import CATEGORIES, CommandEntry, CommandTable
from redistill.engine.permissions import READ, WRITE

DEFAULT = "default"
"""The user that every connection begins as."""
DEFAULT_LINE = "user default on nopass ~* &* +@all"

MAX_NAME = 1024
"""Bytes of a user's name."""
MAX_LINE = 1024 * 1024
"""Bytes of a user's line, and of the rules that are added at once."""
MAX_RULES = 32768
"""Words of the same."""
MAX_SELECTORS = 1024
"""The most selectors that a user may have."""
MAX_USERS = 65536
MAX_LINES = 64 * 1024 * 1024
"""Bytes of all lines."""

SHOWN = 8

IGNORED = ("sanitize-payload", "skip-sanitize-payload")
"""Words without effect: what RESTORE is given is checked for everybody."""

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
BAD_HASH = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
NO_SUCH_PASSWORD = "The password you are trying to remove from the user does not exist"  # noqa: S105
LONG_PASSWORD = f"Passwords can't be longer than {MAX_PASSWORD} bytes"
BAD_NAME = "Usernames can't contain spaces or null characters"
LONG_NAME = f"Usernames can't be longer than {MAX_NAME} bytes"
LONG_LINE = (
    f"The rules of a user can't be more than {MAX_RULES} words of {MAX_LINE} bytes, or {MAX_SELECTORS} selectors"
)
TOO_MANY = f"There can't be more than {MAX_USERS} users, or {MAX_LINES} bytes of rules in all"
UNWRITABLE = "A selector with a pattern that has quotes or ends in ')' can't be written to an ACL file"

_ACCESS = re.compile(r"%(?P<access>r|w|rw|wr)(?:~|\Z)(?P<pattern>.*)", re.DOTALL | re.IGNORECASE | re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")
_SIGN = operator.itemgetter(slice(1))
_SEPARATOR = re.compile(f"[{words.SPACES}\0]")


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
    """A secret, given as `hashed` has it, as the arena knows it (core/arena/secrets.h)."""
    return int(digest[:16], 16)


def shown(number: int) -> str:
    """The same as operators see it: the first digits of its hash."""
    return f"{number:016x}"[:SHOWN]


# ---- what is allowed ----


@dataclass(frozen=True)
class Selector:
    """Commands, and the keys they may be run on."""

    commands: tuple[str, ...] = ("-@all",)
    """The rules in their order: ``+get``, ``-@dangerous``; the first is about ``@all``."""
    patterns: Mapping[str, int] = field(default_factory=dict)
    """Patterns of keys, and what may be done with keys that match: `READ`, `WRITE`, or both."""
    channels: tuple[str, ...] = ()
    """``&pattern``. No command uses them; they are kept, so that a line of Redis's stays as it is."""

    def changed(self, *rules: str) -> Selector:
        """With more rules. Raises RuleError."""
        draft = _SelectorDraft(self)
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
        return self.all_keys and self.command_ids() == _ids("@all")


@cache
def _ids(name: str) -> frozenset[int]:
    """The numbers of the commands that a rule without its sign is about, which `_SelectorDraft` has found to exist."""
    return frozenset(entry.id for entry in _meant(name))


def _meant(name: str) -> Iterable[CommandEntry]:
    if name == "@all":
        return table().flattened()
    if name.startswith("@"):
        return (entry for entry in table().flattened() if name[1:] in entry.categories)
    entry = table().by_name[name]
    return (entry, *entry.subcommands)


class _SelectorDraft:
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
        """One rule more. Raises RuleError."""
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
        if "*" in patterns or self._patterns.get("*") == READ | WRITE or _SEPARATOR.search("".join(patterns)):
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
        if _SEPARATOR.search(pattern):
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
        elif _SEPARATOR.search(rule):
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


# ---- users ----


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

    @cached_property
    def line(self) -> str:
        """The user as a line of the ACL file."""
        others = (f"({' '.join(selector.words)})" for selector in self.selectors)
        return " ".join(
            ("user", self.name, *self.flags, *(f"#{one}" for one in self.hashes), *self.root.words, *others)
        )

    @cached_property
    def size(self) -> int:
        """Bytes of its line."""
        return len(words.data(self.line))

    def changed(self, rules: Iterable[str]) -> User:
        """With the rules of ACL SETUSER, one after another. Raises RuleError. The result is not `checked`."""
        draft = _UserDraft(self)
        for sign, run in groupby(list(merged(rules)), key=_SIGN):
            if sign == "~":
                draft.add_patterns(list(run))
            else:
                for rule in run:
                    draft.add(rule)
        return draft.made()


class _UserDraft:
    """A user while rules are added to it, each in constant time."""

    def __init__(self, user: User) -> None:
        self._name = user.name
        self._begin(user)

    def _begin(self, user: User) -> None:
        self._enabled, self._nopass = user.enabled, user.nopass
        self._hashes = dict.fromkeys(user.hashes)
        self._root = _SelectorDraft(user.root)
        self._selectors = list(user.selectors)

    def made(self) -> User:
        """The user."""
        root, selectors = self._root.made(), tuple(self._selectors)
        return User(self._name, self._enabled, self._nopass, tuple(self._hashes), root, selectors)

    def add(self, rule: str) -> None:
        """One rule more. Raises RuleError."""
        sign = rule[:1]
        if sign in ("~", "%", "&", "+", "-"):
            self._root.add(rule)
        elif sign in (">", "#", "<", "!"):
            self._add_password(rule)
        elif sign == "(":
            self._add_selector(rule)
        else:
            self._add_word(words.lower(rule), rule)

    def add_patterns(self, rules: Sequence[str]) -> None:
        """See `_SelectorDraft`."""
        self._root.add_patterns(rules)

    def _add_word(self, word: str, rule: str) -> None:
        if word in ("on", "off"):
            self._enabled = word == "on"
        elif word in ("nopass", "resetpass"):
            self._nopass, self._hashes = word == "nopass", {}
        elif word == "reset":
            self._begin(User(self._name))
        elif word == "clearselectors":
            self._selectors = []
        elif word not in (
            "sanitize-payload",
            "skip-sanitize-payload",
        ):  # what RESTORE is given is checked for everybody
            self._root.add(rule)

    def _add_selector(self, rule: str) -> None:
        if len(self._selectors) >= MAX_SELECTORS:
            raise RuleError("", LONG_LINE)
        draft = _SelectorDraft(Selector())
        try:
            for one in self._words(rule[1:-1]):
                draft.add(one)
        except RuleError as problem:
            raise RuleError(rule, str(problem)) from None
        self._selectors.append(draft.made())

    def _words(self, text: str) -> list[str]:
        """The rules of a selector, which Redis reads like an inline request: a quote has a meaning there."""
        if '"' not in text and "'" not in text:
            return words.split(text)
        found = None if "\0" in text else words.unquoted(text)
        if found is None:
            raise RuleError("", SYNTAX)
        return found

    def _add_password(self, rule: str) -> None:
        sign, text = rule[0], rule[1:]
        if sign in "#!" and not _HASH.fullmatch(text):
            raise RuleError(rule, BAD_HASH)
        if sign == ">" and len(words.data(text)) > MAX_PASSWORD:
            raise RuleError("", LONG_PASSWORD)
        digest = text if sign in "#!" else hashed(words.data(text))
        if sign in ">#":
            self._nopass = False
            self._hashes[digest] = None
        elif digest in self._hashes:
            del self._hashes[digest]
        else:
            raise RuleError(rule, NO_SUCH_PASSWORD)


def merged(rules: Iterable[str]) -> Iterator[str]:
    """The rules, those between parentheses as one. Raises RuleError."""
    opened: list[str] = []
    for rule in rules:
        if opened:
            opened.append(rule)
            if rule[-1:] == ")":
                yield " ".join(opened)
                opened = []
        elif rule[:1] == "(" and rule[-1] != ")":
            opened = [rule]
        else:
            yield rule
    if opened:
        raise RuleError("", f"Unmatched parenthesis in acl selector starting at '{opened[0]}'.")


def parsed(line: str) -> User:
    """The user that a line of the ACL file describes. Raises RuleError."""
    word, *rest = words.split(line) or [""]
    if word != "user" or not rest:
        raise RuleError("", "a line begins with 'user' and a name")
    return User(named(rest[0])).changed(rest[1:])


def named(name: str) -> str:
    """`name`, if a user can have it: a line must hold it. Raises RuleError."""
    if not name or _SEPARATOR.search(name):
        raise RuleError("", BAD_NAME)
    if len(words.data(name)) > MAX_NAME:
        raise RuleError("", LONG_NAME)
    return name


def checked(user: User, line: str = "") -> User:
    """`user`, if its line is within bounds and makes the same user again, as one that was `parsed` from its own `line`
    does. Raises RuleError."""
    if user.size > MAX_LINE or user.line.count(" ") > MAX_RULES:
        raise RuleError("", LONG_LINE)
    if user.line == line:
        return user
    try:
        again = parsed(user.line)
    except RuleError:
        again = None
    if again != user or again.line != user.line:
        raise RuleError("", UNWRITABLE)
    return user


# ---- all of them ----


class UserTable(Mapping[str, User]):
    """All users by name; the default user is always among them. It does not change."""

    def __init__(self, users: Iterable[User] = ()) -> None:
        """Raises RuleError when they are too many."""
        self._users = {DEFAULT: _DEFAULT_USER} | {user.name: user for user in users}
        self._bytes = sum(user.size for user in self._users.values())
        self._judge()

    def _judge(self) -> None:
        if len(self._users) > MAX_USERS or self._bytes > MAX_LINES:
            raise RuleError("", TOO_MANY)

    def __getitem__(self, name: str) -> User:
        return self._users[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._users)

    def __len__(self) -> int:
        return len(self._users)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, UserTable) and self._users == other._users)

    __hash__ = None  # type: ignore[assignment]

    def ordered(self) -> list[User]:
        """The users by name, in the order of its bytes."""
        return [self._users[name] for name in sorted(self._users, key=words.data)]

    def replaced(self, changes: Mapping[str, User | None]) -> UserTable:
        """With other users of these names; None: there is none any more. Raises RuleError when they are too many."""
        new = UserTable.__new__(UserTable)
        new._users, new._bytes = dict(self._users), self._bytes
        for name, user in changes.items():
            old = new._users.pop(name, None) if user is None else new._users.get(name)
            if user is not None:
                new._users[name] = user
            new._bytes += (0 if user is None else user.size) - (0 if old is None else old.size)
        new._judge()
        return new

    def differences(self, old: UserTable) -> dict[str, User | None]:
        """The difference from `old`, for `replaced`. Unchanged users cost next to nothing."""
        before = old._users
        changes: dict[str, User | None] = dict.fromkeys(before.keys() - self._users.keys())
        changes.update({name: user for name, user in self._users.items() if before.get(name) is not user})
        return changes


_DEFAULT_USER = parsed(DEFAULT_LINE)


def read(text: str, known: UserTable | None = None) -> UserTable:
    """The users of an ACL file; those of `known` that are the same are not made anew. ValueError names the line and
    what is wrong with it."""
    found: dict[str, User] = {}
    for number, line in enumerate(words.lines(text), 1):
        if not (line := words.strip(line)) or line.startswith("#"):
            continue
        try:
            user = _known(line, known) or checked(parsed(line), line)
            if user.name in found:
                raise RuleError("", f"user {user.name!r} is there twice")
        except RuleError as problem:
            # A password may stand in what cannot be understood.
            shown = f" {problem.rule!r}:" if problem.rule[:1] in ("+", "-", "~", "%", "&") else ""
            raise ValueError(f"line {number}:{shown} {problem}") from None
        found[user.name] = user
    return UserTable(found.values())


def _known(line: str, known: UserTable | None) -> User | None:
    """The user that has this line."""
    name = line.split(" ", 2)[1:2]
    user = known.get(name[0]) if known is not None and name else None
    return user if user is not None and user.line == line else None


def edited(users: UserTable, edit: Sequence[str], passwords: tuple[str, ...]) -> UserTable:
    """The users after ``setuser NAME RULE...`` or ``deluser NAME...``. `passwords` are those that the configuration
    gives to the default user. Raises RuleError."""
    action, *names = edit
    if action == "deluser":
        return users.replaced({name: None for name in names if name in users and name != DEFAULT})
    name, *rules = names
    if name == DEFAULT and passwords:
        _spare(rules, passwords)
    old = users.get(name)
    new = checked((old or User(named(name))).changed(rules))
    return users if old is not None and new.line == old.line else users.replaced({name: new})


def _spare(rules: Iterable[str], passwords: tuple[str, ...]) -> None:
    """Refuse rules that seem to take passwords away which the configuration goes on to give."""
    given = {hashed(words.data(one)) for one in passwords}
    for rule in rules:
        removed = rule[1:] if rule[:1] == "!" else hashed(words.data(rule[1:]))
        if words.lower(rule) in ("nopass", "resetpass", "reset") or (rule[:1] in ("<", "!") and removed in given):
            raise RuleError(rule, "the configuration gives the default user passwords; change security.password")
