"""Publish/subscribe: several clients, random commands; each client gets what redis-server sends it, after each step."""

from __future__ import annotations

import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .peers import encode

NAMES = ("a", "ab", "b", "")
PATTERNS = ("a*", "?", "[ab]", "x*", "*")
COMMANDS = (
    *("SUBSCRIBE", "SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"),
    *("PUBLISH", "PUBLISH", "PUBLISH", "SPUBLISH", "PUBSUB NUMSUB", "PUBSUB SHARDNUMSUB", "PUBSUB NUMPAT", "GET"),
    *("PUBSUB CHANNELS", "PUBSUB SHARDCHANNELS", "RESET"),
)
CLIENTS, STEPS, RUNS = 4, 60, 25


class Talk:
    """One client, whose replies and messages are parsed."""

    def __init__(self, server: servers.Server, version: int) -> None:
        self.socket = server.connect()
        self.file = self.socket.makefile("rb")
        if version == 3:
            self.send(["HELLO", "3"])
            self.value()

    def send(self, *commands: list[str]) -> None:
        """Send commands at once; a character stands for a byte."""
        self.socket.sendall(b"".join(encode([word.encode("latin-1") for word in words]) for words in commands))

    def value(self) -> Any:
        """The next reply or message; an aggregate is a tuple that begins with its sign."""
        line = self.file.readline()
        sign, rest = line[:1], line[1:-2]
        if sign in b"$=" and rest != b"-1":
            return self.file.read(int(rest) + 2)[:-2]
        if sign in b"*>~%" and rest != b"-1":
            return (sign, *(self.value() for _ in range(int(rest) * (2 if sign == b"%" else 1))))
        return line

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def until(self, marker: str) -> list[Any]:
        """All that comes before the answer to PING `marker`."""
        self.send(["PING", marker])
        found = []
        while (value := self.value()) not in (marker.encode(), (b"*", b"pong", marker.encode())):
            found.append(value)
        return found


def comparable(values: list[Any], words: list[str]) -> list[Any]:
    """What two servers must have in common: the order of a client's patterns, and of its names where a command names
    none, is each server's own; and with 7.2 a client's own message comes behind the reply."""
    if len(words) == 1 and words[0].endswith("UNSUBSCRIBE"):
        first = [value for value in values if value[0] != b":"]
        return [sorted(value[2] for value in first), [value[3] for value in first]]
    if words[:2] in (["PUBSUB", "CHANNELS"], ["PUBSUB", "SHARDCHANNELS"]):
        return [sorted(value[1:]) if isinstance(value, tuple) else value for value in values]
    if words[0] in ("PUBLISH", "SPUBLISH"):
        return sorted(values, key=repr)
    return values


class PubSubTests(SynchronousTestCase):
    """Random scripts of several clients, RESP2 and RESP3 mixed."""

    def setUp(self) -> None:
        self.ours = servers.redistill("[server]\nworkers = 2\n", tcp=True)
        self.addCleanup(self.ours.stop)
        self.theirs = servers.redis_server()
        self.addCleanup(self.theirs.stop)

    def script(self, dice: random.Random) -> list[tuple[int, list[str]]]:
        """Steps: a client and its command."""
        steps = []
        for _ in range(STEPS):
            words = dice.choice(COMMANDS).split()
            names = PATTERNS if words[0] in ("PSUBSCRIBE", "PUNSUBSCRIBE") or words[-1].endswith("CHANNELS") else NAMES
            if words[0] in ("PUBLISH", "SPUBLISH"):
                words += [dice.choice(NAMES), dice.choice(("", "x", "y" * 1000, "\r\n"))]
            elif words[0] == "GET":
                words.append("k")
            elif words[-1].endswith("CHANNELS"):
                words += dice.sample(names, dice.randrange(2))
            elif words[0] not in ("RESET",) and words[-1] != "NUMPAT":
                least = 1 if words[0] in ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE") else 0
                words += dice.choices(names, k=dice.randrange(least, 4))
            steps.append((dice.randrange(CLIENTS), words))
        return steps

    def test_scripts(self) -> None:
        """Each client of both servers gets the same, step by step."""
        for run in range(RUNS):
            dice = random.Random(run)
            versions = [dice.choice((2, 3)) for _ in range(CLIENTS)]
            both = [[Talk(server, version) for version in versions] for server in (self.theirs, self.ours)]
            for number, (client, words) in enumerate(self.script(dice)):
                said = []
                for talks in both:
                    talks[client].send(words)
                    first = talks[client].until(f"own {number}")
                    rest = [talk.until(f"mark {number}") for talk in talks if talk is not talks[client]]
                    said.append([comparable(values, words) for values in (first, *rest)])
                self.assertEqual(said[0], said[1], f"run {run}, step {number}: client {client} sends {words}")
            for talk in (talk for talks in both for talk in talks):
                talk.close()
            for server in (self.theirs, self.ours):
                self.await_no_subscriber(server)

    def await_no_subscriber(self, server: servers.Server) -> None:
        """Wait until the server has noticed that its clients have gone."""
        talk = Talk(server, 2)

        def subscriptions() -> list[Any]:
            for words in (["CHANNELS"], ["SHARDCHANNELS"], ["NUMPAT"]):
                talk.send(["PUBSUB", *words])
            return [talk.value() for _ in range(3)]

        servers.until(lambda: all(value in ((b"*",), b":0\r\n") for value in subscriptions()), 20, "no subscriber")
        talk.close()
