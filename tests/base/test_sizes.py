"""Sizes as people read them."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from redistill.base.sizes import Size


class SizeTests(SynchronousTestCase):
    """`Size`"""

    def test_text(self) -> None:
        """The unit is the largest in which the number is one or more; two places at most, none without need."""
        for number, shown in (
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1024**2 - 1, "1 MiB"),
            (64 << 20, "64 MiB"),
            (1100 << 20, "1.07 GiB"),
            (3 << 30, "3 GiB"),
            (2**60, "1 EiB"),
            (2**70, "1024 EiB"),
        ):
            self.assertEqual((str(Size(number)), f"{Size(number)}"), (shown, shown))

    def test_number(self) -> None:
        """It stays a number for JSON, for arithmetic and for a format of numbers."""
        self.assertEqual(json.dumps(Size(64 << 20)), "67108864")
        self.assertEqual(f"{Size(5):03d}", "005")
        self.assertEqual(Size(5) + 1, 6)
