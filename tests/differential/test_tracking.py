"""Client-side caching: several clients in random modes, commands of every type; after each step each client has got what
redis-server 7.0 and Valkey 9 send it."""

from __future__ import annotations

import itertools
import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .test_events import GROUPS, NAMES
from .test_pubsub import Talk


def one_of(text: str) -> list[str]:
    """The commands of a text."""
    return text.replace("\n", "|").split("|")


CLIENTS, STEPS, RUNS = 4, 70, 14
MODES = ("BCAST", "OPTIN", "OPTOUT", "NOLOOP", "PREFIX a", "PREFIX", "PREFIX l PREFIX s1", "PREFIX l1 PREFIX l", "JUNK")
MODES += ("REDIRECT {id}", "REDIRECT {id}", "REDIRECT 99999999", "REDIRECT x", "REDIRECT", "REDIRECT 0", "REDIRECT -1")
STATES = one_of("""CLIENT TRACKING OFF|CLIENT TRACKING OFF|CLIENT TRACKING OFF JUNK|CLIENT TRACKING MAYBE|CLIENT TRACKING|RESET|HELLO 2
HELLO 3|HELLO 3|CLIENT CACHING YES|CLIENT CACHING YES|CLIENT CACHING NO|CLIENT CACHING JUNK|CLIENT TRACKINGINFO|CLIENT GETREDIR
CLIENT INFO|SUBSCRIBE __redis__:invalidate|SUBSCRIBE __redis__:invalidate|UNSUBSCRIBE __redis__:invalidate|SUBSCRIBE a
PSUBSCRIBE *|PUNSUBSCRIBE *|WATCH {any}|UNWATCH|SELECT 1|SELECT 0|PUBLISH __redis__:invalidate x""")
GOOD = one_of("""ON|ON NOLOOP|ON BCAST|ON BCAST NOLOOP|ON OPTIN|ON OPTOUT|ON REDIRECT {id}|ON BCAST REDIRECT {id}
ON BCAST PREFIX a PREFIX l|ON BCAST PREFIX {any}|ON OPTIN NOLOOP|ON OPTOUT REDIRECT {id} NOLOOP""")
READS = one_of("""GET {}|MGET {any} {any} {none}|LRANGE {l} 0 -1|SMEMBERS {s}|ZRANGE {z} 0 -1|HGETALL {h}|TYPE {any}|TTL {any}
EXISTS {any} {any}|STRLEN {}|SUNION {s} {s}|PFCOUNT {p}|GETEX {}|DUMP {any}|OBJECT ENCODING {any}|TOUCH {any}|SORT {l} ALPHA
SORT_RO {l} ALPHA|ZINTERCARD 2 {z} {z}|LCS {} {}|SCAN 0|KEYS *|GEOSEARCH {z} FROMLONLAT 1 1 BYRADIUS 1 m""")
SHOWN = {text.split()[0] for text in STATES} - {"PUBLISH", "SELECT"}
LARGEST_COUNT = 30
"""Larger numbers in replies to these are ids of clients."""
FORGETS = (["CLIENT", "TRACKING", "OFF"], ["RESET"])
"""Behind these it is each server's own for how long the keys that the client has read are known."""
WITHOUT_MESSAGES = ("SWAPDB",)
"""Commands for which Redis leaves its clients' caches stale. In Valkey PXAT 1 without a key and LTRIM 0 -1 change
nothing."""


