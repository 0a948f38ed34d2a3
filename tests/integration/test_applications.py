"""Uses of the types by applications: tagged caches, leaderboards, queues, rate limiters."""

from __future__ import annotations

import json
import threading
from typing import Any

from .test_redis_py import Case

NOW = 1_700_000_000


class TaggedCacheTests(Case):
    """Laravel's tagged cache, in the commands that its RedisTagSet sends through phpredis and Predis: a sorted set for
    each tag, whose members are keys, and whose scores are the times at which they expire, -1 for never."""

    PREFIX = "laravel_database_laravel_cache_:"

    def send(self, *words: str | int) -> Any:
        """The reply to a command with just these words."""
        return self.client.execute_command(*words)

    def tag(self, name: str) -> str:
        """The key of a tag."""
        return f"{self.PREFIX}tag:{name}:entries"

    def put(self, key: str, value: object, tags: list[str], expires: int = -1) -> None:
        """Store an entry under its tags: put() and forever()."""
        for tag in tags:
            self.assertIn(self.send("ZADD", self.tag(tag), expires, key), (0, 1))
        if expires < 0:
            self.send("SET", self.PREFIX + key, json.dumps(value))
        else:
            self.send("SETEX", self.PREFIX + key, expires - NOW, json.dumps(value))

    def increment(self, key: str, tags: list[str], update: str = "NX") -> int:
        """Count, and enter the key under its tags as `update` allows."""
        for tag in tags:
            self.send("ZADD", self.tag(tag), update, -1, key)
        return int(self.send("INCRBY", self.PREFIX + key, 1))

    def entries(self, tag: str) -> list[str]:
        """The keys of a tag, in pages."""
        cursor, found = 0, {}
        while True:
            cursor, page = self.send("ZSCAN", self.tag(tag), cursor, "MATCH", "*", "COUNT", 1000)
            found.update(dict.fromkeys(name.decode() for name, _ in page))
            if cursor == 0:
                return list(found)

    def prune(self, *tags: str) -> list[int]:
        """Remove stale entries of tags: cache:prune-stale-tags sends it as a pipeline."""
        pipe = self.client.pipeline(transaction=False)
        for tag in tags:
            pipe.execute_command("ZREMRANGEBYSCORE", self.tag(tag), 0, NOW)
        return list(pipe.execute())

    def flush(self, *tags: str) -> None:
        """Delete all entries of tags, and the tags."""
        for tag in tags:
            keys = self.entries(tag)
            for at in range(0, len(keys), 1000):
                self.send("DEL", *(self.PREFIX + key for key in keys[at : at + 1000]))
            self.send("DEL", self.tag(tag))

    def test_tags(self) -> None:
        """Entries are found by tag, and flushing a tag leaves the others; a tag may have any number of entries."""
        for protocol in (2, 3):
            self.client = self.new(protocol=protocol)
            self.client.flushall()
            for n in range(2500):
                self.put(f"post:{n}", {"id": n}, ["posts", f"author:{n % 3}"], NOW + 100 + n)
            self.put("menu", [1, 2], ["layout"])
            self.assertEqual(sorted(self.entries("posts")), sorted(f"post:{n}" for n in range(2500)))
            self.assertEqual((len(self.entries("author:1")), self.entries("none")), (833, []))
            self.flush("author:1")
            said = self.client.mget(f"{self.PREFIX}post:1", f"{self.PREFIX}post:2")
            self.assertEqual(said, [None, b'{"id": 2}'])
            self.flush("posts", "author:0", "author:2")
            self.assertEqual(
                sorted(self.client.keys()), sorted([f"{self.PREFIX}menu".encode(), self.tag("layout").encode()])
            )

    def test_stale_entries(self) -> None:
        """Pruning removes entries that have expired, and none that never do."""
        for n in range(300):
            self.put(f"k{n}", n, ["t"], NOW + 3600)
            self.send("ZADD", self.tag("t"), NOW - n, f"old{n}")
        self.put("ever", 1, ["t", "u"])
        self.assertEqual(self.prune("t", "u", "none"), [300, 0, 0])
        self.assertEqual(sorted(self.entries("t")), sorted([*(f"k{n}" for n in range(300)), "ever"]))

    def test_counters(self) -> None:
        """increment enters a key once, and lets the time of an entry that is there be; GT only raises it."""
        self.put("hits", 5, ["t"], NOW + 100)
        self.assertEqual([self.increment("hits", ["t"]), self.increment("new", ["t"])], [6, 1])
        self.assertEqual(self.client.zscore(self.tag("t"), "hits"), NOW + 100)
        self.assertEqual(self.client.zscore(self.tag("t"), "new"), -1)
        self.assertEqual(self.send("ZADD", self.tag("t"), "GT", NOW + 50, "hits"), 0)
        self.assertEqual(self.send("ZADD", self.tag("t"), "GT", "CH", NOW + 200, "hits"), 1)
        self.assertEqual(self.client.zscore(self.tag("t"), "hits"), NOW + 200)


