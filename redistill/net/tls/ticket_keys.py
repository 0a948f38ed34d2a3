"""The name of the key that a context encrypts session tickets with."""

from __future__ import annotations

import contextlib

from OpenSSL import SSL

from redistill.net.tls.client_hello import key_name


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
