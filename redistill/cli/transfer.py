"""``redistill load``, ``dump`` and ``compare``."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redistill.base import words
from redistill.transfer import dump as writing
from redistill.transfer.commands import CommandSource
from redistill.transfer.compare import Comparison
from redistill.transfer.input import Input
from redistill.transfer.jsonlines import JsonSource
from redistill.transfer.load import Load, Options
from redistill.transfer.peer import Peer
from redistill.transfer.rdb import MAGIC_BYTES, RdbSource
from redistill.transfer.records import BadSource, Source, printable
from redistill.transfer.server import PAGE, TIMEOUT, Keyspace, ServerSource, pool, public
from redistill.transfer.signals import Interrupted, Signals
from redistill.transfer.state import State, default_path

if TYPE_CHECKING:
    from redistill.cli import connection

FROM_PASSWORD = "REDISTILL_FROM_PASSWORD"  # noqa: S105
TO_PASSWORD = "REDISTILL_PASSWORD"  # noqa: S105
COMPRESSED = {b"\x1f\x8b": "zcat", b"BZh": "bzcat", b"\xfd7zXZ\x00": "xzcat", b"\x28\xb5\x2f\xfd": "zstdcat"}
"""First bytes of compressed files, and the program that reads them."""
RDB_BEGINS = re.compile(rb"REDIS\d{4}|VALKEY\d{3}")


def complain(line: str) -> None:
    """Print an error."""
    click.echo(printable(line), err=True)


@contextmanager
def progress(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr if it is a terminal; a function that moves it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done: None
        return
    amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = ("{task.description}", BarColumn(), amount, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(title, total=total or None)
        yield lambda done: bar.update(task, completed=done)


def opened(path: str, stack: ExitStack) -> Input:
    """The file, or stdin for ``-``."""
    if path == "-":
        return Input(0, "stdin")
    try:
        file = stack.enter_context(open(path, "rb", buffering=0))  # noqa: SIM115
    except OSError as problem:
        raise click.ClickException(f"cannot read {path}: {os.strerror(problem.errno or 0)}") from None
    return Input(file.fileno(), path)


def file_source(data: Input, form: str, db: int | None) -> Source:
    """The source of a file, by its first bytes if `form` is "auto"."""
    begin = data.peek(MAGIC_BYTES)
    if tool := next((tool for magic, tool in COMPRESSED.items() if begin.startswith(magic)), None):
        raise BadSource(f"{data.name} is compressed; write: {tool} FILE | redistill load -")
    if form == "auto":
        first = begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if first == b"[":
            raise BadSource(f"{data.name} is a JSON array; write one object a line, for example: jq -c '.[]' FILE")
        form = "rdb" if RDB_BEGINS.match(begin) else "json" if first == b"{" else "commands"
    if form == "rdb":
        return RdbSource(data)
    return (JsonSource if form == "json" else CommandSource)(data, db or 0)


def explainer(address: str, password: str = "") -> Callable[[Exception], str]:
    """Words an error of a server; `password` is the environment variable for its password."""
    from redistill.cli.connection import refusal

    remedy = f"set {password}, or name user and password in the address" if password else ""
    return lambda problem: refusal(public(address), problem, remedy).message


def load(
    target: connection.Target,
    *,
    file: str | None,
    origin: str | None,
    form: str,
    match: str | None,
    db: int | None,
    replace: bool,
    rate: float | None,
    dry_run: bool,
    state_file: str | None,
    resume: bool,
    unconfirmed: str | None,
) -> int:
    """Load; the exit status."""
    if (file is None) == (origin is None):
        raise click.UsageError("name either a FILE (- for stdin) or a server with --from")
    pattern = None if match is None else words.data(match)
    options = Options(pattern, db, replace, rate)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        source: Source
        try:
            if origin is not None:
                connections, named = pool(origin, os.environ, FROM_PASSWORD)
                options.db = named if db is None else db
                page = PAGE if rate is None else max(10, min(PAGE, int(rate)))
                space = Keyspace(connections, explainer(origin, FROM_PASSWORD), pattern, page)
                stack.callback(space.close)
                source = ServerSource(space, origin, pattern, options.db)
            else:
                source = file_source(opened(str(file), stack), form, db)
            state = None if dry_run else the_state(source, target, options, state_file)
            before = state.read() if state is not None and (resume or state_file) else None
            if resume and before is None:
                raise click.ClickException("there is no interrupted load to resume; run the command without --resume")
            to = None
            if not dry_run:
                to = Peer(stack.enter_context(target.client(TIMEOUT, single_connection_client=True)))
            run = Load(source, to, options, state, complain)
            if before is not None:
                run.resume(before, None if unconfirmed is None else unconfirmed == "repeat")
                click.echo(f"resuming the load that was interrupted at {where(before['position'])}", err=True)
        except BadSource as problem:
            raise click.ClickException(printable(str(problem))) from None
        except Interrupted as interruption:
            click.echo(f"Error: interrupted ({interruption}) before anything was loaded", err=True)
            return 128 + interruption.number
        return finish(run, source, signals, state, target.address, dry_run)


def where(position: dict[str, Any]) -> str:
    """A position, for messages."""
    if "cursor" in position:
        return f"database {position['db']}, {position['done']} keys"
    return f"line {position['line']}" if position.get("line") is not None else f"offset {position['offset']}"


def the_state(source: Source, target: connection.Target, options: Options, given: str | None) -> State:
    """The state file of a load: the one that is named, otherwise one under the user's directory of states."""
    identity = source.identity()
    how = {
        "target": target.address,
        "match": None if options.match is None else options.match.decode("latin-1"),
        "db": options.db,
        "replace": options.replace,
    }
    known = {name: value for name, value in identity.items() if name in ("format", "name", "server")}
    return State(Path(given) if given else default_path(known, how), {"source": identity, **how})