class LeaderboardTests(Case):
    """A leaderboard of 2,000 players."""

    def setUp(self) -> None:
        super().setUp()
        self.scores = {f"p{n}": float((n * 7919) % 2003) for n in range(2000)}
        with self.client.pipeline(transaction=False) as pipe:
            for name, score in self.scores.items():
                pipe.zadd("board", {name: score})
            pipe.execute()

    def order(self) -> list[bytes]:
        """The players, the best first; of equal ones the later name first, as ZREVRANGE has it."""
        return [name.encode() for name in sorted(self.scores, key=lambda name: (self.scores[name], name), reverse=True)]

    def test_ranks(self) -> None:
        """Top ten, a player's rank and neighbours, and points that move a player."""
        for name in ("p0", "p77", "p1999"):
            self.scores[name] += 500
            self.assertEqual(self.client.zincrby("board", 500, name), self.scores[name])
        for r in (self.client, self.new(protocol=2)):
            best, top = self.order(), r.zrevrange("board", 0, 9, withscores=True)
            self.assertEqual(
                [(name, float(score)) for name, score in top],
                [(name, self.scores[name.decode()]) for name in best[:10]],
            )
            self.assertEqual(r.zrange("board", 0, 9, desc=True), best[:10])
            rank = r.zrevrank("board", "p77")
            self.assertEqual(rank, best.index(b"p77"))
            self.assertEqual(r.zrevrange("board", max(0, rank - 2), rank + 2), best[max(0, rank - 2) : rank + 3])
            self.assertEqual(
                [float(part) for part in r.zrevrank("board", "p77", withscore=True)], [rank, self.scores["p77"]]
            )
            between = sum(1000 <= score < 1500 for score in self.scores.values())
            self.assertEqual(r.zcount("board", 1000, "(1500"), between)
            page = r.zrange("board", "(1500", 1000, desc=True, byscore=True, offset=10, num=5)
            self.assertEqual(page, [name for name in best if 1000 <= self.scores[name.decode()] < 1500][10:15])
            self.assertEqual(r.object("encoding", "board"), b"skiplist")
        self.client.zremrangebyrank("board", 0, -101)  # keep the best hundred
        self.assertEqual(self.client.zrevrange("board", 0, -1), best[:100])

    def test_best_scores(self) -> None:
        """GT keeps a player's best score, LT the fastest time, INCR answers the new score, or nil if it was refused."""
        self.assertEqual(self.client.zadd("board", {"p1": 10_000, "p2": -1, "new": 1}, gt=True, ch=True), 2)
        self.assertEqual(self.client.zadd("times", {"a": 61.5}, lt=True), 1)
        self.assertEqual(
            (self.client.zadd("times", {"a": 70}, lt=True, ch=True), self.client.zscore("times", "a")), (0, 61.5)
        )
        self.assertEqual(self.client.zadd("board", {"p1": 5}, incr=True), 10_005)
        self.assertIsNone(self.client.zadd("board", {"p1": -5}, incr=True, gt=True))
        self.assertIsNone(self.client.zadd("board", {"nobody": 5}, incr=True, xx=True))
        self.assertEqual(self.client.zrevrank("board", "p1"), 0)

    def test_teams(self) -> None:
        """Boards of weeks are added up, and the common players found."""
        self.client.zadd("week:1", {"a": 10, "b": 20, "c": 30})
        self.client.zadd("week:2", {"b": 5, "c": 50, "d": 1})
        self.assertEqual(self.client.zunionstore("month", ["week:1", "week:2"]), 4)
        said = self.client.zrange("month", 0, -1, desc=True, withscores=True)
        self.assertEqual(
            [(name, float(score)) for name, score in said], [(b"c", 80), (b"b", 25), (b"a", 10), (b"d", 1)]
        )
        self.assertEqual(self.client.zinter(["week:1", "week:2"], aggregate="MAX"), [b"b", b"c"])
        self.assertEqual(self.client.zinterstore("weighted", {"week:1": 1, "week:2": 10}), 2)
        self.assertEqual(self.client.zscore("weighted", "c"), 530)


