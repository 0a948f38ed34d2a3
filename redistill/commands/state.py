"""The running server as the control-plane commands see it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from redistill.commands.interfaces import Client, Store
from redistill.commands.latency import LatencyMonitor
from redistill.commands.peers import Alone, Peers, Question
from redistill.commands.slowlog import SlowLog
from redistill.commands.unknown import UnknownCommands
from redistill.config import Config
from redistill.stats import Buffers, DaemonCounters, Rates, total_memory

REDIS_VERSION = "7.2.4"
"""What clients and their test suites branch on."""

DATABASES = 16


@dataclass
class ServerState:
    """Collaborators and run-time state that the command groups share. One a process."""

    config: Config
    """As it is now: CONFIG SET puts another one here."""
    store: Store
    reactor: IReactorTime
    clients: Mapping[int, Client]
    """By id, in the order in which they came."""
    counters: DaemonCounters = field(default_factory=DaemonCounters)
    apply: Callable[[Config], None] = lambda config: None
    """Puts a new configuration into effect, or raises Refused with nothing changed."""
    shutdown: Callable[[bool], None] = lambda now: None
    """Stop the daemon; True: without the grace period."""
    peers: Peers = field(default_factory=Alone)
    """The other workers."""
    questions: dict[str, Question] = field(default_factory=dict)
    """What the others may ask this worker, by name."""
    supervised: str = "no"
    """Who keeps the daemon running: "systemd", or nobody that it knows of."""
    wall: Callable[[], float] = time.time
    """Seconds since the epoch."""
    ticks: Callable[[], int] = time.perf_counter_ns
    """Nanoseconds, for durations."""
    run_id: str = field(default_factory=lambda: os.urandom(20).hex())
    replication_id: str = field(default_factory=lambda: os.urandom(20).hex())
    slowlog: SlowLog = field(default_factory=SlowLog)
    latency: LatencyMonitor = field(default_factory=LatencyMonitor)
    unknown: UnknownCommands = field(default_factory=UnknownCommands)
    rates: Rates = field(default_factory=Rates)
    started_at: float = 0.0
    """As of the reactor's clock."""
    loaded: Config = field(init=False)
    """As it was at the start, and after each CONFIG REWRITE: what the file and the environment say."""
    total_memory: int = field(default_factory=total_memory)
    """Of the machine, bytes."""
    buffers: Buffers = field(default_factory=Buffers)
    """Of all connections, as they were at `buffers_at` (the reactor's clock)."""
    buffers_at: float = -1e9
    http_logged_at: float = -1e9
    """When the log last said that somebody speaks HTTP."""
    startup_memory: int = 0
    """What the empty store took."""

    def __post_init__(self) -> None:
        self.started_at = self.reactor.seconds()
        self.loaded = self.config
