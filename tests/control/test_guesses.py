"""How failed authentications slow down their address."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.control import guesses
from redistill.control.guesses import BURST, INTERVAL, LONGEST, Guesses, address_of
from tests.support.control import FakeClient


class GuessesTests(SynchronousTestCase):
    """`Guesses`."""

    def setUp(self) -> None:
        self.guesses = Guesses()

    def test_slower_and_slower(self) -> None:
        """The first few are told at once, each one after them a while later; another address is not concerned."""
        waits = [self.guesses.failed("a", 100.0) for _ in range(BURST + 3)]
        self.assertEqual(waits[:BURST], [0.0] * BURST)
        for n, wait in enumerate(waits[BURST:], 1):
            self.assertAlmostEqual(wait, n * INTERVAL)
        self.assertEqual(self.guesses.failed("b", 100.0), 0.0)

    def test_forgiven(self) -> None:
        """Time works the failures off."""
        for _ in range(BURST + 3):
            self.guesses.failed("a", 100.0)
        self.assertEqual(self.guesses.failed("a", 100.0 + 4 * INTERVAL), 0.0)

    def test_refused(self) -> None:
        """When the wait would be too long nothing is looked at, until it is shorter."""
        while not self.guesses.refuses("a", 100.0):
            wait = self.guesses.failed("a", 100.0)
        self.assertAlmostEqual(wait, LONGEST + INTERVAL)
        self.assertFalse(self.guesses.refuses("b", 100.0))
        self.assertFalse(self.guesses.refuses("a", 100.0 + 2 * INTERVAL))

    def test_unix_socket(self) -> None:
        """Clients without an address are not delayed."""
        for _ in range(10 * BURST):
            self.assertEqual(self.guesses.failed("", 100.0), 0.0)
        self.assertFalse(self.guesses.refuses("", 100.0))

    def test_bounded(self) -> None:
        """When the table is full, addresses without failures left are forgotten first, then the one that failed the longest ago."""
        self.patch(guesses, "ADDRESSES", 3)
        for n, address in enumerate("abc"):
            self.guesses.failed(address, 100.0 + n * INTERVAL)
        self.guesses.failed("d", 100.0 + 2 * INTERVAL)  # a and b are worked off
        self.assertEqual(list(self.guesses._empty_at), ["c", "d"])
        self.guesses.failed("e", 100.0 + 2 * INTERVAL)
        self.guesses.failed("f", 100.0 + 2 * INTERVAL)
        self.assertEqual(list(self.guesses._empty_at), ["d", "e", "f"])

    def test_addresses(self) -> None:
        """IPv4 by the address, IPv6 by the network of a customer."""
        for peer, address in (
            ("10.1.2.3:5000", "10.1.2.3"),
            ("[2001:db8:1:2:3:4:5:6]:5000", "2001:db8:1:2::/64"),
            ("[::1]:1", "::/64"),
            ("/run/redistill.sock:0", ""),
            ("", ""),
        ):
            self.assertEqual(address_of(FakeClient(peer=peer)), address)
