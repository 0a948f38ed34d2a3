"""The status page of the health port: one static page, and the figures that it requests each second.

The page loads nothing from other servers: a header tells the browser the hashes of its script and its style, and allows
requests to this server only (https://www.w3.org/TR/CSP3/).
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from redistill import __version__
from redistill.engine.shared import SUPERVISOR
from redistill.engine.stats import Configured, Snapshot

_INLINE = re.compile(rb"<(script|style)>(.*?)</\1>", re.DOTALL)


class Page(NamedTuple):
    """The page and its policy."""

    body: bytes
    policy: str
    """For Content-Security-Policy."""


@cache
def page() -> Page:
    """The page, read once from the package."""
    body = Path(__file__).with_name("status.html").read_bytes()
    allowed = {
        kind.decode(): base64.b64encode(hashlib.sha256(text).digest()).decode() for kind, text in _INLINE.findall(body)
    }
    policy = (
        f"default-src 'none'; script-src 'sha256-{allowed['script']}'; style-src 'sha256-{allowed['style']}';"
        " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(body, policy)


def figures(now: Snapshot, state: str, configured: Configured) -> dict[str, Any]:
    """The figures of the page. Counters count from the start; the page computes their rates. Times are in seconds,
    memory in bytes; `latency` counts the calls of all commands by their duration: [0] below 1 us, [i] from 2**(i-1) to
    below 2**i us."""
    histograms = [one.histogram for one in now.commands]
    return {
        "status": state,
        "name": configured.name,
        "version": __version__,
        "time": now.unix_time,
        "uptime_seconds": int(now.uptime),
        "commands": now.counters.get("total_commands_processed", 0),
        "hits": now.hits,
        "misses": now.misses,
        "hit_ratio": now.hit_ratio,
        "keys": now.keys,
        "evicted_keys": now.counters.get("evicted_keys", 0),
        "expired_keys": now.counters.get("expired_keys", 0),
        "used_memory": now.used_memory,
        "max_memory": now.max_memory,
        "clients": now.clients.connected,
        "blocked_clients": now.clients.blocked,
        "pubsub_clients": now.clients.subscribed,
        "subscriptions": sum(now.clients.subscriptions),
        "messages_published": now.counters.get("messages_published", 0),
        "messages_delivered": now.counters.get("messages_delivered", 0),
        "tracking_clients": now.clients.tracked.clients,
        "tracking_keys": now.clients.tracked.keys,
        "tracking_prefixes": now.clients.tracked.prefixes,
        "tracking_invalidations": now.counters.get("tracking_invalidations", 0),
        "max_clients": configured.max_clients,
        "rejected_connections": now.counters.get("rejected_connections", 0),
        "output_disconnections": now.counters.get("output_disconnections", 0),
        "cpu_seconds": now.cpu_user + now.cpu_system,
        "latency": [sum(counts) for counts in zip(*histograms, strict=True)],
        "workers": [
            {
                "number": one.number,
                "pid": one.pid,
                "clients": one.connections,
                "commands": one.commands,
                "cpu_seconds": one.cpu_user + one.cpu_system,
            }
            for one in sorted(now.workers, key=lambda one: one.number)
            if one.number != SUPERVISOR
        ],
    }
