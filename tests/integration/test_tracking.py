"""Client-side caching with real workers: redis-py's cache, a reload, a worker that is killed, eviction."""

from __future__ import annotations

import os
import signal

import redis
from redis.cache import CacheConfig

from tests.integration.test_pubsub import Subscriber
from tests.integration.workers import OnWorkers, workers_of

EVERYTHING = b">2\r\n$10\r\ninvalidate\r\n_\r\n"


def key(name: bytes) -> bytes:
    """The message that a key is invalid."""
    return b">2\r\n$10\r\ninvalidate\r\n*1\r\n$%d\r\n%s\r\n" % (len(name), name)


class TrackingTests(OnWorkers):
    """Two workers."""

    def test_redis_py_caches(self) -> None:
        """redis-py's cache answers without the server until another client, of any worker, changes the key."""
        server = self.start()
        clients = []
        for _ in range(6):
            one = redis.Redis(port=server.port, protocol=3, cache_config=CacheConfig(max_size=100), socket_timeout=20)
            self.addCleanup(one.close)
            clients.append(one)
        writers = self.on_each(server)
        for number, writer in writers.items():
            writer.set("k", f"value {number}")
            for client in clients:
                self.eventually(
                    lambda client=client, number=number: client.get("k") == b"value %d" % number, "it hears"
                )
                self.assertEqual(client.get_cache().size, 1)
                self.assertEqual(client.get("k"), b"value %d" % number)

    def test_each_worker_tells_the_other(self) -> None:
        """A write, a transaction, a flush and an expiry in one worker reach the clients of the other."""
        server = self.start()
        readers = Subscriber.on_each(server, b"CLIENT TRACKING ON")
        for number, writer in self.on_each(server).items():
            reader = readers[1 - number]
            reader.send(b"GET k")
            writer.set("k", 1)
            reader.read_until(key(b"k"))
            reader.send(b"MGET k other")
            with writer.pipeline() as several:
                several.incr("k").incr("other").execute()
            reader.read_until(key(b"k") + key(b"other"))
            writer.set("k", 1, px=20)
            reader.send(b"GET k")
            reader.read_until(key(b"k"))
            writer.flushall()
            reader.read_until(EVERYTHING)

    def test_a_reload_and_a_death_leave_nothing_stale(self) -> None:
        """After a reload clients track as before, and have forgotten all; so they do when a worker was killed."""
        server = self.start()
        readers = Subscriber.on_each(server, b"CLIENT TRACKING ON BCAST PREFIX k")
        before = set(workers_of(self.client(server)).values())
        os.kill(server.pid, signal.SIGHUP)
        for reader in readers.values():
            reader.read_until(EVERYTHING)
        self.eventually(lambda: before.isdisjoint(workers_of(self.client(server)).values()), "new workers")
        for reader in readers.values():
            reader.send(b"PING")
        self.client(server).set("k", 1)
        for reader in readers.values():
            reader.read_until(key(b"k"))
        survivors = Subscriber.on_each(server, b"CLIENT TRACKING ON", b"GET x")
        os.kill(workers_of(self.client(server))[0], signal.SIGKILL)
        survivors[1].read_until(EVERYTHING)

    def test_a_redirected_client_of_another_worker(self) -> None:
        """REDIRECT finds its client in any worker, and says so when it has gone."""
        server = self.start()
        readers = Subscriber.on_each(server)
        targets = self.on_each(server)
        for number, reader in readers.items():
            target = redis.Redis(port=server.port, single_connection_client=True, socket_timeout=20)
            while target.info("server")["worker_number"] == number:
                target.close()
                target = redis.Redis(port=server.port, single_connection_client=True, socket_timeout=20)
            self.addCleanup(target.close)
            listener = target.pubsub()
            identity = target.client_id()
            reader.send(b"CLIENT TRACKING ON REDIRECT %d" % identity, b"GET k")
            targets[number].set("k", 1)
            self.assertEqual(reader.data, b"")
            listener.close()
            target.close()
            self.eventually(lambda: not targets[0].client_list(client_id=[identity]), "it has gone")  # noqa: B023
            reader.send(b"GET k")
            targets[number].set("k", 2)
            reader.read_until(b"tracking-redir-broken\r\n:%d\r\n" % identity)

    def test_eviction_does_not_feed_itself(self) -> None:
        """Twenty clients hear of all changes while the cache evicts: keys stay, and memory stays in its bounds."""
        server = self.start()
        readers = [Subscriber(server, b"CLIENT TRACKING ON BCAST") for _ in range(20)]
        writer = self.client(server)
        writer.config_set("maxmemory", 24 << 20)
        writer.config_set("maxmemory-policy", "allkeys-lru")
        for first in range(0, 20000, 500):
            with writer.pipeline(transaction=False) as several:
                for i in range(first, first + 500):
                    several.set(f"key:{i}", b"x" * 1000)
                several.execute()
            for reader in readers:
                reader.send()
        self.assertGreater(writer.info("stats")["evicted_keys"], 0)
        self.assertGreater(writer.dbsize(), 12000)
        self.assertLessEqual(writer.info("memory")["used_memory"], 24 << 20)
        self.assertEqual(writer.info("clients")["tracking_clients"], 20)
