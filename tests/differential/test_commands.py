"""Generated scripts of every command, on Redistill and on redis-server."""

from __future__ import annotations

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .connection import CONNECTION, GETKEYS, SERVER
from .geo import DISTANCES, PLACES
from .keyspace import FLUSHES, KEYSPACE, TRANSACTIONS
from .lists import LISTS
from .peers import ask
from .profiles import examples
from .scripts import DATA, EVERYTHING, Script, any_of, scripts
from .sets import SETS
from .sorted_algebra import SORTED_ALGEBRA
from .sorted_sets import SORTED_SETS
from .sorting import SORTS
from .strings import BITMAPS, HYPERLOGLOGS, STRINGS


class SameRepliesTests(SynchronousTestCase):
    """A real server process and redis-server 7 answer the same bytes with the same replies."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.oracle(), sides.ours()

    def same(self, script: Script) -> None:
        """Both sides give the same replies and hold the same keys."""
        found = sides.differing(script, self.theirs, self.ours, sides.known())
        self.assertFalse(found, sides.explain(script, found))

    @examples(250)
    @given(scripts(any_of(STRINGS)))
    def test_strings(self, script: Script) -> None:
        """String commands with all their options."""
        self.same(script)

    @examples(150)
    @given(scripts(any_of(BITMAPS, STRINGS[:3])))
    def test_bitmaps(self, script: Script) -> None:
        """Bitmap and bitfield commands on strings of all kinds."""
        self.same(script)

    @examples(80)
    @given(scripts(any_of(HYPERLOGLOGS, HYPERLOGLOGS, STRINGS[:1], KEYSPACE)))
    def test_hyperloglogs(self, script: Script) -> None:
        """HyperLogLogs, sparse and dense, also after other commands changed the string that holds them."""
        self.same(script)

    @examples(250)
    @given(scripts(any_of(LISTS)))
    def test_lists(self, script: Script) -> None:
        """List commands with all their options, on lists and on other values."""
        self.same(script)

    @examples(200)
    @given(scripts(any_of(SORTED_ALGEBRA)))
    def test_algebra_of_sorted_sets(self, script: Script) -> None:
        """Unions, intersections and differences of sorted sets and sets."""
        self.same(script)

    @examples(250)
    @given(scripts(any_of(SETS, SETS, SETS, KEYSPACE, STRINGS[:1])))
    def test_sets(self, script: Script) -> None:
        """Commands on sets, also after other commands changed the key."""
        self.same(script)

    @examples(400)
    @given(scripts(any_of(PLACES, PLACES, DISTANCES), most=40, queued=any_of(PLACES, DISTANCES)))
    def test_places(self, script: Script) -> None:
        """Places in sorted sets, and searches for them with all their options."""
        self.same(script)

    @examples(150)
    @given(scripts(any_of(PLACES, DISTANCES, SORTED_SETS, SETS, KEYSPACE, STRINGS[:1]), most=40))
    def test_places_among_other_values(self, script: Script) -> None:
        """The same with sorted sets of any scores, sets, renames, copies and expiry."""
        self.same(script)

    @examples(250)
    @given(scripts(any_of(SORTS), queued=any_of(SORTS)))
    def test_sorting(self, script: Script) -> None:
        """SORT with all its options."""
        self.same(script)

    @examples(250)
    @given(scripts(any_of(KEYSPACE, KEYSPACE, STRINGS[:3], FLUSHES)))
    def test_keys(self, script: Script) -> None:
        """Commands on keys, their expiry and the databases they are in."""
        self.same(script)

    @examples(150)
    @given(scripts(any_of(TRANSACTIONS, (DATA,) * 8, CONNECTION)))
    def test_transactions(self, script: Script) -> None:
        """Transactions, well-formed and not, with the connection's commands between."""
        self.same(script)

    @examples(250)
    @given(scripts(any_of(CONNECTION, SERVER, GETKEYS)))
    def test_connection_and_server(self, script: Script) -> None:
        """Commands on the connection and the server; unknown commands and subcommands."""
        self.same(script)

    @examples(150)
    @given(scripts(EVERYTHING, most=60))
    def test_everything(self, script: Script) -> None:
        """Long scripts of all of it."""
        self.same(script)


class DeliberateTests(SynchronousTestCase):
    """Differences that change what is stored, and so cannot be in the list of differing replies."""

    def test_saturation(self) -> None:
        """BITFIELD SET saturates a very negative number at the lower end; redis-server overflows to the upper one."""
        answers = []
        for peer in (sides.oracle(), sides.ours()):
            client = peer.open()
            self.addCleanup(client.close)
            ask(client, *["FLUSHALL"])
            ask(client, *["BITFIELD", "k", "OVERFLOW", "SAT", "SET", "i8", "0", "-9223372036854775808"])
            answers.append(ask(client, "GET", "k").value)
        self.assertEqual(answers, [b"\x7f", b"\x80" if sides.OURS == "redistill" else b"\x7f"])
