"""All users, as a value that does not change: read from an ACL file, and edited by ACL SETUSER and DELUSER.

A change costs as much as the user that it is about, and a copy of the dictionary of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from redistill.base import words
from redistill.config.acl import DEFAULT, DEFAULT_LINE, User, checked, hashed, named, parsed
from redistill.config.selector import RuleError

MAX_USERS = 65536
MAX_LINES = 64 * 1024 * 1024
"""Bytes of all lines."""
TOO_MANY = f"There can't be more than {MAX_USERS} users, or {MAX_LINES} bytes of rules in all"


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
