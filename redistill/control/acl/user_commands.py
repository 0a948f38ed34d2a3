"""ACL LIST, USERS, GETUSER, SETUSER, DELUSER, SAVE and LOAD: the users, and changes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from redistill.base import resp
from redistill.base.words import data
from redistill.config.acl import DEFAULT, LONG_LINE, MAX_LINE, MAX_RULES, User
from redistill.config.config import LOAD, USERS
from redistill.config.rewrite import replace_file
from redistill.config.selector import Selector
from redistill.control.arguments import text
from redistill.control.configuration import settled
from redistill.control.slices import sliced
from redistill.control.state import ServerState
from redistill.control.users import Users, changed
from redistill.net.interfaces import Client, Reply

NO_FILE = resp.error(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER"
    " command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store"
    " users in the Redis configuration."
)
"""Redis's words, for clients that look at them; here users are written into security.acl_file only."""


def list_users(server: ServerState, client: Client, text_of: Callable[[User], str]) -> Reply:
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
        # Other clients wait for the transaction's locks, so it does not wait for the judge of the change. The change is
        # made to the users as the transaction has changed them so far.
        new = replace(server.config, users=server.users.source[0]).replace({USERS: edit})
        acting = server.peers.change(server, {USERS: edit})
        if acting is not None:  # this process judges the transaction's next commands by the new rules
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
    """ACL LOAD: the file's users replace the present ones, or nothing changes."""
    return _change(server, client, LOAD) if server.config.security.acl_file else NO_FILE
