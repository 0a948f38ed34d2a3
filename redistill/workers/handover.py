"""Hand-over: a worker gives a connection to another worker at the end of a command, and the client does not notice.

The giver sends the socket and, as bytes, the client's identity in JSON and the session as the core saves it
(core/session/handover.h). It keeps both until the taker has them, so a watched key is watched all the time, and a
connection that the taker refuses goes on in the giver.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from redistill.base.throttle import SELDOM
from redistill.engine import NotNow, Saved, Session
from redistill.net.loop import Loop
from redistill.net.protocol import RespProtocol
from redistill.net.protocol.interfaces import ClientIdentity
from redistill.net.transport import adopt
from redistill.workers.channel import was_refused

log = Logger()

WINDOW = 32
"""Connections that are on their way at the same time."""
AGAIN = 0.005
"""Seconds until the next try of clients that were within a command, or that were refused."""
LOOKED_AT = 256
"""Busiest connections that are measured, and among which `give_some` chooses."""
LARGE = 65536
"""Bytes; a larger session is sent in a file of its own, since AMP copies several times what it sends."""
SHARE = 4 << 20
"""Bytes of sessions that are given away before others are served."""
PIECE = 4 << 20
"""Bytes of one session that are written before others are served."""
HUGE = 8 << 20
"""Bytes; copying a session holds up all other clients. A larger session waits for a while, in which it may shrink: the
client may read its replies, and the rest of its command may arrive."""
HUGE_SECONDS = 5.0
"""Seconds that huge sessions wait."""
HEAVIER = 1.25
"""A connection is moved if its work is at most so many times the work still to be moved. A heavier one would only move
the imbalance, and soon come back."""


@dataclass
class Handed:
    """A client's identity without its session (`protocol.ClientIdentity`)."""

    client_id: int
    connected_at: float
    user: str
    secret: int
    name: bytes
    lib_name: bytes
    lib_ver: bytes


def packed(client: ClientIdentity, session: bytes, now: float) -> bytes:
    """`client` and its session as bytes for another process; `now` by this reactor's clock."""
    head = {
        "id": client.client_id,
        "age": now - client.connected_at,
        "user": client.user,
        "secret": client.secret,
        "name": client.name.decode("ascii"),
        "lib_name": client.lib_name.decode("ascii"),
        "lib_ver": client.lib_ver.decode("ascii"),
    }
    data = json.dumps(head).encode("ascii")
    return len(data).to_bytes(4, "little") + data + session


def unpacked(state: bytes, now: float) -> tuple[Handed, bytes]:
    """The client and its session. Raises ValueError, KeyError or TypeError for bytes that are not `packed`."""
    end = 4 + int.from_bytes(state[:4], "little")
    head = json.loads(state[4:end])
    names = (head[field].encode("ascii") for field in ("name", "lib_name", "lib_ver"))
    return Handed(head["id"], now - head["age"], head["user"], head.get("secret", 0), *names), state[end:]


def mapped(memory: int) -> mmap.mmap:
    """The contents of a file in memory; the descriptor is closed. Raises OSError or ValueError."""
    try:
        return mmap.mmap(memory, 0, prot=mmap.PROT_READ)
    finally:
        os.close(memory)


class Readmission(Interface):
    """The limits, and behind them the clients' factory."""

    def readmit(self, addr: IAddress) -> IProtocol | None:
        """A protocol for a connection that is counted and not refused."""
        ...


