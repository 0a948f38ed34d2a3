"""The parameters of CONFIG, by name: the settings, each under its own name and Redis's, and Redis's other parameters.

Some of Redis's other parameters are another notation of a setting; the rest have one fixed value here, for the reason
that their group in `FIXED` gives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from redistill.base import words
from redistill.config import events
from redistill.config.errors import BadValue
from redistill.config.machine import machine_memory
from redistill.config.settings import BY_NAME, SETTINGS, Kind, Setting, Value
from redistill.config.values import parse, show, size
from redistill.control.state import DATABASES, ServerState
from redistill.net.sockets import BACKLOG, UNIX_MODE

IMMUTABLE = "can't set immutable config"
PROTECTED = "can't set protected config"
HIDDEN = "(redacted)"
"""Shown in a password's place. Whoever may ask knows one, but CONFIG GET * lands in logs and in support tickets."""

DISK = "this cache writes nothing to disk"
REPLICATION = "there is no replication"
CLUSTER = "there is no cluster"
CHANNELS = "users have no channels until a rule gives them some"
BUILT = "it is built in"
SYSTEM = "it is set outside, where the daemon is started"


class Parameter(Protocol):
    """The value behind one or several names of CONFIG."""

    @property
    def refusal(self) -> str:
        """Why CONFIG SET refuses it whatever the value; empty: it does not."""
        ...

    def shown(self, server: ServerState) -> str:
        """The value that CONFIG GET shows."""
        ...

    def changes(self, text: str) -> Mapping[str, Value]:
        """The settings that CONFIG SET changes, and their new values. Raises BadValue."""
        ...


class OfSetting:
    """A row of the table of settings."""

    def __init__(self, row: Setting) -> None:
        self.row = row
        self.refusal = "" if row.reloadable else IMMUTABLE

    def shown(self, server: ServerState) -> str:
        if self.row.kind is Kind.PASSWORDS:
            return HIDDEN if server.config.passwords else ""
        text = show(self.row, server.config.get(self.row.name))
        return events.shown(text) if self.row.kind is Kind.EVENTS else text

    def changes(self, text: str) -> Mapping[str, Value]:
        return {self.row.name: parse(self.row, text, machine_memory)}


@dataclass(frozen=True)
class Fixed:
    """A parameter with one value. It may be set to that, since deployment scripts do it."""

    value: str
    why: str
    refusal: str = ""

    def shown(self, server: ServerState) -> str:
        return self.value

    def changes(self, text: str) -> Mapping[str, Value]:
        if same(text) == same(self.value):
            return {}
        switch = ("yes", "no")
        if self.value in switch and words.lower(text) not in switch:
            raise BadValue("must be 'yes' or 'no'")
        raise BadValue(f"only '{self.value}' is supported: {self.why}", "")


@dataclass(frozen=True)
class Found:
    """A fact about this process."""

    find: Callable[[ServerState], str]
    refusal: str = IMMUTABLE

    def shown(self, server: ServerState) -> str:
        return self.find(server)

    def changes(self, text: str) -> Mapping[str, Value]:
        raise AssertionError(self.refusal)


def words_of(text: str) -> list[str]:
    """The words of `text` in lower case."""
    return words.split(words.lower(text))


def same(text: str) -> str | int:
    """A key that is equal for two notations of one value: numbers and sizes become numbers, words lower case."""
    number = size(words.lower(text))
    return " ".join(words.split(words.lower(text))) if number is None else number


