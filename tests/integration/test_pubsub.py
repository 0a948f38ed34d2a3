"""Publish/subscribe with real workers: exact counts, order, slow subscribers, permissions, deaths."""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import socket
import threading

import redis
import redis.backoff
import redis.retry

from tests.integration import servers
from tests.integration.workers import OnWorkers, workers_of

KILLS = int(os.environ.get("REDISTILL_TEST_KILLS", "3"))
RELOADS = int(os.environ.get("REDISTILL_TEST_RELOADS", "3"))


class Subscriber:
    """A RESP3 connection that subscribes, as bytes."""

    def __init__(self, server: servers.Server, *commands: bytes) -> None:
        self.socket = server.connect()
        self.data = b""
        self.send(b"HELLO 3", b"INFO server")
        self.send(*commands)

    @classmethod
    def on_each(cls, server: servers.Server, *commands: bytes) -> dict[int, Subscriber]:
        """A subscriber on each of two workers, by the worker's number."""
        found: dict[int, Subscriber] = {}
        for _ in range(200):
            one = cls(server)
            if found.setdefault(one.worker, one) is one:
                one.send(*commands)
            else:
                one.socket.close()
            if len(found) == 2:
                return found
        raise AssertionError("the kernel gave no client to some worker")

    def send(self, *commands: bytes) -> None:
        """Send commands, and read until PING is answered."""
        self.socket.sendall(b"".join(command + b"\r\n" for command in (*commands, b"PING")))
        said = self.read_until(b"+PONG\r\n")
        if found := re.search(rb"worker_number:(\d+)", said):
            self.worker = int(found[1])

    def read_until(self, end: bytes) -> bytes:
        """What comes up to `end`, which is taken too."""
        while end not in self.data:
            more = self.socket.recv(1 << 20)
            if not more:
                raise EOFError
            self.data += more
        found, _, self.data = self.data.partition(end)
        return found

    def push(self) -> list[bytes]:
        """The words of the next message, which have no line ends."""
        count = int(self.read_until(b"\r\n").removeprefix(b">"))
        return [(self.read_until(b"\r\n"), self.read_until(b"\r\n"))[1] for _ in range(count)]

    def messages(self, count: int) -> list[bytes]:
        """The texts of the next messages."""
        found = []
        while len(found) < count:
            self.read_until(b"\r\n$7\r\nmessage\r\n$")
            self.read_until(b"\r\n")
            self.read_until(b"\r\n$")
            self.read_until(b"\r\n")
            found.append(self.read_until(b"\r\n"))
        return found


