"""MONITOR: who sees the lines that the core delivers."""

from __future__ import annotations

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.support.control import Server

LINE = b'+1700000000.000000 [0 127.0.0.1:51000] "GET" "%s"\r\n'
A, B = LINE % b"a", LINE % b"\xff"


class MonitorTests(SynchronousTestCase):
    """The clients of one process."""

    def setUp(self) -> None:
        self.server = Server()
        self.client = self.server.client

    def executed(self, lines: bytes) -> None:
        """The core has written these, and the turn is over."""
        self.server.store.lines += lines
        self.server.plane.monitored()
        self.server.clock.advance(0)

    def test_lines(self) -> None:
        """A client that has sent MONITOR gets the lines of later commands; other clients get none."""
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
        """A disconnected client is forgotten, and lines without a client that monitors are taken out of the store."""
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

    def test_damaged(self) -> None:
        """The log reports once that other workers' lines were damaged."""
        self.server.store.rings_reset = 2
        with capturedLogs() as events:
            self.server.plane.tick()
            self.server.plane.tick()
        self.assertEqual([event["times"] for event in events if "times" in event], [2])
