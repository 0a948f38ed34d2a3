"""How the supervisor has workers forked, with a fork server that is only played."""

from __future__ import annotations

import errno
import json
import os
import socket
from typing import Any

from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.workers import forkserver, launch, process
from redistill.workers.fork_client import END_SECONDS, FORK_SECONDS, IMPORT_SECONDS
from redistill.workers.launch import DOUBT_SECONDS, NEW_SECONDS, SWEEP_SECONDS, Launcher
from redistill.workers.process import Output, Worker, ending


class PlayedProcess:
    """A fork server: what it was asked, and what it says."""

    def __init__(self, protocol: Any, control: int) -> None:
        self.protocol = protocol
        self.control = socket.socket(fileno=os.dup(control))
        self.control.setblocking(False)
        self.killed = False
        self.pid = os.getpid()  # no child of this process: as if somebody else had waited for it

    def asked(self) -> list[tuple[dict[str, Any], list[int]]]:
        """The messages that came, each with the descriptors that came along."""
        found = []
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.control, forkserver.MESSAGE, forkserver.MOST)
            except BlockingIOError:
                return found
            if not data:
                return found
            for fd in fds:
                os.close(fd)
            found.append((json.loads(data), fds))

    def say(self, **what: Any) -> None:
        self.control.send(json.dumps(what).encode())
        self.protocol.doRead()

    def signalProcess(self, name: str) -> None:
        self.killed = name == "KILL"

    def reapProcess(self) -> None:
        """The reactor waits for the process, which has ended."""
        self.protocol.processEnded(Failure(ProcessTerminated(signal=9, status=9)))

    def end(self) -> None:
        """It ends, and with it its end of the control socket."""
        self.control.close()
        self.protocol.processEnded(Failure(ProcessTerminated(signal=9, status=9)))
        self.protocol.doRead()


class PlayedReactor(Clock):
    """Starts processes that are played."""

    def __init__(self) -> None:
        super().__init__()
        self.servers: list[PlayedProcess] = []
        self.readers: list[Any] = []
        self.problem: Exception | None = None

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)

    def spawnProcess(
        self, protocol: Any, program: str, argv: list[str], *, env: object, childFDs: dict[int, int]
    ) -> None:
        if self.problem is not None:
            raise self.problem
        self.servers.append(PlayedProcess(protocol, childFDs[forkserver.CONTROL]))
        protocol.makeConnection(self.servers[-1])


class PlayedChannel:
    """The transport of a channel."""

    closed = False

    def loseConnection(self) -> None:
        self.closed = True


