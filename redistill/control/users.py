"""The users of the running server: their passwords and their permissions."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from redistill.base import words
from redistill.config.acl import DEFAULT, User, hashed, number_of
from redistill.config.config import Config
from redistill.config.lists import MAX_PASSWORD
from redistill.config.selector import table
from redistill.engine.permissions import Denial, Permissions
from redistill.net.interfaces import Client

if TYPE_CHECKING:
    from redistill.control.state import ServerState


class Account:
    """A user, with the passwords that the configuration gives it."""

    def __init__(self, user: User, configured: Iterable[str] = (), from_file: Iterable[str] = ()) -> None:
        """`configured` are the passwords of security.password, `from_file` the passwords of security.password_file."""
        self.user = user
        self.sources: dict[str, str] = dict.fromkeys(user.hashes, "acl")
        """Hash of a password -> its source: ``acl``, ``config`` or ``file``."""
        for source, passwords in (("config", configured), ("file", from_file)):
            for one in passwords:
                self.sources.setdefault(hashed(words.data(one)), source)
        self.nopass = user.nopass and not self.sources

    @property
    def open(self) -> bool:
        """Whether one is this user without saying a password."""
        return self.user.enabled and self.nopass

    @cached_property
    def permissions(self) -> Permissions | None:
        """None: everything is allowed."""
        selectors = (self.user.root, *self.user.selectors)
        return None if any(one.unrestricted for one in selectors) else Permissions(selectors)

    def admits(self, password: bytes) -> int | None:
        """The number of the secret that `password` is, 0 when any would do, or None when it is none of this user's.

        The time it takes tells nothing about the passwords, or about which of them it was.
        """
        digest = hashed(password[:MAX_PASSWORD])  # whoever is in already may send much more
        found = False
        for one in self.sources:
            found |= hmac.compare_digest(digest, one)
        if not self.user.enabled:
            return None
        if self.nopass:
            return 0
        return number_of(digest) if found and len(password) <= MAX_PASSWORD else None


class Users:
    """All accounts. One for each configuration."""

    def __init__(self, config: Config, before: Users | None = None) -> None:
        """An account of `before` that is the same stays, with its permissions."""
        self.source = (config.users, config.passwords)
        """The users and passwords from which the accounts were made."""
        self._accounts: dict[str, Account]
        if before is None:
            self._accounts = {name: Account(user) for name, user in config.users.items()}
        else:
            self._accounts = dict(before._accounts)
            for name, changed in config.users.differences(before.source[0]).items():
                if changed is None:
                    del self._accounts[name]
                else:
                    self._accounts[name] = Account(changed)
        default = config.users[DEFAULT]
        if before is None or self.default.user is not before.default.user or config.passwords != before.source[1]:
            self._accounts[DEFAULT] = Account(default, config.security.password, config.file_passwords)

    def __iter__(self) -> Iterator[Account]:
        """In the order of their names."""
        return (self._accounts[user.name] for user in self.source[0].ordered())

    def get(self, name: str) -> Account | None:
        """The account of a name."""
        return self._accounts.get(name)

    @property
    def default(self) -> Account:
        """The account of a connection that has not authenticated."""
        return self._accounts[DEFAULT]


def may_see_hashes(server: ServerState, client: Client) -> bool:
    """Whether `client` may see digits of password hashes: its user may run ACL GETUSER, which shows them whole."""
    account = server.users.get(client.user)
    if account is None:
        return False
    argv = (b"acl", b"getuser", b"default")
    entry = table().find(argv)
    assert entry is not None
    return account.permissions is None or account.permissions.judge(entry, argv)[0] is Denial.NONE


def begin(server: ServerState, client: Client) -> None:
    """`client` is the user that its certificate names, if that is wanted, or else the default user from now on, and in
    if that asks for no password."""
    if client.certificate and server.config.security.tls_auth_user == "cn":
        named = server.users.get(client.certificate.user)
        if named is not None and named.user.enabled:
            become(server, client, named, 0)
            return
    account = server.users.default
    become(server, client, account, 0)
    client.session.state.authenticated = account.open


def become(server: ServerState, client: Client, account: Account, secret: int) -> None:
    """`client` has authenticated as this user, with this secret (0: with none)."""
    client.session.permit(account.permissions)  # first, since it may raise; then the client's user has not changed
    leave(server, client)
    client.user, client.secret = account.user.name, secret
    client.session.state.authenticated = True
    if secret:
        server.store.secrets.enter(secret, server.wall())


def resume(server: ServerState, client: Client) -> None:
    """`client` was authenticated in another process. If its user no longer exists it is closed, and if that user may no
    longer access one of its channels."""
    account = server.users.get(client.user)
    if account is None:
        client.secret = 0
        begin(server, client)
        # It does not become the default user: deleting a user closes its connections in every process.
        client.session.state.authenticated = False
        client.session.state.close_after_reply = True
        return
    client.session.permit(account.permissions)
    if client.secret:
        server.store.secrets.enter(client.secret, 0)
    if not client.session.may_stay(account.permissions):
        server.reactor.callLater(0, client.kill)


def leave(server: ServerState, client: Client) -> None:
    """`client` has disconnected, moves to another process, or becomes another user. Its user and secret stay readable,
    for the process that goes on with it."""
    if client.secret:
        server.store.secrets.leave(client.secret)


def changed(server: ServerState, users: Users) -> None:
    """Put these users into effect: connections get the new permissions, connections of deleted users are closed, and
    those of subscribers whose user may no longer access one of their channels. A connection that is closing already
    sends its last replies first. The client that asked for the change gets the reply before it is closed, and stays if
    the change is taken back. If this raises, nothing has changed."""
    before = server.users
    clients = [one for one in server.clients.values() if users.get(one.user) is not before.get(one.user)]
    lost = {
        one.client_id for one in clients if (new := users.get(one.user)) and not one.session.may_stay(new.permissions)
    }
    try:
        _permit(clients, users)
    except Exception:
        _permit(clients, before)
        raise
    server.users = users
    for client in clients:
        gone = users.get(client.user) is None or client.client_id in lost
        if client.changes:
            client.session.state.close_after_reply = gone
        elif gone and not client.session.state.close_after_reply:
            client.kill()


def _permit(clients: Iterable[Client], users: Users) -> None:
    for client in clients:
        if (account := users.get(client.user)) is not None:
            client.session.permit(account.permissions)
