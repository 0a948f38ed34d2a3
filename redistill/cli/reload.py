"""``redistill reload``: check the configuration, then tell the server to read it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

import click

from redistill.cli.check import check
from redistill.config.load import usual_path
from redistill.lifetime.systemd import Systemd


def reload(path: str | None, pid: int, environ: Mapping[str, str]) -> int:
    """Print the errors of the configuration, or send SIGHUP to the process `pid`; return the exit status."""
    manager = Systemd(dict(environ), {})
    if path is None:
        path = usual_path(environ)
    if check(path, environ, False):
        manager.notify(f"STATUS=Serving clients; the last reload was refused: {path or 'the environment'} has errors")
        return 1
    # Before the signal, and so before this process ends: then the manager waits for the server's READY=1.
    manager.reloading()
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as problem:
        click.echo(f"redistill: cannot send SIGHUP to process {pid}: {os.strerror(problem.errno or 0)}", err=True)
        return 1
    return 0
