"""``redistill drain``: stop a server, and see that it has stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from redistill.cli.connection import exists

if TYPE_CHECKING:
    from redistill.cli.connection import Target

PAUSE = 0.05
"""Seconds between two looks whether it has ended."""


def drain(target: Target, timeout: float | None) -> tuple[bool, str]:
    """Begin, and wait for the end for so long, or not at all (None). Whether it went well, and what to say."""
    with target.connect() as ask:
        process = int(ask.info("server")["process_id"])
        ask.shutdown()
    if timeout is None:
        return True, f"{target.address}: drains (process {process})"
    end = time.monotonic() + timeout
    while is_there(target, process):
        if time.monotonic() >= end:
            return False, f"{target.address}: has not ended in {timeout:g} s (process {process})"
        time.sleep(PAUSE)
    return True, f"{target.address}: has ended"


def is_there(target: Target, process: int) -> bool:
    """Whether it has not ended: of a server elsewhere, whether it still accepts connections."""
    if target.is_local:
        return exists(process)
    try:
        with target.connect(1.0) as ask:
            ask.ping()
    except click.ClickException:
        return False
    return True
