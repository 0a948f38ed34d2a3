"""What goes over when a connection changes hands. The way of a whole one is in tests/integration/test_workers.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.handover import Handed, packed, unpacked


class FormTests(SynchronousTestCase):
    """What goes over."""

    def test_round_trip(self) -> None:
        """A client arrives as it was, its age on the other's clock."""
        client = Handed(7, 90.0, "default", b"n", b"redis-py", b"8.1")
        self.assertEqual(
            unpacked(packed(client, b"\0session", 100.0), 1000.0),
            (Handed(7, 990.0, "default", b"n", b"redis-py", b"8.1"), b"\0session"),
        )

    def test_nonsense(self) -> None:
        """What is none raises one of the errors that `take` knows."""
        good = packed(Handed(7, 0.0, "u", b"", b"", b""), b"", 0.0)
        for state in (b"", b"\xff" * 9, good[:10], b"\2\0\0\0{}", b"\2\0\0\0[]"):
            self.assertRaises((ValueError, KeyError, TypeError), unpacked, state, 0.0)
