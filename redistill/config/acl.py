"""Users and what they may do: Redis's access control lists, as values that do not change.

A user is a line of rules, ``user alice on #... ~cached:* -@all +get``, and `User.line` writes what `parsed` reads. What
is allowed is a matter of its selectors (`selector`).

Whatever is taken from a client or a file went through `checked`: its line makes the same user again, since that is how
users go to the ACL file and to the other processes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import groupby

from redistill.base import words
from redistill.config.lists import MAX_PASSWORD
from redistill.config.selector import SEPARATOR, SYNTAX, RuleError, Selector, SelectorDraft

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

SHOWN = 8
BAD_HASH = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
NO_SUCH_PASSWORD = "The password you are trying to remove from the user does not exist"  # noqa: S105
LONG_PASSWORD = f"Passwords can't be longer than {MAX_PASSWORD} bytes"
BAD_NAME = "Usernames can't contain spaces or null characters"
LONG_NAME = f"Usernames can't be longer than {MAX_NAME} bytes"
LONG_LINE = (
    f"The rules of a user can't be more than {MAX_RULES} words of {MAX_LINE} bytes, or {MAX_SELECTORS} selectors"
)
UNWRITABLE = "A selector with a pattern that has quotes or ends in ')' can't be written to an ACL file"
_HASH = re.compile(r"[0-9a-f]{64}")
_SIGN = operator.itemgetter(slice(1))


def hashed(password: bytes) -> str:
    """A password as it stands in a user's line: SHA-256, in hexadecimal digits."""
    return sha256(password).hexdigest()


def number_of(digest: str) -> int:
    """A secret, given as `hashed` has it, as the arena knows it (core/arena/secrets.h)."""
    return int(digest[:16], 16)


def shown(number: int) -> str:
    """A secret's number as operators see it: the first digits of its hash."""
    return f"{number:016x}"[:SHOWN]


@dataclass(frozen=True)
class User:
    """A user: its name, its passwords, and its permissions."""

    name: str
    enabled: bool = False
    nopass: bool = False
    """Any password is right."""
    hashes: tuple[str, ...] = ()
    """Hashes of the passwords, see `hashed`."""
    root: Selector = Selector()  # noqa: RUF009 - it does not change
    selectors: tuple[Selector, ...] = ()
    """Further sets of rules; a command is allowed if `root` or one of them allows it."""

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
        self._root = SelectorDraft(user.root)
        self._selectors = list(user.selectors)

    def made(self) -> User:
        """The user."""
        root, selectors = self._root.made(), tuple(self._selectors)
        return User(self._name, self._enabled, self._nopass, tuple(self._hashes), root, selectors)

    def add(self, rule: str) -> None:
        """Add one rule. Raises RuleError."""
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
        """See `SelectorDraft`."""
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
        draft = SelectorDraft(Selector())
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
    if not name or SEPARATOR.search(name):
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
