"""Writes man/redistill.1 from the options of the ``redistill`` command."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from redistill import __version__  # noqa: E402
from redistill.cli import main  # noqa: E402

SHARED = {one.name: one for one in main.commands["info"].params if isinstance(one, click.Option)}
"""The options of all subcommands that speak to a server."""


def roff(text: str) -> str:
    """`text` with the characters escaped that mean something to troff."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return "\\&" + text if text[:1] in (".", "'") else text


def option(one: click.Option) -> Iterator[str]:
    """An option."""
    names = ", ".join([*one.opts, *one.secondary_opts])
    yield ".TP"
    if one.is_flag:
        yield f".B {roff(names)}"
    else:
        choices = "|".join(one.type.choices) if isinstance(one.type, click.Choice) else ""
        yield f'.BI "{roff(names)} " {choices or one.type.name.split(" ")[0].upper()}'
    default = f" Default: {one.default:g}." if one.show_default and isinstance(one.default, float) else ""
    yield roff(f"{one.help}{default}")


def speaks(command: click.Command) -> bool:
    """Whether the subcommand speaks to a server."""
    return {one.name for one in command.params} >= SHARED.keys()


def subcommand(name: str, command: click.Command) -> Iterator[str]:
    """A subcommand."""
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    words = " ".join(f"[{one.name}]" if not one.required else str(one.name) for one in arguments).upper()
    yield f".SS {roff(name)} {words}".rstrip()
    for number, paragraph in enumerate(inspect.cleandoc(command.help or "").split("\n\n")):
        if number:
            yield ".PP"
        yield roff(paragraph)
    for one in command.params:
        if isinstance(one, click.Option) and (one.name not in SHARED or not speaks(command)):
            yield from option(one)


def man() -> str:
    """redistill(1)."""
    text = [
        f'.TH REDISTILL 1 "" "Redistill {__version__}" "User commands"',
        ".SH NAME",
        "redistill \\- run, check and watch a Redistill cache",
        ".SH SYNOPSIS",
        ".B redistill",
        ".RI [ command ]",
        ".RI [ options ]",
        ".SH DESCRIPTION",
        "This command is for operators and container probes. Without a command it runs the server, as serve does.",
        "The daemon is described in",
        ".BR redistill (8).",
        "The subcommands that connect to a server read its address and its first password from its configuration.",
        "Options take precedence.",
        "They do not send that password to another server that",
        ".B \\-\\-host",
        "names, unless",
        ".B \\-\\-config",
        "is given as well.",
        ".SH COMMANDS",
    ]
    speaking = [name for name, command in main.commands.items() if speaks(command)]
    common = f"{', '.join(speaking[:-1])} and {speaking[-1]}"
    for name, command in main.commands.items():
        text += subcommand(name, command)
    text += [
        ".SH OPTIONS OF THE CONNECTION",
        roff(f"These are common to {common}."),
        *(line for one in SHARED.values() for line in option(one)),
        ".SH ENVIRONMENT",
        ".TP",
        ".B REDISTILL_PASSWORD, REDISCLI_AUTH",
        "The password, if it is not the configuration's. For compare: that of B.",
        ".TP",
        ".B REDISTILL_FROM_PASSWORD",
        "The password of the server that load reads with \\-\\-from, and of A for compare.",
        ".TP",
        ".B REDISTILL_CONFIG",
        "The configuration file, if no option names one.",
        ".SH EXIT STATUS",
        "0 for success, 1 for failure, 2 for wrong options.",
        "compare: 0 if nothing differs, 1 if something does, 2 for failure.",
        "load and dump: 128 and the number of the signal, if one ended them.",
        ".SH SEE ALSO",
        ".BR redistill (8),",
        ".BR redistill.toml (5)",
    ]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    (ROOT / "man/redistill.1").write_text(man())
