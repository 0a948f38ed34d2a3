"""Addresses that two settings want to listen on. The kernel would refuse the second one at the start."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from redistill.config import endpoints
from redistill.config.config import Config


class Place(NamedTuple):
    """An address and port, or the path of a UNIX socket, that a setting names."""

    setting: str
    host: str
    """An IP address, or the path."""
    port: int
    """0: it is a path."""
    only_v6: bool = True
    """Whether ``::`` does not stand for the addresses of IPv4."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else self.host


def collisions(config: Config) -> Iterator[tuple[Place, Place]]:
    """Each two places that overlap, of two settings or of one. The second is of a setting that the configuration
    names, if one of the two is."""
    for one, other in combinations(_places(config), 2):
        if overlap(one, other):
            yield (one, other) if other.setting in config.given or one.setting not in config.given else (other, one)


def overlap(one: Place, other: Place) -> bool:
    """Whether the two cannot be listened on at the same time."""
    if one.port != other.port:
        return False
    if not one.port:
        return os.path.abspath(one.host) == os.path.abspath(other.host)
    first, second = ipaddress.ip_address(one.host), ipaddress.ip_address(other.host)
    if first.version == second.version:
        return first == second or first.is_unspecified or second.is_unspecified
    v6, only_v6 = (first, one.only_v6) if first.version == 6 else (second, other.only_v6)
    return v6.is_unspecified and not only_v6


def _places(config: Config) -> Iterator[Place]:
    server = config.server
    hosts = [_numeric(host.removeprefix("-")) for host in server.bind]
    only_v6 = any(":" not in host for host in hosts)
    for setting, port in (("server.port", server.port), ("security.tls_port", config.security.tls_port)):
        for host in hosts if port else ():
            yield Place(setting, host, port, only_v6)
    if server.unix_socket:
        yield Place("server.unix_socket", server.unix_socket, 0)
    if server.health_check_port:
        host = _numeric(server.health_check_bind)
        yield Place("server.health_check_port", host, server.health_check_port, only_v6=False)
    for description in server.endpoints:
        address = endpoints.address_of(description)
        if address is not None:
            host, port = address
            yield Place("server.endpoints", host, port, only_v6=False)


def _numeric(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host
