"""The ``redistill`` command: what operators and container probes run beside the daemon.

Each subcommand imports what it needs when it runs, since a probe that runs each second must be cheap.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from redistill import __version__

CONFIG = click.Path(dir_okay=False)


CONNECTION = (
    click.option(
        "--config", "-c", type=CONFIG, help="The server's configuration file, for its address and its password."
    ),
    click.option("--host", "-h", help="Address of the server, where it is not the configuration's."),
    click.option("--port", "-p", type=click.IntRange(1, 65535), help="Its port."),
    click.option("--socket", "-s", type=CONFIG, help="Its UNIX socket, instead of host and port."),
    click.option("--user", help="User to authenticate as; the password is $REDISTILL_PASSWORD."),
    click.option("--tls/--no-tls", default=None, help="Speak TLS, or do not."),
    click.option("--cacert", type=CONFIG, help="Certificates that the server's must be signed by, PEM."),
    click.option("--cert", type=CONFIG, help="Our own certificate, where the server wants one, PEM."),
    click.option("--key", type=CONFIG, help="Its key, PEM."),
    click.option("--insecure", is_flag=True, help="Do not verify the server's certificate."),
)
"""The options of `connection.Target.of`."""


def connecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a subcommand that speaks to a server; it gets a `connection.Target`."""

    def run(**given: Any) -> None:
        from redistill.cli.connection import Target

        command(Target.of(os.environ, **{name: given.pop(name) for name in names}), **given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    own = list(getattr(command, "__click_params__", []))
    run.__click_params__ = own.copy()  # type: ignore[attr-defined]
    for option in reversed(CONNECTION):
        run = option(run)
    names = [str(one.name) for one in run.__click_params__ if one not in own]  # type: ignore[attr-defined]
    return run


@click.group(context_settings={"help_option_names": ["--help"]})
@click.version_option(__version__, message="redistill %(version)s")
def main() -> None:
    """Redistill, a Redis-compatible in-memory cache."""


@main.command()
@click.option("--config", "-c", type=CONFIG, help="Configuration file.")
def serve(config: str | None) -> None:
    """Run the server in the foreground.

    As `twistd --reactor redistill --nodaemon redistill` does.
    """
    from twisted.scripts.twistd import run

    options = [] if config is None else ["--config", config]
    sys.argv[1:] = ["--reactor", "redistill", "--nodaemon", "--pidfile=", "redistill", *options]
    run()  # type: ignore[no-untyped-call]


@main.command("check-config")
@click.argument("file", type=CONFIG)
@click.option("--verbose", "-v", is_flag=True, help="Show the settings that differ from their defaults.")
def check_config(file: str, verbose: bool) -> None:
    """Say what is wrong with a configuration file.

    The exit status is 1 if anything is. The environment counts, as it does for the server. Passwords, users and
    certificates that the file names are read.
    """
    from redistill.cli.check import check

    sys.exit(check(file, os.environ, verbose))


@main.command()
@connecting
@click.option("--ready", is_flag=True, help="Whether new clients are welcome: not once a drain has begun.")
@click.option("--url", help="Where the server answers probes, where it is not the configuration's.")
@click.option("--timeout", type=click.FloatRange(0.01), default=2.0, show_default=True, help="Seconds to wait, in all.")
def health(target: Any, ready: bool, url: str | None, timeout: float) -> None:
    """Say whether the server is well.

    The exit status is 0 if it is, for the probes of containers. Asked is the health port (/health, or /readyz) of the
    configuration, or, where that has none or another server is named, the server itself, by PING, which does not tell
    whether it is ready.
    """
    from redistill.cli.health import probe

    good, line = probe(target, url, ready, timeout)
    click.echo(line, err=not good)
    sys.exit(0 if good else 1)


def sections(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Those of INFO, for a shell that completes."""
    from redistill.control.sections import SECTIONS

    return [name for name in SECTIONS if name.startswith(incomplete)]


@main.command()
@connecting
@click.argument("section", required=False, shell_complete=sections)
def info(target: Any, section: str | None) -> None:
    """Show the figures of INFO.

    All of them, or those of a section.
    """
    with target.connect() as ask:
        click.echo(ask.section(section or "everything"), nl=False)


@main.command()
@connecting
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def secrets(target: Any, as_json: bool) -> None:
    """Show which passwords are used.

    When last, by how many connections, and by which client libraries. A secret is named by the first digits of its
    SHA-256.
    """
    from redistill.cli.secrets import as_text, read

    with target.connect() as ask:
        click.echo(as_text(read(ask), as_json))


@main.command()
@connecting
@click.option("--wait", is_flag=True, help="Return when the server has ended.")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    help="Seconds to wait for that. Default: 10 more than the configuration gives a server to stop.",
)
def drain(target: Any, wait: bool, timeout: float | None) -> None:
    """Stop the server, and let the clients finish that are there.

    It says that it is not ready, and then accepts no more clients, as with SIGTERM. It is told by SHUTDOWN, which works
    for a server elsewhere or in a container as well, and takes the right to run that. Told a second time, it does not
    wait for its clients any more. The exit status is 1 when it has not ended in time. Of a server elsewhere it is known
    only that it does not answer any more.
    """
    from redistill.cli.drain import drain as begin

    good, line = begin(target, wait, timeout)
    click.echo(line, err=not good)
    sys.exit(0 if good else 1)


@main.command()
@connecting
@click.option("--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Show the first interval, and end.")
def top(target: Any, interval: float, once: bool) -> None:
    """Watch the server at work.

    Commands, hits, memory, clients, workers, and the time that commands take, all of the last interval, until Ctrl-C.
    Where the output is no terminal, it is one interval.
    """
    from redistill.cli.top import watch

    with target.connect() as ask:
        watch(ask, interval, once)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete this command.

    For example: source <(redistill completion bash)
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "redistill", "_REDISTILL_COMPLETE").source())
