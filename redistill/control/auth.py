"""AUTH, HELLO and RESET: the user of a connection, and its version of the protocol."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.task import deferLater
from twisted.logger import Logger

from redistill.base import resp
from redistill.base.throttle import SELDOM
from redistill.config.acl import DEFAULT, MAX_NAME, User
from redistill.control.acl.log import note
from redistill.control.arguments import bad_name, integer, text
from redistill.control.guesses import address_of
from redistill.control.state import REDIS_VERSION, ServerState
from redistill.control.users import Account, become, begin
from redistill.net.interfaces import Client, Command, Reply

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
TOO_MANY = resp.error("ERR too many failed authentications from your address, try again later")
LOGGED = 5
"""Failures of one address that are logged by themselves, before the others in 10 seconds are counted."""
SHOWN_NAME = 64
"""Bytes of a user name that the log shows."""
NOBODY = Account(User("", enabled=True), configured=("",))
"""Placeholder account, so that an unknown user takes as long to refuse."""


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "auth": lambda client, argv: auth(server, client, argv),
        "hello": lambda client, argv: hello(server, client, argv),
        "reset": lambda client, argv: reset(server, client, argv),
    }


def authenticate(server: ServerState, client: Client, user: bytes, password: bytes, said: str) -> Reply | None:
    """Let `client` in if user and password are right, and return None; otherwise return the refusal, which is delayed
    by the number of refusals that its address was given. An authenticated client stays authenticated. `said` is the
    command."""
    now = server.reactor.seconds()
    address = address_of(client)
    if server.guesses.refuses(address, now):
        server.counters.failed_auths += 1
        client.session.state.close_after_reply = True
        tell(client, address, user, "too many failures from its address, so it was not looked at")
        return TOO_MANY
    name = text(user[:MAX_NAME])
    account = server.users.get(name) if len(user) <= MAX_NAME else None
    secret = (account or NOBODY).admits(password)
    if account is not None and secret is not None:
        become(server, client, account, secret)
        return None
    server.counters.failed_auths += 1
    tell(client, address, user, "wrong user or password")
    note(server, client, "auth", said.encode(), name)
    wait = server.guesses.failed(address, now)
    if not wait:
        return WRONGPASS
    return deferLater(server.reactor, wait, lambda: WRONGPASS)


def tell(client: Client, address: str, user: bytes, problem: str) -> None:
    """Log a failed authentication. deploy/fail2ban reads the line, so the address stands before all that the client can
    choose; the user name is quoted, and a line has no ends that are not its own. Failures are counted by `address`."""
    log.warn(
        "{peer} was not authenticated: {problem}; user {user!r}",
        peer=client.peer,
        problem=problem,
        user=text(user[:SHOWN_NAME]),
        log_throttle=SELDOM,
        log_kind=address,
        log_burst=LOGGED if address else 1,
        log_from=(client.peer.rpartition(":")[0],) if address else (),
    )


def auth(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """AUTH [username] password"""
    if len(argv) > 3:
        return resp.error("ERR syntax error")
    if len(argv) == 2 and server.users.default.nopass:
        return NO_PASSWORD_SET
    user = argv[1] if len(argv) == 3 else DEFAULT.encode()
    return authenticate(server, client, user, argv[-1], "AUTH") or resp.OK


def hello(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """HELLO [protover [AUTH username password] [SETNAME clientname]]

    As in Redis 7.2 nothing takes effect before all options are understood; of several of one kind the last counts.
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
    credentials: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    position = 2
    while position < len(argv):
        option, left = argv[position].lower(), len(argv) - position - 1
        if option == b"auth" and left >= 2:
            credentials = argv[position + 1], argv[position + 2]
            position += 3
        elif option == b"setname" and left >= 1:
            if refusal := bad_name(argv[position + 1], "Client names"):
                return refusal
            name = argv[position + 1]
            position += 2
        else:
            return resp.error(f"ERR Syntax error in HELLO option '{resp.shown(argv[position])}'")
    if credentials:
        refused = authenticate(server, client, *credentials, "HELLO")
        if refused is not None:
            return refused
    if not state.authenticated:
        return NOAUTH_HELLO
    if name is not None:
        client.name = name
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
    """RESET: the connection is as it was at its beginning, except for the name of the client's library."""
    client.session.reset()
    state = client.session.state
    state.no_touch = state.no_evict = False
    client.name = b""
    begin(server, client)
    return resp.simple("RESET")
