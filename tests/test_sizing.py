"""How the memory of a machine is divided."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill import sizing
from redistill.config import Config
from redistill.settings import AUTO, MIB, Value
from redistill.sizing import Machine

GIB = 1024 * MIB
SIZES = (128 * MIB, 256 * MIB, 512 * MIB, GIB, 4 * GIB, 64 * GIB)


def configured(**changes: Value) -> Config:
    """A configuration with these settings, ``memory__max_memory`` for memory.max_memory."""
    return Config().replace({name.replace("__", "."): value for name, value in changes.items()})


class SizingTests(SynchronousTestCase):
    """`redistill.sizing`"""

    def test_defaults_fit(self) -> None:
        """Whatever the machine and the number of workers: what is chosen is no more than there is, and most of it is the
        cache's."""
        for memory in SIZES:
            for count in (1, 2, 8):
                here = Machine(memory, 4)
                config = configured(server__workers=count)
                cache = sizing.max_memory(config, here)
                if memory < sizing.processes(count, 0) + 32 * MIB:
                    continue  # such a server does not fit, which is warned of
                buffers = sizing.client_memory(config, here, cache)
                needed = sizing.processes(count, cache)
                with self.subTest(memory=memory // MIB, workers=count):
                    self.assertLessEqual(cache + buffers * 5 // 4 + needed, memory)
                    self.assertGreater(cache, (memory - needed) * 7 // 10)
                    self.assertGreater(buffers * 5 // 4, min((memory - needed) // 5, 512 * MIB))
                    self.assertEqual(sizing.warning(config, here), "")

    def test_what_is_set_is_left_alone(self) -> None:
        """What the configuration says is neither lowered nor raised."""
        here = Machine(GIB, 2)
        config = configured(memory__max_memory=5 * GIB, server__max_client_memory=7 * GIB, server__workers=1)
        self.assertEqual(sizing.max_memory(config, here), 5 * GIB)
        self.assertEqual(sizing.client_memory(config, here, 5 * GIB), 7 * GIB)
        self.assertEqual(sizing.client_memory(configured(server__max_client_memory=0), here, GIB), 0)
        self.assertEqual(sizing.client_memory(configured(server__max_client_memory=-10), here, GIB), GIB // 10)

    def test_cache_beside_buffers_that_are_set(self) -> None:
        """The cache is what the configured buffers leave, a size or a share of the cache."""
        here = Machine(GIB, 1)
        for value, buffers in (
            (64 * MIB, lambda cache: 64 * MIB),
            (-50, lambda cache: cache // 2),
            (0, lambda cache: 0),
        ):
            cache = sizing.max_memory(configured(server__max_client_memory=value, server__workers=1), here)
            whole = cache + buffers(cache) * 5 // 4 + sizing.processes(1, cache)
            self.assertTrue(GIB - 2 * MIB <= whole <= GIB, (value, whole / MIB))

    def test_largest_value_can_be_read(self) -> None:
        """Beside a small cache on a large machine the buffers hold any value that the cache does; beside a large one
        any value that there can be."""
        here = Machine(64 * GIB, 2)
        for cache, buffers in ((64 * MIB, 64 * MIB), (8 * GIB, 513 * MIB)):
            config = configured(memory__max_memory=cache)
            self.assertEqual(sizing.client_memory(config, here, cache), buffers)

    def test_three_quarters(self) -> None:
        """A cache of three quarters of the machine leaves room for the rest, with as many workers as fit beside it."""
        for memory, cpus in ((256 * MIB, 8), (512 * MIB, 8), (GIB, 2), (4 * GIB, 8), (64 * GIB, 64)):
            here = Machine(memory - memory // 64, cpus)
            config = configured(memory__max_memory=memory * 3 // 4)
            self.assertEqual((memory, sizing.warning(config, here)), (memory, ""))
            self.assertEqual(sizing.workers(config, here), 1 if memory < GIB else cpus)

    def test_too_much(self) -> None:
        """A cache that leaves too little for the rest is warned of, with a size that fits."""
        here = Machine(GIB, 2)
        for cache in (GIB, 30 * GIB, GIB - 120 * MIB):
            said = sizing.warning(configured(memory__max_memory=cache, server__workers=2), here)
            self.assertIn("the system may kill the server; set memory.max_memory to ", said)
            fits = int(said.partition("set memory.max_memory to ")[2].partition("mb")[0]) * MIB
            self.assertEqual(sizing.warning(configured(memory__max_memory=fits, server__workers=2), here), "")

    def test_workers(self) -> None:
        """One for each CPU, as far as a quarter of the memory goes, unless somebody counted them."""
        for memory, count in ((4 * GIB, 8), (GIB, 8), (768 * MIB, 6), (512 * MIB, 1), (MIB, 1)):
            self.assertEqual((memory, sizing.workers(Config(), Machine(memory, 8))), (memory, count))
        self.assertEqual(sizing.workers(configured(server__workers=9), Machine(MIB, 4)), 9)

    def test_word(self) -> None:
        """It is the default, and stands as a word wherever the setting is shown."""
        self.assertEqual(Config().server.max_client_memory, AUTO)
        self.assertEqual(configured(server__max_client_memory=AUTO), Config())
