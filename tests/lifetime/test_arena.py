"""The file that a store lies in."""

from __future__ import annotations

import fcntl
import os
import resource
from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.sizes import Size
from redistill.config.settings import Memory
from redistill.engine import MAGIC, Store, min_memory
from redistill.lifetime import arena
from redistill.lifetime.arena import WAIT, Arena, find_arena
from redistill.net.sockets import StartError
from tests.support.arena import MIB, arena_file, call, session


class ArenaCase(SynchronousTestCase):
    """The parts that the tests below share."""

    def setUp(self) -> None:
        self.logged: list[str] = []
        self.slept = 0.0
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: Any) -> None:
        if event["log_namespace"] == "redistill.lifetime.arena":
            self.logged.append(event["log_format"].format(**event))

    def sleep(self, seconds: float) -> None:
        """Nothing but a note that so many seconds would have passed."""
        self.slept += seconds

    def opened(
        self, memory: Memory, num_shards: int = 4, kept: int = -1, *, fewer: bool = False
    ) -> tuple[Arena, Store]:
        """A store in its arena, both open."""
        store = Store()
        self.addCleanup(store.close)
        found = find_arena(memory, kept, self.sleep)
        self.addCleanup(found.close)
        found.open(store, memory, num_shards, fewer=fewer)
        store.join()
        return found, store

    def refused(self, memory: Memory, num_shards: int = 4) -> str:
        """The error of an impossible start."""
        with self.assertRaises(StartError) as raised:
            self.opened(memory, num_shards)
        return str(raised.exception)


class AnonymousTests(ArenaCase):
    """Without a path"""

    def test_as_configured(self) -> None:
        """The arena has the size, the shards and the policy that the configuration asks for, and is empty."""
        _, store = self.opened(Memory(max_memory=32 * MIB, eviction_policy="volatile-lfu"), 8)
        self.assertEqual(
            (store.max_memory, store.num_shards, store.policy, store.count(0)), (32 * MIB, 8, "volatile-lfu", 0)
        )
        self.assertEqual(self.logged, ["new arena of 32 MiB in anonymous memory, 8 shards"])

    def test_as_much_as_the_machine_allows(self) -> None:
        """max_memory 0 is nine tenths of what the machine or its cgroup has."""
        self.patch(arena, "machine_memory", lambda: 1000 * MIB)
        _, store = self.opened(Memory())
        self.assertEqual((store.max_memory, store.map_size >= 900 * MIB), (900 * MIB, True))

    def test_limit_can_grow_to_what_the_machine_has(self) -> None:
        """An arena that begins small can grow at run time."""
        self.patch(arena, "machine_memory", lambda: 1000 * MIB)
        _, store = self.opened(Memory(max_memory=32 * MIB))
        store.set_max_memory(800 * MIB)
        self.assertEqual(store.max_memory, 800 * MIB)

    def test_too_little_memory(self) -> None:
        """A limit that the shards do not fit into is refused with the numbers; what is named as least works."""
        said = self.refused(Memory(max_memory=min_memory(256) - 1), 256)
        self.assertIn(f"set it to {min_memory(256)} bytes ({Size(min_memory(256))}) or more", said)
        self.opened(Memory(max_memory=min_memory(256)), 256)

    def test_fewer_shards(self) -> None:
        """A number of shards that nobody set adapts to a small limit, and the log says so."""
        sizes = {min_memory(256): 256, min_memory(256) - 1: 128, 10 * MIB: 128, 4 * MIB: 32, min_memory(1): 1}
        for size, shards in sizes.items():
            self.logged.clear()
            _, store = self.opened(Memory(max_memory=size), 256, fewer=True)
            self.assertEqual((store.num_shards, store.max_memory, store.is_over), (shards, size, False))
            said = [f"{Size(size)} of memory are not enough for 256 shards: the arena has {shards}"]
            self.assertEqual(self.logged[:-1], said if shards < 256 else [])

    def test_less_than_the_least(self) -> None:
        """Any limit makes a store, which is held to the bytes that it uses; that its arena may be larger is said."""
        for size in (1, 100, 1024 * 1024):
            self.logged.clear()
            _, store = self.opened(Memory(max_memory=size), 256, fewer=True)
            self.assertEqual((store.num_shards, store.max_memory, store.is_over), (1, size, size < store.used_memory))
            self.assertEqual(
                self.logged[0],
                f"memory.max_memory = {Size(size)} is less than the smallest arena, {Size(min_memory(1))}: it limits keys,"
                " not the system's memory",
            )

    def test_machine_too_small(self) -> None:
        """So is max_memory 0 on a machine that has too little."""
        self.patch(arena, "machine_memory", lambda: MIB)
        self.assertIn("are too little for 256 shards", self.refused(Memory(), 256))
        with self.assertRaises(StartError) as raised:
            self.opened(Memory(), 256, fewer=True)
        self.assertIn(" are left for the cache", str(raised.exception))

    def test_close(self) -> None:
        """The descriptor is closed once."""
        found, _ = self.opened(Memory(max_memory=32 * MIB))
        fd = found.fd
        found.close()
        found.close()
        self.assertRaises(OSError, os.fstat, fd)


