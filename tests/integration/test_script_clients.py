"""Libraries that send scripts: locks, rate limiters, caches and queues of jobs, against one worker and against two."""

from __future__ import annotations

import threading
from typing import Any

import redis

from tests.integration import servers
from tests.integration.workers import OnWorkers


def need(name: str) -> Any:
    """The module of a package from PyPI."""
    try:
        return __import__(name, fromlist=["*"])
    except ImportError:
        return servers.missing(f"{name} is not installed; it comes from PyPI")


class OneWorkerTests(OnWorkers):
    """One worker."""

    WORKERS = 1

    def setUp(self) -> None:
        self.server = self.start(self.WORKERS)
        self.url = f"redis://127.0.0.1:{self.server.port}/0"
        self.main = self.client(self.server)
        self.other = self.client(self.server)

    def test_redis_py_lock(self) -> None:
        """A lock belongs to who took it; it can be given more time, and a stranger cannot release it."""
        for client, other in ((self.main, self.other), (self.client(self.server, protocol=3), self.other)):
            lock, second = client.lock("lock", timeout=30), other.lock("lock", timeout=30)
            self.assertTrue(lock.acquire(blocking=False))
            self.assertFalse(second.acquire(blocking=False))
            self.assertTrue(lock.extend(30) and client.ttl("lock") > 30)
            self.assertTrue(lock.extend(10, replace_ttl=True) and client.ttl("lock") <= 10)
            self.assertTrue(lock.reacquire() and client.ttl("lock") > 20)
            for wrong in (second.release, second.reacquire):
                second.local.token = b"a guess"
                with self.assertRaises(redis.exceptions.LockNotOwnedError):
                    wrong()
            lock.release()
            self.assertTrue(second.acquire(blocking=False))
            second.release()

    def test_register_script(self) -> None:
        """A registered script is loaded when the server has not got it, in a pipeline too, and after SCRIPT FLUSH."""
        script = self.main.register_script("return {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}")
        self.assertEqual(script(keys=["n"], args=[2, "a"]), [2, b"a"])
        self.main.script_flush()
        self.assertEqual(script(keys=["n"], args=[3, b"\x00\xff"], client=self.other), [5, b"\x00\xff"])
        self.main.script_flush()
        pipe = self.other.pipeline()
        pipe.set("x", 1)
        script(keys=["n"], args=[1, ""], client=pipe)
        self.assertEqual(pipe.execute(), [True, [6, b""]])

    def test_python_redis_lock(self) -> None:
        """One waits for another's lock, is woken by its release, and a lost lock is noticed."""
        redis_lock = need("redis_lock")
        lock, second = redis_lock.Lock(self.main, "l", expire=60), redis_lock.Lock(self.other, "l", expire=60)
        self.assertTrue(lock.acquire())
        self.assertFalse(second.acquire(blocking=False))
        taken: list[bool] = []
        waiting = threading.Thread(target=lambda: taken.append(second.acquire(timeout=20)))
        waiting.start()
        self.eventually(lambda: self.client(self.server).info("clients")["blocked_clients"] == 1, "one waits")
        lock.extend(50)
        lock.release()
        waiting.join(30)
        self.assertEqual(taken, [True])
        with self.assertRaises(redis_lock.NotAcquired):
            lock.release()
        second.release()
        with redis_lock.Lock(self.main, "m", expire=10, auto_renewal=True):
            self.assertTrue(redis_lock.Lock(self.other, "m").locked())
        redis_lock.reset_all(self.main)

    def test_limits(self) -> None:
        """All strategies of limits let through what they should, and count it."""
        limits = need("limits")
        strategies, storage = need("limits.strategies"), need("limits.storage").storage_from_string(self.url)
        self.assertTrue(storage.check())
        item = limits.parse("5/hour")
        for strategy in (
            strategies.FixedWindowRateLimiter,
            strategies.MovingWindowRateLimiter,
            strategies.SlidingWindowCounterRateLimiter,
        ):
            limiter, name = strategy(storage), strategy.__name__
            self.assertEqual([limiter.hit(item, name) for _ in range(7)], [True] * 5 + [False] * 2, name)
            self.assertEqual(limiter.get_window_stats(item, name).remaining, 0, name)
            self.assertFalse(limiter.test(item, name))
            self.assertTrue(limiter.hit(item, name, "b", cost=3) and not limiter.hit(item, name, "b", cost=3), name)
            limiter.clear(item, name)
            self.assertTrue(limiter.test(item, name), name)
        self.assertGreaterEqual(storage.reset(), 1)

    def test_dogpile(self) -> None:
        """A region with a distributed lock makes a value once."""
        region = (
            need("dogpile.cache")
            .make_region()
            .configure("dogpile.cache.redis", arguments={"url": self.url, "distributed_lock": True, "lock_timeout": 30})
        )
        made: list[int] = []

        def make() -> int:
            made.append(1)
            return 7

        threads = [threading.Thread(target=lambda: region.get_or_create("k", make)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual((region.get("k"), len(made)), (7, 1))

    def test_django_redis(self) -> None:
        """incr keeps a key's lifetime and refuses a key that is missing; lock() is a lock."""
        need("django_redis")
        from django.conf import settings

        if not settings.configured:
            settings.configure()
        cache = need("django_redis.cache").RedisCache(self.url, {})
        self.addCleanup(cache.client.do_close_clients)
        cache.set("n", 5, timeout=100)
        self.assertEqual((cache.incr("n"), cache.incr("n", 10), cache.decr("n", 3)), (6, 16, 13))
        self.assertTrue(90 < cache.ttl("n") <= 100)
        with self.assertRaises(ValueError):
            cache.incr("none")
        self.assertEqual(cache.incr("none", ignore_key_check=True), 1)
        with cache.lock("l", timeout=20):
            self.assertFalse(cache.lock("l", timeout=20).acquire(blocking=False))
        self.assertTrue(cache.lock("l", timeout=20).acquire(blocking=False))

    def test_walrus(self) -> None:
        """Rate limit, lock, and containers that walrus changes by scripts."""
        walrus = need("walrus")
        database = walrus.Walrus(port=self.server.port)
        self.addCleanup(database.close)
        limit = database.rate_limit("r", limit=3, per=3600)
        self.assertEqual([limit.limit("me") for _ in range(5)], [False] * 3 + [True] * 2)
        for lock in (database.lock("l", ttl=20000), database.lock("m")):
            self.assertTrue(lock.acquire(block=False))
            other = database.lock(lock.name, ttl=lock.ttl, lock_id="other")
            self.assertFalse(other.acquire(block=False))
            self.assertTrue(lock.release())
        array = database.Array("a")
        array.extend(["x", "y", "z"])
        self.assertEqual((array[1], len(array), array.pop(0), list(array)), (b"y", 3, b"x", [b"y", b"z"]))

    def test_celery(self) -> None:
        """Tasks run and give results, with retries and a chord."""
        celery = need("celery")
        need("kombu")
        from celery.contrib.testing.worker import start_worker

        app = celery.Celery("app", broker=self.url, backend=self.url)
        app.conf.update(
            broker_connection_retry_on_startup=True,
            worker_hijack_root_logger=False,
            # Results that are collected when the server is gone are not waited for.
            result_backend_transport_options={
                "retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
            },
        )

        @app.task(name="add")  # type: ignore[untyped-decorator]
        def add(a: int, b: int) -> int:
            return a + b

        @app.task(name="total")  # type: ignore[untyped-decorator]
        def total(values: list[int]) -> int:
            return sum(values)

        @app.task(bind=True, name="again")  # type: ignore[untyped-decorator]
        def again(self: Any) -> int:
            if self.request.retries < 2:
                raise self.retry(countdown=0)
            return int(self.request.retries)

        with start_worker(app, perform_ping_check=False, concurrency=2, pool="threads"):
            sums = [add.delay(n, 1) for n in range(10)]
            self.assertEqual([one.get(timeout=30) for one in sums], list(range(1, 11)))
            retried = again.delay()
            self.assertEqual(retried.get(timeout=30), 2)
            chord = celery.chord([add.s(n, n) for n in range(10)])(total.s())
            self.assertEqual(chord.get(timeout=30), 90)
            for result in (*sums, retried, chord, chord.parent):
                result.forget()  # before the server is gone: afterwards it would be tried again and again
        app.close()

    def test_rq(self) -> None:
        """Jobs run in a burst, with a dependent one, a failed one and a scheduled registry."""
        rq = need("rq")
        queue = rq.Queue(connection=self.main)
        first = queue.enqueue("operator.add", 1, 2)
        later = queue.enqueue("operator.mul", 3, 4, depends_on=first)
        bad = queue.enqueue("operator.truediv", 1, 0)
        rq.SimpleWorker([queue], connection=self.main).work(burst=True, logging_level="ERROR")
        states = [job.get_status(refresh=True).value for job in (first, later, bad)]
        self.assertEqual(states, ["finished", "finished", "failed"])
        self.assertEqual((first.return_value(), later.return_value()), (3, 12))
        self.assertEqual((len(queue), queue.failed_job_registry.count), (0, 1))

    def test_dramatiq(self) -> None:
        """Actors run, a message is retried, and results come back."""
        dramatiq = need("dramatiq")
        from dramatiq.brokers.redis import RedisBroker
        from dramatiq.results import Results
        from dramatiq.results.backends.redis import RedisBackend

        broker = RedisBroker(url=self.url)
        results = RedisBackend(url=self.url)
        broker.add_middleware(Results(backend=results))
        done: list[int] = []

        @dramatiq.actor(broker=broker, store_results=True, min_backoff=1, max_backoff=1, max_retries=3)  # type: ignore[untyped-decorator]
        def work(n: int) -> int:
            done.append(n)
            if n == 3 and done.count(3) < 2:
                raise ValueError("once")
            return n * 10

        worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=2)
        worker.start()
        try:
            sent = [work.send(n) for n in range(10)]
            self.assertEqual(
                [one.get_result(backend=results, block=True, timeout=30_000) for one in sent],
                [n * 10 for n in range(10)],
            )
            self.assertEqual((len(done), set(done)), (11, set(range(10))))
            broker.join(work.queue_name, timeout=20_000)
        finally:
            worker.stop()
            broker.close()


class TwoWorkersTests(OneWorkerTests):
    """Two workers, between which the libraries' connections are spread."""

    WORKERS = 2
