"""Blocking commands: several clients, random commands; after each step the same clients wait, each has got what Valkey
sends it, which serves as Redis 7.2 does, and the events of keys are the same; in the end all values are."""

from __future__ import annotations

import random
import select
from collections.abc import Collection
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .test_pubsub import Talk

CLIENTS, STEPS, RUNS = 5, 50, 12
WAITS = """BLPOP {} 0|BLPOP {l} {l} {l} 0|BRPOP {l} {l} 0|BLMOVE {} {} LEFT RIGHT 0|BLMOVE {} {} RIGHT LEFT 0|BRPOPLPUSH {} {} 0
BLMPOP 0 2 {l} {l} LEFT COUNT 2|BLMPOP 0 1 {} RIGHT|BZPOPMIN {z} {z} 0|BZPOPMAX {} 0|BZMPOP 0 2 {z} {z} MIN COUNT 2
BLPOP {} -1|BLPOP {} x|BLPOP {} 1e400|BLMOVE {} {} UP LEFT 0|BLMPOP 0 0 {} LEFT|BZMPOP 0 1 {} MIN COUNT 0|BLMPOP x 1 {} LEFT
BLMPOP x 1 {} LEFT COUNT 0|BLMPOP -1 0 {} LEFT|BZMPOP x 1 {} UP
BZPOPMIN {} nan|BZMPOP 0 3 {} MIN|BRPOPLPUSH {} {} -0.5|BZMPOP 0 1 {} MIN COUNT 1 COUNT 1|BLPOP {} inf|BLPOP {} 99999999999999999
BLPOP {} 99999999999999999|XREAD BLOCK 0 STREAMS {x} $|XREAD COUNT 1 BLOCK 0 STREAMS {x} $|XREAD BLOCK 0 STREAMS {x} 0
XREADGROUP GROUP {g} {c} BLOCK 0 STREAMS {x} >|XREADGROUP GROUP g {c} BLOCK 0 STREAMS {x} >|XREADGROUP GROUP g {c} COUNT 1 BLOCK 0 STREAMS a >
XREADGROUP GROUP g {c} BLOCK 0 NOACK STREAMS {x} >|XREADGROUP GROUP g {c} BLOCK 0 STREAMS a >|XREADGROUP GROUP g {c} STREAMS {x} 0
BLPOP {} {} {} 0|BRPOP {l} {s} {l} 0|BZPOPMAX {z} {} {z} 0|BLMPOP 0 3 {l} {s} {l} RIGHT COUNT 99
BZMPOP 0 3 {z} {} {z} MAX COUNT 99|BLPOP {} {} 0.01|BRPOPLPUSH {} {} .01|BZMPOP 1e-2 2 {z} {} MIN|BLMOVE {} {} LEFT LEFT 0.001
BLPOP {l} 0.0001""".replace("\n", "|").split("|")
CHANGES = """LPUSH {l} a|RPUSH {l} b c|RPUSH {l} d|RPUSH {l} e f g|ZADD {z} 1 a 2 b|ZADD {z} 3 c|SET {s} x|DEL {}|RENAME {l} {l}
COPY {l} {l} REPLACE|COPY {z} {z} REPLACE|RENAME {z} {z}|RENAMENX {s} {s}|RPUSH {s} v|ZADD {s} 1 v|MOVE {} 1|SWAPDB 0 1
SORT {l} ALPHA STORE {l}|ZUNIONSTORE {z} 2 {z} {z}|LMOVE {l} {l} LEFT LEFT|SADD {s} m|LINSERT {l} BEFORE d q|FLUSHDB
ZRANGESTORE {z} {z} 0 -1|RPUSHX {l} z|PEXPIRE {} -1|FLUSHALL|SUNIONSTORE {s} {s}|EXPIRE {} 100|SELECT 1|SELECT 0
RPUSH {l} d|RPUSH {l} e f g|ZADD {z} 4 d 5 e|ZADD {z} 6 f|LPUSH {} q|ZADD {} 7 g|DEL {}|DEL {}|SET {} x|SPOP {s} 9
RESTORE {l} 0 LIST REPLACE|RESTORE {z} 0 SORTED REPLACE|RESTORE {l} 0 LIST|ZRANGESTORE {z} {z} 0 -1|SORT {l} ALPHA STORE {l}
ZINCRBY {z} 1 i|LMPOP 2 {l} {l} LEFT COUNT 9|ZMPOP 2 {z} {z} MIN|GEOADD {z} 13 38 town|SINTERSTORE {z} {s} {s}
XADD {x} {i} f v|XADD {x} {i} f v|XADD {x} {i} f v|XADD a {i} f v|XADD b {i} f v|XGROUP CREATE {x} {g} 0 MKSTREAM|XGROUP CREATE {x} g $ MKSTREAM
XGROUP CREATE {x} g 0 MKSTREAM|XGROUP CREATE {x} g 0 MKSTREAM|XGROUP DESTROY {x} {g}|DEL {x}|RENAME {x} {x}|XACK {x} g {i}|XDEL {x} {i}
XGROUP DELCONSUMER {x} g {c}|SET {x} text|XPENDING {x} g|XTRIM {x} MAXLEN 2""".replace("\n", "|").split("|")
KEYS = {
    "{x}": ("a", "a", "b"),
    "{g}": ("g", "g", "h"),
    "{c}": ("c", "d"),
    "{i}": tuple(f"{ms}-1" for ms in range(1, 40)),
    "{l}": ("k", "l", "m"),
    "{z}": ("x", "y", "z"),
    "{s}": ("o", "p"),
    "{}": ("k", "l", "x", "y", "o", "p"),
}
BRIEF = ("0.01", ".01", "1e-2", "0.001", "0.0001")  # timeouts that are over before the next step
EVENTS = ("PSUBSCRIBE", "__key*")


