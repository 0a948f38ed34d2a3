"""``redistill check-config``."""

from __future__ import annotations

from collections.abc import Mapping

import click

from redistill import tls
from redistill.config import Config, ConfigError, problems
from redistill.settings import SETTINGS, Kind
from redistill.values import literal

HIDDEN = '"(redacted)"'


def check(path: str, environ: Mapping[str, str], verbose: bool) -> int:
    """Print what there is to say; the exit status."""
    config, found = problems(path, environ)
    if config is not None and tls.is_used(config.security):
        try:
            tls.make_context(config.security)
        except ConfigError as problem:
            found = [f"{path}: {problem}"]
    for line in found:
        click.echo(line, err=True)
    if found or config is None:
        return 1
    click.echo(f"{path} is valid")
    if verbose:
        for line in differing(config):
            click.echo(line)
    return 0


def differing(config: Config) -> list[str]:
    """The settings that do not have their defaults, as the file has them."""
    return [
        f"{row.name} = {HIDDEN if row.kind is Kind.PASSWORDS else literal(row, config.get(row.name))}"
        for row in SETTINGS
        if config.get(row.name) != row.default
    ]
