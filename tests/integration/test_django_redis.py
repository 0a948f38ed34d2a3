"""django-redis: its cache with patterns and lifetimes, and its methods for hashes, sets and sorted sets."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from . import servers


class DjangoRedisTests(SynchronousTestCase):
    """django_redis.cache.RedisCache with its default client, which pickles values that are no integers."""

    def setUp(self) -> None:
        try:
            from django.conf import settings
            from django_redis.cache import RedisCache
        except ImportError:
            servers.missing("django-redis is not installed; it comes from PyPI")
        if not settings.configured:
            settings.configure()
        self.server = servers.shared("ours")
        self.make: Any = RedisCache
        self.cache = self.new()
        self.cache.clear()
        self.addCleanup(self.cache.client.do_close_clients)

    def new(self, **options: Any) -> Any:
        """A cache on database 3 of the shared server."""
        return self.make(f"redis://127.0.0.1:{self.server.port}/3", {"OPTIONS": options})

    def test_values(self) -> None:
        """A stored value is read back, also compressed."""
        zlib = self.new(COMPRESSOR="django_redis.compressors.zlib.ZlibCompressor")
        for cache in (self.cache, zlib):
            for value in (1, -5, 1.5, "text", b"\x00\xff", {"a": [1, (2, 3)]}, None, True, "x" * 5000):
                self.assertTrue(cache.set("k", value, timeout=100))
                self.assertEqual(cache.get("k", "default"), value)
        self.assertEqual((self.cache.get("none"), self.cache.get("none", 5)), (None, 5))

    def test_conditions(self) -> None:
        """add, nx and xx store only if they may."""
        self.assertEqual((self.cache.add("k", 1), self.cache.add("k", 2), self.cache.get("k")), (True, False, 1))
        self.assertEqual((self.cache.set("k", 3, nx=True), self.cache.set("new", 3, xx=True)), (False, False))
        self.assertEqual((self.cache.set("k", 4, xx=True), self.cache.get("k"), "new" in self.cache), (True, 4, False))

    def test_lifetimes(self) -> None:
        """ttl, pttl, touch, persist, expire and its relatives."""
        self.cache.set("k", 1, timeout=100)
        self.assertTrue(95 < self.cache.ttl("k") <= 100 and 95_000 < self.cache.pttl("k") <= 100_000)
        self.assertTrue(self.cache.touch("k", 1000) and 990 < self.cache.ttl("k") <= 1000)
        self.assertTrue(self.cache.persist("k"))
        self.assertIsNone(self.cache.ttl("k"))
        self.assertTrue(self.cache.expire("k", timeout=50) and self.cache.pexpire("k", timeout=50_000))
        self.assertTrue(45 < self.cache.ttl("k") <= 50)
        self.assertTrue(self.cache.expire_at("k", 4_000_000_000) and self.cache.pexpire_at("k", 4_000_000_000_000))
        self.assertTrue(self.cache.touch("k", None))
        self.assertIsNone(self.cache.ttl("k"))
        self.assertFalse(self.cache.touch("none", 5))
        self.cache.set("k", 1, timeout=0)
        self.assertEqual((self.cache.get("k"), self.cache.ttl("none")), (None, 0))

    def test_counting(self) -> None:
        """incr is a script, which keeps the lifetime of the value and refuses a key that is absent."""
        self.cache.set("n", 10, timeout=100)
        self.assertEqual((self.cache.incr("n"), self.cache.incr("n", 10), self.cache.decr("n", 5)), (11, 21, 16))
        self.assertTrue(95 < self.cache.ttl("n") <= 100)
        self.assertRaises(ValueError, self.cache.incr, "none")

    def test_many(self) -> None:
        """set_many, get_many, delete_many, and versions."""
        data = {f"k{n}": {"n": n} for n in range(200)}
        self.cache.set_many(data, timeout=100)
        self.assertEqual(self.cache.get_many([*data, "none"]), data)
        self.assertEqual(self.cache.delete_many([f"k{n}" for n in range(50)]), 50)
        self.assertEqual(len(self.cache.get_many(data)), 150)
        self.assertEqual((self.cache.incr_version("k99"), self.cache.get("k99")), (2, None))
        self.assertEqual(self.cache.get("k99", version=2), {"n": 99})

    def test_patterns(self) -> None:
        """keys, iter_keys and delete_pattern, in pages of any size."""
        self.cache.set_many({f"user:{n}:name": n for n in range(300)} | {f"post:{n}": n for n in range(30)})
        self.assertEqual(sorted(self.cache.keys("post:1?")), [f"post:{n}" for n in range(10, 20)])
        for size in (None, 7, 1000):
            self.assertEqual(set(self.cache.iter_keys("post:*", itersize=size)), {f"post:{n}" for n in range(30)})
        self.assertEqual(self.cache.delete_pattern("user:1*", itersize=50), 111)
        self.assertEqual(self.cache.delete_pattern("user:*"), 189)
        self.assertEqual((self.cache.delete_pattern("user:*"), len(self.cache.keys("*"))), (0, 30))

    def test_sets(self) -> None:
        """Members are values of any kind."""
        cache = self.cache
        self.assertEqual((cache.sadd("a", 1, "two", (3, 4)), cache.sadd("b", "two", 5)), (3, 2))
        self.assertEqual((cache.scard("a"), cache.smembers("a")), (3, {1, "two", (3, 4)}))
        self.assertEqual((cache.sinter("a", "b"), cache.sunion("a", "b")), ({"two"}, {1, "two", (3, 4), 5}))
        self.assertEqual((cache.sdiff("a", "b"), cache.sdiffstore("d", "a", "b")), ({1, (3, 4)}, 2))
        self.assertEqual((cache.sinterstore("i", "a", "b"), cache.sunionstore("u", "a", "b")), (1, 4))
        self.assertEqual((cache.sismember("a", (3, 4)), cache.sismember("a", 9)), (True, False))
        self.assertEqual(cache.smismember("a", 1, 9, "two"), [True, False, True])
        self.assertEqual((cache.smove("a", "b", 1), cache.smembers("b")), (True, {1, "two", 5}))
        self.assertIn(cache.srandmember("b"), {1, "two", 5})
        self.assertEqual(sorted(cache.srandmember("b", 10), key=str), [1, 5, "two"])
        self.assertEqual((len(cache.spop("b", 2)), cache.scard("b"), cache.srem("a", "two", 9)), (2, 1, 1))
        cache.sadd("large", *range(2000))
        self.assertEqual(set(cache.sscan_iter("large", count=50)), set(range(2000)))
        self.assertEqual(cache.sscan("u", count=100), {1, "two", (3, 4), 5})

    def test_hashes(self) -> None:
        """Fields with values of any kind."""
        cache = self.cache
        self.assertEqual((cache.hset("h", "a", {"x": 1}), cache.hset("h", mapping={"b": 2, "c": "three"})), (1, 2))
        self.assertEqual((cache.hlen("h"), sorted(cache.hkeys("h"))), (3, ["a", "b", "c"]))
        self.assertEqual((cache.hexists("h", "a"), cache.hdel("h", "a"), cache.hexists("h", "a")), (True, 1, False))

    def test_sorted_sets(self) -> None:
        """Scores with members of any kind."""
        cache = self.cache
        self.assertEqual(cache.zadd("z", {"ann": 1, "bob": 2.5, ("c", 3): 7}), 3)
        self.assertEqual((cache.zadd("z", {"ann": 0}, gt=True, ch=True), cache.zadd("z", {"ann": 4}, nx=True)), (0, 0))
        self.assertEqual(cache.zadd("z", {"ann": 0.5}, incr=True), 1.5)
        self.assertEqual((cache.zcard("z"), cache.zcount("z", 2, "+inf"), cache.zscore("z", "bob")), (3, 2, 2.5))
        self.assertEqual((cache.zincrby("z", 10, "ann"), cache.zrank("z", "ann")), (11.5, 2))
        self.assertEqual(cache.zrange("z", 0, -1), ["bob", ("c", 3), "ann"])
        self.assertEqual(cache.zrange("z", 0, 0, desc=True, withscores=True), [("ann", 11.5)])
        self.assertEqual(cache.zrevrange("z", 0, 1), ["ann", ("c", 3)])
        self.assertEqual(cache.zrangebyscore("z", "(2.5", "+inf", start=0, num=1), [("c", 3)])
        self.assertEqual(cache.zrevrangebyscore("z", 100, 0, withscores=True)[-1], ("bob", 2.5))
        self.assertEqual((cache.zpopmin("z"), cache.zpopmax("z")), (("bob", 2.5), ("ann", 11.5)))
        self.assertEqual((cache.zremrangebyscore("z", 0, 5), cache.zrem("z", ("c", 3), "none")), (0, 1))
        self.assertFalse(cache.has_key("z"))
