"""The table of settings.

Each field below is the only place for its name, type, default, bounds and help. The configuration file's parser, the
environment, ``CONFIG GET/SET``, ``etc/redistill.toml``, the man pages and ``docs/configuration.md`` come from it.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = str | int | bool | tuple[str, ...]
"""The value of a setting. Numbers are whole; sizes are bytes; a set of passwords or addresses is a tuple.
A `Kind.SHARE` below 0 is a percentage, as it is in Redis."""


class Kind(enum.Enum):
    """The kinds of values, and their notations (see `redistill.config.values`)."""

    PATH = "a path"
    ADDRESS = "an IP address"
    ADDRESSES = "an IP address, or a list of them"
    NAMES = "a host name, or a list of them"
    ENDPOINTS = "a description of an endpoint, or a list of them"
    INTEGER = "a whole number"
    BOOLEAN = "boolean"
    CHOICE = "one of several words"
    SIZE = "a size"
    MEMORY = "a size or a percentage"
    SHARE = "a size or a percentage of memory.max_memory"
    PASSWORDS = "a text, or a list of texts"
    PERCENTAGES = "percentages, in a list or in a text"
    EVENTS = "letters that stand for events of keys"


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
    """The meaning of 0 if it is allowed below `minimum`; empty if it has no special meaning."""
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
        """The table of the file that has the setting."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """The name of the setting within its section."""
        return self.name.partition(".")[2]

    @property
    def wire_name(self) -> str:
        """The name for CONFIG GET and CONFIG SET: Redis's if there is one, else the name of the setting."""
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
    """A field of a section. Its metadata is a row of the table."""
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
"""The value of a `Kind.SHARE` that the server chooses (`redistill.config.sizing`)."""
EXABYTE = 2**60
LONG_MAX = 2**63 - 1
INT_MAX = 2**31 - 1
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
    """Addresses, workers, and limits of clients."""

    bind: tuple[str, ...] = setting(
        Kind.ADDRESSES,
        ("127.0.0.1",),
        "Addresses to listen on, with - before an optional one; an address other than loopback needs a password",
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
        "Path of a UNIX socket to listen on, in addition to the TCP ports; empty: none",
        environ="REDIS_UNIX_SOCKET",
        redis="unixsocket",
    )
    endpoints: tuple[str, ...] = setting(
        Kind.ENDPOINTS,
        (),
        "Twisted endpoints to listen on, too, e.g. tcp:6380:interface=127.0.0.1 or unix:/run/s:mode=660",
        environ="REDISTILL_ENDPOINTS",
    )
    workers: int = setting(
        Kind.INTEGER,
        0,
        "Number of processes that serve clients; auto: one per CPU",
        minimum=1,
        maximum=30,
        words={"auto": 0},
        environ="REDISTILL_WORKERS",
    )
    worker_timeout: int = setting(
        Kind.INTEGER,
        20,
        "Time after which a worker process that makes no progress is killed and replaced",
        unit="seconds",
        minimum=1,
        maximum=86400,
        zero="never",
        reloadable=True,
    )
    num_shards: int = setting(
        Kind.INTEGER,
        256,
        "Parts of the store with a lock each, a power of two; not set: fewer if memory.max_memory is too small",
        minimum=1,
        maximum=4096,
        environ="REDIS_NUM_SHARDS",
    )
    batch_size: int = setting(
        Kind.INTEGER,
        16,
        "Commands of a pipeline that are parsed ahead, so that the CPU can prefetch their memory",
        minimum=1,
        maximum=64,
        environ="REDIS_BATCH_SIZE",
    )
    buffer_size: int = setting(
        Kind.SIZE,
        16384,
        "Bytes read from a client at once",
        unit="bytes",
        minimum=1024,
        maximum=16 * MIB,
        environ="REDIS_BUFFER_SIZE",
    )
    buffer_pool_size: int = setting(
        Kind.INTEGER,
        1024,
        "No effect, because the C library keeps freed buffers; accepted for configurations that name it",
        maximum=1_000_000,
        environ="REDIS_BUFFER_POOL_SIZE",
    )
    max_connections: int = setting(
        Kind.INTEGER,
        10000,
        "Clients at the same time; a further one gets an error and is closed",
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
        "Places of max_connections and connection_rate_limit reserved for this machine (loopback, UNIX socket)",
        maximum=1_000_000,
        reloadable=True,
    )
    max_connections_per_ip: int = setting(
        Kind.INTEGER,
        0,
        "Clients of one address at the same time; a further one gets an error and is closed",
        minimum=1,
        maximum=1_000_000,
        zero="no limit",
        reloadable=True,
    )
    connection_rate_limit: int = setting(
        Kind.INTEGER,
        0,
        "New connections accepted in a second",
        unit="per second",
        minimum=1,
        maximum=1_000_000,
        zero="no limit",
        reloadable=True,
    )
    connection_timeout: int = setting(
        Kind.INTEGER,
        300,
        "Time after which an idle client is closed",
        unit="seconds",
        minimum=1,
        zero="never",
        redis="timeout",
        reloadable=True,
    )
    output_limit: int = setting(
        Kind.SIZE,
        1024 * MIB,
        "Replies that may wait for a client that does not read; beyond it the client is closed",
        unit="bytes",
        minimum=MIB,
        maximum=EXABYTE,
        zero="no limit",
        reloadable=True,
    )
    pubsub_output_limit: int = setting(
        Kind.SIZE,
        32 * MIB,
        "Messages that may wait for a subscriber that does not read; beyond it the subscriber is closed",
        unit="bytes",
        maximum=EXABYTE,
        zero="no limit",
        reloadable=True,
    )
    pubsub_output_soft_limit: int = setting(
        Kind.SIZE,
        8 * MIB,
        "Messages that may wait for a slow subscriber for longer than server.pubsub_output_soft_seconds",
        unit="bytes",
        maximum=EXABYTE,
        zero="no limit",
        reloadable=True,
    )
    pubsub_output_soft_seconds: int = setting(
        Kind.INTEGER,
        60,
        "Seconds for which a subscriber may exceed server.pubsub_output_soft_limit",
        unit="seconds",
        maximum=1000000000,
        reloadable=True,
    )
    notify_keyspace_events: str = setting(
        Kind.EVENTS,
        "",
        "Events of keys that are published: K and E for the channels, A or letters for the classes; none if empty",
        redis="notify-keyspace-events",
        reloadable=True,
    )
    tracking_table_max_keys: int = setting(
        Kind.INTEGER,
        1000000,
        "Keys that are tracked for clients that cache what they read; beyond it, clients forget the oldest ones",
        maximum=10**12,
        zero="no limit",
        redis="tracking-table-max-keys",
        reloadable=True,
    )
    query_buffer_limit: int = setting(
        Kind.SIZE,
        1024 * MIB,
        "Input of one client that may wait for execution",
        unit="bytes",
        minimum=MIB,
        maximum=EXABYTE,
        redis="client-query-buffer-limit",
        reloadable=True,
    )
    max_bulk_size: int = setting(
        Kind.SIZE,
        512 * MIB,
        "Largest argument of a command, and largest string that a command may build",
        unit="bytes",
        minimum=MIB,
        maximum=512 * MIB,
        redis="proto-max-bulk-len",
        reloadable=True,
    )
    max_client_memory: int = setting(
        Kind.SHARE,
        AUTO,
        "Buffers of all clients together, auto: for the largest value; beyond it the largest client is closed",
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
        "Port for HTTP health probes, metrics and the status page",
        minimum=1,
        maximum=65535,
        zero="off",
        environ="REDIS_HEALTH_CHECK_PORT",
    )
    health_check_bind: str = setting(
        Kind.ADDRESS,
        "127.0.0.1",
        "Address to listen on for server.health_check_port, which asks for no password",
        environ="REDIS_HEALTH_CHECK_BIND",
    )
    health_check_hosts: tuple[str, ...] = setting(
        Kind.NAMES,
        (),
        "Host names, in addition to the machine's own, under which a browser may open the status page",
    )
    shutdown_grace_period_secs: int = setting(
        Kind.INTEGER,
        30,
        "Time for clients to read their replies when the server stops",
        unit="seconds",
        maximum=86400,
        environ="REDIS_SHUTDOWN_GRACE_SECS",
        redis="shutdown-timeout",
        reloadable=True,
    )
    drain_delay_secs: int = setting(
        Kind.INTEGER,
        0,
        "Time for which a stopping server still accepts clients, while /readyz reports that it is not ready",
        unit="seconds",
        maximum=3600,
        environ="REDISTILL_DRAIN_DELAY_SECS",
        reloadable=True,
    )


