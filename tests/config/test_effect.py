"""A configuration takes effect in all objects, or in none."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.base.failures import Refused
from redistill.config.config import Config
from redistill.config.effect import apply_to_all

BEFORE, AFTER = Config(), Config().replace({"server.max_connections": 50})


class Part:
    """An object that goes by one setting, and refuses some values half-way."""

    def __init__(self, *refused: int) -> None:
        self.refused = refused
        self.limit = BEFORE.server.max_connections

    def apply(self, config: Config) -> None:
        self.limit = config.server.max_connections
        if self.limit in self.refused:
            raise Refused("maxclients", "too many")


class ApplyTests(SynchronousTestCase):
    """`apply_to_all`"""

    def limits(self, *parts: Part) -> list[int]:
        """The settings of each object after a change."""
        try:
            apply_to_all(parts, AFTER, BEFORE)
        except Refused:
            self.assertTrue(any(part.refused for part in parts))
        return [part.limit for part in parts]

    def test_all(self) -> None:
        """A change that nobody refuses is in effect everywhere."""
        self.assertEqual(self.limits(Part(), Part(), Part()), [50, 50, 50])

    def test_refusals(self) -> None:
        """Whoever refuses, all go by what held before, itself among them."""
        for place in range(3):
            parts = [Part(), Part(), Part()]
            parts[place] = Part(50)
            self.assertEqual(self.limits(*parts), [10000, 10000, 10000], place)
            self.assertRaises(Refused, apply_to_all, parts, AFTER, BEFORE)

    def test_no_way_back(self) -> None:
        """An object that cannot go back is logged, and the others do."""
        self.assertEqual(self.limits(Part(), Part(10000), Part(50)), [10000, 10000, 10000])
        self.assertEqual(len(self.flushLoggedErrors(Refused)), 1)
