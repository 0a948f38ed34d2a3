"""``redistill health``: is the server well, in one line."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from redistill.cli.connection import Target


def probe(target: Target, url: str | None, ready: bool, timeout: float) -> tuple[bool, str]:
    """Whether it is well, and what to say."""
    server = target.config.server
    path = "/readyz" if ready else "/health"
    if url is None and server.health_check_port:
        from redistill.cli.connection import local

        host = local(server.health_check_bind)
        url = (
            f"http://[{host}]:{server.health_check_port}"
            if ":" in host
            else f"http://{host}:{server.health_check_port}"
        )
    return over_http(url.rstrip("/") + path, timeout) if url else by_ping(target, timeout)


def over_http(url: str, timeout: float) -> tuple[bool, str]:
    """By the health port."""
    if not url.startswith(("http://", "https://")):
        return False, f"{url}: not a URL; it begins with http://"
    # A proxy of the environment is not asked about a server of ours.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            return True, f"{url}: {status(answer.read(65536))}"
    except urllib.error.HTTPError as refusal:
        return False, f"{url}: {refusal.code}, {status(refusal.read(65536))}"
    except (OSError, ValueError) as problem:
        reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
        return False, f"{url}: no answer ({reason})"


def status(body: bytes) -> str:
    """What it says of itself."""
    try:
        return str(json.loads(body)["status"])
    except (ValueError, KeyError, TypeError):
        return "an answer that is not Redistill's"


def by_ping(target: Target, timeout: float) -> tuple[bool, str]:
    """By the port of the clients. A server that wants a password that we do not have is well."""
    from redistill.cli.connection import NotAuthenticated

    try:
        with target.connect(timeout) as ask:
            ask.ping()
    except NotAuthenticated:
        return True, f"{target.address}: serving (it asks for a password)"
    except click.ClickException as problem:
        return False, problem.message
    return True, f"{target.address}: serving"
