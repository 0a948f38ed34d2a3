"""CONFIG: Redis's names and words over the table of settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from redistill.config import load
from redistill.settings import SETTINGS
from tests.control import MIB, Server


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
                "maxmemory-clients": "0",
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
        """What is set is in force at once: in the store, in the daemon, and in CONFIG GET."""
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
            ("timeout x port 1", failed("port", "can't set immutable config")),
            ("timeout 10 appendonly maybe", failed("appendonly", "argument must be 'yes' or 'no'")),
            ("timeout 10 appendonly yes", failed("appendonly", "only 'no' is supported")),
            ("timeout 10 port 1", failed("port", "can't set immutable config")),
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
        self.assertEqual([config.server.connection_timeout for config in self.server.applied], [10, 300])

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
        """Setting what has but one value to that value succeeds, since deployment scripts do it."""
        self.assertEqual(self.server.run("CONFIG SET save  appendonly NO"), b"+OK\r\n")

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
        """A new password counts for those who come; who is in stays in."""
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
        """What was set is in the file afterwards; comments stay, and the environment's values stay out of it."""
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
        """RESETSTAT sets back what the core counts, what the daemon counts, and the unknown commands."""
        server = Server({"security.password": ("p",)})
        server.store.values["keyspace_hits"] = 5
        server.run("AUTH wrong")
        server.run("FOO")
        self.assertEqual(server.run("CONFIG RESETSTAT"), b"+OK\r\n")
        now = server.plane.snapshot()
        self.assertEqual((now.hits, now.daemon.failed_auths, server.state.unknown.snapshot()), (0, 0, {}))
