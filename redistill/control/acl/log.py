"""ACL LOG: denied commands and failed authentications."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from redistill.base import resp
from redistill.control.arguments import integer, surplus, text
from redistill.control.client_list import describe
from redistill.control.denials import Entry, merged
from redistill.control.peers import over_all
from redistill.control.state import ServerState
from redistill.net.interfaces import Client, Reply

LOG_COUNT = 10


def note(server: ServerState, client: Client, reason: str, what: bytes, user: str) -> None:
    """Keep something for ACL LOG."""
    state = client.session.state
    server.denials.add(
        reason,
        "multi" if state.in_multi or state.in_exec else "toplevel",
        text(what),
        user,
        describe(server, [client])[client.client_id].rstrip("\n"),
        server.wall(),
        server.config.security.acllog_max_len,
    )


def show(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """ACL LOG [count | RESET]: the newest of all workers first."""
    if len(argv) > 3:
        return surplus(argv)
    if len(argv) == 3 and argv[2].lower() == b"reset":
        return over_all(server, client, "acl-log-reset", None, lambda done: resp.OK, changes=True)
    count = integer(argv[2]) if len(argv) == 3 else LOG_COUNT
    if count is None:
        return resp.error("ERR value is not an integer or out of range")
    wanted = max(count, 0)
    version = client.session.state.resp

    def reply(answers: list[list[list[Any]]]) -> bytes:
        entries = merged(Entry(*one) for answer in answers for one in answer)
        return resp.array([_encoded(entry, server.wall(), version) for entry in entries[:wanted]])

    return over_all(server, client, "acl-log", wanted, reply)


def plain(entry: Entry) -> list[Any]:
    """An entry as JSON can hold it."""
    return list(astuple(entry))


def _encoded(entry: Entry, now: float, version: int) -> bytes:
    return resp.mapping(
        [
            (resp.bulk("count"), resp.integer(entry.count)),
            (resp.bulk("reason"), resp.bulk(entry.reason)),
            (resp.bulk("context"), resp.bulk(entry.context)),
            (resp.bulk("object"), resp.bulk(entry.object)),
            (resp.bulk("username"), resp.bulk(entry.user)),
            (resp.bulk("age-seconds"), resp.double(round(max(now - entry.updated, 0.0), 3), version)),
            (resp.bulk("client-info"), resp.bulk(entry.client)),
            (resp.bulk("entry-id"), resp.integer(entry.number)),
            (resp.bulk("timestamp-created"), resp.integer(int(entry.created * 1000))),
            (resp.bulk("timestamp-last-updated"), resp.integer(int(entry.updated * 1000))),
        ],
        version,
    )