class QueueTests(Case):
    """Jobs in lists, as workers that poll take them; the commands that block are missing."""

    def test_no_job_is_lost(self) -> None:
        """Three workers move jobs to lists of their own and remove them when done; each job is done once."""
        jobs = [b"job:%d" % n for n in range(600)]
        self.client.lpush("jobs", *jobs)
        done: list[bytes] = []

        def work(name: str) -> None:
            with self.redis.Redis(port=self.server.port) as r:
                while (job := r.lmove("jobs", name, "RIGHT", "LEFT")) is not None:
                    done.append(job)
                    if r.lrem(name, 1, job) != 1:
                        done.append(b"lost")

        workers = [threading.Thread(target=work, args=(f"busy:{n}",)) for n in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(sorted(done), sorted(jobs))
        self.assertEqual(self.client.dbsize(), 0)

    def test_queues_of_sidekiq(self) -> None:
        """A set of queues, a list each, retries sorted by time, and figures in strings, in one transaction."""
        job = json.dumps({"class": "Mail", "args": [1], "jid": "b4a577edbccf1d805744efa9"})
        with self.client.pipeline() as pipe:
            pipe.sadd("queues", "default").lpush("queue:default", job).incrby("stat:processed", 1)
            self.assertEqual(pipe.execute(), [1, 1, 1])
        self.client.zadd("retry", {job: NOW + 15.25})
        self.client.zadd("schedule", {f"{job}{n}": NOW + n for n in range(200)})
        with self.client.pipeline() as pipe:
            pipe.zrangebyscore("schedule", "-inf", NOW + 9, start=0, num=100)
            pipe.zremrangebyscore("schedule", "-inf", NOW + 9)
            due, count = pipe.execute()
        self.assertEqual((len(due), count, self.client.zcard("schedule")), (10, 10, 190))
        self.client.lpush("queue:default", *due)
        self.assertEqual((self.client.llen("queue:default"), self.client.smembers("queues")), (11, {b"default"}))
        self.assertEqual(
            (self.client.rpop("queue:default"), self.client.lrange("queue:default", -1, -1)), (job.encode(), [due[0]])
        )
        self.assertEqual(
            self.client.lmpop(2, "queue:none", "queue:default", direction="RIGHT", count=3)[0], b"queue:default"
        )

    def test_recent(self) -> None:
        """The last hundred of a log, while it is read."""
        for n in range(300):
            with self.client.pipeline() as pipe:
                pipe.lpush("log", n).ltrim("log", 0, 99).lrange("log", 0, 0)
                self.assertEqual(pipe.execute()[2], [b"%d" % n])
        self.assertEqual(self.client.lrange("log", 0, -1), [b"%d" % n for n in range(299, 199, -1)])


class RateLimiterTests(Case):
    """A sliding window: a sorted set of the times of requests, in one transaction a request."""

    def allowed(self, r: Any, user: str, now: int, most: int = 10, window: int = 60) -> bool:
        """Whether the user may send a request at that time."""
        with r.pipeline() as pipe:
            pipe.zremrangebyscore(f"rate:{user}", "-inf", now - window)
            pipe.zcard(f"rate:{user}")
            pipe.zadd(f"rate:{user}", {f"{now}:{r.incr('request')}": now})
            pipe.expire(f"rate:{user}", window)
            return bool(pipe.execute()[1] < most)

    def test_window(self) -> None:
        """Ten requests a minute; old ones leave the window one after another."""
        for r in (self.client, self.new(protocol=2)):
            r.flushall()
            self.assertEqual([self.allowed(r, "ann", NOW + n) for n in range(12)], [True] * 10 + [False] * 2)
            self.assertTrue(self.allowed(r, "bob", NOW + 12))
            self.assertFalse(self.allowed(r, "ann", NOW + 59))
            self.assertEqual([self.allowed(r, "ann", NOW + 63 + n) for n in range(2)], [True, True])
            self.assertEqual(r.zrange("rate:ann", 0, 0), [b"%d:6" % (NOW + 5)])
            self.assertTrue(55 < r.ttl("rate:ann") <= 60)

    def test_parallel(self) -> None:
        """A limiter of ten allows exactly ten of forty requests at once."""
        said: list[bool] = []

        def ask() -> None:
            with self.redis.Redis(port=self.server.port) as r:
                said.extend(self.allowed(r, "ann", NOW) for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(said), sum(said)), (40, 10))
