"""Failed authentications by address: an address that fails often gets its answers late, and then none for a while.

Only refusals are slowed. The right password is accepted at once, also from an address from which others guess, unless
so many guesses wait that the server checks no more. Each process counts for itself.
"""

from __future__ import annotations

import ipaddress

from redistill.net.interfaces import Client

BURST = 10
"""Failures that an address has at once before it is slowed: an application of many connections with an old password."""
INTERVAL = 0.1
"""Seconds for each one after them."""
LONGEST = 5.0
"""Seconds that an answer is held back at most; beyond that nothing of this address is looked at."""
ADDRESSES = 10_000
"""Number of addresses that are remembered."""


class Guesses:
    """The generic cell rate algorithm (ITU-T I.371), an address a bucket."""

    def __init__(self) -> None:
        self._empty_at: dict[str, float] = {}
        """Address -> time at which all its failures will be worked off."""

    def refuses(self, address: str, now: float) -> bool:
        """Whether so many answers wait that another attempt is not to be looked at."""
        return self._empty_at.get(address, now) - now > BURST * INTERVAL + LONGEST

    def failed(self, address: str, now: float) -> float:
        """Count one more failure of `address` (empty: no client is slowed). The seconds until the client gets the
        answer."""
        if not address:
            return 0.0
        empty_at = max(self._empty_at.pop(address, now), now) + INTERVAL
        if len(self._empty_at) >= ADDRESSES:
            self._forget(now)
        self._empty_at[address] = empty_at
        return max(empty_at - now - BURST * INTERVAL, 0.0)

    def _forget(self, now: float) -> None:
        """Remove the addresses with no failures left to work off; if there are none, the one that failed the longest
        ago."""
        self._empty_at = {address: at for address, at in self._empty_at.items() if at > now}
        if len(self._empty_at) >= ADDRESSES:
            del self._empty_at[next(iter(self._empty_at))]


def address_of(client: Client) -> str:
    """The address that a client's guesses are counted for: of IPv6 the network of 64 bits that one customer has; empty
    for a UNIX socket."""
    host = client.peer.rpartition(":")[0].strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if address.version == 6:
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return host
