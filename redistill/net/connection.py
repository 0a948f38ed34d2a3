"""Connections carry bytes between a client's session and its transport.

On our own transport the loop in C carries them (`loop.LoopConnection`), on any other `dataReceived` does
(`FedConnection`). The protocol decides when its client is served, and sees no difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from redistill.engine import Session, Status


class Connection(Protocol):
    """The interface that a protocol executes and sends through."""

    @property
    def busy(self) -> bool:
        """Whether commands are left to be executed, or replies to be sent, that do not wait for the client."""
        ...

    @property
    def last_active(self) -> float:
        """When bytes were last received or sent, as of reactor.seconds()."""
        ...

    def resume(self) -> Status:
        """Go on executing after the session has stopped."""
        ...

    def flush(self) -> None:
        """Send the replies that wait. If the client does not read all, `pauseProducing` of the protocol is called."""
        ...

    def read_on(self) -> None:
        """Receive more: the input so far is executed."""
        ...


class Client(Protocol):
    """The protocol whose connection is fed; see protocol.RespProtocol."""

    @property
    def unread(self) -> bool:
        """Whether the transport holds so much unread output that it has called `pauseProducing`."""
        ...


class FedConnection:
    """A session on any transport of Twisted's, fed with the bytes that `dataReceived` gets.

    A reply is taken out of the session in pieces of 64 KiB, and not while the transport has one unsent. So replies that
    a client does not read wait in the session, where the limits count them.
    """

    busy = False

    def __init__(self, session: Session, transport: Any, client: Client, seconds: Callable[[], float]) -> None:
        self._session = session
        self._transport = transport
        self._client = client
        self._seconds = seconds
        self._held = b""
        self._paused = False
        self.last_active = seconds()

    def receive(self, data: bytes) -> Status:
        """Execute the commands in `data`, as far as they go."""
        self.last_active = self._seconds()
        return self._session.feed(data)

    def hold(self, data: bytes) -> None:
        """Keep bytes that come while the client is not served, for `resume`. Reading stops, so it is about one read."""
        self.last_active = self._seconds()
        self._held += data
        if not self._paused:
            self._paused = True
            self._transport.pauseProducing()

    def resume(self) -> Status:
        status = self._session.resume()
        if status is Status.MORE and self._held:
            held, self._held = self._held, b""
            status = self._session.feed(held)
        return status

    def flush(self) -> None:
        while not self._client.unread and (output := self._session.output()):
            self._transport.write(output)

    def read_on(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resumeProducing()

    def drop(self) -> None:
        """Forget the bytes that `hold` kept: nothing more is executed."""
        self._held = b""
