"""The cap on the memory of all clients' buffers together."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.config import Config
from redistill.engine import Overflow, Session, Status, Store
from redistill.net.client_memory import ClientMemory
from tests.support.arena import MIB, arena_file, call, opened, session


class FakeClient:
    """Drops its session when it is to go, as a RespProtocol."""

    def __init__(self, session: Session, number: int, gone: list[int]) -> None:
        self.session = session
        self.session.state.owner = number
        self._number = number
        self._gone = gone

    def evict(self) -> None:
        self._gone.append(self._number)
        self.session.drop()


def finished(client: Session, *words: bytes | str) -> bytes:
    """The reply to one command that may take several turns."""
    argv = [word if isinstance(word, bytes) else word.encode() for word in words]
    status = client.feed(b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in argv))
    while status is Status.BUSY:
        status = client.resume()
    return b"".join(iter(client.output, b""))


class Process:
    """A store with clients, and the cap on them."""

    def __init__(self, store: Store, limit: int, **sizes: int) -> None:
        self.store = store
        self.gone: list[int] = []
        self.clients: dict[int, Any] = {}
        self.memory = ClientMemory(store, self.clients)
        self.memory.apply(Config().replace({"server.max_client_memory": limit}))

    def client(self, number: int, size: int = 0) -> Session:
        """A client whose input has a buffer of so many bytes."""
        made = session(self.store)
        self.clients[number] = FakeClient(made, number, self.gone)
        if size:
            self.grow(made, size)
        return made

    def grow(self, client: Session, size: int) -> None:
        """Send the beginning of a value, so that its buffer, half as large again as what came, has about `size` bytes."""
        client.feed(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (60 * MIB) + bytes(size * 2 // 3))

    def enforced(self) -> list[int]:
        """The clients that are closed to get below the limit."""
        self.gone.clear()
        self.memory.enforce()
        return self.gone

    def buffers(self) -> int:
        """The sum, as all processes see it."""
        return self.store.workers.gauges()["client_buffers"]


class ClientMemoryTests(SynchronousTestCase):
    """The clients of one process"""

    def setUp(self) -> None:
        self.process = Process(opened(self), 4 * MIB)

    def test_nobody_goes_below_the_limit(self) -> None:
        """Up to the limit all clients stay, and their memory is counted."""
        for number in (1, 2, 3):
            self.process.client(number, MIB)
        self.assertEqual(self.process.enforced(), [])
        self.assertTrue(3 * MIB <= self.process.buffers() <= 4 * MIB, self.process.buffers())

    def test_fattest_goes_first(self) -> None:
        """Beyond it the client with the most is closed, then the next, until there is room; what it had is free."""
        for number, size in ((1, 100), (2, 3 * MIB // 2), (3, MIB // 2), (4, 9 * MIB // 4), (5, 0)):
            self.process.client(number, size)
        self.assertEqual(self.process.enforced(), [4])
        self.assertLessEqual(self.process.buffers(), 4 * MIB)
        self.process.client(6, MIB * 5 // 4)
        self.process.client(7, MIB)
        self.assertEqual(self.process.enforced(), [2])

    def test_no_evict(self) -> None:
        """A client with NO-EVICT counts, and others go in its place; alone it may have more than the limit."""
        self.process.client(2, 2 * MIB)
        kept = self.process.client(1)
        kept.state.no_evict = True
        self.process.grow(kept, 3 * MIB)
        self.assertEqual(self.process.enforced(), [2])
        self.process.grow(kept, 4 * MIB)
        self.assertEqual(self.process.enforced(), [])
        self.assertGreater(self.process.buffers(), 6 * MIB)

    def test_queued_commands_count(self) -> None:
        """Commands that are queued in a transaction count, and are free with its end."""
        client = self.process.client(1)
        client.state.owner = 0
        call(client, "MULTI")
        for _ in range(100):
            call(client, "SET", "k", bytes(9000))
        self.assertGreater(self.process.buffers(), 900_000)
        call(client, "DISCARD")
        self.assertLess(self.process.buffers(), 100_000)

    def test_watched_keys_count(self) -> None:
        """Keys that are watched count, and are free when they are not watched any more."""
        client = self.process.client(1)
        for number in range(100):
            call(client, "WATCH", b"%d" % number + bytes(9000))
        self.assertGreater(self.process.buffers(), 900_000)
        call(client, "UNWATCH")
        self.assertLess(self.process.buffers(), 100_000)

    def test_who_has_something(self) -> None:
        """Clients that hold buffers are known, so that idle clients need no look."""
        store, idle = self.process.store, self.process.client(3)
        self.process.client(1, 1000)
        call(self.process.client(2), "WATCH", "k")
        call(idle, "GET", "k")
        for client in self.process.clients.values():
            client.session.trim()
        self.assertEqual(sorted(store.clients_with_buffers(9)), [1, 2])
        self.assertEqual(len(store.clients_with_buffers(1)), 1)
        self.assertEqual(store.clients_with_buffers(0), [])

    def test_unread_replies_count(self) -> None:
        """Replies count as long as they are not written."""
        client = self.process.client(1)
        call(client, "SET", "k", bytes(MIB))
        for _ in range(3):
            client.feed(b"GET k\r\n")
        self.assertGreater(self.process.buffers(), MIB)
        while client.output():
            pass
        self.assertLess(self.process.buffers(), 100_000)

    def test_closed_client_has_nothing(self) -> None:
        """The memory of a closed client counts no longer."""
        self.process.client(1, MIB).close()
        self.assertEqual(self.process.buffers(), 0)

    def test_no_limit(self) -> None:
        """0 is no limit."""
        self.process.memory.apply(Config())
        self.process.client(1, 9 * MIB)
        self.assertEqual(self.process.enforced(), [])

    def test_share_of_the_memory(self) -> None:
        """A percentage is one of memory.max_memory, or without that of all there can be."""
        changes = {"memory.max_memory": 32 * MIB, "server.max_client_memory": -10}
        self.process.memory.apply(Config().replace(changes))
        self.process.client(1, 2 * MIB)
        self.assertEqual(self.process.enforced(), [])
        self.process.client(2, 3 * MIB // 2)
        self.assertEqual(self.process.enforced(), [1])

    def test_reply_beyond_the_limit(self) -> None:
        """A single reply that is larger than all clients may have is not made; the session ends and says why."""
        self.process.memory.apply(Config().replace({"server.max_client_memory": MIB}))
        client = self.process.client(1)
        call(client, "SET", "k", bytes(600_000))
        client.feed(b"MULTI\r\nGET k\r\nGET k\r\n")
        status = client.feed(b"EXEC\r\n")
        while status is Status.BUSY:  # it pauses between its commands
            status = client.resume()
        self.assertEqual((status, client.overflowed), (Status.CLOSE, Overflow.CLIENTS))

    def test_values_can_be_read(self) -> None:
        """No command makes a value that is larger than a reply may be; a value of the largest size is made, read and dumped."""
        client, most = self.process.client(1), 4 * MIB - 1024
        error = b"-ERR string exceeds maximum allowed size (maxmemory-clients)\r\n"
        self.assertEqual(finished(client, "SET", "k", bytes(most)), b"+OK\r\n")
        client.trim()
        for words in (("GET", "k"), ("DUMP", "k"), ("GETRANGE", "k", "0", "-1")):
            self.assertGreater(len(finished(client, *words)), 4000 if words[0] == "DUMP" else most)
            client.trim()
        finished(client, "SET", "noise", os.urandom(MIB))
        for words in (
            ("APPEND", "k", "x"),
            ("SETRANGE", "k", str(most), "x"),
            ("SETRANGE", "new", str(most), "x"),
            ("SETBIT", "new", str(8 * most), "1"),
            ("BITFIELD", "new", "SET", "u8", str(8 * most), "1"),
        ):
            self.assertEqual((words, finished(client, *words)), (words, error))
        for words in (
            ("SET", "new", "VALUE"),
            ("SET", "new", "VALUE", "EX", "10"),
            ("SETNX", "new", "VALUE"),
            ("SETEX", "new", "10", "VALUE"),
            ("PSETEX", "new", "10", "VALUE"),
            ("GETSET", "new", "VALUE"),
            ("MSET", "other", "v", "new", "VALUE"),
            ("MSETNX", "other", "v", "new", "VALUE"),
            ("APPEND", "new", "VALUE"),
        ):
            long = [bytes(most + 1) if word == "VALUE" else word for word in words]
            self.assertEqual((words, finished(client, *long)), (words, error))
            client.trim()
        self.assertEqual(finished(client, "EXISTS", "new", "other"), b":0\r\n")

    def test_values_that_were_there(self) -> None:
        """Values that are larger already, from before the limit, can be changed in place, and do not grow."""
        client = self.process.client(1)
        self.process.memory.apply(Config().replace({"server.max_client_memory": 0}))
        for key in ("a", "b"):
            finished(client, "SETRANGE", key, str(6 * MIB - 1), "x")
        dumped = finished(client, "DUMP", "a")
        payload = dumped[dumped.index(b"\n") + 1 : -2]
        client.trim()
        self.process.memory.apply(Config().replace({"server.max_client_memory": 4 * MIB}))
        error = b"-ERR string exceeds maximum allowed size (maxmemory-clients)\r\n"
        self.assertEqual(finished(client, "SETRANGE", "a", str(6 * MIB - 1), "y"), b":6291456\r\n")
        self.assertEqual(finished(client, "SETBIT", "a", str(48 * MIB - 1), "0"), b":1\r\n")
        self.assertEqual(finished(client, "BITFIELD", "a", "SET", "u8", str(48 * MIB - 8), "1"), b"*1\r\n:120\r\n")
        self.assertEqual(finished(client, "GETBIT", "a", str(48 * MIB - 1)), b":1\r\n")
        self.assertEqual(finished(client, "APPEND", "a", "x"), error)
        self.assertEqual(finished(client, "BITOP", "OR", "c", "a", "b"), error)
        self.assertEqual(finished(client, "RESTORE", "c", "0", payload), error)
        self.assertEqual(finished(client, "RENAME", "a", "c"), b"+OK\r\n")

    def test_memory_of_commands_counts(self) -> None:
        """Memory that a command needs while it runs counts. If there is no room the command is refused, and its client stays."""
        client, other = self.process.client(1), self.process.client(2)
        finished(client, "SETRANGE", "a", str(2 * MIB), "x")
        dumped = finished(client, "DUMP", "a")
        payload = dumped[dumped.index(b"\n") + 1 : -2]
        client.trim()
        other.state.no_evict = True
        self.process.grow(other, 3 * MIB)
        before = self.process.buffers()
        self.assertGreater(before, 5 * MIB // 2)
        self.assertTrue(finished(client, "BITOP", "NOT", "b", "a").startswith(b"-OOM "))
        self.assertTrue(finished(client, "RESTORE", "b", "0", payload).startswith(b"-OOM "))
        finished(client, "SET", "c", "x")
        self.assertIn(b"Insufficient memory", finished(client, "LCS", "a", "c", "LEN"))
        self.assertEqual(finished(client, "EXISTS", "b"), b":0\r\n")
        other.close()
        self.assertEqual(finished(client, "BITOP", "NOT", "b", "a"), b":2097153\r\n")
        self.assertEqual(finished(client, "LCS", "a", "c", "LEN"), b":1\r\n")
        client.trim()
        self.assertEqual(self.process.buffers(), 0)

    def test_larger_client_goes_for_a_reply(self) -> None:
        """A reply that finds no room is made when larger clients can go for it; they are free while it is made."""
        client = self.process.client(9)
        call(client, "SET", "k", bytes(2 * MIB))
        client.trim()
        for number in (1, 2):
            self.process.client(number, (3 - number) * MIB + MIB // 2)
        client.feed(b"GET k\r\n")
        self.assertTrue(3 * MIB <= self.process.buffers() <= 4 * MIB, self.process.buffers())
        self.assertEqual(self.process.enforced(), [1])
        self.assertEqual(sum(map(len, iter(client.output, b""))), 2 * MIB + len(b"$2097152\r\n\r\n"))

    def test_many_large_replies(self) -> None:
        """However many clients ask for large replies that nobody reads, their sum stays near the limit at any time."""
        client = self.process.client(99)
        call(client, "SET", "k", bytes(MIB))
        client.trim()
        for number in range(1, 21):
            self.process.client(number).feed(b"GET k\r\n")
            self.assertLessEqual(self.process.buffers(), 4 * MIB + MIB // 2)
        closed = [one for one in self.process.clients.values() if one.session.feed(b"") is Status.CLOSE]
        self.assertEqual(len(closed), 16)

    def test_dropped_client_that_ends_by_itself(self) -> None:
        """A client that was dropped for another one and is closed before its owner was told is forgotten."""
        client = self.process.client(9)
        call(client, "SET", "k", bytes(2 * MIB))
        client.trim()
        self.process.client(1, 3 * MIB)
        client.feed(b"GET k\r\n")
        self.process.clients[1].session.close()
        self.assertEqual(self.process.enforced(), [])

    def test_session_after_its_drop(self) -> None:
        """A session that was dropped in a transaction executes nothing more and gives its watches back."""
        client = self.process.client(1)
        call(client, "MULTI")
        call(client, "SET", "k", "v")
        client.drop()
        self.assertEqual((client.feed(b"EXEC\r\n"), client.output()), (Status.CLOSE, b""))
        self.assertEqual(self.process.store.count(0), 0)
        self.assertEqual(self.process.store.check(), (0, ""))


class ProcessesTests(SynchronousTestCase):
    """The clients of two processes over one arena"""

    def setUp(self) -> None:
        fd = arena_file(self)
        self.one = Process(opened(self, fd), 8 * MIB)
        store = Store()
        store.attach(fd)
        self.addCleanup(store.close)
        store.join(2)
        self.other = Process(store, 8 * MIB)

    def test_fattest_of_all_goes(self) -> None:
        """Too much over both is cut by the process that has the fattest client, and by the other not."""
        self.one.client(1, 3 * MIB)
        self.other.client(2, 4 * MIB)
        self.assertEqual((self.one.enforced(), self.other.enforced()), ([], []))
        self.one.client(3, MIB * 3 // 2)
        self.assertEqual(self.one.enforced(), [])
        self.assertEqual(self.other.enforced(), [2])
        self.assertEqual(self.one.enforced(), [])

    def test_nobody_waits_for_ever(self) -> None:
        """At an eighth more than the limit a process cuts its own fattest client, whatever the other one has."""
        self.other.client(2, 5 * MIB)
        self.other.enforced()
        self.one.client(3, 3 * MIB)
        kept = self.one.client(1)
        kept.state.no_evict = True
        self.one.grow(kept, 2 * MIB)
        self.assertEqual(self.one.enforced(), [3])

    def test_no_growth_beyond_an_eighth(self) -> None:
        """A client that would grow beyond the limit and an eighth is closed, when its process has no larger one."""
        self.other.client(2, 6 * MIB)
        late = self.one.client(1, 5 * MIB)
        self.assertEqual((late.feed(b""), late.overflowed), (Status.CLOSE, Overflow.CLIENTS))
        self.assertEqual((self.one.enforced(), self.other.enforced()), ([], []))
        self.assertTrue(6 * MIB <= self.one.buffers() <= 7 * MIB, self.one.buffers())