def fill(random_: random.Random, template: str) -> list[str]:
    """A command with keys in place of {l}, {z}, {s} or {}."""
    return [random_.choice(KEYS[word]) if word in KEYS else word for word in template.split()]


class Side:
    """A server, with clients of which some wait."""

    def __init__(self, server: servers.Server, versions: list[int]) -> None:
        self.control = Talk(server, 2)
        for words in (["FLUSHALL"], ["CONFIG", "SET", "notify-keyspace-events", "KEAn"]):
            self.ask(words)
        self.server, self.versions = server, versions
        self.clients = [Talk(server, version) for version in versions]
        self.ids = [self.id_of(client) for client in self.clients]
        self.subscriber = Talk(server, 3)
        self.subscriber.send([*EVENTS])
        self.subscriber.value()
        self.marks: dict[int, str] = {}  # clients that may wait: the text of a PING behind their command
        self.count = 0

    def ask(self, words: list[str]) -> Any:
        """The answer to a client that never waits."""
        self.control.send(words)
        return self.control.value()

    @staticmethod
    def id_of(client: Talk) -> str:
        client.send(["CLIENT", "ID"])
        return str(int(client.value()[1:]))

    def payloads(self, words: list[str]) -> list[str]:
        """The command with DUMP's payloads in place of their names."""
        made = {"LIST": ["RPUSH", "made", "s", "t"], "SORTED": ["ZADD", "made", "1", "s", "2", "t"]}
        if words[0] != "RESTORE" or words[3] not in made:
            return words
        self.ask(["SELECT", "5"])
        self.ask(["DEL", "made"])
        self.ask(made[words[3]])
        payload = self.ask(["DUMP", "made"]).decode("latin-1")
        self.ask(["SELECT", "0"])
        return [payload if word in made else word for word in words]

    def end_wait(self, which: int, how: str) -> tuple[Any, dict[int, list[Any]], list[int]]:
        """End a client's wait by CLIENT UNBLOCK or KILL: the reply, and what `step` returns."""
        if how == "KILL":
            reply = self.ask(["CLIENT", "KILL", "ID", self.ids[which]])
            self.clients[which].close()
            self.clients[which] = Talk(self.server, self.versions[which])
            self.ids[which] = self.id_of(self.clients[which])
            del self.marks[which]
        else:
            reply = self.ask(["CLIENT", "UNBLOCK", self.ids[which], how])
        return reply, *self.settle(())

    def events(self) -> list[Any]:
        """The events of keys since the last call. For PEXPIRE with a time that has passed Valkey 9 says `expired`, Redis
        `del`."""
        found = [value[3:] for value in self.subscriber.until(f"events{self.count}") if value[2] != b"made"]
        return [tuple(part.replace(b"expired", b"del") for part in event) for event in found]

    def contents(self) -> list[Any]:
        """All values of two databases."""
        found: list[Any] = []
        for db in "01":
            self.ask(["SELECT", db])
            for key in sorted(bytes(name).decode() for name in self.ask(["KEYS", "*"])[1:]):
                kind = self.ask(["TYPE", key])
                read = {
                    b"+list\r\n": ["LRANGE", key, "0", "-1"],
                    b"+zset\r\n": ["ZRANGE", key, "0", "-1", "WITHSCORES"],
                }
                value = self.ask(read.get(kind, ["EXISTS", key]))
                found.append((db, key, kind, value))
        return found

    def blocked(self) -> int:
        """The number of clients that wait, after each worker has had a turn."""
        self.control.send(["PUBSUB", "CHANNELS"])
        self.control.value()
        self.control.send(["INFO", "clients"])
        lines = bytes(self.control.value()).split(b"\r\n")
        return next(int(line.split(b":")[1]) for line in lines if line.startswith(b"blocked_clients:"))

    def step(self, which: int, commands: list[list[str]]) -> tuple[dict[int, list[Any]], list[int]]:
        """What each client got after this one sent these commands, and the clients that wait."""
        self.count += 1
        self.marks[which] = f"mark{self.count}"
        for words in [*commands, ["PING", self.marks[which]]]:
            self.clients[which].send(self.payloads(words))
        return self.settle({which} if any(words[-1] in BRIEF or words[1:2] == ["1e-2"] for words in commands) else ())

    def settle(self, brief: Collection[int]) -> tuple[dict[int, list[Any]], list[int]]:
        """Wait until nothing moves, and no client in `brief` waits."""
        got: dict[int, list[Any]] = {}
        servers.until(
            lambda: self._read(got) or (len(self.marks) == self.blocked() and not self.marks.keys() & set(brief)),
            20,
            "clients that wait",
        )
        return got, sorted(self.marks)

    def _read(self, got: dict[int, list[Any]]) -> bool:
        """Read what has come. False: nothing."""
        waiting = {self.clients[client].socket: client for client in self.marks}
        ready = select.select(list(waiting), [], [], 0.001)[0]
        for client in (waiting[sock] for sock in ready):
            values = got.setdefault(client, [])
            while not values or values[-1] not in (self.marks[client].encode(),):
                values.append(self.clients[client].value())
            del self.marks[client]
        return False

    def close(self) -> None:
        """Hang up."""
        for talk in (self.control, self.subscriber, *self.clients):
            talk.file.close()
            talk.socket.close()