FIXED: tuple[tuple[str, str, str], ...] = (
    (
        DISK,
        "appendonly=no appendfsync=everysec no-appendfsync-on-rewrite=no auto-aof-rewrite-percentage=100"
        " auto-aof-rewrite-min-size=67108864 aof-load-truncated=yes aof-use-rdb-preamble=yes"
        " aof-rewrite-incremental-fsync=yes aof-timestamp-enabled=no aof-disable-auto-gc=no save= rdbcompression=yes"
        " rdb-del-sync-files=no rdb-save-incremental-fsync=yes stop-writes-on-bgsave-error=yes",
        "appendfilename=appendonly.aof appenddirname=appendonlydir rdbchecksum=yes",
    ),
    (
        REPLICATION,
        "masterauth= masteruser= repl-backlog-size=1048576 repl-backlog-ttl=3600 repl-disable-tcp-nodelay=no"
        " repl-diskless-load=disabled repl-diskless-sync=yes repl-diskless-sync-delay=5"
        " repl-diskless-sync-max-replicas=0 repl-ping-replica-period=10 repl-timeout=60 replica-announce-ip="
        " replica-announce-port=0 replica-announced=yes replica-ignore-disk-write-errors=no"
        " replica-ignore-maxmemory=yes replica-lazy-flush=no replica-priority=100 replica-read-only=yes"
        " replica-serve-stale-data=yes min-replicas-to-write=0 min-replicas-max-lag=10"
        " propagation-error-behavior=ignore tls-replication=no",
        "replicaof=",
    ),
    (
        CLUSTER,
        "cluster-allow-pubsubshard-when-down=yes cluster-allow-reads-when-down=no cluster-allow-replica-migration=yes"
        " cluster-announce-bus-port=0 cluster-announce-hostname= cluster-announce-human-nodename= cluster-announce-ip="
        " cluster-announce-port=0 cluster-announce-tls-port=0 cluster-link-sendbuf-limit=0 cluster-migration-barrier=1"
        " cluster-node-timeout=15000 cluster-preferred-endpoint-type=ip cluster-replica-no-failover=no"
        " cluster-replica-validity-factor=10 cluster-require-full-coverage=yes tls-cluster=no",
        "cluster-enabled=no cluster-config-file=nodes.conf cluster-port=0",
    ),
    ("there are no modules", "", "enable-module-command=no"),
    ("an address that others reach needs a password, always", "protected-mode=yes", ""),
    ("every payload of RESTORE is checked", "sanitize-dump-payload=yes", ""),
    (
        BUILT,
        "active-defrag-cycle-max=25 active-defrag-cycle-min=1 active-defrag-ignore-bytes=104857600"
        " active-defrag-max-scan-fields=1000 active-defrag-threshold-lower=10 active-defrag-threshold-upper=100"
        " active-expire-effort=1 activedefrag=no activerehashing=yes dynamic-hz=yes hz=10 jemalloc-bg-thread=no"
        " lazyfree-lazy-eviction=no lazyfree-lazy-expire=no lazyfree-lazy-server-del=no lazyfree-lazy-user-del=no"
        " lazyfree-lazy-user-flush=no lfu-decay-time=1 lfu-log-factor=10 locale-collate="
        " maxmemory-eviction-tenacity=10 shutdown-on-sigint=default"
        " shutdown-on-sigterm=default ignore-warnings=",
        f"databases={DATABASES} enable-protected-configs=no io-threads=1 io-threads-do-reads=no"
        f" tcp-backlog={BACKLOG} unixsocketperm={UNIX_MODE:o} set-proc-title=yes always-show-logo=no",
    ),
    (
        SYSTEM,
        "bind-source-addr= crash-log-enabled=no crash-memcheck-enabled=no oom-score-adj=no",
        "aof_rewrite_cpulist= bgsave_cpulist= bio_cpulist= server_cpulist= daemonize=no disable-thp=no pidfile="
        " socket-mark-id=0 syslog-enabled=no syslog-facility=local0 syslog-ident=redis",
    ),
    (
        "TLS has no such choice here",
        "tls-ca-cert-dir= tls-ciphers= tls-ciphersuites= tls-client-cert-file= tls-client-key-file="
        " tls-client-key-file-pass= tls-dh-params-file= tls-key-file-pass= tls-prefer-server-ciphers=yes"
        " tls-session-cache-size=20480 tls-session-cache-timeout=7200 tls-session-caching=yes",
        "",
    ),
)
"""The reason for the refusal, the settings that may be set to their present value, and those that Redis refuses too."""

ALIASES = {
    "cluster-slave-no-failover": "cluster-replica-no-failover",
    "cluster-slave-validity-factor": "cluster-replica-validity-factor",
    "hash-max-ziplist-entries": "hash-max-listpack-entries",
    "hash-max-ziplist-value": "hash-max-listpack-value",
    "list-max-ziplist-size": "list-max-listpack-size",
    "lua-time-limit": "busy-reply-threshold",
    "min-slaves-max-lag": "min-replicas-max-lag",
    "min-slaves-to-write": "min-replicas-to-write",
    "repl-ping-slave-period": "repl-ping-replica-period",
    "slave-announce-ip": "replica-announce-ip",
    "slave-announce-port": "replica-announce-port",
    "slave-ignore-maxmemory": "replica-ignore-maxmemory",
    "slave-lazy-flush": "replica-lazy-flush",
    "slave-priority": "replica-priority",
    "slave-read-only": "replica-read-only",
    "slave-serve-stale-data": "replica-serve-stale-data",
    "slaveof": "replicaof",
    "zset-max-ziplist-entries": "zset-max-listpack-entries",
    "zset-max-ziplist-value": "zset-max-listpack-value",
}
"""Redis's older names."""


