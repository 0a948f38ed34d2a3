"""The lifetimes of the daemon: the store's, and within it the clients'."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from typing import Protocol as Interface

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from redistill.base.logs import SELDOM
from redistill.config.config import Config
from redistill.engine import Store
from redistill.lifetime.arena import Arena
from redistill.net.endpoints import EndpointListener
from redistill.net.gate import Gate
from redistill.net.loop import Loop
from redistill.net.protocol import RespProtocol
from redistill.net.sockets import close_listeners, log_addresses, set_keepalive
from redistill.net.tickets import Post
from redistill.net.transport import adopt_port

log = Logger()

SERVING = "ok"
"""The state of a server that serves; any other says why it does not."""
SWEEP_NS = 1_000_000
"""Longest time that background work keeps clients waiting."""
SHRINK_REGIONS = 4
RESTED, STEADY, PRESSED = 0.1, 0.02, 0.003
"""Seconds to the next sweep: when nothing is left to do, in the middle of a round, when much is expiring."""
MUCH = 100
"""Keys removed in one sweep that make the next one follow at once."""
DRAIN = 0.01
"""Seconds between two looks at the clients that are still there while the server stops."""
CHATTER = 1.0
"""Seconds for which a client that goes on sending is still served then."""


class Control(Interface):
    """The control plane, as far as it follows the store's life."""

    def opened(self) -> None:
        """The store can be used."""
        ...

    def tick(self) -> None:
        """A second has passed."""
        ...

    def event(self, name: str, nanoseconds: int) -> None:
        """Something that keeps clients waiting took so long."""
        ...


class StoreService(MultiService):
    """Keeps the store: joins its arena, and closes both after its children have stopped."""

    def __init__(self, store: Store, arena: Arena, number: int) -> None:
        """`store` is open in `arena` when the service starts; `number` is this process's among the workers."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._store = store
        self._arena = arena
        self._number = number

    def startService(self) -> None:
        self._store.join(self._number)
        self._store.workers.beat()
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        stopped: Deferred[Any] = maybeDeferred(super().stopService)
        return stopped.addBoth(self._close)

    def _close(self, result: object) -> object:
        self._store.close()
        self._arena.close()
        return result


class ArenaWatch:
    """Says what has happened to the arena: shards were emptied, or the system had no memory for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = {"shards_lost": 0, "regions_refused": 0}

    def look(self) -> None:
        """Say what is new since the last look."""
        if lost := self._more("shards_lost"):
            log.warn(
                "{lost} of {shards} shards emptied: they were damaged, or a process died while it changed them",
                lost=lost,
                shards=self._store.num_shards,
            )
        if times := self._more("regions_refused"):
            log.warn(
                "the system has no memory for the arena ({times} times): keys are evicted or writes refused below"
                " memory.max_memory",
                times=times,
                log_throttle=SELDOM,
            )

    def _more(self, name: str) -> int:
        """How far a counter has gone up."""
        before, self._seen[name] = self._seen[name], self._store.counter(name)
        return max(0, self._seen[name] - before)