class KeptTests(ArenaCase):
    """An arena that the service manager kept"""

    def kept(self, num_shards: int = 4) -> int:
        """A descriptor such as the manager hands over, with a key in it."""
        found, store = self.opened(Memory(max_memory=16 * MIB), num_shards)
        call(session(store), "set", "key", "value")
        fd = os.dup(found.fd)
        self.addCleanup(os.close, fd)
        store.close()
        found.close()
        return fd

    def test_keys_are_there(self) -> None:
        """The store goes on with what is in it; the descriptor that was handed over is not closed."""
        fd = self.kept()
        found, store = self.opened(Memory(max_memory=16 * MIB), kept=fd)
        self.assertEqual(call(session(store), "get", "key"), b"$5\r\nvalue\r\n")
        found.close()
        self.assertTrue(os.fstat(fd))
        self.assertEqual(self.logged[1:], ["arena in the service manager's store attached, 16 MiB"])

    def test_another_shape(self) -> None:
        """One that does not fit is left as it is, and the store begins in new memory."""
        fd = self.kept()
        size = os.fstat(fd).st_size
        found, store = self.opened(Memory(max_memory=16 * MIB), 8, kept=fd)
        self.assertEqual((store.count(0), os.path.sameopenfile(found.fd, fd)), (0, False))
        self.assertEqual((os.fstat(fd).st_size, os.pread(fd, 8, 0)), (size, MAGIC))
        self.assertEqual(
            self.logged[1:],
            [
                "cannot reuse the arena in the service manager's store: it has 4 shards, server.num_shards is 8",
                "new arena of 16 MiB in anonymous memory, 8 shards",
            ],
        )

    def test_shards_that_nobody_set(self) -> None:
        """Where no number is asked for the data stays, unless the memory is too little for the shards that it has."""
        fd = self.kept(64)
        _, store = self.opened(Memory(max_memory=64 * MIB), 256, kept=fd, fewer=True)
        self.assertEqual((store.count(0), store.num_shards), (1, 64))
        store.close()
        _, store = self.opened(Memory(max_memory=4 * MIB), 256, kept=fd, fewer=True)
        self.assertEqual((store.count(0), store.num_shards, store.max_memory), (0, 32, 4 * MIB))

    def test_in_use(self) -> None:
        """Memory that another process goes on using is left to it; the start waits a while for that one's end."""
        fd = self.kept()
        other = Store()
        other.attach(fd)
        other.join()
        self.addCleanup(other.close)
        found, store = self.opened(Memory(max_memory=16 * MIB), kept=fd)
        self.assertEqual((store.count(0), os.path.sameopenfile(found.fd, fd)), (0, False))
        self.assertApproximates(self.slept, WAIT, 0.1)
        self.assertIn("another process uses it", self.logged[1])

    def test_predecessor_that_is_dying(self) -> None:
        """When it ends meanwhile, its memory is taken, and what belonged to its run is over."""
        fd = self.kept()
        other = Store()
        other.attach(fd)
        other.join()
        other.set_pause(2, 2**63)
        other.active_expire = False

        def sleep(seconds: float) -> None:
            self.slept += seconds
            if self.slept > WAIT / 2:
                other.close()

        self.sleep = sleep  # type: ignore[method-assign]
        _, store = self.opened(Memory(max_memory=16 * MIB), kept=fd)
        self.assertEqual((store.count(0), store.get_pause(), store.active_expire), (1, (0, 0), True))

    def test_path_takes_precedence(self) -> None:
        """With memory.arena_path it is not looked at."""
        fd = self.kept()
        found, store = self.opened(Memory(max_memory=16 * MIB, arena_path=self.mktemp()), kept=fd)
        self.assertEqual((store.count(0), os.path.sameopenfile(found.fd, fd)), (0, False))

    def test_work_does_not_grow_with_the_keys(self) -> None:
        """To go on with many keys touches no more memory than to go on with few: their pages are not looked at."""

        def faults(keys: int) -> int:
            maker = Store()
            fd = arena_file(self)
            maker.create(fd, max_memory=64 * MIB, map_size=64 * MIB, num_shards=4, policy="noeviction", sample_size=5)
            maker.join()
            client = session(maker)
            for number in range(keys):
                call(client, "set", number, "v" * 100)
            maker.close()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            found, store = self.opened(Memory(max_memory=64 * MIB), kept=fd)
            taken = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
            self.assertEqual(store.count(0), keys)
            store.close()
            found.close()
            return taken

        # 6 MB: 1,500 pages. What the process does besides with its own memory only adds to it.
        few, many = (min(faults(keys) for _ in range(3)) for keys in (1, 40_000))
        self.assertLess(many, few + 40)


