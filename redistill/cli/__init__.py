"""The ``redistill`` command, for operators and container probes.

Each subcommand imports what it needs when it runs, since a probe that runs each second must be cheap.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from redistill import __version__

CONFIG = click.Path(dir_okay=False)


CONNECTION = (
    click.option("--config", "-c", type=CONFIG, help="The server's configuration file, for its address and password."),
    click.option("--host", "-h", help="Address of the server, instead of the configuration's."),
    click.option("--port", "-p", type=click.IntRange(1, 65535), help="Port of the server."),
    click.option("--socket", "-s", type=CONFIG, help="UNIX socket of the server, instead of host and port."),
    click.option("--user", help="User to authenticate as; the password is $REDISTILL_PASSWORD."),
    click.option("--tls/--no-tls", default=None, help="Use TLS, or do not."),
    click.option(
        "--cacert", type=CONFIG, help="Certificates of the authorities that may sign the server's certificate, PEM."
    ),
    click.option("--cert", type=CONFIG, help="Client certificate, if the server requires one, PEM."),
    click.option("--key", type=CONFIG, help="Private key of the client certificate, PEM."),
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


SERVING = (
    click.option("--config", "-c", type=CONFIG, help="Configuration file."),
    click.option("--port", "-p", help="TCP port to listen on, instead of the configuration's."),
    click.option("--bind", help="Addresses to listen on, instead of the configuration's."),
)
"""The options of `serve`, which may also stand without it."""


def serving(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that starts the server."""
    for option in reversed(SERVING):
        command = option(command)
    return command


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["--help"]})
@serving
@click.version_option(__version__, message="redistill %(version)s")
@click.pass_context
def main(context: click.Context, /, **options: str | None) -> None:
    """Redistill, a Redis-compatible in-memory cache.

    Without a command it serves, as `redistill serve` does.
    """
    given = {name: value for name, value in options.items() if value is not None}
    name = context.invoked_subcommand
    if name is None:
        if sys.stderr.isatty():
            click.echo("redistill: serving in the foreground; `redistill --help` lists the other commands", err=True)
        context.invoke(serve, **options)
        return
    for option in given.keys() - {one.name for one in main.commands[name].params}:
        raise click.UsageError(f"{name} has no option --{option}")
    context.default_map = {name: given}
    if name != "serve":
        from redistill.engine import name_process

        with contextlib.suppress(OSError):
            name_process(f"rd-{name}"[:15])  # `pgrep redistill` finds the server alone


@main.command()
@serving
def serve(config: str | None, port: str | None, bind: str | None) -> None:
    """Run the server in the foreground.

    This command runs `twistd --reactor redistill --nodaemon redistill`.
    """
    from twisted.scripts.twistd import run

    given = {"--config": config, "--port": port, "--bind": bind}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    sys.argv[1:] = ["--reactor", "redistill", "--nodaemon", "--pidfile=", "redistill", *options]
    run()  # type: ignore[no-untyped-call]


@main.command("check-config")
@click.argument("file", type=CONFIG, required=False)
@click.option("--verbose", "-v", is_flag=True, help="Show the settings that differ from their defaults.")
def check_config(file: str | None, verbose: bool) -> None:
    """List the errors of a configuration file.

    Without a file the command checks the one that the server would read. The exit status is 1 if there are any errors.
    Environment variables count, as they do for the server. The command also reads the passwords, users and
    certificates that the file names.
    """
    from redistill.cli.check import check
    from redistill.config.load import usual_path

    sys.exit(check(usual_path(os.environ) if file is None else file, os.environ, verbose))


@main.command()
@click.option("--config", "-c", type=CONFIG, help="Configuration file of the server.")
@click.option(
    "--pid",
    type=click.IntRange(1),
    envvar="MAINPID",
    required=True,
    help="Process id of the server. Default: $MAINPID.",
)
def reload(config: str | None, pid: int) -> None:
    """Check the configuration, and have the server read it again.

    If the configuration has an error, the server is left alone and the exit status is 1. Else the server applies the
    settings that can change at run time, and replaces its worker processes. This command is for ExecReload= of systemd,
    which it tells what happens.
    """
    from redistill.cli.reload import reload as begin

    sys.exit(begin(config, pid, os.environ))


@main.command()
@connecting
@click.option(
    "--ready", is_flag=True, help="Fail also if the server no longer accepts new clients, once a drain has begun."
)
@click.option("--url", help="URL of the server's health port, instead of the configuration's.")
@click.option("--timeout", type=click.FloatRange(0.01), default=2.0, show_default=True, help="Seconds to wait, in all.")
def health(target: Any, ready: bool, url: str | None, timeout: float) -> None:
    """Report whether the server is well.

    The exit status is 0 if it is, for the probes of containers. The command asks the health port of the configuration
    (/health, or /readyz). If there is none, or an option names another server, it sends PING to the server itself,
    which does not tell whether the server is ready.
    """
    from redistill.cli.health import probe

    good, line = probe(target, url, ready, timeout)
    click.echo(line, err=not good)
    sys.exit(0 if good else 1)


