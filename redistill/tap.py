"""The entrance for twistd: options, and the service that they make."""

from __future__ import annotations

import contextlib
import gc
import os
import pwd
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

import twisted
from redistill import __version__
from redistill.base.files import UnsafeFile
from redistill.base.logs import Log, LogService
from redistill.config.errors import ConfigError
from redistill.config.problems import problems
from redistill.engine import name_process
from redistill.lifetime.systemd import Systemd
from redistill.net.reactor import use_monotonic_time
from redistill.net.sockets import StartError
from redistill.wiring.checks import machine_problems
from redistill.wiring.daemon import wire

SUPERVISOR_QUIET = ("twisted.protocols.amp", "twisted.scripts._twistd_unix", "twisted.internet.base")
"""Loggers that tell of every channel, of which there are many, and of twistd's start and end, of which our own tell."""


class Options(usage.Options):
    """The options of ``twistd redistill``."""

    optParameters = [  # noqa: RUF012
        ["config", "c", None, "Configuration file; without it $REDISTILL_CONFIG, or /etc/redistill/redistill.toml"],
        ["port", "p", None, "TCP port, instead of the configuration's server.port"],
        ["bind", None, None, "Addresses to listen on, instead of the configuration's server.bind"],
    ]

    def opt_version(self) -> None:
        """Display the version and exit."""
        print(f"redistill {__version__}, Twisted {twisted.__version__}")
        sys.exit(0)

    def postOptions(self) -> None:
        """Have the loop in C serve clients, unless a reactor was asked for by name, which twistd installs before this.
        Its default one it imports later, where there is none."""
        if "twisted.internet.reactor" not in sys.modules:
            from redistill.net import reactor

            reactor.install()


def makeService(options: Options) -> IService:
    """The daemon, its sockets bound and its arena made, so that what cannot work stops the start with one line."""
    from twisted.internet import reactor

    use_monotonic_time(reactor)
    systemd = Systemd(os.environ)
    try:
        given = {f"server.{name}": options[name] for name in ("port", "bind") if options[name] is not None}
        config, found = problems(options["config"], os.environ, given)
        if config is not None:
            found += machine_problems(config, found)
        if found or config is None:
            raise SystemExit("\n".join(f"redistill: {problem}" for problem in found))
        settings = config.logging
        output = Log(settings.level, settings.format, file=settings.file, clock=reactor, quiet=SUPERVISOR_QUIET)
        daemon = log_service(output, options)
        with as_group(group_of(options.parent or {})):
            wire(reactor, config, output, systemd, given).setServiceParent(daemon)  # type: ignore[no-untyped-call]
        with contextlib.suppress(OSError):  # another name is no reason not to serve
            name_process("redistill")
    except (ConfigError, StartError) as problem:
        raise SystemExit(f"redistill: {problem}") from None
    # All objects so far live on: the collector need not visit them, which would hold up clients for 40 ms each time.
    # Some dozens of objects in it are garbage, and stay too: a look for them is a tenth of the whole start.
    gc.freeze()
    return daemon


def group_of(twistd: Mapping[str, Any]) -> int | None:
    """The group that twistd, with these options, will run the daemon as; None: the one of now."""
    uid, gid = twistd.get("uid"), twistd.get("gid")
    if gid is None and uid is not None:
        gid = pwd.getpwuid(uid).pw_gid  # as twistd does
    return gid


@contextlib.contextmanager
def as_group(gid: int | None) -> Iterator[None]:
    """Make files as that group: the UNIX socket is for it, although it is made before twistd drops its privileges."""
    before = os.getegid()
    try:
        if gid is not None and os.geteuid() == 0:
            os.setegid(gid)
        yield
    finally:
        os.setegid(before)


def log_service(output: Log, options: Options) -> LogService:
    """The daemon's outermost service. Raises StartError when the log cannot be written to."""
    try:
        return LogService(output, options.parent or {})
    except UnsafeFile as problem:
        raise StartError(f"logging.file: {problem.path!r} is not used: {problem}, or set another path") from None
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise StartError(f"logging.file: cannot write to {problem.filename!r}: {reason}; set another path") from None
