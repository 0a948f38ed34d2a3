"""Commands about replication, persistence, a cluster and modules, none of which there is."""

from __future__ import annotations

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
