"""Sessions of TLS over several workers: a client that comes back is brought to the worker that knows its session.

OpenSSL keeps nothing of a session: the client has it as a ticket, encrypted with keys that each worker's context makes
for itself and that cannot be set from Python. But a ticket begins with the name of its key (RFC 5077, section 4), and a
client shows it in its first message, in the clear. So each worker tells the others its key's name, looks at the first
message of each client, and passes the socket on, unread, to the worker whose key it was. A client that cannot be passed
on shakes hands in full where it is.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from redistill.net.relay import SocketRelay

log = Logger()

NAME = 16
"""Bytes of a key's name, as OpenSSL makes them (SSL_CTX_set_tlsext_ticket_key_cb(3))."""
HEADER = 5
"""Bytes before a record's content (RFC 8446, section 5.1)."""
HANDSHAKE, CLIENT_HELLO = b"\x16", b"\x01"
SESSION_TICKET, PRE_SHARED_KEY = 35, 41
"""Extensions that show a ticket: of TLS 1.2 (RFC 5077, 3.2), of TLS 1.3 (RFC 8446, 4.2.11)."""

# ---- a client's first message ----


def hello_size(start: bytes) -> int:
    """Bytes of the record that begins with `start`, as far as can be told; 0: it is no message of a handshake."""
    if start[:1] not in (b"", HANDSHAKE):
        return 0
    return HEADER if len(start) < HEADER else HEADER + int.from_bytes(start[3:HEADER], "big")


def key_name(hello: bytes) -> bytes:
    """The name of the key of the ticket that a ClientHello (RFC 8446, section 4.1.2) shows; empty: it shows none.

    Any bytes may be asked about.
    """
    try:
        shown = dict(_extensions(hello))
        ticket = shown.get(SESSION_TICKET, b"")
        if PRE_SHARED_KEY in shown:
            identities, _ = _vector(shown[PRE_SHARED_KEY], 0, 2)
            ticket, _ = _vector(identities, 0, 2)
    except ValueError:
        return b""
    return ticket[:NAME] if len(ticket) > NAME else b""


def _extensions(hello: bytes) -> Iterator[tuple[int, bytes]]:
    record, _ = _vector(hello, 3, 2)
    if hello[:1] != HANDSHAKE or record[:1] != CLIENT_HELLO:
        raise ValueError("not a ClientHello")
    message, _ = _vector(record, 1, 3)
    at = 2 + 32  # version, random
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        _, at = _vector(message, at, width)
    extensions, _ = _vector(message, at, 2)
    at = 0
    while at < len(extensions):
        kind = int.from_bytes(extensions[at : at + 2], "big")
        content, at = _vector(extensions, at + 2, 2)
        yield kind, content


def _vector(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """The vector at `at`, after its length of `width` bytes, and the offset of its end. ValueError: it is cut off."""
    start = at + width
    end = start + int.from_bytes(data[at:start], "big")
    if end > len(data):
        raise ValueError("cut off")
    return data[start:end], end


def key_name_of(context: SSL.Context) -> bytes:
    """The name of the key of the tickets that `context`, a server's, makes; empty: it makes none.

    OpenSSL shows it in the tickets only: so a client of our own, in memory, gets one and shows it.
    """
    ours = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client, server = SSL.Connection(ours, None), SSL.Connection(context, None)
    client.set_connect_state()
    server.set_accept_state()
    server.set_verify(SSL.VERIFY_NONE)
    converse(client, server)
    session = client.get_session()
    if session is None:
        return b""
    again = SSL.Connection(ours, None)
    again.set_session(session)
    again.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        again.do_handshake()
    return key_name(again.bio_read(1 << 16))


def converse(client: SSL.Connection, server: SSL.Connection) -> None:
    """Shake hands between two ends in memory, until the client has its tickets."""
    for _ in range(4):  # flights; the last one brings the tickets of TLS 1.3
        for one, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
                one.recv(1)
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(1 << 16))


# ---- which worker a ticket is from ----


class Context(Protocol):
    """See tls.Context."""

    def key_name(self) -> bytes:
        """The name of the key of this context's tickets."""
        ...


class Tickets:
    """Knows the workers' ticket keys, and passes clients to the worker that made their ticket."""

    def __init__(
        self,
        number: int,
        context: Context,
        relay: SocketRelay,
        lives: Callable[[int], bool],
        ask: Callable[[str, Any], Any],
    ) -> None:
        """`number` is this worker's. `lives` tells whether another worker is there. `ask` asks all others
        (`peers.Peers`) the question "tickets", which `note` answers there."""
        self._number = number
        self._context = context
        self._relay = relay
        self._lives = lives
        self._ask = ask
        self._own = b""
        self._names: dict[int, bytes] = {}
        self._homes: dict[bytes, int] = {}

    def announce(self) -> None:
        """Tell all other workers our key's name, and get theirs. To be called at the start, and after a new context."""
        self._own = self._context.key_name()
        asking: Deferred[list[Any]] = self._ask("tickets", [self._number, self._own.hex()])
        asking.addCallback(lambda answers: [self.note(answer) for answer in answers])
        asking.addErrback(
            lambda failure: log.failure(
                "internal error while asking workers for the names of their ticket keys", failure
            )
        )

    def note(self, theirs: Sequence[Any]) -> list[Any]:
        """Note `theirs`, another worker's number and its key's name. Returns ours."""
        number, name = theirs
        self._names[number] = bytes.fromhex(name)
        self._homes = {name: number for number, name in self._names.items() if name}
        return [self._number, self._own.hex()]

    def bring_home(self, sock: socket.socket, hello: bytes) -> bool:
        """Pass the client on `sock`, whose first message is `hello`, to the worker that made its ticket; whether it was
        passed on. The descriptor stays the caller's."""
        home = self._homes.get(key_name(hello), self._number)
        return home != self._number and self._lives(home) and self._relay.send(home, sock)
