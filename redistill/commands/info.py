"""INFO: the snapshot as text, with Redis's sections and field names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from redistill import resp, stats
from redistill.commands.arguments import text
from redistill.commands.clients import memory_of
from redistill.commands.interfaces import Client, Command, Reply
from redistill.commands.peers import Question, over_all
from redistill.commands.sections import SECTIONS, Fields
from redistill.commands.state import DATABASES, ServerState

RECENT = 1.0
"""Seconds for which a look at all connections is good."""
Counts = Mapping[str, Mapping[str, int]]
DETAIL = {"commandstats", "latencystats", "unknowncommands"}
"""Sections that are shown only when they are asked for, or all are."""
ALL = {"all", "everything"}


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {"info": lambda client, argv: info(server, client, argv)}


def questions(server: ServerState) -> Mapping[str, Question]:
    """What each worker answers that is not in the arena."""
    return {"unknown-commands": lambda nothing: server.unknown.snapshot()}


def info(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """INFO [section ...]"""
    asked = {text(word.lower()) for word in argv[1:]} or {"default"}
    wanted = [name for name in SECTIONS if name in asked or asked & ALL or ("default" in asked and name not in DETAIL)]

    def reply(unknown: Iterable[Counts]) -> bytes:
        body = ""
        if wanted:
            now = snapshot(server, with_commands=bool(DETAIL & set(wanted)))
            parts = {"unknowncommands": lambda: unknown_commands(merged(unknown))}
            body = "\r\n".join(
                section(SECTIONS[name][0], parts[name]() if name in parts else SECTIONS[name][1](server, now))
                for name in wanted
            )
        return resp.verbatim(body, client.session.state.resp)

    if "unknowncommands" in wanted:
        return over_all(server, client, "unknown-commands", None, reply)
    return reply(())


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
        uptime=server.wall() - server.identity.started,
        machine_memory=server.total_memory,
        databases=DATABASES,
        with_commands=with_commands,
    )


def publish(server: ServerState) -> None:
    """Say in the arena what this process has. What costs a look at all connections is up to `RECENT` old, since every
    client of a crowd that reconnects may ask."""
    now = server.reactor.seconds()
    server.store.workers.set_cpu(*stats.cpu_time())
    if not 0 <= now - server.published_at < RECENT:
        server.published_at = now
        server.store.workers.set_gauges(**summed(server.clients.values()), resident_memory=stats.private_memory())


def summed(clients: Iterable[Client]) -> dict[str, int]:
    """What these connections hold, by the names of the gauges (core/stats.h)."""
    largest_input = largest_output = memory = watching = blocked = 0
    for client in clients:
        state = client.session.state
        largest_input = max(largest_input, state.query_bytes)
        largest_output = max(largest_output, state.output_bytes)
        memory += memory_of(client)
        watching += state.watching > 0
        blocked += client.blocked
    return {
        "largest_input": largest_input,
        "largest_output": largest_output,
        "client_memory": memory,
        "watching_clients": watching,
        "blocked_clients": blocked,
    }


def merged(tables: Iterable[Counts]) -> dict[str, Counter[str]]:
    """Counts of unknown commands (`unknown.UnknownCommands.snapshot`) of several workers, added up."""
    whole: dict[str, Counter[str]] = {}
    for table in tables:
        for name, libraries in table.items():
            whole.setdefault(name, Counter()).update(libraries)
    return whole


def unknown_commands(table: Counts) -> Fields:
    """One line a name: all its calls, then those of each client library."""
    for name, libraries in sorted(table.items()):
        counts = "".join(f",{library}={count}" for library, count in sorted(libraries.items()))
        yield f"unknowncmd_{name}", f"count={sum(libraries.values())}{counts}"
