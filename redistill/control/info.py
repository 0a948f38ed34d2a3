"""INFO: the snapshot as text, with Redis's sections and field names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from redistill.base import resp
from redistill.config.acl import number_of, shown
from redistill.control.arguments import text
from redistill.control.client_list import CLIENT_BYTES, buffers_of
from redistill.control.peers import Question, over_all
from redistill.control.sections import SECTIONS
from redistill.control.sections.fields import Fields
from redistill.control.state import DATABASES, ServerState
from redistill.control.users import may_see_hashes
from redistill.engine import stats
from redistill.engine.process import cpu_time, private_memory
from redistill.net.interfaces import Client, Command, Reply

RECENT = 1.0
"""Seconds for which a look at all connections is good."""
Counts = Mapping[str, Mapping[str, int]]
DETAIL = {"commandstats", "latencystats", "unknowncommands", "secrets"}
"""Sections that are shown only when they are asked for, or all are."""
ALL = {"all", "everything"}


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {"info": lambda client, argv: info(server, client, argv)}


def questions(server: ServerState) -> Mapping[str, Question]:
    """The questions to each worker for figures that are not in the arena: its part of the sections named."""
    return {"info": lambda names: {name: SHARED[name][0](server) for name in names if name in SHARED}}


def info(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """INFO [section ...]"""
    asked = {text(word.lower()) for word in argv[1:]} or {"default"}
    wanted = [name for name in SECTIONS if name in asked or asked & ALL or ("default" in asked and name not in DETAIL)]
    if server.certificate is None and "tls" in wanted:
        wanted.remove("tls")

    shared = [name for name in wanted if name in SHARED]

    def reply(answers: Sequence[Mapping[str, Counts]]) -> bytes:
        body = ""
        if wanted:
            now = snapshot(server, with_commands=bool(DETAIL & set(wanted)))
            parts = {
                name: SHARED[name][1](server, client, merged(answer[name] for answer in answers if name in answer))
                for name in shared
            }
            body = "\r\n".join(
                section(SECTIONS[name][0], parts[name] if name in parts else SECTIONS[name][1](server, now))
                for name in wanted
            )
        return resp.verbatim(body, client.session.state.resp)

    return over_all(server, client, "info", shared, reply) if shared else reply(())


def section(title: str, fields: Fields) -> str:
    """One section's text."""
    return f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in fields)


def snapshot(server: ServerState, with_commands: bool = False) -> stats.Snapshot:
    """The figures of now."""
    publish(server)
    return stats.take(
        server.store,
        rates=server.rates,
        unix_time=server.wall(),
        started=server.identity.started,
        uptime=server.reactor.seconds() - server.identity.began,
        machine_memory=server.total_memory,
        databases=DATABASES,
        with_commands=with_commands,
    )


def publish(server: ServerState) -> None:
    """Write this process's figures into the arena. Figures that need a look at all connections are up to `RECENT` old,
    since each of many clients that reconnect at once may ask for INFO."""
    now = server.reactor.seconds()
    server.store.workers.set_cpu(*cpu_time())
    if not 0 <= now - server.published_at < RECENT:
        server.published_at = now
        server.store.workers.set_gauges(**summed(server), resident_memory=private_memory())


def summed(server: ServerState) -> dict[str, int]:
    """The buffers and states of the connections, by the names of the gauges (core/arena/stats.h). Idle connections, of
    which there may be thousands, are skipped: they hold no memory, and wait for nothing."""
    largest_input = largest_output = watching = 0
    memory = CLIENT_BYTES * len(server.clients)
    for number in server.store.clients_with_buffers(len(server.clients)):
        client = server.clients.get(number)
        if client is None:
            continue
        state = client.session.state
        largest_input = max(largest_input, state.query_bytes)
        largest_output = max(largest_output, state.output_bytes)
        memory += buffers_of(state)
        watching += state.watching > 0
    return {
        "largest_input": largest_input,
        "largest_output": largest_output,
        "client_memory": memory,
        "watching_clients": watching,
    }


def merged(tables: Iterable[Counts]) -> dict[str, Counter[str]]:
    """Counts of unknown commands (`unknown.UnknownCommands.snapshot`) of several workers, added up."""
    whole: dict[str, Counter[str]] = {}
    for table in tables:
        for name, libraries in table.items():
            whole.setdefault(name, Counter()).update(libraries)
    return whole


def unknown_commands(table: Counts) -> Fields:
    """A line for each name: the number of its calls, then the calls of each client library."""
    for name, libraries in sorted(table.items()):
        counts = "".join(f",{library}={count}" for library, count in sorted(libraries.items()))
        yield f"unknowncmd_{name}", f"count={sum(libraries.values())}{counts}"


def libraries(clients: Iterable[Client]) -> dict[str, dict[str, int]]:
    """The number of connections of each client library that have authenticated with a secret, by the secret as it is
    shown."""
    table: dict[str, Counter[str]] = {}
    for client in clients:
        if client.secret:
            library = " ".join(word.decode("ascii") for word in (client.lib_name, client.lib_ver) if word)
            table.setdefault(shown(client.secret), Counter())[library or "unknown"] += 1
    return {secret: dict(counts) for secret, counts in table.items()}


def secrets(server: ServerState, client: Client, table: Counts) -> Fields:
    """A line for each secret that is valid, or that connected clients have authenticated with. No line for a client
    that may not see hashes."""
    if not may_see_hashes(server, client):
        return
    used = {one.number: one for one in server.store.secrets}
    valid = {
        number_of(digest): (account.user.name, source)
        for account in server.users
        for digest, source in account.sources.items()
    }
    for number in (*valid, *(number for number, one in used.items() if one.connections and number not in valid)):
        user, source = valid.get(number, ("", "gone"))
        one = used.get(number)
        names = "|".join(sorted(_plain(library) for library in table.get(shown(number), {})))
        yield (
            f"secret_{shown(number)}",
            f"user={_plain(user)},source={source},last_used={int(one.last_used) if one else 0},"
            f"connections={one.connections if one else 0},authentications={one.uses if one else 0},"
            f"place={one.place if one else 0},libraries={names}",
        )


def _plain(text: str) -> str:
    """A name without the characters that separate the fields of a line."""
    return text.translate({ord(sign): "_" for sign in ",|="})


SHARED: Mapping[str, tuple[Callable[[ServerState], Counts], Callable[[ServerState, Client, Counts], Fields]]] = {
    "unknowncommands": (
        lambda server: server.unknown.snapshot(),
        lambda server, client, table: unknown_commands(table),
    ),
    "secrets": (lambda server: libraries(server.clients.values()), secrets),
}
"""Sections that all workers are asked for: a worker's part, and how the parts, added up, become the section."""
