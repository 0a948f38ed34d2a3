"""Real stores for tests: small, in anonymous memory, closed at the end of the test."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from redistill.engine import Session, Store

MIB = 1024 * 1024
NOW_MS = 1_700_000_000_000
"""The time of a store of `opened`, until the test sets `frozen_ms`."""
LIMITS = {"batch_size": 16, "output_high": MIB, "query_limit": 64 * MIB, "multi_limit": MIB, "output_limit": 0}


def arena_file(case: SynchronousTestCase) -> int:
    """The descriptor of an empty anonymous file."""
    fd = os.memfd_create("redistill-test")
    case.addCleanup(os.close, fd)
    return fd


def opened(case: SynchronousTestCase, fd: int | None = None, **options: Any) -> Store:
    """A store that is joined, its time standing still; in an arena of `fd`, which is the caller's, or in one of its own."""
    store = Store()
    asked = {"max_memory": 16 * MIB, "map_size": 64 * MIB, "num_shards": 4, "policy": "allkeys-lru", "sample_size": 5}
    store.create(arena_file(case) if fd is None else fd, **{**asked, **options})
    case.addCleanup(store.close)
    store.join()
    store.frozen_ms = NOW_MS
    return store


def session(store: Store, **limits: int) -> Session:
    """An authenticated session."""
    made = store.session(**{**LIMITS, **limits})
    made.state.authenticated = True
    return made


def call(client: Session, *words: bytes | str | int) -> bytes:
    """The reply to one command."""
    argv = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    client.feed(b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in argv))
    reply = b""
    while piece := client.output():
        reply += piece
    return reply
