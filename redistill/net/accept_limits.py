"""The limits on connections at the listening sockets, applied in C.

A connection that the factories of `limits.py` refuse has cost an accept in Python, an address, a protocol and a
transport, while connected clients waited, and its client may connect again as often as it likes. So the loop refuses
connections that exceed a limit as it accepts them. Both the loop and the factories ask core/arena/admission.c, which
decides and counts. A connection that the loop accepts is counted by the factories, which may still refuse it.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from redistill._core import ffi, lib
from redistill.config.config import Config
from redistill.engine.shared import Admission
from redistill.net.limits import AddressLimit, RateLimit, TotalLimit


class ConnectionLimits:
    """The limits of a process: those of all its listening sockets, and those of the factories. They are the same."""

    def __init__(self, admission: Admission, rate: RateLimit, total: TotalLimit, addresses: AddressLimit) -> None:
        """The store must be open."""
        self._factories = (total, addresses, rate)
        self.plain = AcceptLimits(admission, rate, total, addresses)
        self.tls = AcceptLimits(admission, rate, total, addresses, silent=True)
        """The limits at sockets without TLS, and at sockets with TLS, where refused clients get no error line."""

    def report(self) -> None:
        """Log the connections that were refused since the last call."""
        self.plain.report()
        self.tls.report()

    def apply(self, config: Config) -> None:
        """Put the limits of `config` into effect, in the factories and at the listening sockets."""
        self.report()  # in the terms of the limits that refused them
        for limit in self._factories:
            limit.apply(config)
        self.plain.apply()
        self.tls.apply()


class AcceptLimits:
    """The three limits, at listening sockets of one kind."""

    def __init__(
        self, admission: Admission, rate: RateLimit, total: TotalLimit, addresses: AddressLimit, *, silent: bool = False
    ) -> None:
        """`silent`: refused clients get no error line, since there is no TLS yet to send it in. The store must be
        open."""
        self.core: Any = admission.accept_limits()
        """The rd_accept_limits. Its user keeps a reference to this object."""
        self._rate, self._total, self._addresses = rate, total, addresses
        self._limits = {lib.RD_LIMIT_RATE: rate, lib.RD_LIMIT_OPEN: total, lib.RD_LIMIT_ADDRESS: addresses}
        self._logged = dict.fromkeys(self._limits, 0)
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
        """Log the connections that were refused since the last call."""
        for which, limit in self._limits.items():
            refused = self.core.refused[which]
            if count := refused - self._logged[which]:
                self._logged[which] = refused
                known = min(self.core.source_count[which], lib.RD_REFUSED_ADDRESSES)
                more = self.core.source_count[which] > known
                self.core.source_count[which] = 0
                hosts = [host_of(bytes(self.core.source[which][i])) for i in range(known)]
                last = host_of(bytes(self.core.last[which]))
                limit.log_refused(last, [host for host in hosts if host], count, more=more)


def host_of(packed: bytes) -> str | None:
    """An IP address out of 16 bytes, as `limits.packed` makes them; None: all are 0."""
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address) if any(packed) else None
