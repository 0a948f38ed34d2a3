"""Workers that are forked from a process that has imported everything, whatever becomes of any of them."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import redis
from twisted.trial.unittest import TestCase

from redistill.workers import channel, forkserver
from tests.integration import servers
from tests.integration.workers import CONFIG, FORK_SERVER, OnWorkers, children, fork_servers, workers_of

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
SABOTAGE = """
import os, sys
if "redistill.wiring.forkserver" in sys.orig_argv and os.path.exists(__file__ + ".broken"):
    os._exit(3)
"""
"""A module that Python imports at each start."""


def sockets_of(pid: int) -> set[str]:
    """All sockets and pipes of a process."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(os.readlink(fd))
    return {name for name in found if name.startswith(("socket:", "pipe:"))}


class ForkTests(OnWorkers):
    """A server of two workers."""

    def serving(self, server: servers.Server, but: tuple[int, ...] = ()) -> dict[int, int]:
        """Wait until two workers serve, none of them one of these; their process ids."""
        found: dict[int, int] = {}

        def look() -> bool:
            found.clear()
            with contextlib.suppress(redis.RedisError), redis.Redis(port=server.port, socket_timeout=2) as client:
                found.update(workers_of(client))
            return len(found) == 2 and not set(found.values()) & set(but)

        self.eventually(look, "two workers serve")
        return dict(found)

    def only_fork_server(self, server: servers.Server, but: int = 0) -> int:
        """Wait until there is one, and another one than this."""
        self.eventually(lambda: len(pids := fork_servers(server)) == 1 and pids[0] != but, "there is a fork server")
        return fork_servers(server)[0]

    def test_processes(self) -> None:
        """Workers and their fork server are children of the supervisor, named for what they are. Workers share nothing
        but what is meant to be shared, and much of their memory."""
        server = self.start()
        pids = self.serving(server)
        fork_server = self.only_fork_server(server)
        self.assertEqual(
            {pid: name for pid, (name, _) in children(server.pid).items()},
            {fork_server: FORK_SERVER, pids[0]: "rd-worker-0", pids[1]: "rd-worker-1"},
        )
        for number, pid in pids.items():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            self.assertEqual(words[-2:], [b"redistill.wiring.worker", b"%d" % number])
        listening = sockets_of(pids[0]) & sockets_of(pids[1])
        self.assertEqual(len(listening), 3, listening)  # a port each, the UNIX socket
        self.assertFalse((listening | sockets_of(pids[0])) & sockets_of(fork_server))
        own = {
            line.split(":")[0]: int(line.split()[1])
            for line in Path(f"/proc/{pids[0]}/smaps_rollup").read_text().splitlines()[1:]
        }
        self.assertGreater(own["Shared_Dirty"], own["Private_Dirty"])

    def test_random_numbers(self) -> None:
        """Processes that were forked from one make different random numbers."""
        made = [client.acl_genpass() for client in self.on_each(self.start()).values()]
        self.assertNotEqual(*made)

    def test_fork_server_is_killed(self) -> None:
        """Nobody notices: the workers and their clients go on, and another fork server stands ready."""
        server = self.start()
        clients = self.on_each(server)
        pids, fork_server = self.serving(server), self.only_fork_server(server)
        self.eventually(lambda: self._killed(fork_server), "it is gone")
        another = self.only_fork_server(server, but=fork_server)
        self.assertEqual([client.ping() for client in clients.values()], [True, True])
        self.assertEqual(self.serving(server), pids)
        os.kill(pids[0], signal.SIGKILL)
        self.serving(server, but=(pids[0],))
        self.assertEqual(fork_servers(server), [another])
        self.assertIn("the fork server has ended", server.logged())

    def _killed(self, pid: int) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return False
        return True

    def test_all_are_killed(self) -> None:
        """When the workers and the fork server are killed at once, all of them are there again."""
        server = self.start()
        for _ in range(3):
            pids, fork_server = self.serving(server), self.only_fork_server(server)
            for pid in (fork_server, *pids.values()):
                os.kill(pid, signal.SIGKILL)
            self.serving(server, but=tuple(pids.values()))
            self.only_fork_server(server, but=fork_server)

    def test_fork_server_is_killed_in_the_middle(self) -> None:
        """Wherever it is killed while it starts workers, they come to serve in the end, and nothing is left of those that
        did not: no process, no descriptor."""
        server = self.start()
        self.serving(server)
        before = len(os.listdir(f"/proc/{server.pid}/fd"))
        for _ in range(10):
            pids = self.serving(server)
            os.kill(pids[0], signal.SIGKILL)
            for pid in fork_servers(server):
                os.kill(pid, signal.SIGKILL)
        self.serving(server)
        self.eventually(lambda: len(children(server.pid)) == 3, "two workers and a fork server are all that there is")
        self.eventually(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) == before, "and no descriptors are left")
        self.assertNotIn("Traceback", server.logged())

    def test_fork_server_hangs(self) -> None:
        """One that does not move any more is replaced when a worker is wanted."""
        server = self.start()
        pids, fork_server = self.serving(server), self.only_fork_server(server)
        os.kill(fork_server, signal.SIGSTOP)
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        self.serving(server, but=tuple(pids.values()))
        self.only_fork_server(server, but=fork_server)
        self.assertIn("the fork server does not answer; it is killed", server.logged())

    def test_reload(self) -> None:
        """A reload brings another fork server, and workers from it."""
        server = self.start()
        pids, fork_server = self.serving(server), self.only_fork_server(server)
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "all workers were replaced" in server.logged(), "the workers are new")
        self.serving(server, but=tuple(pids.values()))
        self.only_fork_server(server, but=fork_server)
        self.assertNotIn("fork server has ended", server.logged())

    def test_program_that_cannot_start(self) -> None:
        """When what is installed cannot be run, a reload changes nothing, and a worker that dies is still replaced."""
        place = servers.directory()
        sabotage = place / "sitecustomize.py"
        sabotage.write_text(SABOTAGE)
        server = servers.redistill(
            CONFIG.format(workers=2), tcp=True, environ={"PYTHONPATH": f"{servers.ROOT}{os.pathsep}{place}"}
        )
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        pids, fork_server = self.serving(server), self.only_fork_server(server)
        Path(f"{sabotage}.broken").touch()
        server.process.send_signal(signal.SIGHUP)
        self.eventually(
            lambda: "the reload stopped at worker 0, 0 of 2 workers were replaced: " in server.logged(), "it stops"
        )
        self.assertEqual((self.serving(server), fork_servers(server)), (pids, [fork_server]))
        os.kill(pids[0], signal.SIGKILL)
        self.assertEqual(self.serving(server, but=(pids[0],))[1], pids[1])

    def test_supervisor_is_killed(self) -> None:
        """Then all of them end, also those that are just being started."""
        server = self.start()
        pids = self.serving(server)
        every = set(children(server.pid))
        os.kill(pids[0], signal.SIGKILL)
        server.process.kill()
        every |= set(children(server.pid))
        server.process.wait()
        self.eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in every), "all are gone", 5)
        with self.assertRaises(ConnectionRefusedError):
            server.connect()

    def test_too_few_descriptors(self) -> None:
        """A supervisor that has no descriptors for a while, in which its workers are killed, has workers again after it;
        so it is with its fork server."""
        server = self.start()
        pids = self.serving(server)
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        for victims in (tuple(pids.values()), (*pids.values(), *fork_servers(server))):
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (8, limits[1]))
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.eventually(lambda: "could not be started" in server.logged(), "a start fails")
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
            pids = self.serving(server, but=victims)
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "all workers were replaced" in server.logged(), "the workers are new")
        self.assertNotIn("Traceback", server.logged())

    def test_signals_to_all(self) -> None:
        """A signal that a service manager or a terminal sends to all processes stops the server cleanly."""
        server = self.start()
        self.serving(server)
        for number in (signal.SIGUSR1, signal.SIGHUP):
            for pid in children(server.pid):
                os.kill(pid, number)
        self.assertEqual(len(self.serving(server)), 2)
        for pid in (*fork_servers(server), server.pid):
            os.kill(pid, signal.SIGTERM)
        self.assertEqual(server.process.wait(20), 0)
        self.assertNotIn("fork server", server.logged())


