"""redis-py as it comes: RESP3, CLIENT SETINFO, pipelines, its parsers of what a server says about itself."""

from __future__ import annotations

import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from . import servers


class Case(SynchronousTestCase):
    """A test with a client."""

    def setUp(self) -> None:
        try:
            import redis
        except ImportError:
            servers.missing("redis is not installed; it comes from PyPI")
        self.redis: Any = redis
        self.server = servers.shared("ours")
        self.client = self.new()
        self.client.flushall()

    def new(self, **options: Any) -> Any:
        """A client of the shared server."""
        client = self.redis.Redis(port=self.server.port, **options)
        self.addCleanup(client.close)
        return client


class ConnectionTests(Case):
    """The steps before the first command."""

    def test_defaults(self) -> None:
        """RESP3 and the library's name are set without being asked for."""
        self.assertTrue(self.client.ping())
        info = self.client.client_info()
        self.assertEqual((info["lib-name"], info["lib-ver"]), ("redis-py", self.redis.__version__))
        self.assertEqual(info["resp"], "3")

    def test_resp2_name_and_database(self) -> None:
        """An old-style client with a name and a database of its own."""
        client = self.new(protocol=2, client_name="worker", db=3, decode_responses=True)
        client.set("k", "v")
        self.assertEqual(client.client_info()["db"], 3)
        self.assertEqual((client.client_getname(), client.get("k"), self.client.get("k")), ("worker", "v", None))

    def test_unix_socket_and_url(self) -> None:
        """The other ways to connect."""
        client = self.redis.Redis(unix_socket_path=str(self.server.address))
        self.addCleanup(client.close)
        self.assertTrue(client.set("k", "v"))
        with self.redis.Redis.from_url(f"redis://127.0.0.1:{self.server.port}/0?protocol=3") as other:
            self.assertEqual(other.get("k"), b"v")

    def test_password(self) -> None:
        """With a password: right, wrong, none."""
        server = servers.redistill('[security]\npassword = ["old one", "new one"]\n', tcp=True)
        self.addCleanup(server.stop)
        for password in ("old one", "new one"):
            for protocol in (2, 3):
                with self.redis.Redis(port=server.port, password=password, protocol=protocol) as client:
                    self.assertTrue(client.ping())
        with self.redis.Redis(port=server.port, username="default", password="new one") as client:
            self.assertTrue(client.ping())
        with self.redis.Redis(port=server.port, password="wrong") as client:
            self.assertRaises(self.redis.AuthenticationError, client.ping)
        with self.redis.Redis(port=server.port) as client:
            self.assertRaises(self.redis.AuthenticationError, client.ping)


