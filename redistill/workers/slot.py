"""The slot of one worker of the pool, and when the next process is started in it."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall

from redistill.workers.process import Worker

YOUNG = 5.0
"""Seconds; after a worker that served for less, the next one is started later each time."""
LONGEST_WAIT = 5.0
ALONE_WAIT = 0.2
"""Longest seconds from one start in a slot to the next: LONGEST_WAIT, or ALONE_WAIT while no other worker serves."""
UNABLE_WAIT = 1.0
"""Longest seconds while no other worker serves, in a slot whose last worker ended by itself before it served, or could
not be started."""


class Slot:
    """The place of one worker: the serving process, the starting one, and how earlier ones ended.

    An empty slot has a worker that starts, or a time at which the next one will.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.current: Worker | None = None
        """The worker that has come to serve."""
        self.coming: Worker | None = None
        """The worker that starts, as the first or as the current one's successor."""
        self.next_start: IDelayedCall | None = None
        self.started = -LONGEST_WAIT
        """When the last start began."""
        self.wait = 0.0
        """Seconds from one start to the next."""
        self.unable = False
        """The last worker ended by itself before it served, or could not be started."""

    def note_end(self, ended: Worker, now: float) -> None:
        """Note a worker of this slot that ended by itself at `now`."""
        since = ended.served_since
        self.unable = since is None and not ended.was_killed
        old = since is not None and now - since >= YOUNG
        self.wait = 0.0 if old else min(max(self.wait * 2, 0.05), LONGEST_WAIT)

    def due_in(self, now: float, others_serve: bool) -> float:
        """Seconds until the next start, if the slot is empty. They count from the last start: a worker that is killed
        now and then has a successor at once, and one that ends at each start does not keep a CPU busy."""
        longest = LONGEST_WAIT if others_serve else UNABLE_WAIT if self.unable else ALONE_WAIT
        return max(0.0, self.started + min(self.wait, longest) - now)
