"""Places at the edges of the map: poles, the date line, areas wider than the world, numbers that are none, equal
members. Each reply has the same bytes as redis-server's."""

from __future__ import annotations

import itertools
import random

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .peers import encode

LONGITUDES = ("-180", "-179.99999", "-90", "-0.000001", "0", "0.000001", "90", "179.99999", "180")
LATITUDES = ("-85.05112878", "-85.0511", "-66", "-0.000001", "0", "0.000001", "66", "85.0511", "85.05112878")
BEYOND = ("180.00001", "-180.1", "1e308", "nan", "-nan", "inf", "-inf", "0x10", "1e400", "x", "")
LENGTHS = (
    "0",
    "1e-300",
    "0.0001",
    "1",
    "1000",
    "6371",
    "10018",
    "20015.08",
    "20015.09",
    "20037.6",
    "40075",
    "1e6",
    "1e300",
)
NO_LENGTHS = ("-1", "nan", "inf", "-inf", "1e400", "x", "")
UNITS = ("m", "km", "ft", "mi")
SHOWN = (
    (),
    ("WITHCOORD", "WITHDIST", "WITHHASH"),
    ("ASC", "WITHDIST"),
    ("DESC", "COUNT", "7", "WITHCOORD"),
    ("COUNT", "5", "ANY"),
)
STEPS = 4000


def scores(reply: bytes) -> list[bytes | float]:
    """Members and scores: since 7.2 the latter have fewer digits, that mean the same number."""
    strings = [line for line in reply.split(b"\r\n") if line[:1] not in (b"$", b"*")]
    return [float(word) if n % 2 else word for n, word in enumerate(strings[:-1])]


class EdgeTests(SynchronousTestCase):
    """One client at each server."""

    def setUp(self) -> None:
        self.files = []
        for server in (servers.redis_server(), servers.redistill("")):
            self.addCleanup(server.stop)
            sock = server.connect()
            self.addCleanup(sock.close)
            sock.settimeout(20)
            self.files.append((sock, sock.makefile("rb")))
            self.addCleanup(self.files[-1][1].close)

    def same(self, *commands: tuple[str, ...]) -> None:
        """Both servers reply to the commands with the same bytes."""
        for at in range(0, len(commands), 100):
            some = commands[at : at + 100]
            replies = []
            for sock, file in self.files:
                sock.sendall(b"".join(encode([word.encode() for word in words]) for words in some))
                said = [self.reply(file) for _ in some]
                replies.append(
                    [scores(text) if words[0] == "ZRANGE" else text for words, text in zip(some, said, strict=True)]
                )
            for words, theirs, ours in zip(some, *replies, strict=True):
                self.assertEqual(ours, theirs, " ".join(words))

    def reply(self, file) -> bytes:  # type: ignore[no-untyped-def]
        """The bytes of the next reply."""
        line: bytes = file.readline()
        if line[:1] == b"$" and line != b"$-1\r\n":
            return line + file.read(int(line[1:]) + 2)
        if line[:1] == b"*" and line != b"*-1\r\n":
            return line + b"".join(self.reply(file) for _ in range(int(line[1:])))
        return line

    def fill(self) -> list[str]:
        """Add a place at each crossing, and one with the same coordinates as each tenth."""
        members = []
        for n, (lon, lat) in enumerate(itertools.product(LONGITUDES, LATITUDES)):
            for name in (f"m{n}", f"twin of {n}")[: 1 + (n % 10 == 0)]:
                self.same(("GEOADD", "k", lon, lat, name))
                members.append(name)
        return members

    def test_places(self) -> None:
        """Positions, hashes and distances of all pairs; coordinates beyond the map are refused."""
        members = self.fill()
        self.same(("GEOPOS", "k", *members), ("GEOHASH", "k", *members), ("ZRANGE", "k", "0", "-1", "WITHSCORES"))
        self.same(
            *(("GEODIST", "k", a, b, UNITS[n % 4]) for n, (a, b) in enumerate(itertools.product(members, members)))
        )
        for word in BEYOND:
            self.same(
                ("GEOADD", "k", word, "0", "m"), ("GEOADD", "k", "0", word, "m"), ("GEOADD", "k", word, word, "m")
            )
        self.same(("GEOADD", "k", "0", "85.05112879", "m"), ("GEOADD", "k", "0", "-85.05112879", "m"))
        self.same(("GEOADD", "k", "1", "1", "a", "2", "2", "a", "3", "nan", "b"), ("GEOPOS", "k", "a", "b"))
        self.same(("GEOADD", "k", "CH", "1", "1", "a", "2", "2", "a"), ("GEOPOS", "k", "a"), ("ZCARD", "k"))

    def test_areas(self) -> None:
        """Areas of every size around every kind of place, as circles and as boxes, read and stored."""
        members = self.fill()
        chance = random.Random(18)
        commands: list[tuple[str, ...]] = []
        for _ in range(STEPS):
            lon, lat = chance.choice(LONGITUDES), chance.choice(LATITUDES)
            if chance.random() < 0.05:
                lon = chance.choice(BEYOND)
            whence = chance.choice((("FROMLONLAT", lon, lat), ("FROMMEMBER", chance.choice(members))))
            unit = chance.choice(UNITS)
            lengths = [chance.choice(NO_LENGTHS if chance.random() < 0.03 else LENGTHS) for _ in range(2)]
            if chance.random() < 0.3:
                lengths[0] = f"{10 ** chance.uniform(-3, 8):.6f}"
            shape = chance.choice((("BYRADIUS", lengths[0], unit), ("BYBOX", *lengths, unit)))
            shown = chance.choice(SHOWN)
            commands.append(("GEOSEARCH", "k", *whence, *shape, *shown))
            if "WITHDIST" not in shown and "WITHCOORD" not in shown:
                distances = ("STOREDIST",) if chance.random() < 0.5 else ()
                commands.append(("GEOSEARCHSTORE", "to", "k", *whence, *shape, *shown, *distances))
                commands.append(("ZRANGE", "to", "0", "-1", "WITHSCORES"))
            commands.append(("GEORADIUS", "k", lon, lat, lengths[0], unit, *shown))
            commands.append(("GEORADIUSBYMEMBER_RO", "k", chance.choice(members), lengths[0], unit, *shown))
        self.same(*commands)
