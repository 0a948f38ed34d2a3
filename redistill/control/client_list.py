"""CLIENT LIST, INFO and KILL: all connections, their fields, and the filters for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from redistill.base import resp
from redistill.config.acl import shown
from redistill.control.arguments import integer, text
from redistill.control.peers import Question, over_all
from redistill.control.state import ServerState
from redistill.control.users import may_see_hashes
from redistill.engine.interfaces import SessionState
from redistill.engine.session import BROADCASTS, BROKEN
from redistill.net.interfaces import Client, Reply

SYNTAX = resp.error("ERR syntax error")
CLIENT_BYTES = 2048
"""Approximate memory of a connection besides its buffers."""

BATCH = 32
"""Clients that are listed, or closed, in one step."""

KINDS = ("normal", "master", "replica", "slave", "pubsub")
"""Types that a client may be asked for; there are normal ones and subscribers."""


def kind(client: Client) -> str:
    """The type of a client."""
    return "pubsub" if client.session.state.subscribed else "normal"


def flags(client: Client) -> str:
    """The flags of CLIENT LIST."""
    state = client.session.state
    return (
        ("P" if state.subscribed else "")
        + ("O" if state.monitors else "")
        + ("x" if state.in_multi else "")
        + ("b" if client.blocked else "")
        + tracking_flags(state.tracking)
        + ("d" if state.watching and client.session.watch_changed else "")
        + ("c" if state.close_after_reply else "")
        + ("U" if client.peer.startswith("/") else "")
        + ("e" if state.no_evict else "")
        + ("T" if state.no_touch else "")
    ) or "N"


def tracking_flags(tracking: int) -> str:
    """Those of a client that tracks (core/session/tracking.h)."""
    if not tracking:
        return ""
    return "t" + ("R" if tracking & BROKEN else "") + ("B" if tracking & BROADCASTS else "")


def word(text: str) -> str:
    """Any text as one word of visible ASCII, other characters as in a URL."""
    return quote(text, safe="=,/@:+*()'")


def memory_of(client: Client) -> int:
    """Bytes that a connection holds, about."""
    return CLIENT_BYTES + buffers_of(client.session.state)


def buffers_of(state: SessionState) -> int:
    """The buffers of a client, in bytes; an idle connection has none."""
    return state.query_cap + state.output_cap + state.multi_bytes


def questions(server: ServerState) -> Mapping[str, Question]:
    """The questions to each worker about its clients."""
    return {
        "client-list": lambda wanted: found(server, wanted),
        "client-kill": lambda order: killed(server, order),
    }


def describe(server: ServerState, clients: Iterable[Client], hashes: bool = False) -> dict[int, str]:
    """Client id -> line of CLIENT LIST, with the fields of Redis 7.2 in their order. After them come the secret with
    which the client authenticated, if the reader may see `hashes`, and the subject of its certificate. A line is one
    format operation, because there may be ten thousand clients."""
    now = server.reactor.seconds()
    lines = {}
    for client in clients:
        state = client.session.state
        query, query_cap, output, output_cap = state.query_bytes, state.query_cap, state.output_bytes, state.output_cap
        queued, redirect = state.multi_bytes, state.redirect if state.tracking else -1
        sub, psub, ssub = client.session.subscriptions if state.subscribed else (0, 0, 0)
        lines[client.client_id] = (
            f"id={client.client_id} addr={client.peer} laddr={client.local} fd={client.fd}"
            f" name={client.name.decode()} age={int(now - client.connected_at)} idle={int(now - client.last_active)}"
            f" flags={flags(client)} db={state.db} sub={sub} psub={psub} ssub={ssub}"
            f" multi={state.multi_queued if state.in_multi else -1} qbuf={query} qbuf-free={query_cap - query}"
            f" argv-mem=0 multi-mem={queued} rbs={output_cap} rbp={output} obl={output} oll=0 omem=0"
            f" tot-mem={CLIENT_BYTES + query_cap + output_cap + queued} events=r"
            f" cmd={client.session.last_command or 'NULL'} user={client.user} redir={redirect} resp={state.resp}"
            f" lib-name={client.lib_name.decode()} lib-ver={client.lib_ver.decode()}"
            f" secret={shown(client.secret) if hashes and client.secret else ''}"
            f"{f' tls-subject={word(client.certificate.subject)}' if client.certificate else ''}\n"
        )
    return lines


def unknown_type(word: bytes) -> bytes:
    """The refusal of a type that there is not."""
    return resp.error(f"ERR Unknown client type '{resp.shown(word)}'")


def list_clients(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """CLIENT LIST [TYPE type | ID id [id ...]]"""
    wanted: dict[str, Any] = {"hashes": may_see_hashes(server, client)}
    option = argv[2].lower() if len(argv) > 2 else b""
    if option == b"type" and len(argv) == 4:
        wanted["type"] = text(argv[3].lower())
        if wanted["type"] not in KINDS:
            return unknown_type(argv[3])
    elif option == b"id" and len(argv) > 3:
        wanted["ids"] = [integer(word) for word in argv[3:]]
        if None in wanted["ids"]:
            return resp.error("ERR Invalid client ID")
    elif len(argv) > 2:
        return SYNTAX

    def reply(answers: list[list[tuple[int, str]]]) -> bytes:
        lines = {number: line for answer in answers for number, line in answer}
        order = wanted.get("ids") or sorted(lines)
        return resp.verbatim("".join(lines.get(number, "") for number in order), client.session.state.resp)

    return over_all(server, client, "client-list", wanted, reply)


def found(server: ServerState, wanted: Mapping[str, Any]) -> Iterator[list[tuple[int, str]]]:
    """This worker's part of CLIENT LIST: id and line, a few clients a step."""
    if "ids" in wanted:
        chosen = [server.clients[number] for number in wanted["ids"] if number in server.clients]
    else:
        chosen = [one for one in server.clients.values() if wanted.get("type") in (None, kind(one))]
    for some in batches(server, chosen):
        yield list(describe(server, some, wanted.get("hashes", False)).items())


