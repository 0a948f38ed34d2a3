"""Commands over several workers: two control planes that reach each other as through a supervisor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.failures import Refused
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.settings import Value
from redistill.control.slowlog import SlowLog
from redistill.control.state import ServerState
from tests.support.control import NOW, FakeClient, Server

OTHER = 100
"""Ids of the second worker's clients begin here."""


class PlayedPeers:
    """The way to another worker, which takes as long as the test wants."""

    def __init__(self, other: Server) -> None:
        self.other = other
        self.asked: list[tuple[str, Deferred[list[Any]], list[Any]]] = []
        self.changed: list[tuple[Mapping[str, Value], Deferred[None]]] = []
        self.rewrites: list[Deferred[None]] = []

    def _answer(self, question: str, argument: Any) -> Any:
        """The other worker's answer, through JSON, as on the way between processes."""
        return json.loads(json.dumps(self.other.plane.answer(question, json.loads(json.dumps(argument)))))

    def ask(self, question: str, argument: Any, must: bool = False) -> Deferred[list[Any]]:
        waiting: Deferred[list[Any]] = Deferred()
        self.asked.append((question, waiting, [self._answer(question, argument)]))
        return waiting

    def change(self, server: ServerState, changes: Mapping[str, Value]) -> Deferred[None]:
        self.changed.append((changes, Deferred()))
        return self.changed[-1][1]

    def rewrite(self, server: ServerState) -> Deferred[None]:
        self.rewrites.append(Deferred())
        return self.rewrites[-1]

    def arrive(self) -> None:
        """The answers of the other come in."""
        asked, self.asked = self.asked, []
        for _, waiting, answers in asked:
            waiting.callback(answers)


