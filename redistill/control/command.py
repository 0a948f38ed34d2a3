"""COMMAND: the descriptions of the commands, in the format of Redis 7.0.

Most client libraries ask for them once a connection, redis-cli for all of COMMAND DOCS. The description of a command is
made once for each version of the protocol. Replies about many commands are made in slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

from redistill.base import resp
from redistill.control.slices import sliced
from redistill.control.state import ServerState
from redistill.engine.command_table import Argument, CommandEntry, CommandTable, KeySpec, Search
from redistill.engine.glob import Glob
from redistill.net.interfaces import Client, Command, Reply

HELP = """\
COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
(no subcommand)
    Describe all commands.
COUNT
    Return how many commands there are.
LIST [FILTERBY MODULE <name> | ACLCAT <category> | PATTERN <pattern>]
    Return the names of all commands, or of those that the filter lets through.
INFO [<command-name> ...]
    Describe the commands named, or all.
DOCS [<command-name> ...]
    Document the commands named, or all.
GETKEYS <full-command>
    Return the keys in a whole command.
GETKEYSANDFLAGS <full-command>
    Return the keys in a whole command, and what it does with each.
HELP
    Print this help.""".splitlines()

SYNTAX = resp.error("ERR syntax error")


def commands(server: ServerState, table: CommandTable) -> Mapping[str, Command]:
    """The commands of this group, by name."""

    @cache
    def description(name: str, version: int) -> bytes:
        return described(table.by_name[name], version)

    @cache
    def documentation(name: str, version: int) -> bytes:
        return b"".join(documented(table.by_name[name], version))

    def descriptions(wanted: Sequence[bytes], version: int) -> Iterator[bytes]:
        if not wanted:
            yield resp.array_head(len(table.commands))
            yield from (description(entry.name, version) for entry in table.commands)
            return
        yield resp.array_head(len(wanted))
        for name in wanted:
            entry = table.named(name)
            yield description(entry.name, version) if entry else resp.null(version)

    def documentations(wanted: Sequence[bytes], version: int) -> Iterator[bytes]:
        found = [] if wanted else [entry.name for entry in table.commands]
        for name in wanted:
            if entry := table.named(name):
                found.append(entry.name)
            yield b""
        yield resp.mapping_head(len(found), version)
        yield from (documentation(name, version) for name in found)

    def info(client: Client, argv: list[bytes]) -> Reply:
        """COMMAND INFO [name ...]: an unknown command is null."""
        return sliced(server, client, descriptions(argv[2:], client.session.state.resp))

    def docs(client: Client, argv: list[bytes]) -> Reply:
        """COMMAND DOCS [name ...]: an unknown command is left out."""
        return sliced(server, client, documentations(argv[2:], client.session.state.resp))

    return {
        "command": info,
        "command|count": lambda client, argv: resp.integer(len(table.commands)),
        "command|list": lambda client, argv: names(table, argv),
        "command|info": info,
        "command|docs": docs,
        "command|getkeys": lambda client, argv: keys(table, argv[2:]),
        "command|getkeysandflags": lambda client, argv: keys_and_flags(table, argv[2:], client.session.state.resp),
        "command|help": lambda client, argv: resp.lines(HELP),
    }


def names(table: CommandTable, argv: list[bytes]) -> bytes:
    """COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]"""
    wanted: Callable[[CommandEntry], bool]
    if len(argv) == 2:
        wanted = lambda entry: True  # noqa: E731
    elif len(argv) != 5 or argv[2].lower() != b"filterby":
        return SYNTAX
    else:
        kind, value = argv[3].lower(), argv[4].lower()
        if kind == b"module":  # there are none
            wanted = lambda entry: False  # noqa: E731
        elif kind == b"aclcat":
            wanted = lambda entry: value in {name.encode() for name in entry.categories}  # noqa: E731
        elif kind == b"pattern":
            glob = Glob(value, nocase=True)
            wanted = lambda entry: glob.matches(entry.name.encode())  # noqa: E731
        else:
            return SYNTAX
    return resp.array([resp.bulk(entry.name) for entry in table.flattened() if wanted(entry)])


def keys(table: CommandTable, words: list[bytes]) -> bytes:
    """COMMAND GETKEYS command ..."""
    found = find_keys(table, words)
    return found if isinstance(found, bytes) else resp.array([resp.bulk(key) for key, flags in found])


def keys_and_flags(table: CommandTable, words: list[bytes], version: int) -> bytes:
    """COMMAND GETKEYSANDFLAGS command ..."""
    found = find_keys(table, words)
    if isinstance(found, bytes):
        return found
    return resp.array([resp.array([resp.bulk(key), statuses(flags, version)]) for key, flags in found])


def find_keys(table: CommandTable, words: list[bytes]) -> list[tuple[bytes, tuple[str, ...]]] | bytes:
    """The keys among `words`, or an error reply."""
    entry = table.find(words)
    if entry is None:
        return resp.error("ERR Invalid command specified")
    if all("not_key" in spec.flags for spec in entry.key_specs):  # a shard channel
        return resp.error("ERR The command has no key arguments")
    if not entry.takes(len(words)):
        return resp.error("ERR Invalid number of arguments specified for command")
    found = table.keys(entry, words)
    if not found and "no_mandatory_keys" in entry.flags:
        return []
    return found or resp.error("ERR Invalid arguments specified for command")


def described(entry: CommandEntry, version: int) -> bytes:
    """An entry as COMMAND INFO describes it."""
    subcommands = [described(sub, version) for sub in entry.subcommands]
    return resp.array(
        [
            resp.bulk(entry.name),
            resp.integer(entry.arity),
            statuses(entry.flags, version),
            resp.integer(entry.first_key),
            resp.integer(entry.last_key),
            resp.integer(entry.key_step),
            statuses(["@" + name for name in entry.categories], version),
            resp.unordered([resp.bulk(tip) for tip in entry.tips], version),
            resp.unordered([key_spec(spec, version) for spec in entry.key_specs], version),
            resp.array(subcommands) if subcommands else resp.unordered([], version),  # so does Redis 7.0
        ]
    )


def statuses(words: Iterable[str], version: int) -> bytes:
    """A set of words, each a simple string."""
    return resp.unordered([resp.simple(word) for word in words], version)


def key_spec(spec: KeySpec, version: int) -> bytes:
    """One of the key specs of COMMAND INFO."""
    notes = [(resp.bulk("notes"), resp.bulk(spec.notes))] if spec.notes else []
    return resp.mapping(
        [
            *notes,
            (resp.bulk("flags"), statuses(spec.flags, version)),
            (resp.bulk("begin_search"), search(spec.begin_search, version)),
            (resp.bulk("find_keys"), search(spec.find_keys, version)),
        ],
        version,
    )


def search(step: Search, version: int) -> bytes:
    """One of the two steps of a key spec."""
    spec = [
        (resp.bulk(name), resp.integer(value) if isinstance(value, int) else resp.bulk(value))
        for name, value in step.spec.items()
    ]
    return resp.mapping(
        [(resp.bulk("type"), resp.bulk(step.kind)), (resp.bulk("spec"), resp.mapping(spec, version))], version
    )


def documented(entry: CommandEntry, version: int) -> tuple[bytes, bytes]:
    """An entry as COMMAND DOCS documents it: its name, and a map."""
    pairs = [
        ("summary", resp.bulk(entry.summary)),
        ("since", resp.bulk(entry.since)),
        ("group", resp.bulk(entry.group)),
    ]
    if entry.complexity:
        pairs.append(("complexity", resp.bulk(entry.complexity)))
    if entry.internal:
        pairs.append(("doc_flags", statuses(["syscmd"], version)))
    if entry.deprecated_since and entry.replaced_by:
        pairs += [
            ("doc_flags", statuses(["deprecated"], version)),
            ("deprecated_since", resp.bulk(entry.deprecated_since)),
            ("replaced_by", resp.bulk(entry.replaced_by)),
        ]
    if entry.arguments:
        pairs.append(("arguments", resp.array([argument(one, version) for one in entry.arguments])))
    if entry.subcommands:
        subcommands = [documented(sub, version) for sub in entry.subcommands]
        pairs.append(("subcommands", resp.mapping(subcommands, version)))
    return resp.bulk(entry.name), keyed(pairs, version)


def argument(one: Argument, version: int) -> bytes:
    """An argument as COMMAND DOCS documents it. `display_text` came with Redis 7.2; redis-cli makes its hints of it."""
    pairs = [("name", resp.bulk(one.name)), ("type", resp.bulk(one.type))]
    if not one.arguments:
        pairs.append(("display_text", resp.bulk(one.name)))
    if one.key_spec is not None:
        pairs.append(("key_spec_index", resp.integer(one.key_spec)))
    for name, text in (("token", one.token), ("since", one.since), ("deprecated_since", one.deprecated_since)):
        if text:
            pairs.append((name, resp.bulk(text)))
    if one.flags:
        pairs.append(("flags", statuses(one.flags, version)))
    if one.arguments:
        pairs.append(("arguments", resp.array([argument(nested, version) for nested in one.arguments])))
    return keyed(pairs, version)


def keyed(pairs: Iterable[tuple[str, bytes]], version: int) -> bytes:
    """A map whose keys are words of ours."""
    return resp.mapping([(resp.bulk(name), value) for name, value in pairs], version)
