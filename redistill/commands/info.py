"""INFO: the snapshot as text, with Redis's sections and field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from redistill import resp, stats
from redistill.commands.arguments import text
from redistill.commands.clients import memory_of
from redistill.commands.interfaces import Client, Command
from redistill.commands.sections import SECTIONS, Section
from redistill.commands.state import DATABASES, ServerState

RECENT = 1.0
"""Seconds for which a look at all connections is good."""
DETAIL = {"commandstats", "latencystats"}
"""Sections that are shown only when they are asked for, or all are."""
ALL = {"all", "everything"}


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {"info": lambda client, argv: info(server, client, argv)}


def info(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """INFO [section ...]"""
    asked = {text(word.lower()) for word in argv[1:]} or {"default"}
    wanted = [name for name in SECTIONS if name in asked or asked & ALL or ("default" in asked and name not in DETAIL)]
    body = ""
    if wanted:
        now = snapshot(server, with_commands=bool(DETAIL & set(wanted)))
        body = "\r\n".join(section(*SECTIONS[name], server, now) for name in wanted)
    return resp.verbatim(body, client.session.state.resp)


def section(title: str, fields: Section, server: ServerState, now: stats.Snapshot) -> str:
    """One section's text."""
    return f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in fields(server, now))


def snapshot(server: ServerState, with_commands: bool = False) -> stats.Snapshot:
    """The figures of now."""
    return stats.take(
        server.store,
        clients=buffers(server),
        rates=server.rates,
        unix_time=server.wall(),
        uptime=server.reactor.seconds() - server.started_at,
        unknown_commands=server.unknown.snapshot(),
        unknown_total=server.unknown.total,
        machine_memory=server.total_memory,
        databases=DATABASES,
        with_commands=with_commands,
    )


def buffers(server: ServerState) -> stats.Buffers:
    """What all connections hold together: their number as of now, the rest up to `RECENT` old, since every client of
    a crowd that reconnects may ask."""
    now = server.reactor.seconds()
    if not 0 <= now - server.buffers_at < RECENT:
        server.buffers, server.buffers_at = summed(server.clients.values()), now
    return server.buffers._replace(connected=len(server.clients))


def summed(clients: Iterable[Client]) -> stats.Buffers:
    """What these connections hold."""
    largest_input = largest_output = memory = watching = blocked = 0
    for client in clients:
        state = client.session.state
        largest_input = max(largest_input, state.query_bytes)
        largest_output = max(largest_output, state.output_bytes)
        memory += memory_of(client)
        watching += state.watching > 0
        blocked += client.blocked
    return stats.Buffers(
        largest_input=largest_input,
        largest_output=largest_output,
        memory=memory,
        watching=watching,
        blocked=blocked,
    )
