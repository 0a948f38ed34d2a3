"""ACL: the users, their permissions, and their denied commands."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, replace
from itertools import chain
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from redistill.base import resp
from redistill.base.words import data
from redistill.config.acl import DEFAULT, LONG_LINE, MAX_LINE, MAX_RULES, User
from redistill.config.config import LOAD, USERS
from redistill.config.rewrite import replace_file
from redistill.config.selector import Selector, table
from redistill.control.arguments import integer, text
from redistill.control.client_list import describe
from redistill.control.configuration import settled
from redistill.control.denials import Entry, merged
from redistill.control.peers import Question, over_all
from redistill.control.slices import sliced
from redistill.control.state import ServerState
from redistill.control.users import Users, changed
from redistill.engine.command_table import CATEGORIES
from redistill.engine.permissions import Denial
from redistill.net.interfaces import Client, Command, Reply

HELP = """\
ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CAT [<category>]
    List all commands that belong to <category>, or all command categories
    when no category is specified.
DELUSER <username> [<username> ...]
    Delete a list of users.
DRYRUN <username> <command> [<arg> ...]
    Returns whether the user can execute the given command without executing the command.
GETUSER <username>
    Get the user's details.
GENPASS [<bits>]
    Generate a secure 256-bit user password. The optional `bits` argument can
    be used to specify a different size.
LIST
    Show users details in config file format.
LOAD
    Reload users from the ACL file.
LOG [<count> | RESET]
    Show the ACL log entries.
SAVE
    Save the current config to the ACL file.
SETUSER <username> <attribute> [<attribute> ...]
    Create or modify a user with the specified attributes.
USERS
    List all the registered usernames.
WHOAMI
    Return the current connection username.
HELP
    Prints this help.""".splitlines()

GENPASS_BITS = 256
MOST_BITS = 4096
LOG_COUNT = 10
NO_FILE = resp.error(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER"
    " command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store"
    " users in the Redis configuration."
)
"""Redis's words, for clients that look at them; here users are written into security.acl_file only."""


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "acl|whoami": lambda client, argv: resp.bulk(client.user),
        "acl|list": lambda client, argv: over_users(server, client, lambda user: user.line),
        "acl|users": lambda client, argv: over_users(server, client, lambda user: user.name),
        "acl|getuser": lambda client, argv: get_user(server, client, argv),
        "acl|setuser": lambda client, argv: set_user(server, client, argv),
        "acl|deluser": lambda client, argv: delete_users(server, client, argv),
        "acl|cat": cat,
        "acl|genpass": generate,
        "acl|dryrun": lambda client, argv: dry_run(server, argv),
        "acl|log": lambda client, argv: log_(server, client, argv),
        "acl|save": lambda client, argv: save(server),
        "acl|load": lambda client, argv: load(server, client),
        "acl|help": lambda client, argv: resp.lines(HELP),
    }


def questions(server: ServerState) -> Mapping[str, Question]:
    """The questions to each worker about the commands that it denied."""
    return {
        "acl-log": lambda count: [plain(entry) for entry in server.denials.first(count)],
        "acl-log-reset": lambda nothing: server.denials.clear(),
    }


def surplus(argv: list[bytes]) -> bytes:
    """The refusal of more arguments than a subcommand takes."""
    return resp.error(f"ERR unknown subcommand or wrong number of arguments for '{resp.shown(argv[1])}'. Try ACL HELP.")


# ---- users ----


def over_users(server: ServerState, client: Client, text_of: Callable[[User], str]) -> Reply:
    """ACL LIST and ACL USERS"""
    users = [account.user for account in server.users]
    return sliced(server, client, chain([resp.array_head(len(users))], (resp.bulk(text_of(one)) for one in users)))


