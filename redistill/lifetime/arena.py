"""The file or memory of a store: its origin, and whether its contents can be reused."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable

from twisted.logger import Logger

from redistill.base.files import UnsafeFile, expect_private, open_file
from redistill.base.sizes import Size
from redistill.config.machine import machine_memory
from redistill.config.settings import Memory
from redistill.engine import MAGIC, ArenaError, Store, min_memory
from redistill.net.sockets import StartError

log = Logger()

WAIT = 5.0
"""Seconds that a file may still be locked: a process that was killed has workers, which die a moment after it."""
PAUSE = 0.02
"""Seconds between two looks at the lock."""


class Arena:
    """A descriptor, which is ours to close, and what is known of it. `find_arena` makes them.

    Processes that inherit the descriptor share its lock, so a file is in use until the last of them has ended.
    """

    def __init__(
        self, fd: int, place: str, room: int, *, path: str = "", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """`place` is what the log calls it; `room` the bytes that it may hold at most; `path` is empty for memory."""
        self._sleep = sleep
        self.fd = fd
        self.place = place
        self.room = room
        self.path = path

    def open(
        self,
        store: Store,
        memory: Memory,
        num_shards: int,
        processes: int = 1,
        default: int = 0,
        *,
        fewer: bool = False,
    ) -> None:
        """Open `store` in it: with the data that is there, or empty. Raises StartError; nothing is changed then.

        So many `processes` will join it at the same time. `default` is the memory.max_memory of a configuration without
        one, as far as there is room; 0: all the room. `fewer`: the arena may have fewer shards than `num_shards`, where
        the memory is not enough for all of them.

        To be called before the process becomes a daemon: whatever is wrong is still told on standard error then.
        """
        size, wanted = memory.max_memory or min(default or self.room, self.room), num_shards
        num_shards = fitting_shards(size, num_shards, processes, fewer=fewer)
        least = min_memory(num_shards, processes)
        if size < least and (not memory.max_memory or self.room < least):
            raise StartError(
                f"memory: {Size(min(size, self.room))} are left for the cache, whose least is {Size(least)};"
                " this needs a larger machine, or fewer server.workers"
            )
        if os.fstat(self.fd).st_size:
            if self._attach(store, memory, size, num_shards, processes if fewer else 0):
                store.reserve(processes)
                return
            if not self.path:  # whoever still has the old memory mapped keeps it
                self.close()
                self.fd, self.place = _memory()
        try:
            store.create(
                self.fd,
                max_memory=max(size, least),
                map_size=max(self.room, size),
                num_shards=num_shards,
                policy=memory.eviction_policy,
                sample_size=memory.eviction_sample_size,
            )
        except (ArenaError, OSError) as problem:
            raise StartError(f"memory: cannot make the arena: {problem}; lower memory.max_memory") from None
        store.reserve(processes)
        store.set_max_memory(size)
        if size < least:
            log.warn(
                "memory.max_memory = {size} is less than the smallest arena, {least}: it limits"
                " keys, not the system's memory",
                size=Size(size),
                least=Size(least),
            )
        if num_shards < wanted:
            log.info(
                "{size} of memory are not enough for {wanted} shards: the arena has {shards}",
                size=Size(size),
                wanted=wanted,
                shards=num_shards,
            )
        log.info(
            "new arena of {size} in {place}, {shards} shards", size=Size(size), place=self.place, shards=num_shards
        )

    def _attach(self, store: Store, memory: Memory, size: int, num_shards: int, processes: int) -> bool:
        """Whether the store could be opened with what is there. `processes`, when it is not 0: with any number of
        shards that they can work with in `size` bytes."""
        try:
            self._begin(store)
            known = processes and min_memory(store.num_shards, processes) <= size
            if store.num_shards != num_shards and not known:
                raise ArenaError(f"it has {store.num_shards} shards, server.num_shards is {num_shards}")
        except ArenaError as problem:
            store.close()
            log.warn("cannot reuse the arena in {place}: {problem}", place=self.place, problem=str(problem))
            return False
        store.set_max_memory(min(size, store.map_size))
        store.set_policy(memory.eviction_policy, memory.eviction_sample_size)
        log.info("arena in {place} attached, {size}", place=self.place, size=Size(store.max_memory))
        if memory.max_memory > store.map_size:
            log.warn(
                "the arena in {place} was made for {size} at most and keeps its data;"
                " memory.max_memory = {wanted} needs a new one",
                place=self.place,
                size=Size(store.map_size),
                wanted=Size(memory.max_memory),
            )
        return True

    def _begin(self, store: Store) -> None:
        """Attach, and begin a run: what belonged to the last one is over. Raises ArenaError."""
        if self.path:  # it is locked: whoever had it mapped is gone
            store.attach(self.fd, alone=True)
            return
        for _ in range(round(WAIT / PAUSE)):
            store.attach(self.fd)
            if store.began:
                return
            store.close()
            self._sleep(PAUSE)
        raise ArenaError("another process uses it")

    def close(self) -> None:
        """Close the descriptor, and with the last one of them give up the file. A second call does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def joining(workers: int) -> int:
    """How many processes may have the arena at once: while workers are replaced, two stand in one place."""
    return 1 if workers == 1 else 2 * workers + 1