class Handover:
    """Gives this process's connections to others, and takes theirs."""

    def __init__(
        self,
        reactor: Any,
        loop: Loop,
        readmission: Readmission,
        clients: Mapping[int, RespProtocol],
        load: Callable[[Saved], Session],
        give: Callable[[int, bytes, int | None], Deferred[bool]],
        send_kept: Callable[[], bool],
    ) -> None:
        """`load` makes a session from its saved bytes (ValueError, NotNow). `give` sends a descriptor, a state and, for
        a large session, a file to another worker, and fires with whether that worker took them. `send_kept` is the
        store's: messages to other workers may wait here."""
        self._reactor = reactor
        self._loop = loop
        self._readmission = readmission
        self._clients = clients
        self._load = load
        self._give = give
        self._send_kept = send_kept
        self._flying = 0
        self._work: list[tuple[int, float]] = []
        """The heaviest clients' ids and weights, as of the last `measure_work`."""

    def take(self, connection: int, state: bytes, memory: int | None = None) -> bool:
        """Take a connection from another process. False: it could not be taken, and stays with the giver. The
        descriptors are closed or used here in either case."""
        sock = socket.socket(fileno=connection)
        try:
            large = None if memory is None else mapped(memory)
            client, saved = unpacked(state, self._reactor.seconds())
            session = self._load(saved if large is None else large)
        except NotNow:
            sock.close()
            return False
        except Exception as problem:
            log.error("a connection cannot be taken over: {problem}", problem=repr(problem), log_throttle=SELDOM)
            sock.close()
            return False
        try:
            self._adopt(sock, client, session)
        except Exception:  # a command may have been executed, so the giver must not go on with it
            log.failure("internal error in a connection that was taken over; it is closed")
            sock.close()
            session.close()
        return True

    def _adopt(self, sock: socket.socket, client: ClientIdentity, session: Session) -> None:
        def build(addr: IAddress) -> IProtocol | None:
            protocol: Any = self._readmission.readmit(addr)
            if protocol is not None:
                protocol.go_on_as(client, session)
            return protocol  # type: ignore[no-any-return]

        try:
            adopted = adopt(self._reactor, self._loop, sock, build)
        except OSError:  # the client has gone meanwhile
            adopted = None
        if adopted is None:
            session.close()

    # ---- giving ----

    def give_all(self, seconds: float) -> Deferred[None]:
        """Give away all connections that can be moved. Fires when none of them is left and no messages to other workers
        are kept, or after so many seconds."""
        done: Deferred[None] = Deferred()
        now = self._reactor.seconds()
        self._go_on(done, now + seconds, now + min(seconds / 2, HUGE_SECONDS))
        return done

    def _go_on(self, done: Deferred[None], until: float, huge: float) -> None:
        now, given = self._reactor.seconds(), 0
        for client in list(self._clients.values()):
            if self._flying >= WINDOW or given >= SHARE:
                break
            size = self._size(client)
            if (size < HUGE or now >= huge) and self.give(client):
                given += size
        late = now >= until
        given_all = not self._flying and not any(client.movable for client in self._clients.values())
        if (late and not self._flying) or (given_all and self._send_kept()):
            done.callback(None)
        else:
            self._reactor.callLater(AGAIN, self._go_on, done, until, huge)

    @staticmethod
    def _size(client: RespProtocol) -> int:
        state = client.session.state
        return int(state.query_bytes + state.output_bytes + state.multi_bytes)

    def measure_work(self) -> int:
        """Look at the work that each connection has made since the last call, for `give_some`. Returns how many made
        at least half as much as the heaviest."""
        busiest = self._loop.busiest(LOOKED_AT)
        self._work = [(client.client_id, commands + size / 256) for client, commands, size in busiest]
        most = max((weight for _, weight in self._work), default=0.0)
        return sum(weight >= most / 2 for _, weight in self._work)

    @inlineCallbacks
    def give_some(self, percent: int) -> Any:
        """Give away connections that did about `percent` of the work that was measured last. Fires with their number
        when all are being sent. A connection that does much more than that stays (`HEAVIER`)."""
        work, self._work = self._work, []
        wanted, given = sum(weight for _, weight in work) * percent / 100, 0
        for client_id, weight in work:
            while self._flying >= WINDOW:
                yield deferLater(self._reactor, AGAIN)
            client = self._clients.get(client_id)
            if client is None or self._size(client) >= HUGE:
                continue
            if weight <= wanted * HEAVIER and self.give(client):
                wanted -= weight
                given += 1
        return given

    def give(self, client: RespProtocol) -> bool:
        """Give one client away, if it is at the end of a command. Returns whether it is being sent."""
        found = client.detach()
        if found is None:
            return False
        sock, session = found
        saved = session.save()
        if saved is None:
            self._adopt(sock, client, session)
            return False
        self._flying += 1

        def gone(taken: bool) -> None:
            if taken:
                session.close()
                sock.close()
            else:
                self._adopt(sock, client, session)

        def unknown(failure: Failure) -> None:
            if was_refused(failure):
                gone(False)
                return
            log.warn(
                "a connection was lost during its hand-over to another worker: {reason}",
                reason=failure.getErrorMessage(),
            )
            gone(True)

        def landed(nothing: None) -> None:
            self._flying -= 1

        giving = self._hand(sock.fileno(), client, saved)
        giving.addCallbacks(gone, unknown).addErrback(
            lambda failure: log.failure("internal error in a hand-over", failure)
        )
        giving.addCallback(landed)
        return True

    def _hand(self, connection: int, client: RespProtocol, session: memoryview) -> Deferred[Any]:
        if len(session) <= LARGE:
            return self._give(connection, packed(client, bytes(session), self._reactor.seconds()), None)

        def hand(memory: int) -> Deferred[Any]:
            def sent(result: object) -> object:
                os.close(memory)
                return result

            return self._give(connection, packed(client, b"", self._reactor.seconds()), memory).addBoth(sent)

        def stays(failure: Failure) -> bool:  # no descriptor is left, or no memory
            failure.trap(OSError)
            log.warn("a connection was not handed over: {problem}", problem=failure.value)
            return False

        return self._stored(session).addCallbacks(hand, stays)

    @inlineCallbacks
    def _stored(self, session: memoryview) -> Any:
        """Fires with the descriptor of a file in memory that holds a session, which the caller closes; OSError. Other
        clients are served after each piece."""
        memory = os.memfd_create("session")
        try:
            rest = session
            while rest:
                rest = rest[os.write(memory, rest[:PIECE]) :]
                if rest:
                    yield deferLater(self._reactor, 0)
        except OSError:
            os.close(memory)
            raise
        return memory
