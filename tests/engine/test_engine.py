"""The core's Python face."""

from __future__ import annotations

import os
import time

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.settings import POLICIES as CONFIGURED
from redistill.engine import PIECE, PLACES, POLICIES, ArenaError, Session, Status, Store, min_memory
from redistill.engine.interfaces import KeyDetails, SlowEntry
from redistill.net.loop import Loop
from tests.support.arena import MIB, NOW_MS, arena_file, call, opened, session


class StoreTests(SynchronousTestCase):
    """Store"""

    def test_policies_are_those_of_the_settings(self) -> None:
        """The core knows the policies that the configuration offers, and no others."""
        self.assertEqual(POLICIES, CONFIGURED)

    def test_geometry(self) -> None:
        """A store is what was asked for."""
        store = opened(self, num_shards=8, policy="volatile-ttl")
        self.assertEqual(
            (store.num_shards, store.policy, store.max_memory, store.map_size >= 64 * MIB),
            (8, "volatile-ttl", 16 * MIB, True),
        )

    def test_too_small(self) -> None:
        """Less than the least memory makes no store; the error says so in words."""
        store, least = Store(), min_memory(4)
        with self.assertRaises(ArenaError) as raised:
            store.create(
                arena_file(self),
                max_memory=least // 2,
                map_size=least,
                num_shards=4,
                policy="noeviction",
                sample_size=5,
            )
        self.assertTrue(str(raised.exception))

    def test_attach_finds_what_was_stored(self) -> None:
        """A second store on the same file has the keys, the limit and the policy of the first."""
        fd = arena_file(self)
        first, second = Store(), Store()
        first.create(fd, max_memory=16 * MIB, map_size=16 * MIB, num_shards=4, policy="allkeys-lfu", sample_size=5)
        self.addCleanup(first.close)
        first.join()
        call(session(first), "set", "key", "value")
        second.attach(fd)
        self.addCleanup(second.close)
        second.join()
        self.assertEqual(call(session(second), "get", "key"), b"$5\r\nvalue\r\n")
        self.assertEqual((second.max_memory, second.policy), (16 * MIB, "allkeys-lfu"))

    def test_attach_refuses_what_is_no_arena(self) -> None:
        """A file that holds something else is refused, and left as it is."""
        fd = arena_file(self)
        os.write(fd, b"not an arena" * 10000)
        with self.assertRaises(ArenaError):
            Store().attach(fd)
        self.assertEqual(os.pread(fd, 12, 0), b"not an arena")

    def test_second_open_is_refused(self) -> None:
        """A store that is open is not opened again."""
        store = opened(self)
        with self.assertRaises(ArenaError):
            store.attach(arena_file(self))

    def test_close_closes_the_sessions(self) -> None:
        """After the store its sessions can do nothing, and nothing crashes; a second close does nothing."""
        store = opened(self)
        client = session(store)
        store.close()
        store.close()
        client.close()
        self.assertRaises(TypeError, client.feed, b"PING\r\n")

    def test_memory_is_counted(self) -> None:
        """Used memory grows with a value, by little more than its size, and shrinks when it is deleted, and swept."""
        store = opened(self)
        client = session(store)
        before = store.used_memory
        call(client, "set", "key", b"x" * MIB)
        grown = store.used_memory - before
        call(client, "del", "key")
        self.assertTrue(MIB <= grown < MIB * 1.1, grown)
        self.assertTrue(any(store.sweep(1_000_000) for _ in range(1000)))
        self.assertLess(store.used_memory - before, MIB // 10)

    def test_max_memory_beyond_the_mapping(self) -> None:
        """A limit that the mapping cannot hold is refused and changes nothing."""
        store = opened(self)
        self.assertRaises(ValueError, store.set_max_memory, store.map_size * 2)
        self.assertEqual(store.max_memory, 16 * MIB)

    def test_shrinking(self) -> None:
        """A lower limit is reached in steps, keys go, and the store stays sound."""
        store = opened(self)
        client = session(store)
        for number in range(1500):
            call(client, "set", number, b"x" * 5000)
        self.assertEqual(store.count(0), 1500)
        store.set_max_memory(6 * MIB)
        self.assertTrue(store.is_over)
        steps = 0
        while not store.shrink(4):
            steps += 1
        self.assertEqual((store.is_over, 2 < steps < 100), (False, True))
        self.assertEqual((store.committed_memory <= 6 * MIB, store.check()), (True, (0, "")))
        self.assertTrue(0 < store.count(0) < 1500)

    def test_sweep(self) -> None:
        """Expired keys and their memory are freed in the background; other keys stay."""
        store = opened(self)
        client = session(store)
        for number in range(1000):
            call(client, "set", number, "v", "px", 1000 + number // 500 * 1000)
        used = store.used_memory
        store.frozen_ms += 1500
        self.assertTrue(any(store.sweep(1_000_000) for _ in range(1000)))
        self.assertEqual((store.count(0), store.counter("expired_keys")), (500, 500))
        self.assertLess(store.used_memory, used)

    def test_sweep_that_is_switched_off(self) -> None:
        """DEBUG SET-ACTIVE-EXPIRE 0 keeps expired keys in memory."""
        store = opened(self)
        call(session(store), "set", "key", "v", "px", 1)
        store.active_expire = False
        store.frozen_ms += 10
        self.assertTrue(any(store.sweep(1_000_000) for _ in range(1000)))
        self.assertEqual(store.count(0), 1)
        store.active_expire = True
        self.assertTrue(any(store.sweep(1_000_000) for _ in range(1000)))
        self.assertEqual(store.count(0), 0)

    def test_databases(self) -> None:
        """Keys are counted by database, with and without an expiry."""
        store = opened(self)
        client = session(store)
        call(client, "set", "a", 1)
        call(client, "select", 3)
        call(client, "set", "b", 1)
        call(client, "set", "c", 1, "px", 10000)
        self.assertEqual([(store.count(db), store.count_volatile(db)) for db in (0, 1, 3)], [(1, 0), (0, 0), (2, 1)])
        self.assertTrue(0 < store.average_ttl(3) <= 10000)

    def test_details(self) -> None:
        """A key is described, and not touched by it."""
        store = opened(self)
        call(session(store), "set", "key", "12345")
        hits = store.counters()["keyspace_hits"]
        found = store.details(0, b"key")
        assert found is not None
        self.assertEqual(found, KeyDetails(found.place, "int", 3, 0, found.shard))
        self.assertEqual((store.details(0, b"none"), store.details(1, b"key")), (None, None))
        self.assertEqual(store.counters()["keyspace_hits"], hits)


class CounterTests(SynchronousTestCase):
    """The counters of the core"""

    def test_counters(self) -> None:
        """Hits, misses and commands are counted by name, and reset."""
        store = opened(self)
        client = session(store)
        call(client, "set", "key", "v")
        call(client, "get", "key")
        call(client, "get", "none")
        counters = store.counters()
        self.assertEqual(
            {name: counters[name] for name in ("keyspace_hits", "keyspace_misses", "total_commands_processed")},
            {"keyspace_hits": 1, "keyspace_misses": 1, "total_commands_processed": 3},
        )
        self.assertEqual(store.counter("keyspace_hits"), 1)
        store.reset_stats()
        left = {name for name, value in store.counters().items() if value}
        self.assertEqual(left, {"changes"})

    def test_commands(self) -> None:
        """Each command has its own counts, under its full name."""
        store = opened(self)
        client = session(store)
        call(client, "set", "key", "v")
        call(client, "get", "key")
        call(client, "get")
        call(client, "incr", "key")
        call(client, "object", "encoding", "key")
        counts = {count.name: (count.calls, count.rejected, count.failed) for count in store.command_counts()}
        self.assertEqual(counts, {"set": (1, 0, 0), "get": (1, 1, 0), "incr": (1, 0, 1), "object|encoding": (1, 0, 0)})

    def test_errors(self) -> None:
        """Errors are counted by their code, those of the control plane too."""
        store = opened(self)
        client = session(store)
        call(client, "get")
        call(client, "auth", "x")
        client.answer(b"-WRONGPASS no\r\n")
        client.resume()
        self.assertEqual(store.error_counts(), {"ERR": 1, "WRONGPASS": 1})

    def test_slow_commands(self) -> None:
        """From the threshold on a command is reported with its arguments, cut; without a threshold none is."""
        store = opened(self)
        client, slow = session(store), list[SlowEntry]()
        client.on_slow = slow.append
        call(client, "get", "key")
        store.set_slow_threshold(0)
        call(client, "set", "key", b"x" * 200)
        self.assertEqual(
            [(entry.argv, entry.now_ms, entry.fast) for entry in slow],
            [([b"set", b"key", b"x" * 128 + b"... (72 more bytes)"], NOW_MS, False)],
        )
        store.set_slow_threshold(None)
        call(client, "get", "key")
        self.assertEqual(len(slow), 1)


class SessionTests(SynchronousTestCase):
    """Session"""

    def setUp(self) -> None:
        self.store = opened(self)
        self.client = session(self.store)

    def test_status_of_a_pipeline(self) -> None:
        """Commands of the core are answered at once; nothing is left to take after the output."""
        status = self.client.feed(b"PING\r\nECHO x\r\n")
        self.assertEqual(
            (status, self.client.output(), self.client.output()), (Status.MORE, b"+PONG\r\n$1\r\nx\r\n", b"")
        )

    def test_control_command(self) -> None:
        """A command of the control plane stops the session; its answer and the rest come after what was before."""
        status = self.client.feed(b"PING\r\nCLIENT GETNAME\r\nPING\r\n")
        self.assertEqual((status, self.client.argv()), (Status.CONTROL, [b"CLIENT", b"GETNAME"]))
        self.client.answer(b"$1\r\nn\r\n")
        self.assertEqual((self.client.resume(), self.client.last_command), (Status.MORE, "ping"))
        self.assertEqual(self.client.output(), b"+PONG\r\n$1\r\nn\r\n+PONG\r\n")

    def test_last_command(self) -> None:
        """The last command has its full name; at first there is none."""
        self.assertEqual(self.client.last_command, "")
        call(self.client, "object", "encoding", "none")
        self.assertEqual(self.client.last_command, "object|encoding")

    def test_large_output_comes_in_pieces(self) -> None:
        """More output than a piece is FULL; it is all there, and then the session goes on."""
        call(self.client, "set", "key", b"x" * (3 * PIECE))
        status = self.client.feed(b"GET key\r\nPI")
        pieces = []
        while piece := self.client.output():
            pieces.append(piece)
        self.assertEqual((status, b"".join(pieces)), (Status.FULL, b"$%d\r\n%s\r\n" % (3 * PIECE, b"x" * 3 * PIECE)))
        self.assertLessEqual(max(map(len, pieces)), PIECE)
        self.assertEqual((self.client.resume(), self.client.feed(b"NG\r\n")), (Status.MORE, Status.MORE))
        self.assertEqual(self.client.output(), b"+PONG\r\n")

    def test_waiting(self) -> None:
        """The size of waiting output is known, in whatever piece it is."""
        call(self.client, "set", "key", b"x" * (2 * PIECE))
        self.client.feed(b"GET key\r\n")
        whole = self.client.waiting
        taken = len(self.client.output())
        self.assertEqual((whole, self.client.waiting), (2 * PIECE + 11, 2 * PIECE + 11 - taken))

    def test_output_limit(self) -> None:
        """A reply beyond the output limit ends the session; one below it does not."""
        call(self.client, "set", "key", b"x" * 1000)
        small = session(self.store, output_limit=1100)
        self.assertEqual(small.feed(b"GET key\r\n"), Status.MORE)
        smaller = session(self.store, output_limit=1000)
        self.assertEqual(smaller.feed(b"GET key\r\n"), Status.CLOSE)

    def test_protocol_error(self) -> None:
        """A protocol error is answered, then the session wants to be closed and executes nothing more."""
        status = self.client.feed(b"PING\r\n*1\r\n$x\r\nPING\r\n")
        self.assertEqual(
            (status, self.client.output()),
            (Status.CLOSE, b"+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"),
        )
        self.assertEqual((self.client.feed(b"PING\r\n"), self.client.output()), (Status.CLOSE, b""))

    def test_pause(self) -> None:
        """A pause holds commands until it ends."""
        self.store.set_pause(2, NOW_MS + 1000)
        self.assertEqual((self.client.feed(b"PING\r\n"), self.client.output()), (Status.PAUSED, b""))
        self.store.frozen_ms = NOW_MS + 999
        self.assertEqual(self.client.resume(), Status.PAUSED)
        self.store.frozen_ms += 1
        self.assertEqual((self.client.resume(), self.client.output()), (Status.MORE, b"+PONG\r\n"))

    def test_state_is_read_and_written_in_place(self) -> None:
        """Changes of the state by the control plane hold for the next command."""
        call(self.client, "select", 5)
        self.assertEqual(self.client.state.db, 5)
        self.client.state.resp = 3
        self.assertEqual(call(self.client, "get", "none"), b"_\r\n")
        self.client.reset()
        self.assertEqual((self.client.state.db, self.client.state.resp), (0, 2))

    def test_output_belongs_to_its_session(self) -> None:
        """Output that was not taken stays with its session."""
        other = session(self.store)
        self.client.feed(b"ECHO mine\r\n")
        other.feed(b"ECHO other\r\n")
        self.assertEqual((self.client.output(), other.output()), (b"$4\r\nmine\r\n", b"$5\r\nother\r\n"))

    def test_push(self) -> None:
        """A push joins the output."""
        self.client.push(b">1\r\n+x\r\n")
        self.assertEqual(self.client.output(), b">1\r\n+x\r\n")


class MoveTests(SynchronousTestCase):
    """Session.save and Store.load_session"""

    LIMITS = {  # noqa: RUF012
        "batch_size": 16,
        "output_high": MIB,
        "query_limit": MIB,
        "multi_limit": MIB,
        "output_limit": 0,
    }

    def setUp(self) -> None:
        fd = arena_file(self)
        self.here, self.there = Store(), Store()
        self.here.create(fd, max_memory=16 * MIB, map_size=16 * MIB, num_shards=4, policy="noeviction", sample_size=5)
        self.there.attach(fd)
        for number, store in enumerate((self.here, self.there)):
            self.addCleanup(store.close)
            store.join(number)
            store.frozen_ms = NOW_MS
        self.client = session(self.here)

    def move(self, unwritten: bytes = b"") -> Session:
        """The client's session in the other store."""
        data = self.client.save(unwritten)
        assert data is not None
        moved = self.there.load_session(data, **self.LIMITS)
        self.client.close()
        return moved

    def test_goes_on_where_it_was(self) -> None:
        """Database, protocol, transaction, half a command and switches go with it."""
        call(self.client, "select", 3)
        self.client.state.resp, self.client.state.no_evict = 3, True
        self.client.feed(b"SET k 1\r\nMULTI\r\nINCR k\r\nINC")
        while self.client.output():
            pass
        moved = self.move()
        self.assertEqual((moved.resume(), moved.output()), (Status.MORE, b""))
        self.assertEqual((moved.state.db, moved.state.resp, moved.state.no_evict), (3, 3, True))
        self.assertEqual((moved.state.in_multi, moved.last_command), (True, "incr"))
        moved.feed(b"R k\r\nEXEC\r\nGET none\r\n")
        self.assertEqual(moved.output(), b"+QUEUED\r\n*2\r\n:2\r\n:3\r\n_\r\n")

    def test_output_that_was_not_written(self) -> None:
        """Replies that were taken, and those that were not, come out there, in order."""
        self.client.feed(b"ECHO one\r\n")
        first = self.client.output()
        self.client.feed(b"ECHO two\r\n")
        self.client.push(b"+three\r\n")
        moved = self.move(unwritten=first[4:])
        self.assertEqual(moved.output(), b"one\r\n$3\r\ntwo\r\n+three\r\n")

    def test_watch_is_kept(self) -> None:
        """A key that is changed while its watcher moves is seen there."""
        call(self.client, "watch", "k")
        data = self.client.save()
        call(session(self.here), "set", "k", "v")
        assert data is not None
        moved = self.there.load_session(data, **self.LIMITS)
        self.client.close()
        call(moved, "multi")
        self.assertEqual(call(moved, "exec"), b"*-1\r\n")

    def test_not_in_a_command(self) -> None:
        """A session that waits for an answer cannot be saved; it can when it has it."""
        self.client.feed(b"CLIENT ID\r\n")
        self.assertIsNone(self.client.save())
        self.client.answer(b":7\r\n")
        self.client.resume()
        self.assertEqual(self.move().output(), b":7\r\n")

    def test_bytes_that_are_no_session(self) -> None:
        """They are refused with the reason, and no watch is left behind."""
        call(self.client, "watch", "k")
        data = bytes(self.client.save() or b"")
        for wrong in (b"", data[:-1], data + b"x", b"x" + data[1:]):
            with self.assertRaises(ValueError) as raised:
                self.there.load_session(wrong, **self.LIMITS)
            self.assertIn("not a session", str(raised.exception))
        self.assertEqual(self.here.check(), (0, ""))


class MonitorTests(SynchronousTestCase):
    """Store.monitored and what turns it on"""

    def setUp(self) -> None:
        self.fd = arena_file(self)
        self.store = opened(self, self.fd)
        self.client = session(self.store)

    def test_lines(self) -> None:
        """While a client monitors, each command is a line with the time, the database and the peer; taken once."""
        session(self.store).monitor()
        call(self.client, "select", 2)
        self.client.set_peer("127.0.0.1:50000")
        self.store.frozen_ms += 1
        call(self.client, "set", "k", b"\xff\n")
        self.assertEqual(
            self.store.monitored(),
            b'+1700000000.000000 [2 ?:0] "select" "2"\r\n'
            b'+1700000000.001000 [2 127.0.0.1:50000] "set" "k" "\\xff\\n"\r\n',
        )
        self.assertEqual(self.store.monitored(), b"")

    def test_microseconds(self) -> None:
        """When the time does not stand still, it is the clock's at each command."""
        session(self.store).monitor()
        for frozen in (NOW_MS, 0):
            self.store.frozen_ms = frozen
        before = time.time_ns() // 1000
        call(self.client, "ping")
        call(self.client, "ping")
        after = time.time_ns() // 1000
        times = [int(line[1:18].replace(b".", b"")) for line in self.store.monitored().splitlines()]
        self.assertEqual([before, *times, after], sorted([before, *times, after]))

    def test_time_that_stands_still_before_the_store_is_open(self) -> None:
        """It does for the lines, too."""
        store = Store()
        store.frozen_ms = NOW_MS
        store.attach(self.fd)
        self.addCleanup(store.close)
        store.join(1)
        session(store).monitor()
        call(session(store), "ping")
        self.assertTrue(store.monitored().startswith(b"+1700000000.000000 "))

    def test_on_and_off(self) -> None:
        """It is on while a client of any worker monitors, and those of a worker that leaves monitor no longer."""
        other = Store()
        other.attach(self.fd)
        self.addCleanup(other.close)
        other.join(1)
        call(self.client, "ping")
        self.assertEqual((self.store.monitors, self.store.monitored()), (0, b""))
        session(other).monitor()
        session(other).monitor()
        left, gone = session(self.store), session(self.store)
        for one in (left, left, gone):
            one.monitor()
        self.assertEqual((self.store.monitors, left.state.monitors), (4, True))
        left.reset()
        gone.close()
        call(self.client, "ping")
        self.assertEqual((self.store.monitors, self.store.monitored()), (2, b""))  # nobody monitors here
        other.close()
        self.assertEqual(other.monitored(), b"")
        call(self.client, "ping")
        self.assertEqual((self.store.monitors, self.store.monitored()), (0, b""))

    def test_lines_of_another_worker(self) -> None:
        """Commands of one process are shown in order where a client monitors; that process is woken if it sleeps."""
        other, loop = Store(), Loop()
        other.frozen_ms = NOW_MS
        other.attach(self.fd)
        other.join(1)
        wakers = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(PLACES)]
        for waker in wakers:
            self.addCleanup(os.close, waker)
        self.addCleanup(other.close)
        self.addCleanup(loop.close)
        self.store.set_wakers(wakers)
        heard: list[bytes] = []
        loop.on_monitored = lambda: heard.append(other.monitored())
        loop.read_ring(other, wakers[other.place])
        monitor = session(other)
        monitor.monitor()
        self.store.on_monitored = lambda: self.assertEqual(self.store.monitored(), b"")
        for word in ("a", "b"):
            call(self.client, "echo", word)
        loop.turn(60)
        lines = [b'+1700000000.000000 [0 ?:0] "echo" "%s"\r\n' % word for word in (b"a", b"b")]
        self.assertEqual(heard, [b"".join(lines)])
        session(self.store).monitor()
        self.store.on_monitored = None
        call(self.client, "echo", "a")
        self.assertEqual(self.store.monitored(), lines[0])  # now it is shown here, too
        loop.turn(60)
        self.assertEqual(heard[1:], [lines[0]])
        call(session(other), "echo", "b")
        self.assertEqual(
            (other.monitored(), self.store.monitored()), (lines[1], b"")
        )  # to a process that does not look
        other.close()
        call(self.client, "echo", "a")
        self.assertEqual(self.store.monitored(), lines[0])
        loop.turn(0)
        self.assertEqual(len(heard), 2)

    def test_told_in_the_same_turn(self) -> None:
        """The owner hears of lines during the turn that wrote them, and of none when nobody monitors."""
        heard: list[bytes] = []
        self.store.on_monitored = lambda: heard.append(self.store.monitored())
        call(self.client, "ping")
        self.assertEqual(heard, [])
        session(self.store).monitor()
        self.client.feed(b"PING\r\nCLIENT ID\r\n")
        self.client.answer(b":1\r\n")
        self.client.resume()
        self.assertEqual([lines[19:] for lines in heard], [b'[0 ?:0] "PING"\r\n', b'[0 ?:0] "CLIENT" "ID"\r\n'])

    def test_dropped(self) -> None:
        """Lines that do not fit are counted, and the replies do not change."""
        session(self.store).monitor()
        for _ in range(3):
            self.assertEqual(len(call(self.client, "echo", b"x" * 500_000)), 500_011)
        self.assertEqual((self.store.monitored().count(b"\r\n"), self.store.monitor_dropped), (2, 1))

    def test_large_output_with_lines_waiting(self) -> None:
        """Output comes out whole beside lines that nobody takes."""
        session(self.store).monitor()
        call(self.client, "set", "key", b"x" * (3 * PIECE))
        self.assertEqual(call(self.client, "get", "key"), b"$%d\r\n%s\r\n" % (3 * PIECE, b"x" * 3 * PIECE))