class PeersTests(SynchronousTestCase):
    """Questions to one worker that two workers answer."""

    def setUp(self) -> None:
        self.server, self.other = Server(), Server()
        self.peers = self.server.state.peers = PlayedPeers(self.other)
        numbers = iter(range(1000))
        self.server.state.slowlog, self.other.state.slowlog = (SlowLog(numbers.__next__) for _ in range(2))
        self.other.clients.clear()
        self.theirs = self.other.connect(client_id=OTHER, peer="10.0.0.1:1000")

    def over_both(self, line: str, client: FakeClient | None = None) -> bytes:
        """The reply to a command, which comes when the other worker's answer does."""
        reply = self.server.ask(*line.split(" "), client=client)
        assert isinstance(reply, Deferred), line
        self.assertNoResult(reply)
        self.peers.arrive()
        return self.successResultOf(reply)

    def test_list(self) -> None:
        """CLIENT LIST shows the clients of all workers by id, and finds them by id."""
        lines = self.over_both("CLIENT LIST").decode().splitlines()[1:-1]
        self.assertEqual([line.split(" ")[0] for line in lines], ["id=7", f"id={OTHER}"])
        lines = self.over_both(f"CLIENT LIST ID {OTHER} 55 7").decode().splitlines()[1:-1]
        self.assertEqual([line.split(" ")[0] for line in lines], [f"id={OTHER}", "id=7"])
        self.assertEqual(self.over_both("CLIENT LIST TYPE pubsub"), b"$0\r\n\r\n")

    def test_kill(self) -> None:
        """CLIENT KILL reaches the clients of all workers and counts them all."""
        self.assertEqual(self.over_both("CLIENT KILL ADDR 10.0.0.1:1000"), b":1\r\n")
        self.assertEqual((self.theirs.killed, self.server.client.killed), (True, False))
        self.assertEqual(self.over_both("CLIENT KILL TYPE normal SKIPME no"), b":2\r\n")
        self.assertTrue(self.server.client.session.state.close_after_reply)
        self.assertEqual(self.over_both("CLIENT KILL 10.0.0.1:1000"), b"+OK\r\n")
        self.assertEqual(self.over_both("CLIENT KILL 10.0.0.1:1001"), b"-ERR No such client\r\n")

    def test_transaction(self) -> None:
        """With the locks of a transaction held a change begins at once, and its answer comes when all workers have made it; a
        question begins when the locks are released."""
        state = self.server.client.session.state
        state.locked = True
        killing = self.server.ask("CLIENT", "KILL", "ADDR", "10.0.0.1:1000")
        assert isinstance(killing, Deferred)
        self.assertTrue(self.theirs.killed)
        self.assertNoResult(killing)
        self.peers.arrive()
        self.assertEqual(self.successResultOf(killing), b":1\r\n")
        listing = self.server.ask("CLIENT", "LIST")
        assert callable(listing)
        self.assertEqual(self.peers.asked, [])
        state.locked = False
        listed = listing()
        assert isinstance(listed, Deferred)
        self.peers.arrive()
        self.assertIn(b"id=", self.successResultOf(listed))

    def test_transaction_that_changes(self) -> None:
        """A change in a transaction is answered when all workers have it, or have refused it."""
        self.server.client.session.state.locked = True
        for words in (["CONFIG", "SET", "timeout", "5"], ["ACL", "SETUSER", "x", ">pw"]):
            good, bad = (self.server.ask(*words) for _ in range(2))
            assert isinstance(good, Deferred) and isinstance(bad, Deferred)
            self.assertNoResult(good)
            self.peers.changed[0][1].callback(None)
            self.peers.changed[1][1].errback(ConfigError("no"))
            self.assertEqual(self.successResultOf(good), b"+OK\r\n")
            self.assertTrue(self.successResultOf(bad).startswith(b"-ERR "))
            self.peers.changed.clear()

    def test_slowlog(self) -> None:
        """SLOWLOG is one log: the newest entries of all workers in their order, and no more than the limit."""
        for server, word in ((self.server, b"a"), (self.other, b"\xff"), (self.server, b"c")):
            server.state.slowlog.add(int(NOW), 9, [word], "127.0.0.1:1", b"n", 128)
        reply = self.over_both("SLOWLOG GET 2")
        self.assertTrue(reply.startswith(b"*2\r\n*6\r\n:2\r\n"), reply)
        self.assertIn(b"*6\r\n:1\r\n:%d\r\n:9\r\n*1\r\n$1\r\n\xff\r\n" % int(NOW), reply)
        self.assertEqual(self.over_both("SLOWLOG LEN"), b":3\r\n")
        self.assertEqual(self.over_both("SLOWLOG RESET"), b"+OK\r\n")
        self.assertEqual(self.over_both("SLOWLOG GET"), b"*0\r\n")

    def test_latency(self) -> None:
        """LATENCY shows the events of all workers, the worst of a second."""
        self.server.state.latency.add("command", 100, 20)
        self.other.state.latency.add("command", 100, 30)
        self.other.state.latency.add("command", 101, 10)
        self.other.state.latency.add("expire-cycle", 90, 5)
        self.assertEqual(self.over_both("LATENCY HISTORY command"), b"*2\r\n*2\r\n:100\r\n:30\r\n*2\r\n:101\r\n:10\r\n")
        self.assertEqual(
            self.over_both("LATENCY LATEST"),
            b"*2\r\n*4\r\n$7\r\ncommand\r\n:101\r\n:10\r\n:30\r\n*4\r\n$12\r\nexpire-cycle\r\n:90\r\n:5\r\n:5\r\n",
        )
        self.assertEqual(self.over_both("LATENCY RESET command nope"), b":1\r\n")
        self.assertEqual(self.over_both("LATENCY RESET"), b":1\r\n")
        self.assertEqual(self.over_both("LATENCY LATEST"), b"*0\r\n")

    def test_settings(self) -> None:
        """CONFIG SET is answered when all workers have the setting, or one of them refused it."""
        reply = self.server.ask("CONFIG", "SET", "maxclients", "50")
        assert isinstance(reply, Deferred)
        changes, waiting = self.peers.changed.pop()
        self.assertEqual(changes, {"server.max_connections": 50})
        self.assertNoResult(reply)
        waiting.callback(None)
        self.assertEqual(self.successResultOf(reply), b"+OK\r\n")
        for problem in (Refused("maxclients", "no"), ConfigError("no")):
            reply = self.server.ask("CONFIG", "SET", "maxclients", "51")
            assert isinstance(reply, Deferred)
            self.peers.changed.pop()[1].errback(problem)
            self.assertEqual(
                self.successResultOf(reply),
                b"-ERR CONFIG SET failed (possibly related to argument 'maxclients') - no\r\n",
            )
        reply = self.server.ask("CONFIG", "REWRITE")
        assert isinstance(reply, Deferred)
        self.peers.rewrites.pop().errback(ConfigError("no file"))
        self.assertEqual(self.successResultOf(reply), b"-ERR no file\r\n")

    def test_statistics(self) -> None:
        """CONFIG RESETSTAT resets those of all workers."""
        for server in (self.server, self.other):
            server.run("NOPE")
        self.assertIn(b"unknowncmd_nope:count=2,(none)=2\r\n", self.over_both("INFO unknowncommands"))
        self.assertEqual(self.over_both("CONFIG RESETSTAT"), b"+OK\r\n")
        self.assertNotIn(b"nope", self.over_both("INFO everything"))

    def test_question_of_another_build(self) -> None:
        """An unknown question has no answer."""
        self.assertIsNone(self.server.plane.answer("weather", {}))


class ConfigJsonTests(SynchronousTestCase):
    """A configuration on its way to another process."""

    def test_round_trip(self) -> None:
        """A configuration arrives unchanged, with all passwords."""
        config = Config(path="/etc/x").replace(
            {"security.password": ("a", "\udcff"), "server.port": 7000, "memory.eviction_policy": "noeviction"}
        )
        self.assertEqual(Config.from_json(json.loads(json.dumps(config.to_json()))), config)

    def test_another_build(self) -> None:
        """Settings that are not known are left out, those that are missing have their defaults."""
        plain = Config().to_json()
        plain["server"]["novelty"] = 1
        plain["future"] = {"x": 1}
        del plain["server"]["port"], plain["memory"]
        self.assertEqual(Config.from_json(plain), Config())
