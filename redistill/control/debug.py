"""DEBUG: commands for tests and for debugging. Off unless security.enable_debug_command turns them on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from redistill.base import resp
from redistill.control.arguments import surplus
from redistill.control.state import ServerState
from redistill.net.interfaces import Client, Command, Reply

log = Logger()

MAX_SLEEP = 3600.0
"""Seconds of one DEBUG SLEEP."""
MAX_LOGGED = 1024
"""Bytes of a message of DEBUG LOG."""

HELP = """\
DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CHECK
    Walk the whole arena and verify every invariant. Nothing else is served meanwhile.
LOG <message>
    Write <message> to the server log.
OBJECT <key>
    Show low level info about `key` and associated value.
SET-ACTIVE-EXPIRE <0|1>
    Setting it to 0 disables expiring keys in background when they are not
    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the
    default.
SLEEP <seconds>
    Answer after <seconds>. Decimals allowed. Other clients are served meanwhile.
HELP
    Prints this help.""".splitlines()

NOT_ALLOWED = resp.error(
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local '
    "connection, otherwise you need to set this option in the configuration file, and then restart the server."
)

Subcommand = Callable[[Client, list[bytes]], Reply]


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    subcommands: dict[bytes, tuple[int, Subcommand]] = {
        b"check": (2, lambda client, argv: check(server)),
        b"change-repl-id": (2, lambda client, argv: resp.error("ERR DEBUG CHANGE-REPL-ID: there is no replication")),
        b"help": (2, lambda client, argv: resp.lines(HELP)),
        b"log": (3, lambda client, argv: write_log(argv)),
        b"object": (3, lambda client, argv: describe(server, client, argv)),
        b"set-active-expire": (3, lambda client, argv: set_active_expire(server, argv)),
        b"sleep": (3, lambda client, argv: sleep(server, client, argv)),
    }

    def debug(client: Client, argv: list[bytes]) -> Reply:
        if not allowed(server.config.security.enable_debug_command, client.peer):
            return NOT_ALLOWED
        length, subcommand = subcommands.get(argv[1].lower(), (0, None))
        if subcommand is None or len(argv) != length:
            return surplus(argv)
        return subcommand(client, argv)

    return {"debug": debug}


def allowed(setting: str, peer: str) -> bool:
    """Whether a client at `peer` (``ip:port`` or ``path:0``) may use DEBUG."""
    host = peer.rpartition(":")[0].strip("[]")
    return setting == "yes" or (setting == "local" and (host.startswith(("/", "127.")) or host == "::1"))


def number(data: bytes) -> float:
    """The number at the start of `data`; 0 if there is none, as C's strtod has it."""
    for end in range(min(len(data), 32), 0, -1):
        try:
            value = float(data[:end])
        except ValueError:
            continue
        return value if math.isfinite(value) else 0.0
    return 0.0


def sleep(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """DEBUG SLEEP seconds. Only this client waits: the reactor belongs to the others too."""
    seconds = min(number(argv[2]), MAX_SLEEP)
    if seconds <= 0:
        return resp.OK
    call = server.reactor.callLater(seconds, lambda: waiting.callback(resp.OK))
    waiting: Deferred[bytes] = Deferred(lambda deferred: call.cancel())
    return waiting


def check(server: ServerState) -> bytes:
    """DEBUG CHECK: the store's own verification."""
    violations, first = server.store.check()
    if violations:
        log.critical("the arena is damaged: {violations} violations, first {first}", violations=violations, first=first)
        return resp.error(f"ERR {violations} violations of the arena's invariants: {first}")
    return resp.OK


def set_active_expire(server: ServerState, argv: list[bytes]) -> bytes:
    """DEBUG SET-ACTIVE-EXPIRE 0 | 1"""
    server.store.active_expire = int(number(argv[2])) != 0
    return resp.OK


def write_log(argv: list[bytes]) -> bytes:
    """DEBUG LOG message"""
    log.warn("DEBUG LOG: {text}", text=ascii(argv[2][:MAX_LOGGED].decode("utf-8", "replace")))
    return resp.OK


def describe(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """DEBUG OBJECT key"""
    found = server.store.details(client.session.state.db, argv[2])
    if found is None:
        return resp.error("ERR no such key")
    return resp.simple(
        f"Value at:{found.place:#x} refcount:1 encoding:{found.encoding} serializedlength:{found.length}"
        f" lru:{int(server.wall()) - found.idle_seconds & 0xFFFFFF} lru_seconds_idle:{found.idle_seconds}"
        f" shard:{found.shard}"
    )
