"""A client's connection as the control plane sees it, and the shape of a command.

`protocol.RespProtocol` provides `Client`; the tests provide small fakes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from redistill.engine.interfaces import Session


class Certificate(NamedTuple):
    """The certificate that a client has shown in the TLS handshake."""

    subject: str
    """``CN=app,O=Example``"""
    user: str
    """The subject's common name, where it can be a user's name; else empty."""


class Client(Protocol):
    """One client, as the commands see it."""

    client_id: int
    peer: str
    """``ip:port``, or ``path:0`` over a UNIX socket."""
    local: str
    fd: int
    name: bytes
    lib_name: bytes
    lib_ver: bytes
    user: str
    secret: int
    """The number of the secret that the client authenticated with (`acl.number_of`); 0: none."""
    changes: bool
    """Whether the client waits for the reply to a change of settings or of users."""
    certificate: Certificate | None
    """The client's certificate; None: it has shown none."""
    connected_at: float
    """Time of the connection as of reactor.seconds(), as is `last_active`."""

    @property
    def last_active(self) -> float: ...

    @property
    def session(self) -> Session: ...

    @property
    def blocked(self) -> bool:
        """Whether the client waits for the answer of a command, or for the end of a pause."""
        ...

    def push(self, data: bytes) -> None:
        """Send a message that answers no command; a client that does not keep up is closed."""
        ...

    def send_pushed(self) -> None:
        """Send the messages in the session's output."""
        ...

    def wake(self) -> None:
        """Go on, since the session was woken."""
        ...

    def flush(self, on_read: Callable[[], None]) -> bool:
        """Send the part of an answer that is there. False: the client has to read first; then `on_read` is called."""
        ...

    def kill(self) -> None:
        """Close the connection at once; replies that wait are lost."""
        ...


Later = Callable[[], bytes | Deferred[bytes]]
"""Makes the answer to a command that was begun with its transaction's shards locked, when they are released."""
Reply = bytes | Deferred[bytes] | Later
Command = Callable[[Client, list[bytes]], Reply]
"""One command: the whole argv, the name included, to one RESP reply; b"" for none. The core has checked the arity."""
