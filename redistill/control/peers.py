"""The other workers, as the commands see them: what is asked of all of them, and where settings are changed.

A question is a name and an argument that JSON can hold; each group of commands says which it answers (`questions`). In
a server of one process there is nobody else to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred, FirstError, gatherResults, succeed
from twisted.python.failure import Failure

from redistill.base.failures import Refused, reason_of
from redistill.config.load import ConfigError
from redistill.config.rewrite import rewrite
from redistill.config.settings import Value
from redistill.control.slices import collected
from redistill.net.interfaces import Client, Reply

if TYPE_CHECKING:
    from redistill.control.state import ServerState

Question = Callable[[Any], Any]
"""This worker's answer to an argument. A generator gives its answer in steps: lists, which are joined (`answered`)."""


class Peers(Protocol):
    """Everything that goes beyond this process. Questions are answered by the others only, not by who asks."""

    def ask(self, question: str, argument: Any, must: bool = False) -> list[Any] | Deferred[list[Any]]:
        """The answers of all others, those that give none in time left out. `must`: it changes something, so that no
        other may go on without having answered."""
        ...

    def tell(self, question: str, argument: Any) -> None:
        """Have all others answer, and do not wait for it."""
        ...

    def give(self, connection: int, state: bytes, memory: int | None) -> Deferred[bool]:
        """Hand a connection over (`handover.Handover`); whether it is gone. The descriptor stays the caller's."""
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

    def tell(self, question: str, argument: Any) -> None:
        """There is nobody."""

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
    reply: Callable[[list[Any]], Reply],
    *,
    changes: bool = False,
    must: bool = False,
) -> Reply:
    """The reply that `reply` makes of the answers of all workers, this one's first.

    In a transaction it is this worker's answer only, for to wait for others with locks held, which they may need before
    they can answer, would be to wait for ever. What `changes` something is still done by all. `must`: see `Peers.ask`.
    """
    in_exec = client.session.state.in_exec
    own = answered(server, question, argument, at_once=in_exec, lasting=changes)
    if in_exec:
        if changes:
            server.peers.tell(question, argument)
        return reply([own])
    others = server.peers.ask(question, argument, must)
    if not isinstance(own, Deferred) and not isinstance(others, Deferred):
        return reply([own, *others])
    waited = [one if isinstance(one, Deferred) else succeed(one) for one in (own, others)]
    return gatherResults(waited, consumeErrors=True).addCallbacks(
        lambda both: reply([both[0], *both[1]]), first_failure
    )


def answered(
    server: ServerState, question: str, argument: Any, *, at_once: bool = False, lasting: bool = True
) -> Any | Deferred[Any]:
    """This worker's answer, made in slices if it is given in steps; `at_once`, `lasting`: see `slices.collected`."""
    answer = server.questions[question](argument)
    return collected(server, answer, at_once=at_once, lasting=lasting) if isinstance(answer, GeneratorType) else answer


def first_failure(failure: Failure) -> Failure:
    """What failed, of several that were waited for."""
    return failure.value.subFailure if isinstance(failure.value, FirstError) else failure


def problem_of(failure: BaseException) -> tuple[str, str]:
    """Why `Peers.change` has failed, as the directive (empty: not known) and the reason."""
    if isinstance(failure, Refused):
        return failure.directive, str(failure)
    return "", str(failure) if isinstance(failure, ConfigError) else reason_of(failure)


def raise_problem(problem: tuple[str, str] | None) -> None:
    """The same back again; None: there was none."""
    if problem is not None:
        directive, reason = problem
        raise Refused(directive, reason) if directive else ConfigError(reason)
