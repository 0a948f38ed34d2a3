"""A TLS client's first message, and the session ticket in it.

A ticket begins with the name of the key that it is encrypted with (RFC 5077, section 4), in the clear.
"""

from __future__ import annotations

from collections.abc import Iterator

NAME = 16
"""Bytes of a key's name, as OpenSSL makes them (SSL_CTX_set_tlsext_ticket_key_cb(3))."""
HEADER = 5
"""Bytes before a record's content (RFC 8446, section 5.1)."""
HANDSHAKE, CLIENT_HELLO = b"\x16", b"\x01"
SESSION_TICKET, PRE_SHARED_KEY = 35, 41
"""Extensions that show a ticket: of TLS 1.2 (RFC 5077, 3.2), of TLS 1.3 (RFC 8446, 4.2.11)."""


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
