"""The control plane: every command that is about the connection or the server rather than about keys.

The core hands such a command up with its whole argv; `ControlPlane.run` answers it in RESP. Each group of commands
has a module or a package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from redistill.base import resp
from redistill.config import events
from redistill.config.config import Config
from redistill.control import (
    absent,
    acl,
    auth,
    client,
    client_list,
    command,
    configuration,
    debug,
    info,
    latency,
    monitor,
    pubsub,
    server,
    slowlog,
    tracking,
)
from redistill.control.acl.refusal import denied
from redistill.control.peers import Peers, answered
from redistill.control.redaction import redacted
from redistill.control.state import Identity, ServerState
from redistill.control.unknown import HTTP, MAX_SHOWN, hang_up, refusal
from redistill.control.users import Users, begin, changed, leave, resume
from redistill.engine import stats
from redistill.engine.command_table import CommandTable
from redistill.engine.counters import DaemonCounters
from redistill.engine.interfaces import SlowEntry, Store, TypeLimits
from redistill.net.interfaces import Client, Command, Later, Reply

log = Logger()

GROUPS = (absent, acl, auth, client, configuration, debug, info, latency, monitor, pubsub, server, slowlog, tracking)
ASKED = (acl, client, client_list, configuration, info, latency, pubsub, slowlog, tracking)
"""The modules whose commands ask all workers."""


class ControlPlane:
    """Answers the commands that the core does not. One a process; it lives as long as the daemon."""

    def __init__(
        self,
        config: Config,
        store: Store,
        reactor: IReactorTime,
        clients: Mapping[int, Client],
        table: CommandTable,
        *,
        counters: DaemonCounters | None = None,
        shutdown: Callable[[bool], None] | None = None,
        peers: Peers | None = None,
        identity: Identity | None = None,
        number: int = 0,
    ) -> None:
        """`clients` is the registry that the factory fills, `table` the core's commands. `shutdown` stops the daemon,
        at once if its argument is true. `peers` are the other workers, `identity` is the same in all workers,
        `number` is this worker's. CONFIG SET changes the control plane alone, until `state.apply` is set to a function
        that changes more."""
        self._table = table
        self.state = ServerState(config, store, reactor, clients, number=number, apply=self.apply)
        if counters is not None:
            self.state.counters = counters
        if shutdown is not None:
            self.state.shutdown = shutdown
        if peers is not None:
            self.state.peers = peers
        if identity is not None:
            self.state.identity = identity
        self._commands: dict[bytes, Command] = {}
        self._subcommands: dict[bytes, dict[bytes, Command]] = {}
        for group in GROUPS:
            self._add(group.commands(self.state))
        self._add(command.commands(self.state, table))
        for group in ASKED:
            self.state.questions.update(group.questions(self.state))

    def answer(self, question: str, argument: Any) -> Any:
        """The answer to a question of another worker (`peers.Peers`), or a Deferred of it; None if this build does not
        know the question."""
        return answered(self.state, question, argument) if question in self.state.questions else None

    def _add(self, commands: Mapping[str, Command]) -> None:
        for name, function in commands.items():
            word, _, subcommand = name.encode().partition(b"|")
            if subcommand:
                self._subcommands.setdefault(word, {})[subcommand] = function
            else:
                self._commands[word] = function

    def run(self, client: Client, argv: list[bytes]) -> Reply:
        """Answer one command: RESP in the version of the client's session, b"" where there is no answer.

        A Deferred fires with the same, or is cancelled when the client disconnects. With the locks of a transaction
        held (`state.locked`) everything that the command changes is under way when this returns. An exception of a
        command is a mistake of ours; it is counted and passed on.
        """
        started = self.state.ticks()
        try:
            reply = self._find(client, argv)(client, argv)
        except Exception:
            self.state.counters.internal_errors += 1
            raise
        if isinstance(reply, bytes):
            return self._done(reply, client, argv, started)
        if isinstance(reply, Deferred):
            return reply.addCallback(self._done, client, argv, started)
        return partial(self._later, reply, client, argv)

    def _later(self, make: Later, client: Client, argv: list[bytes]) -> bytes | Deferred[bytes]:
        started = self.state.ticks()
        reply = make()
        if isinstance(reply, Deferred):
            return reply.addCallback(self._done, client, argv, started)
        return self._done(reply, client, argv, started)

    def _find(self, client: Client, argv: list[bytes]) -> Command:
        if client.session.state.denied:
            return lambda client, argv: denied(self.state, client, argv)
        name = argv[0].lower()
        if len(argv) > 1 and name in self._subcommands:
            return self._subcommands[name].get(argv[1].lower(), _unknown_subcommand)
        if name in self._commands:
            return self._commands[name]
        if name in HTTP:
            return lambda client, argv: hang_up(self.state, client)
        self.state.counters.unknown_commands += 1
        if client.session.state.authenticated:  # strangers do not get to fill the list of names
            self.state.unknown.add(argv[0], client.lib_name)
        return _unknown_command

    def _done(self, reply: bytes, client: Client, argv: list[bytes], started: int) -> bytes:
        """The command is over: see whether it took long."""
        taken = self.state.ticks() - started
        settings = self.state.config.performance
        limit = settings.slowlog_slower_than
        if (0 <= limit <= taken // 1000) or 0 < settings.latency_monitor_threshold <= taken // 1_000_000:
            argv = slowlog.trimmed(redacted(argv, self._table))
            self.slow(client, SlowEntry(taken, int(self.state.wall() * 1000), argv, False))
        return reply

    def slow(self, client: Client, entry: SlowEntry) -> None:
        """A command of `client` took long enough for the slow log, or the latency monitor, or both."""
        settings = self.state.config.performance
        microseconds, unix_time = entry.nanoseconds // 1000, entry.now_ms // 1000
        if 0 <= settings.slowlog_slower_than <= microseconds:
            self.state.slowlog.add(
                unix_time, microseconds, entry.argv, client.peer, client.name, settings.slowlog_max_len
            )
        self.event("fast-command" if entry.fast else "command", entry.nanoseconds, unix_time)

    def event(self, name: str, nanoseconds: int, unix_time: int | None = None) -> None:
        """Something that holds up clients took so long: LATENCY keeps it if it is over the threshold."""
        milliseconds = nanoseconds // 1_000_000
        threshold = self.state.config.performance.latency_monitor_threshold
        if 0 < threshold <= milliseconds:
            self.state.latency.add(name, int(self.state.wall()) if unix_time is None else unix_time, milliseconds)

    def connected(self, client: Client) -> None:
        """A client has come: as the default user, which is let in at once if it has no password."""
        self.state.counters.connections_received += 1
        begin(self.state, client)

    def adopted(self, client: Client) -> None:
        """A client goes on here that was another process's, or was to be."""
        resume(self.state, client)
        if client.session.state.monitors:
            self.state.monitors.add(client)

    def left(self, client: Client) -> None:
        """A client has disconnected, or moves to another process."""
        leave(self.state, client)

    def monitored(self) -> None:
        """Lines of MONITOR wait in the store."""
        self.state.monitors.wake()

    def pushed(self) -> None:
        """Messages wait for clients that no loop serves."""
        pubsub.hand_on(self.state)

    def opened(self) -> None:
        """The store is open: apply the settings of the store that its maker does not know."""
        self._limit_store(self.state.config)

    def tick(self) -> None:
        """To be called once a second: sample the rates and peaks of INFO, and publish this process's figures."""
        info.publish(self.state)
        self.state.rates.sample(self.state.store, self.state.reactor.seconds())
        self.state.monitors.report()
        pubsub.enforce(self.state)

    def snapshot(self, with_commands: bool = False) -> stats.Snapshot:
        """All figures of now."""
        return info.snapshot(self.state, with_commands)

    def apply(self, config: Config) -> None:
        """Answer commands as `config` says (`config.effect.HasSettings`). Connections of deleted users are closed
        only when no object can refuse the change, so this object comes last."""
        store = self.state.store
        users = self.state.users
        if (config.users, config.passwords) != users.source:
            users = Users(config, users)
        store.set_policy(config.memory.eviction_policy, config.memory.eviction_sample_size)
        self._limit_store(config)
        self.state.slowlog.trim(config.performance.slowlog_max_len)
        self.state.denials.trim(config.security.acllog_max_len)
        if users is not self.state.users:
            changed(self.state, users)

    def _limit_store(self, config: Config) -> None:
        """Give this process's store the limits that it cannot find in the arena."""
        self._watch_slow(config)
        self.state.store.set_busy_threshold(config.performance.busy_reply_threshold)
        self.state.store.set_value_limits(config.server.max_bulk_size, config.memory.hll_sparse_max_bytes)
        self.state.store.set_notify(events.letters(config.server.notify_keyspace_events))
        self.state.store.set_tracking_limit(config.server.tracking_table_max_keys)
        types = config.types
        self.state.store.set_type_limits(
            TypeLimits(
                hash_entries=types.hash_max_listpack_entries,
                hash_value=types.hash_max_listpack_value,
                set_integers=types.set_max_intset_entries,
                set_entries=types.set_max_listpack_entries,
                set_value=types.set_max_listpack_value,
                zset_entries=types.zset_max_listpack_entries,
                zset_value=types.zset_max_listpack_value,
                list_size=types.list_max_listpack_size,
                stream_bytes=types.stream_node_max_bytes,
                stream_entries=types.stream_node_max_entries,
            )
        )

    def _watch_slow(self, config: Config) -> None:
        """Have the core report commands that are slow enough for the slow log or for the latency monitor."""
        settings = config.performance
        limits = []
        if settings.slowlog_slower_than >= 0:
            limits.append(settings.slowlog_slower_than * 1000)
        if settings.latency_monitor_threshold > 0:
            limits.append(settings.latency_monitor_threshold * 1_000_000)
        self.state.store.set_slow_threshold(min(limits, default=None))


def _unknown_command(client: Client, argv: list[bytes]) -> bytes:
    return refusal(argv)


def _unknown_subcommand(client: Client, argv: list[bytes]) -> bytes:
    return resp.error(
        f"ERR unknown subcommand '{resp.shown(argv[1], MAX_SHOWN)}'. Try {resp.shown(argv[0]).upper()} HELP."
    )