@dataclass(frozen=True)
class Security:
    """Passwords, users and TLS."""

    password: tuple[str, ...] = setting(
        Kind.PASSWORDS,
        (),
        "Password of the clients, or a list: all are valid at once, so passwords can change without an outage",
        environ="REDIS_PASSWORD",
        redis="requirepass",
        reloadable=True,
    )
    password_file: str = setting(
        Kind.PATH,
        "",
        "File with passwords, one a line, beside security.password; empty: systemd's credential redistill.password",
        reloadable=True,
    )
    acl_file: str = setting(
        Kind.PATH,
        "",
        "File with users and their rules, one user a line as ACL LIST shows them; ACL SAVE writes it",
        redis="aclfile",
    )
    acllog_max_len: int = setting(
        Kind.INTEGER,
        128,
        "Entries that ACL LOG keeps in each worker process",
        unit="entries",
        maximum=1_000_000,
        redis="acllog-max-len",
        reloadable=True,
    )
    tls_enabled: bool = setting(Kind.BOOLEAN, False, "Use TLS on server.port")
    tls_cert_path: str = setting(
        Kind.PATH, "", "File with the server's certificate and its chain, PEM", redis="tls-cert-file", reloadable=True
    )
    tls_key_path: str = setting(
        Kind.PATH,
        "",
        "File with the private key of the server's certificate, PEM",
        redis="tls-key-file",
        reloadable=True,
    )
    tls_port: int = setting(
        Kind.INTEGER,
        0,
        "Port for TLS, in addition to server.port without TLS",
        minimum=1,
        maximum=65535,
        zero="off",
        redis="tls-port",
    )
    tls_ca_path: str = setting(
        Kind.PATH,
        "",
        "File with the certificates of the authorities that may sign client certificates, PEM",
        redis="tls-ca-cert-file",
        reloadable=True,
    )
    tls_client_auth: str = setting(
        Kind.CHOICE,
        "no",
        "Whether a client must (required), may (optional) or need not (no) present a certificate",
        choices=("no", "optional", "required"),
        redis="tls-auth-clients",
        redis_words={"required": "yes"},
        reloadable=True,
    )
    tls_auth_user: str = setting(
        Kind.CHOICE,
        "off",
        "Whether a client is authenticated as the user that its certificate's common name (cn) names",
        choices=("off", "cn"),
        redis="tls-auth-clients-user",
        reloadable=True,
    )
    tls_min_version: str = setting(
        Kind.CHOICE, "1.2", "Oldest accepted version of TLS", choices=("1.2", "1.3"), reloadable=True
    )
    enable_debug_command: str = setting(
        Kind.CHOICE,
        "no",
        "Whether all clients (yes), local clients (local) or no clients (no) may use DEBUG",
        choices=("no", "local", "yes"),
        redis="enable-debug-command",
    )