def get_user(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """ACL GETUSER username"""
    version = client.session.state.resp
    account = server.users.get(text(argv[2]))
    if account is None:
        return resp.null(version)
    user = account.user
    return resp.mapping(
        [
            (resp.bulk("flags"), resp.unordered([resp.bulk(one) for one in _flags(user, account.nopass)], version)),
            (resp.bulk("passwords"), resp.array([resp.bulk(one) for one in account.sources])),
            *_selector(user.root),
            (
                resp.bulk("selectors"),
                resp.array([resp.mapping(_selector(selector), version) for selector in user.selectors]),
            ),
        ],
        version,
    )


def _flags(user: User, nopass: bool) -> Iterable[str]:
    return (one for one in user.flags if one != "nopass" or nopass)


def _selector(selector: Selector) -> list[tuple[bytes, bytes]]:
    return [
        (resp.bulk("commands"), resp.bulk(" ".join(selector.commands))),
        (resp.bulk("keys"), resp.bulk(" ".join(selector.keys))),
        (resp.bulk("channels"), resp.bulk(" ".join(selector.channels))),
    ]


def _change(
    server: ServerState, client: Client, edit: tuple[str, ...], done: Callable[[None], bytes] = lambda nothing: resp.OK
) -> Reply:
    def act() -> Deferred[None] | None:
        if not client.session.state.locked:
            return server.peers.change(server, {USERS: edit})
        # Others wait for the transaction's locks, so who judges the change is not waited for; what came before counts.
        new = replace(server.config, users=server.users.source[0]).replace({USERS: edit})
        acting = server.peers.change(server, {USERS: edit})
        if acting is not None:  # what follows in it is judged by the new rules in this process at least
            changed(server, Users(new, server.users))
            acting.addErrback(taken_back)
        return acting

    def taken_back(failure: Failure) -> Failure:
        changed(server, Users(server.config, server.users))
        return failure

    return settled(
        client,
        act,
        done,
        lambda problem: resp.error(f"ERR {problem}"),
    )


def set_user(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """ACL SETUSER username [rule ...]: all rules, or none."""
    if len(argv) > MAX_RULES or sum(map(len, argv)) > MAX_LINE:
        return resp.error(f"ERR {LONG_LINE}")
    return _change(server, client, ("setuser", *map(text, argv[2:])))


def delete_users(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """ACL DELUSER username [username ...]: how many there were. Their connections are closed."""
    if len(argv) > MAX_RULES:
        return resp.error("ERR too many names")
    names = dict.fromkeys(map(text, argv[2:]))
    if DEFAULT in names:
        return resp.error("ERR The 'default' user cannot be removed")
    count = sum(server.users.get(name) is not None for name in names)
    return _change(server, client, ("deluser", *names), lambda nothing: resp.integer(count))


def save(server: ServerState) -> bytes:
    """ACL SAVE"""
    path = server.config.security.acl_file
    if not path:
        return NO_FILE
    try:
        replace_file(path, data("".join(f"{account.user.line}\n" for account in server.users)))
    except OSError as problem:
        return resp.error(f"ERR There was an error trying to save the ACLs: {problem}")
    return resp.OK


def load(server: ServerState, client: Client) -> Reply:
    """ACL LOAD: the file's users instead of those there are, or none of it."""
    return _change(server, client, LOAD) if server.config.security.acl_file else NO_FILE


# ---- what there is to allow ----


def cat(client: Client, argv: list[bytes]) -> bytes:
    """ACL CAT [category]"""
    if len(argv) > 3:
        return surplus(argv)
    if len(argv) == 2:
        return resp.array([resp.bulk(name) for name in CATEGORIES])
    category = text(argv[2].lower())
    if category not in CATEGORIES:
        return resp.error(f"ERR Unknown category '{resp.shown(argv[2])}'")
    return resp.array([resp.bulk(one.name) for one in table().flattened() if category in one.categories])


def generate(client: Client, argv: list[bytes]) -> bytes:
    """ACL GENPASS [bits]"""
    if len(argv) > 3:
        return surplus(argv)
    bits = integer(argv[2]) if len(argv) > 2 else GENPASS_BITS
    if bits is None:
        return resp.error("ERR value is not an integer or out of range")
    if not 0 < bits <= MOST_BITS:
        return resp.error(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to"
            f" {MOST_BITS}"
        )
    digits = -(-bits // 4)
    return resp.bulk(secrets.token_hex(-(-digits // 2))[:digits])


def dry_run(server: ServerState, argv: list[bytes]) -> bytes:
    """ACL DRYRUN username command [arg ...]"""
    account = server.users.get(text(argv[2]))
    if account is None:
        return resp.error(f"ERR User '{resp.shown(argv[2])}' not found")
    entry = table().find(argv[3:])
    if entry is None:
        return resp.error(f"ERR Command '{resp.shown(argv[3])}' not found")
    if not entry.takes(len(argv) - 3):
        return resp.error(f"ERR wrong number of arguments for '{entry.name}' command")
    if account.permissions is None:
        return resp.OK
    denial, position = account.permissions.judge(entry, argv[3:])
    if denial == Denial.NONE:
        return resp.OK
    if denial == Denial.KEY:
        key = resp.shown(argv[3 + position])
        return resp.bulk(f"User {account.user.name} has no permissions to access the '{key}' key")
    return resp.bulk(_no_command(account.user.name, entry.name))


# ---- what was denied ----


def _no_command(user: str, command: str) -> str:
    return f"User {user} has no permissions to run the '{command}' command"


IN_EXEC = {"command": "execute the command or subcommand", "key": "touch the specified keys"}


def denied(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """The answer to a command that the core has handed up since its user may not run it."""
    state = client.session.state
    entry = table().find(argv)
    name = entry.name if entry is not None else text(argv[0].lower())
    if state.denied == Denial.KEY:
        server.counters.denied_keys += 1
        reason, what, words = "key", client.session.argument(state.denied_at), "No permissions to access a key"
    else:
        server.counters.denied_commands += 1
        reason, what, words = "command", data(name), _no_command(client.user, name)
    note(server, client, reason, what, client.user)
    if state.in_exec:
        return resp.error(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call."
            f" This command is no longer allowed for the following reason: no permission to {IN_EXEC[reason]}"
        )
    if name == "exec":
        return resp.error(f"EXECABORT Transaction discarded because of: NOPERM {words}")
    return resp.error(f"NOPERM {words}")


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


def log_(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
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