class Side:
    """A server, with clients in several modes."""

    def __init__(self, server: servers.Server, versions: list[int]) -> None:
        self.server = server
        self.control = Talk(server, 2)
        while self.number(self.control) <= LARGEST_COUNT:
            self.control.close()
            self.control = Talk(server, 2)
        for words in (["FLUSHALL"], ["DEBUG", "SET-ACTIVE-EXPIRE", "0"]):
            self.ask(words)
        self.talks = [Talk(server, version) for version in versions]
        self.ids = [self.number(talk) for talk in self.talks]
        self.names = {number: f"client {which}" for which, number in enumerate(self.ids)}

    def ask(self, words: list[str]) -> Any:
        self.control.send(words)
        return self.control.value()

    @staticmethod
    def number(talk: Talk) -> int:
        """The client's id."""
        talk.send(["CLIENT", "ID"])
        return int(talk.value()[1:])

    def with_id(self, word: str) -> str:
        """The word, or the id of a client that it names by its number."""
        return str(self.ids[int(word[2:])]) if word.startswith("id") else word

    def kill(self, which: int) -> None:
        """Kill a client; another one has its place."""
        self.ask(["CLIENT", "KILL", "ID", str(self.ids[which])])
        self.talks[which].close()
        self.talks[which] = Talk(self.server, 3)
        self.ids[which] = self.number(self.talks[which])
        self.names[self.ids[which]] = f"client {which}, number {len(self.names)}"

    def blocked(self) -> bool:
        """Whether a client waits."""
        return b"blocked_clients:1\r\n" in self.ask(["INFO", "clients"])

    def step(self, which: int, commands: list[list[str]]) -> list[list[Any]]:
        """Have one client send commands; returns what each client gets."""
        talk = self.talks[which]
        talk.send(*([self.with_id(word) for word in words] for words in commands))
        first = talk.until("own")
        if commands and commands[0] in FORGETS:
            self.ask(["FLUSHALL"])
        others = [other for other in self.talks if other is not talk]
        rest = [other.until("mark") for other in others]
        # Again: messages of BCAST are sent at the end of a turn, and those to another client may go through two workers.
        first += talk.until("behind")
        rest = [said + other.until("behind") for said, other in zip(rest, others, strict=True)]
        said = [[self.named(value) for value in values] for values in (first, *rest)]
        if all(words not in FORGETS and not words[0].startswith("FLUSH") for words in commands):
            return said
        # In which order clients forget, and whether keys are named before everything, is each server's own.
        return [sorted((value for value in values if not names_keys(value)), key=repr) for values in said]

    def served(self, which: int, key: str) -> list[list[Any]]:
        """Have one client wait for a list, and another one push to it; returns what each client gets."""
        self.ask(["DEL", key])
        self.talks[which].send(["BLPOP", key, "0"])
        servers.until(self.blocked, 20, "the client waits")
        self.ask(["RPUSH", key, "x"])
        return self.step(which, [])

    def named(self, value: Any) -> Any:
        """With numbers of clients in place of ids."""
        if isinstance(value, tuple) and b"proto" in value:
            return value[0]
        if isinstance(value, tuple):
            return tuple(self.named(one) for one in value)
        if value == b"_\r\n":
            return b"$-1\r\n"  # the two write null as the client that redirects would read it
        if value.startswith(b":"):
            return self.names.get(int(value[1:]), value)
        if value.removeprefix(b"txt:").startswith(b"id="):
            fields = dict(field.split(b"=", 1) for field in value.split() if b"=" in field)
            return (fields[b"flags"].replace(b"U", b"") or b"N", self.named(b":" + fields[b"redir"] + b"\r\n"))
        return value

    def close(self) -> None:
        for talk in (self.control, *self.talks):
            talk.close()


def is_message(value: Any) -> bool:
    """Whether it is no reply."""
    return isinstance(value, tuple) and (value[0] == b">" or value[1:2] == (b"message",))


def names_keys(value: Any) -> bool:
    """Whether it says of keys that they are invalid."""
    return is_message(value) and isinstance(value[-1], tuple)


def messages(value: Any) -> list[Any]:
    """All messages, in order of text: redis-server 7.0 puts a client's own before the reply, and into that of EXEC."""
    if is_message(value):
        return [value]
    found = [one for part in value for one in messages(part)] if isinstance(value, list | tuple) else []
    return sorted(found, key=repr)


def distinct(values: list[Any]) -> list[Any]:
    """Each message once: the keys of BCAST are collected for as long as a server does other things."""
    return [value for i, value in enumerate(messages(values)) if value not in messages(values)[:i]]


def without_data(values: list[Any], exact: bool) -> list[Any]:
    """The messages; if exact, with their places between replies. Messages between two replies are in no order, since
    one client may get those of several."""
    if not exact:
        return messages(values)
    found: list[Any] = []
    for told, group in itertools.groupby(values, is_message):
        some = list(group)
        found += sorted(some, key=repr) if told else ["reply"] * len(some)
    return found


