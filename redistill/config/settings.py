"""The one table of settings.

Each field below is written once, here: its name, type, default, bounds and help feed the configuration file's parser,
the environment, ``CONFIG GET/SET``, ``etc/redistill.toml``, the man pages and ``docs/configuration.md``.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = str | int | bool | tuple[str, ...]
"""What a setting holds. Numbers are whole; sizes are bytes; a set of passwords or addresses is a tuple.
A `Kind.SHARE` below 0 is a percentage, as it is in Redis."""


class Kind(enum.Enum):
    """What values a setting takes, and in which notations (see `redistill.config.values`)."""

    PATH = "a path"
    ADDRESS = "an IP address"
    ADDRESSES = "an IP address, or a list of them"
    NAMES = "a host name, or a list of them"
    INTEGER = "a whole number"
    BOOLEAN = "boolean"
    CHOICE = "one of several words"
    SIZE = "a size"
    MEMORY = "a size or a percentage"
    SHARE = "a size or a percentage of memory.max_memory"
    PASSWORDS = "a text, or a list of texts"
    PERCENTAGES = "percentages, in a list or in a text"


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    name: str
    """Section and key, e.g. ``server.port``."""
    kind: Kind
    default: Value
    help: str
    """One line without a full stop at its end."""
    unit: str
    minimum: int
    maximum: int
    zero: str
    """What 0 means where it is allowed although it lies below `minimum`; empty where it has no special meaning."""
    choices: tuple[str, ...]
    words: Mapping[str, int]
    """Words that stand for a number, e.g. ``auto``."""
    environ: str
    """Name of the environment variable that overrides the file, or empty."""
    redis_name: str
    """The directive of redis.conf with the same meaning, or empty."""
    redis_words: Mapping[str, str]
    """Redis's words for `choices`, where they differ."""
    reloadable: bool
    """Whether CONFIG SET may change it while the server runs."""

    @property
    def section(self) -> str:
        """The table of the file that it stands in."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """Its name within the section."""
        return self.name.partition(".")[2]

    @property
    def wire_name(self) -> str:
        """Its name in CONFIG GET and CONFIG SET: Redis's where there is one, else its own."""
        return self.redis_name or self.name


def setting(
    kind: Kind,
    default: Value,
    help: str,
    *,
    unit: str = "",
    minimum: int = 0,
    maximum: int = 2**31 - 1,
    zero: str = "",
    choices: tuple[str, ...] = (),
    words: Mapping[str, int] | None = None,
    environ: str = "",
    redis: str = "",
    redis_words: Mapping[str, str] | None = None,
    reloadable: bool = False,
) -> Any:
    """A field of a section, whose metadata is its row of the table."""
    row = {
        "kind": kind,
        "default": default,
        "help": help,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "zero": zero,
        "choices": choices,
        "words": words or {},
        "environ": environ,
        "redis_name": redis,
        "redis_words": redis_words or {},
        "reloadable": reloadable,
    }
    return dataclasses.field(default=default, metadata=row)


MIB = 1024 * 1024
AUTO = -101
"""The value of a `Kind.SHARE` that is chosen by the server (`redistill.config.sizing`)."""
EXABYTE = 2**60
POLICIES = (
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "allkeys-s3fifo",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)