class BackgroundService(MultiService):
    """The background work of a process that serves clients, as long as its children run: it frees the memory of expired
    keys, sends a sign of life, and has the control plane note its figures."""

    def __init__(
        self,
        reactor: IReactorTime,
        store: Store,
        control: Control,
        part: int = 0,
        parts: int = 1,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        """This process sweeps `part` of `parts` parts of the shards, from 0. `look` is called before each step."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._store = store
        self._control = control
        self._part, self._parts = part, parts
        self._look = look
        self._lost = ArenaWatch(store)
        self._next: IDelayedCall | None = None
        self._second = LoopingCall(self._tick)
        self._second.clock = reactor

    def startService(self) -> None:
        self._control.opened()
        self._second.start(1.0)
        self._next = self._reactor.callLater(RESTED, self._sweep)
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        stopped: Deferred[Any] = maybeDeferred(super().stopService)
        return stopped.addBoth(self._rest)

    def _rest(self, result: object) -> object:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._second.stop()
        return result

    def _tick(self) -> None:
        self._control.tick()
        if self._parts == 1:  # of several workers, the supervisor looks
            self._lost.look()

    def _sweep(self) -> None:
        """One step of the background work; then its next time is set."""
        delay = RESTED
        try:
            self._store.workers.beat()
            self._look()
            delay = self._step()
        except Exception:
            log.failure("internal error in the background work")
        self._next = self._reactor.callLater(delay, self._sweep)

    def _step(self) -> float:
        store = self._store
        before = store.counter("expired_keys")
        began = time.perf_counter_ns()
        done = store.sweep(SWEEP_NS, self._part, self._parts)
        small = store.shrink(SHRINK_REGIONS)
        self._control.event("expire-cycle", time.perf_counter_ns() - began)
        if not small or store.counter("expired_keys") - before >= MUCH:
            return PRESSED
        return RESTED if done else STEADY


class ServerService(Service):
    """Accepts clients, and lets them finish before it stops."""

    def __init__(
        self,
        reactor: Any,
        loop: Loop,
        listeners: Sequence[Sequence[socket.socket]],
        number: int,
        door: Callable[[socket.socket], tuple[IProtocolFactory, Gate]],
        clients: Mapping[int, RespProtocol],
        grace: float,
        post: Post | None = None,
        endpoints: Sequence[EndpointListener] = (),
    ) -> None:
        """`listeners` are the bound sockets of each worker, of which this one is `number`; one socket may be several
        workers'. `door` gives the factory for the clients of one, and their gate. `grace` is the time in seconds that
        clients have to take their last replies. `post`: clients come through it, too. `endpoints` belong to worker 0:
        the process that accepts its clients listens on them."""
        self.grace = grace
        self.on_leaving: Callable[[], None] = lambda: None
        """Called when no more clients are accepted."""
        self._post = post
        self._endpoints = endpoints
        self._reactor = reactor
        self._loop = loop
        self._listeners = [list(some) for some in listeners]
        self._number = number
        self._door = door
        self._clients = clients
        self._covered: set[int] = set()
        self._ports: dict[socket.socket, IListeningPort] = {}

    def privilegedStartService(self) -> None:
        """Of a process that serves by itself: listen on its endpoints, before twistd drops its privileges. One that
        cannot be listened on stops the start with one line, as any other listening socket does."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        for endpoint in self._endpoints:
            endpoint.start()
            if endpoint.problem:
                raise SystemExit(
                    f"redistill: server.endpoints: cannot listen on {endpoint.description!r}: {endpoint.problem};"
                    " stop the program that has it, or change the setting"
                )

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.join(self._reactor)
        self.cover(self._number, True)
        if self._post is not None:
            self._post.start()
        if len(self._listeners) == 1:
            log_addresses(self._listeners)

    def state(self) -> str:
        """SERVING while clients are accepted, or why they are not."""
        return SERVING if self.running else "starting"

    def alive(self) -> bool:
        """A process that serves by itself and answers this serves."""
        return True

    def problem(self) -> str:
        """Empty: a change that cannot be applied is refused at once."""
        return ""

    def cover(self, number: int, on: bool) -> None:
        """Accept the clients of worker `number`, or no longer."""
        (self._covered.add if on else self._covered.discard)(number)
        wanted = {listener for number in self._covered for listener in self._listeners[number]}
        self._open(wanted)
        self._close(set(self._ports) - wanted)
        for endpoint in self._endpoints:
            if 0 in self._covered:
                endpoint.start()
            else:
                endpoint.stop()

    def listen(self, listeners: Sequence[Sequence[socket.socket]]) -> list[socket.socket]:
        """Accept clients on other sockets, of as many workers. What was used and is no more, which the caller closes;
        OSError, and nothing has changed."""
        wanted = {listener for number in self._covered for listener in listeners[number]}
        before = set(self._ports)
        try:
            self._open(wanted)
        except OSError:
            self._close(set(self._ports) - before)
            raise
        self._close(before - wanted)
        old, self._listeners = self._listeners, [list(some) for some in listeners]
        kept = {listener for some in listeners for listener in some}
        return list({listener for some in old for listener in some} - kept)

    def _open(self, listeners: set[socket.socket]) -> None:
        for listener in listeners - set(self._ports):
            fd, family = listener.fileno(), listener.family
            self._ports[listener] = adopt_port(self._reactor, self._loop, fd, family, *self._door(listener))

    def _close(self, listeners: set[socket.socket]) -> None:
        for listener in listeners:
            closing = maybeDeferred(self._ports.pop(listener).stopListening)
            closing.addErrback(lambda failure: log.failure("internal error while closing a port", failure))

    def apply(self, config: Config) -> None:
        """Go by the grace period and the keepalive of `config`."""
        self.grace = config.server.shutdown_grace_period_secs
        self.set_keepalive(config.performance.tcp_keepalive)

    def set_keepalive(self, seconds: int) -> None:
        """Set the keepalive of later connections."""
        for listener in {one for some in self._listeners for one in some}:
            if listener.family != socket.AF_UNIX:
                set_keepalive(listener, seconds)
        for endpoint in self._endpoints:
            endpoint.set_keepalive(seconds)

    def stop_accepting(self) -> None:
        """Leave new clients to others."""
        for number in list(self._covered):
            self.cover(number, False)
        if self._post is not None:
            self._post.stop()
        self.on_leaving()

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]
        log.info("stopping; {clients} clients", clients=len(self._clients))
        self.stop_accepting()
        close_listeners(self._listeners, remove=len(self._listeners) == 1)
        self._listeners = [[] for _ in self._listeners]
        stopped: Deferred[None] = Deferred()
        began = self._reactor.seconds()
        # Two, for a call that is due runs before the sockets are looked at: what has arrived is read in between.
        self._reactor.callLater(0, self._reactor.callLater, 0, self._drain, stopped, began, began)
        return stopped

    def _drain(self, stopped: Deferred[None], began: float, looked: float) -> None:
        """Close clients that have sent nothing since the last call; after the grace period, all clients."""
        now = self._reactor.seconds()
        for client in list(self._clients.values()):
            if now - began >= self.grace:
                client.abort()
            elif client.last_active < looked or now - began >= CHATTER:
                client.finish()
        if not self._clients:
            self._loop.leave(self._reactor)
            stopped.callback(None)
        else:
            self._reactor.callLater(DRAIN, self._drain, stopped, began, now)


