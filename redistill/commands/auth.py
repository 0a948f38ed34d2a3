"""AUTH, HELLO and RESET: who a client is, and which protocol it speaks."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from twisted.logger import Logger

from redistill import resp
from redistill.commands.arguments import integer, printable
from redistill.commands.interfaces import Client, Command
from redistill.commands.state import REDIS_VERSION, ServerState
from redistill.logs import SELDOM

log = Logger()

WRONGPASS = resp.error("WRONGPASS invalid username-password pair or user is disabled.")
NOAUTH_HELLO = resp.error(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option "
    "can be used to authenticate the client and select the RESP protocol version at the same time"
)
NO_PASSWORD_SET = resp.error(
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
BAD_NAME = "ERR {} cannot contain spaces, newlines or special characters."


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "auth": lambda client, argv: auth(server, client, argv),
        "hello": lambda client, argv: hello(server, client, argv),
        "reset": lambda client, argv: reset(server, client, argv),
    }


def password_is_valid(password: bytes, valid: tuple[str, ...]) -> bool:
    """Whether `password` is one of `valid`. The time it takes tells nothing about their bytes, their lengths, or which
    of them it was."""
    given = sha256(password).digest()
    found = False
    for one in valid:
        found |= hmac.compare_digest(given, sha256(one.encode("utf-8", "surrogateescape")).digest())
    return found


def authenticate(server: ServerState, client: Client, user: bytes, password: bytes) -> bool:
    """Let `client` in if user and password say so. A client that was in already stays in if they do not."""
    valid = server.config.passwords
    if user != b"default" or (valid and not password_is_valid(password, valid)):
        server.counters.failed_auths += 1
        log.warn("{peer} was not authenticated: wrong user or password", peer=client.peer, log_throttle=SELDOM)
        return False
    client.user = "default"
    client.session.state.authenticated = True
    return True


def auth(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """AUTH [username] password"""
    if len(argv) > 3:
        return resp.error("ERR syntax error")
    if len(argv) == 2 and not server.config.passwords:
        return NO_PASSWORD_SET
    user = argv[1] if len(argv) == 3 else b"default"
    return resp.OK if authenticate(server, client, user, argv[-1]) else WRONGPASS


def hello(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """HELLO [protover [AUTH username password] [SETNAME clientname]]

    The options take effect one by one, as in Redis 7.0; the version last, and only if all went well.
    """
    state = client.session.state
    version = state.resp
    if len(argv) > 1:
        number = integer(argv[1])
        if number is None:
            return resp.error("ERR Protocol version is not an integer or out of range")
        if number not in (2, 3):
            return resp.error("NOPROTO unsupported protocol version")
        version = number
    position = 2
    while position < len(argv):
        option, left = argv[position].lower(), len(argv) - position - 1
        if option == b"auth" and left >= 2:
            if not authenticate(server, client, argv[position + 1], argv[position + 2]):
                return WRONGPASS
            position += 3
        elif option == b"setname" and left >= 1:
            if not printable(argv[position + 1]):
                return resp.error(BAD_NAME.format("Client names"))
            client.name = argv[position + 1]
            position += 2
        else:
            return resp.error(f"ERR Syntax error in HELLO option '{resp.shown(argv[position])}'")
    if not state.authenticated:
        return NOAUTH_HELLO
    state.resp = version
    return resp.mapping(
        [
            (resp.bulk("server"), resp.bulk("redis")),
            (resp.bulk("version"), resp.bulk(REDIS_VERSION)),
            (resp.bulk("proto"), resp.integer(version)),
            (resp.bulk("id"), resp.integer(client.client_id)),
            (resp.bulk("mode"), resp.bulk("standalone")),
            (resp.bulk("role"), resp.bulk("master")),
            (resp.bulk("modules"), resp.array([])),
        ],
        version,
    )


def reset(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """RESET: the connection as it was when it came, but for the name of the client's library."""
    client.session.reset()
    state = client.session.state
    state.authenticated = not server.config.passwords
    state.no_touch = state.no_evict = False
    client.name = b""
    client.user = "default"
    return resp.simple("RESET")