def fitting_shards(size: int, num_shards: int, processes: int, *, fewer: bool) -> int:
    """The shards of an arena of `size` bytes: `num_shards`, or, if it may be `fewer`, the most that are not too many, 1
    at least. Raises StartError when it may not."""
    least = min_memory(num_shards, processes)
    while size < least and fewer and num_shards > 1:
        num_shards //= 2
        least = min_memory(num_shards, processes)
    if size < least and not fewer:
        raise StartError(
            f"memory.max_memory: {Size(size)} are too little for {num_shards} shards and {processes} processes;"
            f" set it to {least} bytes ({Size(least)}) or more, or lower server.num_shards or server.workers"
        )
    return num_shards


def find_arena(memory: Memory, kept: int = -1, sleep: Callable[[float], None] = time.sleep) -> Arena:
    """The file at memory.arena_path, locked for us; without a path, `kept` (what the service manager kept, not closed
    here; -1: nothing), or else new anonymous memory. Raises StartError.
    """
    if memory.arena_path:
        return _at(memory.arena_path, memory.max_memory, sleep)
    if kept >= 0:
        return Arena(os.dup(kept), "the service manager's store", _machine_room(), sleep=sleep)
    return Arena(*_memory(), _machine_room())


def _memory() -> tuple[int, str]:
    return os.memfd_create("redistill"), "anonymous memory"


def _machine_room() -> int:
    return machine_memory() // 10 * 9


def _at(path: str, max_memory: int, sleep: Callable[[float], None]) -> Arena:
    try:
        fd = open_file(path)
    except UnsafeFile as problem:
        raise _unsafe(path, problem) from None
    except OSError as problem:
        raise StartError(
            f"memory.arena_path: cannot open {path!r}: {os.strerror(problem.errno or 0)};"
            " set a path on a tmpfs that may be written to"
        ) from None
    arena = Arena(fd, path, 0, path=path, sleep=sleep)
    try:
        _look(arena)
        try:
            expect_private(fd)
        except UnsafeFile as problem:
            raise _unsafe(path, problem) from None
        _lock(arena, sleep)
        system, own = os.fstatvfs(fd), os.fstat(fd)
        arena.room = min(system.f_bavail * system.f_frsize + own.st_blocks * 512, _machine_room())
        if max_memory > arena.room and own.st_blocks == 0:
            raise StartError(
                f"memory.arena_path: {path!r} has room for {Size(arena.room)}, memory.max_memory is {Size(max_memory)};"
                " lower it, or enlarge the tmpfs"
            )
        if max_memory > arena.room:  # the keys that it has are worth more than a start that is refused
            log.warn(
                "{path} has room for {room}, memory.max_memory is {limit}: enlarge the tmpfs, or remove other files",
                path=path,
                room=Size(arena.room),
                limit=Size(max_memory),
            )
    except StartError:
        arena.close()
        raise
    return arena


def _unsafe(path: str, problem: UnsafeFile) -> StartError:
    return StartError(f"memory.arena_path: {path!r} is not used: {problem}, or set another path")


def _lock(arena: Arena, sleep: Callable[[float], None]) -> None:
    for _ in range(round(WAIT / PAUSE)):
        try:
            fcntl.flock(arena.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            sleep(PAUSE)
    raise StartError(f"memory.arena_path: {arena.path!r} is in use by another process; stop it, or set another path")


def _look(arena: Arena) -> None:
    """Raise StartError for a file with data that is no arena. An arena, whatever its state, may be written over."""
    own, head = os.fstat(arena.fd), b""
    if stat.S_ISREG(own.st_mode):
        head = os.pread(arena.fd, len(MAGIC), 0)
        # Nothing but a hole: a process was killed when it had only said how long its arena would be.
        if head == MAGIC or not (own.st_blocks or head.strip(b"\0")):
            return
    raise StartError(
        f"memory.arena_path: {arena.path!r} is no arena of redistill and is left as it is;"
        " remove it, or set another path"
    )
