"""Queues whose consumers block, while workers are killed: no element is given twice, none is lost in silence."""

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

from tests.integration import servers
from tests.integration.workers import OnWorkers, workers_of

KILLS = int(os.environ.get("REDISTILL_TEST_KILLS", "5"))
CONSUMERS, PRODUCERS = 6, 2


class Queue:
    """Elements with unique names, those who push them and those who wait for them."""

    def __init__(self, name: str, server: servers.Server, over: threading.Event) -> None:
        self.name = name
        self.got: collections.Counter[bytes] = collections.Counter()
        self.pushed: set[bytes] = set()
        """Those of which the server has said that it has them."""
        self.broken = 0
        """Connections that ended while a consumer waited: what was sent to each of them, one element, never came."""
        self._server, self._over = server, over
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def threads(self) -> list[threading.Thread]:
        """Not started yet."""
        targets = [self._consume] * CONSUMERS + [self._produce] * PRODUCERS
        return [threading.Thread(target=target, daemon=True) for target in targets]

    def _client(self) -> redis.Redis:
        return redis.Redis(
            port=self._server.port,
            single_connection_client=True,
            socket_timeout=20,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        )

    def _consume(self) -> None:
        while not self._over.is_set():
            try:
                with self._client() as client:
                    while not self._over.is_set():
                        found = self.take(client)
                        if found is not None:
                            with self._lock:
                                self.got[found] += 1
            except redis.RedisError:
                with self._lock:
                    self.broken += 1

    def _produce(self) -> None:
        while not self._over.is_set():
            try:
                with self._client() as client:
                    while not self._over.is_set():
                        element = b"%d" % next(self._numbers)
                        self.put(client, element)
                        self.pushed.add(element)
            except redis.RedisError:
                continue  # nobody knows whether the server has it

    def put(self, client: redis.Redis, element: bytes) -> None:
        """Push an element."""
        client.rpush(self.name, element)

    def take(self, client: redis.Redis) -> bytes | None:
        """Wait for one, for a short time."""
        found = client.blpop([self.name, "nothing"], timeout=0.5)
        return found[1] if found else None

    def left(self, client: redis.Redis) -> list[bytes]:
        """Those in the server."""
        elements: list[bytes] = client.lrange(self.name, 0, -1)
        return elements


class Moves(Queue):
    """Elements go to another list, and stay there."""

    def take(self, client: redis.Redis) -> bytes | None:
        found: bytes | None = client.blmove(self.name, self.name + " done", 0.5, "LEFT", "RIGHT")
        return found

    def left(self, client: redis.Redis) -> list[bytes]:
        elements: list[bytes] = client.lrange(self.name + " done", 0, -1)
        return super().left(client) + elements


class Scores(Queue):
    """A sorted set."""

    def put(self, client: redis.Redis, element: bytes) -> None:
        client.zadd(self.name, {element: int(element)})

    def take(self, client: redis.Redis) -> bytes | None:
        found = client.bzpopmin(self.name, timeout=0.5)
        return found[1] if found else None

    def left(self, client: redis.Redis) -> list[bytes]:
        elements: list[bytes] = client.zrange(self.name, 0, -1)
        return elements


class Places(Scores):
    """Places, which transactions add and BZMPOP takes."""

    def put(self, client: redis.Redis, element: bytes) -> None:
        with client.pipeline() as transaction:
            transaction.geoadd(self.name, (13, 38, element))
            transaction.execute()

    def take(self, client: redis.Redis) -> bytes | None:
        found = client.bzmpop(0.5, 1, [self.name], max=True)
        return found[1][0][0] if found else None


class DeathTests(OnWorkers):
    """Workers are killed, one after another."""

    def test_random_kills(self) -> None:
        """What a consumer gets, no other one gets; what none got is still there, but for the reply that was on its way
        to each connection that ended, and for a shard that the log says is lost. What BLMOVE moved is in its list."""
        server = self.start(3)
        over = threading.Event()
        dice = random.Random(16)
        queues = [Queue("list", server, over), Moves("moves", server, over), Scores("set", server, over)]
        queues.append(Places("places", server, over))
        threads = [thread for queue in queues for thread in queue.threads()]
        for thread in threads:
            thread.start()
        self.addCleanup(over.set)
        watch = redis.Redis(port=server.port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 50))
        self.addCleanup(watch.close)
        for _ in range(KILLS):
            self.eventually(lambda: len(workers_of(watch)) == 3, "three workers")
            before = sum(queue.got.total() for queue in queues)
            self.eventually(lambda before=before: sum(q.got.total() for q in queues) > before + 20, "elements pass")
            victim = dice.choice(list(workers_of(watch).values()))
            os.kill(victim, signal.SIGKILL)
            self.eventually(lambda gone=victim: gone not in workers_of(watch).values(), "the dead worker is replaced")
        over.set()
        for thread in threads:
            thread.join(20)
        self.assertFalse([thread for thread in threads if thread.is_alive()])
        self.eventually(lambda: watch.info("clients")["blocked_clients"] == 0, "nobody waits")
        self.eventually(lambda: watch.info("clients")["total_blocking_keys"] == 0, "no queue is left")
        lost = watch.info("stats")["shards_lost"] > 0
        if lost:
            self.assertIn("shards emptied", server.logged())
        for queue in queues:
            left = queue.left(watch)
            self.assertLessEqual(max(queue.got.values()), 1, f"{queue.name}: given twice")
            missing = queue.pushed - set(queue.got) - set(left)
            if isinstance(queue, Moves):
                missing = queue.pushed - set(left)
                self.assertLessEqual(len(left) - len(set(left)), KILLS, "in both lists")
                self.assertTrue(lost or not missing, f"{queue.name} lost {missing}")
            else:
                self.assertEqual(len(left), len(set(left)))
                self.assertFalse(set(left) & set(queue.got), f"{queue.name}: given, and still there")
                self.assertTrue(lost or len(missing) <= queue.broken, f"{queue.name} lost {missing}")
        self.assertEqual(watch.execute_command("DEBUG", "CHECK"), b"OK")