class PathTests(ArenaCase):
    """memory.arena_path"""

    def setUp(self) -> None:
        super().setUp()
        self.path = os.path.abspath(self.mktemp())

    def memory(self, **changes: Any) -> Memory:
        """The settings."""
        return Memory(arena_path=self.path, **{"max_memory": 16 * MIB, **changes})

    def leave(self, num_shards: int = 4) -> None:
        """A file with one key, of a process that has ended."""
        found, store = self.opened(self.memory(), num_shards)
        call(session(store), "set", "key", "value")
        store.close()
        found.close()

    def write(self, data: bytes) -> None:
        """A file with `data` and no more, which only we may read."""
        with open(self.path, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)

    def test_keys_outlive_the_process(self) -> None:
        """Keys are there after a restart, under the limit and the policy that are configured now."""
        self.leave()
        _, store = self.opened(self.memory(max_memory=8 * MIB, eviction_policy="noeviction"))
        self.assertEqual(call(session(store), "get", "key"), b"$5\r\nvalue\r\n")
        self.assertEqual((store.max_memory, store.policy), (8 * MIB, "noeviction"))
        self.assertEqual(self.logged[1:], [f"arena in {self.path} attached, 8 MiB"])

    def test_more_than_it_was_made_for(self) -> None:
        """A limit beyond what the arena can hold keeps the data: it grows as far as it can, which the log says."""
        self.patch(arena, "machine_memory", lambda: 100 * MIB)
        self.leave()
        self.patch(arena, "machine_memory", lambda: 1000 * MIB)
        _, store = self.opened(self.memory(max_memory=200 * MIB))
        self.assertEqual(call(session(store), "get", "key"), b"$5\r\nvalue\r\n")
        self.assertEqual(store.max_memory, store.map_size)
        self.assertEqual(
            self.logged[-1],
            f"the arena in {self.path} was made for {Size(store.map_size)} at most and keeps its data;"
            f" memory.max_memory = 200 MiB needs a new one",
        )

    def test_less_than_the_machine_had(self) -> None:
        """Without a limit the arena is as large as the machine allows now, not as it did when it was made."""
        self.patch(arena, "machine_memory", lambda: 100 * MIB)
        self.leave()
        self.patch(arena, "machine_memory", lambda: 50 * MIB)
        _, store = self.opened(self.memory(max_memory=0))
        self.assertEqual((store.max_memory, store.count(0)), (50 * MIB // 10 * 9, 1))

    def test_other_number_of_shards(self) -> None:
        """An arena of another shape is not used, which the log explains: the store starts empty."""
        self.leave()
        _, store = self.opened(self.memory(), 8)
        self.assertEqual((store.count(0), store.num_shards, store.check()), (0, 8, (0, "")))
        self.assertEqual(
            self.logged[1:],
            [
                f"cannot reuse the arena in {self.path}: it has 4 shards, server.num_shards is 8",
                f"new arena of 16 MiB in {self.path}, 8 shards",
            ],
        )

    def test_torn(self) -> None:
        """An arena that was cut, or never finished, or is of another layout, is started empty, and the log says why."""
        for place, reason in ((None, "a torn arena"), (12, "a torn arena"), (8, "layout 4294967295")):
            self.leave()
            with open(self.path, "r+b") as file:
                if place is None:
                    file.truncate(MIB)
                else:
                    file.seek(place)
                    file.write(b"\xff" * 4)
            found, store = self.opened(self.memory())
            self.assertEqual((store.count(0), store.check()), (0, (0, "")))
            self.assertIn(reason, self.logged[-2])
            store.close()
            found.close()

    def test_barely_begun(self) -> None:
        """A process that was killed when it had made nothing but the file, or its length, is not in the way."""
        for size in (0, 32 * MIB):
            self.write(b"")
            os.truncate(self.path, size)
            found, store = self.opened(self.memory())
            self.assertEqual(store.count(0), 0)
            store.close()
            found.close()

    def test_killed_in_the_making(self) -> None:
        """Nor is one that was killed in the middle: an arena is ours from its first byte on."""
        self.write(MAGIC)
        _, store = self.opened(self.memory())
        self.assertEqual((store.count(0), "too short" in self.logged[0]), (0, True))

    def test_somebody_elses_file(self) -> None:
        """A file that is no arena stops the start, and stays as it is: its name was a mistake."""
        for data in (b"x", b"important\n" * 1000, b"\0" * MIB + b"1", MAGIC[:-1], MAGIC[:-1] + b"x" * 5000):
            self.write(data)
            self.assertEqual(
                self.refused(self.memory()),
                f"memory.arena_path: {self.path!r} is no arena of redistill and is left as it is;"
                " remove it, or set another path",
            )
            with open(self.path, "rb") as file:
                self.assertTrue(file.read() == data)

    def test_no_file(self) -> None:
        """Neither is anything that is no file written to."""
        os.mkfifo(self.path)
        self.assertIn("is no arena of redistill", self.refused(self.memory()))
        self.path = "/dev/null"
        self.assertIn("is no arena of redistill", self.refused(self.memory()))

    def test_run_is_over(self) -> None:
        """A pause, and a sweep that was switched off, end with the run that they belong to, however that ends."""
        found, store = self.opened(self.memory())
        store.set_pause(2, 2**63)
        store.active_expire = False
        store.close()
        found.close()
        _, again = self.opened(self.memory())
        self.assertEqual((again.get_pause(), again.active_expire), ((0, 0), True))

    def test_unsafe_file(self) -> None:
        """A file that others could read, write or exchange stops the start, and stays as it is."""

        def link() -> None:
            os.rename(self.path, self.path + ".target")
            os.symlink(self.path + ".target", self.path)

        for change, said in (
            (
                lambda: os.chmod(self.path, 0o666),
                "others may reach it, its mode is 0666; remove it, or chmod it to 0600",
            ),
            (lambda: os.chmod(self.path, 0o640), "its mode is 0640"),
            (lambda: os.link(self.path, self.path + ".2"), "it has 2 names (hard links); remove it, or the others"),
            (link, "it is a symbolic link, which is not followed; remove it"),
        ):
            self.leave()
            with open(self.path, "rb") as file:
                before = file.read(MIB)
            change()
            refusal = self.refused(self.memory())
            self.assertIn(f"memory.arena_path: {self.path!r} is not used: ", refusal)
            self.assertIn(said, refusal)
            self.assertTrue(refusal.endswith(", or set another path"))
            with open(self.path, "rb") as file:
                self.assertTrue(file.read(MIB) == before)
            for name in (self.path, self.path + ".2", self.path + ".target"):
                if os.path.lexists(name):
                    os.unlink(name)
        self.assertEqual(self.slept, 0)

    def test_file_of_another_user(self) -> None:
        """So does one that belongs to somebody else, empty or not."""
        self.leave()
        self.patch(os, "geteuid", lambda: os.getuid() + 1)
        self.assertIn(f"it belongs to user {os.getuid()}, and the server runs as user", self.refused(self.memory()))

    def test_link_to_nowhere(self) -> None:
        """Nothing is made at the end of a symbolic link."""
        os.symlink(self.path + ".target", self.path)
        self.assertIn("it is a symbolic link", self.refused(self.memory()))
        self.assertFalse(os.path.exists(self.path + ".target"))

    def test_file_in_use(self) -> None:
        """Two daemons never share one file by accident: the second one waits a while, then gives up."""
        self.opened(self.memory())
        self.assertIn("is in use by another process", self.refused(self.memory()))
        self.assertApproximates(self.slept, WAIT, 0.1)

    def test_predecessor_that_is_dying(self) -> None:
        """A file whose last user ends meanwhile is taken then, with all that is in it."""
        self.leave()
        fd = os.open(self.path, os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)

        def sleep(seconds: float) -> None:
            self.slept += seconds
            if self.slept > WAIT / 2:
                fcntl.flock(fd, fcntl.LOCK_UN)

        self.sleep = sleep  # type: ignore[method-assign]
        self.addCleanup(os.close, fd)
        _, store = self.opened(self.memory())
        self.assertEqual(store.count(0), 1)

    def test_nothing_is_left_of_a_refused_start(self) -> None:
        """A start that is refused gives the file up."""
        self.refused(self.memory(max_memory=2**50))
        self.opened(self.memory())
        self.assertEqual(self.slept, 0)

    def test_not_enough_room(self) -> None:
        """A limit that the file system cannot hold is refused: a missing page would kill the process later."""
        self.assertIn("lower it, or enlarge the tmpfs", self.refused(self.memory(max_memory=2**50)))

    def test_path_that_cannot_be(self) -> None:
        """A directory that is not there is told in words."""
        self.path = "/none/such/arena"
        self.assertIn("No such file or directory", self.refused(self.memory()))

    def test_only_the_owner_reads_it(self) -> None:
        """Others on the machine cannot read the cache."""
        self.opened(self.memory())
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
