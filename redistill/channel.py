"""What the supervisor and its workers say to each other: AMP over an inherited socket pair.

Both ends are of one machine, but a worker may be newer than its supervisor (a reload after an upgrade), so what is sent
is JSON and bytes, never pickles, and `VERSION` counts the changes that the two must agree on.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.protocols.amp import Argument, Boolean, Command, Descriptor, Integer, Unicode

VERSION = 3
CHANNEL, ARENA, LISTENERS = 3, 4, 5
"""Descriptors that a worker inherits; from the last on, the listening sockets of all workers in turn, then the box that
it empties and those of all workers (`tickets.Post`)."""
PIECE = 0xFFFF
"""Bytes of one value of a box (the AMP protocol)."""


class Blob(Argument):
    """Bytes of any length: in a box they are as many values as it takes."""

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
    """What JSON can hold, of any length. Text may hold bytes that are not UTF-8 as lone surrogates."""

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
    """The first thing that a worker says. The answer is all that it needs to begin (see `workers.Orders`)."""

    arguments = _fields(version=Integer())
    response = _fields(orders=Json())


class Ready(Command):
    """The worker serves."""

    arguments = _fields()


class Ask(Command):
    """Have all other workers answer a question; `answers` lacks those that are not there, or do not come in time."""

    arguments = _fields(question=Unicode(), argument=Json())
    response = _fields(answers=Json())


class Tell(Command):
    """The same for what needs no answer."""

    arguments = _fields(question=Unicode(), argument=Json())
    requiresAnswer = False


class Change(Command):
    """CONFIG SET: change these settings, everywhere or nowhere. `problem`: null, or the directive and the reason."""

    arguments = _fields(changes=Json())
    response = _fields(problem=Json())


class Rewrite(Command):
    """CONFIG REWRITE. `problem`: null or the reason."""

    arguments = _fields()
    response = _fields(problem=Json())


class Shutdown(Command):
    """Stop all of it; `now`: without the grace period."""

    arguments = _fields(now=Boolean())
    requiresAnswer = False


class Give(Command):
    """Hand a connection over to the successor of the worker that gives it, or to one that has less to do.

    `connection` is its descriptor, `state` what `protocol.RespProtocol.leave` made. Not `taken`: it is the giver's
    still.
    """

    arguments = _fields(connection=Descriptor(), state=Blob())
    response = _fields(taken=Boolean())


# ---- the supervisor to a worker ----


class Question(Command):
    """`Ask` and `Tell` of another worker."""

    arguments = _fields(question=Unicode(), argument=Json())
    response = _fields(answer=Json())


class Apply(Command):
    """Another configuration, as it differs from the last (see `config.Config.to_json`). `problem` as in `Change`."""

    arguments = _fields(config=Json())
    response = _fields(problem=Json())


class Cover(Command):
    """Serve the listening sockets of worker `number` as well, or no longer."""

    arguments = _fields(number=Integer(), on=Boolean())


class Take(Command):
    """`Give` of another worker."""

    arguments = _fields(connection=Descriptor(), state=Blob())
    response = _fields(taken=Boolean())


class Weigh(Command):
    """Look at the work that each connection has made since the last `Weigh`; `heavy` of them made the most of it."""

    arguments = _fields()
    response = _fields(heavy=Integer())


class Lighten(Command):
    """Give away connections that made about `percent` of the work that was weighed last. Answered when they are on
    their way."""

    arguments = _fields(percent=Integer())
    response = _fields(given=Integer())


class Retire(Command):
    """Accept nobody any more, hand all connections over, wait for those that cannot be, and end.

    Answered when the last connection is gone.
    """

    arguments = _fields()


class Stop(Command):
    """End: let the clients finish, for the grace period at most, or not at all with `now`."""

    arguments = _fields(now=Boolean())
