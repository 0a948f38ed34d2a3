"""Where Redistill's replies differ from redis-server 7.0's on purpose. Each entry says why; nothing else may differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .replies import Reply


@dataclass(frozen=True)
class Difference:
    """A documented difference: whether it explains these two replies to this command, and the reason for it."""

    reason: str
    covers: Callable[[Sequence[bytes], Reply, Reply], bool]


def lowered(argv: Sequence[bytes]) -> list[bytes]:
    """The words of a command in lower case."""
    return [word.lower() for word in argv]


def starts(argv: Sequence[bytes], *names: str) -> bool:
    """Whether the command is one of the names, each of a word or two."""
    text = " ".join(word.decode("latin-1").lower() for word in argv[:2])
    return any(text == name or text.split(" ")[0] == name for name in names)


DIFFERENCES: tuple[Difference, ...] = ()

# Valkey 9 against redis-server 7.0, for the check of these tests against two servers that are both known to be good.
OF_VALKEY: tuple[Difference, ...] = ()

# Cells of COMMAND's table that differ: (command, column) -> reason.
TABLE_DIFFERENCES: dict[tuple[bytes, str], str] = {}
