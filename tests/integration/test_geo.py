"""Many places on two workers that are killed and reloaded."""

from __future__ import annotations

import math
import os
import random
import signal
import threading
from collections.abc import Iterator

import redis
import redis.backoff
import redis.retry

from tests.integration import servers
from tests.integration.workers import CONFIG, OnWorkers, workers_of

PLACES = int(os.environ.get("REDISTILL_TEST_PLACES", "20000"))
KILLS = int(os.environ.get("REDISTILL_TEST_KILLS", "5"))
BATCH = 500
EARTH = 6372797.560856


def distance(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Metres between two places."""
    lon1, lat1, lon2, lat2 = (math.radians(x) for x in (*one, *two))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH * math.asin(math.sqrt(half))


class GeoTests(OnWorkers):
    """One sorted set."""

    def place(self, number: int) -> tuple[float, float]:
        """The place of a member; a quarter of them are in one town."""
        chance = random.Random(number)
        if number % 4 == 0:
            return 13.4 + chance.uniform(-0.2, 0.2), 52.5 + chance.uniform(-0.1, 0.1)
        return chance.uniform(-180, 180), chance.uniform(-85, 85)

    def requests(self) -> Iterator[list[object]]:
        """The arguments of GEOADD."""
        for first in range(0, PLACES, BATCH):
            found: list[object] = ["k"]
            for number in range(first, min(first + BATCH, PLACES)):
                found += (*self.place(number), f"m{number}")
            yield found

    def patient(self, server: servers.Server) -> redis.Redis:
        """A client that connects again when its worker has died."""
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 200)
        client = redis.Redis(port=server.port, socket_timeout=60, retry=retry)
        self.addCleanup(client.close)
        return client

    def check(self, client: redis.Redis) -> None:
        """Members are where they were put, and searches find all that is near."""
        chance = random.Random(1)
        some = [chance.randrange(PLACES) for _ in range(200)]
        for number, found in zip(some, client.geopos("k", *(f"m{number}" for number in some)), strict=True):
            self.assertLess(distance(found, self.place(number)), 1)
        for number in some[:5]:
            metres = 2000.0 if number % 4 == 0 else 300_000.0
            metres /= math.sqrt(max(1, PLACES / 100_000))
            said = client.geosearch("k", member=f"m{number}", radius=metres, withdist=True, sort="ASC")
            there = client.geopos("k", f"m{number}")[0]
            near = {
                b"m%d" % other
                for other in range(min(PLACES, 100_000))
                if distance(self.place(other), there) < metres - 2
            }
            self.assertEqual(near - {name for name, _ in said}, set())
            self.assertEqual([one for one in said if one[1] > metres], [])
            self.assertEqual([one[1] for one in said], sorted(one[1] for one in said))

    def test_kills_and_a_reload(self) -> None:
        """Workers die while they search, and while they store results: nothing of the set is lost, since they do not
        change it; and a reload keeps it."""
        memory = 64 + PLACES * 160 // 2**20
        server = servers.redistill(CONFIG.format(workers=2).replace("64mb", f"{memory}mb"), tcp=True)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        client = self.patient(server)
        for arguments in self.requests():
            client.execute_command("GEOADD", *arguments)
        self.assertEqual(client.zcard("k"), PLACES)
        self.check(client)
        over = threading.Event()
        done = [0, 0]

        def search(number: int) -> None:
            own = self.patient(server)
            chance = random.Random(number)
            while not over.is_set():
                member = f"m{chance.randrange(PLACES)}"
                own.geosearch("k", member=member, radius=200, unit="km", count=100)
                own.geosearchstore(f"result {number}", "k", member=member, radius=50, unit="km", count=1000)
                done[number] += 1

        threads = [threading.Thread(target=search, args=(number,), daemon=True) for number in range(2)]
        for thread in threads:
            thread.start()
        self.addCleanup(over.set)
        for kill in range(KILLS):
            self.eventually(lambda: len(workers_of(client)) == 2, "two workers")
            before = sum(done)
            self.eventually(lambda before=before: sum(done) > before + 5, "they search")
            victim = workers_of(client)[kill % 2]
            os.kill(victim, signal.SIGKILL)
            self.eventually(lambda gone=victim: gone not in workers_of(client).values(), "the dead one is replaced")
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "all workers were replaced" in server.logged(), "all workers are replaced", 60)
        over.set()
        for thread in threads:
            thread.join(60)
        self.assertFalse([thread for thread in threads if thread.is_alive()])
        self.assertEqual(client.zcard("k"), PLACES)
        self.check(client)
        self.assertEqual(client.execute_command("DEBUG", "CHECK"), b"OK")
