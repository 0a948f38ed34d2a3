"""The latest denials, for ACL LOG: commands, keys, and failed authentications."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice

LOOKED_AT = 10
LONGEST_OBJECT = 1024
"""Characters of a key that was denied, and of the name of a user; the rest is cut off."""
ALIKE = 60.0
"""Seconds within which denials of the same kind are one entry, counted, if it is among the newest `LOOKED_AT`."""


@dataclass
class Entry:
    """Denials that differ in nothing but the client that was denied last."""

    number: int
    reason: str
    """``command``, ``key`` or ``auth``."""
    context: str
    """``toplevel``, or ``multi`` in a transaction."""
    object: str
    """The command, the key, or the command that authenticates."""
    user: str
    client: str
    """The client's line of CLIENT LIST."""
    created: float
    """Seconds since the epoch, as is `updated`."""
    updated: float
    count: int = 1

    @property
    def kind(self) -> tuple[str, str, str, str]:
        """Denials of which this is the same may be one entry."""
        return self.reason, self.context, self.object, self.user


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """The entries of several workers as one worker would have them, newest first: equal ones become one, with the
    number of the first."""
    found: list[Entry] = []
    newest: dict[tuple[str, str, str, str], Entry] = {}
    for entry in sorted(entries, key=lambda one: one.created):
        first = newest.get(entry.kind)
        if first is None or entry.created - first.updated > ALIKE:
            newest[entry.kind] = entry = replace(entry)
            found.append(entry)
            continue
        first.count += entry.count
        if entry.updated > first.updated:
            first.updated, first.client = entry.updated, entry.client
    return sorted(found, key=lambda one: -one.updated)


class Denials:
    """The newest entries of this process, newest first."""

    def __init__(self, next_number: Callable[[], int]) -> None:
        """`next_number` gives each entry its own."""
        self._entries: deque[Entry] = deque()
        self._next_number = next_number

    def add(self, reason: str, context: str, what: str, user: str, client: str, now: float, longest: int) -> None:
        """Something was denied at `now`; at most `longest` entries are kept."""
        what, user = what[:LONGEST_OBJECT], user[:LONGEST_OBJECT]
        for entry in islice(self._entries, LOOKED_AT):
            if entry.kind == (reason, context, what, user) and now - entry.updated <= ALIKE:
                entry.count += 1
                entry.updated, entry.client = now, client
                self._entries.remove(entry)
                self._entries.appendleft(entry)
                return
        number = self._next_number()
        self._entries.appendleft(Entry(number, reason, context, what, user, client, now, now))
        self.trim(longest)

    def trim(self, longest: int) -> None:
        """Forget the oldest beyond so many."""
        while len(self._entries) > longest:
            self._entries.pop()

    def first(self, count: int) -> list[Entry]:
        """The newest so many."""
        return list(islice(self._entries, count))

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
