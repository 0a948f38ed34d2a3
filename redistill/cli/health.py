"""``redistill health``: one line that says whether the server is well."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from redistill.cli.connection import Target


def probe(target: Target, url: str | None, ready: bool, timeout: float) -> tuple[bool, str]:
    """Whether the server is well, and the line to print, after `timeout` seconds at the latest."""
    server = target.config.server
    path = "/readyz" if ready else "/health"
    if url is None and server.health_check_port and not target.named:
        from redistill.cli.connection import address, local

        url = f"http://{address(local(server.health_check_bind), server.health_check_port)}"
    try:
        with deadline(timeout):
            return over_http(url.rstrip("/") + path, timeout) if url else by_ping(target, timeout)
    except TimeoutError as late:
        return False, f"{url or target.address}: no answer ({late})"


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """The body fails with TimeoutError when it takes longer than `seconds` in all."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError(f"nothing in {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def over_http(url: str, timeout: float) -> tuple[bool, str]:
    """Ask the health port."""
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    if not url.startswith(("http://", "https://")):
        return False, f"{url}: not a URL; it begins with http://"
    # A proxy that the environment names is not for our own server.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            return True, f"{url}: {status(answer.read(65536))}"
    except urllib.error.HTTPError as refusal:
        return False, f"{url}: {refusal.code}, {status(refusal.read(65536))}"
    except (OSError, ValueError, HTTPException) as problem:
        reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
        said = " ".join(str(reason).split())
        return False, f"{url}: no answer ({type(reason).__name__}{said and ': '}{said})"


def status(body: bytes) -> str:
    """The status in the body of an answer."""
    try:
        return str(json.loads(body)["status"])
    except (ValueError, KeyError, TypeError):
        return "the answer is not Redistill's"


def by_ping(target: Target, timeout: float) -> tuple[bool, str]:
    """Send PING to the clients' port. A server that asks for a password that we do not have is well."""
    from redistill.cli.connection import NotAuthenticated

    try:
        with target.connect(timeout) as ask:
            ask.ping()
    except NotAuthenticated:
        return True, f"{target.address}: serving (it asks for a password)"
    except click.ClickException as problem:
        return False, problem.message
    return True, f"{target.address}: serving"
