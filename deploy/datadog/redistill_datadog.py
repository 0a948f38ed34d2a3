#!/usr/bin/env python3
"""Send the figures of Redistill's /health to Datadog's agent, by DogStatsD over UDP.

    redistill_datadog.py [--url URL] [--agent HOST:PORT] [--tag NAME:VALUE]... [--interval SECONDS | --once]

URL and agent may come from REDISTILL_HEALTH_URL, DD_AGENT_HOST and DD_DOGSTATSD_PORT. A server that does not answer is
told as redistill.up = 0. It needs nothing but Python 3. With --once the exit status is 1 when the server did not serve;
it is 2 for what is wrong in the arguments.
https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

GAUGES = {
    "memory_used": "redistill.memory.used",
    "max_memory": "redistill.memory.max",
    "active_connections": "redistill.connections.active",
    "uptime_seconds": "redistill.uptime",
}
COUNTS = {
    "total_connections": "redistill.connections.total",
    "rejected_connections": "redistill.connections.rejected",
    "evicted_keys": "redistill.keys.evicted",
    "total_commands": "redistill.control",
}
"""What only grows: sent is what came since the last look."""


def read(url: str, timeout: float) -> Mapping[str, Any]:
    """What the server says of itself, also when it says that it does not serve. OSError, HTTPException: no answer;
    ValueError: another's."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            body = answer.read(65536)
    except urllib.error.HTTPError as refusal:
        body = refusal.read(65536)
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if (
        not isinstance(found, dict)
        or "status" not in found
        or any(type(found.get(name)) is not int for name in (*GAUGES, *COUNTS))
    ):
        raise ValueError("this is not the /health of a Redistill server")
    return found


def resolved(agent: str) -> tuple[socket.AddressFamily, Any]:
    """Where HOST:PORT or [IPV6]:PORT is. ValueError when it is neither, OSError when the name is unknown."""
    host, _, port = agent.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("write HOST:PORT")
    family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    return family, address


def datagrams(now: Mapping[str, Any], before: Mapping[str, Any] | None, tags: str) -> Iterator[str]:
    """A line a metric. After a restart a counter counts from 0."""
    yield f"redistill.up:{int(now['status'] == 'ok')}|g{tags}"
    for name, metric in GAUGES.items():
        yield f"{metric}:{now[name]}|g{tags}"
    if now["max_memory"]:
        yield f"redistill.memory.usage:{now['memory_used'] / now['max_memory']:.4f}|g{tags}"
    for name, metric in COUNTS.items():
        if before is not None:
            grown = now[name] - before[name]
            yield f"{metric}:{grown if grown >= 0 else now[name]}|c{tags}"


def main() -> int:
    """Until it is stopped, or once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    environ = os.environ
    agent = f"{environ.get('DD_AGENT_HOST', '127.0.0.1')}:{environ.get('DD_DOGSTATSD_PORT', '8125')}"
    parser.add_argument("--url", default=environ.get("REDISTILL_HEALTH_URL", "http://127.0.0.1:8080/health"))
    parser.add_argument("--agent", default=agent, metavar="HOST:PORT")
    parser.add_argument("--tag", action="append", default=[], metavar="NAME:VALUE")
    parser.add_argument("--interval", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--timeout", type=float, default=3.0, metavar="SECONDS")
    parser.add_argument("--once", action="store_true", help="send gauges once; there is nothing to count from")
    options = parser.parse_args()
    for name in ("interval", "timeout"):
        if not 0 < getattr(options, name) <= 86400:
            parser.error(f"--{name} {getattr(options, name)}: write seconds above 0, up to 86400")
    try:
        family, address = resolved(options.agent)
    except (OSError, ValueError) as problem:
        parser.error(f"--agent {options.agent}: {problem}")
    tags = "|#" + ",".join(options.tag) if options.tag else ""
    before: Mapping[str, Any] | None = None
    with socket.socket(family, socket.SOCK_DGRAM) as statsd:
        while True:
            try:
                now = read(options.url, options.timeout)
                lines = list(datagrams(now, before, tags))
                serves, before = now["status"] == "ok", now
            except (OSError, http.client.HTTPException, ValueError) as problem:
                print(f"{options.url}: {str(problem).strip()}", file=sys.stderr, flush=True)
                serves, before, lines = False, None, [f"redistill.up:0|g{tags}"]
            try:
                statsd.sendto("\n".join(lines).encode(), address)
            except OSError as problem:
                print(f"{options.agent}: {problem}", file=sys.stderr, flush=True)
            if options.once:
                return 0 if serves else 1
            time.sleep(options.interval)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
