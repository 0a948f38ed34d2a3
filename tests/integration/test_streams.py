"""Streams with redis-py, also asyncio's: consumers of groups on all workers, whose workers die, and readers at a reload."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio

from tests.integration.workers import OnWorkers, workers_of

ENTRIES = 200


class StreamTests(OnWorkers):
    """As applications use them."""

    def consume(self, client: redis.Redis, name: str, got: collections.Counter[bytes]) -> None:
        """Read what the group has for this consumer, until an entry says that it is over."""
        while True:
            found = client.xreadgroup("group", name, {"jobs": ">"}, count=3, block=0)
            for entry, fields in found[b"jobs"][0] if isinstance(found, dict) else found[0][1]:
                self.assertEqual(client.xack("jobs", "group", entry), 1)
                if b"over" in fields:
                    return
                got[fields[b"n"]] += 1

    def together(self, targets: list[Callable[[], Any]], meanwhile: Callable[[], Any]) -> None:
        """Run functions in threads; what they raise fails the test."""
        problems: list[BaseException] = []

        def run(target: Callable[[], Any]) -> None:
            try:
                target()
            except BaseException as problem:
                problems.append(problem)

        threads = [threading.Thread(target=run, args=(target,), daemon=True) for target in targets]
        for thread in threads:
            thread.start()
        try:
            meanwhile()
        finally:
            self.assertEqual(problems, [])
        for thread in threads:
            thread.join(20)
        self.assertEqual(problems, [])
        self.assertFalse([thread for thread in threads if thread.is_alive()])

    def consumers(self, workers: int) -> None:
        """Six consumers of one group."""
        server = self.start(workers)
        each = self.on_each(server, workers)
        each[0].xgroup_create("jobs", "group", id="0", mkstream=True)
        got: collections.Counter[bytes] = collections.Counter()
        clients = [self.client(server, protocol=2 + n % 2, legacy_responses=True) for n in range(6)]

        def counts() -> tuple[int, int, int]:
            (group,) = each[0].xinfo_groups("jobs")
            return group["lag"], group["entries-read"], group["pending"]

        def produce() -> None:
            for n in range(ENTRIES):
                each[n % workers].xadd("jobs", {"n": n})
            for n in range(6):  # one after another: a consumer that reads two of them acknowledges one
                each[0].xadd("jobs", {"over": 1})
                self.eventually(lambda n=n: counts() == (0, ENTRIES + n + 1, 0), "all is done")

        consumers = [lambda n=n, client=client: self.consume(client, f"c{n}", got) for n, client in enumerate(clients)]
        self.together(consumers, produce)
        self.assertEqual(got, collections.Counter(str(n).encode() for n in range(ENTRIES)))

    def test_consumers_of_one_worker(self) -> None:
        """Each entry is delivered to one consumer, in RESP2 and RESP3; nothing stays pending."""
        self.consumers(1)

    def test_consumers_of_two_workers(self) -> None:
        """The same across workers."""
        self.consumers(2)

    def test_worker_that_dies(self) -> None:
        """Entries that a dead worker has delivered stay pending, and another consumer claims them."""
        server = self.start()
        each = self.on_each(server)
        pids = workers_of(each[0])
        each[0].xgroup_create("jobs", "group", id="0", mkstream=True)
        ids = [each[0].xadd("jobs", {"n": n}) for n in range(10)]
        each[1].xreadgroup("group", "lost", {"jobs": ">"}, count=7)
        os.kill(pids[1], signal.SIGKILL)
        self.eventually(lambda: workers_of(each[0]).get(1, pids[1]) != pids[1], "a new worker")
        self.assertEqual(
            [entry["message_id"] for entry in each[0].xpending_range("jobs", "group", "-", "+", 99)], ids[:7]
        )
        ((_, rest),) = each[0].xreadgroup("group", "alive", {"jobs": ">"})
        self.assertEqual([entry for entry, _ in rest], ids[7:])
        _, claimed, deleted = each[0].xautoclaim("jobs", "group", "alive", 0)
        self.assertEqual(([entry for entry, _ in claimed], deleted), (ids, []))
        self.assertEqual(each[0].xack("jobs", "group", *ids), 10)

    def test_reload(self) -> None:
        """Readers that wait go on waiting, for what comes after the beginning of their wait."""
        server = self.start()
        each = self.on_each(server)
        each[0].xadd("s", {"n": 0})
        each[0].xgroup_create("s", "group", id="$")
        got: list[Any] = []
        readers = [self.client(server) for _ in range(4)]

        def add() -> None:
            self.eventually(lambda: each[0].info("clients")["blocked_clients"] == 5, "all wait")
            server.process.send_signal(signal.SIGHUP)
            self.eventually(lambda: "all workers were replaced" in server.logged(), "all workers are replaced")
            self.assertEqual(each[0].info("clients")["blocked_clients"], 5)
            each[1].xadd("s", {"n": 1})

        consumer = self.client(server)
        self.together(
            [
                *(lambda client=client: got.append(client.xread({"s": "$"}, block=0)) for client in readers),
                lambda: got.append(consumer.xreadgroup("group", "c", {"s": ">"}, block=0)),
            ],
            add,
        )
        self.assertEqual([[fields for _, fields in found[0][1]] for found in got], [[{b"n": b"1"}]] * 5)

    def test_asyncio(self) -> None:
        """A task that waits for two streams, and one that gives up."""
        server = self.start()

        async def run() -> None:
            async with (
                redis.asyncio.Redis(port=server.port, socket_timeout=20) as reader,
                redis.asyncio.Redis(port=server.port) as writer,
            ):
                self.assertFalse(await reader.xread({"a": "$"}, block=10))
                waiting = asyncio.ensure_future(reader.xread({"a": "$", "b": "$"}, block=0))
                while (await writer.info("clients"))["blocked_clients"] == 0:
                    await asyncio.sleep(0)
                entry = await writer.xadd("b", {"f": "v"})
                self.assertEqual(await waiting, [[b"b", [(entry, {b"f": b"v"})]]])
                waiting = asyncio.ensure_future(reader.xread({"a": "$"}, block=0))
                while (await writer.info("clients"))["blocked_clients"] == 0:
                    await asyncio.sleep(0)
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting

        asyncio.run(run())