class ForkServerTests(TestCase):
    """`python -m redistill.wiring.forkserver`"""

    def test_no_reactor(self) -> None:
        """It installs no reactor, which belongs to one process, and imports all that a worker needs, and has Lua."""
        code = (
            "import sys; from redistill._core import lib; from redistill.wiring import forkserver as program; from redistill.workers import forkserver; forkserver.preload(program.PRELOADED);"
            " sys.exit('twisted.internet.reactor' in sys.modules or 'redistill.wiring.worker' not in sys.modules or not lib.rd_lua_loaded())"
        )
        done = subprocess.run([sys.executable, "-c", code], env=servers.environment(), timeout=60)
        self.assertEqual(done.returncode, 0)

    def test_requests(self) -> None:
        """The fork server reports a failure and goes on. A worker that its supervisor has not adopted ends."""
        # A test before this one may have made this process the parent of orphans.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(60)
        process = subprocess.Popen(
            [sys.executable, "-m", "redistill.wiring.forkserver", str(channel.VERSION)],
            env=servers.environment(),
            stderr=subprocess.PIPE,
            preexec_fn=lambda: os.dup2(theirs.fileno(), forkserver.CONTROL),
            close_fds=False,
        )
        theirs.close()
        self.addCleanup(process.wait)
        self.addCleanup(ours.close)
        self.addCleanup(process.kill)

        def ask(number: int, descriptors: int, sent: int) -> None:
            asked = {"id": number, "number": 0, "descriptors": descriptors}
            socket.send_fds(ours, [json.dumps(asked).encode()], [2] * sent)

        def said() -> object:
            return json.loads(ours.recv(forkserver.MESSAGE))

        self.assertEqual(said(), {"ready": True})
        limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (16, limits[1]))
        ask(1, 20, 20)
        self.assertEqual(said(), {"id": 1, "problem": "the fork server has too few descriptors"})
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)
        ask(2, 6, 3)  # the rest never comes
        ask(3, 3, 3)
        assert process.stderr is not None
        with process.stderr as errors:
            self.assertEqual(errors.readline(), b"the supervisor is not the parent of its worker\n")
        ours.close()
        self.assertEqual(process.wait(20), 0)

    def test_another_version(self) -> None:
        """One of another version than its supervisor says what to do, and ends."""
        argv = [sys.executable, "-m", "redistill.wiring.forkserver", str(channel.VERSION - 1)]
        done = subprocess.run(argv, env=servers.environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("restart the server to upgrade the supervisor", done.stderr)