@dataclass(frozen=True)
class Memory:
    """Memory limit, eviction and the arena."""

    max_memory: int = setting(
        Kind.MEMORY,
        0,
        "Memory limit of the cache, all overhead included: bytes, 2gb, or 75% of the machine; lowered to what fits",
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
        "Which keys are evicted when the memory is full",
        choices=POLICIES,
        environ="REDIS_EVICTION_POLICY",
        redis="maxmemory-policy",
        reloadable=True,
    )
    eviction_sample_size: int = setting(
        Kind.INTEGER,
        5,
        "Keys sampled to find one to evict",
        minimum=1,
        maximum=64,
        redis="maxmemory-samples",
        reloadable=True,
    )
    hll_sparse_max_bytes: int = setting(
        Kind.SIZE,
        3000,
        "Largest HyperLogLog in the sparse encoding, which is small; a larger one is dense, which is fast",
        unit="bytes",
        maximum=EXABYTE,
        redis="hll-sparse-max-bytes",
        reloadable=True,
    )
    arena_path: str = setting(
        Kind.PATH,
        "",
        "File on a tmpfs that holds the cache, so that it survives a restart; empty: anonymous memory",
        environ="REDISTILL_ARENA_PATH",
    )


def threshold(default: int, help: str, redis: str, kind: Kind = Kind.INTEGER) -> Any:
    """A threshold of Redis for an encoding: a number of elements, or the size of one."""
    unit = "bytes" if kind is Kind.SIZE else ""
    return setting(kind, default, help, unit=unit, maximum=LONG_MAX, redis=redis, reloadable=True)


