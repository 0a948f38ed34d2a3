"""Commands about replication, persistence, a cluster and modules, none of which there is."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.control import absent
from redistill.engine.command_table import CommandTable
from tests.support.control import NOW, Server

DISK = b"-ERR not supported: this cache writes nothing to disk\r\n"
REPLICATION = b"-ERR not supported: this cache has no replication\r\n"
CLUSTER = b"-ERR This instance has cluster support disabled\r\n"
PAIR = b"*2\r\n:0\r\n:0\r\n"


class AnswerTests(SynchronousTestCase):
    """Commands that are answered at once."""

    def test_questions(self) -> None:
        """A client learns that it speaks to a master without replicas, saved when it started, without modules."""
        server = Server()
        for line, reply in (
            ("ROLE", b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"),
            ("LASTSAVE", b":%d\r\n" % NOW),
            ("MODULE LIST", b"*0\r\n"),
            ("REPLICAOF NO ONE", b"+OK\r\n"),
            ("slaveof no one", b"+OK\r\n"),
            ("FAILOVER ABORT", b"-ERR No failover in progress.\r\n"),
        ):
            self.assertEqual(server.run(line), reply, line)

    def test_changes(self) -> None:
        """Commands that need persistence, replication or modules are refused, and the error says why."""
        server = Server()
        for line, reply in (
            *((line, DISK) for line in ("SAVE", "BGSAVE", "BGSAVE SCHEDULE", "BGREWRITEAOF")),
            *((line, REPLICATION) for line in ("SYNC", "PSYNC ? -1", "REPLCONF", "REPLICAOF localhost 6379")),
            ("MODULE LOAD x.so", b"-ERR not supported: this cache loads no modules\r\n"),
            ("BGSAVE NOW", b"-ERR syntax error\r\n"),
            ("REPLICAOF localhost x", b"-ERR Invalid master port\r\n"),
            ("FAILOVER", b"-ERR FAILOVER requires connected replicas.\r\n"),
            ("FAILOVER TO h 1 TO h 2", b"-ERR syntax error\r\n"),
            *((line, CLUSTER) for line in ("ASKING", "READONLY", "READWRITE", "CLUSTER INFO", "cluster help")),
        ):
            self.assertEqual(server.run(line), reply, line)

    def test_every_subcommand_of_cluster(self) -> None:
        """All that the table has are answered here."""
        table = CommandTable()
        names = {entry.name.partition("|")[2] for entry in table.by_name["cluster"].subcommands}
        self.assertEqual(names, set(absent.CLUSTER))


class WaitTests(SynchronousTestCase):
    """WAIT and WAITAOF."""

    def setUp(self) -> None:
        self.server = Server()

    def test_nobody_to_wait_for(self) -> None:
        """Without a number of replicas, and in a transaction, the answer comes at once."""
        self.assertEqual(self.server.run("WAIT 0 0"), b":0\r\n")
        self.assertEqual(self.server.run("WAIT -1 9999"), b":0\r\n")
        self.assertEqual(self.server.run("WAITAOF 0 0 0"), PAIR)
        self.server.client.session.state.in_exec = True
        self.assertEqual(self.server.run("WAIT 1 0"), b":0\r\n")

    def test_timeout(self) -> None:
        """Replicas that there are not are waited for until the timeout, to the millisecond; 0 has no end."""
        waiting = self.server.ask("WAIT", "1", "1500")
        endless = self.server.ask("WAITAOF", "0", "1", "0")
        assert isinstance(waiting, Deferred) and isinstance(endless, Deferred)
        self.server.clock.advance(1.499)
        self.assertNoResult(waiting)
        self.server.clock.advance(0.001)
        self.assertEqual(self.successResultOf(waiting), b":0\r\n")
        self.server.clock.advance(1e6)
        self.assertNoResult(endless)
        self.server.plane.leaving()
        self.assertEqual(self.successResultOf(endless), PAIR)

    def test_waiting_is_not_slow(self) -> None:
        """The time that a client waited is none for the slow log."""
        waiting = self.server.ask("WAIT", "1", "1000")
        assert isinstance(waiting, Deferred)
        self.server.clock.advance(1)
        self.assertEqual(self.successResultOf(waiting), b":0\r\n")
        self.assertEqual(self.server.run("SLOWLOG LEN"), b":0\r\n")

    def test_client_that_goes(self) -> None:
        """A client that disconnects before the timeout leaves no timer."""
        waiting = self.server.ask("WAIT", "1", "1000")
        assert isinstance(waiting, Deferred)
        waiting.addErrback(lambda failure: None)
        waiting.cancel()
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_process_that_is_left(self) -> None:
        """When the process hands its clients over all are answered, and later commands do not wait."""
        waiting = self.server.ask("WAIT", "2", "1000000")
        assert isinstance(waiting, Deferred)
        self.server.plane.leaving()
        self.assertEqual(self.successResultOf(waiting), b":0\r\n")
        self.assertEqual(self.server.run("WAIT 1 0"), b":0\r\n")

    def test_arguments(self) -> None:
        """Arguments are checked in Redis's order, with its errors."""
        for line, reply in (
            ("WAIT x x", "value is not an integer or out of range"),
            ("WAIT 0 x", "timeout is not an integer or out of range"),
            ("WAIT 0 -1", "timeout is negative"),
            ("WAIT 1 9223372036854775807", "timeout is out of range"),
            ("WAITAOF x x x", "value is not an integer or out of range"),
            ("WAITAOF 2 0 0", "value is out of range, value must between 0 and 1"),
            ("WAITAOF 0 -1 0", "value is out of range, must be positive"),
            ("WAITAOF 1 0 x", "timeout is not an integer or out of range"),
            ("WAITAOF 1 1 0", "WAITAOF cannot be used when numlocal is set but appendonly is disabled."),
        ):
            self.assertEqual(self.server.run(line), f"-ERR {reply}\r\n".encode(), line)
