"""The running server as the control-plane commands see it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from redistill.config.config import Config
from redistill.control.denials import Denials
from redistill.control.guesses import Guesses
from redistill.control.latency import LatencyMonitor
from redistill.control.monitor import Monitors
from redistill.control.peers import Alone, Peers, Question
from redistill.control.slowlog import SlowLog
from redistill.control.unknown import UnknownCommands
from redistill.control.users import Users
from redistill.engine.counters import DaemonCounters
from redistill.engine.interfaces import Store
from redistill.engine.process import total_memory
from redistill.engine.stats import Rates
from redistill.net.interfaces import Client

REDIS_VERSION = "7.4.0"
"""The version that clients and their test suites check."""

DATABASES = 16


@dataclass(frozen=True)
class Identity:
    """The facts about a server that all its processes report."""

    run_id: str
    replication_id: str
    started: float
    """Seconds since the epoch."""
    began: float
    """`started` by the monotonic clock, for durations, which must not jump when the wall clock is set."""
    workers: int = 1
    supervised: str = "no"
    """The supervisor of the daemon: "systemd", or "no"."""
    changes_before: int = 0
    """Changes of the data set that were counted before the start, in an arena that was there already."""

    @classmethod
    def new(cls, *, workers: int = 1, supervised: str = "no", changes_before: int = 0) -> Identity:
        """The identity of a server that starts now."""
        return cls(
            os.urandom(20).hex(),
            os.urandom(20).hex(),
            time.time(),
            time.monotonic(),
            workers,
            supervised,
            changes_before,
        )


class ServerCertificate(Protocol):
    """See tls.context.TlsContext."""

    begins: float
    expires: float
    subject: str
    fingerprint: str


@dataclass
class ServerState:
    """Collaborators and run-time state that the command groups share. One a process."""

    config: Config
    """The configuration in force; CONFIG SET replaces it."""
    store: Store
    reactor: IReactorTime
    clients: Mapping[int, Client]
    """Client id -> client, in the order of connection."""
    counters: DaemonCounters = field(default_factory=DaemonCounters)
    apply: Callable[[Config], None] = lambda config: None
    """Puts a new configuration into effect, or raises Refused with nothing changed (`config.effect`)."""
    shutdown: Callable[[bool], None] = lambda now: None
    """Stop the daemon; True: without the grace period."""
    peers: Peers = field(default_factory=Alone)
    """The other workers."""
    questions: dict[str, Question] = field(default_factory=dict)
    """The questions that other workers may ask this one, by name."""
    number: int = 0
    """Number of this process among the workers."""
    identity: Identity = field(default_factory=lambda: Identity.new())
    wall: Callable[[], float] = time.time
    """Seconds since the epoch."""
    ticks: Callable[[], int] = time.perf_counter_ns
    """Nanoseconds, for durations."""
    slowlog: SlowLog = field(default_factory=SlowLog)
    latency: LatencyMonitor = field(default_factory=LatencyMonitor)
    unknown: UnknownCommands = field(default_factory=UnknownCommands)
    rates: Rates = field(default_factory=Rates)
    hands_on: bool = False
    """Whether messages will be sent after this turn (`pubsub.hand_on`)."""
    monitors: Monitors = field(init=False)
    denials: Denials = field(init=False)
    users: Users = field(init=False)
    loaded: Config = field(init=False)
    """The configuration of the file and the environment, at the start and after each CONFIG REWRITE."""
    total_memory: int = field(default_factory=total_memory)
    """Memory of the machine, in bytes."""
    guesses: Guesses = field(default_factory=Guesses)
    certificate: ServerCertificate | None = None
    """The certificate that clients get; None if TLS is off."""
    published_at: float = -1e9
    """Time of the reactor's clock at which this process last wrote the figures of its connections into the arena."""

    def __post_init__(self) -> None:
        self.loaded = self.config
        self.monitors = Monitors(self)
        self.denials = Denials(self.store.next_denial_id)
        self.users = Users(self.config)
