"""CLIENT LIST: the flags and counts of clients in every state are those that redis-server shows."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .test_pubsub import Talk

STATES = """PING|SUBSCRIBE a b|PSUBSCRIBE a* b* c*|SSUBSCRIBE a|SUBSCRIBE a/PSUBSCRIBE b/SSUBSCRIBE c d|SUBSCRIBE a/UNSUBSCRIBE a
MULTI|MULTI/GET a|WATCH a b|WATCH a/SET a 1|WATCH a/MULTI|WATCH a/MULTI/EXEC|WATCH a/SET a 2/MULTI|WATCH a/SET b 1
WATCH a b/DEL b|WATCH kept/FLUSHDB|WATCH absent/FLUSHDB|WATCH kept/SWAPDB 0 1|WATCH a/SET a 1/UNWATCH|WATCH a/SET a 2/MULTI/DISCARD
WATCH a/SET a 1/MULTI/EXEC|WATCH absent/PEXPIRE absent 1|WATCH kept/EXPIRE kept -1|WATCH kept/GET kept|WATCH a/SET a 1/RESET
MONITOR|CLIENT TRACKING ON|CLIENT TRACKING ON BCAST|CLIENT TRACKING ON REDIRECT 99999|CLIENT TRACKING ON OPTIN
CLIENT TRACKING ON NOLOOP|CLIENT NO-EVICT ON|BLPOP none 0|WATCH a/BLPOP none 0|XREAD BLOCK 0 STREAMS none $|HELLO 3/SUBSCRIBE a/BLPOP none 0
HELLO 3/CLIENT TRACKING ON/SUBSCRIBE a|CLIENT SETNAME x|SELECT 3|SUBSCRIBE a/RESET|WATCH a/RESET""".replace(
    "\n", "|"
).split("|")
FIELDS = ("flags", "name", "db", "sub", "psub", "ssub", "multi", "cmd", "redir", "resp")


class ClientListTests(SynchronousTestCase):
    """One client after another."""

    def shown(self, server: servers.Server, state: str) -> dict[str, str]:
        """The fields of a client that has sent these commands."""
        control, client = Talk(server, 2), Talk(server, 2)
        self.addCleanup(control.close)
        self.addCleanup(client.close)
        for words in (["FLUSHALL"], ["SET", "kept", "v"]):
            control.send(words)
            control.value()
        client.send(["CLIENT", "ID"])
        number = client.value()[1:-2].decode()
        last = state.split("/")[-1].split()[0].lower()
        client.send(*[command.split() for command in state.split("/")])
        found: dict[str, str] = {}

        def arrived() -> bool:
            control.send(["CLIENT", "LIST", "ID", number])
            found.update(word.split("=", 1) for word in control.value().decode().split() if "=" in word)
            return found["cmd"].split("|")[0] == last

        servers.until(arrived, 20, state)
        return {name: found[name] for name in FIELDS}

    def test_every_state(self) -> None:
        """Subscribers, transactions, watched keys that have changed, monitors, clients that track, or wait."""
        theirs, ours = servers.redis_server(), servers.redistill()
        self.addCleanup(theirs.stop)
        self.addCleanup(ours.stop)
        for state in STATES:
            self.assertEqual(self.shown(ours, state), self.shown(theirs, state), state)