@dataclass(frozen=True)
class Server:
    """Where clients are met, and how many of them."""

    bind: tuple[str, ...] = setting(
        Kind.ADDRESSES,
        ("127.0.0.1",),
        "Addresses to listen on, with - before one that may be missing; all but loopback ones need a password",
        environ="REDIS_BIND",
        redis="bind",
        reloadable=True,
    )
    port: int = setting(
        Kind.INTEGER,
        6379,
        "TCP port to listen on",
        maximum=65535,
        zero="no TCP",
        environ="REDIS_PORT",
        redis="port",
        reloadable=True,
    )
    unix_socket: str = setting(
        Kind.PATH,
        "",
        "Path of a UNIX socket to listen on, beside the TCP ports; empty: none",
        environ="REDIS_UNIX_SOCKET",
        redis="unixsocket",
    )
    workers: int = setting(
        Kind.INTEGER,
        0,
        "Processes that serve clients; auto: one per CPU",
        minimum=1,
        maximum=30,
        words={"auto": 0},
        environ="REDISTILL_WORKERS",
    )
    worker_timeout: int = setting(
        Kind.INTEGER,
        20,
        "Time after which a worker that does nothing any more is killed and replaced",
        unit="seconds",
        minimum=1,
        maximum=86400,
        zero="never",
        reloadable=True,
    )
    num_shards: int = setting(
        Kind.INTEGER,
        256,
        "Parts of the store that are locked on their own, a power of two; not set: fewer where max_memory needs it",
        minimum=1,
        maximum=4096,
        environ="REDIS_NUM_SHARDS",
    )
    batch_size: int = setting(
        Kind.INTEGER,
        16,
        "Commands of a pipeline that are parsed ahead, so that their memory is on its way when they run",
        minimum=1,
        maximum=64,
        environ="REDIS_BATCH_SIZE",
    )
    buffer_size: int = setting(
        Kind.SIZE,
        16384,
        "Bytes to read from a client at once",
        unit="bytes",
        minimum=1024,
        maximum=16 * MIB,
        environ="REDIS_BUFFER_SIZE",
    )
    buffer_pool_size: int = setting(
        Kind.INTEGER,
        1024,
        "Has no effect, since the C library keeps freed buffers; taken for configurations that name it",
        maximum=1_000_000,
        environ="REDIS_BUFFER_POOL_SIZE",
    )
    max_connections: int = setting(
        Kind.INTEGER,
        10000,
        "Clients served at the same time; the next one is told so and closed",
        minimum=1,
        maximum=1_000_000,
        zero="no limit",
        environ="REDIS_MAX_CONNECTIONS",
        redis="maxclients",
        reloadable=True,
    )
    reserved_connections: int = setting(
        Kind.INTEGER,
        3,
        "Places of server.max_connections kept for this machine (loopback, UNIX socket), so that an operator gets in",
        maximum=1_000_000,
        reloadable=True,
    )
    max_connections_per_ip: int = setting(
        Kind.INTEGER,
        0,
        "Clients of one address served at the same time; the next one is told so and closed",
        minimum=1,
        maximum=1_000_000,
        zero="no limit",
        reloadable=True,
    )
    connection_rate_limit: int = setting(
        Kind.INTEGER,
        0,
        "New connections that are accepted in a second",
        unit="per second",
        minimum=1,
        maximum=1_000_000,
        zero="no limit",
        reloadable=True,
    )
    connection_timeout: int = setting(
        Kind.INTEGER,
        300,
        "Time after which a client that sends nothing is closed",
        unit="seconds",
        minimum=1,
        zero="never",
        redis="timeout",
        reloadable=True,
    )
    output_limit: int = setting(
        Kind.SIZE,
        1024 * MIB,
        "Replies that may wait for a client that does not read them, before it is closed",
        unit="bytes",
        minimum=MIB,
        maximum=EXABYTE,
        zero="no limit",
        reloadable=True,
    )
    query_buffer_limit: int = setting(
        Kind.SIZE,
        1024 * MIB,
        "Input of one client that may wait to be executed",
        unit="bytes",
        minimum=MIB,
        maximum=EXABYTE,
        redis="client-query-buffer-limit",
        reloadable=True,
    )
    max_bulk_size: int = setting(
        Kind.SIZE,
        512 * MIB,
        "Largest argument of a command, and largest value that a command may make of smaller ones",
        unit="bytes",
        minimum=MIB,
        maximum=512 * MIB,
        redis="proto-max-bulk-len",
        reloadable=True,
    )
    max_client_memory: int = setting(
        Kind.SHARE,
        AUTO,
        "Buffers of all clients together, auto: for the largest value; beyond it the client with the largest is closed",
        words={"auto": AUTO},
        unit="bytes",
        minimum=MIB,
        maximum=EXABYTE,
        zero="no limit",
        redis="maxmemory-clients",
        reloadable=True,
    )
    health_check_port: int = setting(
        Kind.INTEGER,
        0,
        "Port of the HTTP health resource",
        minimum=1,
        maximum=65535,
        zero="off",
        environ="REDIS_HEALTH_CHECK_PORT",
    )
    health_check_bind: str = setting(Kind.ADDRESS, "127.0.0.1", "Address of the HTTP health resource")
    health_check_hosts: tuple[str, ...] = setting(
        Kind.NAMES,
        (),
        "Host names, beside the machine's own, under which a browser may open the page of the health port",
    )
    shutdown_grace_period_secs: int = setting(
        Kind.INTEGER,
        30,
        "Time that clients have to take their replies when the server stops",
        unit="seconds",
        maximum=86400,
        environ="REDIS_SHUTDOWN_GRACE_SECS",
        redis="shutdown-timeout",
        reloadable=True,
    )
    drain_delay_secs: int = setting(
        Kind.INTEGER,
        0,
        "Time for which a server that is to stop still takes clients, while /readyz says that it is not ready",
        unit="seconds",
        maximum=3600,
        reloadable=True,
    )


