"""Workers are killed in the middle of long commands, while other clients write: no value is half changed."""

from __future__ import annotations

import itertools
import os
import signal
import threading

import redis
import redis.backoff
import redis.retry

from tests.integration.workers import OnWorkers, workers_of

KILLS = int(os.environ.get("REDISTILL_TEST_KILLS", "4"))
FIELDS = 20_000


class PausedDeathTests(OnWorkers):
    """Two workers serve clients with long commands and others with short ones."""

    def test_kills_in_the_middle_of_long_commands(self) -> None:
        """Each death costs one shard at most, and a hash has all fields of a command or none of them."""
        server = self.start(2)
        over = threading.Event()
        begun = threading.Semaphore(0)

        def client() -> redis.Redis:
            return redis.Redis(
                port=server.port, socket_timeout=20, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0)
            )

        def write_long() -> None:
            fields = {b"field:%d" % i: b"v" * 20 for i in range(FIELDS)}
            for n in itertools.count():
                if over.is_set():
                    return
                begun.release()
                try:
                    with client() as c:
                        c.hset(f"long:{n % 4}", mapping=fields)
                        c.delete(f"long:{n % 4}")
                except redis.RedisError:
                    continue

        def write_short() -> None:
            for n in itertools.count():
                if over.is_set():
                    return
                try:
                    with client() as c:
                        c.set(f"short:{n % 1000}", n)
                except redis.RedisError:
                    continue

        threads = [
            threading.Thread(target=target, daemon=True)
            for target in (write_long, write_long, write_short, write_short)
        ]
        for thread in threads:
            thread.start()
        self.addCleanup(over.set)
        watch = redis.Redis(port=server.port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 50))
        self.addCleanup(watch.close)
        for kill in range(1, KILLS + 1):
            self.eventually(lambda: len(workers_of(watch)) == 2, "two workers")
            victim = list(workers_of(watch).values())[kill % 2]
            while begun.acquire(blocking=False):
                continue
            begun.acquire(timeout=20)
            os.kill(victim, signal.SIGKILL)
            self.eventually(lambda gone=victim: gone not in workers_of(watch).values(), "the dead worker is replaced")
            self.assertEqual(watch.execute_command("DEBUG", "CHECK"), b"OK")
            self.assertLessEqual(watch.info("stats")["shards_lost"], kill)
        over.set()
        for thread in threads:
            thread.join(20)
        for n in range(4):
            self.assertIn(watch.hlen(f"long:{n}"), (0, FIELDS))
