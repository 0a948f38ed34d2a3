"""The limits on connections where they are accepted, in C.

Who is refused by the factories of `limits.py` has cost an accept in Python, an address, a protocol and a transport,
while those inside waited, and comes again as often as wanted. So the loop that accepts asks first, in
core/arena/admission.c, what the factories would say, and turns away whom they would refuse. Whom it lets through they
decide on: they count.
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
        """For clients in the clear, and for those who speak TLS, who are told nothing."""

    def report(self) -> None:
        """Log who was turned away since the last call."""
        self.plain.report()
        self.tls.report()

    def apply(self, config: Config) -> None:
        """Limit connections as `config` says."""
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
        """`silent`: nobody is told why, for there is no TLS yet to say it in. The store must be open."""
        self.core: Any = admission.gate()
        """The rd_gate; who uses it keeps the gate."""
        self._rate, self._total, self._addresses = rate, total, addresses
        self._limits = {lib.RD_LIMIT_RATE: rate, lib.RD_LIMIT_OPEN: total, lib.RD_LIMIT_ADDRESS: addresses}
        self._told = dict.fromkeys(self._limits, 0)
        self._words = {which: ffi.new("char[]", limit.words) for which, limit in self._limits.items() if not silent}
        for which, words in self._words.items():
            self.core.words[which] = words
        self.apply()

    def apply(self) -> None:
        """Go by what the limits are now."""
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
