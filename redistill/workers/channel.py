"""The channel between the supervisor and a worker: AMP over an inherited socket pair.

Both ends run on one machine, but a worker may be newer than its supervisor (a reload after an upgrade). Messages are
therefore JSON and bytes, never pickles, and `VERSION` counts the changes that both ends must agree on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.amp import (
    AMP,
    UNKNOWN_ERROR_CODE,
    Argument,
    Boolean,
    Command,
    Descriptor,
    Integer,
    RemoteAmpError,
    Unicode,
    UnknownRemoteError,
)
from twisted.python.failure import Failure

from redistill.base.failures import reason_of
from redistill.base.throttle import SELDOM

log = Logger()

VERSION = 4
PIECE = 0xFFFF
"""Bytes of one value of a box (the AMP protocol)."""


class End(AMP):
    """One end of the channel.

    AMP by itself closes the connection at the first unexpected exception, and a worker ends with its channel. Here an
    exception in one answer fails only that answer: it is logged, the other end gets UnknownRemoteError, and both ends
    continue. Only a stream that is no longer AMP closes the connection.
    """

    def locateResponder(self, name: bytes) -> Callable[[Any], Deferred[Any]] | None:
        responder: Any = super().locateResponder(name)
        if responder is None:
            return None
        return lambda box: maybeDeferred(responder, box).addErrback(self._failed_in, name)

    def _failed_in(self, failure: Failure, name: bytes) -> Failure:
        if failure.check(RemoteAmpError) is not None:
            return failure
        log.failure(
            "internal error in the answer to {name!r}",
            failure,
            name=name.decode("ascii", "replace"),
            log_throttle=SELDOM,
        )
        error: Any = RemoteAmpError
        problem: Any = failure.value
        return Failure(error(UNKNOWN_ERROR_CODE, reason_of(problem).encode("utf-8", "replace"), False))

    def ampBoxReceived(self, box: Any) -> None:
        try:
            super().ampBoxReceived(box)
        except Exception:
            log.failure("invalid message on the channel between supervisor and worker", log_throttle=SELDOM)

    def callRemote(self, commandType: Any, *a: Any, **kw: Any) -> Any:
        """Like AMP's, but a message that cannot be sent fails the Deferred as well."""
        try:
            return super().callRemote(commandType, *a, **kw)
        except Exception:
            return fail()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        descriptors: Any = self._descriptors
        while descriptors:
            os.close(descriptors.popitem()[1])

    def unhandledError(self, failure: Failure) -> None:
        logged = type(failure.value) is RemoteAmpError  # by `_failed_in`
        if not logged and failure.check(ConnectionDone, ConnectionLost) is None:
            log.failure("internal error on the channel between supervisor and worker", failure, log_throttle=SELDOM)


class NoAnswer(Exception):
    """The other end has not answered in time."""


def within(call: Deferred[Any], clock: IReactorTime, seconds: float) -> Deferred[Any]:
    """The result of `call`, or NoAnswer after so many seconds; 0: no limit. `call` itself is not cancelled."""
    result: Deferred[Any] = Deferred()
    late = clock.callLater(seconds, result.errback, NoAnswer("no answer came in time")) if seconds else None

    def answered(value: Any) -> None:
        if late is not None and late.active():
            late.cancel()
        if not result.called:
            (result.errback if isinstance(value, Failure) else result.callback)(value)

    call.addBoth(answered)
    return result


def was_refused(failure: Failure) -> bool:
    """Whether the other end answered that it could not do what the message asked for."""
    return failure.check(UnknownRemoteError) is not None


class Handle(Descriptor):
    """A descriptor that is passed on, known by the number of its file.

    A process that has no free descriptor loses one that arrives. Twisted only counts descriptors and would use the next
    one in its place, so that a client would continue with another's connection.
    """

    def toStringProto(self, inObject: int, proto: Any) -> bytes:
        number = os.fstat(inObject).st_ino
        super().toStringProto(inObject, proto)
        return b"%d" % number

    def fromStringProto(self, inString: bytes, proto: Any) -> int:
        number = int(inString)
        for key, descriptor in proto._descriptors.items():
            if os.fstat(descriptor).st_ino == number:
                del proto._descriptors[key]
                return int(descriptor)
        raise LookupError("the descriptor was lost on its way: no more files can be opened")


class Blob(Argument):
    """Bytes of any length, split over as many values of a box as they need."""

    def toBox(self, name: bytes, strings: Any, objects: Any, proto: Any) -> None:
        data = objects.pop(name.decode())
        for number, start in enumerate(range(0, len(data) or 1, PIECE)):
            strings[b"%s.%d" % (name, number)] = data[start : start + PIECE]

    def fromBox(self, name: bytes, strings: Any, objects: Any, proto: Any) -> None:
        pieces: list[bytes] = []
        while (piece := strings.pop(b"%s.%d" % (name, len(pieces)), None)) is not None:
            pieces.append(piece)
        objects[name.decode()] = b"".join(pieces)


