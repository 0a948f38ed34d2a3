"""TLS: the context that connections are made with, and the handshake before a client's first byte.

A client's bytes do not pass here: the loop reads and writes through OpenSSL itself (`transport.Server.establish`).
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
"""TLS 1.2's; TLS 1.3's are all good. Both have forward secrecy and authenticated encryption (RFC 9325, 4.2)."""
VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
CLIENT_AUTH = {"optional": SSL.VERIFY_PEER, "required": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT}
SESSIONS = b"redistill"
"""The session id context: without one OpenSSL does not resume sessions that have a client's certificate."""
NAMES = {NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber"}
"""Usual names of a subject's parts for which RFC 4514 has none."""
LOOK_SECONDS = 10.0
"""Seconds between two looks at the certificate's files."""
AGAIN = 60
"""Number of looks after which unusable files are read again, though they have not changed."""
HANDSHAKE_SECONDS = 10.0
"""Seconds that a client has from its connection to the end of the handshake."""


def spoken(listener: socket.socket, security: Security) -> bool:
    """Whether clients of `listener`, one of the daemon's, speak TLS."""
    if listener.family == socket.AF_UNIX:
        return False
    return security.tls_enabled or listener.getsockname()[1] == security.tls_port


def is_used(security: Security) -> bool:
    """Whether any port speaks TLS."""
    return security.tls_enabled or bool(security.tls_port)


def make_context(security: Security, pem: Pem) -> SSL.Context:
    """The context for the server's end of connections. `pem` has the contents of the files that `security` names.
    Raises ConfigError, which names the setting to mend."""
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
    """Have OpenSSL `use` `data`, read from `path` before. OpenSSL reads files only, so it gets one in memory."""
    try:
        with open(os.memfd_create("pem"), "wb", buffering=0) as file:
            file.write(data)
            use(f"/proc/self/fd/{file.fileno()}")
    except OSError as error:
        raise ConfigError(f"security.{setting}: cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except SSL.Error as error:
        raise ConfigError(f"security.{setting}: {path} {problem} ({reason(error)})") from None


def reason(error: SSL.Error) -> str:
    """OpenSSL's own words for `error`, in short."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(dict.fromkeys(words for *_, words in queue if words)) or "the connection ended"


def described(certificate: X509) -> Certificate:
    """A certificate's subject and user name. The user name is empty if the subject has several common names, one that
    is no word, or cannot be read: each name is text of the kind that the certificate says (ASN.1)."""
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
"""The state of a file that this process has no permission to look at."""


class Context:
    """The context for new connections. It can be replaced at any time; open connections keep theirs."""

    expires: float
    """When the certificate ends, in seconds since the epoch."""
    subject: str
    """The subject of the server's certificate, as `described` writes it."""
    fingerprint: str
    """SHA-256 of the certificate, in hexadecimal digits."""

    def __init__(self, security: Security, pem: Pem) -> None:
        """See `make_context`. Raises ConfigError."""
        self._made_of: object = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when `apply` has made another context."""
        self.use(security, pem)

    def apply(self, config: Config) -> None:
        """Make the context that `config` asks for. Raises ConfigError, and the old context stays."""
        if self.use(config.security, config.pem):
            self.on_change()

    def use(self, security: Security, pem: Pem) -> bool:
        """Make another context, if files or settings differ from those of the present one; whether it did. Raises
        ConfigError, and the old context stays."""
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
        """The name of the key of the tickets that clients get for their sessions (`tickets`)."""
        return key_name_of(self._context)

    def connection(self, sock: socket.socket) -> SSL.Connection:
        """The server's end of a connection on `sock`, before its handshake."""
        connection = SSL.Connection(self._context, sock)
        connection.set_accept_state()
        return connection


class CertificateWatch(Service):
    """Notices changes of the certificate's files, as a program that renews certificates makes them.

    It waits until the files rest: the certificate and its key are not written at once.
    """

    def __init__(self, clock: IReactorTime, security: Callable[[], Security], changed: Callable[[], bool]) -> None:
        """`security` names the files. `changed` says whether it has looked at them; if not, it is called again soon. It
        may raise ConfigError: then it is called when the files change again, or later."""
        self._security = security
        self._changed = changed
        self._read: object = None
        self._seen: object = None
        self._rests = 0
        """Number of looks since the last change of the files."""
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
        """Note that the files have been read and are in use: in this `state` they count as unchanged."""
        self._read = state

    def knows(self, security: Security) -> bool:
        """Whether the files that `security` names are those that were read last, and unchanged. Files that this process
        may not look at, since it has become another user, count as unchanged: it could not read them."""
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
        # Unusable files may become usable without a change of the files.
        if self._seen != self._read and self._rests % AGAIN == 1:
            try:
                if self._changed():
                    self.noted(self._seen)
                else:
                    self._rests = 0
            except ConfigError as problem:
                log.error("the certificate was not renewed, the old one stays in use: {problem}", problem=str(problem))

    def state(self) -> object:
        """The state of the files: another value after each change."""
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

    The other factory is asked first: a connection that it refuses costs no handshake, and is closed without an error
    line, for there is no TLS to send it in. One that it lets in counts from then on, also during its handshake.
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
            for release in client.leaving:
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
        """`client`: the protocol that gets the connection; it has the `leaving` of the limits. `tickets`: another
        worker may know the client's session; None: it stays here."""
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
        if certificate is not None:  # OpenSSL has verified it, or the handshake would have failed
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
