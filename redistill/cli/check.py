"""``redistill check-config``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import click

from redistill.base.sizes import Size
from redistill.config import sizing
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.problems import problems
from redistill.config.settings import SETTINGS, Kind
from redistill.config.values import literal
from redistill.engine import min_memory
from redistill.lifetime.arena import joining
from redistill.net.tls.context import TlsContext, uses_tls
from redistill.net.tls.validity import EXPIRY_DAYS, date, days_left, problem_of
from redistill.wiring.checks import is_transient, machine_problems

HIDDEN = '"(redacted)"'


def check(path: str, environ: Mapping[str, str], verbose: bool) -> int:
    """Print the errors and warnings of the file at `path`; return the exit status."""
    config, found = problems(path, environ)
    later: list[ConfigError] = []
    if config is not None:
        found += machine_problems(config, found)
        later = [problem for problem in found if is_transient(problem, config)]
    for problem in found:
        if problem not in later:
            click.echo(str(problem), err=True)
    if len(found) > len(later) or config is None:
        return 1
    for problem in later:
        click.echo(f"{path}: warning: {problem}, unless the service manager makes it (RuntimeDirectory=)", err=True)
    for warning in warnings(config):
        click.echo(f"{path}: warning: {warning}", err=True)
    click.echo(f"{path or 'the environment'} is valid")
    if verbose:
        for line in differing(config):
            click.echo(line)
    return 0


def sizes(config: Config) -> sizing.Sizes:
    """How a server with this configuration divides the memory."""
    here = sizing.machine()
    return sizing.sizes(config, here, sizing.workers(config, here))


def processes(config: Config) -> int:
    """The number of processes that may use the arena at the same time."""
    return joining(sizing.workers(config, sizing.machine()))


def warnings(config: Config) -> Iterator[str]:
    """Settings that the daemon accepts, but warns of when it starts."""
    from redistill.wiring.announcements import SHORT_PASSWORD

    if "server.buffer_pool_size" in config.given:
        yield "server.buffer_pool_size has no effect, because the C library keeps freed buffers"
    for link in config.links:
        yield f"{link} is not used: it is the address of a service"
    if short := sum(len(password) < SHORT_PASSWORD for password in config.passwords):
        yield f"{short} of the passwords have fewer than {SHORT_PASSWORD} characters and can be guessed"
    if 0 < config.memory.max_memory < (least := min_memory(1, processes(config))):
        yield f"memory.max_memory: the smallest arena takes {Size(least)}; less limits keys, not the system's memory"
    if problem := sizes(config).problem:
        yield problem
    if uses_tls(config.security):
        certificate, now = TlsContext(config.security, config.with_pem().pem), time.time()
        if problem := problem_of(certificate.begins, certificate.expires, now):
            yield f"security.tls_cert_path: the certificate {problem}"
        elif (days := days_left(certificate.expires, now)) < EXPIRY_DAYS:
            ends = date(certificate.expires)
            yield f"security.tls_cert_path: the certificate expires in {days} days, on {ends}; renew it"


def differing(config: Config) -> list[str]:
    """The settings that differ from their defaults, in the notation of the file."""
    return [
        f"{row.name} = {HIDDEN if row.kind is Kind.PASSWORDS else literal(row, config.get(row.name))}"
        for row in SETTINGS
        if config.get(row.name) != row.default
    ]
