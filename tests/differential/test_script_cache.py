"""SCRIPT beside redis-server: loading, asking, flushing, and the words for what is wrong."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .peers import WirePeer, ask
from .replies import CLOSED

ONE = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
CALLS: tuple[tuple[str, ...], ...] = (
    ("SCRIPT", "EXISTS", ONE),
    ("SCRIPT", "LOAD", "return 1"),
    ("SCRIPT", "LOAD", "return 1"),
    ("SCRIPT", "EXISTS", ONE, ONE.upper(), "", "x", ONE + "0", "f" * 40),
    ("EVALSHA", ONE, "0"),
    ("SCRIPT", "LOAD", ""),
    ("SCRIPT", "LOAD", "return ("),
    ("SCRIPT", "LOAD", "\n\nreturn x x"),
    ("SCRIPT", "LOAD", "#!lua flags=no-writes\nreturn redis.call('set','a','b')"),
    ("SCRIPT", "LOAD", "#!lua flags=nosuch\nreturn 1"),
    ("SCRIPT", "LOAD", "#!js\nreturn 1"),
    ("SCRIPT", "LOAD"),
    ("SCRIPT", "LOAD", "a", "b"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("DBSIZE",),
    ("EVALSHA", ONE, "0"),
    ("SCRIPT", "FLUSH", "x"),
    ("SCRIPT", "FLUSH", "ASYNC", "SYNC"),
    ("EVALSHA", ONE, "0"),
    ("SCRIPT", "FLUSH", "sync"),
    ("EVALSHA", ONE, "0"),
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "EXISTS", ONE),
    ("SCRIPT", "FLUSH", "ASYNC"),
    ("EVALSHA", ONE, "0"),
    ("EVALSHA_RO", ONE, "0"),
    ("SCRIPT", "FLUSH"),
    ("SCRIPT", "EXISTS"),
    ("SCRIPT", "DEBUG", "no"),
    ("SCRIPT", "DEBUG", "x"),
    ("SCRIPT", "DEBUG"),
    ("SCRIPT", "HELP"),
    ("SCRIPT", "NOSUCH"),
    ("SCRIPT",),
    ("EVAL", "return redis.call('script','load','return 1')", "0"),
    ("EVAL", "return redis.call('script','flush')", "0"),
    ("MULTI",),
    ("SCRIPT", "LOAD", "return 1"),
    ("EVALSHA", ONE, "0"),
    ("SCRIPT", "FLUSH"),
    ("EVALSHA", ONE, "0"),
    ("EXEC",),
)


class ScriptCacheTests(SynchronousTestCase):
    """Both servers are fresh, and get the same calls."""

    def test_calls(self) -> None:
        """All replies are redis-server's, in both protocols."""
        ours = servers.redistill()
        self.addCleanup(ours.stop)
        theirs = servers.redis_server()
        self.addCleanup(theirs.stop)
        for protocol in (2, 3):
            clients = [WirePeer(server).open() for server in (ours, theirs)]
            for client in clients:
                self.addCleanup(client.close)
                ask(client, "HELLO", protocol)
                ask(client, "SCRIPT", "FLUSH")
            for call in CALLS:
                got, wanted = (ask(client, *call) for client in clients)
                self.assertNotEqual(wanted, CLOSED, call)
                self.assertEqual(got, wanted, call)
