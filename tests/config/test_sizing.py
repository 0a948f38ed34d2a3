"""How the memory of a machine is divided."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.config import sizing
from redistill.config.config import Config
from redistill.config.settings import AUTO, EXABYTE, MIB, Value
from redistill.config.sizing import Machine, Sizes

GIB = 1024 * MIB
SIZES = (128 * MIB, 256 * MIB, 512 * MIB, GIB, 4 * GIB, 64 * GIB)


def configured(**changes: Value) -> Config:
    """A configuration with these settings, ``memory__max_memory`` for memory.max_memory."""
    return Config().replace({name.replace("__", "."): value for name, value in changes.items()})


class SizingTests(SynchronousTestCase):
    """`redistill.config.sizing`"""

    def check(self, config: Config, here: Machine, count: int) -> sizing.Sizes:
        """The sizes of a server of `count` workers, which fit."""
        found = sizing.sizes(config, here, count)
        needed = sizing.processes(count, found.max_memory)
        with self.subTest(memory=here.memory // MIB, workers=count):
            self.assertLessEqual(found.max_memory + found.client_memory * 5 // 4 + needed, here.memory)
        return found

    def test_defaults_fit(self) -> None:
        """Whatever the machine and the number of workers: what is chosen is no more than there is, and most of it is the
        cache's."""
        for memory in SIZES:
            for count in (1, 2, 8):
                here = Machine(memory, 4)
                if memory < sizing.processes(count, 0) + 32 * MIB:
                    continue  # such a server does not fit, which is warned of
                found = self.check(configured(server__workers=count), here, count)
                needed = sizing.processes(count, found.max_memory)
                with self.subTest(memory=memory // MIB, workers=count):
                    self.assertGreater(found.max_memory, (memory - needed) * 7 // 10)
                    self.assertGreater(found.client_memory * 5 // 4, min((memory - needed) // 5, 512 * MIB))
                    self.assertEqual(found.problem, "")

    def test_what_fits_is_left_alone(self) -> None:
        """Configured sizes that fit are neither lowered nor raised."""
        here = Machine(4 * GIB, 2)
        for wanted, said, buffers in (
            (2 * GIB, GIB, GIB),
            (3 * GIB, 8 * MIB, 8 * MIB),
            (GIB, 0, 0),
            (GIB, -10, GIB // 10),
            (1, MIB, MIB),
        ):
            config = configured(memory__max_memory=wanted, server__max_client_memory=said)
            self.assertEqual(sizing.sizes(config, here, 2), Sizes(wanted, buffers, ""))

    def test_cache_is_lowered(self) -> None:
        """A cache that leaves too little for the processes and the least buffers is as large as they allow, and one line
        says by how much and why."""
        for memory, count, wanted, fits in (
            (252, 2, 192, 105),
            (252, 8, 192, 33),
            (504, 2, 384, 355),
            (504, 8, 384, 280),
            (1008, 2, 30 * 1024, 855),
            (504, 1, 503, 445),
        ):
            config = configured(memory__max_memory=wanted * MIB)
            found = self.check(config, Machine(memory * MIB, 2), count)
            with self.subTest(memory=memory, workers=count):
                self.assertEqual(found.max_memory // MIB, fits)
                self.assertTrue(8 * MIB <= found.client_memory < 9 * MIB, found.client_memory)
                line = f"memory.max_memory is lowered from {wanted} to {fits} MiB: of the {memory} MiB that may be used here"
                self.assertTrue(found.problem.startswith(line), found.problem)

    def test_buffers_are_lowered(self) -> None:
        """The cache yields to the processes and the least buffers, and what is left is the most that the buffers have."""
        config = configured(memory__max_memory=3 * GIB, server__max_client_memory=2 * GIB)
        found = self.check(config, Machine(4 * GIB, 2), 1)
        self.assertEqual((found.max_memory, found.client_memory // MIB), (3 * GIB, 776))
        self.assertIn("server.max_client_memory is lowered from 2048 to 776 MiB: ", found.problem)
        self.assertNotIn("max_memory is lowered from 3", found.problem)

    def test_nothing_fits(self) -> None:
        """A configured cache keeps an eighth of the memory, and one line says that this may be too much."""
        found = sizing.sizes(configured(memory__max_memory=100 * MIB), Machine(128 * MIB, 2), 8)
        self.assertEqual((found.max_memory, found.client_memory), (16 * MIB, 8 * MIB))
        self.assertIn(" and the system may kill the server, whose cache has 16 MiB: ", found.problem)
        small = sizing.sizes(configured(memory__max_memory=MIB), Machine(128 * MIB, 2), 8)
        self.assertEqual(small.max_memory, MIB)
        self.assertTrue(small.problem.startswith("the system may kill the server"), small.problem)

    def test_cache_beside_buffers_that_are_set(self) -> None:
        """The cache is what the configured buffers leave, a size or a share of the cache."""
        here = Machine(GIB, 1)
        for value, buffers in (
            (64 * MIB, lambda cache: 64 * MIB),
            (-50, lambda cache: cache // 2),
            (0, lambda cache: 0),
        ):
            found = sizing.sizes(configured(server__max_client_memory=value), here, 1)
            self.assertTrue(abs(found.client_memory - buffers(found.max_memory)) <= 1)
            whole = found.max_memory + found.client_memory * 5 // 4 + sizing.processes(1, found.max_memory)
            self.assertTrue(GIB - 2 * MIB <= whole <= GIB, (value, whole / MIB))
            self.assertEqual(found.problem, "")

    def test_largest_value_can_be_read(self) -> None:
        """Beside a small cache on a large machine the buffers hold any value that the cache does; beside a large one
        any value that there can be."""
        here = Machine(64 * GIB, 2)
        for cache, buffers in ((64 * MIB, 64 * MIB), (8 * GIB, 513 * MIB)):
            self.assertEqual(sizing.sizes(configured(memory__max_memory=cache), here, 2).client_memory, buffers)

    def test_largest_value(self) -> None:
        """It is what the buffers hold with some words around it, where the cache could hold more."""
        for cache, buffers, largest in ((GIB, 64 * MIB, 64 * MIB - 1024), (MIB, MIB, EXABYTE), (MIB, 0, EXABYTE)):
            self.assertEqual(Sizes(cache, buffers, "").largest_value, largest)

    def test_three_quarters(self) -> None:
        """A cache of three quarters of the machine leaves room for the rest, with as many workers as fit beside it."""
        for memory, cpus in ((256 * MIB, 8), (512 * MIB, 8), (GIB, 2), (4 * GIB, 8), (64 * GIB, 64)):
            here = Machine(memory - memory // 64, cpus)
            config = configured(memory__max_memory=memory * 3 // 4)
            count = sizing.workers(config, here)
            self.assertEqual(count, 1 if memory < GIB else cpus)
            found = self.check(config, here, count)
            self.assertEqual((found.max_memory, found.problem), (memory * 3 // 4, ""))

    def test_workers(self) -> None:
        """One for each CPU, as far as a quarter of the memory goes, unless somebody counted them."""
        for memory, count in ((4 * GIB, 8), (GIB, 8), (768 * MIB, 6), (512 * MIB, 1), (MIB, 1)):
            self.assertEqual((memory, sizing.workers(Config(), Machine(memory, 8))), (memory, count))
        self.assertEqual(sizing.workers(configured(server__workers=9), Machine(MIB, 4)), 9)

    def test_word(self) -> None:
        """It is the default, and stands as a word wherever the setting is shown."""
        self.assertEqual(Config().server.max_client_memory, AUTO)
        self.assertEqual(configured(server__max_client_memory=AUTO), Config())
