"""Hashes, lists, sets and sorted sets as applications use them, through redis-py in RESP2 and RESP3."""

from __future__ import annotations

import asyncio
from typing import Any

from .test_redis_py import Case


class CollectionTests(Case):
    """Methods of redis-py whose replies it parses."""

    def setUp(self) -> None:
        super().setUp()
        self.both = [self.client, self.new(protocol=2)]

    def test_hashes(self) -> None:
        """A session as a hash."""
        for r in self.both:
            r.flushall()
            self.assertEqual(r.hset("s", mapping={"user": "ann", "seen": 1, "lang": "en"}), 3)
            self.assertEqual(r.hset("s", "lang", "fr"), 0)
            self.assertEqual(r.hgetall("s"), {b"user": b"ann", b"seen": b"1", b"lang": b"fr"})
            self.assertEqual((r.hincrby("s", "seen", 2), r.hincrbyfloat("s", "score", 0.5)), (3, 0.5))
            self.assertEqual(r.hmget("s", "user", "none", "seen"), [b"ann", None, b"3"])
            self.assertEqual((r.hexists("s", "user"), r.hexists("s", "none")), (True, False))
            self.assertEqual((r.hlen("s"), r.hstrlen("s", "user"), r.hdel("s", "user", "none")), (4, 3, 1))
            self.assertEqual(
                (sorted(r.hkeys("s")), sorted(r.hvals("s"))), ([b"lang", b"score", b"seen"], [b"0.5", b"3", b"fr"])
            )
            self.assertEqual((bool(r.hsetnx("s", "lang", "x")), r.hget("s", "lang")), (False, b"fr"))
            self.assertIn(r.hrandfield("s"), {b"lang", b"score", b"seen"})
            self.assertEqual(dict(r.hscan_iter("s")), r.hgetall("s"))
            self.assertEqual((r.type("s"), r.object("encoding", "s")), (b"hash", b"listpack"))

    def test_lists(self) -> None:
        """A queue of jobs, and another of those that are worked on."""
        for r in self.both:
            r.flushall()
            self.assertEqual((r.rpush("jobs", "a", "b", "c"), r.lpush("jobs", "z")), (3, 4))
            self.assertEqual(r.lmove("jobs", "busy", "LEFT", "RIGHT"), b"z")
            self.assertEqual((r.rpoplpush("jobs", "busy"), r.lrange("busy", 0, -1)), (b"c", [b"c", b"z"]))
            self.assertEqual((r.lrem("busy", 1, "c"), r.llen("busy"), r.lindex("busy", -1)), (1, 1, b"z"))
            self.assertEqual((r.linsert("jobs", "BEFORE", "b", "x"), r.lpos("jobs", "b")), (3, 2))
            self.assertTrue(r.lset("jobs", 0, "first") and r.ltrim("jobs", 0, 1))
            self.assertEqual(r.lrange("jobs", 0, -1), [b"first", b"x"])
            self.assertEqual((r.lpop("jobs", 5), r.lpop("jobs"), r.exists("jobs")), ([b"first", b"x"], None, 0))
            self.assertEqual(r.lmpop(2, "jobs", "busy", direction="LEFT"), [b"busy", [b"z"]])
            self.assertEqual(r.lpushx("busy", "q"), 0)

    def test_sets(self) -> None:
        """Who is online, and who knows whom."""
        for r in self.both:
            r.flushall()
            self.assertEqual((r.sadd("a", 1, 2, 3, 3), r.sadd("b", 2, 3, 4)), (3, 3))
            self.assertEqual((r.sinter("a", "b"), r.sunion("a", "b")), ({b"2", b"3"}, {b"1", b"2", b"3", b"4"}))
            self.assertEqual((r.sdiff("a", "b"), r.sintercard(2, ["a", "b"], limit=1)), ({b"1"}, 1))
            self.assertEqual((r.sunionstore("u", "a", "b"), r.sinterstore("i", "a", "b"), r.scard("u")), (4, 2, 4))
            self.assertEqual((r.smismember("a", [1, 9]), r.sismember("a", 2)), ([1, 0], 1))
            self.assertEqual((bool(r.smove("a", "b", 1)), r.smembers("b")), (True, {b"1", b"2", b"3", b"4"}))
            self.assertIn(r.srandmember("b"), {b"1", b"2", b"3", b"4"})
            self.assertEqual((len(set(r.spop("b", 2))), r.scard("b"), r.srem("a", 2, 7)), (2, 2, 1))
            self.assertEqual(sorted(r.sscan_iter("u")), [b"1", b"2", b"3", b"4"])
            self.assertEqual((r.type("u"), r.object("encoding", "u")), (b"set", b"intset"))

    def test_sorted_sets(self) -> None:
        """Scores, ranks and ranges."""
        for r in self.both:
            r.flushall()
            self.assertEqual(r.zadd("z", {"a": 1, "b": 2.5, "c": 3}), 3)
            self.assertEqual((r.zadd("z", {"a": 5}, xx=True, gt=True, ch=True), r.zadd("z", {"a": 1}, nx=True)), (1, 0))
            self.assertEqual(r.zrange("z", 0, -1), [b"b", b"c", b"a"])
            scores = r.zrange("z", 0, -1, withscores=True)
            self.assertEqual([(name, float(score)) for name, score in scores], [(b"b", 2.5), (b"c", 3.0), (b"a", 5.0)])
            self.assertEqual(
                (r.zscore("z", "b"), r.zmscore("z", ["b", "q"]), r.zincrby("z", 1, "b")), (2.5, [2.5, None], 3.5)
            )
            self.assertEqual((r.zrank("z", "b"), r.zrevrank("z", "b"), r.zcard("z"), r.zcount("z", 3, 4)), (1, 1, 3, 2))
            self.assertEqual(r.zrangebyscore("z", "(3", "+inf", start=0, num=1), [b"b"])
            self.assertEqual(r.zrevrange("z", 0, 0), [b"a"])
            self.assertEqual(r.zunionstore("u", {"z": 2, "none": 1}), 3)
            self.assertEqual((r.zscore("u", "c"), r.zrangestore("t", "u", 0, 1), r.zcard("t")), (6.0, 2, 2))
            self.assertEqual((r.zremrangebyrank("u", 0, 0), r.zremrangebyscore("u", 0, 7)), (1, 1))
            self.assertEqual([name for name, _ in r.zpopmin("z")], [b"c"])
            self.assertEqual([name for name, _ in r.zpopmax("z", 5)], [b"a", b"b"])
            self.assertEqual((r.exists("z"), r.zrandmember("z")), (0, None))

    def test_places(self) -> None:
        """Shops near a customer."""
        for r in self.both:
            r.flushall()
            self.assertEqual(r.geoadd("shops", (2.1909389952632, 41.433791470673, "a", 2.18739, 41.40638, "b")), 2)
            self.assertEqual(r.geoadd("shops", (2.18740, 41.40640, "b"), ch=True, xx=True), 1)
            self.assertEqual(r.geodist("shops", "a", "b", "km"), 3.0608)
            self.assertEqual(
                (r.geodist("shops", "a", "none"), r.geohash("shops", "a", "none")), (None, ["sp3e9yg3kd0", None])
            )
            near = r.geopos("shops", "a", "none")
            self.assertEqual([round(number, 5) for number in near[0]], [2.19094, 41.43379])
            self.assertIsNone(near[1])
            customer = {"longitude": 2.191, "latitude": 41.433}
            self.assertEqual(r.geosearch("shops", **customer, radius=1, unit="km"), [b"a"])
            self.assertEqual(r.geosearch("shops", member="b", width=8, height=8, unit="km", sort="DESC"), [b"a", b"b"])
            found = r.geosearch(
                "shops", **customer, radius=5, unit="km", sort="ASC", withdist=True, withcoord=True, withhash=True
            )
            self.assertEqual(
                [(one[0], one[1], one[2]) for one in found],
                [(b"a", 0.0881, 3471609698139488), (b"b", 2.9738, found[1][2])],
            )
            self.assertEqual(r.geosearch("shops", **customer, radius=5, unit="km", count=1), [b"a"])
            self.assertEqual(r.geosearchstore("near", "shops", **customer, radius=1, unit="km"), 1)
            self.assertEqual(r.geosearchstore("near", "shops", member="b", radius=9, unit="km", storedist=True), 2)
            self.assertEqual((r.zscore("near", "b"), r.type("near")), (0.0, b"zset"))
            self.assertEqual(r.georadius("shops", 2.191, 41.433, 1000), [b"a"])
            self.assertEqual(r.georadiusbymember("shops", "b", 9, unit="km", store_dist="near"), 2)
            self.assertRaises(self.redis.ResponseError, r.geosearch, "shops", member="none", radius=1)

    def test_sort(self) -> None:
        """SORT by keys and fields."""
        for r in self.both:
            r.flushall()
            r.rpush("ids", 3, 1, 2)
            for number, weight in ((1, 30), (2, 20), (3, 10)):
                r.hset(f"o:{number}", mapping={"weight": weight, "name": f"n{number}"})
            self.assertEqual(r.sort("ids"), [b"1", b"2", b"3"])
            self.assertEqual(
                r.sort("ids", by="o:*->weight", get=["#", "o:*->name"]), [b"3", b"n3", b"2", b"n2", b"1", b"n1"]
            )
            self.assertEqual(
                (r.sort("ids", desc=True, store="sorted"), r.lrange("sorted", 0, -1)), (3, [b"3", b"2", b"1"])
            )

    def test_pipeline_of_all_types(self) -> None:
        """A transaction over all types is one step; a wrong type is an error of its own command."""
        for r in self.both:
            r.flushall()
            with r.pipeline() as pipe:
                pipe.set("s", 1).hset("h", "f", 1).rpush("l", 1).sadd("t", 1).zadd("z", {"m": 1}).incr("h").lrange(
                    "l", 0, -1
                )
                said = pipe.execute(raise_on_error=False)
            self.assertIsInstance(said[5], self.redis.ResponseError)
            self.assertEqual(said[:5] + said[6:], [True, 1, 1, 1, 1, [b"1"]])
            self.assertEqual([r.type(key) for key in "shltz"], [b"string", b"hash", b"list", b"set", b"zset"])
            self.assertEqual(sorted(r.scan_iter(_type="zset")), [b"z"])
            for key in "hltz":
                self.assertRaises(self.redis.ResponseError, r.get, key)
                self.assertTrue(r.copy(key, f"{key}2") and r.rename(f"{key}2", f"{key}3") and r.memory_usage(f"{key}3"))
                self.assertEqual(r.dump(key), r.dump(f"{key}3"))
                self.assertTrue(r.restore(f"{key}4", 0, r.dump(key)) and r.expire(f"{key}4", 100))
            self.assertEqual((r.delete(*(f"{key}3" for key in "hltz")), r.unlink(*"hltz")), (4, 4))

    def test_iterators(self) -> None:
        """hscan_iter, sscan_iter and zscan_iter return all of a large value, in pages of any size and by pattern."""
        fields = {b"f%d" % n: b"%d" % n for n in range(3000)}
        for r in self.both:
            r.flushall()
            r.hset("h", mapping=fields)
            r.sadd("t", *fields)
            r.zadd("z", {name: float(value) for name, value in fields.items()})
            for count in (None, 3, 100, 10_000):
                self.assertEqual(dict(r.hscan_iter("h", count=count)), fields)
                self.assertEqual(set(r.sscan_iter("t", count=count)), set(fields))
                found = {name: int(float(score)) for name, score in r.zscan_iter("z", count=count)}
                self.assertEqual(found, {name: int(value) for name, value in fields.items()})
            self.assertEqual(set(r.hscan_iter("h", no_values=True)), set(fields))
            tens = {name for name in fields if name.startswith(b"f10")}
            self.assertEqual(dict(r.hscan_iter("h", match="f10*")).keys(), tens)
            self.assertEqual(set(r.sscan_iter("t", match="f10*")), tens)
            self.assertEqual({name for name, _ in r.zscan_iter("z", match="f10*")}, tens)
            cursor, page = r.hscan("h", count=10)
            self.assertTrue(cursor != 0 and page.items() <= fields.items())

    def test_fields_that_expire(self) -> None:
        """A session whose parts have times of their own: redis-py's methods of Redis 7.4 and 8."""
        for r in self.both:
            r.flushall()
            r.hset("s", mapping={"user": "ann", "csrf": "x", "code": "123"})
            self.assertEqual(r.hexpire("s", 100, "csrf", "none"), [1, -2])
            self.assertEqual((r.hexpire("s", 200, "csrf", nx=True), r.hexpire("s", 200, "csrf", gt=True)), ([0], [1]))
            self.assertEqual(r.hpexpire("s", 50_000, "code", xx=True), [0])
            left, none, absent = r.httl("s", "csrf", "user", "none")
            self.assertTrue((195 < left <= 200) and (none, absent) == (-1, -2))
            self.assertTrue(195_000 < r.hpttl("s", "csrf")[0] <= 200_000)
            self.assertEqual(r.hexpireat("s", 4_000_000_000, "code"), [1])
            self.assertEqual((r.hexpiretime("s", "code"), r.hpexpiretime("s", "user")), ([4_000_000_000], [-1]))
            self.assertEqual((r.hpersist("s", "code", "user"), r.httl("s", "code")), ([1, -1], [-1]))
            self.assertEqual(r.hexpireat("s", 1, "code"), [2])  # in the past
            self.assertEqual(r.hgetall("s"), {b"user": b"ann", b"csrf": b"x"})
            self.assertEqual(
                (r.hsetex("s", mapping={"a": 1, "b": 2}, ex=100), r.hgetex("s", "a", px=5_000)), (1, [b"1"])
            )
            self.assertTrue(0 < r.httl("s", "a")[0] <= 5 < r.httl("s", "b")[0])
            self.assertEqual((r.hgetex("s", "a", persist=True), r.httl("s", "a")), ([b"1"], [-1]))
            self.assertEqual(r.hsetex("s", "user", "bob", data_persist_option=self.fnx()), 0)
            self.assertEqual((r.hgetdel("s", "a", "none"), r.hexists("s", "a")), ([b"1", None], False))
            self.assertTrue(r.hpexpire("s", 1, *r.hkeys("s")))
            while r.exists("s"):
                pass
            self.assertEqual((r.hlen("s"), r.httl("s", "user"), r.type("s")), (0, [-2], b"none"))

    def fnx(self) -> Any:
        """redis-py's name of the option FNX."""
        from redis.commands.core import HashDataPersistOptions

        return HashDataPersistOptions.FNX

    def test_asyncio(self) -> None:
        """redis.asyncio: a hundred tasks on a few connections change values of all types, and lose nothing."""

        async def task(r: Any, number: int) -> None:
            async with r.pipeline() as pipe:
                pipe.hincrby("h", f"f{number % 10}", number).rpush("l", number).sadd("t", number).zincrby(
                    "z", 1, number % 7
                )
                await pipe.execute()
            self.assertTrue(await r.sismember("t", str(number)))

        async def run(protocol: int) -> None:
            r = self.redis.asyncio.Redis(port=self.server.port, protocol=protocol, max_connections=200)
            await r.flushall()
            await asyncio.gather(*(task(r, number) for number in range(100)))
            self.assertEqual(sum(int(value) for value in (await r.hgetall("h")).values()), sum(range(100)))
            self.assertEqual(sorted(map(int, await r.lrange("l", 0, -1))), list(range(100)))
            self.assertEqual({int(member) async for member in r.sscan_iter("t", count=7)}, set(range(100)))
            scores = {int(name): float(score) async for name, score in r.zscan_iter("z")}
            self.assertEqual(scores, {n: len(range(n, 100, 7)) for n in range(7)})
            self.assertEqual({int(name[1:]) async for name, _ in r.hscan_iter("h")}, set(range(10)))
            self.assertEqual([key async for key in r.scan_iter(_type="hash")], [b"h"])
            self.assertEqual(await r.sort("t", start=0, num=3), [b"0", b"1", b"2"])
            await r.aclose()

        for protocol in (2, 3):
            asyncio.run(run(protocol))