class Stoppable(Interface):
    """A server, or several, whose stop takes time."""

    grace: float
    """Seconds that clients have."""

    def state(self) -> str:
        """SERVING while clients are served, or why they are not."""
        ...

    def alive(self) -> bool:
        """False if no client has been served for so long that only a restart can help."""
        ...

    def problem(self) -> str:
        """A problem that an operator must solve although clients may be served; empty if there is none."""
        ...


class SignalService(Service):
    """The actions of the operator's signals: TERM and INT stop the daemon gracefully, once; HUP reloads it, USR1 opens
    the log file again."""

    def __init__(
        self,
        reactor: Any,
        server: Stoppable,
        reload: Callable[[], object],
        reopen: Callable[[], object],
        delay: Callable[[], float],
    ) -> None:
        """`delay` gives the seconds between the word to stop and the stop, for load balancers to look elsewhere."""
        self._reactor = reactor
        self._server = server
        self._acts = (
            (signal.SIGTERM, self.stop),
            (signal.SIGINT, self.stop),
            (signal.SIGHUP, reload),
            (signal.SIGUSR1, reopen),
        )
        self._delay = delay
        self._end: IDelayedCall | None = None
        self.stopping = False

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        # After the reactor has installed its own, which would end the process with the signal's exit status.
        self._reactor.callWhenRunning(self._install)

    def _install(self) -> None:
        for number, act in self._acts:
            signal.signal(number, self._caller(act))

    def _caller(self, act: Callable[[], object]) -> Callable[[int, object], None]:
        return lambda number, frame: self._reactor.callFromThread(act)

    def stop(self, now: bool = False) -> None:
        """Stop the daemon. A second time, or with `now`: without waiting for anybody."""
        at_once = now or self.stopping
        if at_once:
            self._server.grace = 0
        delay = 0.0 if at_once else self._delay()
        if not self.stopping:
            self.stopping = True
            if delay:
                log.info("stopping in {seconds} seconds", seconds=delay)
                self._end = self._reactor.callLater(delay, self._reactor.stop)
            else:
                self._reactor.stop()
        elif self._end is not None and self._end.active():
            self._end.reset(0)