class LauncherTests(SynchronousTestCase):
    """Launcher"""

    def setUp(self) -> None:
        self.reactor = PlayedReactor()
        self.lines: list[str] = []
        self.gone: list[tuple[int, str]] = []
        self.killed: list[int] = []
        self.registered: list[tuple[int, Worker]] = []
        self.extra = 2
        self.patch(os, "kill", lambda pid, number: self.killed.append(pid))
        self.patch(process, "registerReapProcessHandler", lambda pid, worker: self.registered.append((pid, worker)))
        self.patch(launch, "adopt_orphans", lambda: None)
        self.launcher = Launcher(self.reactor, ["fork server"], self.lines.append)
        self.launcher.start(self)
        self.addCleanup(self.clean)

    def clean(self) -> None:
        self.launcher.stop()
        for server in self.reactor.servers:
            if server.control.fileno() >= 0:
                server.end()

    def inherited(self, worker: Worker) -> list[int]:
        return [0] * self.extra

    def connect(self, worker: Worker, ours: socket.socket) -> PlayedChannel:
        return PlayedChannel()

    def worker(self, number: int = 0) -> Worker:
        return Worker(number, self.lines.append, lambda worker, reason: self.gone.append((worker.number, reason)))

    def launched(self, number: int = 0) -> Worker:
        """A worker that was asked for."""
        worker = self.worker(number)
        self.launcher.launch(worker)
        return worker

    def ready(self) -> PlayedProcess:
        """The latest fork server has imported everything."""
        self.reactor.servers[-1].say(ready=True)
        return self.reactor.servers[-1]

    def test_start(self) -> None:
        """A worker that is wanted while the fork server starts is asked for when it can fork; then it is a process."""
        worker = self.launched(3)
        self.assertEqual(self.reactor.servers[0].asked(), [])
        server = self.ready()
        ((asked, fds),) = server.asked()
        self.assertEqual((asked, len(fds)), ({"id": 0, "number": 3, "descriptors": 4}, 4))
        server.say(id=0, pid=77)
        self.assertEqual((worker.pid, self.registered, self.gone), (77, [(77, worker)], []))
        self.launched(4)
        self.assertEqual(len(server.asked()), 1)
        self.assertEqual(len(self.reactor.servers), 1)

    def test_many_descriptors(self) -> None:
        """More descriptors than a message can carry go with several."""
        self.extra = 300
        self.launched()
        self.assertEqual([len(fds) for _, fds in self.ready().asked()], [forkserver.MOST, 302 - forkserver.MOST])

    def test_fork_that_fails(self) -> None:
        """A worker that could not be forked has ended, with the reason; its channel is closed."""
        worker = self.launched()
        self.ready().say(id=0, problem="fork: Resource temporarily unavailable")
        self.assertEqual(self.gone, [(0, "fork: Resource temporarily unavailable")])
        self.assertTrue(worker.channel.closed)

    def test_no_fork_server(self) -> None:
        """When there can be no fork server the start fails, and leaves no descriptor behind."""
        self.reactor.problem = OSError(errno.EAGAIN, "no more processes")
        before = os.listdir("/proc/self/fd")
        with self.assertRaises(OSError):
            self.launched()
        self.assertEqual((os.listdir("/proc/self/fd"), self.reactor.readers), (before, []))

    def test_fork_server_that_is_killed_at_once(self) -> None:
        """One that has ended before anybody could wait for it is none, and leaves nothing; the next one is another."""
        spawn = self.reactor.spawnProcess

        def killed(*args: Any, **options: Any) -> None:
            spawn(*args, **options)
            server = self.reactor.servers[-1]
            server.control.close()
            server.protocol.processEnded(Failure(ProcessTerminated(signal=9, status=9)))

        before = len(os.listdir("/proc/self/fd"))
        self.patch(self.reactor, "spawnProcess", killed)
        with self.assertRaises(OSError):
            self.launched()
        calls = [one for one in self.reactor.getDelayedCalls() if one.func == self.launcher._stand_ready]
        self.assertEqual((len(os.listdir("/proc/self/fd")), self.reactor.readers, calls), (before, [], []))
        self.patch(self.reactor, "spawnProcess", spawn)
        self.launched()
        self.assertEqual(len(self.reactor.servers), 2)

    def test_fork_server_that_cannot_stand_ready(self) -> None:
        """When there can be no other one it is tried again, later each time."""
        self.launched()
        self.ready()
        self.reactor.advance(NEW_SECONDS)
        self.reactor.problem = OSError(errno.EAGAIN, "no more processes")
        self.reactor.servers[0].end()
        self.reactor.pump([0, NEW_SECONDS])
        self.reactor.problem = None
        self.reactor.advance(NEW_SECONDS)
        self.assertEqual(len(self.reactor.servers), 1)
        self.reactor.advance(NEW_SECONDS)
        self.assertEqual(len(self.reactor.servers), 2)

    def test_no_descriptors(self) -> None:
        """A worker for which there are no descriptors at the moment has ended; nothing is left of it."""
        self.launched()
        before = len(os.listdir("/proc/self/fd"))
        self.patch(self, "inherited", self.refuse)
        self.ready()
        self.assertEqual(self.gone, [(0, "[Errno 24] none")])
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def refuse(self, worker: Worker) -> list[int]:
        raise OSError(errno.EMFILE, "none")

    def test_fork_server_that_ends(self) -> None:
        """Workers that were asked for and have not begun have ended; those that say so yet have begun. The next one comes
        from another fork server, which stands ready, later each time if they end soon."""
        one, two = self.launched(1), self.launched(2)
        server = self.ready()
        self.reactor.advance(NEW_SECONDS)
        server.control.send(json.dumps({"id": 1, "pid": 12}).encode())
        with capturedLogs() as logged:
            server.end()
        self.assertEqual((self.gone, two.pid), ([(1, "the fork server has ended")], 12))
        self.assertIn("the fork server has ended: killed by SIGKILL", formatEvent(logged[-1]))
        self.assertTrue(one.over)
        self.reactor.advance(0)
        waits = []
        for number in range(2, 9):
            self.assertEqual(len(self.reactor.servers), number)
            self.reactor.servers[-1].end()
            (call,) = [one for one in self.reactor.getDelayedCalls() if one.func == self.launcher._stand_ready]
            waits.append(call.getTime() - self.reactor.seconds())
            self.reactor.advance(waits[-1])
        self.assertEqual(waits, [1, 2, 4, 8, 16, 32, 60])
        self.reactor.servers[-1].end()
        self.launched()
        self.reactor.advance(60)
        self.assertEqual(len(self.reactor.servers), 10)

    def test_fork_server_that_does_not_start(self) -> None:
        """One that is not ready in time is killed; who waits for it does not begin."""
        self.launched()
        self.reactor.advance(IMPORT_SECONDS)
        self.assertTrue(self.reactor.servers[0].killed)
        self.reactor.servers[0].end()
        self.assertEqual(self.gone, [(0, "the fork server has ended")])

    def test_fork_server_that_hangs(self) -> None:
        """One that does not fork in time is killed, and there is another one for the next worker."""
        self.launched()
        self.ready()
        self.reactor.advance(FORK_SECONDS)
        self.assertTrue(self.reactor.servers[0].killed)
        self.launched()
        self.assertEqual(len(self.reactor.servers), 2)

    def test_worker_that_is_killed_at_once(self) -> None:
        """A worker whose channel ends before its process id is known has ended; nobody takes the fork server for hung."""
        worker = self.launched()
        server = self.ready()
        worker.end("its process has ended")
        self.reactor.advance(FORK_SECONDS)
        self.assertFalse(server.killed)

    def test_worker_that_is_given_up(self) -> None:
        """A worker that is killed before it begins is killed when it does, and one that waits is not asked for."""
        worker = self.launched()
        worker.kill()
        server = self.ready()
        self.assertEqual((server.asked(), len(self.gone)), ([], 1))
        worker = self.launched()
        worker.kill()
        server.say(id=0, pid=55)
        self.assertEqual((self.killed, self.registered, len(self.gone)), ([55], [], 2))

    def test_trial(self) -> None:
        """Another fork server is used at once by who wants the new one, and by all when it was found good."""
        self.launched()
        old = self.ready()
        old.asked()
        self.launcher.renew()
        self.launcher.launch(self.worker(7), renewed=True)
        new = self.ready()
        self.launched(8)
        self.assertEqual([asked["number"] for server in (new, old) for asked, _ in server.asked()], [7, 8])
        self.launcher.settle(True)
        self.launched(9)
        self.assertEqual((old.killed, [asked["number"] for asked, _ in new.asked()]), (True, [9]))

    def test_trial_that_fails(self) -> None:
        """One that was found bad ends; the old one goes on."""
        self.launched()
        old = self.ready()
        self.launcher.renew()
        bad = self.reactor.servers[1]
        self.launcher.launch(self.worker(7), renewed=True)
        bad.end()
        self.assertEqual(self.gone, [(7, "the fork server has ended")])
        with self.assertRaises(OSError):
            self.launcher.launch(self.worker(7), renewed=True)
        self.launcher.settle(False)
        old.asked()
        self.launched(8)
        self.assertEqual((old.killed, bad.killed, len(old.asked())), (False, True, 1))

    def test_doubt(self) -> None:
        """One whose worker did not come to serve is replaced, unless it is new itself."""
        worker = self.launched()
        server = self.ready()
        server.say(id=0, pid=5)
        self.launcher.doubt(worker)
        self.assertFalse(server.killed)
        self.reactor.advance(DOUBT_SECONDS)
        self.launcher.doubt(worker)
        self.assertTrue(server.killed)
        self.launched()
        self.assertEqual(len(self.reactor.servers), 2)
        self.launcher.doubt(worker)
        self.assertFalse(self.reactor.servers[1].killed)

    def test_strays(self) -> None:
        """A child that nobody waits for is waited for, unless it can be a worker that is about to say so."""
        self.launched()
        server = self.ready()
        child = os.posix_spawn("/bin/true", ["true"], {})
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        self.reactor.advance(SWEEP_SECONDS)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        server.say(id=0, pid=5)
        self.reactor.advance(SWEEP_SECONDS)
        with self.assertRaises(ChildProcessError):
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    def test_stop(self) -> None:
        """A stop kills the fork servers, the one on trial too, and is done when both have left the reactor."""
        self.launched()
        self.launcher.renew()
        stopped = self.launcher.stop()
        self.assertEqual([server.killed for server in self.reactor.servers], [True, True])
        for server in self.reactor.servers:
            self.assertNoResult(stopped)
            self.assertNotEqual(self.reactor.readers, [])
            server.end()
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.calls(), [])
        self.restart()

    def restart(self) -> None:
        self.launcher = Launcher(self.reactor, ["fork server"], self.lines.append)
        self.launcher.start(self)

    def calls(self) -> list[Any]:
        """The calls that are due later."""
        return [call.func for call in self.reactor.getDelayedCalls()]

    def stopped(self) -> None:
        """A stop takes END_SECONDS, no more, and leaves nothing in the reactor; what comes later has no effect."""
        stopped = self.launcher.stop()
        self.reactor.advance(END_SECONDS - 0.001)
        self.assertNoResult(stopped)
        self.reactor.advance(0.001)
        self.successResultOf(stopped)
        self.assertEqual((self.reactor.readers, self.calls()), ([], []))
        self.reactor.servers[0].reapProcess()
        self.assertEqual(self.calls(), [])
        self.restart()

    def test_stop_with_an_end_that_is_never_reported(self) -> None:
        """A stop waits END_SECONDS for a fork server that somebody else has waited for."""
        self.launched()
        self.ready()
        with capturedLogs() as logged:
            self.stopped()
        self.assertIn("was not seen to end within 5.0 seconds", formatEvent(logged[-1]))
        self.assertEqual(self.killed, [])  # another process may have its id

    def test_stop_with_a_fork_server_that_does_not_end(self) -> None:
        """A stop waits END_SECONDS for a fork server that does not end although it was killed, and kills it again."""
        self.launched()
        self.patch(os, "waitid", lambda *arguments: None)
        with capturedLogs() as logged:
            self.stopped()
        self.assertIn("was not seen to end within 5.0 seconds", formatEvent(logged[-1]))
        self.assertEqual((self.reactor.servers[0].killed, self.killed), (True, [os.getpid()]))

    def test_stop_of_a_supervisor_that_was_stopped(self) -> None:
        """When the time is over and the end was not reported because this process did not run, it is looked for first."""
        self.launched()
        self.patch(os, "waitid", lambda *arguments: True)
        with capturedLogs() as logged:
            self.stopped()
        self.assertEqual(logged, [])

    def test_stop_with_a_control_socket_that_stays_open(self) -> None:
        """A stop waits END_SECONDS for the control socket, which a worker that was stopped at its start has open."""
        self.launched()
        self.ready()
        stopped = self.launcher.stop()
        self.reactor.servers[0].reapProcess()
        self.assertNoResult(stopped)
        self.reactor.advance(END_SECONDS)
        self.successResultOf(stopped)
        self.assertEqual((self.reactor.readers, self.calls()), ([], []))
        self.restart()

    def test_end_that_is_never_reported(self) -> None:
        """A fork server that has closed its control socket gets no more requests; after END_SECONDS another one stands
        ready."""
        self.launched()
        self.close()
        self.reactor.advance(END_SECONDS)
        self.reactor.advance(0)
        self.assertEqual(len(self.reactor.servers), 2)
        self.close()
        self.launched()
        self.assertEqual((len(self.reactor.servers), self.gone), (3, [(0, "the fork server has ended")]))

    def close(self) -> None:
        """The latest fork server closes its control socket, and its end is not reported."""
        server = self.ready()
        server.asked()
        server.control.close()
        server.protocol.doRead()


