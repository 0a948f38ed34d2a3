"""Messages with the clients and libraries that programs use, each with clients in both of two workers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from tests.integration import servers
from tests.integration.workers import OnWorkers

CLIENTS = 6
"""Subscribers, and publishers: enough for both workers to have some, mostly; the tests hold if not."""


def library(name: str) -> Any:
    """A module that the tests need; without it the test is skipped."""
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        servers.missing(f"{name} is not installed; it comes from PyPI")


class RedisPyTests(OnWorkers):
    """redis-py."""

    def test_threads(self) -> None:
        """PubSub with handlers, in RESP2 and RESP3: `run_in_thread`, names and patterns, the end of a subscription."""
        server = self.start(2)
        publishers = list(self.on_each(server).values())
        for protocol in (2, 3):
            heard: list[tuple[bytes, bytes]] = []
            whole = threading.Event()

            def hear(message: dict[str, Any], heard: Any = heard, whole: Any = whole) -> None:
                heard.append((message["channel"], message["data"]))
                if len(heard) == 3 * CLIENTS:
                    whole.set()

            ones = [self.client(server, protocol=protocol).pubsub() for _ in range(CLIENTS)]
            for one in ones:
                one.subscribe(news=hear)
                one.psubscribe(**{"sport.*": hear})
                self.assertEqual([one.get_message(timeout=20)["data"] for _ in range(2)], [1, 2])
            threads = [one.run_in_thread(sleep_time=0.01) for one in ones]
            self.assertEqual(
                [publishers[0].publish("news", "a"), publishers[1].publish("sport.ski", "b")], [CLIENTS, CLIENTS]
            )
            self.assertEqual(publishers[0].publish("news", "c"), CLIENTS)
            self.assertTrue(whole.wait(20))
            expected = [(b"news", b"a"), (b"sport.ski", b"b"), (b"news", b"c")]
            self.assertEqual(sorted(heard), sorted(CLIENTS * expected))
            for thread in threads:
                thread.stop()
                thread.join(20)
            for one in ones:
                one.close()
            self.eventually(lambda: publishers[0].pubsub_numsub("news")[0][1] == 0, "their connections are closed")

    def test_asyncio(self) -> None:
        """redis.asyncio, in RESP2 and RESP3: each listener gets all messages in the order of their publisher."""
        aio = library("redis.asyncio")
        server = self.start(2)
        self.on_each(server)
        count = 200

        async def listen(one: Any) -> list[bytes]:
            found: list[bytes] = []
            async for message in one.listen():
                if message["type"] in ("message", "pmessage"):
                    found.append(message["data"])
                if len(found) == 2 * count:
                    return found
            raise AssertionError

        async def go(protocol: int) -> None:
            clients = [aio.Redis(port=server.port, protocol=protocol) for _ in range(CLIENTS)]
            ones = []
            for number, client in enumerate(clients):
                one = client.pubsub(ignore_subscribe_messages=True)
                await (one.psubscribe("ch*") if number % 2 else one.subscribe("chat"))
                while await one.get_message(timeout=0.01) is not None:
                    pass
                ones.append(one)
            while (await clients[0].pubsub_numsub("chat"))[0][1] + await clients[0].pubsub_numpat() < CLIENTS // 2 + 1:
                pass
            listeners = [asyncio.ensure_future(listen(one)) for one in ones]
            for i in range(count):
                counted = await asyncio.gather(*(clients[by].publish("chat", f"{by} {i}") for by in (0, 1)))
                self.assertEqual(counted, [CLIENTS, CLIENTS])
            for found in await asyncio.wait_for(asyncio.gather(*listeners), 20):
                for by in (0, 1):
                    mine = [int(text.split()[1]) for text in found if text.startswith(b"%d " % by)]
                    self.assertEqual(mine, list(range(count)))
            for one in ones:
                await one.unsubscribe()
                await one.punsubscribe()
                await one.aclose()
            for client in clients:
                await client.aclose()

        for protocol in (2, 3):
            asyncio.run(go(protocol))


class CeleryTests(OnWorkers):
    """Celery's result backend: a result is a SETEX and a PUBLISH in one transaction."""

    def test_results(self) -> None:
        """Who waits for a task's result is told by a message, whichever worker its producer has."""
        celery = library("celery")
        server = self.start(2)
        self.on_each(server)
        backend = f"redis://127.0.0.1:{server.port}/0"
        waiting = celery.Celery("waits", broker="memory://", backend=backend)
        doing = [celery.Celery(f"does{i}", broker="memory://", backend=backend) for i in range(CLIENTS)]
        results = [waiting.AsyncResult(f"task-{i}") for i in range(60)]
        for result in results:
            waiting.backend.add_pending_result(result)

        def work() -> None:
            for i, result in enumerate(results):
                doing[i % CLIENTS].backend.store_result(result.id, {"square": i * i}, "SUCCESS")

        worker = threading.Thread(target=work)
        worker.start()
        self.assertEqual([result.get(timeout=20)["square"] for result in results], [i * i for i in range(60)])
        worker.join()
        failed = waiting.AsyncResult("bad")
        waiting.backend.add_pending_result(failed)
        doing[0].backend.store_result(failed.id, ValueError("no"), "FAILURE")
        with self.assertRaises(ValueError):
            failed.get(timeout=20)
        results[0].forget()
        self.assertEqual(waiting.AsyncResult("task-0").state, "PENDING")


class ChannelsTests(OnWorkers):
    """Django Channels' layer over publish/subscribe, channels_redis.pubsub."""

    def test_layer(self) -> None:
        """Messages to a channel, and to groups whose members are in several processes' layers."""
        pubsub = library("channels_redis.pubsub")
        server = self.start(2)
        self.on_each(server)

        async def go() -> None:
            hosts = [f"redis://127.0.0.1:{server.port}/0"]
            layers = [pubsub.RedisPubSubChannelLayer(hosts=hosts) for _ in range(CLIENTS)]
            names = [await layer.new_channel() for layer in layers]
            for layer, name in zip(layers, names, strict=True):
                await layer.group_add("room", name)
            for number, layer in enumerate(layers):
                await layer.send(names[number - 1], {"type": "direct", "from": number})
                self.assertEqual(
                    await asyncio.wait_for(layers[number - 1].receive(names[number - 1]), 20),
                    {"type": "direct", "from": number},
                )
            for i in range(50):
                await layers[i % CLIENTS].group_send("room", {"type": "chat", "number": i})
            for layer, name in zip(layers, names, strict=True):
                found = sorted([(await asyncio.wait_for(layer.receive(name), 20))["number"] for _ in range(50)])
                self.assertEqual(found, list(range(50)))
            await layers[0].group_discard("room", names[0])
            await layers[1].group_send("room", {"type": "chat", "number": 50})
            self.assertEqual((await asyncio.wait_for(layers[2].receive(names[2]), 20))["number"], 50)
            await layers[1].send(names[0], {"type": "last"})
            self.assertEqual(await asyncio.wait_for(layers[0].receive(names[0]), 20), {"type": "last"})
            for layer in layers:
                await layer.flush()

        asyncio.run(go())
