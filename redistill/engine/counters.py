"""The counters that the daemon keeps, and the core's counts of each command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple


@dataclass
class DaemonCounters:
    """The counters of this process that the core does not count. They only grow; `publish` gets the name and the
    increase, so that the arena has the sums over all workers (core/arena/stats.h)."""

    connections_received: int = 0
    """Connections accepted, except for those that a limit refused, which the core counts, too."""
    idle_disconnections: int = 0
    """Closed for sending nothing in server.connection_timeout."""
    output_disconnections: int = 0
    """Closed for not reading their replies."""
    evicted_clients: int = 0
    """Closed since the buffers of all clients together were too large, and theirs the largest."""
    query_disconnections: int = 0
    """Closed for sending more than may wait to be executed."""
    failed_auths: int = 0
    denied_commands: int = 0
    """Not run, since the user may not run the command; the next: may not have the key."""
    denied_keys: int = 0
    denied_channels: int = 0
    tls_handshakes_failed: int = 0
    """Clients that came to speak TLS and did not get so far."""
    internal_errors: int = 0
    """Commands of the control plane that raised."""
    unknown_commands: int = 0
    """Calls to unknown commands."""
    connections_moved: int = 0
    """From a busy worker to another. Counted by the supervisor."""
    publish: Callable[[str, int], None] | None = field(default=None, compare=False, repr=False)

    def __setattr__(self, name: str, value: Any) -> None:
        if self.publish is not None:
            self.publish(name, value - getattr(self, name))
        super().__setattr__(name, value)


DAEMON_COUNTERS = tuple(one.name for one in fields(DaemonCounters) if one.name != "publish")


class CommandCount(NamedTuple):
    """The core's counts of one command, over all workers."""

    name: str
    """Full and in lower case: ``client|list``."""
    calls: int
    nanoseconds: int
    rejected: int
    """Refused before it ran."""
    failed: int
    """Ran and answered an error."""
    histogram: Sequence[int]
    """Durations: [0] below 1 us, [i] from 2**(i-1) to below 2**i us, the last: all that is longer."""
