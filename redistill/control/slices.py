"""Replies that are made in slices, and work that is done in them, so that long ones hold up their own client only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred

from redistill.net.interfaces import Client, Reply

if TYPE_CHECKING:
    from redistill.control.state import ServerState

Made = TypeVar("Made")

SLICE = 5_000_000
"""Nanoseconds of work, after which others have their turn."""
PIECE = 65536
"""Bytes of a reply that are made before they go to the session. It reports whether there is room for more."""
MOST = 1024 * 1024
"""Bytes of a reply that are made in a slice, and then sent."""


def sliced(server: ServerState, client: Client, parts: Iterable[bytes]) -> Reply:
    """The reply that `parts` make together, b"" where a part is only a step of the work.

    The next part is made only while the session has room for it and the client reads. With the locks of a transaction
    held, an answer that takes longer than a slice goes on when they are released.
    """
    return _begun(server, client, iter(parts)) if client.session.state.locked else streamed(server, client, parts)


def _begun(server: ServerState, client: Client, parts: Iterator[bytes]) -> Reply:
    end = server.ticks() + SLICE
    made: list[bytes] = []
    size = 0
    for part in parts:
        made.append(part)
        size += len(part)
        if server.ticks() >= end or size >= MOST:
            return partial(streamed, server, client, chain(made, parts))
    return b"".join(made)


def streamed(server: ServerState, client: Client, parts: Iterable[bytes]) -> bytes | Deferred[bytes]:
    """As `sliced`, begun now; no locks are held."""
    iterator = iter(parts)
    session, ticks = client.session, server.ticks
    pushed = False

    def step() -> bytes | None:
        """Work for a slice. The end of the reply; None: there is more to do."""
        nonlocal pushed
        end = ticks() + SLICE
        made: list[bytes] = []
        size = total = 0
        for part in iterator:
            made.append(part)
            size += len(part)
            total += len(part)
            late = ticks() >= end or total >= MOST
            if size < PIECE and not late:
                continue
            pushed = True
            if not session.answer_part(b"".join(made)):
                return b""
            if late:
                return None
            made.clear()
            size = 0
        rest = b"".join(made)
        if pushed:  # a part of a reply is not to be taken for an error, whatever it begins with
            session.answer_part(rest)
            return b""
        return rest

    last = step()
    return last if last is not None else _waited_for(server, step, flush=client.flush)


def collected(server: ServerState, steps: Iterator[list[Any]], *, lasting: bool) -> list[Any] | Deferred[list[Any]]:
    """The lists that `steps` gives, joined; made in slices. `lasting`: the steps are finished even if the client
    disconnects."""
    found: list[Any] = []

    def step() -> list[Any] | None:
        end = server.ticks() + SLICE
        for some in steps:
            found.extend(some)
            if server.ticks() >= end:
                return None
        return found

    last = step()
    return last if last is not None else _waited_for(server, step, lasting=lasting)


def _waited_for(
    server: ServerState,
    step: Callable[[], Made | None],
    *,
    lasting: bool = False,
    flush: Callable[[Callable[[], None]], bool] = lambda on_read: True,
) -> Deferred[Made]:
    """Fires with the last result of `step`, which is called once a turn of the reactor, while `flush` permits it."""
    over = False

    def again() -> None:
        if over:
            return
        try:
            last = step()
            if last is None:
                if flush(later):
                    later()
                return
        except Exception:
            done.errback()
            return
        done.callback(last)

    def later() -> None:
        server.reactor.callLater(0, again)

    def stop(deferred: Deferred[Made]) -> None:
        nonlocal over
        over = True

    done: Deferred[Made] = Deferred(None if lasting else stop)
    if flush(later):
        later()
    return done
