"""Sizes of memory as people read them."""

from __future__ import annotations

UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class Size(int):
    """Bytes. As text it is ``64 MiB``; it stays a number for everything else, the fields of a log in JSON included."""

    def __str__(self) -> str:
        """Two places after the point at most; 1023 bytes and less are counted."""
        if abs(self) < 1024:
            return f"{int(self)} byte{'s' * (self != 1)}"
        number, power = self / 1024, 0
        while abs(number) >= 1023.995 and power < len(UNITS) - 1:  # two places would round it to 1024
            number, power = number / 1024, power + 1
        return f"{number:.2f}".rstrip("0").rstrip(".") + f" {UNITS[power]}"

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else str(self)
