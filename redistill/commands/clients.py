"""CLIENT LIST, INFO and KILL: all connections, what is known of them, and how to choose among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from redistill import resp
from redistill.commands.arguments import integer, text
from redistill.commands.interfaces import Client
from redistill.commands.state import ServerState

SYNTAX = resp.error("ERR syntax error")
CLIENT_BYTES = 2048
"""About what one connection costs besides its buffers."""

Test = Callable[[Client], bool]


def flags(client: Client) -> str:
    """The flags of CLIENT LIST."""
    state = client.session.state
    return (
        ("x" if state.in_multi else "")
        + ("b" if client.blocked else "")
        + ("c" if state.close_after_reply else "")
        + ("U" if client.peer.startswith("/") else "")
        + ("e" if state.no_evict else "")
        + ("T" if state.no_touch else "")
    ) or "N"


def memory_of(client: Client) -> int:
    """Bytes that a connection holds, about."""
    state = client.session.state
    return CLIENT_BYTES + state.query_cap + state.output_cap + state.multi_bytes


def describe(server: ServerState, clients: Iterable[Client]) -> str:
    """A line a client, with the fields of Redis 7.2 in their order; there may be ten thousand, so it is one format."""
    now = server.reactor.seconds()
    lines = []
    for client in clients:
        state = client.session.state
        query, query_cap, output, output_cap = state.query_bytes, state.query_cap, state.output_bytes, state.output_cap
        queued = state.multi_bytes
        lines.append(
            f"id={client.client_id} addr={client.peer} laddr={client.local} fd={client.fd}"
            f" name={client.name.decode()} age={int(now - client.connected_at)} idle={int(now - client.last_active)}"
            f" flags={flags(client)} db={state.db} sub=0 psub=0 ssub=0"
            f" multi={state.multi_queued if state.in_multi else -1} qbuf={query} qbuf-free={query_cap - query}"
            f" argv-mem=0 multi-mem={queued} rbs={output_cap} rbp={output} obl={output} oll=0 omem=0"
            f" tot-mem={CLIENT_BYTES + query_cap + output_cap + queued} events=r"
            f" cmd={client.session.last_command or 'NULL'} user={client.user} redir=-1 resp={state.resp}"
            f" lib-name={client.lib_name.decode()} lib-ver={client.lib_ver.decode()}\n"
        )
    return "".join(lines)


def type_test(word: bytes) -> Test | None:
    """Whether a client is of the type `word`; None: there is no such type. All are normal ones, so far."""
    kind = word.lower()
    if kind not in (b"normal", b"master", b"replica", b"slave", b"pubsub"):
        return None
    return lambda client: kind == b"normal"


def unknown_type(word: bytes) -> bytes:
    """The refusal of a type that there is not."""
    return resp.error(f"ERR Unknown client type '{resp.shown(word)}'")


def list_clients(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """CLIENT LIST [TYPE type | ID id [id ...]]"""
    chosen: list[Client] = list(server.clients.values())
    option = argv[2].lower() if len(argv) > 2 else b""
    if option == b"type" and len(argv) == 4:
        test = type_test(argv[3])
        if test is None:
            return unknown_type(argv[3])
        chosen = [one for one in chosen if test(one)]
    elif option == b"id" and len(argv) > 3:
        ids = [integer(word) for word in argv[3:]]
        if None in ids:
            return resp.error("ERR Invalid client ID")
        chosen = [server.clients[number] for number in ids if number is not None and number in server.clients]
    elif len(argv) > 2:
        return SYNTAX
    return resp.verbatim(describe(server, chosen), client.session.state.resp)


def kill(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """CLIENT KILL ip:port | CLIENT KILL [ID n] [TYPE t] [ADDR a] [LADDR a] [USER u] [SKIPME y] [MAXAGE s] ..."""
    if len(argv) == 3:
        found = [one for one in server.clients.values() if one.peer == text(argv[2])]
        return kill_all(client, found, lambda count: resp.OK if count else resp.error("ERR No such client"))
    tests: dict[bytes, Test] = {}
    skip_me = True
    for i in range(2, len(argv), 2):
        if i + 1 == len(argv):  # said only when the options before are right, as in Redis
            return SYNTAX
        option, value = argv[i].lower(), argv[i + 1]
        if option == b"skipme" and value.lower() in (b"yes", b"no"):
            skip_me = value.lower() == b"yes"
            continue
        test = kill_test(server, option, value)
        if isinstance(test, bytes):
            return test
        tests[option] = test  # of the same option twice, the last counts, as in Redis
    found = [
        one
        for one in server.clients.values()
        if all(test(one) for test in tests.values()) and not (skip_me and one is client)
    ]
    return kill_all(client, found, resp.integer)


def kill_test(server: ServerState, option: bytes, value: bytes) -> Test | bytes:
    """What one filter of CLIENT KILL demands, or the error that it is answered with."""
    address = text(value)
    if option == b"id":
        number = integer(value)
        if number is None or number < 1:
            return resp.error("ERR client-id should be greater than 0")
        return lambda one: one.client_id == number
    if option == b"type":
        return type_test(value) or unknown_type(value)
    if option == b"addr":
        return lambda one: one.peer == address
    if option == b"laddr":
        return lambda one: one.local == address
    if option == b"user":
        if value != b"default":
            return resp.error(f"ERR No such user '{resp.shown(value)}'")
        return lambda one: one.session.state.authenticated and one.user == "default"
    if option == b"maxage":
        age = integer(value)
        if age is None:
            return resp.error("ERR maxage is not an integer or out of range")
        if age < 1:
            return resp.error("ERR maxage should be greater than 0")
        return lambda one: server.reactor.seconds() - one.connected_at >= age
    return SYNTAX


def kill_all(client: Client, found: list[Client], reply: Callable[[int], bytes]) -> bytes:
    """Close the connections `found`; the one that asks only after its answer."""
    for one in found:
        if one is client:
            client.session.state.close_after_reply = True
        else:
            one.kill()
    return reply(len(found))
