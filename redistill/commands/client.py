"""CLIENT: the connections, what is known of them, and their modes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from redistill import resp
from redistill.commands.arguments import integer, printable, text
from redistill.commands.auth import BAD_NAME
from redistill.commands.interfaces import Client, Command
from redistill.commands.state import ServerState

HELP = """\
CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
GETREDIR
    Return the client ID we are redirecting to when tracking is enabled.
GETNAME
    Return the name of the current connection.
ID
    Return the ID of the current connection.
INFO
    Return information about the current client connection.
KILL <ip:port>
    Kill connection made from <ip:port>.
KILL <option> <value> [<option> <value> [...]]
    Kill connections. Options are:
    * ADDR (<ip:port>|<unixsocket>:0)
      Kill connections made from the specified address
    * LADDR (<ip:port>|<unixsocket>:0)
      Kill connections made to specified local address
    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)
      Kill connections by type.
    * USER <username>
      Kill connections authenticated by <username>.
    * SKIPME (YES|NO)
      Skip killing current connection (default: yes).
    * ID <client-id>
      Kill connections by client id.
    * MAXAGE <maxage>
      Kill connections older than the specified age.
LIST [options ...]
    Return information about client connections. Options:
    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)
      Return clients of specified type.
    * ID <client-id> [<client-id> ...]
      Return clients of specified ids.
UNPAUSE
    Stop the current client pause, resuming traffic.
PAUSE <timeout> [WRITE|ALL]
    Suspend all, or just write, clients for <timeout> milliseconds.
REPLY (ON|OFF|SKIP)
    Control the replies sent to the current connection.
SETNAME <name>
    Assign the name <name> to the current connection.
SETINFO <option> <value>
    Set client meta attr. Options are:
    * LIB-NAME: the client lib name.
    * LIB-VER: the client lib version.
TRACKINGINFO
    Report tracking status for the current connection.
NO-EVICT (ON|OFF)
    Protect current client connection from eviction.
NO-TOUCH (ON|OFF)
    Will not touch LRU/LFU stats when this mode is on.
HELP
    Prints this help.""".splitlines()

SYNTAX = resp.error("ERR syntax error")
CLIENT_BYTES = 2048
"""About what one connection costs besides its buffers."""

Test = Callable[[Client], bool]


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "client|id": lambda client, argv: resp.integer(client.client_id),
        "client|info": lambda client, argv: resp.verbatim(describe(server, [client]), client.session.state.resp),
        "client|list": lambda client, argv: list_clients(server, client, argv),
        "client|kill": lambda client, argv: kill(server, client, argv),
        "client|getname": get_name,
        "client|setname": set_name,
        "client|setinfo": set_info,
        "client|reply": set_reply_mode,
        "client|pause": lambda client, argv: pause(server, client, argv),
        "client|unpause": lambda client, argv: unpause(server),
        "client|no-evict": no_evict,
        "client|no-touch": no_touch,
        "client|trackinginfo": tracking_info,
        "client|getredir": lambda client, argv: resp.integer(-1),
        "client|help": lambda client, argv: resp.lines(HELP),
    }


def flags(client: Client) -> str:
    """The flags of CLIENT LIST."""
    state = client.session.state
    letters = (
        ("x", state.in_multi),
        ("c", state.close_after_reply),
        ("U", client.peer.startswith("/")),
        ("e", state.no_evict),
        ("T", state.no_touch),
    )
    return "".join(letter for letter, is_set in letters if is_set) or "N"


def memory_of(client: Client) -> int:
    """Bytes that a connection holds, about."""
    state = client.session.state
    return CLIENT_BYTES + state.query_cap + state.output_cap + state.multi_bytes


def describe(server: ServerState, clients: Iterable[Client]) -> str:
    """A line a client, with the fields of Redis 7.2 in their order. A cap that the core does not know is 0."""
    now = server.reactor.seconds()
    lines = []
    for client in clients:
        state = client.session.state
        fields = {
            "id": client.client_id,
            "addr": client.peer,
            "laddr": client.local,
            "fd": client.fd,
            "name": client.name.decode("ascii"),
            "age": int(now - client.connected_at),
            "idle": int(now - client.last_active),
            "flags": flags(client),
            "db": state.db,
            "sub": 0,
            "psub": 0,
            "ssub": 0,
            "multi": state.multi_queued if state.in_multi else -1,
            "qbuf": state.query_bytes,
            "qbuf-free": state.query_cap - state.query_bytes,
            "argv-mem": 0,
            "multi-mem": state.multi_bytes,
            "rbs": state.output_cap,
            "rbp": state.output_bytes,
            "obl": state.output_bytes,
            "oll": 0,
            "omem": 0,
            "tot-mem": memory_of(client),
            "events": "r",
            "cmd": client.session.last_command or "NULL",
            "user": client.user,
            "redir": -1,
            "resp": state.resp,
            "lib-name": client.lib_name.decode("ascii"),
            "lib-ver": client.lib_ver.decode("ascii"),
        }
        lines.append(" ".join(f"{name}={value}" for name, value in fields.items()) + "\n")
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
    elif option:
        return SYNTAX
    return resp.verbatim(describe(server, chosen), client.session.state.resp)


def kill(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """CLIENT KILL ip:port | CLIENT KILL [ID n] [TYPE t] [ADDR a] [LADDR a] [USER u] [SKIPME y] [MAXAGE s] ..."""
    if len(argv) == 3:
        found = [one for one in server.clients.values() if one.peer == text(argv[2])]
        return kill_all(client, found, lambda count: resp.OK if count else resp.error("ERR No such client"))
    if len(argv) % 2:
        return SYNTAX
    tests: dict[bytes, Test] = {}
    skip_me = True
    for i in range(2, len(argv), 2):
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


def get_name(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT GETNAME"""
    return resp.bulk(client.name) if client.name else resp.null(client.session.state.resp)