@dataclass(frozen=True)
class Security:
    """Who may use the cache."""

    password: tuple[str, ...] = setting(
        Kind.PASSWORDS,
        (),
        "Password of the clients, or a list of them: all are valid at once, so that they can be changed in turn",
        environ="REDIS_PASSWORD",
        redis="requirepass",
        reloadable=True,
    )
    password_file: str = setting(
        Kind.PATH,
        "",
        "File with passwords, one a line, valid beside security.password",
        reloadable=True,
    )
    acl_file: str = setting(
        Kind.PATH,
        "",
        "File with users and what they may do, a line each as ACL LIST has them; ACL SAVE writes it",
        redis="aclfile",
    )
    acllog_max_len: int = setting(
        Kind.INTEGER,
        128,
        "Entries that ACL LOG keeps",
        unit="entries",
        maximum=1_000_000,
        redis="acllog-max-len",
        reloadable=True,
    )
    tls_enabled: bool = setting(Kind.BOOLEAN, False, "Speak TLS on server.port")
    tls_cert_path: str = setting(Kind.PATH, "", "Certificate chain, PEM", redis="tls-cert-file", reloadable=True)
    tls_key_path: str = setting(
        Kind.PATH, "", "Private key of the certificate, PEM", redis="tls-key-file", reloadable=True
    )
    tls_port: int = setting(
        Kind.INTEGER,
        0,
        "Port for TLS beside the plain server.port",
        minimum=1,
        maximum=65535,
        zero="off",
        redis="tls-port",
    )
    tls_ca_path: str = setting(
        Kind.PATH,
        "",
        "Certificates that client certificates must be signed by, PEM",
        redis="tls-ca-cert-file",
        reloadable=True,
    )
    tls_client_auth: str = setting(
        Kind.CHOICE,
        "no",
        "Whether a client must, may or need not show a certificate",
        choices=("no", "optional", "required"),
        redis="tls-auth-clients",
        redis_words={"required": "yes"},
        reloadable=True,
    )
    tls_auth_user: str = setting(
        Kind.CHOICE,
        "off",
        "Whether a client is the user that its certificate names, by the common name",
        choices=("off", "cn"),
        redis="tls-auth-clients-user",
        reloadable=True,
    )
    tls_min_version: str = setting(
        Kind.CHOICE, "1.2", "Oldest version of TLS that is spoken", choices=("1.2", "1.3"), reloadable=True
    )
    enable_debug_command: str = setting(
        Kind.CHOICE,
        "no",
        "Whether DEBUG is there for all clients, for local ones, or for none",
        choices=("no", "local", "yes"),
        redis="enable-debug-command",
    )


