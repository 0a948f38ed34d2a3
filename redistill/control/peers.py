"""The other workers, as the commands see them: questions to all of them, and changes of settings.

A question is a name and an argument that JSON can hold; each group of commands lists the questions that it answers
(`questions`). A server of one process has no other workers to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred, FirstError, gatherResults, succeed
from twisted.python.failure import Failure

from redistill.base.failures import Refused, reason_of
from redistill.config.errors import ConfigError
from redistill.config.rewrite import rewrite
from redistill.config.settings import Value
from redistill.control.slices import collected
from redistill.net.interfaces import Client, Reply

if TYPE_CHECKING:
    from redistill.control.state import ServerState

Question = Callable[[Any], Any]
"""This worker's answer to an argument. A generator gives its answer in steps: lists, which are joined (`answered`)."""


class Peers(Protocol):
    """The other processes. Only the others answer a question, not the worker that asks."""

    def ask(self, question: str, argument: Any, must: bool = False) -> list[Any] | Deferred[list[Any]]:
        """The answers of all other workers that answer in time. `must`: the question changes something, so no other
        worker may go on without an answer."""
        ...

    def give(self, connection: int, state: bytes, memory: int | None) -> Deferred[bool]:
        """Hand a connection over (`handover.Handover`); whether it was taken. The descriptor stays the caller's."""
        ...

    def change(self, server: ServerState, changes: Mapping[str, Value]) -> Deferred[None] | None:
        """Change settings in all workers, or in none: then it raises, or fails with, ConfigError or Refused."""
        ...

    def rewrite(self, server: ServerState) -> Deferred[None] | None:
        """Write the settings that were changed into the file. ConfigError."""
        ...


class Alone:
    """A server of one process."""

    def ask(self, question: str, argument: Any, must: bool = False) -> list[Any]:
        return []

    def give(self, connection: int, state: bytes, memory: int | None) -> Deferred[bool]:
        return succeed(False)

    def change(self, server: ServerState, changes: Mapping[str, Value]) -> None:
        config = server.config.replace(changes)
        server.apply(config)
        server.config = config

    def rewrite(self, server: ServerState) -> None:
        rewrite(server.config, server.loaded)
        server.loaded = server.config


def over_all(
    server: ServerState,
    client: Client,
    question: str,
    argument: Any,
    reply: Callable[[list[Any]], bytes | Deferred[bytes]],
    *,
    changes: bool = False,
    must: bool = False,
) -> Reply:
    """The reply that `reply` makes of the answers of all workers, this one's first.

    With `changes` the question goes on even if its client disconnects. Without, it does not begin before the locks
    of a transaction are released. `must`: see `Peers.ask`.
    """
    if client.session.state.locked and not changes:
        return partial(_over_all, server, question, argument, reply)
    return _over_all(server, question, argument, reply, changes=changes, must=must)


def _over_all(
    server: ServerState,
    question: str,
    argument: Any,
    reply: Callable[[list[Any]], bytes | Deferred[bytes]],
    *,
    changes: bool = False,
    must: bool = False,
) -> bytes | Deferred[bytes]:
    own = answered(server, question, argument, lasting=changes)
    others = server.peers.ask(question, argument, must)
    if not isinstance(own, Deferred) and not isinstance(others, Deferred):
        return reply([own, *others])
    waited = [one if isinstance(one, Deferred) else succeed(one) for one in (own, others)]
    return gatherResults(waited, consumeErrors=True).addCallbacks(
        lambda both: reply([both[0], *both[1]]), first_failure
    )


def answered(server: ServerState, question: str, argument: Any, *, lasting: bool = True) -> Any | Deferred[Any]:
    """This worker's answer, made in slices if it is given in steps; `lasting`: see `slices.collected`."""
    answer = server.questions[question](argument)
    return collected(server, answer, lasting=lasting) if isinstance(answer, GeneratorType) else answer


def first_failure(failure: Failure) -> Failure:
    """The failure of the first of several Deferreds that failed."""
    return failure.value.subFailure if isinstance(failure.value, FirstError) else failure


def problem_of(failure: BaseException) -> tuple[str, str]:
    """Why `Peers.change` has failed, as the directive (empty: not known) and the reason."""
    if isinstance(failure, Refused):
        return failure.directive, str(failure)
    return "", str(failure) if isinstance(failure, ConfigError) else reason_of(failure)


def raise_problem(problem: tuple[str, str] | None) -> None:
    """Raise the problem that `problem_of` described; None: do nothing."""
    if problem is not None:
        directive, reason = problem
        raise Refused(directive, reason) if directive else ConfigError(reason)