@dataclass(frozen=True)
class Types:
    """Redis's thresholds for the encodings that OBJECT ENCODING shows; storage does not depend on them."""

    hash_max_listpack_entries: int = threshold(
        512, "Most fields of a hash that is shown as listpack; a larger one is a hashtable", "hash-max-listpack-entries"
    )
    hash_max_listpack_value: int = threshold(
        64, "Longest field or value of a hash that is shown as listpack", "hash-max-listpack-value", Kind.SIZE
    )
    list_max_listpack_size: int = setting(
        Kind.INTEGER,
        -2,
        "Most elements of a list that is shown as listpack, or -1 to -5 for 4 to 64 KiB; a larger one is a quicklist",
        minimum=-INT_MAX - 1,
        maximum=INT_MAX,
        redis="list-max-listpack-size",
        reloadable=True,
    )
    list_compress_depth: int = setting(
        Kind.INTEGER,
        0,
        "No effect, because lists are not compressed; accepted for configurations that name it",
        maximum=INT_MAX,
        redis="list-compress-depth",
        reloadable=True,
    )
    set_max_intset_entries: int = threshold(
        512, "Most members of a set of integers that is shown as intset", "set-max-intset-entries"
    )
    set_max_listpack_entries: int = threshold(
        128, "Most members of a set that is shown as listpack; a larger one is a hashtable", "set-max-listpack-entries"
    )
    set_max_listpack_value: int = threshold(
        64, "Longest member of a set that is shown as listpack", "set-max-listpack-value", Kind.SIZE
    )
    zset_max_listpack_entries: int = threshold(
        128,
        "Most members of a sorted set that is shown as listpack; a larger one is a skiplist",
        "zset-max-listpack-entries",
    )
    zset_max_listpack_value: int = threshold(
        64, "Longest member of a sorted set that is shown as listpack", "zset-max-listpack-value", Kind.SIZE
    )
    stream_node_max_bytes: int = threshold(
        4096,
        "Bytes of a node of a stream, which `MAXLEN ~` removes as a whole; 0: no limit",
        "stream-node-max-bytes",
        Kind.SIZE,
    )
    stream_node_max_entries: int = threshold(
        100, "Entries of a node of a stream; 0: no limit", "stream-node-max-entries"
    )


@dataclass(frozen=True)
class Logging:
    """Level, file and format of the log."""

    level: str = setting(
        Kind.CHOICE,
        "info",
        "Lowest level of the events that are logged",
        choices=("debug", "info", "warn", "error", "critical"),
        redis="loglevel",
        redis_words={"info": "notice", "warn": "warning", "error": "warning", "critical": "nothing"},
        reloadable=True,
    )
    file: str = setting(
        Kind.PATH,
        "",
        "Log file; SIGUSR1 opens it again; empty: standard output, or the log of twistd's own options",
        redis="logfile",
    )
    format: str = setting(Kind.CHOICE, "text", "Format of the log: lines of text, or of JSON", choices=("text", "json"))


@dataclass(frozen=True)
class Performance:
    """Socket options of clients, and the records of slow commands."""

    tcp_nodelay: bool = setting(
        Kind.BOOLEAN, True, "Send small replies at once (TCP_NODELAY)", environ="REDIS_TCP_NODELAY"
    )
    tcp_keepalive: int = setting(
        Kind.INTEGER,
        60,
        "Idle time after which the kernel checks whether the client is still there",
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
        "Execution time from which SLOWLOG records a command; 0: all, -1: none",
        unit="microseconds",
        minimum=-1,
        maximum=2**53,
        redis="slowlog-log-slower-than",
        reloadable=True,
    )
    slowlog_max_len: int = setting(
        Kind.INTEGER,
        128,
        "Entries that SLOWLOG keeps, at most 2 MiB of them in each worker process",
        unit="entries",
        maximum=1_000_000,
        redis="slowlog-max-len",
        reloadable=True,
    )
    busy_reply_threshold: int = setting(
        Kind.INTEGER,
        5000,
        "Time after which clients that need what a running script has get the error BUSY",
        unit="milliseconds",
        minimum=1,
        maximum=2**53,
        zero="they wait",
        redis="busy-reply-threshold",
        reloadable=True,
    )
    latency_monitor_threshold: int = setting(
        Kind.INTEGER,
        0,
        "Duration from which LATENCY records an event",
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
        "Percentiles of command durations that INFO latencystats shows",
        redis="latency-tracking-info-percentiles",
        reloadable=True,
    )


SECTIONS: Mapping[str, type[Server | Security | Memory | Types | Logging | Performance]] = {
    "server": Server,
    "security": Security,
    "memory": Memory,
    "types": Types,
    "logging": Logging,
    "performance": Performance,
}

SETTINGS: tuple[Setting, ...] = tuple(
    Setting(name=f"{section}.{row.name}", **row.metadata)
    for section, fields in SECTIONS.items()
    for row in dataclasses.fields(fields)
)

BY_NAME: Mapping[str, Setting] = {row.name: row for row in SETTINGS}
