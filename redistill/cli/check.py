"""``redistill check-config``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import click

from redistill.base.sizes import Size
from redistill.config import sizing
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.load import drop_ins, problems
from redistill.config.rewrite import places
from redistill.config.settings import SETTINGS, Kind
from redistill.config.values import literal
from redistill.engine import min_memory
from redistill.lifetime.arena import fitting_shards, joining
from redistill.net.sockets import StartError
from redistill.net.tls.context import TlsContext, make_context, uses_tls
from redistill.net.tls.validity import EXPIRY_DAYS, date, days_left, problem_of

HIDDEN = '"(redacted)"'


def check(path: str, environ: Mapping[str, str], verbose: bool) -> int:
    """Print the errors and warnings of the file at `path`; return the exit status."""
    config, found = problems(path, environ)
    if config is not None and uses_tls(config.security):
        found += tls_problems(path, config, found)
    if config is not None and not found:
        found += arena_problems(path, config)
    for problem in found:
        click.echo(located(path, problem), err=True)
    if found or config is None:
        return 1
    for warning in warnings(config):
        click.echo(f"{path}: warning: {warning}", err=True)
    click.echo(f"{path or 'the environment'} is valid")
    if verbose:
        for line in differing(config):
            click.echo(line)
    return 0


def tls_problems(path: str, config: Config, found: list[ConfigError]) -> list[ConfigError]:
    """Errors of the certificate, its key, or the authority, unless the errors found so far concern these settings."""
    if any(problem.setting.startswith("security.tls_") for problem in found):
        return []
    try:
        make_context(config.security, config.with_pem().pem)
    except ConfigError as problem:
        return [ConfigError(f"{path}: {problem}", str(problem).partition(":")[0])]
    return []


def arena_problems(path: str, config: Config) -> list[ConfigError]:
    """Errors because of which no arena can be made."""
    num_shards = config.server.num_shards
    try:
        if config.memory.max_memory:
            size = sizes(config).max_memory
            fitting_shards(size, num_shards, processes(config), fewer="server.num_shards" not in config.given)
    except StartError as problem:
        return [ConfigError(f"{path}: {problem}", "memory.max_memory")]
    return []


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


def located(path: str, problem: ConfigError) -> str:
    """The error's text, with the number of the line that sets the wrong value, if there is one in the configuration
    file `path` or the drop-in that the error is about."""
    text = str(problem)
    try:
        files = [path, *drop_ins(path)]
    except ConfigError:
        files = [path]
    place = next((file for file in files if text.startswith(f"{file}: ")), "")
    if not place or not problem.setting:  # the error is in the environment, for example, or the file is no TOML
        return text
    section, _, wanted = problem.setting.partition(".")
    with open(place, encoding="utf-8-sig") as file:
        for number, table, key in places(file):
            if table == section and key == wanted:
                return f"{place}:{number + 1}:{text.removeprefix(f'{place}:')}"
    return text


def differing(config: Config) -> list[str]:
    """The settings that differ from their defaults, in the notation of the file."""
    return [
        f"{row.name} = {HIDDEN if row.kind is Kind.PASSWORDS else literal(row, config.get(row.name))}"
        for row in SETTINGS
        if config.get(row.name) != row.default
    ]