def finish(run: Load, source: Source, signals: Signals, state: State | None, address: str, dry_run: bool) -> int:
    """Run the load and report; the exit status."""
    import redis

    from redistill.cli.connection import refusal

    begun, problem, number, damaged = time.monotonic(), "", 0, False
    try:
        with progress("checking" if dry_run else "loading", source.total, source.unit) as move:
            run.run(signals, move)
    except Interrupted as interruption:
        problem, number = f"interrupted ({interruption})", interruption.number
    except BadSource as bad:
        problem, damaged = str(bad), source.unit == "bytes"
    except redis.RedisError as failure:
        problem = refusal(address, failure).message
    except OSError as failure:
        problem = str(failure)
    report(run, source, time.monotonic() - begun, dry_run)
    if problem:
        complain(f"Error: {problem}")
    if state is not None:
        if not problem:
            state.remove()
        elif damaged:
            click.echo("What comes before it was read.", err=True)
        elif run.can_resume:
            click.echo(f"To go on, run the same command with --resume (state: {state.path}).", err=True)
    return 128 + number if number else 1 if problem or run.counts.failed else 0


def report(run: Load, source: Source, took: float, dry_run: bool) -> None:
    """The summary."""
    counts = run.counts
    loaded = counts.loaded.total()
    what = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.loaded.items()))
    rate = f" in {took:.1f} s, {loaded / took:.0f} a second" if took > 0 and not dry_run else ""
    click.echo(f"{'would load' if dry_run else 'loaded'} {loaded}{rate}{f' ({what})' if what else ''}")
    for number, words_ in (
        (counts.kept, "kept: the key exists (--replace replaces it)"),
        (counts.expired, "skipped: expired"),
        (counts.unmatched, "skipped: other keys or databases than asked for"),
    ):
        if number:
            click.echo(f"{number} {words_}")
    for (kind, reason), number in counts.failed.most_common(20):
        click.echo(printable(f"{number} {kind} not loaded: {reason}"))
    if counts.failed:
        click.echo(f"{counts.failed.total()} not loaded in all")
    for note in source.notes:
        click.echo(printable(f"note: {note}"))


