"""The limits on connections where they are accepted, in C.

A connection that the factories of `limits.py` refuse has cost an accept in Python, an address, a protocol and a
transport, while connected clients waited, and its client may connect again as often as it likes. So the loop that
accepts first asks core/arena/admission.c what the factories would say, and refuses connections that exceed a limit. The
factories decide on the others, and count them.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from redistill._core import ffi, lib
from redistill.config.config import Config
from redistill.engine.shared import Admission
from redistill.net.limits import AddressLimit, RateLimit, TotalLimit


class Gates:
    """The gates of all listening sockets, and the limits that they share with the factories."""

    def __init__(self, admission: Admission, rate: RateLimit, total: TotalLimit, addresses: AddressLimit) -> None:
        """The store must be open."""
        self._limits = (total, addresses, rate)
        self.plain, self.tls = (Gate(admission, rate, total, addresses, silent=silent) for silent in (False, True))
        """The gates for clients in the clear, and for clients of TLS, which get no error line."""

    def report(self) -> None:
        """Log who was turned away since the last call."""
        self.plain.report()
        self.tls.report()

    def apply(self, config: Config) -> None:
        """Put the limits of `config` into effect, in the factories and in the gates."""
        self.report()  # in the terms of the limits that refused them
        for limit in self._limits:
            limit.apply(config)
        self.plain.apply()
        self.tls.apply()


class Gate:
    """The three limits, at listening sockets."""

    def __init__(
        self, admission: Admission, rate: RateLimit, total: TotalLimit, addresses: AddressLimit, *, silent: bool = False
    ) -> None:
        """`silent`: refused clients get no error line: there is no TLS yet to send it in. The store must be open."""
        self.core: Any = admission.gate()
        """The rd_gate. Its user keeps a reference to this object."""
        self._rate, self._total, self._addresses = rate, total, addresses
        self._limits = {lib.RD_LIMIT_RATE: rate, lib.RD_LIMIT_OPEN: total, lib.RD_LIMIT_ADDRESS: addresses}
        self._told = dict.fromkeys(self._limits, 0)
        self._words = {which: ffi.new("char[]", limit.words) for which, limit in self._limits.items() if not silent}
        for which, words in self._words.items():
            self.core.words[which] = words
        self.apply()

    def apply(self) -> None:
        """Copy the present limits to the core."""
        core = self.core
        core.open, core.kept = self._total.limit, self._total.kept
        core.address, core.per_second = self._addresses.limit, self._rate.limit

    def report(self) -> None:
        """Log who was turned away since the last call."""
        for which, limit in self._limits.items():
            refused = self.core.refused[which]
            if count := refused - self._told[which]:
                self._told[which] = refused
                limit.tell(host_of(bytes(self.core.last[which])), count)


def host_of(packed: bytes) -> str | None:
    """An IP address out of 16 bytes, as `limits.packed` makes them; None: all are 0."""
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address) if any(packed) else None
