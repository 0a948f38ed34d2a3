"""Log events about the memory limit."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial import unittest

from redistill.lifetime.memory_limit import MemoryLimitService


class FakeStore:
    """A store with settable figures."""

    max_memory, used_memory, fixed_memory, policy = 1000, 600, 100, "allkeys-lru"

    @property
    def is_over(self) -> bool:
        return self.used_memory > self.max_memory


class MemoryLimitTests(unittest.TestCase):
    """The limit's changes"""

    def setUp(self) -> None:
        self.store = FakeStore()
        self.logged: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)
        self.clock = Clock()
        limit = MemoryLimitService(self.clock, self.store)  # type: ignore[arg-type]
        limit.startService()
        self.addCleanup(limit.stopService)

    def observe(self, event: Any) -> None:
        if event["log_namespace"] == "redistill.lifetime.memory_limit":
            self.logged.append(event["log_level"].name + " " + event["log_format"].format(**event))

    def said(self) -> list[str]:
        """The events since the last call, which came within a second."""
        self.clock.advance(1)
        said, self.logged[:] = list(self.logged), []
        return said

    def test_start(self) -> None:
        """A store that begins within its limit needs no word."""
        self.assertEqual((self.said(), self.said()), ([], []))

    def test_start_above(self) -> None:
        """One that goes on above it is told of."""
        self.store.used_memory = 2000
        MemoryLimitService(Clock(), self.store).look()  # type: ignore[arg-type]
        self.assertEqual(
            self.logged,
            [
                "warn maxmemory is 1000 bytes and 1.95 KiB are in use: keys are evicted, and commands that may need memory are"
                " refused while none may go"
            ],
        )

    def test_within(self) -> None:
        """A change that the store fits into is said once."""
        self.said()
        self.store.max_memory = 700
        self.assertEqual(self.said(), ["info maxmemory is now 700 bytes; 600 bytes are in use"])
        self.assertEqual(self.said(), [])

    def test_coming_down(self) -> None:
        """A lower limit is said with what it means, and so is the end of it; not what comes at the edge afterwards."""
        self.said()
        self.store.max_memory, self.store.policy = 500, "noeviction"
        self.assertEqual(
            self.said(),
            [
                "warn maxmemory is 500 bytes and 600 bytes are in use: every command that may need memory is refused until keys"
                " are deleted or expire"
            ],
        )
        self.assertEqual(self.said(), [])
        self.store.used_memory = 490
        self.assertEqual(self.said(), ["info memory has come down to 490 bytes; maxmemory is 500 bytes"])
        self.store.used_memory = 510
        self.assertEqual(self.said(), [])

    def test_always_full(self) -> None:
        """A limit below what an empty store takes is one that nothing fits into."""
        self.said()
        self.store.max_memory = 100
        [said] = self.said()
        self.assertTrue(
            said.endswith("an empty store takes 100 bytes, so every command that may need memory is refused")
        )
