"""The context that TLS connections are made with, and the ports that speak TLS."""

from __future__ import annotations

import calendar
import os
import re
import socket
import time
from collections.abc import Callable

from OpenSSL import SSL

from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.files import Pem
from redistill.config.settings import Security
from redistill.net.tls.subject import described
from redistill.net.tls.ticket_keys import key_name_of

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2's; TLS 1.3's are all good. Both have forward secrecy and authenticated encryption (RFC 9325, 4.2)."""
VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
CLIENT_AUTH = {"optional": SSL.VERIFY_PEER, "required": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT}
ENCRYPTED = re.compile(rb"^(-----BEGIN ENCRYPTED |Proc-Type:[ \t]*4,[ \t]*ENCRYPTED)", re.MULTILINE)
"""PEM with a password, in PKCS#8 and in the older form (RFC 1421)."""
SESSIONS = b"redistill"
"""The session id context: without one OpenSSL does not resume sessions that have a client's certificate."""


def speaks_tls(listener: socket.socket, security: Security) -> bool:
    """Whether clients of `listener`, one of the daemon's, speak TLS."""
    if listener.family == socket.AF_UNIX:
        return False
    return security.tls_enabled or listener.getsockname()[1] == security.tls_port


def uses_tls(security: Security) -> bool:
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
    """Have OpenSSL `use` `data`, read from `path` before. OpenSSL reads files only, so it gets one in memory.

    It would ask for the password of encrypted data on the terminal, so such data is refused before. A callback that
    answers needs memory that is writable and executable, which systemd's MemoryDenyWriteExecute= does not allow.
    """
    if ENCRYPTED.search(data):
        raise ConfigError(f"security.{setting}: {path} {problem} (it is encrypted)")
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


def _seconds(asn1: bytes | None) -> float:
    """A time of a certificate, in seconds since the epoch."""
    return float(calendar.timegm(time.strptime((asn1 or b"").decode(), "%Y%m%d%H%M%SZ")))


class TlsContext:
    """The context for new connections. It can be replaced at any time; open connections keep theirs."""

    begins: float
    """When the certificate begins to be valid, in seconds since the epoch."""
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
        """Make another context, if files or settings differ from the present context's; whether it did. Raises
        ConfigError, and the old context stays."""
        made_of = security.tls_min_version, security.tls_client_auth, pem
        if made_of == self._made_of:
            return False
        context = make_context(security, pem)
        certificate = SSL.Connection(context).get_certificate()
        assert certificate is not None  # it has a key, so it has a certificate
        self.begins = _seconds(certificate.get_notBefore())
        self.expires = _seconds(certificate.get_notAfter())
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
