"""Log events of the start, about the daemon and its configuration."""

from __future__ import annotations

import platform
import time

from twisted.logger import Logger

import twisted
from redistill import __version__
from redistill.config import sizing
from redistill.config.config import Config
from redistill.net.sockets import allow_files
from redistill.net.tls.context import TlsContext
from redistill.net.tls.validity import EXPIRY_DAYS, date, days_left, problem_of

log = Logger()

SHORT_PASSWORD = 16
"""Characters; the log warns of a shorter password."""


def announce(config: Config, workers: int, reactor: object) -> None:
    """Say what is about to run, and where it is less than what was asked for."""
    log.info(
        "redistill {version}, configuration {path}, workers: {workers}, Python {python}, Twisted {twisted},"
        " reactor class: {reactor}",
        version=__version__,
        path=", ".join(config.files) or "built in",
        workers=workers,
        python=platform.python_version(),
        twisted=twisted.__version__,
        reactor=f"{type(reactor).__module__}.{type(reactor).__qualname__}",
    )
    settings = ", ".join(f"{name} = {value}" for name, value in config.changed().items())
    log.info("settings: {settings}", settings=settings or "all as by default")
    if short := sum(len(password) < SHORT_PASSWORD for password in config.passwords):
        log.warn(
            "{count} of the passwords have fewer than {least} characters and can be guessed; use"
            " longer ones (openssl rand -base64 32)",
            count=short,
            least=SHORT_PASSWORD,
        )
    if "server.buffer_pool_size" in config.given:
        log.info("server.buffer_pool_size has no effect, because the C library keeps freed buffers")
    for link in config.links:
        log.info("{variable} is not used: it is the address of a service", variable=link)
    possible = allow_files(config.server.max_connections)
    if config.server.max_connections > possible:
        log.warn(
            "server.max_connections = {wanted}, but the limit of open files allows {possible};"
            " raise it (ulimit -n, LimitNOFILE=)",
            wanted=config.server.max_connections,
            possible=possible,
        )


def announce_lua(path: str, problem: str) -> None:
    """Say which library runs scripts, or what to do when there is none."""
    if path:
        log.info("scripts run with {path}", path=path)
    else:
        log.warn(
            "scripts cannot run, because Lua 5.1 is missing: {problem}; install lupa (pip) or liblua5.1-0 (apt)",
            problem=problem,
        )


def warn_of_sizes(sizes: sizing.Sizes) -> None:
    """Say so when more was configured than fits."""
    if sizes.problem:
        log.warn("less memory is available than configured: {problem}", problem=sizes.problem)


def warn_of_validity(certificate: TlsContext) -> None:
    """Say so when the certificate is not valid now, or ends soon."""
    begins, ends, now = certificate.begins, certificate.expires, time.time()
    if problem := problem_of(begins, ends, now):
        log.error("the TLS certificate {problem}", problem=problem)
    elif (days := days_left(ends, now)) < EXPIRY_DAYS:
        log.warn("the TLS certificate expires in {days} days, on {date}; renew it", days=days, date=date(ends))