def dump(
    target: connection.Target, *, file: str, form: str, match: str | None, db: int | None, rate: float | None
) -> int:
    """Dump; the exit status."""
    if form == "auto":
        form = writing.SUFFIXES.get(Path(file).suffix, "commands" if file != "-" else "json")
    if file == "-" and sys.stdout.isatty() and form == "rdb":
        raise click.UsageError("an RDB file is not written to a terminal; name a FILE")
    pattern = None if match is None else words.data(match)
    begun = time.monotonic()
    with target.client(TIMEOUT) as made, Signals():
        try:
            space = Keyspace(made.connection_pool, explainer(target.address), pattern)
            found = space.databases()
            databases = sorted(found if db is None else found.keys() & {db})
            total = 0 if match is not None else sum(found[one] for one in databases)
            with progress("dumping", total, "keys") as move, writing.replacing(file) as out:
                counts, vanished, failed = writing.dump(
                    space, databases, writing.writer(form, out), rate, complain, move
                )
        except Interrupted as interruption:
            click.echo(f"Error: interrupted ({interruption}); {file} was not written", err=True)
            return 128 + interruption.number
        except BadSource as problem:
            raise click.ClickException(f"{problem}; {file} was not written") from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
            return 1
        except OSError as problem:
            raise click.ClickException(f"cannot write {file}: {problem.strerror}") from None
    what = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    took = time.monotonic() - begun
    click.echo(f"dumped {counts.total()} keys in {took:.1f} s{f' ({what})' if what else ''}", err=True)
    if vanished:
        click.echo(f"{vanished} keys vanished while they were read", err=True)
    if failed:
        click.echo(f"{failed} keys could not be read", err=True)
    return 1 if failed else 0


def compare(
    a: str, b: str, *, sample: int | None, match: str | None, db: int | None, tolerance: float, limit: int
) -> int:
    """Compare; the exit status: 0 for equal, 1 for different, 2 if it could not be done."""
    pattern = None if match is None else words.data(match)
    looked = differing = 0
    kinds: dict[str, int] = {}
    with ExitStack() as stack:
        stack.enter_context(Signals())
        spaces = []
        try:
            for address, password in ((a, FROM_PASSWORD), (b, TO_PASSWORD)):
                connections, named = pool(address, os.environ, password)
                db = named if db is None else db
                spaces.append(Keyspace(connections, explainer(address, password), pattern))
                stack.callback(spaces[-1].close)
            found = spaces[0].databases()
            databases = found if db is None else {db: found.get(db, 0)}
            others = [one for one in spaces[1].databases() if db is None or one == db]
            total = (
                0
                if match is not None
                else sum(keys if sample is None else min(keys, sample) for keys in databases.values())
            )
            with progress("comparing", total, "keys") as move:
                both = Comparison(spaces[0], spaces[1], round(tolerance * 1000))
                for count, differences in both.run(list(databases), others, sample):
                    looked += count
                    move(looked)
                    for one in differences:
                        kinds[one.kind] = kinds.get(one.kind, 0) + 1
                        differing += 1
                        if differing <= limit:
                            click.echo(str(one))
                        elif differing == limit + 1:
                            click.echo("further differences are only counted")
        except BadSource as problem:
            complain(f"Error: {problem}")
            return 2
        except click.ClickException as problem:
            click.echo(f"Error: {problem.message}", err=True)
            return 2
        except Interrupted as interruption:
            click.echo(f"Error: interrupted ({interruption})", err=True)
            return 128 + interruption.number
    what = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    click.echo(
        f"compared {looked} keys of A: " + (f"{differing} differences ({what})" if differing else "no difference")
    )
    return 1 if differing else 0
