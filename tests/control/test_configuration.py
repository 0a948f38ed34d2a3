"""CONFIG: Redis's names and words over the table of settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.load import load
from redistill.config.settings import SETTINGS
from redistill.control import parameters
from redistill.control.configuration import KNOWN, MAX_VALUE, PATTERNS
from redistill.control.parameters import Fixed, OfSetting
from tests.support.control import MIB, Server

REDIS_7_0 = """
acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min active-defrag-ignore-bytes
active-defrag-max-scan-fields active-defrag-threshold-lower active-defrag-threshold-upper active-expire-effort
activedefrag activerehashing always-show-logo aof-disable-auto-gc aof-load-truncated aof-rewrite-incremental-fsync
aof-timestamp-enabled aof-use-rdb-preamble aof_rewrite_cpulist appenddirname appendfilename appendfsync appendonly
auto-aof-rewrite-min-size auto-aof-rewrite-percentage bgsave_cpulist bind bind-source-addr bio_cpulist
busy-reply-threshold client-output-buffer-limit client-query-buffer-limit cluster-allow-pubsubshard-when-down
cluster-allow-reads-when-down cluster-allow-replica-migration cluster-announce-bus-port cluster-announce-hostname
cluster-announce-ip cluster-announce-port cluster-announce-tls-port cluster-config-file cluster-enabled
cluster-link-sendbuf-limit cluster-migration-barrier cluster-node-timeout cluster-port cluster-preferred-endpoint-type
cluster-replica-no-failover cluster-replica-validity-factor cluster-require-full-coverage cluster-slave-no-failover
cluster-slave-validity-factor crash-log-enabled crash-memcheck-enabled daemonize databases dbfilename dir disable-thp
dynamic-hz enable-debug-command enable-module-command enable-protected-configs hash-max-listpack-entries
hash-max-listpack-value hash-max-ziplist-entries hash-max-ziplist-value hll-sparse-max-bytes hz ignore-warnings
io-threads io-threads-do-reads jemalloc-bg-thread latency-monitor-threshold latency-tracking
latency-tracking-info-percentiles lazyfree-lazy-eviction lazyfree-lazy-expire lazyfree-lazy-server-del
lazyfree-lazy-user-del lazyfree-lazy-user-flush lfu-decay-time lfu-log-factor list-compress-depth
list-max-listpack-size list-max-ziplist-size logfile loglevel lua-time-limit masterauth masteruser maxclients
maxmemory maxmemory-clients maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples min-replicas-max-lag
min-replicas-to-write min-slaves-max-lag min-slaves-to-write no-appendfsync-on-rewrite notify-keyspace-events
oom-score-adj oom-score-adj-values pidfile port proc-title-template propagation-error-behavior protected-mode
proto-max-bulk-len rdb-del-sync-files rdb-save-incremental-fsync rdbchecksum rdbcompression repl-backlog-size
repl-backlog-ttl repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync repl-diskless-sync-delay
repl-diskless-sync-max-replicas repl-ping-replica-period repl-ping-slave-period repl-timeout replica-announce-ip
replica-announce-port replica-announced replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush
replica-priority replica-read-only replica-serve-stale-data replicaof requirepass sanitize-dump-payload save
server_cpulist set-max-intset-entries set-proc-title shutdown-on-sigint shutdown-on-sigterm shutdown-timeout
slave-announce-ip slave-announce-port slave-ignore-maxmemory slave-lazy-flush slave-priority slave-read-only
slave-serve-stale-data slaveof slowlog-log-slower-than slowlog-max-len socket-mark-id stop-writes-on-bgsave-error
stream-node-max-bytes stream-node-max-entries supervised syslog-enabled syslog-facility syslog-ident tcp-backlog
tcp-keepalive timeout tls-auth-clients tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers tls-ciphersuites
tls-client-cert-file tls-client-key-file tls-client-key-file-pass tls-cluster tls-dh-params-file tls-key-file
tls-key-file-pass tls-port tls-prefer-server-ciphers tls-protocols tls-replication tls-session-cache-size
tls-session-cache-timeout tls-session-caching tracking-table-max-keys unixsocket unixsocketperm
zset-max-listpack-entries zset-max-listpack-value zset-max-ziplist-entries zset-max-ziplist-value
"""
"""The answer of redis-server 7.0.15 to CONFIG GET *."""


def flat(pairs: Mapping[str, str]) -> bytes:
    """A map of texts in RESP2."""
    words = [word.encode() for pair in pairs.items() for word in pair]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def failed(name: str, reason: str) -> bytes:
    """The refusal of a CONFIG SET."""
    return f"-ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}\r\n".encode()


class GetTests(SynchronousTestCase):
    """CONFIG GET."""

    def setUp(self) -> None:
        self.server = Server()

    def got(self, line: str) -> dict[str, str]:
        """The reply as a dictionary."""
        words = self.server.run(f"CONFIG GET {line}").decode().split("\r\n")[2::2]
        return dict(zip(words[::2], words[1::2], strict=True))

    def test_what_clients_ask_for(self) -> None:
        """The directives that clients and benchmarks read when they connect have values of Redis's shape."""
        asked = {
            "appendonly": "no",
            "databases": "16",
            "maxclients": "10000",
            "maxmemory": "0",
            "maxmemory-policy": "allkeys-lru",
            "maxmemory-samples": "5",
            "port": "6379",
            "bind": "127.0.0.1",
            "unixsocket": "",
            "proto-max-bulk-len": "536870912",
            "replica-read-only": "yes",
            "save": "",
            "slave-read-only": "yes",
            "slowlog-log-slower-than": "10000",
            "slowlog-max-len": "128",
            "latency-monitor-threshold": "0",
            "tcp-keepalive": "60",
            "timeout": "300",
        }
        for name, value in asked.items():
            self.assertEqual(self.server.run(f"CONFIG GET {name}"), flat({name: value}))

    def test_patterns(self) -> None:
        """Several globs give each match once, sorted; nothing that matches is an empty map."""
        self.assertEqual(
            self.got("max* s?ve maxmemory [t]imeout"),
            {
                "maxclients": "10000",
                "maxmemory": "0",
                "maxmemory-clients": "auto",
                "maxmemory-eviction-tenacity": "10",
                "maxmemory-policy": "allkeys-lru",
                "maxmemory-samples": "5",
                "save": "",
                "timeout": "300",
            },
        )
        self.assertEqual(self.server.run("CONFIG GET nothing"), b"*0\r\n")
        self.server.client.session.state.resp = 3
        self.assertEqual(self.server.run("CONFIG GET nothing no*ing"), b"%0\r\n")
        self.assertEqual(self.server.run("CONFIG GET TimeOut"), b"%1\r\n$7\r\nTimeOut\r\n$3\r\n300\r\n")

    def test_costly_patterns(self) -> None:
        """All patterns of a command have a bound together; beyond it nothing matches."""
        costly = [b"*" + b"[" * 200_000 + b"%d" % number for number in range(PATTERNS * 6)]
        self.assertEqual(self.server.ask("CONFIG", "GET", "maxmem*y", *costly), self.server.run("CONFIG GET maxmem*y"))
        self.assertEqual(self.server.ask("CONFIG", "GET", *costly, "maxmem*y"), b"*0\r\n")
        self.assertEqual(
            self.server.ask("CONFIG", "GET", *costly, "maxmemory"), self.server.run("CONFIG GET maxmemory")
        )

    def test_many_patterns(self) -> None:
        """When every directive is found, no more patterns are looked at; the same one is looked at once."""
        everything = self.server.run("CONFIG GET *")
        self.assertEqual(self.server.ask("CONFIG", "GET", *["*", "*[" + "[" * 1000] * 2000), everything)

    def test_long_values(self) -> None:
        """A value has a bound, whatever its directive."""
        for name in ("loglevel", "latency-tracking-info-percentiles", "save"):
            refusal = self.server.ask("CONFIG", "SET", name, "5 " * (MAX_VALUE // 2 + 1))
            assert isinstance(refusal, bytes)
            self.assertIn(b"argument must not be longer than 65536 bytes", refusal)

    def test_all(self) -> None:
        """CONFIG GET * shows every setting, those that Redis does not have under their own name."""
        shown = self.got("*")
        self.assertEqual({row.wire_name for row in SETTINGS} - set(shown), set())
        self.assertEqual(shown["server.num_shards"], "256")

    def test_password_is_hidden(self) -> None:
        """A password cannot be read back."""
        self.assertEqual(self.got("requirepass"), {"requirepass": ""})
        self.server.run("CONFIG SET requirepass secret")
        self.assertEqual(self.got("requirepass"), {"requirepass": "(redacted)"})
        self.assertNotIn("secret", self.got("*").values())


class SetTests(SynchronousTestCase):
    """CONFIG SET."""

    def setUp(self) -> None:
        self.server = Server()

    def test_takes_effect(self) -> None:
        """A setting is in effect at once: in the store, in the daemon, and in CONFIG GET."""
        self.assertEqual(
            self.server.run("CONFIG SET maxmemory 32mb maxmemory-policy ALLKEYS-LFU maxmemory-samples 7 timeout 0"),
            b"+OK\r\n",
        )
        store = self.server.store
        self.assertEqual((store.max_memory, store.policy, store.sample_size), (32 * MIB, "allkeys-lfu", 7))
        self.assertEqual(self.server.applied[-1].server.connection_timeout, 0)
        self.assertEqual(self.server.run("CONFIG GET maxmemory"), flat({"maxmemory": "33554432"}))
        self.server.run("CONFIG SET maxmemory 0")
        self.assertEqual(store.max_memory, store.map_size)

    def test_all_or_nothing(self) -> None:
        """If one of several cannot be set, none is."""
        before = self.server.state.config
        for line, refusal in (
            (
                "timeout 10 maxmemory-samples 0",
                failed("maxmemory-samples", "argument must be between 1 and 64 inclusive"),
            ),
            ("timeout 10 maxmemory 1gb", failed("maxmemory", "larger than the mapping")),
            ("timeout 10 databases 16", failed("databases", "can't set immutable config")),
            ("timeout 10 TIMEOUT 11", failed("TIMEOUT", "duplicate parameter")),
            ("timeout 10 maxclients 1234 maxmemory 32mb", failed("maxclients", "too many")),
            ("maxmemory x maxmemory 1", failed("maxmemory", "duplicate parameter")),
            ("timeout x unixsocket /s", failed("unixsocket", "can't set immutable config")),
            ("timeout 10 appendonly maybe", failed("appendonly", "argument must be 'yes' or 'no'")),
            (
                "timeout 10 appendonly yes",
                failed("appendonly", "only 'no' is supported: this cache writes nothing to disk"),
            ),
            ("timeout 10 server.connection_timeout 11", failed("server.connection_timeout", "duplicate parameter")),
            ("slave-priority 100 replica-priority 100", failed("replica-priority", "duplicate parameter")),
            (
                "security.tls_min_version 1.2 tls-protocols tlsv1.3",
                failed("tls-protocols", "duplicate parameter"),
            ),
            ("timeout 10 dir /tmp", failed("dir", "can't set protected config")),
            ("timeout 10 unixsocket /s", failed("unixsocket", "can't set immutable config")),
            ("timeout 10 server.max_connections 1234", failed("server.max_connections", "too many")),
            (
                "timeout 10 f\noo 1",
                b"-ERR Unknown option or number of arguments for CONFIG SET - 'f oo'\r\n",
            ),
            ("timeout 10 maxmemory", b"-ERR syntax error\r\n"),
        ):
            self.assertEqual(self.server.run(f"CONFIG SET {line}"), refusal)
        self.assertIs(self.server.state.config, before)
        self.assertEqual(self.server.store.max_memory, 64 * MIB)
        # The one that the store refused was taken back.
        self.assertEqual([config.server.connection_timeout for config in self.server.applied], [10, 300, 300, 300])

    def test_words_of_redis(self) -> None:
        """Values are refused in Redis's words."""
        for line, reason in (
            ("maxmemory-samples x", "argument couldn't be parsed into an integer"),
            ("slowlog-max-len -1", "argument must be between 0 and 1000000 inclusive"),
            (
                "maxmemory-policy foo",
                "argument(s) must be one of the following: noeviction, allkeys-lru, allkeys-lfu, allkeys-random,"
                " allkeys-s3fifo, volatile-lru, volatile-lfu, volatile-random, volatile-ttl",
            ),
            ("latency-tracking maybe", "argument must be 'yes' or 'no'"),
        ):
            self.assertEqual(self.server.run(f"CONFIG SET {line}"), failed(line.split()[0], reason))

    def test_what_is_as_it_must_be(self) -> None:
        """Setting a parameter that has only one value to that value succeeds, in any notation, since deployment scripts do it."""
        for line in (
            "save  appendonly NO",
            "auto-aof-rewrite-min-size 64mb",
            "slave-read-only yes min-slaves-to-write 0",
        ):
            self.assertEqual(self.server.run(f"CONFIG SET {line}"), b"+OK\r\n")
        self.assertEqual(
            self.server.run("CONFIG SET min-replicas-to-write 1"),
            failed("min-replicas-to-write", "only '0' is supported: there is no replication"),
        )

    def test_every_name(self) -> None:
        """A setting is read and set by its own name and by Redis's; no name means two things."""
        for row in SETTINGS:
            for name in {row.name, row.wire_name}:
                parameter = KNOWN[name]
                assert isinstance(parameter, OfSetting)
                self.assertIs(parameter.row, row)
        for name in ("maxmemory-clients", "server.max_client_memory"):
            self.assertEqual(self.server.run(f"CONFIG SET {name} 10mb"), b"+OK\r\n")
            self.assertEqual(self.server.applied.pop().server.max_client_memory, 10 * MIB)
            self.assertEqual(self.server.run(f"CONFIG SET {name} 0"), b"+OK\r\n")
            self.assertEqual(self.server.applied.pop().server.max_client_memory, 0)
        self.patch(parameters, "FIXED", (("why", "timeout=0", ""),))
        self.assertRaises(ValueError, parameters.parameters)

    def test_every_parameter_of_redis(self) -> None:
        """Each of redis-server 7.0's parameters is known, and those that have one value take it."""
        for name, parameter in KNOWN.items():
            value = parameter.shown(self.server.state)
            reply = self.server.ask("CONFIG", "GET", name)
            self.assertIn(value.encode(), reply)
            if isinstance(parameter, Fixed):
                expected = failed(name, parameter.refusal) if parameter.refusal else b"+OK\r\n"
                self.assertEqual(self.server.ask("CONFIG", "SET", name, value), expected)
        self.assertEqual(set(REDIS_7_0.split()) - set(KNOWN), set())

    def test_output_limits(self) -> None:
        """client-output-buffer-limit has Redis's syntax; the hard limit of class normal is server.output_limit."""
        name = "client-output-buffer-limit"
        others = "slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        for value, shown in (
            ("normal 0 0 0", "normal 0 0 0"),
            ("Normal 2mb 0 0 pubsub 32mb 8mb 60", "normal 2097152 0 0"),
            ("replica 256mb 64mb 60 normal 3MB 3mb 1", "normal 3145728 0 0"),
            ("", "normal 3145728 0 0"),
        ):
            self.assertEqual(self.server.ask("CONFIG", "SET", name, value), b"+OK\r\n")
            self.assertEqual(self.server.run(f"CONFIG GET {name}"), flat({name: f"{shown} {others}"}))
        self.assertEqual(self.server.state.config.server.output_limit, 3 * MIB)
        self.assertEqual(self.server.ask("CONFIG", "SET", name, "pubsub 1mb 0 7"), b"+OK\r\n")
        shown = "normal 3145728 0 0 slave 268435456 67108864 60 pubsub 1048576 0 7"
        self.assertEqual(self.server.run(f"CONFIG GET {name}"), flat({name: shown}))
        for value, reason in (
            ("normal 0 0", "Wrong number of arguments in buffer limit configuration."),
            ("master 0 0 0", "Invalid client class specified in buffer limit configuration."),
            ("normal -1 0 0", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
            (
                "normal 0 0 " + "9" * 5000,
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
            ("normal 2mb 1mb 60", "class 'normal' has a hard limit and no soft one here"),
            ("slave 0 0 0", "there are no clients of class 'slave' whose limits could change"),
            ("normal 1 0 0", f"argument must be between {MIB} and {2**60} inclusive, or 0 (no limit)"),
        ):
            self.assertEqual(self.server.ask("CONFIG", "SET", name, value), failed(name, reason))

    def test_percentiles(self) -> None:
        """latency-tracking-info-percentiles takes any list, also none, and is shown as Redis shows it."""
        name = "latency-tracking-info-percentiles"
        for value, shown in (
            ("50 99 99.9", "50 99 99.9"),
            ("0 100.0 1e1", "0 100 10"),
            ("99.99999", "99.99999"),
            ("", ""),
        ):
            self.assertEqual(self.server.ask("CONFIG", "SET", name, value), b"+OK\r\n")
            self.assertEqual(self.server.run(f"CONFIG GET {name}"), flat({name: shown}))
        for value, reason in (
            ("101", "argument must be between 0.0 and 100.0 each"),
            ("50 -1", "argument must be between 0.0 and 100.0 each"),
            ("x", "argument must be at most 64 numbers, e.g. 50 99 99.9"),
            ("nan", "argument must be at most 64 numbers, e.g. 50 99 99.9"),
            ("1 " * 65, "argument must be at most 64 numbers, e.g. 50 99 99.9"),
        ):
            self.assertEqual(self.server.ask("CONFIG", "SET", name, value), failed(name, reason))

    def test_tls_protocols(self) -> None:
        """tls-protocols is security.tls_min_version in Redis's notation."""
        self.assertEqual(self.server.ask("CONFIG", "SET", "tls-protocols", "tlsv1.3"), b"+OK\r\n")
        self.assertEqual(self.server.run("CONFIG GET tls-protocols"), flat({"tls-protocols": "TLSv1.3"}))
        self.assertEqual(self.server.state.config.security.tls_min_version, "1.3")
        self.assertEqual(self.server.ask("CONFIG", "SET", "tls-protocols", "TLSv1.3 TLSv1.2"), b"+OK\r\n")
        self.assertEqual(self.server.state.config.security.tls_min_version, "1.2")
        self.assertEqual(
            self.server.ask("CONFIG", "SET", "tls-protocols", "TLSv1.2"),
            failed("tls-protocols", "argument must be 'TLSv1.3' or 'TLSv1.2 TLSv1.3'"),
        )

    def test_slow_commands(self) -> None:
        """The core is told the lower of the two thresholds; the slow log is cut to its new length."""
        for line, threshold in (
            ("slowlog-log-slower-than 5", 5_000),
            ("latency-monitor-threshold 3", 5_000),
            ("slowlog-log-slower-than -1", 3_000_000),
            ("latency-monitor-threshold 0", None),
            ("slowlog-log-slower-than 0", 0),
        ):
            self.server.run(f"CONFIG SET {line}")
            self.assertEqual(self.server.store.slow_threshold, threshold)
        self.server.run("PING")
        self.assertEqual(self.server.run("SLOWLOG LEN"), b":2\r\n")
        self.server.run("CONFIG SET slowlog-max-len 0")
        self.assertEqual(self.server.run("SLOWLOG LEN"), b":0\r\n")

    def test_password(self) -> None:
        """A new password counts for new clients; authenticated clients stay authenticated."""
        self.server.run("CONFIG SET requirepass new")
        self.assertTrue(self.server.client.session.state.authenticated)
        late = self.server.connect()
        self.assertFalse(late.session.state.authenticated)
        self.assertEqual(self.server.run("AUTH new", late), b"+OK\r\n")
        self.server.run("CONFIG SET requirepass ")
        self.assertTrue(self.server.connect().session.state.authenticated)


class RewriteTests(SynchronousTestCase):
    """CONFIG REWRITE and RESETSTAT."""

    def test_no_file(self) -> None:
        """Without a file there is nothing to rewrite."""
        self.assertEqual(Server().run("CONFIG REWRITE"), b"-ERR The server is running without a config file\r\n")

    def test_rewrite(self) -> None:
        """REWRITE writes changed settings into the file; comments stay, and the environment's values stay out of it."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("# ours\n[server]\nconnection_timeout = 60 # a minute\n")
        server = Server(config=load(path, {"REDIS_PASSWORD": "hush"}))
        server.run("CONFIG SET timeout 61 slowlog-max-len 9")
        self.assertEqual(server.run("CONFIG REWRITE"), b"+OK\r\n")
        again = load(path, {})
        self.assertEqual((again.server.connection_timeout, again.performance.slowlog_max_len), (61, 9))
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("# ours", text)
        self.assertNotIn("hush", text)

    def test_unwritable(self) -> None:
        """A file that has gone is an error, and the server goes on."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("")
        server = Server(config=load(path, {}))
        os.unlink(path)
        server.run("CONFIG SET timeout 61")
        self.assertTrue(server.run("CONFIG REWRITE").startswith(b"-ERR Rewriting config file: "))

    def test_reset_statistics(self) -> None:
        """RESETSTAT resets the counters of the core and of the daemon, and the unknown commands."""
        server = Server({"security.password": ("p",)})
        server.store.values["keyspace_hits"] = 5
        server.run("AUTH wrong")
        server.run("FOO")
        self.assertEqual(server.run("CONFIG RESETSTAT"), b"+OK\r\n")
        now = server.plane.snapshot()
        self.assertEqual((now.hits, now.daemon.failed_auths, server.state.unknown.snapshot()), (0, 0, {}))
