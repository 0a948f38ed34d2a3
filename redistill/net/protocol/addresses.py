"""Addresses as Redis writes them in CLIENT LIST and MONITOR."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress


def shown(address: IAddress) -> str:
    """``ip:port``, ``[ip]:port`` or ``path:0``; empty for an address without a name."""
    if isinstance(address, IPv4Address):
        return f"{address.host}:{address.port}"
    if isinstance(address, IPv6Address):
        if address.host.startswith("::ffff:") and "." in address.host:  # IPv4, on a socket for both
            return f"{address.host[7:]}:{address.port}"
        return f"[{address.host}]:{address.port}"
    if isinstance(address, UNIXAddress) and address.name:
        return f"{address.name.decode(errors='replace')}:0"
    return ""


def monitored(peer: str) -> str:
    """A peer's address in MONITOR, which has ``unix:/path`` where CLIENT LIST has ``/path:0``."""
    return f"unix:{peer[:-2]}" if peer.startswith("/") else peer
