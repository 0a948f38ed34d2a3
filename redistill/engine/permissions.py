"""The permissions of a user, in the core's terms (core/session/acl.h)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from redistill._core import ffi, lib
from redistill.engine.command_table import CommandEntry

READ: int = lib.RD_ACL_MAY_READ
WRITE: int = lib.RD_ACL_MAY_WRITE


class Selector(Protocol):
    """A set of commands and of patterns of keys and channels: `config.selector.Selector`."""

    @property
    def all_keys(self) -> bool: ...

    @property
    def all_channels(self) -> bool: ...

    def command_ids(self) -> Iterable[int]: ...

    def key_patterns(self) -> Iterable[tuple[Sequence[bytes], int]]:
        """Pairs: patterns of keys, and the access to them that is granted (`READ`, `WRITE` or both)."""
        ...

    def channel_patterns(self) -> Sequence[bytes]: ...


class Denial(enum.IntEnum):
    """Why a user may not run a command (core/session/acl.h)."""

    NONE = lib.RD_ALLOWED
    COMMAND = lib.RD_DENIED_COMMAND
    KEY = lib.RD_DENIED_KEY
    CHANNEL = lib.RD_DENIED_CHANNEL


class Permissions:
    """The permissions of a user, as the core checks them (core/session/acl.h). They are immutable."""

    def __init__(self, selectors: Iterable[Selector]) -> None:
        """A command is allowed when one of `selectors` allows it with all its keys. MemoryError."""
        self.core: Any = ffi.gc(lib.rd_acl_new(), lib.rd_acl_free)
        done = self.core != ffi.NULL
        for selector in selectors:
            ids = sorted(selector.command_ids())
            done = done and lib.rd_acl_select(self.core, ids, len(ids), selector.all_keys, selector.all_channels)
            for patterns, access in selector.key_patterns():
                text = b"\0".join(patterns)
                done = done and lib.rd_acl_allow_keys(self.core, text, len(text), access)
            if channels := selector.channel_patterns():
                text = b"\0".join(channels)
                done = done and lib.rd_acl_allow_channels(self.core, text, len(text))
        if not done:
            raise MemoryError("no memory for a user's permissions")

    def judge(self, entry: CommandEntry, argv: Sequence[bytes]) -> tuple[Denial, int]:
        """Whether a command, whose arity is right, may run; and if not for a key or channel, the place of that in
        `argv`."""
        buffers = [ffi.from_buffer(word) for word in argv]
        words = ffi.new("rd_bytes[]", [(ffi.cast("uint8_t *", buffer), len(buffer)) for buffer in buffers])
        position = ffi.new("uint32_t *")
        denial = lib.rd_acl_check(self.core, lib.rd_command_by_id(entry.id), words, len(argv), position)
        return Denial(denial), int(position[0])
