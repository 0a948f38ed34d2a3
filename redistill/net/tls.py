"""TLS: the context that connections are made with, and the handshake that stands before a client's first byte.

Nothing here comes near a client's bytes: the loop reads and writes through OpenSSL itself (`net.Server.establish`).
"""

from __future__ import annotations

import calendar
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from cryptography.x509 import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.application.service import Service
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.files import Pem
from redistill.config.settings import Security
from redistill.engine.stats import DaemonCounters
from redistill.net.interfaces import Certificate
from redistill.net.limits import Refusal
from redistill.net.tickets import Tickets, hello_size, key_name_of

log = Logger()

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; all of TLS 1.3's are good. Both give forward secrecy and authenticated encryption (RFC 9325, 4.2)."""
VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
CLIENT_AUTH = {"optional": SSL.VERIFY_PEER, "required": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT}
SESSIONS = b"redistill"
"""What sessions are resumed for; OpenSSL asks for a name before it resumes those with a client's certificate."""
NAMES = {NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber"}
"""Of a subject's parts, where RFC 4514 has none that is said."""
LOOK_SECONDS = 10.0
"""Time between two looks at the certificate's files."""
AGAIN = 60
"""Looks until files that could not be used are read again, though they have not changed."""
HANDSHAKE_SECONDS = 10.0
"""Time that a client has from its connection to the end of the handshake."""


def spoken(listener: socket.socket, security: Security) -> bool:
    """Whether clients of `listener`, one of the daemon's, speak TLS."""
    if listener.family == socket.AF_UNIX:
        return False
    return security.tls_enabled or listener.getsockname()[1] == security.tls_port


def is_used(security: Security) -> bool:
    """Whether anybody speaks TLS."""
    return security.tls_enabled or bool(security.tls_port)


def make_context(security: Security, pem: Pem) -> SSL.Context:
    """What the server's end of connections is made with: `pem` is what the files hold that `security` names. Raises
    ConfigError, which names the setting to mend."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(VERSIONS[security.tls_min_version])
    context.set_cipher_list(CIPHERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_id(SESSIONS)
    context.set_passwd_cb(lambda *asked: b"")  # else OpenSSL asks on the terminal
    certificate, key = security.tls_cert_path, security.tls_key_path
    chain = context.use_certificate_chain_file
    _using("tls_cert_path", certificate, pem.certificate, "is no certificate chain in PEM", chain)
    # OpenSSL compares the two as it reads the second.
    _using(
        "tls_key_path",
        key,
        pem.key,
        f"is no unencrypted private key in PEM, or not that of {certificate}",
        context.use_privatekey_file,
    )
    if security.tls_client_auth != "no":
        authority = security.tls_ca_path
        for use in (context.load_verify_locations, lambda path: context.load_client_ca(os.fsencode(path))):
            _using("tls_ca_path", authority, pem.authority, "holds no certificates in PEM", use)
        context.set_verify(CLIENT_AUTH[security.tls_client_auth], None)
    return context


def _using(setting: str, path: str, data: bytes, problem: str, use: Callable[[str], object]) -> None:
    """Have OpenSSL `use` what the file at `path` held. It reads files only, so it gets one that is in memory."""
    try:
        with open(os.memfd_create("pem"), "wb", buffering=0) as file:
            file.write(data)
            use(f"/proc/self/fd/{file.fileno()}")
    except OSError as error:
        raise ConfigError(f"security.{setting}: cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except SSL.Error as error:
        raise ConfigError(f"security.{setting}: {path} {problem} ({reason(error)})") from None


def reason(error: SSL.Error) -> str:
    """What OpenSSL says of it, in few words."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(dict.fromkeys(words for *_, words in queue if words)) or "the connection ended"


def described(certificate: X509) -> Certificate:
    """Whom a certificate names. A subject of several common names, or of one that is no word, has no user's name, and
    neither has one that cannot be read: each name is text of the kind that the certificate says (ASN.1)."""
    try:
        subject = certificate.to_cryptography().subject
        parts = [(NAMES.get(one.oid, one.rfc4514_attribute_name), one.value) for one in subject]
    except ValueError:
        return Certificate("unreadable", "")
    names = [value for kind, value in parts if kind == "CN"]
    name = names[0] if len(names) == 1 else ""
    user = name if isinstance(name, str) and name.isprintable() and " " not in name else ""
    return Certificate(",".join(f"{kind}={_shown(value)}" for kind, value in parts), user)


def _shown(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


FORBIDDEN = "forbidden"
"""The state of a file that may not be looked at."""


class Context:
    """The context for new connections. It can be replaced at any time; those that there are keep theirs."""

    expires: float
    """When the certificate ends, in seconds since the epoch."""
    subject: str
    """Whose certificate it is, as `described` has it."""
    fingerprint: str
    """SHA-256 of the certificate, in hexadecimal digits."""

    def __init__(self, security: Security, pem: Pem) -> None:
        """See `make_context`. Raises ConfigError."""
        self._made_of: object = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when `apply` has made another one."""
        self.use(security, pem)

    def apply(self, config: Config) -> None:
        """Use what `config` says. Raises ConfigError, and the old one stays."""
        if self.use(config.security, config.pem):
            self.on_change()

    def use(self, security: Security, pem: Pem) -> bool:
        """Have another context, if it would be made of something else; whether it is another. Raises ConfigError, and
        the old one stays."""
        made_of = security.tls_min_version, security.tls_client_auth, pem
        if made_of == self._made_of:
            return False
        context = make_context(security, pem)
        certificate = SSL.Connection(context).get_certificate()
        assert certificate is not None  # it has a key, so it has a certificate
        until = certificate.get_notAfter() or b""
        self.expires = float(calendar.timegm(time.strptime(until.decode(), "%Y%m%d%H%M%SZ")))
        self.subject = described(certificate).subject
        self.fingerprint = certificate.digest("sha256").decode().replace(":", "").lower()
        self._context, self._made_of = context, made_of
        return True

    def key_name(self) -> bytes:
        """Of the tickets that clients get for their sessions (`tickets`)."""
        return key_name_of(self._context)

    def connection(self, sock: socket.socket) -> SSL.Connection:
        """The server's end of a connection on `sock`, before its handshake."""
        connection = SSL.Connection(self._context, sock)
        connection.set_accept_state()
        return connection


class CertificateWatch(Service):
    """Notices that the files were changed, as a program that renews certificates does it.

    It waits until they rest: the certificate and its key are not written at once.
    """

    def __init__(self, clock: IReactorTime, security: Callable[[], Security], changed: Callable[[], bool]) -> None:
        """`security` names the files. `changed` says whether it has looked at them; if not, it is called again soon. It
        may raise ConfigError: then it is called when they change again, or later."""
        self._security = security
        self._changed = changed
        self._read: object = None
        self._seen: object = None
        self._rests = 0
        """Looks since the files have changed."""
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._read = self._seen = self.state()
        self._looks.start(LOOK_SECONDS, now=False)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        self._looks.stop()

    def noted(self, state: object) -> None:
        """The files have been read, and are used: as they are in this `state` they are nothing new."""
        self._read = state

    def knows(self, security: Security) -> bool:
        """Whether the files that `security` names are those that were read last, as they were then. Those that this
        process may not look at, since it has become another user, are taken for such: it could not read them."""
        paths, states = _paths_of(security), _files_of(security)
        if paths != _paths_of(self._security()) or states != self._read:
            return False
        if any(path and state is None for path, state in zip(paths, states, strict=True)):
            return False
        for path, state in zip(paths, states, strict=True):
            if state is FORBIDDEN:
                log.warn("the server's user cannot reach {path}: its former contents stay in use", path=path)
        return True

    def _look(self) -> None:
        before, self._seen = self._seen, self.state()
        self._rests = self._rests + 1 if self._seen == before else 0
        # What cannot be used may become usable without a change of the files.
        if self._seen != self._read and self._rests % AGAIN == 1:
            try:
                if self._changed():
                    self.noted(self._seen)
                else:
                    self._rests = 0
            except ConfigError as problem:
                log.error("the certificate was not renewed, the old one stays in use: {problem}", problem=str(problem))

    def state(self) -> object:
        """Of the files: another one after each change."""
        return _files_of(self._security())


def _paths_of(security: Security) -> list[str]:
    return [security.tls_cert_path, security.tls_key_path, security.tls_ca_path]


def _files_of(security: Security) -> list[object]:
    return [_state_of(path) for path in _paths_of(security)]


def _state_of(path: str) -> object:
    try:
        found = os.stat(path)
    except PermissionError:
        return FORBIDDEN
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns  # the last: its permissions


@implementer(IProtocolFactory)
class TlsFactory:
    """Makes the protocols of another factory, for connections that speak TLS.

    The other one is asked first: what it refuses costs no handshake, and is closed without a word, for there is no TLS
    to say it in. What it lets in is counted from then on, so a client in its handshake takes a place.
    """

    noisy = False

    def __init__(
        self, clock: IReactorTime, factory: IProtocolFactory, context: Context, counters: DaemonCounters
    ) -> None:
        self.clock = clock
        self.factory = factory
        self.context = context
        self.counters = counters
        self.tickets: Tickets | None = None
        """Of several workers: brings clients to the one that knows their session."""

    def doStart(self) -> None:
        self.factory.doStart()

    def doStop(self) -> None:
        self.factory.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        client: Any = self.factory.buildProtocol(addr)
        if client is None:
            return None
        if isinstance(client, Refusal):
            for release in client.leaving:
                release()
            return None
        return Handshake(self, client, self.tickets)

    def readmit(self, addr: IAddress) -> IProtocol | None:
        """As buildProtocol, for who was brought here by another worker: counted, never refused, and here to stay."""
        factory: Any = self.factory
        client = factory.readmit(addr)
        return None if client is None else Handshake(self, client, None)


class Handshake(Protocol):
    """In a client's place until it has shaken hands."""

    transport: Any

    def __init__(self, factory: TlsFactory, client: Any, tickets: Tickets | None) -> None:
        """`client`: the protocol whose connection it will be; it has the `leaving` of the limits. `tickets`: it may be
        at home elsewhere."""
        self._made_by = factory
        self._client = client
        self._tickets = tickets
        self._late: IDelayedCall

    def connectionMade(self) -> None:
        self._late = self._made_by.clock.callLater(HANDSHAKE_SECONDS, self.transport.abortConnection)
        if self._tickets is None:
            self._begin()
        else:
            self.transport.peek(hello_size, self._heard)

    def _heard(self, hello: bytes) -> None:
        assert self._tickets is not None
        if self._tickets.bring_home(self.transport.socket, hello):
            self._late.cancel()
            self.transport.let_go().close()
            self._leave()
        else:
            self._begin()

    def _begin(self) -> None:
        self._connection = self._made_by.context.connection(self.transport.socket)
        self.transport.establish(self._connection, self._established)

    def _leave(self) -> None:
        for release in self._client.leaving:
            release()

    def _established(self) -> None:
        self._late.cancel()
        certificate = self._connection.get_peer_certificate()
        if certificate is not None:  # OpenSSL has verified it, or there were no connection
            self._client.certificate = described(certificate)
        self.transport.protocol = self._client
        self._client.makeConnection(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._made_by.counters.tls_handshakes_failed += 1
        if self._late.active():
            self._late.cancel()
        self._leave()
        log.debug(
            "the TLS handshake of {peer} failed: {problem}", peer=self.transport.getPeer(), problem=_problem(reason)
        )


def _problem(failure: Failure) -> str:
    error = failure.value
    return reason(error) if isinstance(error, SSL.Error) else failure.getErrorMessage()