class Compared(SynchronousTestCase):
    """Random steps."""

    def compare(self, theirs: servers.Server, ours: servers.Server, seed: int) -> None:
        chance = random.Random(seed)
        versions = [chance.choice((2, 3)) for _ in range(CLIENTS)]
        sides = Side(theirs, versions), Side(ours, versions)
        story: list[str] = []
        try:
            for _ in range(STEPS):
                free = [client for client in range(CLIENTS) if client not in sides[0].marks]
                waiting = [client for client in range(CLIENTS) if client not in free]
                if not free or (waiting and chance.random() < 0.08):
                    which, how = chance.choice(waiting), chance.choice(("TIMEOUT", "ERROR", "KILL"))
                    story.append(f"{which}: {how}")
                    ends = [(side.end_wait(which, how), side.events()) for side in sides]
                    self.assertEqual(ends[1], ends[0], f"seed {seed}: " + "\n".join(story))
                    continue
                which = chance.choice(free)
                if len(free) > 1 and chance.random() < 0.45:
                    commands = [fill(chance, chance.choice(WAITS))]
                elif chance.random() < 0.25:
                    inner = [fill(chance, chance.choice(CHANGES + WAITS[:11])) for _ in range(chance.randint(1, 4))]
                    commands = [["MULTI"], *inner, ["EXEC"]]
                else:
                    commands = [fill(chance, chance.choice([*CHANGES, "RESET"]))]
                story.append(f"{which}: {commands}")
                wanted, found = ((side.step(which, commands), side.events()) for side in sides)
                self.assertEqual(found, wanted, f"seed {seed}: " + "\n".join(story))
            contents = [side.contents() for side in sides]
            self.assertEqual(contents[1], contents[0], f"seed {seed}: " + "\n".join(story))
        finally:
            for side in sides:
                side.close()

    def test_the_same_clients_are_served_with_the_same(self) -> None:
        """Also with a second worker, whose clients are served across processes."""
        theirs = servers.valkey_server()
        self.addCleanup(theirs.stop)
        for workers in (1, 2):
            ours = servers.redistill(f"[server]\nworkers = {workers}\n")
            self.addCleanup(ours.stop)
            for seed in range(RUNS):
                self.compare(theirs, ours, seed)
