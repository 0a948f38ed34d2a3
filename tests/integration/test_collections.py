"""Hashes, lists, sets and sorted sets as applications use them, through redis-py in RESP2 and RESP3."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .test_redis_py import Case

NOW = 1_700_000_000


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


class LeaderboardTests(Case):
    """A leaderboard of 2,000 players."""

    def test_leaderboard(self) -> None:
        """Top ten, a player's rank and neighbours, and points that move a player."""
        scores = {f"p{n}": (n * 7919) % 2003 for n in range(2000)}
        with self.client.pipeline(transaction=False) as pipe:
            for name, score in scores.items():
                pipe.zadd("board", {name: score})
            pipe.execute()
        for name in ("p0", "p77", "p1999"):
            scores[name] += 500
            self.assertEqual(self.client.zincrby("board", 500, name), scores[name])

        def order() -> list[bytes]:
            return [name.encode() for name in sorted(scores, key=lambda name: (scores[name], name), reverse=True)]

        best = order()
        self.assertEqual(self.client.zrevrange("board", 0, 9), best[:10])
        self.assertEqual(self.client.zrange("board", 0, 9, desc=True), best[:10])
        rank = self.client.zrevrank("board", "p77")
        self.assertEqual(rank, best.index(b"p77"))
        self.assertEqual(self.client.zrevrange("board", max(0, rank - 2), rank + 2), best[max(0, rank - 2) : rank + 3])
        self.assertEqual(
            self.client.zcount("board", 1000, "(1500"), sum(1000 <= score < 1500 for score in scores.values())
        )
        self.assertEqual(self.client.object("encoding", "board"), b"skiplist")
        self.client.zremrangebyrank("board", 0, -101)  # keep the best hundred
        self.assertEqual(self.client.zrevrange("board", 0, -1), best[:100])


class TaggedCacheTests(Case):
    """Laravel's tagged cache: a sorted set for each tag, whose members are the keys and whose scores their expiry."""

    PREFIX = "laravel_cache:"

    def put(self, key: str, value: object, tags: Iterable[str], expires: int) -> None:
        """Store an entry under its tags; -1: for ever."""
        for tag in tags:
            self.client.zadd(f"{self.PREFIX}tag:{tag}:entries", {key: expires}, gt=True)
        if expires < 0:
            self.client.set(self.PREFIX + key, json.dumps(value))
        else:
            self.client.setex(self.PREFIX + key, expires - NOW, json.dumps(value))

    def entries(self, tag: str) -> list[str]:
        """The keys of a tag, in the steps of ZSCAN."""
        cursor, found = 0, {}
        while True:
            cursor, part = self.client.zscan(f"{self.PREFIX}tag:{tag}:entries", cursor, match="*", count=1000)
            found.update(dict.fromkeys(name.decode() for name, _ in part))
            if cursor == 0:
                return list(found)

    def flush(self, tag: str) -> None:
        """Delete all entries of a tag."""
        keys = self.entries(tag)
        for at in range(0, len(keys), 1000):
            self.client.delete(*(self.PREFIX + key for key in keys[at : at + 1000]))
        self.client.delete(f"{self.PREFIX}tag:{tag}:entries")

    def test_tags(self) -> None:
        """Entries are found by tag, stale ones are pruned by score, and flushing a tag leaves the others."""
        for n in range(1500):
            self.put(f"post:{n}", {"id": n}, ["posts", f"author:{n % 3}"], NOW + 100 + n)
        self.put("menu", [1, 2], ["layout"], -1)
        self.assertEqual(sorted(self.entries("posts")), sorted(f"post:{n}" for n in range(1500)))
        self.assertEqual(len(self.entries("author:1")), 500)
        removed = self.client.zremrangebyscore(f"{self.PREFIX}tag:posts:entries", 0, NOW + 100 + 499)
        self.assertEqual((removed, len(self.entries("posts"))), (500, 1000))
        self.assertEqual(self.client.zremrangebyscore(f"{self.PREFIX}tag:layout:entries", 0, NOW), 0)
        self.flush("author:1")
        self.assertEqual(self.client.mget(f"{self.PREFIX}post:1", f"{self.PREFIX}post:2"), [None, b'{"id": 2}'])
        self.flush("posts")
        self.assertEqual(self.client.get(f"{self.PREFIX}menu"), b"[1, 2]")
        self.assertEqual(self.client.exists(f"{self.PREFIX}tag:posts:entries"), 0)