@dataclass(frozen=True)
class Memory:
    """How much is kept, and what goes first."""

    max_memory: int = setting(
        Kind.MEMORY,
        0,
        "Most memory of the cache, all overhead included: bytes, 2gb, or 75% of the machine; lowered to what fits",
        unit="bytes",
        minimum=1,
        maximum=EXABYTE,
        zero="as much as the machine allows",
        environ="REDIS_MAX_MEMORY",
        redis="maxmemory",
        reloadable=True,
    )
    eviction_policy: str = setting(
        Kind.CHOICE,
        "allkeys-lru",
        "Which keys go when the memory is full",
        choices=POLICIES,
        environ="REDIS_EVICTION_POLICY",
        redis="maxmemory-policy",
        reloadable=True,
    )
    eviction_sample_size: int = setting(
        Kind.INTEGER,
        5,
        "Keys that are looked at to find one to evict",
        minimum=1,
        maximum=64,
        redis="maxmemory-samples",
        reloadable=True,
    )
    hll_sparse_max_bytes: int = setting(
        Kind.SIZE,
        3000,
        "Size at which a HyperLogLog goes from runs of registers, which are small, to single ones, which are fast",
        unit="bytes",
        maximum=EXABYTE,
        redis="hll-sparse-max-bytes",
        reloadable=True,
    )
    arena_path: str = setting(
        Kind.PATH,
        "",
        "File on a tmpfs that holds the cache, so that it outlives a restart; empty: anonymous memory",
    )


@dataclass(frozen=True)
class Logging:
    """What the log says, and how."""

    level: str = setting(
        Kind.CHOICE,
        "info",
        "Least important events that are logged",
        choices=("debug", "info", "warn", "error", "critical"),
        redis="loglevel",
        redis_words={"info": "notice", "warn": "warning", "error": "warning", "critical": "nothing"},
        reloadable=True,
    )
    file: str = setting(
        Kind.PATH,
        "",
        "File to append to; SIGUSR1 opens it again; empty: standard output, or what twistd's own options say",
        redis="logfile",
    )
    format: str = setting(Kind.CHOICE, "text", "Lines of text, or of JSON", choices=("text", "json"))


@dataclass(frozen=True)
class Performance:
    """The socket options of clients, and the watch on slow commands."""

    tcp_nodelay: bool = setting(
        Kind.BOOLEAN, True, "Send small replies at once (TCP_NODELAY)", environ="REDIS_TCP_NODELAY"
    )
    tcp_keepalive: int = setting(
        Kind.INTEGER,
        60,
        "Silence after which the kernel asks whether the client is still there",
        unit="seconds",
        minimum=1,
        maximum=32767,
        zero="off",
        environ="REDIS_TCP_KEEPALIVE",
        redis="tcp-keepalive",
        reloadable=True,
    )
    slowlog_slower_than: int = setting(
        Kind.INTEGER,
        10000,
        "Commands that take longer go to the SLOWLOG; 0: all, -1: none",
        unit="microseconds",
        minimum=-1,
        maximum=2**53,
        redis="slowlog-log-slower-than",
        reloadable=True,
    )
    slowlog_max_len: int = setting(
        Kind.INTEGER,
        128,
        "Entries that the SLOWLOG keeps, at most 2 MiB of them in each worker",
        unit="entries",
        maximum=1_000_000,
        redis="slowlog-max-len",
        reloadable=True,
    )
    latency_monitor_threshold: int = setting(
        Kind.INTEGER,
        0,
        "Events that take longer go to LATENCY",
        unit="milliseconds",
        minimum=1,
        maximum=2**53,
        zero="off",
        redis="latency-monitor-threshold",
        reloadable=True,
    )
    latency_tracking: bool = setting(
        Kind.BOOLEAN,
        True,
        "Keep a histogram of each command's duration, for LATENCY HISTOGRAM and INFO latencystats",
        redis="latency-tracking",
        reloadable=True,
    )
    latency_percentiles: tuple[str, ...] = setting(
        Kind.PERCENTAGES,
        ("50", "99", "99.9"),
        "Percentiles of the durations that INFO latencystats shows",
        redis="latency-tracking-info-percentiles",
        reloadable=True,
    )


SECTIONS: Mapping[str, type[Server | Security | Memory | Logging | Performance]] = {
    "server": Server,
    "security": Security,
    "memory": Memory,
    "logging": Logging,
    "performance": Performance,
}

SETTINGS: tuple[Setting, ...] = tuple(
    Setting(name=f"{section}.{row.name}", **row.metadata)
    for section, fields in SECTIONS.items()
    for row in dataclasses.fields(fields)
)

BY_NAME: Mapping[str, Setting] = {row.name: row for row in SETTINGS}
