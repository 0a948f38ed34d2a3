"""CLIENT: the name and modes of a connection, and its commands about other connections."""

from __future__ import annotations

import math
from collections.abc import Mapping

from redistill.base import resp
from redistill.control.arguments import bad_name, integer
from redistill.control.client_list import SYNTAX, describe, kill, list_clients
from redistill.control.peers import Question, over_all
from redistill.control.state import ServerState
from redistill.net.interfaces import Client, Command, Reply

HELP = """\
CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CACHING (YES|NO)
    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.
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
UNBLOCK <clientid> [TIMEOUT|ERROR]
    Unblock the specified blocked client.
TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]
         [OPTIN] [OPTOUT] [NOLOOP]
    Control server assisted client side caching.
TRACKINGINFO
    Report tracking status for the current connection.
NO-EVICT (ON|OFF)
    Protect current client connection from eviction.
NO-TOUCH (ON|OFF)
    Will not touch LRU/LFU stats when this mode is on.
HELP
    Prints this help.""".splitlines()


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "client|id": lambda client, argv: resp.integer(client.client_id),
        "client|info": lambda client, argv: info(server, client),
        "client|list": lambda client, argv: list_clients(server, client, argv),
        "client|kill": lambda client, argv: kill(server, client, argv),
        "client|getname": get_name,
        "client|setname": set_name,
        "client|setinfo": set_info,
        "client|reply": set_reply_mode,
        "client|pause": lambda client, argv: pause(server, client, argv),
        "client|unpause": lambda client, argv: unpause(server),
        "client|unblock": lambda client, argv: unblock(server, client, argv),
        "client|no-evict": no_evict,
        "client|no-touch": no_touch,
        "client|help": lambda client, argv: resp.lines(HELP),
    }


def info(server: ServerState, client: Client) -> bytes:
    """CLIENT INFO"""
    return resp.verbatim(describe(server, [client], hashes=True)[client.client_id], client.session.state.resp)


def get_name(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT GETNAME"""
    return resp.bulk(client.name) if client.name else resp.null(client.session.state.resp)


def set_name(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT SETNAME name"""
    if refusal := bad_name(argv[2], "Client names"):
        return refusal
    client.name = argv[2]
    return resp.OK


def set_info(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT SETINFO LIB-NAME name | LIB-VER version"""
    option = argv[2].lower()
    if option not in (b"lib-name", b"lib-ver"):
        return resp.error(f"ERR Unrecognized option '{resp.shown(argv[2])}'")
    if refusal := bad_name(argv[3], resp.shown(argv[2])):
        return refusal
    if option == b"lib-name":
        client.lib_name = argv[3]
    else:
        client.lib_ver = argv[3]
    return resp.OK


def set_reply_mode(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT REPLY ON | OFF | SKIP; only ON is answered"""
    state, mode = client.session.state, argv[2].lower()
    if mode == b"on":
        if not (state.in_exec and state.reply_mode == 2):  # SKIP in EXEC is for the command after EXEC
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
    now = math.ceil(server.reactor.seconds() * 1000)  # up, since no pause may be shorter than it was asked for
    if int(server.wall() * 1000) + timeout >= 2**63:
        return resp.error("ERR timeout is out of range")
    held, until = server.store.get_pause()
    if until <= now:
        held = until = 0
    server.store.set_pause(max(held, mode), max(until, now + timeout))
    return resp.OK


def unpause(server: ServerState) -> bytes:
    """CLIENT UNPAUSE"""
    server.store.set_pause(0, 0)
    return resp.OK


def unblock(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """CLIENT UNBLOCK id [TIMEOUT | ERROR]: end the wait of a client in a blocking command, of any worker"""
    if len(argv) > 4:
        return resp.error("ERR unknown subcommand or wrong number of arguments for 'unblock'. Try CLIENT HELP.")
    reason = argv[3].lower() if len(argv) == 4 else b"timeout"
    if reason not in (b"timeout", b"error"):
        return resp.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    number = integer(argv[2])
    if number is None:
        return resp.error("ERR value is not an integer or out of range")

    def reply(answers: list[bool]) -> bytes:
        return resp.integer(any(answers))

    return over_all(server, client, "client-unblock", [number, reason == b"error"], reply, changes=True, must=True)


def unblocked(server: ServerState, number: int, error: bool) -> bool:
    """End the wait of this worker's client; whether it waited."""
    one = server.clients.get(number)
    return one is not None and one.session.unblock(error)


def questions(server: ServerState) -> Mapping[str, Question]:
    """The question to each worker: to end the wait of one of its clients."""
    return {"client-unblock": lambda order: unblocked(server, *order)}


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
