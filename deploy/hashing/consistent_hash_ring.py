"""Client-side sharding: which of several servers has a key.

    from redis import Redis
    from consistent_hash_ring import ConsistentHashRing

    ring = ConsistentHashRing([Redis(host="redistill1"), Redis(host="redistill2"), Redis(host="redistill3")])
    ring.get_node("user:12345").set("user:12345", "data")

A server that is added or removed moves only its own share of the keys. The ring is libketama's, with MD5: twemproxy has
the same with `distribution: ketama`, `hash: md5`, and so does consistent-hash-ring.js beside this file.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Node = TypeVar("Node")
DIGESTS = 40
"""Digests of a server; each gives four points of the ring."""


def address(node: object) -> str:
    """The name of a redis-py client: ``host:port``, or the path of its socket."""
    options = node.connection_pool.connection_kwargs  # type: ignore[attr-defined]
    return options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


class ConsistentHashRing(Generic[Node]):
    """A ring of servers, in any order."""

    def __init__(self, nodes: Iterable[Node], name: Callable[[Node], str] = address) -> None:
        """A server is known by its name: one with another address and the same name has the same keys. ValueError if
        there is none, or if two have the same name."""
        nodes = list(nodes)
        named = {name(node): node for node in nodes}
        if not named or len(named) != len(nodes):
            raise ValueError("a ring needs servers with different names")
        points: dict[int, Node] = {}
        for label in sorted(named):
            for number in range(DIGESTS):
                digest = hashlib.md5(f"{label}-{number}".encode(), usedforsecurity=False).digest()
                for start in (0, 4, 8, 12):
                    points.setdefault(int.from_bytes(digest[start : start + 4], "little"), named[label])
        self._points = sorted(points)
        self._nodes = [points[point] for point in self._points]

    def get_node(self, key: str | bytes) -> Node:
        """The server of a key. Of a key with a part in braces only that part counts, if it is not empty."""
        data = key.encode() if isinstance(key, str) else key
        tag, end, _ = data.partition(b"{")[2].partition(b"}")
        digest = hashlib.md5(tag if tag and end else data, usedforsecurity=False).digest()
        place = bisect_left(self._points, int.from_bytes(digest[:4], "little"))
        return self._nodes[place % len(self._nodes)]
