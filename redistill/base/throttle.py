"""Log events that clients can cause as often as they like: the first are written at once, the rest as a number.

Such an event has `log_throttle`, and may have further fields for the throttle:

    log_throttle    seconds between two summaries
    log_kind        events of one format but of different kinds are counted apart: a limit, an address
    log_burst       how many events of a kind are written before the rest is counted; 1 unless it is there
    log_count       how many events this one stands for; 1 unless it is there
    log_from        the addresses that the events came from: the summary says how many there were
    log_from_more   whether there were others, too many to name
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, LogEvent, formatEvent

SELDOM = 10.0
"""Seconds, for `log_throttle` of most events."""
MORE = "{count} more in the last {seconds:.0f} s{origin} like: {event}"
"""The summary of events that were held back."""
MOST_KINDS = 1000
"""Kinds that are counted apart at the same time; further ones of a format are counted together."""
MOST_ADDRESSES = 1000
"""Addresses that a summary counts."""


@dataclass
class Held:
    """The events of a kind in the present interval."""

    written: int = 0
    count: int = 0
    """Events that were not written."""
    addresses: set[str] = field(default_factory=set)
    """Where they came from; `MOST_ADDRESSES` at most."""
    more: bool = False
    """Whether there were more addresses."""

    def add(self, count: int, addresses: Iterable[str], more: bool) -> None:
        """Count events that are not written."""
        self.count += count
        self.more = self.more or more
        for address in addresses:
            if len(self.addresses) < MOST_ADDRESSES:
                self.addresses.add(address)
            elif address not in self.addresses:
                self.more = True

    def origin(self) -> str:
        """The number of addresses in words."""
        number = len(self.addresses)
        more = "more than " * self.more
        return f" from {more}{number} address{'es' * (number != 1)}" if number else ""


class Throttle:
    """Passes events on, or counts them."""

    def __init__(self, clock: IReactorTime, write: ILogObserver) -> None:
        self._clock = clock
        self._write = write
        self._held: dict[Hashable, Held] = {}

    def __call__(self, event: LogEvent) -> None:
        seconds, form = event.get("log_throttle"), event.get("log_format")
        if not seconds or form is None:
            self._write(event)
            return
        kind = (form, event.get("log_kind"))
        if kind not in self._held and len(self._held) >= MOST_KINDS:
            kind = (form, "others")
        held = self._held.get(kind)
        if held is None:
            held = self._hold(kind, event)
        count = event.get("log_count", 1)
        if held.written < event.get("log_burst", 1):
            held.written += 1
            self._write(event)
            count -= 1
        if count:
            held.add(count, event.get("log_from", ()), event.get("log_from_more", False))

    def _hold(self, kind: Hashable, event: LogEvent) -> Held:
        held = self._held[kind] = Held()
        self._clock.callLater(event["log_throttle"], self._over, kind, event)
        return held

    def _over(self, kind: Hashable, event: LogEvent) -> None:
        """Say how many were held back, and hold back on; or be done when there was none."""
        held = self._held.pop(kind)
        if held.count:
            self._hold(kind, event).written = event.get("log_burst", 1)
            same: LogEvent = {name: event[name] for name in ("log_level", "log_namespace") if name in event}
            fields: LogEvent = {"count": held.count, "seconds": event["log_throttle"], "origin": held.origin()}
            if held.addresses:
                fields["addresses"] = len(held.addresses)
            fields |= {"event": formatEvent(event), "log_time": time.time(), "log_format": MORE}
            self._write({**same, **fields})
