"""Clients of a factory whose session and control plane are played, over transports that are strings."""

from __future__ import annotations

import itertools
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine import Overflow, Status
from redistill.engine.counters import DaemonCounters
from redistill.engine.interfaces import SlowEntry
from redistill.net.protocol import RespFactory, RespProtocol


class PlayedSession:
    """Executes words that end in a space, as the core executes commands.

    ``ask:x`` is one of the control plane, ``quit`` closes, ``hold`` waits while `paused`, ``big:n`` gives n bytes and stops
    there, ``busy`` has had its share, ``busy:x`` in the middle of a command, ``bug`` raises. Any other word is its own reply.
    """

    def __init__(self) -> None:
        self.input = b""
        self.out = b""
        self.paused = False
        self.closed = False
        self.trimmed = 0
        self.asked: list[bytes] = []
        self.piece = 65536
        self.on_slow: Any = None
        self.state = self
        self.close_after_reply = self.in_exec = self.locked = self.deferred = self.monitors = self.subscribed = False
        self.wait: float | None = None
        self.shown_peer = ""
        self.overflowed = Overflow.NONE
        self.limit = 10**9
        self.parted = self.suspended = False
        self.busy = False
        self.last_active = 0.0

    @property
    def blocked(self) -> bool:
        """Whether it waits for the end of a pause."""
        return self.paused and self.input.startswith(b"hold ")

    def feed(self, data: bytes) -> Status:
        assert not self.closed, "fed after its end"
        self.input += data
        return self.resume()

    def resume(self) -> Status:
        assert not self.closed, "resumed after its end"
        self.suspended = False
        while b" " in self.input:
            if self.close_after_reply:
                return Status.CLOSE
            word, _, rest = self.input.partition(b" ")
            if word == b"hold" and self.paused:
                return Status.PAUSED
            self.input = rest
            name, _, value = word.partition(b":")
            if name == b"ask":
                self.asked = [name, value]
                return Status.CONTROL
            if name == b"busy":
                self.suspended = bool(value)
                return Status.BUSY
            if name == b"quit":
                self.out += b"bye "
                return Status.CLOSE
            if name == b"bug":
                raise ZeroDivisionError("a bug")
            if name == b"big":
                self.out += b"x" * int(value)
                return Status.FULL
            self.out += word + b" "
        return Status.CLOSE if self.close_after_reply else Status.MORE

    def output(self) -> bytes:
        out, self.out = self.out[: self.piece], self.out[self.piece :]
        return out

    @property
    def waiting(self) -> int:
        return len(self.out)

    def argv(self) -> list[bytes]:
        return self.asked

    def answer(self, data: bytes) -> None:
        self.out += data

    def abandon(self) -> bool:
        return False

    def push(self, data: bytes) -> bool:
        if len(self.out) + len(data) > self.limit:
            self.overflowed = Overflow.OUTPUT
            return False
        self.out += data
        return True

    def set_peer(self, text: str) -> None:
        self.shown_peer = text

    def trim(self) -> None:
        self.trimmed += 1

    def unsubscribe(self) -> None:
        """It subscribes to nothing."""

    def drop(self) -> None:
        self.out = self.input = b""

    def close(self) -> None:
        self.closed, self.suspended = True, False


class Transport(StringTransport):
    """A transport that tells its producer to pause at `room` bytes, until the client has `read` them."""

    room = 10**9

    def __init__(self, **addresses: Any) -> None:
        super().__init__(**addresses)
        self.aborted = False
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)
        if len(self.value()) > self.room and self.producer is not None:
            self.producer.pauseProducing()

    def read(self) -> bytes:
        """The output so far; then there is room again."""
        data: bytes = self.value()
        self.clear()
        if self.producer is not None:
            self.producer.resumeProducing()
        return data

    def abortConnection(self) -> None:
        self.aborted = True


class PlayedControl:
    """Answers with the word asked for in capitals, at once or when the test says so."""

    def __init__(self) -> None:
        self.deferred: Deferred[bytes] | None = None
        self.raises: Exception | None = None
        self.runs: list[list[bytes]] = []
        self.came: list[int] = []
        self.taken: list[int] = []
        self.slow_ones: list[tuple[int, SlowEntry]] = []

    def run(self, client: RespProtocol, argv: list[bytes]) -> bytes | Deferred[bytes]:
        self.runs.append(argv)
        if self.raises:
            raise self.raises
        return argv[1].upper() + b" " if self.deferred is None else self.deferred

    def connected(self, client: RespProtocol) -> None:
        self.came.append(client.client_id)

    def adopted(self, client: RespProtocol) -> None:
        self.taken.append(client.client_id)

    def left(self, client: RespProtocol) -> None:
        """Nothing to do."""

    def slow(self, client: RespProtocol, entry: SlowEntry) -> None:
        self.slow_ones.append((client.client_id, entry))


class PlayedCase(SynchronousTestCase):
    """Some clients of one factory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.control = PlayedControl()
        self.counters = DaemonCounters()
        self.clients: dict[int, RespProtocol] = {}
        self.sessions: list[PlayedSession] = []
        self.blocked: list[int] = []
        self.factory = RespFactory(
            self.clock,
            self.open_session,  # type: ignore[arg-type]
            self.control,
            self.clients,
            counters=self.counters,
            next_id=itertools.count(1).__next__,
            output_limit=1000,
            idle_timeout=60,
            read_size=4096,
            on_blocked=self.blocked.append,
        )
        self.client, self.transport, self.session = self.connect()

    def open_session(self) -> PlayedSession:
        """The session of a new client."""
        self.sessions.append(PlayedSession())
        return self.sessions[-1]

    def connect(self) -> tuple[RespProtocol, Transport, PlayedSession]:
        """One more client."""
        client, transport = self.factory.buildProtocol(None), Transport()  # type: ignore[arg-type]
        client.makeConnection(transport)
        return client, transport, client.session  # type: ignore[return-value]

    def lose(self, client: RespProtocol | None = None) -> None:
        """Lose the connection."""
        (client or self.client).connectionLost(Failure(ConnectionDone()))
