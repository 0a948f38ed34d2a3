"""Counts of unknown commands by name and client library, so that an operator sees which commands are missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from twisted.logger import Logger

from redistill.base import resp
from redistill.base.throttle import SELDOM
from redistill.net.interfaces import Client

if TYPE_CHECKING:
    from redistill.control.state import ServerState

log = Logger()

HTTP = (b"post", b"host:")
"""The first words of lines of HTTP that are no commands."""
MAX_NAMES = 128
"""Different names that are counted; all further ones count as `OTHER`."""
MAX_LIBRARIES = 32
"""Client libraries counted for one name; all further ones count as `OTHER`."""
MAX_LENGTH = 64
"""Bytes of a name that are kept."""
MAX_SHOWN = 128
"""Bytes of the name, and of all arguments together, in the refusal."""
OTHER = "(other)"
NO_LIBRARY = "(none)"

_UNSAFE = re.compile(r"[^A-Za-z0-9_.|()+-]")


class UnknownCommands:
    """Calls of unknown commands, by name and client library; bounded, whatever clients send."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def add(self, name: bytes, library: bytes) -> None:
        """Count one call of the command `name` by a client of `library` (empty: it did not say)."""
        libraries = self._counts.get(key := _word(name.lower()) or "(empty)")
        if libraries is None:
            if len(self._counts) >= MAX_NAMES:
                key = OTHER
            libraries = self._counts.setdefault(key, Counter())
        who = _word(library) or NO_LIBRARY
        if who not in libraries and len(libraries) >= MAX_LIBRARIES:
            who = OTHER
        libraries[who] += 1

    def reset(self) -> None:
        """Forget all (CONFIG RESETSTAT)."""
        self._counts.clear()

    def snapshot(self) -> Mapping[str, Mapping[str, int]]:
        """A copy of the counts: command name to library to calls."""
        return {name: dict(libraries) for name, libraries in self._counts.items()}


def _word(data: bytes) -> str:
    """`data` as a field of INFO: characters with a meaning there, or none that can be shown, become underscores."""
    return _UNSAFE.sub("_", data[:MAX_LENGTH].decode("ascii", "replace"))


def refusal(argv: list[bytes]) -> bytes:
    """Redis's reply to a command that it does not know, with the first of its arguments."""
    quoted = ""
    for argument in argv[1:]:
        room = MAX_SHOWN - len(quoted.encode("utf-8", "surrogateescape"))
        if room <= 0:
            break
        quoted += f"'{resp.shown(argument, room)}' "
    return resp.error(f"ERR unknown command '{resp.shown(argv[0], MAX_SHOWN)}', with args beginning with: {quoted}")


def hang_up(server: ServerState, client: Client) -> bytes:
    """No reply to HTTP, but the close, as in Redis: a web page can make its reader's browser send a POST to a server
    that only this browser reaches, and the lines of its body would be commands."""
    log.warn(
        "{peer} was closed: it sent HTTP, as a browser would for a malicious web page",
        peer=client.peer,
        log_throttle=SELDOM,
    )
    client.session.state.close_after_reply = True
    return b""
