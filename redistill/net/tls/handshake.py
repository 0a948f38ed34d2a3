"""The TLS handshake, before a client's first byte."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill.base.throttle import SELDOM
from redistill.engine.counters import DaemonCounters
from redistill.net.limits import Refusal
from redistill.net.sockets import shown
from redistill.net.tls.client_hello import hello_size
from redistill.net.tls.context import TlsContext, reason
from redistill.net.tls.peek import Peek
from redistill.net.tls.subject import described
from redistill.net.tls.tickets import Tickets

log = Logger()

PLAIN = {
    "http request": "the client sent HTTP without TLS",
    "wrong version number": "the client does not speak TLS",
    "packet length too long": "the client does not speak TLS",
    "unsupported protocol": "the client offers no version of TLS that the server accepts",
    "no shared cipher": "the client offers no cipher that the server accepts",
    "peer did not return a certificate": "the client has no certificate",
    "certificate verify failed": "the client's certificate is not accepted",
    "alert unknown ca": "the client does not trust the authority of the server's certificate",
    "alert certificate expired": "for the client the server's certificate is expired or not yet valid",
    "alert bad certificate": "the client does not accept the server's certificate",
    "alert certificate unknown": "the client does not accept the server's certificate",
    "alert protocol version": "the client accepts no version of TLS that the server offers",
    "unexpected eof": "the client closed the connection",
    "the connection ended": "the client closed the connection",
}
"""OpenSSL's words about a failed handshake, and what they mean here."""
HANDSHAKE_SECONDS = 10.0
"""Seconds that a client has from its connection to the end of the handshake."""


@implementer(IProtocolFactory)
class TlsFactory:
    """Makes the protocols of another factory, for connections that speak TLS.

    The other factory is asked first: a connection that it refuses costs no handshake, and is closed without an error
    line, for there is no TLS to send it in. One that it lets in counts from then on, also during its handshake.
    """

    noisy = False

    def __init__(
        self, clock: IReactorTime, factory: IProtocolFactory, context: TlsContext, counters: DaemonCounters
    ) -> None:
        self.clock = clock
        self.factory = factory
        self.context = context
        self.counters = counters
        self.tickets: Tickets | None = None
        """Passes clients to the worker that knows their session; None: this process has no relay to other workers."""

    def doStart(self) -> None:
        self.factory.doStart()

    def doStop(self) -> None:
        self.factory.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        client: Any = self.factory.buildProtocol(addr)
        if client is None:
            return None
        if isinstance(client, Refusal):
            for release in client.releases:
                release()
            return None
        return Handshake(self, client, self.tickets)

    def readmit(self, addr: IAddress) -> IProtocol | None:
        """As buildProtocol, for a client that another worker passed here: counted, never refused or passed on."""
        factory: Any = self.factory
        client = factory.readmit(addr)
        return None if client is None else Handshake(self, client, None)


class Handshake(Protocol):
    """The protocol of a connection until its handshake is done; then `client` takes its place."""

    transport: Any

    def __init__(self, factory: TlsFactory, client: Any, tickets: Tickets | None) -> None:
        """`client`: the protocol that gets the connection; it has the `releases` of the limits. `tickets`: another
        worker may know the client's session; None: it stays here."""
        self._made_by = factory
        self._client = client
        self._tickets = tickets
        self._late: IDelayedCall
        self._is_late = False

    def connectionMade(self) -> None:
        self._late = self._made_by.clock.callLater(HANDSHAKE_SECONDS, self._give_up)
        if self._tickets is None:
            self._begin()
        else:
            self.transport.step = Peek(self.transport.socket, hello_size, self._heard)

    def _give_up(self) -> None:
        self._is_late = True
        self.transport.abortConnection()

    def _heard(self, hello: bytes) -> Exception | None:
        assert self._tickets is not None
        if self._tickets.pass_on(self.transport.socket, hello):
            self._late.cancel()
            self.transport.let_go().close()
            self._leave()
            return None
        self._begin()
        return self._shake_hands()

    def _begin(self) -> None:
        transport = self.transport
        transport.tls = self._connection = self._made_by.context.connection(transport.socket)
        transport.step = self._shake_hands

    def _shake_hands(self) -> Exception | None:
        """Go on with the handshake; the error that ends the connection."""
        transport = self.transport
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            transport.stopWriting()
            transport.startReading()
        except SSL.WantWriteError:
            transport.stopReading()
            transport.startWriting()
        except SSL.Error as problem:
            return problem
        else:
            transport.stopWriting()
            transport.step = None
            self._established()
        return None

    def _leave(self) -> None:
        for release in self._client.releases:
            release()

    def _established(self) -> None:
        self._late.cancel()
        certificate = self._connection.get_peer_certificate()
        if certificate is not None:  # OpenSSL has verified it, or the handshake would have failed
            self._client.certificate = described(certificate)
        self.transport.protocol = self._client
        self._client.makeConnection(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._made_by.counters.tls_handshakes_failed += 1
        if self._late.active():
            self._late.cancel()
        self._leave()
        peer = self.transport.getPeer()
        host = getattr(peer, "host", "")
        problem = f"it was not done in {HANDSHAKE_SECONDS:.0f} seconds" if self._is_late else problem_of(reason)
        log.warn(
            "the TLS handshake of {peer} failed: {problem}",
            peer=shown((peer.host, peer.port)) if host else str(peer),
            problem=problem,
            log_throttle=SELDOM,
            log_kind=problem,
            log_from=(host,) if host else (),
        )


def problem_of(failure: Failure) -> str:
    """Why a handshake failed, for an operator."""
    error = failure.value
    if not isinstance(error, SSL.Error):
        return "the client closed the connection"
    said = reason(error)
    plain = next((words for theirs, words in PLAIN.items() if theirs in said), "")
    return f"{plain} ({said})" if plain else said
