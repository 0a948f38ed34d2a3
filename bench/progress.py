"""Shows the present step and the remaining time on the terminal."""

from __future__ import annotations

import sys
import time


class Progress:
    """Counts the steps of a part that takes equal steps; `show` is called before each of them."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._done = 0
        self._start = time.monotonic()

    def show(self, what: str) -> None:
        """The step that begins now. On a terminal only: the next line replaces it."""
        if sys.stdout.isatty():
            left = ""
            if self._done:
                seconds = (time.monotonic() - self._start) / self._done * (self.steps - self._done)
                left = f", {seconds:.0f} s left"
            print(f"\r\033[K    {self._done + 1} of {self.steps}{left}: {what}", end="", flush=True)
        self._done += 1

    def line(self, text: str) -> None:
        """Print a line that stays."""
        clear = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{clear}    {text}", flush=True)
