"""Queues: clients and job libraries that wait for elements with BLPOP and its kin, against two workers.

SAQ and channels_redis also send scripts, so their loops stand here as the commands that they send. Celery's worker
needs them, too: kombu releases a lock by one.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import redis
import redis.asyncio

from tests.integration import servers
from tests.integration.workers import OnWorkers

JOBS = 60


class Case(OnWorkers):
    """A server, and threads that wait at it."""

    def setUp(self) -> None:
        self.server = self.start()
        self.url = f"redis://127.0.0.1:{self.server.port}/0"
        self.main = self.client(self.server)
        self.problems: list[BaseException] = []

    @contextlib.contextmanager
    def threads(self, *targets: Callable[[], object]) -> Iterator[None]:
        """Run functions beside the test; they end with the block, and what they raise fails the test."""

        def run(target: Callable[[], object]) -> None:
            try:
                target()
            except BaseException as problem:
                self.problems.append(problem)

        running = [threading.Thread(target=run, args=(target,), daemon=True) for target in targets]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            for thread in running:
                thread.join(20)
        self.assertEqual(self.problems, [])
        self.assertFalse([thread for thread in running if thread.is_alive()])

    def blocked(self, count: int) -> None:
        """Wait until so many clients are blocked."""
        self.eventually(lambda: self.main.info("clients")["blocked_clients"] == count, f"{count} clients wait")


class RedisPyTests(Case):
    """redis-py"""

    def test_consumers_of_every_worker(self) -> None:
        """Each job reaches one consumer, whichever worker serves it, in RESP2 and RESP3; a stop word ends each."""
        got: collections.Counter[bytes] = collections.Counter()

        def consume(protocol: int) -> None:
            client = self.client(self.server, protocol=protocol)
            while True:
                found = client.blpop(["urgent", "jobs"], timeout=0)
                if found[1] == b"stop":
                    return
                got[found[1]] += 1

        with self.threads(*(lambda protocol=protocol: consume(protocol) for protocol in (2, 3) * 4)):
            self.blocked(8)
            producers = self.on_each(self.server)
            for n in range(JOBS):
                producers[n % 2].rpush("urgent" if n % 3 else "jobs", f"job {n}")
            for _ in range(8):
                self.main.rpush("jobs", "stop")
        self.assertEqual(got, collections.Counter(f"job {n}".encode() for n in range(JOBS)))

    def test_timeouts(self) -> None:
        """A wait in vain ends at its time, also within a second, with the command's null."""
        for protocol in (2, 3):
            client = self.client(self.server, protocol=protocol)
            waits: list[tuple[Callable[[], Any], float]] = [
                (lambda client=client: client.blpop("none", timeout=0.05), 0.05),
                (lambda client=client: client.brpop(["none", "nil"], timeout=0.3), 0.3),
                (lambda client=client: client.blmove("none", "other", 0.1), 0.1),
                (lambda client=client: client.brpoplpush("none", "other", 1), 1),
                (lambda client=client: client.bzpopmin("none", timeout=0.1), 0.1),
                (lambda client=client: client.blmpop(0.1, 1, "none", direction="LEFT"), 0.1),
                (lambda client=client: client.bzmpop(0.1, 1, ["none"], max=True), 0.1),
            ]
            for wait, seconds in waits:
                began = time.monotonic()
                self.assertIsNone(wait())
                self.assertGreaterEqual(time.monotonic() - began, seconds)

    def test_asyncio(self) -> None:
        """Many waiting coroutines are served in the order in which they came."""

        async def run() -> list[bytes]:
            client = redis.asyncio.Redis(port=self.server.port)
            order: list[bytes] = []

            async def one(n: int) -> None:
                found = await client.blpop("jobs", timeout=20)
                order.append(b"%d:%s" % (n, found[1]))

            waiting = []
            for n in range(20):
                waiting.append(asyncio.create_task(one(n)))
                while (await client.info("clients"))["blocked_clients"] != n + 1:
                    await asyncio.sleep(0.001)
            for n in range(20):
                await client.rpush("jobs", f"{n}")
            await asyncio.gather(*waiting)
            await client.aclose()
            return order

        self.assertEqual(sorted(asyncio.run(run())), sorted(b"%d:%d" % (n, n) for n in range(20)))