class OutputTests(SynchronousTestCase):
    """Output"""

    def setUp(self) -> None:
        self.lines: list[str] = []
        self.output = Output(PlayedReactor(), self.lines.append)
        self.addCleanup(self.output.close)

    def write(self, data: bytes) -> None:
        os.write(self.output.theirs, data)
        self.output.doRead()

    def test_lines(self) -> None:
        """Whole lines are passed on; what is left when the process has ended is one, whatever it is."""
        self.write(b"one\ntw")
        self.assertEqual(self.lines, ["one\n"])
        self.write(b"o\nthree\n\xff")
        self.assertEqual(self.lines, ["one\n", "two\nthree\n"])
        os.write(self.output.theirs, b"\nfour")
        self.output.close()
        self.output.close()
        self.assertEqual(self.lines[2:], ["\ufffd\nfour\n"])
        os.close(self.output.theirs)

    def test_end(self) -> None:
        """When nobody can write any more it is closed."""
        os.close(self.output.theirs)
        self.output.doRead()
        self.assertEqual((self.lines, self.output.fileno()), ([], -1))

    def test_line_without_an_end(self) -> None:
        """A line is not waited for without bound."""
        for _ in range(3):
            self.write(b"x" * 40_000)
        self.assertEqual([len(line) for line in self.lines], [80_001])
        os.close(self.output.theirs)


class EndingTests(SynchronousTestCase):
    """ending"""

    def test_words(self) -> None:
        """An exit status, the name of a signal, or its number when it has no name."""
        self.assertEqual(
            [ending(status) for status in (0, 3 << 8, 9, 11 | 128, 35)],
            ["exit status 0", "exit status 3", "killed by SIGKILL", "killed by SIGSEGV", "killed by signal 35"],
        )
