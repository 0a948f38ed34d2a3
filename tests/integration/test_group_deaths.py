"""A group of consumers, whose workers are killed: a delivered entry stays pending, is not lost, and is given to one."""

from __future__ import annotations

import collections
import itertools
import os
import random
import signal
import threading

import redis
import redis.backoff
import redis.retry

from tests.integration.workers import OnWorkers, workers_of

KILLS = int(os.environ.get("REDISTILL_TEST_KILLS", "5"))
CONSUMERS, PRODUCERS = 6, 2


class Jobs:
    """A stream and a group; those who add entries and those who wait for them."""

    def __init__(self, port: int) -> None:
        self.got: dict[bytes, list[bytes]] = collections.defaultdict(list)
        """The consumers that were given an entry as a new one, by its id."""
        self.added: set[bytes] = set()
        self.acknowledged: set[bytes] = set()
        self.doubtful: set[bytes] = set()
        """Entries whose acknowledgement had no reply."""
        self.over = threading.Event()
        self._port = port
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def threads(self) -> list[threading.Thread]:
        """Not started yet."""
        targets = [self._consume] * CONSUMERS + [self._produce] * PRODUCERS
        names = [f"c{n}" for n in range(CONSUMERS)] + [f"p{n}" for n in range(PRODUCERS)]
        return [
            threading.Thread(target=self._again, args=(target, name), daemon=True)
            for target, name in zip(targets, names, strict=True)
        ]

    def _again(self, target: object, name: str) -> None:
        """Connect again after each death."""
        while not self.over.is_set():
            try:
                with redis.Redis(
                    port=self._port,
                    protocol=2,
                    single_connection_client=True,
                    socket_timeout=20,
                    retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
                ) as client:
                    target(client, name)  # type: ignore[operator]
            except redis.RedisError:
                continue

    def _produce(self, client: redis.Redis, name: str) -> None:
        while not self.over.is_set():
            entry = client.xadd("jobs", {"n": next(self._numbers), "by": name})
            with self._lock:
                self.added.add(entry)

    def _consume(self, client: redis.Redis, name: str) -> None:
        """Acknowledge two entries of three."""
        while not self.over.is_set():
            for _, entries in client.xreadgroup("group", name, {"jobs": ">"}, count=2, block=500) or []:
                for entry, _ in entries:
                    with self._lock:
                        self.got[entry].append(name.encode())
                for entry, _ in entries:
                    if hash(entry) % 3 != 0:
                        self.acknowledge(client, entry)

    def acknowledge(self, client: redis.Redis, entry: bytes) -> None:
        """XACK, of which the reply may be lost."""
        with self._lock:
            self.doubtful.add(entry)
        if client.xack("jobs", "group", entry) == 1:
            with self._lock:
                self.acknowledged.add(entry)
        with self._lock:
            self.doubtful.discard(entry)


class DeathTests(OnWorkers):
    """Workers are killed, one after another."""

    def test_random_kills(self) -> None:
        """Each entry that was added is there; each that a consumer got is pending for it, unless it has acknowledged
        it; none was given to two; none that was not delivered is pending."""
        server = self.start(3)
        watch = redis.Redis(
            port=server.port, protocol=2, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 50)
        )
        self.addCleanup(watch.close)
        watch.xgroup_create("jobs", "group", mkstream=True)
        jobs = Jobs(server.port)
        self.addCleanup(jobs.over.set)
        threads = jobs.threads()
        for thread in threads:
            thread.start()
        dice = random.Random(17)
        for _ in range(KILLS):
            self.eventually(lambda: len(workers_of(watch)) == 3, "three workers")
            before = len(jobs.got)
            self.eventually(lambda before=before: len(jobs.got) > before + 20, "entries pass")
            victim = dice.choice(list(workers_of(watch).values()))
            os.kill(victim, signal.SIGKILL)
            self.eventually(lambda gone=victim: gone not in workers_of(watch).values(), "the dead worker is replaced")
            if self.is_lost(watch):
                self.eventually(lambda: "shards emptied" in server.logged(), "the log says so")
                break
        jobs.over.set()
        for thread in threads:
            thread.join(20)
        self.assertFalse([thread for thread in threads if thread.is_alive()])
        self.eventually(lambda: watch.info("clients")["blocked_clients"] == 0, "nobody waits")
        self.assertEqual(watch.execute_command("DEBUG", "CHECK"), b"OK")
        self.assertEqual({len(names) for names in jobs.got.values()}, {1}, "given to two")
        if not self.is_lost(watch):
            self.verify(watch, jobs)

    def is_lost(self, client: redis.Redis) -> bool:
        """Whether the stream was in a shard that was emptied; then those who add entries may have made another one."""
        if client.info("stats")["shards_lost"] == 0:
            return False
        return not client.exists("jobs") or client.xinfo_groups("jobs") == []

    def verify(self, client: redis.Redis, jobs: Jobs) -> None:
        """The stream and the pending entries are what the clients know."""
        entries = {entry for entry, _ in client.xrange("jobs")}
        self.assertEqual(jobs.added - entries, set(), "an entry is lost")
        pending = {
            one["message_id"]: one["consumer"] for one in client.xpending_range("jobs", "group", "-", "+", 10**6)
        }
        (group,) = client.xinfo_groups("jobs")
        last = tuple(map(int, group["last-delivered-id"].split(b"-")))
        self.assertEqual(group["pending"], len(pending))
        self.assertEqual(
            sum(one["pending"] for one in client.xinfo_consumers("jobs", "group")), len(pending), "two have it"
        )
        gone = jobs.acknowledged | jobs.doubtful
        for entry, (name,) in jobs.got.items():
            if entry not in gone:
                self.assertEqual(pending.get(entry), name, "it was delivered and is not pending")
        self.assertEqual(jobs.acknowledged & set(pending), set(), "acknowledged and pending")
        delivered = {entry for entry in entries if tuple(map(int, entry.split(b"-"))) <= last}
        known = set(pending) | gone
        self.assertEqual(delivered - known, set(), "delivered and forgotten")
        self.assertEqual(set(pending) - delivered, set(), "pending and not delivered")