def batches(server: ServerState, clients: list[Client]) -> Iterator[list[Client]]:
    """Clients in steps, without those that have disconnected before their step."""
    for at in range(0, len(clients), BATCH):
        yield [one for one in clients[at : at + BATCH] if server.clients.get(one.client_id) is one]


def kill(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """CLIENT KILL ip:port | CLIENT KILL [ID n] [TYPE t] [ADDR a] [LADDR a] [USER u] [SKIPME y] [MAXAGE s] ..."""
    order: dict[str, Any] = {"asks": client.client_id, "skip_me": False, "filters": {}}

    def number_of(answers: list[list[int]]) -> bytes:
        return resp.integer(sum(map(len, answers)))

    def any_of(answers: list[list[int]]) -> bytes:
        return resp.OK if any(answers) else resp.error("ERR No such client")

    if len(argv) == 3:
        order["filters"]["addr"] = text(argv[2])
        return over_all(server, client, "client-kill", order, any_of, changes=True, must=True)
    order["skip_me"] = True
    for i in range(2, len(argv), 2):
        if i + 1 == len(argv):  # an error of an earlier option comes first, as in Redis
            return SYNTAX
        option, value = argv[i].lower(), argv[i + 1]
        if option == b"skipme" and value.lower() in (b"yes", b"no"):
            order["skip_me"] = value.lower() == b"yes"
            continue
        if refusal := bad_filter(server, option, value):
            return refusal
        order["filters"][text(option)] = text(value)  # of the same option twice, the last counts, as in Redis
    return over_all(server, client, "client-kill", order, number_of, changes=True, must=True)


def bad_filter(server: ServerState, option: bytes, value: bytes) -> bytes:
    """The error of a filter of CLIENT KILL; b"" if there is none."""
    number = integer(value)
    if option == b"id":
        return b"" if number is not None and number >= 1 else resp.error("ERR client-id should be greater than 0")
    if option == b"type":
        return b"" if text(value.lower()) in KINDS else unknown_type(value)
    if option == b"user":
        return b"" if server.users.get(text(value)) else resp.error(f"ERR No such user '{resp.shown(value)}'")
    if option == b"maxage":
        if number is None:
            return resp.error("ERR maxage is not an integer or out of range")
        return b"" if number >= 1 else resp.error("ERR maxage should be greater than 0")
    return b"" if option in (b"addr", b"laddr") else SYNTAX


def killed(server: ServerState, order: Mapping[str, Any]) -> Iterator[list[int]]:
    """Close this worker's clients that match all filters; the client that sent CLIENT KILL is closed after its
    answer. Yields the ids, a few clients a step."""
    now = server.reactor.seconds()
    tests: Mapping[str, Callable[[Client, str], bool]] = {
        "id": lambda one, value: one.client_id == int(value),
        "type": lambda one, value: value.lower() == kind(one),
        "addr": lambda one, value: one.peer == value,
        "laddr": lambda one, value: one.local == value,
        "user": lambda one, value: one.user == value,
        "maxage": lambda one, value: now - one.connected_at >= int(value),
    }
    chosen = [
        one
        for one in server.clients.values()
        if all(tests[name](one, value) for name, value in order["filters"].items())
        and not (order["skip_me"] and one.client_id == order["asks"])
    ]
    for some in batches(server, chosen):
        for one in some:
            if one.client_id == order["asks"]:
                one.session.state.close_after_reply = True
            else:
                one.kill()
        yield [one.client_id for one in some]
