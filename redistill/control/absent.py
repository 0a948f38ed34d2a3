"""Commands about features that a cache does not have: replication, persistence, a cluster, modules.

Clients send some of these commands when they connect, and tools send them to recognise the server. Commands that only
ask get the answer of a Redis without the feature; commands that would act are refused, and the error has the reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from redistill.base import resp
from redistill.control.arguments import integer
from redistill.control.state import ServerState
from redistill.net.interfaces import Client, Command

MODULE_HELP = """\
MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
LIST
    Return a list of loaded modules.
LOAD <path> [<arg> ...]
    Load a module library from <path>, passing to it any optional arguments.
LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]
    Load a module library from <path>, while passing it module configurations and optional arguments.
UNLOAD <name>
    Unload a module.
HELP
    Prints this help.""".splitlines()

NO_CLUSTER = resp.error("ERR This instance has cluster support disabled")
NO_DISK = resp.error("ERR not supported: this cache writes nothing to disk")
NO_MODULES = resp.error("ERR not supported: this cache loads no modules")
NO_REPLICATION = resp.error("ERR not supported: this cache has no replication")
SYNTAX = resp.error("ERR syntax error")

CLUSTER = (
    *("addslots", "addslotsrange", "bumpepoch", "count-failure-reports", "countkeysinslot", "delslots"),
    *("delslotsrange", "failover", "flushslots", "forget", "getkeysinslot", "help", "info", "keyslot", "links"),
    *("meet", "myid", "myshardid", "nodes", "replicas", "replicate", "reset", "saveconfig", "set-config-epoch"),
    *("setslot", "shards", "slaves", "slots"),
)


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "role": always(resp.array([resp.bulk("master"), resp.integer(0), resp.array([])])),
        "lastsave": lambda client, argv: resp.integer(int(server.identity.started)),
        "replicaof": replicaof,
        "slaveof": replicaof,
        "failover": failover,
        "bgsave": bgsave,
        **dict.fromkeys(("save", "bgrewriteaof"), always(NO_DISK)),
        **dict.fromkeys(("psync", "sync", "replconf"), always(NO_REPLICATION)),
        "module|list": always(resp.array([])),
        "module|help": always(resp.lines(MODULE_HELP)),
        **dict.fromkeys(("module|load", "module|loadex", "module|unload"), always(NO_MODULES)),
        **dict.fromkeys(("asking", "readonly", "readwrite"), always(NO_CLUSTER)),
        **{f"cluster|{name}": always(NO_CLUSTER) for name in CLUSTER},
    }


def always(reply: bytes) -> Command:
    """The command that is answered in this way whatever its arguments."""
    return lambda client, argv: reply


def bgsave(client: Client, argv: list[bytes]) -> bytes:
    """BGSAVE [SCHEDULE]"""
    return NO_DISK if [word.lower() for word in argv[1:]] in ([], [b"schedule"]) else SYNTAX


def replicaof(client: Client, argv: list[bytes]) -> bytes:
    """REPLICAOF NO ONE is answered, since the server is a master already; REPLICAOF host port is refused"""
    if [word.lower() for word in argv[1:]] == [b"no", b"one"]:
        return resp.OK
    port = integer(argv[2])
    if port is None or not 0 <= port <= 65535:
        return resp.error("ERR Invalid master port")
    return NO_REPLICATION


def failover(client: Client, argv: list[bytes]) -> bytes:
    """FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]: in Redis's words, there are no replicas"""
    words = [word.lower() for word in argv[1:]]
    if words == [b"abort"]:
        return resp.error("ERR No failover in progress.")
    seen: set[bytes] = set()
    while words:
        option, *words = words
        takes = {b"timeout": 1, b"to": 2, b"force": 0}.get(option)
        if takes is None or option in seen or len(words) < takes:
            return SYNTAX
        seen.add(option)
        if takes:
            number = integer(words[takes - 1])
            if number is None:
                return resp.error("ERR value is not an integer or out of range")
            if option == b"timeout" and number <= 0:
                return resp.error("ERR FAILOVER timeout must be greater than 0")
        words = words[takes:]
    return resp.error("ERR FAILOVER requires connected replicas.")