class TrackingTests(SynchronousTestCase):
    """Beside each of the two."""

    def setUp(self) -> None:
        self.ours = servers.redistill('[server]\nworkers = 2\n[security]\nenable_debug_command = "local"\n', tcp=True)
        self.addCleanup(self.ours.stop)

    def words(self, dice: random.Random, text: str) -> list[str]:
        """A command with its keys."""
        words = []
        for word in text.split():
            if word == "{id}":
                word = f"id{dice.randrange(CLIENTS)}"
            elif word.startswith("{"):
                word = dice.choice(NAMES[word[1:-1]])
            words.append({"''": "", "D": self.payload}.get(word, word))
        return words

    def command(self, dice: random.Random) -> list[str]:
        """A command that reads or writes."""
        while True:
            words = self.words(dice, dice.choice(READS if dice.random() < 0.4 else dice.choice(GROUPS)))
            if words[0] not in (*WITHOUT_MESSAGES, "MULTI", "EXEC", "DISCARD") and words[-2:] not in (
                ["PXAT", "1"],
                ["0", "-1"],
            ):
                return words

    def step(self, dice: random.Random) -> list[list[str]]:
        """What one client sends."""
        chance = dice.random()
        if chance < 0.12:
            return [["CLIENT", "TRACKING", *self.words(dice, dice.choice(GOOD))]]
        if chance < 0.18:
            return [["CLIENT", "TRACKING", "on", *self.words(dice, " ".join(dice.choices(MODES, k=dice.randrange(4))))]]
        if chance < 0.4:
            return [self.words(dice, dice.choice(STATES))]
        if chance < 0.55:
            return [["MULTI"], *(self.command(dice) for _ in range(dice.randrange(1, 5))), ["EXEC"]]
        return [self.command(dice)]

    def run_script(self, both: list[Side], dice: random.Random, exact: bool) -> None:
        """Compare after each step."""
        story = []
        for _ in range(STEPS):
            which, chance = dice.randrange(CLIENTS), dice.random()
            if chance < 0.03:
                story.append(f"kill {which}")
                for side in both:
                    side.kill(which)
                continue
            if chance < 0.07:
                key = dice.choice(NAMES["l"])
                story.append(f"{which} waits for {key}")
                both_said = [self.served_if_possible(side, which, key) for side in both]
                both_said = [[distinct(values) for values in said] for said in both_said]
            else:
                commands = self.step(dice)
                story.append(f"{which}: {commands}")
                both_said = [side.step(which, commands) for side in both]
                if commands[0][0] not in SHOWN:
                    both_said = [[without_data(values, exact) for values in said] for said in both_said]
            if both_said[0] != both_said[1]:
                self.assertEqual(*both_said, "\n".join(story))

    @staticmethod
    def served_if_possible(side: Side, which: int, key: str) -> list[list[Any]]:
        """A client that only hears messages may not wait; and for whom a key of NOLOOP is its own, if one client pushes
        and another one takes, is each server's own."""
        said = side.step(which, [["SELECT", "0"], ["CLIENT", "TRACKINGINFO"]])
        if "noloop" in repr(said) or said[0][0] != b"+OK\r\n":
            return said
        return said + side.served(which, key)

    def compare(self, theirs: servers.Server, exact: bool) -> None:
        self.addCleanup(theirs.stop)
        client = Talk(theirs, 2)
        client.send(["SET", "a", "x"])
        client.send(["DUMP", "a"])
        client.value()
        self.payload = client.value().decode("latin-1")
        client.close()
        for run in range(RUNS):
            dice = random.Random(run)
            versions = [dice.choice((2, 3)) for _ in range(CLIENTS)]
            both = [Side(server, versions) for server in (theirs, self.ours)]
            try:
                self.run_script(both, dice, exact)
            finally:
                for side in both:
                    side.close()

    def test_beside_redis(self) -> None:
        """The same messages and replies, with redis-server 7.0 in another order for the client itself."""
        self.compare(servers.redis_server("--enable-debug-command", "yes"), exact=False)

    def test_beside_valkey(self) -> None:
        """The same messages and replies in the same order."""
        self.compare(servers.valkey_server("--enable-debug-command", "yes"), exact=True)