class CommandTests(Case):
    """Methods whose replies redis-py parses in its own way, in RESP2 and in RESP3."""

    def setUp(self) -> None:
        super().setUp()
        self.both = [self.client, self.new(protocol=2)]

    def test_strings(self) -> None:
        """Options of SET and the numbers."""
        for r in self.both:
            r.flushall()
            self.assertTrue(r.set("k", 1, ex=100))
            self.assertIsNone(r.set("k", 2, nx=True))
            self.assertEqual(r.set("k", 2, xx=True, get=True, keepttl=True), b"1")
            self.assertTrue(95 < r.ttl("k") <= 100)
            self.assertEqual((r.incr("k"), r.decrby("k", 5), r.incrbyfloat("k", 0.5)), (3, -2, -1.5))
            self.assertEqual(
                (r.append("k", "0"), r.strlen("k"), r.getrange("k", 0, 1), r.setrange("k", 5, "x")), (5, 5, b"-1", 6)
            )
            self.assertEqual((r.getdel("k"), r.getex("k"), r.getset("k", "new")), (b"-1.50x", None, None))
            self.assertTrue(r.mset({"a": 1, "b": 2}))
            self.assertFalse(r.msetnx({"a": 1, "c": 2}))
            self.assertEqual(r.mget("a", "b", "c"), [b"1", b"2", None])
            self.assertTrue(r.setex("a", 100, 1) and r.psetex("a", 100000, 1) and not r.setnx("a", 2))

    def test_bits(self) -> None:
        """BITFIELD, BITOP and their kin."""
        for r in self.both:
            r.flushall()
            self.assertEqual(
                r.bitfield("b").set("u8", 0, 200).incrby("u8", 0, 100, "SAT").get("i8", 0).execute(), [0, 255, -1]
            )
            self.assertEqual((r.setbit("c", 7, 1), r.getbit("c", 7), r.bitcount("b"), r.bitpos("b", 0)), (0, 1, 8, 8))
            self.assertEqual((r.bitop("AND", "d", "b", "c"), r.get("d")), (1, b"\x01"))
            self.assertEqual(r.bitfield_ro("b", "u8", 0), [255])

    def test_lcs(self) -> None:
        """LCS in its three forms."""
        for r in self.both:
            r.mset({"a": "ohmytext", "b": "mynewtext"})
            self.assertEqual((r.lcs("a", "b"), r.lcs("a", "b", len=True)), (b"mytext", 6))
            found = r.lcs("a", "b", idx=True, withmatchlen=True)
            found = found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
            self.assertEqual(found, {b"matches": [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]], b"len": 6})

    def test_hyperloglog(self) -> None:
        """Counting distinct elements."""
        for r in self.both:
            r.flushall()
            self.assertTrue(r.pfadd("h", *range(1000)))
            self.assertTrue(950 < r.pfcount("h") < 1050)
            self.assertTrue(r.pfmerge("m", "h"))
            self.assertEqual(r.pfcount("m"), r.pfcount("h"))

    def test_keys(self) -> None:
        """Keys, their times, and moves."""
        for r in self.both:
            r.flushall()
            r.mset({f"key:{n}": n for n in range(100)})
            self.assertEqual(len(r.keys("key:1*")), 11)
            self.assertEqual(sorted(r.scan_iter("key:*", count=7)), sorted(b"key:%d" % n for n in range(100)))
            self.assertTrue(r.expire("key:1", 100, nx=True))
            self.assertFalse(r.expire("key:1", 100, nx=True))
            self.assertTrue(r.persist("key:1") and r.rename("key:1", "one") and r.copy("one", "two"))
            self.assertEqual(
                (r.exists("one", "two", "key:1"), r.type("one"), r.unlink("one", "two", "x")), (2, b"string", 2)
            )
            self.assertEqual((r.object("encoding", "key:2"), r.randomkey()[:4], r.dbsize()), (b"int", b"key:", 99))
            self.assertTrue(r.restore("copy", 0, r.dump("key:5")))
            self.assertEqual(r.get("copy"), b"5")
            self.assertGreater(r.memory_usage("copy"), 0)
            self.assertTrue(r.move("copy", 1) and r.swapdb(0, 1) and r.flushdb())

    def test_transactions(self) -> None:
        """Pipelines with and without MULTI, WATCH with a retry, errors inside."""
        for r in self.both:
            r.flushall()
            self.assertEqual(r.pipeline().set("a", 1).incr("a").get("a").execute(), [True, 2, b"2"])
            self.assertEqual(r.pipeline(transaction=False).incr("a").get("none").execute(), [3, None])
            with self.assertRaises(self.redis.ResponseError):
                r.pipeline().set("t", "text").incr("t").execute()
            with r.pipeline() as pipe:
                pipe.watch("a")
                r.set("a", 10)
                pipe.multi()
                pipe.incr("a")
                self.assertRaises(self.redis.WatchError, pipe.execute)
            self.assertEqual(r.transaction(lambda pipe: (pipe.multi(), pipe.incr("a")), "a"), [11])

    def test_atomic_increments(self) -> None:
        """Four clients count to 4000 by WATCH and by INCR, and lose nothing."""
        self.client.mset({"watched": 0, "plain": 0})

        def count() -> None:
            with self.redis.Redis(port=self.server.port) as r:
                for _ in range(100):
                    r.pipeline(transaction=False).incr("plain").incr("plain").execute()
                    r.transaction(
                        lambda pipe: (value := int(pipe.get("watched")), pipe.multi(), pipe.set("watched", value + 1)),
                        "watched",
                    )

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.client.mget("watched", "plain"), [b"400", b"800"])

    def test_large_pipeline(self) -> None:
        """Ten thousand commands in one go, and a value of 5 MB."""
        pipe = self.client.pipeline(transaction=False)
        for n in range(10000):
            pipe.set(f"key:{n}", n)
        self.assertEqual(set(pipe.execute()), {True})
        big = bytes(range(256)) * 20000
        self.client.set("big", big)
        self.assertEqual(self.client.get("big"), big)

    def test_large_transaction(self) -> None:
        """A thousand commands in MULTI."""
        pipe = self.client.pipeline()
        for n in range(1000):
            pipe.set(f"key:{n}", n).get(f"key:{n}")
        self.assertEqual(pipe.execute()[1::2], [b"%d" % n for n in range(1000)])


