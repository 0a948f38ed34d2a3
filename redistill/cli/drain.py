"""``redistill drain``: stop a server, and see that it has stopped."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from redistill.cli.connection import Target

PAUSE = 0.1
"""Seconds between two checks whether a server on another machine has ended."""
BEFORE_SERVING = 30.0
"""Seconds by which a server's process may be older than its uptime in INFO, because it may wait for its memory
first."""
MARGIN = 10.0
"""Seconds that a server gets in addition to those of its configuration."""


def drain(target: Target, wait: bool, timeout: float | None) -> tuple[bool, str]:
    """Send SHUTDOWN, and with `wait` wait up to `timeout` seconds for the end. Whether it succeeded, and the line to
    print."""
    server = target.config.server
    if timeout is None:
        timeout = server.drain_delay_secs + server.shutdown_grace_period_secs + MARGIN
    with target.connect() as ask:
        info = ask.info("server")
        # Opened before SHUTDOWN, so that no other process can get its number.
        process = held(info) if wait and target.is_local else None
        try:
            ask.shutdown()
            if not wait:
                return True, f"{target.address}: drains (process {info['process_id']})"
            if process is None:
                ended, said = port_ended(target, info, timeout), "no longer answers"
            else:
                ended, said = process_ended(process, timeout), "has ended"
        finally:
            if process is not None:
                os.close(process)
    if not ended:
        return False, f"{target.address}: has not ended in {timeout:g} s (process {info['process_id']})"
    return True, f"{target.address}: {said}"


def held(info: Mapping[str, str], proc: str = "/proc") -> int | None:
    """A descriptor of the server's process; None if the process with that number on this machine is another program.

    The number means nothing here when the server runs in a container, or behind a tunnel. The process's age shows it.
    """
    number = int(info["process_id"])
    try:
        with open(f"{proc}/{number}/stat", "rb") as file:
            began = int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began
        if -1 <= age - int(info["uptime_in_seconds"]) <= BEFORE_SERVING:
            return os.pidfd_open(number)
    except OSError:  # there is no process with that number
        pass
    return None


def process_ended(process: int, seconds: float) -> bool:
    """Wait until the process ends, or the time is over."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def port_ended(target: Target, info: Mapping[str, str], seconds: float) -> bool:
    """Wait until no server answers, or another server does, or the time is over."""
    end = time.monotonic() + seconds
    while True:
        try:
            with target.connect(1.0) as ask:
                there = ask.info("server").get("run_id") == info.get("run_id")
        except click.ClickException:
            there = False
        if not there or time.monotonic() >= end:
            return not there
        time.sleep(PAUSE)