def set_name(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT SETNAME name"""
    if not printable(argv[2]):
        return resp.error(BAD_NAME.format("Client names"))
    client.name = argv[2]
    return resp.OK


def set_info(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT SETINFO LIB-NAME name | LIB-VER version"""
    option = argv[2].lower()
    if option not in (b"lib-name", b"lib-ver"):
        return resp.error(f"ERR Unrecognized option '{resp.shown(argv[2])}'")
    if not printable(argv[3]):
        return resp.error(BAD_NAME.format(resp.shown(argv[2])))
    if option == b"lib-name":
        client.lib_name = argv[3]
    else:
        client.lib_ver = argv[3]
    return resp.OK


def set_reply_mode(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT REPLY ON | OFF | SKIP; only ON is answered"""
    state, mode = client.session.state, argv[2].lower()
    if mode == b"on":
        state.reply_mode = 0
        return resp.OK
    if mode == b"off":
        state.reply_mode = 1
    elif mode == b"skip":
        if state.reply_mode != 1:
            state.reply_mode = 2
    else:
        return SYNTAX
    return b""


def pause(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """CLIENT PAUSE milliseconds [WRITE | ALL]. Of two pauses the stricter mode and the later end hold, as in Redis."""
    if len(argv) > 4:
        return resp.error("ERR unknown subcommand or wrong number of arguments for 'pause'. Try CLIENT HELP.")
    modes = {b"write": 1, b"all": 2}
    mode = modes.get(argv[3].lower() if len(argv) == 4 else b"all")
    if mode is None:
        return resp.error("ERR CLIENT PAUSE mode must be WRITE or ALL")
    timeout = integer(argv[2])
    if timeout is None:
        return resp.error("ERR timeout is not an integer or out of range")
    if timeout < 0:
        return resp.error("ERR timeout is negative")
    now = int(server.wall() * 1000)
    if now + timeout >= 2**63:
        return resp.error("ERR timeout is out of range")
    if server.pause_until_ms <= now:
        server.pause_mode = server.pause_until_ms = 0
    server.pause_mode = max(server.pause_mode, mode)
    server.pause_until_ms = max(server.pause_until_ms, now + timeout)
    server.store.set_pause(server.pause_mode, server.pause_until_ms)
    return resp.OK


def unpause(server: ServerState) -> bytes:
    """CLIENT UNPAUSE"""
    server.pause_mode = server.pause_until_ms = 0
    server.store.set_pause(0, 0)
    return resp.OK


def switch(word: bytes) -> bool | None:
    """ON or OFF; None: neither."""
    return {b"on": True, b"off": False}.get(word.lower())


def no_evict(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT NO-EVICT ON | OFF"""
    value = switch(argv[2])
    if value is None:
        return SYNTAX
    client.session.state.no_evict = value
    return resp.OK


def no_touch(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT NO-TOUCH ON | OFF"""
    value = switch(argv[2])
    if value is None:
        return SYNTAX
    client.session.state.no_touch = value
    return resp.OK


def tracking_info(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT TRACKINGINFO: there is no tracking"""
    version = client.session.state.resp
    return resp.mapping(
        [
            (resp.bulk("flags"), resp.unordered([resp.bulk("off")], version)),
            (resp.bulk("redirect"), resp.integer(-1)),
            (resp.bulk("prefixes"), resp.array([])),
        ],
        version,
    )
