"""Arguments without their secrets, as logs may keep them.

The position of a secret follows from the way in which the command reads its arguments. Arguments that no command would
read are not kept, because a misspelt command may be followed by a password, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from redistill.control.arguments import text
from redistill.control.configuration import KNOWN
from redistill.control.slowlog import MAX_ARGUMENTS
from redistill.engine.command_table import CommandTable

REDACTED = b"(redacted)"
SECRET = (b"pass", b"auth")
"""In a directive's name, also in that of one which there is not here."""


def redacted(argv: Sequence[bytes], table: CommandTable) -> list[bytes]:
    """`argv` with `REDACTED` in the place of secrets; only the first word of an unknown command or subcommand. As many
    arguments are checked as a log keeps (`slowlog.trimmed`)."""
    entry = table.find(argv)
    if entry is None:
        return list(argv[:1])
    reader = _READERS.get(entry.name)
    return list(argv) if reader is None else [*reader(argv[:MAX_ARGUMENTS], table), *argv[MAX_ARGUMENTS:]]


def _from(start: int) -> Callable[[Sequence[bytes], CommandTable], list[bytes]]:
    """All arguments from that one on are secret."""
    return lambda argv, table: [*argv[:start], *[REDACTED] * len(argv[start:])]


def _nested(start: int) -> Callable[[Sequence[bytes], CommandTable], list[bytes]]:
    """Another command stands there."""
    return lambda argv, table: [*argv[:start], *(redacted(argv[start:], table) if argv[start:] else ())]


def _hello(argv: Sequence[bytes], table: CommandTable) -> list[bytes]:
    """After the version options; from the first that HELLO does not know, all is secret."""
    words, at = list(argv), 2
    while at < len(words):
        option, left = words[at].lower(), len(words) - at - 1
        if option == b"auth" and left >= 2:
            words[at + 1 : at + 3] = [REDACTED] * 2
            at += 3
        elif option == b"setname" and left >= 1:
            at += 2
        else:
            words[at + (option == b"auth") :] = [REDACTED] * (left + (option != b"auth"))
            break
    return words


def _config_set(argv: Sequence[bytes], table: CommandTable) -> list[bytes]:
    """Values of directives that there are, and that are no secrets."""
    return [*argv[:2], *_pairs(argv[2:])]


def _pairs(words: Sequence[bytes]) -> Iterator[bytes]:
    whole = len(words) % 2 == 0  # otherwise names and values cannot be told apart
    for at, word in enumerate(words):
        name = words[at - at % 2].lower()
        if at % 2 == 0 or not whole:
            yield word if text(word.lower()) in KNOWN else REDACTED
        else:
            hidden = text(name) not in KNOWN or any(sign in name for sign in SECRET)
            yield REDACTED if hidden else word


_READERS: Mapping[str, Callable[[Sequence[bytes], CommandTable], list[bytes]]] = {
    "auth": _from(1),
    "hello": _hello,
    "acl|setuser": _from(2),
    "acl|getuser": _from(2),
    "acl|deluser": _from(2),
    "acl|dryrun": _nested(3),
    "command|getkeys": _nested(2),
    "command|getkeysandflags": _nested(2),
    "config|set": _config_set,
}
