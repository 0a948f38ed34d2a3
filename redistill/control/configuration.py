"""CONFIG: the settings of the running server, under Redis's name if Redis has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from redistill.base import resp
from redistill.base.failures import Refused
from redistill.config.errors import BadValue, ConfigError
from redistill.config.settings import Value
from redistill.control.arguments import text
from redistill.control.parameters import OfSetting, Parameter, parameters
from redistill.control.peers import Question, over_all
from redistill.control.slices import sliced
from redistill.control.state import ServerState
from redistill.engine.glob import Glob, shared_steps
from redistill.net.interfaces import Client, Command, Reply

HELP = """\
CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
GET <pattern>
    Return parameters matching the glob-like <pattern> and their values.
SET <directive> <value>
    Set the configuration <directive> to <value>.
RESETSTAT
    Reset statistics reported by the INFO command.
REWRITE
    Rewrite the configuration file.
HELP
    Prints this help.""".splitlines()

KNOWN = parameters()


MAX_VALUE = 65536
"""Bytes of a value in CONFIG SET."""
PATTERNS = 4
"""All patterns of one CONFIG GET may together take as long as so many (`glob.STEPS`)."""


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "config|get": lambda client, argv: get(server, client, argv),
        "config|set": lambda client, argv: set_(server, client, argv),
        "config|rewrite": lambda client, argv: write(server, client),
        "config|resetstat": lambda client, argv: over_all(
            server, client, "reset-statistics", None, lambda done: resp.OK, changes=True
        ),
        "config|help": lambda client, argv: resp.lines(HELP),
    }


def questions(server: ServerState) -> Mapping[str, Question]:
    """The questions to each worker, for CONFIG RESETSTAT."""
    return {"reset-statistics": lambda nothing: reset_statistics(server)}


def get(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """CONFIG GET pattern [pattern ...]: each directive once, in the alphabet's order.

    A word without glob characters is answered under the name as the client wrote it, as Redis does.
    """

    def parts() -> Iterator[bytes]:
        found: dict[bytes, str] = {}
        names: set[str] = set()
        steps = shared_steps(PATTERNS)
        for word in dict.fromkeys(argv[2:]):
            if len(names) == len(KNOWN):
                break
            for name, shown_as in asked(word, steps):
                if name not in names:
                    names.add(name)
                    found[shown_as] = KNOWN[name].shown(server)
            yield b""
        pairs = [(resp.bulk(name), resp.bulk(found[name])) for name in sorted(found)]
        yield resp.mapping(pairs, client.session.state.resp)

    return sliced(server, client, parts())


def asked(word: bytes, steps: Any) -> list[tuple[str, bytes]]:
    """The directives that a word of CONFIG GET means, and the names they are answered under."""
    if any(byte in b"*?[" for byte in word):
        glob = Glob(word, nocase=True, steps=steps)
        return [(name, name.encode()) for name in KNOWN if glob.matches(name.encode())]
    name = text(word.lower())
    return [(name, word)] if name in KNOWN else []


def failed(name: bytes, reason: str) -> bytes:
    """Redis's refusal of a CONFIG SET, none of which took effect."""
    return resp.error(f"ERR CONFIG SET failed (possibly related to argument '{resp.shown(name)}') - {reason}")


def set_(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """CONFIG SET directive value [directive value ...]: all of them, or none."""
    if len(argv) % 2:
        return resp.error("ERR syntax error")
    pairs = list(zip(argv[2::2], argv[3::2], strict=True))
    if refusal := misnamed([word for word, raw in pairs]):
        return refusal
    changes: dict[str, Value] = {}
    words: dict[str, bytes] = {}
    """Setting that changes -> the name that the client used."""
    for word, raw in pairs:
        if len(raw) > MAX_VALUE:
            return failed(word, f"argument must not be longer than {MAX_VALUE} bytes")
        try:
            new = KNOWN[text(word.lower())].changes(text(raw))
        except BadValue as problem:
            return failed(word, problem.redis)
        if new.keys() & words.keys():
            return failed(word, "duplicate parameter")
        changes |= new
        words |= dict.fromkeys(new, word)
    if not changes:
        return resp.OK

    def refused(problem: ConfigError | Refused) -> bytes:
        if isinstance(problem, Refused):
            known = KNOWN.get(problem.directive)
            named = words.get(known.row.name) if isinstance(known, OfSetting) else None
            return failed(named or problem.directive.encode(), str(problem))
        return failed(words.get(problem.setting, pairs[0][0]), str(problem))

    def changed(nothing: None) -> bytes:
        return resp.OK

    return settled(client, lambda: server.peers.change(server, changes), changed, refused)


def settled(
    client: Client,
    act: Callable[[], Deferred[None] | None],
    done: Callable[[None], bytes],
    refused: Callable[[ConfigError | Refused], bytes],
) -> Reply:
    """The reply to a change of settings, at once or when all workers have made the change.

    A client that the change disconnects gets the reply first (`users.changed`).
    """
    client.changes = True
    try:
        acting = act()
    except (ConfigError, Refused) as problem:
        client.changes = False
        return refused(problem)
    if acting is None:
        client.changes = False
        return done(None)

    def over(result: Failure | None) -> Failure | None:
        client.changes = False
        return result

    def judged(failure: Failure) -> bytes | Failure:
        return refused(failure.value) if isinstance(failure.value, (ConfigError, Refused)) else failure

    return acting.addBoth(over).addCallbacks(done, judged)


def misnamed(words: list[bytes]) -> bytes | None:
    """The refusal of directives that there are not, that cannot be changed, or that come twice. Redis looks at all of
    them before it looks at a value."""
    seen: list[Parameter] = []
    for word in words:
        parameter = KNOWN.get(text(word.lower()))
        if parameter is None:
            return resp.error(f"ERR Unknown option or number of arguments for CONFIG SET - '{resp.shown(word)}'")
        if parameter.refusal:
            return failed(word, parameter.refusal)
        if any(parameter is other for other in seen):
            return failed(word, "duplicate parameter")
        seen.append(parameter)
    return None


def write(server: ServerState, client: Client) -> Reply:
    """CONFIG REWRITE: write the changes of CONFIG SET into the file."""

    def refused(problem: Exception) -> bytes:
        return resp.error(f"ERR {problem}")

    return settled(client, lambda: server.peers.rewrite(server), lambda nothing: resp.OK, refused)


def reset_statistics(server: ServerState) -> None:
    """This worker's part of CONFIG RESETSTAT."""
    server.store.reset_stats()
    server.unknown.reset()