class LoopTests(Case):
    """The loops of libraries that need scripts besides, as the commands that they send"""

    def test_saq(self) -> None:
        """SAQ's dequeue: BLMOVE from the queue to the list of active jobs, with a timeout, and LREM when it is done."""
        done: collections.Counter[bytes] = collections.Counter()

        async def work(client: Any) -> None:
            while sum(done.values()) < JOBS:
                job = await client.blmove("saq:queued", "saq:active", 0.2, "LEFT", "RIGHT")
                if job is not None:
                    done[job] += 1
                    assert await client.lrem("saq:active", 0, job) == 1

        async def run() -> None:
            clients = [redis.asyncio.Redis(port=self.server.port) for _ in range(6)]
            working = [asyncio.create_task(work(client)) for client in clients]
            producer = redis.asyncio.Redis(port=self.server.port)
            for n in range(JOBS):
                await producer.rpush("saq:queued", f"saq:job:{n}")
            await asyncio.gather(*working)
            for client in (*clients, producer):
                await client.aclose()

        asyncio.run(run())
        self.assertEqual(done, collections.Counter(f"saq:job:{n}".encode() for n in range(JOBS)))
        self.assertEqual(self.main.exists("saq:queued", "saq:active"), 0)

    def test_channels_redis(self) -> None:
        """channels_redis: receivers wait with BZPOPMIN for messages, whose scores are times; each keeps what it got in
        a sorted set until it is done."""

        async def receive(client: Any, channel: str, messages: list[bytes]) -> None:
            while True:
                found = await client.bzpopmin(channel, timeout=5)
                if found is None or found[1] == b"end":
                    return
                await client.zadd(channel + "$inflight", {found[1]: found[2]})
                messages.append(found[1])
                await client.zrem(channel + "$inflight", found[1])

        async def run() -> list[list[bytes]]:
            client = redis.asyncio.Redis(port=self.server.port)
            got: list[list[bytes]] = [[] for _ in range(6)]
            channels = [f"asgi:specific.{n}!" for n in range(6)]
            receiving = [
                asyncio.create_task(receive(client, channel, messages))
                for channel, messages in zip(channels, got, strict=True)
            ]
            for n in range(20):
                for channel in channels:
                    await client.zadd(channel, {f"{n}": n})
            for channel in channels:
                await client.zadd(channel, {"end": 1000})
            await asyncio.gather(*receiving)
            await client.aclose()
            return got

        self.assertEqual(asyncio.run(run()), [[b"%d" % n for n in range(20)]] * 6)


class KombuTests(Case):
    """kombu with its transport over Redis"""

    def setUp(self) -> None:
        super().setUp()
        try:
            import kombu
        except ImportError:
            servers.missing("kombu is not installed; it comes from PyPI")
        self.kombu: Any = kombu

    def test_several_queues(self) -> None:
        """A consumer waits for several queues with one BRPOP; messages of two producers arrive once each, and are
        acknowledged."""
        got: collections.Counter[str] = collections.Counter()
        queues = [self.kombu.Queue(name, routing_key=name) for name in ("images", "mails", "reports")]

        def consume() -> None:
            with self.kombu.Connection(self.url) as connection:

                def received(body: dict[str, str], message: Any) -> None:
                    got[body["name"]] += 1
                    message.ack()

                with connection.Consumer(queues, callbacks=[received], accept=["json"]):
                    while got["stop"] == 0:
                        connection.drain_events(timeout=20)

        def produce(name: str) -> None:
            with self.kombu.Connection(self.url) as connection:
                producer = connection.Producer()
                for n in range(JOBS):
                    queue = queues[n % 3]
                    producer.publish({"name": f"{name} {n}"}, routing_key=queue.name, declare=[queue])

        with self.threads(consume):
            self.blocked(1)
            with self.threads(lambda: produce("a"), lambda: produce("b")):
                pass
            self.eventually(lambda: sum(got.values()) == 2 * JOBS, "all messages are there")
            with self.kombu.Connection(self.url) as connection:
                connection.Producer().publish({"name": "stop"}, routing_key="mails", declare=queues)
        self.assertEqual(sum(got.values()), 2 * JOBS + 1)
        self.assertEqual(max(got.values()), 1)
        self.assertEqual(self.main.exists("unacked", "images", "mails", "reports"), 0)


class HueyTests(Case):
    """huey"""

    def test_tasks(self) -> None:
        """Consumers wait for tasks (BRPOP; BZPOPMIN with priorities), and the caller for results."""
        try:
            import huey
        except ImportError:
            servers.missing("huey is not installed; it comes from PyPI")
        for number, kind in enumerate((huey.RedisHuey, huey.PriorityRedisHuey)):
            app = kind(f"app{number}", url=self.url, blocking=True, read_timeout=1)

            @app.task()  # type: ignore[untyped-decorator]
            def double(n: int) -> int:
                return 2 * n

            done = threading.Event()

            def work(app: Any = app, done: threading.Event = done) -> None:
                while not done.is_set():
                    task = app.dequeue()
                    if task is not None:
                        app.execute(task)

            with self.threads(work, work, work):
                self.blocked(3)
                results = [double(n) for n in range(JOBS)]
                self.assertEqual([one.get(blocking=True, timeout=20) for one in results], [2 * n for n in range(JOBS)])
                done.set()
