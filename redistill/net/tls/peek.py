"""A look at a peer's first bytes, which stay to be read."""

from __future__ import annotations

import socket
from collections.abc import Callable

PEEKED = 5 + 16384
"""Most bytes that `Peek` looks at: a record of TLS (RFC 8446, 5.1)."""


class Peek:
    """Looks at the first bytes on a socket whenever it is readable: the `step` of a transport."""

    def __init__(
        self, sock: socket.socket, size: Callable[[bytes], int], heard: Callable[[bytes], Exception | None]
    ) -> None:
        """`size` says, from the bytes so far, how many are wanted. `heard` gets the bytes when so many are there, or no
        more will come, and `PEEKED` of them at most; it returns the error that ends the connection."""
        self._socket = sock
        self._size = size
        self._heard = heard
        self._low_water = 1

    def __call__(self) -> Exception | None:
        """Look. Returns the error that ends the connection."""
        try:
            data = self._socket.recv(PEEKED, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:  # met again by the next read
            data = b""
        wanted = self._size(data)
        if self._low_water < wanted and len(data) < wanted:
            self._set_low_water(wanted)  # the kernel wakes us when all of it is there, or the end
            return None
        if self._low_water > 1:
            self._set_low_water(1)
        return self._heard(data)

    def _set_low_water(self, size: int) -> None:
        self._low_water = size
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
