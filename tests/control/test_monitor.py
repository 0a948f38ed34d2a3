"""MONITOR: who sees the lines that the core writes, within one worker and over two."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from redistill.control.monitor import BACKLOG
from tests.control.test_peers import PlayedPeers
from tests.support.control import FakeClient, Server

LINE = b'+1700000000.000000 [0 127.0.0.1:51000] "GET" "%s"\r\n'
A, B, C, D = (LINE % word for word in (b"a", b"\xff", b"c", b"d"))


class MonitorTests(SynchronousTestCase):
    """The clients of one process."""

    def setUp(self) -> None:
        self.server = Server()
        self.client = self.server.client

    def executed(self, lines: bytes, server: Server | None = None) -> None:
        """The core has written these, and the turn is over."""
        server = server or self.server
        server.store.lines += lines
        server.plane.monitored()
        server.clock.advance(0)

    def test_lines(self) -> None:
        """Who has sent MONITOR sees what is executed from then on, and nobody else does."""
        other, bystander = self.server.connect(), self.server.connect()
        self.assertEqual(self.server.run("MONITOR"), b"+OK\r\n")
        self.executed(A)
        self.assertEqual(self.server.run("monitor", other), b"+OK\r\n")
        self.executed(B)
        self.assertEqual([one.pushed for one in (self.client, other, bystander)], [A + B, B, b""])

    def test_turn_goes_first(self) -> None:
        """Lines go on when the turn in which they came is over, together: a session may be in a transaction's midst."""
        self.server.run("MONITOR")
        self.server.store.lines = A
        self.server.plane.monitored()
        self.server.store.lines += B
        self.server.plane.monitored()
        self.assertEqual(self.client.pushed, b"")
        self.server.clock.advance(0)
        self.assertEqual((self.client.pushed, self.server.store.lines), (A + B, b""))
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_twice(self) -> None:
        """A second MONITOR is not answered, and changes nothing."""
        self.server.run("MONITOR")
        self.assertEqual(self.server.run("MONITOR"), b"")
        self.executed(A)
        self.assertEqual(self.client.pushed, A)

    def test_transaction(self) -> None:
        """In a transaction it is refused in Redis's words."""
        self.client.session.state.in_exec = True
        self.assertEqual(self.server.run("MONITOR"), b"-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n")
        self.executed(A)
        self.assertEqual((self.client.session.state.monitors, self.client.pushed), (False, b""))

    def test_reset(self) -> None:
        """RESET ends it, and MONITOR may follow again."""
        self.server.run("MONITOR")
        self.assertEqual(self.server.run("RESET"), b"+RESET\r\n")
        self.executed(A)
        self.assertEqual(self.server.run("MONITOR"), b"+OK\r\n")
        self.executed(B)
        self.assertEqual(self.client.pushed, B)

    def test_who_wants_no_replies(self) -> None:
        """With CLIENT REPLY OFF a client sees no lines either."""
        self.server.run("MONITOR")
        self.server.run("CLIENT REPLY OFF")
        self.executed(A)
        self.server.run("CLIENT REPLY ON")
        self.executed(B)
        self.assertEqual(self.client.pushed, B)

    def test_who_has_gone(self) -> None:
        """Who has gone is forgotten, and lines that nobody is there to see are taken all the same."""
        self.server.run("MONITOR")
        del self.server.clients[self.client.client_id]
        self.executed(A)
        self.assertEqual((self.client.pushed, self.server.store.lines), (b"", b""))

    def test_adopted(self) -> None:
        """A client that was handed over while it monitored goes on to see each line once, also where it was before."""
        self.server.run("MONITOR")
        self.server.plane.adopted(self.client)
        silent = self.server.connect()
        self.server.plane.adopted(silent)
        self.executed(A)
        self.assertEqual((self.client.pushed, silent.pushed), (A, b""))

    def test_list(self) -> None:
        """CLIENT LIST marks it with O; to it and to CLIENT KILL it is a normal client."""
        self.server.run("MONITOR")
        self.assertIn(b" flags=O ", self.server.run("CLIENT INFO"))
        self.client.peer = "/run/redistill.sock:0"
        self.assertIn(b" flags=OU ", self.server.run("CLIENT LIST TYPE normal"))
        self.assertEqual(self.server.run("CLIENT LIST TYPE replica"), b"$0\r\n\r\n")
        self.assertEqual(self.server.run("CLIENT KILL TYPE normal", self.server.connect()), b":1\r\n")
        self.assertTrue(self.client.killed)

    def test_lost(self) -> None:
        """The log says once how many lines the core could not keep."""
        self.server.store.monitor_dropped = 3
        with capturedLogs() as events:
            self.server.plane.tick()
            self.server.plane.tick()
        self.assertEqual([event["lines"] for event in events if "lines" in event], [3])


class WorkersTests(SynchronousTestCase):
    """Lines on their way to another worker."""

    def setUp(self) -> None:
        self.server, self.other = Server(), Server()
        self.peers = self.server.state.peers = PlayedPeers(self.other)

    def monitor(self, server: Server) -> FakeClient:
        """One more client of `server` that monitors."""
        client = server.connect()
        server.run("MONITOR", client)
        for one in (self.server, self.other):
            one.store.monitors += 1
        return client

    def executed(self, lines: bytes) -> None:
        """The first worker's core has written these, and the turn is over."""
        self.server.store.lines += lines
        self.server.plane.monitored()
        self.server.clock.advance(0)

    def test_both(self) -> None:
        """The monitors of both workers see what one executes; the other does not send it back."""
        here, there = self.monitor(self.server), self.monitor(self.other)
        self.executed(A + B)
        self.assertEqual((here.pushed, there.pushed), (A + B, A + B))
        self.peers.arrive()
        self.assertEqual((here.pushed, self.peers.asked), (A + B, []))

    def test_nobody_there(self) -> None:
        """While nobody monitors elsewhere, nothing is sent there."""
        self.monitor(self.server)
        self.executed(A)
        self.assertEqual(self.peers.asked, [])

    def test_one_at_a_time(self) -> None:
        """What comes while the other has not heard the last lines waits, and goes together."""
        there = self.monitor(self.other)
        for line in (A, B, C):
            self.executed(line)
        self.assertEqual((len(self.peers.asked), there.pushed), (1, A))
        self.peers.arrive()
        self.assertEqual((len(self.peers.asked), there.pushed), (1, A + B + C))
        self.peers.arrive()
        self.assertEqual(self.peers.asked, [])
        self.executed(D)
        self.assertEqual(there.pushed, A + B + C + D)

    def test_bound(self) -> None:
        """As much as BACKLOG waits for another worker, and what is more is lost, counted and logged."""
        there = self.monitor(self.other)
        much = b"x" * (BACKLOG - len(B) - 2) + b"\r\n"
        for lines in (A, much, B):
            self.executed(lines)
        self.executed(C + D)
        with capturedLogs() as events:
            self.server.plane.tick()
        self.assertEqual([event["lines"] for event in events if "lines" in event], [2])
        self.peers.arrive()
        self.assertEqual(there.pushed, A + much + B)
        self.peers.arrive()
        self.executed(C)
        self.assertEqual(there.pushed, A + much + B + C)

    def test_failure(self) -> None:
        """When lines do not reach the others, those after them are sent all the same."""
        there = self.monitor(self.other)
        self.executed(A)
        self.executed(B)
        with capturedLogs() as events:
            self.peers.asked.pop()[1].errback(ConnectionDone())
        self.assertEqual([event["reason"] for event in events], [str(ConnectionDone())])
        self.assertEqual(there.pushed, A + B)