class Json(Blob):
    """A value as JSON, of any length. Text may hold bytes that are not UTF-8 as lone surrogates."""

    def toBox(self, name: bytes, strings: Any, objects: Any, proto: Any) -> None:
        key = name.decode()
        super().toBox(name, strings, {key: json.dumps(objects[key]).encode("ascii")}, proto)

    def fromBox(self, name: bytes, strings: Any, objects: Any, proto: Any) -> None:
        super().fromBox(name, strings, objects, proto)
        objects[name.decode()] = json.loads(objects[name.decode()])


def _fields(**kinds: Argument) -> Any:
    return [(name.encode(), kind) for name, kind in kinds.items()]


# ---- a worker to the supervisor ----


class Hello(Command):
    """A worker's first message. The answer has all that the worker needs to begin (see `workers.Orders`)."""

    arguments = _fields(version=Integer())
    response = _fields(orders=Json())


class Ready(Command):
    """The worker serves."""

    arguments = _fields()


class Unable(Command):
    """The worker cannot begin with its orders, for the given reason, and ends."""

    arguments = _fields(reason=Json())
    requiresAnswer = False


class Ask(Command):
    """Have all other workers answer a question; `answers` lacks workers that do not run or do not answer in time.

    `must`: all other workers have to answer; the supervisor waits for each unless it hangs (`supervision`).
    """

    arguments = _fields(question=Unicode(), argument=Json(), must=Boolean())
    response = _fields(answers=Json())


class Change(Command):
    """CONFIG SET: change these settings, everywhere or nowhere. `problem`: null, or the directive and the reason."""

    arguments = _fields(changes=Json())
    response = _fields(problem=Json())


class Rewrite(Command):
    """CONFIG REWRITE. `problem`: null or the reason."""

    arguments = _fields()
    response = _fields(problem=Json())


class Shutdown(Command):
    """Stop the server; `now`: without the grace period."""

    arguments = _fields(now=Boolean())
    requiresAnswer = False


class Give(Command):
    """Hand a connection over to the successor of the worker that gives it, or to one that has less to do.

    `connection` is its descriptor, `state` the result of `handover.packed`. The bytes of a large session are in
    the file `memory`, so that the supervisor does not copy them. If not `taken`, the connection stays with the giver.
    """

    arguments = _fields(connection=Handle(), state=Blob(), memory=Handle(optional=True))
    response = _fields(taken=Boolean())


# ---- the supervisor to a worker ----


class Question(Command):
    """`Ask` of another worker."""

    arguments = _fields(question=Unicode(), argument=Json())
    response = _fields(answer=Json())


class Listen(Command):
    """A listening socket, and the numbers of the workers that it belongs to. All listening sockets arrive one after
    another, before the `Apply`, or the answer to `Hello`, that gives their number."""

    arguments = _fields(listener=Handle(), workers=Json())
    requiresAnswer = False


class Apply(Command):
    """A new configuration, as its difference from the last (see `config.Config.to_json`), and its number
    (`engine.Store.caught_up`). With a `problem`, as in `Change`, the worker keeps its present configuration. `sockets`:
    the number of listening sockets that were sent (`Listen`) and replace the present ones; 0: the present ones stay."""

    arguments = _fields(config=Json(), generation=Integer(), sockets=Integer())
    response = _fields(problem=Json())


class Cover(Command):
    """Serve the listening sockets of worker `number` as well, or no longer."""

    arguments = _fields(number=Integer(), on=Boolean())


class Take(Command):
    """`Give` of another worker."""

    arguments = _fields(connection=Handle(), state=Blob(), memory=Handle(optional=True))
    response = _fields(taken=Boolean())


class MeasureWork(Command):
    """Measure the work of each connection since the last `MeasureWork`; `heavy` connections caused most of it."""

    arguments = _fields()
    response = _fields(heavy=Integer())


class MoveWork(Command):
    """Give away connections that caused about `percent` of the work that was measured last. Answered when they
    have been sent."""

    arguments = _fields(percent=Integer())
    response = _fields(given=Integer())


class Retire(Command):
    """Accept no more clients, hand all connections over, wait for the end of those that cannot be handed over, and end.

    Answered when the last connection is gone.
    """

    arguments = _fields()


class Stop(Command):
    """End: let the clients finish, for the grace period at most, or not at all with `now`."""

    arguments = _fields(now=Boolean())
