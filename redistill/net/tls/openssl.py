"""The OpenSSL that made a connection, for the loop in C: the core links none, and calls the library of pyOpenSSL."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

from redistill._core import ffi

FUNCTIONS = {
    "read": "SSL_read",
    "write": "SSL_write",
    "get_error": "SSL_get_error",
    "pending": "SSL_pending",
    "clear_error": "ERR_clear_error",
}
"""The functions that the loop calls, by their fields in rd_tls (core/net/loop.h)."""


def functions() -> Any:
    """The library's functions, as an rd_tls."""
    from cryptography.hazmat.bindings._rust import _openssl

    theirs = _openssl.ffi
    calls = ffi.new("rd_tls *")
    for field, name in FUNCTIONS.items():
        address = int(theirs.cast("uintptr_t", theirs.addressof(_openssl.lib, name)))
        setattr(calls, field, ffi.cast(ffi.typeof(getattr(calls, field)), address))
    return calls


def pointer(connection: SSL.Connection) -> Any:
    """The SSL * of a connection, which owns it."""
    from cryptography.hazmat.bindings._rust import _openssl

    return ffi.cast("void *", int(_openssl.ffi.cast("uintptr_t", connection._ssl)))
