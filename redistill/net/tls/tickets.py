"""TLS sessions over several workers: a returning client is passed to the worker that knows its session.

OpenSSL keeps nothing of a session: the client has it as a ticket, encrypted with keys that each worker's context makes
for itself and that cannot be set from Python. But a ticket begins with the name of its key (RFC 5077, section 4), and a
client shows it in its first message, in the clear. So each worker tells the others its key's name, looks at the first
message of each client, and passes the socket on, unread, to the worker whose key it was. A client that cannot be passed
on shakes hands in full where it is.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from redistill.net.relay import SocketRelay
from redistill.net.tls.client_hello import key_name

log = Logger()


class Context(Protocol):
    """See context.TlsContext."""

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
        has_worker: Callable[[int], bool],
        ask: Callable[[str, Any], Any],
    ) -> None:
        """`number` is this worker's. `has_worker` tells whether another worker is there. `ask` asks all others
        (`peers.Peers`) the question "tickets", which `note` answers there."""
        self._number = number
        self._context = context
        self._relay = relay
        self._has_worker = has_worker
        self._ask = ask
        self._own = b""
        self._names: dict[int, bytes] = {}
        self._makers: dict[bytes, int] = {}

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
        self._makers = {name: number for number, name in self._names.items() if name}
        return [self._number, self._own.hex()]

    def pass_on(self, sock: socket.socket, hello: bytes) -> bool:
        """Pass the client on `sock`, whose first message is `hello`, to the worker that made its ticket; whether it was
        passed on. The descriptor stays the caller's."""
        maker = self._makers.get(key_name(hello), self._number)
        return maker != self._number and self._has_worker(maker) and self._relay.send(maker, sock)
