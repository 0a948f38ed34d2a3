"""Generated scripts of all types and of all commands on keys, on Redistill and on Valkey 9."""

from __future__ import annotations

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .geo import PLACES
from .hashes import EXPIRING_FIELDS, HASHES, LARGE_HASHES
from .keyspace import FLUSHES, KEYSPACE, TRANSACTIONS
from .lists import LISTS
from .newer import NEWER
from .profiles import examples
from .scripts import Script, any_of, scripts
from .sets import SETS
from .sorted_algebra import SORTED_ALGEBRA
from .sorted_sets import LARGE_SORTED_SETS, SORTED_SETS
from .streams import STREAMS
from .strings import BITMAPS, HYPERLOGLOGS, STRINGS

COLLECTIONS = (*HASHES, *LISTS, *SETS, *SORTED_SETS, *SORTED_ALGEBRA, *PLACES)
LARGE = (*EXPIRING_FIELDS, *LARGE_HASHES, *LARGE_SORTED_SETS, *SETS)
EVERYTHING = any_of(
    STRINGS, NEWER, BITMAPS, HYPERLOGLOGS, COLLECTIONS, LARGE, KEYSPACE, KEYSPACE, TRANSACTIONS, FLUSHES
)


class ValkeyTests(SynchronousTestCase):
    """The newer of the two references: field expiry, MSETEX and DELIFEQ among all other commands on data."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.newer_oracle(), sides.ours()

    def same(self, script: Script) -> None:
        """Both sides give the same replies and hold the same keys."""
        found = sides.differing(script, self.theirs, self.ours, sides.known_of_newer())
        self.assertFalse(found, sides.explain(script, found))

    @examples(120)
    @given(scripts(EVERYTHING, most=60, queued=EVERYTHING))
    def test_all_types(self, script: Script) -> None:
        """All types in one script, with expiry, renames, copies, payloads and transactions."""
        self.same(script)

    @examples(60)
    @given(scripts(any_of(COLLECTIONS), most=40, queued=any_of(COLLECTIONS)))
    def test_collections(self, script: Script) -> None:
        """Hashes, lists, sets and sorted sets at the same keys."""
        self.same(script)

    @examples(60)
    @given(scripts(any_of(LARGE, KEYSPACE), most=40, queued=any_of(LARGE)))
    def test_large_collections(self, script: Script) -> None:
        """Collections that change their form, and hashes with fields that expire."""
        self.same(script)

    @examples(150)
    @given(scripts(any_of(STREAMS), most=60, queued=any_of(STREAMS)))
    def test_streams(self, script: Script) -> None:
        """Streams, of which redis-server 7.0 tells less."""
        self.same(script)