def parameters() -> dict[str, Parameter]:
    """All that CONFIG knows, by name; several names may have one parameter. Raises ValueError when a name would have
    two."""
    known: dict[str, Parameter] = {}

    def add(parameter: Parameter, names: Iterable[str]) -> None:
        for name in names:
            if name in known:
                raise ValueError(f"{name} is there twice")
            known[name] = parameter

    for row in SETTINGS:
        add(OfSetting(row), dict.fromkeys((row.wire_name, row.name)))
    for why, mutable, immutable in FIXED:
        for refusal, pairs in ("", mutable), (IMMUTABLE, immutable):
            for name, value in (pair.split("=", 1) for pair in words.split(pairs)):
                add(Fixed(value, why, refusal), [name])
    add(Fixed("resetchannels", CHANNELS), ["acl-pubsub-default"])
    add(Fixed("0 200 800", SYSTEM), ["oom-score-adj-values"])
    add(Fixed("{title} {listen-addr} {server-mode}", BUILT), ["proc-title-template"])
    add(Found(lambda server: os.getcwd(), PROTECTED), ["dir"])
    add(Fixed("dump.rdb", DISK, PROTECTED), ["dbfilename"])
    add(Found(lambda server: server.identity.supervised), ["supervised"])
    add(OutputLimits(), ["client-output-buffer-limit"])
    add(TlsProtocols(), ["tls-protocols"])
    for alias, name in ALIASES.items():
        add(known[name], [alias])
    return known


class OutputLimits:
    """client-output-buffer-limit: hard limit, soft limit and the soft one's seconds for each class of clients.

    That of class normal is server.output_limit, those of class pubsub are server.pubsub_output_limit and its kin.
    There are no replicas.
    """

    refusal = ""
    OTHERS: Mapping[str, tuple[int, int, int]] = {"slave": (268435456, 67108864, 60)}
    SUBSCRIBERS = (
        "server.pubsub_output_limit",
        "server.pubsub_output_soft_limit",
        "server.pubsub_output_soft_seconds",
    )

    def shown(self, server: ServerState) -> str:
        own = server.config.server
        subscribers = own.pubsub_output_limit, own.pubsub_output_soft_limit, own.pubsub_output_soft_seconds
        limits = {"normal": (own.output_limit, 0, 0), **self.OTHERS, "pubsub": subscribers}
        return " ".join(f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in limits.items())

    def changes(self, text: str) -> Mapping[str, Value]:
        parts = words.split(words.lower(text))
        if len(parts) % 4:
            raise BadValue("Wrong number of arguments in buffer limit configuration.", "")
        found: dict[str, tuple[int, int, int]] = {}
        for at in range(0, len(parts), 4):
            name = "slave" if parts[at] == "replica" else parts[at]
            hard, soft, seconds = (size(word) for word in parts[at + 1 : at + 4])
            if name not in ("normal", "pubsub", *self.OTHERS):
                raise BadValue("Invalid client class specified in buffer limit configuration.", "")
            if hard is None or soft is None or seconds is None:
                raise BadValue("Error in hard, soft or soft_seconds setting in buffer limit configuration.", "")
            found[name] = hard, soft, seconds
        for name, limits in found.items():
            if limits != self.OTHERS.get(name, limits):
                raise BadValue(f"there are no clients of class '{name}' whose limits could change", "")
        changes: dict[str, Value] = {}
        for name, value in zip(self.SUBSCRIBERS, found.get("pubsub", ()), strict=False):
            changes[name] = parse(BY_NAME[name], str(value), machine_memory)
        if "normal" not in found:
            return changes
        hard, soft, seconds = found["normal"]
        if soft and seconds and not 0 < hard <= soft:
            raise BadValue("class 'normal' has a hard limit and no soft one here", "")
        row = BY_NAME["server.output_limit"]
        return {**changes, row.name: parse(row, str(hard), machine_memory)}


class TlsProtocols:
    """tls-protocols: all from security.tls_min_version on."""

    refusal = ""
    SINCE: Mapping[str, str] = {"1.2": "TLSv1.2 TLSv1.3", "1.3": "TLSv1.3"}

    def shown(self, server: ServerState) -> str:
        return self.SINCE[server.config.security.tls_min_version]

    def changes(self, text: str) -> Mapping[str, Value]:
        wanted = set(words.split(words.lower(text))) or {"tlsv1.2", "tlsv1.3"}
        for oldest, protocols in self.SINCE.items():
            if wanted == set(words.split(words.lower(protocols))):
                return {"security.tls_min_version": oldest}
        raise BadValue("must be 'TLSv1.3' or 'TLSv1.2 TLSv1.3'")
