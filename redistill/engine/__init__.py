"""The typed interface of the core: the arena as `Store`, one client's conversation as `Session`.

Nothing here knows a command or a socket, and nothing of the control plane is imported.
"""

from __future__ import annotations

from redistill.engine.process import (
    adopt_orphans,
    bound_heap,
    die_with_parent,
    name_arguments,
    name_process,
    trim_memory,
)
from redistill.engine.session import PIECE, STATUSES, Blocked, Overflow, Saved, Session, Status
from redistill.engine.store import MAGIC, PLACES, POLICIES, ArenaError, NotNow, Store, min_memory

__all__ = [
    "MAGIC",
    "PIECE",
    "PLACES",
    "POLICIES",
    "STATUSES",
    "ArenaError",
    "Blocked",
    "NotNow",
    "Overflow",
    "Saved",
    "Session",
    "Status",
    "Store",
    "adopt_orphans",
    "bound_heap",
    "die_with_parent",
    "min_memory",
    "name_arguments",
    "name_process",
    "trim_memory",
]