class PubSubTests(OnWorkers):
    """Clients of two workers or more."""

    def test_counts_are_exact(self) -> None:
        """Whoever publishes, each subscriber of each worker is counted and gets the message."""
        server = self.start(2)
        clients = self.on_each(server)
        subscribers = [
            one for _ in range(2) for one in Subscriber.on_each(server, b"SUBSCRIBE news", b"PSUBSCRIBE n*").values()
        ]
        for client in clients.values():
            self.assertEqual(client.publish("news", "hello"), 8)
            self.assertEqual(client.pubsub_numsub("news"), [(b"news", 4)])
            self.assertEqual((client.pubsub_numpat(), client.pubsub_channels()), (1, [b"news"]))
            self.assertEqual(client.pubsub_channels("x*"), [])
            info = client.info()
            self.assertEqual((info["pubsub_channels"], info["pubsub_patterns"], info["pubsub_clients"]), (1, 1, 4))
            self.assertEqual([row["sub"] for row in client.client_list(_type="pubsub")], 4 * ["1"])
        for one in subscribers:
            self.assertEqual(one.messages(2), 2 * [b"hello"])

    def test_order_of_each_publisher(self) -> None:
        """Two publishers in two workers at once: each subscriber gets the messages of each in their order."""
        server = self.start(2)
        subscribers = [Subscriber(server, b"SUBSCRIBE c") for _ in range(6)]
        publishers = list(self.on_each(server).values())
        count, counted = 2000, []

        def publish(number: int) -> None:
            pipe = publishers[number].pipeline(transaction=False)
            for i in range(count):
                pipe.publish("c", f"{number} {i}")
            counted.extend(pipe.execute())

        threads = [threading.Thread(target=publish, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(counted), {6})
        for one in subscribers:
            found = [text.split() for text in one.messages(2 * count)]
            for number in range(2):
                mine = [int(i) for by, i in found if int(by) == number]
                self.assertEqual(mine, list(range(count)))

    def test_slow_subscriber_is_closed(self) -> None:
        """A subscriber that reads nothing is closed at the hard limit; the publisher and others go on."""
        server = self.start(2)
        client = redis.Redis(port=server.port)
        client.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
        self.assertIn("pubsub 1048576 0 0", client.config_get("client-output-buffer-limit").popitem()[1])
        slow, quick = Subscriber(server, b"SUBSCRIBE c"), Subscriber(server, b"SUBSCRIBE c")
        text = b"x" * 100_000
        while client.publish("c", text) == 2:
            self.assertEqual(quick.messages(1), [text])
        self.assertEqual(client.info("stats")["client_output_buffer_limit_disconnections"], 1)
        self.assertIn("does not read the messages", server.logged())
        slow.socket.settimeout(20)
        with self.assertRaises((EOFError, ConnectionError)):
            while True:
                slow.read_until(b"never")

    def test_large_messages(self) -> None:
        """A message of several MiB arrives in the other worker as it is."""
        server = self.start(2)
        one = Subscriber(server, b"SUBSCRIBE c")
        for publisher in self.on_each(server).values():
            text = os.urandom(1 << 20).replace(b"\r", b"-") * 5
            self.assertEqual(publisher.publish("c", text), 1)
            self.assertEqual(one.messages(1), [text])

    def test_large_messages_to_many(self) -> None:
        """Messages that are delivered in slices arrive once and in order, and before the replies to later commands."""
        server = self.start(2)
        subscribers = [Subscriber(server, b"SUBSCRIBE c") for _ in range(60)]
        for publisher in self.on_each(server).values():
            texts = [letter * 400_000 for letter in (b"a", b"b")] + [b"c"]
            for text in texts:
                self.assertEqual(publisher.publish("c", text), 60)
            for one in subscribers[:10]:
                one.socket.sendall(b"ECHO later\r\n")
            for one in subscribers:
                self.assertEqual(one.messages(3), texts)
            for one in subscribers[:10]:
                self.assertEqual(one.read_until(b"later\r\n"), b"$5\r\n")

    def test_lost_channel_closes(self) -> None:
        """A user that may not access a channel any more: its subscribers are closed, in every worker."""
        server = self.start(2)
        admin = redis.Redis(port=server.port)
        admin.execute_command("ACL", "SETUSER", "u", "on", ">pw", "+@all", "~*", "resetchannels", "&a*", "&b")
        ones = [Subscriber(server, b"AUTH u pw", b"SUBSCRIBE a1 b") for _ in range(4)]
        for one in ones:
            one.socket.sendall(b"SUBSCRIBE c\r\n")
            self.assertTrue(one.read_until(b"\r\n").startswith(b"-NOPERM No permissions to access a channel"))
        admin.execute_command("ACL", "SETUSER", "u", "&c")
        self.assertEqual(admin.publish("a1", "x"), 4)
        admin.execute_command("ACL", "SETUSER", "u", "resetchannels", "&b")
        for one in ones:
            with self.assertRaises((EOFError, ConnectionError)):
                while True:
                    one.read_until(b"never")
        self.assertEqual(admin.publish("a1", "x"), 0)

    def test_killed_worker(self) -> None:
        """A worker dies: its subscribers count no longer, the others get everything."""
        server = self.start(2)
        lost, kept = Subscriber.on_each(server, b"SUBSCRIBE c").values()
        publisher = self.on_each(server)[kept.worker]
        self.assertEqual(publisher.publish("c", "before"), 2)
        os.kill(workers_of(publisher)[lost.worker], signal.SIGKILL)
        self.eventually(lambda: publisher.publish("c", "x") == 1, "the dead worker's subscriber counts no more")
        self.assertEqual(publisher.publish("c", "after"), 1)
        texts = kept.messages(1)
        while texts[-1] != b"after":
            texts += kept.messages(1)
        self.assertEqual((texts[0], set(texts[1:-1])), (b"before", {b"x"}))
        self.assertEqual(publisher.info("stats")["pubsub_channels"], 1)

    def test_random_kills(self) -> None:
        """Workers die while messages pass: a subscriber of one that lives gets each message once, in order."""
        server = self.start(3)
        dice, numbers = random.Random(16), itertools.count()
        acknowledged: dict[bytes, int] = {}
        over = threading.Event()

        def publish() -> None:
            while not over.is_set():
                name, sock = b"p%d" % next(numbers), None
                try:
                    sock = server.connect()
                    for i in itertools.count():
                        if over.is_set():
                            return
                        sock.sendall(b"PUBLISH c '%s %d'\r\n" % (name, i))
                        if not sock.recv(100):
                            break
                        acknowledged[name] = i
                except OSError:
                    pass
                finally:
                    if sock is not None:
                        sock.close()

        heard: list[list[bytes]] = []

        def listen(one: Subscriber) -> None:
            texts: list[bytes] = []
            try:
                while texts[-1:] != [b"over"]:
                    texts += one.messages(1)
            except (EOFError, OSError):
                return
            heard.append(texts)

        subscribers = [Subscriber(server, b"SUBSCRIBE c") for _ in range(12)]
        spared = subscribers[0].worker
        listeners = [threading.Thread(target=listen, args=(one,), daemon=True) for one in subscribers]
        publishers = [threading.Thread(target=publish, daemon=True) for _ in range(6)]
        for thread in (*listeners, *publishers):
            thread.start()
        watch = redis.Redis(port=server.port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 50))
        self.addCleanup(watch.close)
        killed = set()
        for _ in range(KILLS):
            self.eventually(lambda: len(workers_of(watch)) == 3, "three workers")
            number, victim = dice.choice([one for one in workers_of(watch).items() if one[0] != spared])
            killed.add(number)
            os.kill(victim, signal.SIGKILL)
            self.eventually(lambda gone=victim: gone not in workers_of(watch).values(), "the dead worker is replaced")
        over.set()
        for thread in publishers:
            thread.join()
        watch.publish("c", "over")
        for thread in listeners:
            thread.join(20)
        self.assertEqual(len(heard), sum(one.worker not in killed for one in subscribers))
        for texts in heard:
            seen: dict[bytes, int] = {}
            for text in texts[:-1]:
                name, _, number = text.partition(b" ")
                self.assertEqual(int(number), seen.get(name, -1) + 1, "lost, twice, or out of order")
                seen[name] = int(number)
            for name, last in acknowledged.items():
                self.assertGreaterEqual(seen.get(name, -1), last, name)

    def reload(self, server: servers.Server, number: int) -> None:
        """Replace all workers, for the `number`th time."""
        server.process.send_signal(signal.SIGHUP)
        self.eventually(
            lambda: server.logged().count("all workers were replaced") == number, "all workers are replaced", 60
        )

    def test_reloads_under_load(self) -> None:
        """All workers are replaced while messages pass: each subscriber keeps its connection and gets each message
        once, in the order of its publisher, and each publication counts exactly its receivers."""
        server = self.start(2)
        self.on_each(server)
        subscribers = [Subscriber(server, b"SUBSCRIBE c", b"PSUBSCRIBE d*") for _ in range(8)]
        over = threading.Event()
        wrong: list[object] = []
        sent: dict[int, int] = {}

        def publish(number: int) -> None:
            try:
                with server.connect() as sock:
                    for i in itertools.count():
                        if over.is_set():
                            break
                        text = b"%d %d %s" % (number, i, b"x" * (100 * number))
                        sock.sendall(b"PUBLISH %c '%s'\r\n" % (b"cd"[i % 2], text))
                        if (counted := sock.recv(100)) != b":8\r\n":
                            wrong.append(counted)
                        sent[number] = i
            except Exception as failure:
                wrong.append(failure)

        heard: list[dict[int, list[int]]] = []

        def listen(one: Subscriber) -> None:
            seen: dict[int, list[int]] = {}
            while True:
                text = one.push()[-1]
                if text == b"over":
                    heard.append(seen)
                    return
                by, number = text.split()[:2]
                seen.setdefault(int(by), []).append(int(number))

        listeners = [threading.Thread(target=listen, args=(one,), daemon=True) for one in subscribers]
        publishers = [threading.Thread(target=publish, args=(number,), daemon=True) for number in range(4)]
        for thread in (*listeners, *publishers):
            thread.start()
        try:
            for number in range(1, RELOADS + 1):
                self.reload(server, number)
        finally:
            over.set()
            for thread in publishers:
                thread.join(20)
        self.assertEqual(wrong, [])
        client = redis.Redis(port=server.port)
        self.assertEqual(client.publish("c", "over"), 8)
        for thread in listeners:
            thread.join(20)
        self.assertEqual(len(heard), 8)
        for seen in heard:
            self.assertEqual(seen, {number: list(range(last + 1)) for number, last in sent.items()})
        self.assertNotIn("Traceback", server.logged())
        for one in subscribers:  # they go on, and may send commands
            one.send(b"UNSUBSCRIBE c", b"PUNSUBSCRIBE")
        self.assertEqual((client.publish("c", "x"), client.info("clients")["pubsub_clients"]), (0, 0))

    def test_idle_subscribers_survive_a_reload(self) -> None:
        """Subscribers of RESP2 and 3, of many channels and of shard channels, keep all that they subscribe to."""
        server = self.start(2)
        self.on_each(server)
        names = b" ".join(b"n%d" % i for i in range(2000))
        ones = [Subscriber(server, b"SUBSCRIBE a " + names, b"PSUBSCRIBE b? c?", b"SSUBSCRIBE s") for _ in range(4)]
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            raw.sendall(b"SUBSCRIBE a\r\n")
            data = b""
            while not data.endswith(b":1\r\n"):
                data += raw.recv(4096)
            self.reload(server, 1)
            client = redis.Redis(port=server.port)
            self.assertEqual(client.publish("a", "x"), 5)
            self.assertEqual([client.publish(f"n{i}", "x") for i in (0, 777, 1999)], [4, 4, 4])
            self.assertEqual([client.publish("b1", "y"), client.execute_command("SPUBLISH", "s", "z")], [4, 4])
            self.assertEqual((client.pubsub_numpat(), len(client.pubsub_channels())), (2, 2001))
            data = b""
            while not data.endswith(b"x\r\n"):
                data += raw.recv(4096)
            self.assertEqual(data, b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n")
        for one in ones:
            one.read_until(b"smessage\r\n$1\r\ns\r\n$1\r\nz\r\n")
            one.socket.sendall(b"UNSUBSCRIBE n5\r\n")
            self.assertEqual(one.read_until(b":2002\r\n"), b">3\r\n$11\r\nunsubscribe\r\n$2\r\nn5\r\n")

    def test_events_of_keys(self) -> None:
        """As Spring Session does: expired keys are heard of, once, whichever worker wrote, met or swept them."""
        server = self.start(2)
        clients = list(self.on_each(server).values())
        clients[0].config_set("notify-keyspace-events", "Egx")
        self.assertEqual(clients[1].config_get("notify-keyspace-events"), {"notify-keyspace-events": "gxE"})
        ones = [client.pubsub() for client in self.on_each(server).values()]
        for one in ones:
            one.psubscribe("__keyevent@*__:expired", "__keyevent@0__:del")
            one.get_message(timeout=20)
            one.get_message(timeout=20)
        for i in range(200):
            clients[i % 2].set(f"session:{i}", "x", px=1 + i % 50)
        clients[1].set("last", "x")
        for i in range(0, 200, 3):
            clients[0].get(f"session:{i}")
        self.eventually(lambda: clients[0].dbsize() == 1, "all sessions have expired")
        clients[0].delete("last")
        for one in ones:
            heard = []
            while not heard or heard[-1] != ("__keyevent@0__:del", "last"):
                message = one.get_message(timeout=20)
                self.assertIsNotNone(message)
                heard.append((message["channel"].decode(), message["data"].decode()))
            self.assertEqual(sorted(heard[:-1]), sorted(("__keyevent@0__:expired", f"session:{i}") for i in range(200)))
        self.reload(server, 1)
        self.assertEqual(clients[0].config_get("notify-keyspace-events"), {"notify-keyspace-events": ""})
        clients[0].delete("none")

    def test_resp2(self) -> None:
        """redis-py with RESP2, and a client that sends what a subscriber may not."""
        server = self.start(2)
        client = redis.Redis(port=server.port, protocol=2)
        one = client.pubsub()
        one.subscribe("c")
        one.get_message(timeout=20)
        self.assertEqual(client.publish("c", "hi"), 1)
        self.assertEqual(one.get_message(timeout=20)["data"], b"hi")
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            raw.sendall(b"SUBSCRIBE c\r\nGET k\r\n")
            data = b""
            while b"in this context\r\n" not in data:
                data += raw.recv(4096)
        self.assertIn(b"-ERR Can't execute 'get': only (P|S)SUBSCRIBE", data)