def sections(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The sections of INFO that begin with `incomplete`, for completion in a shell."""
    from redistill.control.sections import SECTIONS

    return [name for name in SECTIONS if name.startswith(incomplete)]


@main.command()
@connecting
@click.argument("section", required=False, shell_complete=sections)
def info(target: Any, section: str | None) -> None:
    """Show the figures of INFO.

    Without a section it shows all of them.
    """
    with target.connect() as ask:
        click.echo(ask.section(section or "everything"), nl=False)


@main.command()
@connecting
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def secrets(target: Any, as_json: bool) -> None:
    """Show the use of each password.

    The list shows when a password was used last, by how many connections, and by which client libraries. It names a
    password by the first digits of its SHA-256.
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
    help="Seconds to wait for the end. Default: 10 more than the configuration gives a server to stop.",
)
def drain(target: Any, wait: bool, timeout: float | None) -> None:
    """Stop the server after its present clients have finished.

    The server reports that it is not ready, and then accepts no more clients, as for SIGTERM. The command sends
    SHUTDOWN, which also works for a server on another machine or in a container; the user must be allowed to run it. A
    second drain ends the server without waiting for its clients. The exit status is 1 if the server has not ended in
    time. A server on another machine counts as ended when it no longer answers.
    """
    from redistill.cli.drain import drain as begin

    good, line = begin(target, wait, timeout)
    click.echo(line, err=not good)
    sys.exit(0 if good else 1)


@main.command()
@connecting
@click.option(
    "--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between two updates."
)
@click.option("--once", is_flag=True, help="Show the first interval, and end.")
def top(target: Any, interval: float, once: bool) -> None:
    """Watch the server at work.

    It shows commands, hits, memory, clients, workers and the duration of commands of the last interval, until q or
    Ctrl-C is pressed. It goes on when the server is restarted. If the output is not a terminal, it shows one interval.
    """
    from redistill.cli.top import watch

    with target.connect() as ask:
        watch(ask, interval, once)


FORMAT = click.Choice(["auto", "rdb", "json", "commands", "resp"])
DATABASE = click.IntRange(0, 2**31 - 1)


@main.command()
@connecting
@click.argument("file", type=CONFIG, required=False)
@click.option(
    "--from",
    "origin",
    help="Load from this server instead: HOST:PORT, or redis://, rediss:// or unix:// and an address."
    " $REDISTILL_FROM_PASSWORD is its password.",
)
@click.option(
    "--format",
    "form",
    type=FORMAT,
    default="auto",
    help="Format of FILE. Default: auto, which goes by its first bytes.",
)
@click.option("--match", help="Load only keys that match this pattern, as KEYS has it.")
@click.option("--db", type=DATABASE, help="Load only this database. Keys of a file that names none go there.")
@click.option("--replace", is_flag=True, help="Replace keys that exist. Without it they are kept.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Send at most so many commands a second.")
@click.option("--dry-run", is_flag=True, help="Read everything, send nothing, and show what would be loaded.")
@click.option("--state", "state_file", type=CONFIG, help="Keep the state in this file, and resume if it exists.")
@click.option("--resume", is_flag=True, help="Go on where the same command was interrupted.")
@click.option(
    "--unconfirmed",
    type=click.Choice(["repeat", "skip"]),
    help="When resuming: what to do with commands that were sent, but whose replies were lost.",
)
def load(target: Any, **given: Any) -> None:
    """Fill the server from a file, or from another server.

    FILE (- for standard input) is an RDB file of Redis or Valkey, JSON lines, or commands: one a line, as redis-cli
    reads them, or RESP, as redis-cli --pipe takes it. Strings are stored by SET; values of other types are sent by
    RESTORE, and what the server refuses is counted by type. Memory stays bounded, however large the file is.

    A line of JSON is an object with key, value, type, db, and ttl (seconds) or expire_at (Unix time). A text that is
    not UTF-8 is written as {"base64": "..."}. The value of a list or set is an array, that of a hash or zset an object;
    any type may have dump, the payload of DUMP, instead of value.

    When the load is interrupted, it can be resumed. The exit status is 0 if all was loaded, 1 if not, and 128 and the
    number of the signal if a signal ended it.
    """
    from redistill.cli.transfer import load as run

    sys.exit(run(target, **given))


@main.command()
@connecting
@click.argument("file", type=CONFIG)
@click.option(
    "--format",
    "form",
    type=FORMAT,
    default="auto",
    help="Format to write. Default: auto, which goes by the name: .rdb, .jsonl or .json, .resp, otherwise commands;"
    " JSON lines for standard output.",
)
@click.option("--match", help="Dump only keys that match this pattern, as KEYS has it.")
@click.option("--db", type=DATABASE, help="Dump only this database.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Read at most so many keys a second.")
def dump(target: Any, **given: Any) -> None:
    """Write the keys of the server to a file.

    The formats are those that `redistill load` reads. FILE (- for standard output) takes its place when it is
    complete, with mode 0600. It is no snapshot: keys that change meanwhile may be written as they were before or after.
    """
    from redistill.cli.transfer import dump as run

    sys.exit(run(target, **given))


@main.command()
@click.argument("a")
@click.argument("b")
@click.option("--sample", type=click.IntRange(1), default=1000, help="Keys of each database to compare. Default: 1000.")
@click.option("--all", "everything", is_flag=True, help="Compare all keys.")
@click.option("--match", help="Compare only keys that match this pattern, as KEYS has it.")
@click.option("--db", type=DATABASE, help="Compare only this database.")
@click.option(
    "--ttl-tolerance",
    "tolerance",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="Seconds by which times to live may differ.",
)
@click.option("--limit", type=click.IntRange(0), default=100, help="Differences to list. Default: 100.")
def compare(sample: int, everything: bool, **given: Any) -> None:
    """Compare the keys of two servers.

    A and B are HOST:PORT, or redis://, rediss:// or unix:// and an address. Their passwords are
    $REDISTILL_FROM_PASSWORD and $REDISTILL_PASSWORD, unless the addresses have one. The command lists keys that only
    one of them has, and those whose type, value or time to live differs, or the time to live of a hash's field. The
    exit status is 0 if nothing differs, 1 if something does, and 2 if the servers could not be compared.
    """
    from redistill.cli.transfer import compare as run

    sys.exit(run(sample=None if everything else sample, **given))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of this command for a shell.

    For example: source <(redistill completion bash)
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "redistill", "_REDISTILL_COMPLETE").source())