class ServerTests(Case):
    """The server's information, read by redis-py's parsers."""

    def setUp(self) -> None:
        super().setUp()
        self.both = [self.client, self.new(protocol=2)]

    def test_info(self) -> None:
        """INFO becomes a dictionary with numbers."""
        for r in self.both:
            r.set("k", "v", ex=100)
            info = r.info()
            self.assertEqual(info["redis_version"][:2], "7.")
            self.assertEqual(
                (info["loading"], info["role"], info["db0"]["keys"], info["db0"]["expires"]), (0, "master", 1, 1)
            )
            self.assertEqual(
                (info["maxmemory_policy"], r.info("memory")["maxmemory"]), ("noeviction", info["maxmemory"])
            )
            self.assertGreater(r.info("commandstats")["cmdstat_set"]["calls"], 0)

    def test_clients(self) -> None:
        """CLIENT LIST, KILL, NO-EVICT, PAUSE."""
        for r in self.both:
            other = self.new(client_name="victim")
            other.ping()
            victims = [c for c in r.client_list() if c["name"] == "victim"]
            self.assertEqual(len(victims), 1)
            self.assertEqual(r.client_kill_filter(_id=victims[0]["id"]), 1)
            self.assertEqual([c for c in r.client_list() if c["name"] == "victim"], [])
            self.assertTrue(r.client_no_evict("ON") and r.client_no_evict("OFF"))
            self.assertTrue(r.client_setname("x") and r.client_pause(1) and r.client_unpause())
            self.assertGreater(r.client_id(), 0)
            self.assertEqual(r.client_getredir(), -1)
            other.close()

    def test_configuration(self) -> None:
        """CONFIG GET is a dictionary, SET and RESETSTAT say OK."""
        for r in self.both:
            self.assertEqual(r.config_get("maxmemory-policy"), {"maxmemory-policy": "noeviction"})
            self.assertTrue(r.config_set("slowlog-log-slower-than", 10000) and r.config_resetstat())
            self.assertIn("maxmemory", r.config_get("max*"))
            self.assertRaises(self.redis.ResponseError, r.config_set, "nosuch", "1")

    def test_slow_log(self) -> None:
        """SLOWLOG's entries are dictionaries."""
        for r in self.both:
            r.config_set("slowlog-log-slower-than", 0)
            r.set("slow", "v")
            entries = r.slowlog_get(5)
            r.config_set("slowlog-log-slower-than", 10000)
            self.assertIn(b"SET slow v", [entry["command"] for entry in entries])
            self.assertEqual(
                set(entries[0]),
                {"id", "start_time", "duration", "command", "client_address", "client_port", "client_name"}
                & set(entries[0]),
            )
            self.assertGreater(r.slowlog_len(), 0)
            self.assertTrue(r.slowlog_reset())

    def test_commands(self) -> None:
        """COMMAND and its kin."""
        for r in self.both:
            self.assertEqual(r.command()["get"]["arity"], 2)
            self.assertIn("readonly", {str(flag) for flag in r.command()["get"]["flags"]})
            self.assertEqual([str(k) for k in r.command_getkeys("MSET", "a", 1, "b", 2)], ["a", "b"])
            self.assertGreater(r.command_count(), 50)
            self.assertIn(b"get", r.command_list())

    def test_time_and_memory(self) -> None:
        """TIME, MEMORY STATS, LATENCY, LOLWUT."""
        for r in self.both:
            self.assertGreater(r.time()[0], 1_600_000_000)
            self.assertIn("total.allocated", {str(k) for k in r.memory_stats()})
            self.assertEqual(r.latency_latest(), [])
            self.assertIn(b"ver", r.lolwut())

    def test_errors(self) -> None:
        """The classes that redis-py makes of error codes."""
        for r in self.both:
            self.assertRaises(self.redis.ResponseError, r.execute_command, "NOSUCH", "x")
            self.assertRaises(self.redis.ResponseError, r.execute_command, "GET")
            with self.assertRaisesRegex(self.redis.ResponseError, "not an integer"):
                r.set("t", "text")
                r.incr("t")
