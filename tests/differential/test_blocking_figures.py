"""Blocking commands, subscribers and publishers in MONITOR and in INFO's counts, as Valkey shows them; and clients that wait
for a key that a STORE command overwrites."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .test_pubsub import Talk

CASES = """BLPOP k 0 > RPUSH k a|BLPOP k 0 > RPUSH k a b|RPUSH k a/BLPOP k 0 >|BLPOP k 0.001 >|MULTI/BLPOP k 0/EXEC >
BLPOP k x >|SET k v/BLPOP k 0 >|BLPOP k 0 > SET k v/DEL k/RPUSH k a|BLPOP k 0 > CLIENT UNBLOCK ID|BLMOVE k l LEFT LEFT 0 > RPUSH k a
SET l v/BLMOVE k l LEFT LEFT 0 > RPUSH k a|BZPOPMIN z 0 > ZADD z 1 a|BZMPOP 0 1 z MAX > ZADD z 1 a|BLMPOP 0 1 k LEFT > RPUSH k a
XREAD BLOCK 0 STREAMS s $ > XADD s 1-1 a b|XGROUP CREATE s g $ MKSTREAM/XREADGROUP GROUP g c BLOCK 0 STREAMS s > > DEL s
SUBSCRIBE a/PSUBSCRIBE b* > PUBLISH a x/SPUBLISH a x|SUBSCRIBE a/GET x >|WAIT 0 0 >|WAIT 1 1 >|BLPOP k 0 > MULTI/RPUSH k a/EXEC
BZPOPMIN z 0 > GEOADD z 13 38 a|CLIENT TRACKING ON PREFIX a >|BLPOP k 0 > MULTI/RPUSH k a/DEL k/EXEC""".replace(
    "\n", "|"
).split("|")
"""Commands of a client, then those of another one; ID stands for the first one's number."""
OVERWRITTEN = """BLPOP k 0 > SET k v/RPUSH m 1 2/SORT m STORE k|BLPOP k 0 > ZADD k 1 v/RPUSH m 1 2/SORT m STORE k
BZPOPMIN k 0 > SET k v/ZADD m 1 a/ZRANGESTORE k m 0 -1|BZPOPMIN k 0 > RPUSH k v/ZADD m 1 a/ZUNIONSTORE k 1 m
BZPOPMIN k 0 > SET k v/GEOADD m 13 38 a/GEOSEARCHSTORE k m FROMLONLAT 13 38 BYRADIUS 1 km""".replace("\n", "|").split(
    "|"
)
FRESH = """BLPOP k 0 > RPUSH m 1 2/SORT m STORE k|BZPOPMIN k 0 > ZADD m 1 a/ZRANGESTORE k m 0 -1
BLPOP k 0 > SET k v/RPUSH m 1 2/RENAME m k|BLPOP k 0 > SET k v/RPUSH m 1 2/COPY m k REPLACE""".replace("\n", "|").split(
    "|"
)


class Side:
    """A client that may wait, another one, and a monitor."""

    def __init__(self, server: servers.Server, case: str) -> None:
        self.client, self.other, self.monitor = Talk(server, 2), Talk(server, 2), Talk(server, 2)
        first, _, second = case.rpartition(" >")
        self.ask("FLUSHALL")
        self.client.send(["CLIENT", "ID"])
        number = self.client.value()[1:-2].decode()
        self.monitor.send(["MONITOR"])
        self.monitor.value()
        self.ask("CONFIG RESETSTAT")
        commands = first.split("/")
        self.client.send(*[command.split() for command in commands])
        name = commands[-1].split()[0].lower()
        if second:
            self.until_listed(number, name)
        elif not first.startswith(("SUBSCRIBE", "MULTI")):
            for _ in commands:
                self.client.value()
        else:
            self.client.until("end")
        for command in filter(None, second.strip().split("/")):
            self.ask(command.replace("ID", number))

    def ask(self, command: str) -> Any:
        """The reply to the other client."""
        self.other.send(command.split())
        return self.other.value()

    def until_listed(self, number: str, name: str) -> None:
        """Wait until the client has run a command of this name."""

        def listed() -> bool:
            line = self.ask(f"CLIENT LIST ID {number}").decode()
            return f" cmd={name} " in line

        servers.until(listed, 20, name)

    def figures(self) -> tuple[list[str], list[str], list[str]]:
        """The lines of MONITOR, the counts of commands and those of errors."""
        info = self.ask("INFO commandstats").decode(), self.ask("INFO errorstats").decode()
        self.ask("ECHO end-of-monitor")
        lines: list[str] = []
        while "end-of-monitor" not in (line := self.monitor.value().decode().partition("] ")[2].strip()):
            lines.append(line)
        calls = []
        for line in info[0].split("\r\n"):
            name, _, rest = line.partition(":")
            if rest and not name.startswith(("cmdstat_info", "cmdstat_client|list", "cmdstat_config", "cmdstat_ping")):
                fields = [field for field in rest.split(",") if not field.startswith("usec")]
                calls.append(f"{name}:{fields}")
        skipped = ('"INFO"', '"CLIENT" "LIST"', '"CONFIG"', '"CLIENT" "UNBLOCK"', '"PING"')
        kept = [line for line in lines if not line.startswith(skipped)]
        return kept, sorted(calls), sorted(line for line in info[1].split("\r\n") if line.startswith("errorstat"))

    def close(self) -> None:
        """Hang up, and wait until nobody waits."""
        self.client.close()
        servers.until(lambda: b"blocked_clients:0" in self.ask("INFO clients"), 20, "nobody waits")
        self.monitor.close()
        self.other.close()


class FiguresTests(SynchronousTestCase):
    """One case after another, on both servers."""

    def setUp(self) -> None:
        self.theirs, self.ours = servers.valkey_server(), servers.redistill()
        self.addCleanup(self.theirs.stop)
        self.addCleanup(self.ours.stop)

    def test_monitor_and_counts(self) -> None:
        """A command that waits is one line of MONITOR when it begins, and one call when it has ended, however it ends."""
        for case in CASES:
            found = []
            for server in (self.theirs, self.ours):
                side = Side(server, case)
                found.append(side.figures())
                side.close()
            self.assertEqual(found[1], found[0], case)

    def left(self, server: servers.Server, case: str) -> bytes:
        """The number of elements that the client's key has in the end."""
        side = Side(server, case)
        key = side.ask("LLEN k") if case.startswith("BLPOP") else side.ask("ZCARD k")
        side.close()
        return bytes(key)

    def test_a_key_that_is_overwritten(self) -> None:
        """SORT STORE, ZRANGESTORE and their kin onto a key of another type serve those who wait for it; Redis and
        Valkey let them wait beside the elements. Onto an absent key all serve them."""
        for case in OVERWRITTEN:
            self.assertEqual(int(self.left(self.theirs, case)[1:]) - 1, int(self.left(self.ours, case)[1:]), case)
        for case in FRESH:
            self.assertEqual(self.left(self.ours, case), self.left(self.theirs, case), case)
