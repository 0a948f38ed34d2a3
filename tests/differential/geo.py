"""Commands on places."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, key, option, options, pick

_CHANCE = random.Random(17)
_EDGES = (180.0, -180.0, 179.9999, -179.9999, 0.0)


def _place(number: int) -> tuple[bytes, bytes]:
    """A place of its own for each number: in a town, at the date line, at a pole, anywhere."""
    lon, lat = _CHANCE.uniform(-180, 180), _CHANCE.uniform(-85, 85)
    if number % 4 == 0:
        lon, lat = 13.4 + lon / 5000, 52.5 + lat / 5000
    elif number % 4 == 1:
        lon = (180 - abs(lon) / 50) * (1 if lon > 0 else -1)
    elif number % 4 == 2:
        lat = (85.0511 - abs(lat) / 100) * (1 if lat > 0 else -1)
    return b"%.6f" % lon, b"%.6f" % lat


MEMBERS = (*(b"m%d" % number for number in range(24)), b"x" * 64, b"y" * 65, b"z" * 600)
_PLACES = [_place(number) for number in range(2 * len(MEMBERS))]
"""Two for each member."""
placed = st.tuples(st.integers(0, len(MEMBERS) - 1), st.booleans()).map(
    lambda which: [*_PLACES[2 * which[0] + which[1]], MEMBERS[which[0]]]
)
some_placed = st.lists(placed, min_size=1, max_size=12).map(lambda found: [word for one in found for word in one])
all_placed = st.booleans().map(
    lambda second: [word for n, member in enumerate(MEMBERS) for word in (*_PLACES[2 * n + second], member)]
)
member = pick(*MEMBERS, "none", "a", "")
members = st.lists(member, max_size=4)
places = pick("places:1", "places:1", "places:2")

edge = st.sampled_from(_EDGES).map(lambda number: b"%.4f" % number)
longitude = st.one_of(
    edge, st.floats(-180, 180).map(lambda n: b"%.4f" % n), pick("13.4", "180.1", "nan", "x", "inf", "")
)
latitude = st.one_of(
    st.floats(-85.05, 85.05).map(lambda n: b"%.4f" % n),
    pick("85.05112878", "-85.05112878", "52.5", "66", "80.1", "-80.1", "85.06", "-inf", "x", "0"),
)
length = st.one_of(
    st.floats(-1, 7.7).map(lambda n: b"%.3f" % 10**n),
    st.floats(-1, 4.7).map(lambda n: b"%.3f" % 10**n),
    pick("0", "-1", "inf", "nan", "x", "1e300", "1e-300", "20015.0868", "20037726.37"),
)
unit = pick("m", "km", "km", "ft", "mi", "KM", "Mi", "mm", "")
whence = st.one_of(
    option("FROMMEMBER", member),
    option("FROMMEMBER", pick(*MEMBERS[:6])),
    option("FROMLONLAT", longitude, latitude),
    option("FROMLONLAT", edge, pick("0", "85.05", "-85.05", "10")),
)
shape = st.one_of(option("BYRADIUS", length, unit), option("BYBOX", length, length, unit))
limit = option("COUNT", pick("1", "2", "3", "7", "50", "0", "-1", "x", "9223372036854775807"))
limit_any = option("COUNT", pick("1", "2", "3", "7", "50")).map(lambda words: [*words, b"ANY"])
shown = options("WITHDIST", "WITHHASH", "WITHCOORD", "withcoord", "JUNK", most=4)
order = options("ASC", "DESC", "asc", most=2)
counted = options("ASC", "DESC", limit, limit_any, "WITHDIST", "WITHCOORD", most=4)


def shuffled(*parts: Args) -> Args:
    """The parts in any order."""
    return st.tuples(st.permutations(range(len(parts))), *parts).map(
        lambda drawn: [word for place in drawn[0] for word in drawn[1 + place]]
    )


store = st.one_of(option("STORE", key), option("STORE", places), options(option("STORE", key), option("STORE", places)))

PLACES: tuple[Args, ...] = (
    command("GEOADD", places, some_placed),
    command("GEOADD", places, options("NX", "XX", "CH", "JUNK"), some_placed),
    command("GEOADD", places, all_placed),
    command("GEOADD", key, options("NX", "CH", most=1), w.many(longitude, latitude, member)),
    command("GEOADD", key, all_placed),
    command("GEOPOS", places, members),
    command("GEOHASH", places, members),
    command("GEODIST", places, pick(*MEMBERS), member, options(unit.map(lambda word: [word]), most=1)),
    command("GEOPOS", key, members),
    command("GEODIST", key, member, member),
    command("GEOSEARCH", places, shuffled(whence, shape, counted)),
    command("GEOSEARCH", places, whence, shape, counted, shown),
    command("GEOSEARCH", places, whence, shape, order, shown),
    command("GEOSEARCH", places, options(whence, shape, limit, "ASC", "BYBOX 1 1", "FROMMEMBER", most=5)),
    command("GEOSEARCH", key, whence, shape, counted, shown),
    command("GEOSEARCHSTORE", places, places, whence, shape, counted),
    command("GEOSEARCHSTORE", key, places, whence, shape, order, shown),
    command("GEOSEARCHSTORE", key, key, whence, shape, counted),
    command("GEORADIUS", places, longitude, latitude, length, unit, counted, shown),
    command("GEORADIUS", places, longitude, latitude, length, unit, counted, store),
    command("GEORADIUS_RO", places, longitude, latitude, length, unit, shown, options(store, most=1)),
    command("GEORADIUSBYMEMBER", places, member, length, unit, counted, shown),
    command("GEORADIUSBYMEMBER", key, member, length, unit, order, store),
    command("GEORADIUSBYMEMBER_RO", places, member, length, unit, counted),
    command("ZRANGE", places, w.words("0 -1 WITHSCORES")),
    command("ZREM", places, pick(*MEMBERS)),
    command("OBJECT", w.word("ENCODING"), st.one_of(key, places)),
    command("DEL", places),
)
_store_distances = options(option("STORE", key), option("STOREDIST", key), most=4)
DISTANCES: tuple[Args, ...] = (
    command("GEOSEARCHSTORE", key, places, shuffled(whence, shape, counted, w.words("STOREDIST"))),
    command("GEORADIUS", places, longitude, latitude, length, unit, order, _store_distances),
    command("GEORADIUSBYMEMBER", places, member, length, unit, _store_distances, counted),
    command("ZRANGE", key, w.words("0 -1 WITHSCORES")),
)
"""Distances are stored. Valkey's binary may compute another last bit."""
