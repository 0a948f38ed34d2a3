"""The cache stays warm: what a restart, however it came about, keeps."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.manager import PlayedManager

from . import servers
from .test_start import talk

KEYS = 1000
# The steps of systemd between fork and exec: descriptors begin at 3, and LISTEN_PID names their process.
EXEC = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"


class WarmCase(SynchronousTestCase):
    """The parts that the tests below share."""

    def setUp(self) -> None:
        self.place = servers.directory()
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.path = self.place / "arena"

    def config(self, num_shards: int = 16, max_memory: str = "64mb", server: str = "", memory: str = "") -> str:
        """The configuration of a server on the file `path`."""
        return (
            f'[security]\nenable_debug_command = "yes"\n[server]\nnum_shards = {num_shards}\n{server}\n'
            f'[memory]\nmax_memory = "{max_memory}"\narena_path = "{self.path}"\n{memory}\n'
        )

    def server(self, config: str) -> servers.Server:
        """A server that is gone after the test."""
        server = servers.redistill(config)
        self.addCleanup(server.stop, signal.SIGKILL)
        return server

    def fill(self, server: servers.Server) -> None:
        """A thousand keys, every tenth with an expiry; some in another database, one of them past."""
        lines = b"".join(b"SET key:%d %d%s\r\n" % (n, n, b" EX 1000" if n % 10 == 0 else b"") for n in range(KEYS))
        with server.connect() as sock:
            self.assertEqual(talk(sock, lines, 5 * KEYS), b"+OK\r\n" * KEYS)
            self.assertEqual(talk(sock, b"SELECT 3\r\nSET k three\r\nSET gone v PXAT 1\r\n", 15), b"+OK\r\n" * 3)

    def assert_kept(self, server: servers.Server) -> None:
        """All of it is there, and whole."""
        gets = b"".join(b"GET key:%d\r\n" % n for n in range(KEYS))
        values = b"".join(b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(KEYS))
        with server.connect() as sock:
            self.assertEqual(talk(sock, b"DBSIZE\r\n", 7), b":%d\r\n" % KEYS)
            self.assertEqual(talk(sock, gets, len(values)), values)
            self.assertIn(talk(sock, b"TTL key:10\r\n", 6), [b":%d\r\n" % n for n in range(900, 1001)])
            self.assertEqual(talk(sock, b"SELECT 3\r\nGET k\r\nGET gone\r\n", 21), b"+OK\r\n$5\r\nthree\r\n$-1\r\n")
            self.assertEqual(talk(sock, b"DEBUG CHECK\r\n", 5), b"+OK\r\n")
        self.assertIn("attached", server.logged())

    def assert_empty(self, server: servers.Server, reason: str) -> None:
        """It said why, and serves."""
        with server.connect() as sock:
            self.assertEqual(talk(sock, b"DBSIZE\r\nSET k v\r\n", 9), b":0\r\n+OK\r\n")
        lines = [line for line in server.logged().splitlines() if "cannot reuse the arena" in line]
        self.assertEqual(len(lines), 1, server.logged())
        self.assertIn(reason, lines[0])

    def info(self, server: servers.Server, field: str) -> str:
        """A field of INFO."""
        with server.connect() as sock:
            sock.sendall(b"INFO EVERYTHING\r\nQUIT\r\n")
            text = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
        return next(line for line in text.split("\r\n") if line.startswith(field + ":")).partition(":")[2]


class PathTests(WarmCase):
    """memory.arena_path."""

    def test_after_a_kill(self) -> None:
        """SIGKILL, and a new process goes on with every key; their time has gone on meanwhile."""
        first = self.server(self.config())
        self.fill(first)
        with first.connect() as sock:
            before = int(talk(sock, b"PTTL key:10\r\n", 9)[1:])
            then = time.monotonic()
        first.process.kill()
        first.process.wait()
        again = self.server(self.config())
        with again.connect() as sock:
            gone = (time.monotonic() - then) * 1000
            after = int(talk(sock, b"PTTL key:10\r\n", 9)[1:])
        self.assertTrue(0 < after <= before - gone + 2, (before, after, gone))
        self.assert_kept(again)

    def test_killed_while_it_writes(self) -> None:
        """A process killed in the middle of its work loses one shard at most; each value that is left is whole."""
        first = self.server(self.config())
        value = b"%d:" + b"v" * 300
        lines = b"".join(b"SET key:%d %s\r\n" % (n, value % n) for n in range(5000))
        with first.connect() as sock:
            self.assertEqual(talk(sock, lines, 25000), b"+OK\r\n" * 5000)
            sock.sendall(lines)
            first.process.kill()
            first.process.wait()
        again = self.server(self.config())
        with again.connect() as sock:
            self.assertEqual(talk(sock, b"DEBUG CHECK\r\n", 5), b"+OK\r\n")
            count = int(talk(sock, b"DBSIZE\r\n", 7)[1:])
            self.assertGreater(count, 5000 * 13 // 16)
            found = 0
            with sock.makefile("rb") as replies:
                for n in range(5000):
                    sock.sendall(b"GET key:%d\r\n" % n)
                    if replies.readline() != b"$-1\r\n":
                        self.assertEqual(replies.readline(), value % n + b"\r\n")
                        found += 1
            self.assertEqual(found, count)
        self.assertLessEqual(int(self.info(again, "shards_lost")), 1)

    def test_pause_ends_with_the_run(self) -> None:
        """Settings that clients changed end with the server, with one worker and with several, all of them killed."""
        for workers in (1, 3, 1):
            config = self.config(server=f"workers = {workers}")
            first = self.server(config)
            if workers == 1:
                self.fill(first)
            with first.connect() as sock:
                pause = b"DEBUG SET-ACTIVE-EXPIRE 0\r\nCLIENT PAUSE 100000000 ALL\r\n"
                self.assertEqual(talk(sock, pause, 10), b"+OK\r\n" * 2)
            first.process.kill()
            first.process.wait()
            again = self.server(config)
            with again.connect() as sock:
                self.assertEqual(talk(sock, b"PING\r\nSET short v PX 1\r\n", 12), b"+PONG\r\n+OK\r\n")
            self.assert_kept_without(again, b"short")
            self.assertEqual(again.stop(), 0)

    def assert_kept_without(self, server: servers.Server, key: bytes) -> None:
        """A key that has expired is swept, and all others are kept."""
        with server.connect() as sock:
            servers.until(lambda: talk(sock, b"DBSIZE\r\n", 7) == b":%d\r\n" % KEYS, 20, f"{key!r} is swept")
        self.assert_kept(server)

    def test_change_of_settings(self) -> None:
        """A clean stop, and another start with other settings, each of which keeps the data."""
        server = self.server(self.config())
        self.fill(server)
        for config, field, value in (
            (self.config(max_memory="32mb"), "maxmemory", str(32 << 20)),
            (self.config(max_memory="100mb"), "maxmemory", str(100 << 20)),
            (self.config(memory='eviction_policy = "volatile-ttl"'), "maxmemory_policy", "volatile-ttl"),
            (self.config(server="batch_size = 1"), "num_shards", "16"),
        ):
            self.assertEqual(server.stop(), 0)
            server = self.server(config)  # on another port, too
            self.assertEqual(self.info(server, field), value)
            self.assert_kept(server)

    def test_other_number_of_shards(self) -> None:
        """Another server.num_shards begins empty, and the log says why."""
        first = self.server(self.config())
        self.fill(first)
        first.stop()
        self.assert_empty(self.server(self.config(num_shards=32)), "it has 16 shards, server.num_shards is 32")

    def test_torn(self) -> None:
        """So does an arena that was cut."""
        first = self.server(self.config())
        self.fill(first)
        first.stop()
        os.truncate(self.path, 1 << 20)
        self.assert_empty(self.server(self.config()), "a torn arena")

    def test_somebody_elses_file(self) -> None:
        """A file that is no arena stops the start with one line, and is what it was."""
        self.path.write_bytes(b"somebody's work\n" * 1000)
        status, said = servers.refused(servers.with_address(self.config(), 0, str(self.place / "other")))
        self.assertEqual((status, len(said.strip().splitlines())), (1, 1), said)
        self.assertIn(str(self.path), said)
        self.assertEqual(self.path.read_bytes(), b"somebody's work\n" * 1000)

    def test_two_at_once(self) -> None:
        """A second server on the same arena is refused; the first goes on."""
        first = self.server(self.config())
        self.fill(first)
        status, said = servers.refused(servers.with_address(self.config(), first.port, str(self.place / "other")))
        self.assertEqual((status, len(said.strip().splitlines())), (1, 1), said)
        self.assertIn(f"{str(self.path)!r} is in use by another process", said)
        with first.connect() as sock:
            self.assertEqual(talk(sock, b"DBSIZE\r\n", 7), b":%d\r\n" % KEYS)

    def test_predecessor_that_is_dying(self) -> None:
        """A start waits for the last process of its predecessor, which still has the file and the port."""
        first = self.server(self.config())
        self.fill(first)
        first.stop()
        with open(self.path, "r+b") as file, socket.socket() as listener:
            fcntl.flock(file, fcntl.LOCK_EX)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            place = servers.directory()
            config = servers.with_address(self.config(), listener.getsockname()[1], str(place / "s"))
            again = servers.launch(servers.command_line(place, config), str(place / "s"), place, servers.environment())
            self.addCleanup(again.stop, signal.SIGKILL)
            servers.until(lambda: self.has_opened(again), 20, "the server looks at the file")
        servers.wait(again)
        self.assert_kept(again)

    def has_opened(self, server: servers.Server) -> bool:
        """Whether the process has the arena's file open."""
        for link in Path(f"/proc/{server.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                if os.readlink(link) == str(self.path):
                    return True
        return False


class ManagerTests(WarmCase):
    """The file-descriptor store of systemd, whose part the test plays."""

    def setUp(self) -> None:
        super().setUp()
        self.manager = PlayedManager(self)
        self.more: dict[str, str] = {}

    def config(self, num_shards: int = 16, max_memory: str = "64mb", server: str = "", memory: str = "") -> str:
        """The configuration of a server without a file."""
        whole = super().config(num_shards, max_memory, server, memory)
        return "".join(line for line in whole.splitlines(True) if "arena_path" not in line)

    def generation(self, config: str) -> servers.Server:
        """The service as the manager starts it, with what the manager has kept."""
        place = servers.directory()
        argv = servers.command_line(place, servers.with_address(config, servers.free_port(), str(place / "s")))
        environ = servers.environment({**self.manager.environ, **self.more})
        if self.manager.fds:
            environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="redistill-arena")
            argv = [sys.executable, "-c", EXEC, str(self.manager.fds[0]), *argv]
        server = servers.start(argv, str(place / "s"), place, environ, self.manager.fds)
        self.addCleanup(server.stop, signal.SIGKILL)
        return server

    def assert_heard(self, *words: str) -> None:
        """The service says these, the first line of each, in this order, and nothing else."""
        heard: list[str] = []

        def listen() -> bool:
            heard.extend(text.partition("\n")[0] for text in self.manager.heard())
            return len(heard) >= len(words)

        servers.until(listen, 20, f"the manager hears {words}")
        self.assertEqual(heard, list(words))

    def test_three_generations(self) -> None:
        """A kill and a stop: each new process gets the arena of the one before from the manager, and keeps the data."""
        first = self.generation(self.config())
        self.assert_heard("FDSTORE=1", "READY=1")
        self.assertEqual(self.info(first, "process_supervised"), "systemd")
        self.fill(first)
        first.stop(signal.SIGKILL)
        second = self.generation(self.config())
        self.assert_heard("READY=1")
        self.assert_kept(second)
        self.assertEqual(second.stop(), 0)
        self.assert_heard("STOPPING=1")
        third = self.generation(self.config(max_memory="32mb"))
        self.assert_heard("READY=1")
        self.assert_kept(third)

    def test_variables_that_were_taken(self) -> None:
        """The arena is found although something has imported Twisted's endpoints first, which take LISTEN_FDS."""
        place = servers.directory()
        self.addCleanup(shutil.rmtree, place)
        (place / "sitecustomize.py").write_text("import twisted.internet.endpoints\n")
        self.more["PYTHONPATH"] = f"{place}:{servers.environment()['PYTHONPATH']}"
        first = self.generation(self.config())
        self.assert_heard("FDSTORE=1", "READY=1")
        self.fill(first)
        first.stop(signal.SIGKILL)
        second = self.generation(self.config())
        self.assert_heard("READY=1")
        self.assert_kept(second)

    def test_what_cannot_be_used(self) -> None:
        """An arena of another shape is given up for a new one, and the manager keeps that."""
        first = self.generation(self.config())
        self.assert_heard("FDSTORE=1", "READY=1")
        self.fill(first)
        first.stop()
        self.assert_heard("STOPPING=1")
        second = self.generation(self.config(num_shards=32))
        self.manager.forget()
        self.assert_heard("FDSTOREREMOVE=1", "FDSTORE=1", "READY=1")
        self.assert_empty(second, "it has 16 shards")
        second.stop(signal.SIGKILL)
        third = self.generation(self.config(num_shards=32))
        with third.connect() as sock:
            self.assertEqual(talk(sock, b"DBSIZE\r\n", 4), b":1\r\n")

    def test_path_takes_precedence(self) -> None:
        """With memory.arena_path the manager is told to forget what it kept, which would only cost memory."""
        self.generation(self.config()).stop(signal.SIGKILL)
        self.assert_heard("FDSTORE=1", "READY=1")
        server = self.generation(WarmCase.config(self))
        self.assert_heard("FDSTOREREMOVE=1", "READY=1")
        self.assertIn(f"in {self.path}", server.logged())

    def test_start_that_fails(self) -> None:
        """A start that is refused leaves with the manager what it has."""
        first = self.generation(self.config())
        self.assert_heard("FDSTORE=1", "READY=1")
        self.fill(first)
        first.stop(signal.SIGKILL)
        with self.assertRaises(servers.NotStarted):
            self.generation(self.config(max_memory="1mb"))
        self.assert_heard()
        self.assert_kept(self.generation(self.config()))

    def test_watchdog(self) -> None:
        """The signs of life that the manager asks for come."""
        self.manager.environ["WATCHDOG_USEC"] = "200000"
        self.generation(self.config())
        heard: list[str] = []

        def beats() -> bool:
            heard.extend(self.manager.heard())
            return heard.count("WATCHDOG=1") >= 3

        servers.until(beats, 20, "three signs of life")
