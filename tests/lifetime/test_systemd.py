"""The service manager, played by a datagram socket."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.python.systemd import ListenFDs
from twisted.trial.unittest import SynchronousTestCase

from redistill.lifetime import systemd
from redistill.lifetime.systemd import Systemd, SystemdService
from tests.support.arena import arena_file
from tests.support.manager import PlayedManager

ROOT = Path(__file__).resolve().parents[2]


class SystemdTests(SynchronousTestCase):
    """Systemd"""

    def setUp(self) -> None:
        self.logged: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: Any) -> None:
        if event["log_namespace"] == "redistill.lifetime.systemd":
            self.logged.append(event["log_format"].format(**event))

    def inherit(self, manager: PlayedManager, *names: str) -> tuple[Systemd, list[int]]:
        """The environment of a process that has inherited descriptors of these names, and the descriptors."""
        fds = [os.dup(arena_file(self)) for _ in names]
        for fd in fds:
            os.set_inheritable(fd, True)
        played = ListenFDs(fds, names)
        self.patch(systemd.ListenFDs, "fromEnvironment", lambda environ: played)
        return Systemd(manager.environ), fds

    def test_nobody(self) -> None:
        """Without a manager nothing is said to anybody."""
        alone = Systemd({})
        alone.notify("READY=1")
        alone.keep(arena_file(self))
        self.assertEqual((alone.supervised, alone.watchdog, alone.arena, self.logged), (False, 0.0, -1, []))

    def test_addresses(self) -> None:
        """The manager's socket is a path, or an abstract name that begins with an @."""
        for address in ("", f"@redistill-test-{os.getpid()}"):
            manager = PlayedManager(self, address)
            Systemd(manager.environ).notify("STATUS=x")
            self.assertEqual(manager.heard(), ["STATUS=x"])

    def test_other_addresses(self) -> None:
        """An address of any other kind is ignored."""
        self.assertFalse(Systemd({"NOTIFY_SOCKET": "vsock:2:1"}).supervised)

    def test_manager_that_has_gone(self) -> None:
        """A socket that is not there is logged, and the daemon goes on."""
        Systemd({"NOTIFY_SOCKET": "/none/such"}).notify("READY=1")
        self.assertEqual(
            self.logged, ["cannot send READY=1 to the service manager: [Errno 2] No such file or directory"]
        )

    def test_new_arena_is_handed_over(self) -> None:
        """The manager gets the very file, under its name."""
        manager = PlayedManager(self)
        fd = arena_file(self)
        Systemd(manager.environ).keep(fd)
        self.assertEqual(manager.heard(), ["FDSTORE=1\nFDNAME=redistill-arena"])
        self.assertTrue(os.path.sameopenfile(manager.fds[0], fd))

    def test_kept_arena_is_found(self) -> None:
        """A descriptor that the manager kept is found by name, no child inherits it, and the environment loses the variables."""
        manager = PlayedManager(self)
        environ = {**manager.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        environ["LISTEN_FDNAMES"] = "redistill-arena"
        fd = os.dup(arena_file(self))
        os.set_inheritable(fd, True)
        self.patch(ListenFDs, "_START", fd)
        found = Systemd(environ)
        self.assertEqual((found.arena, os.get_inheritable(fd), "LISTEN_FDS" in environ), (fd, False, False))
        found.keep(-1)

    def test_descriptors_of_another_process(self) -> None:
        """Descriptors for another process are not taken."""
        environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "redistill-arena"}
        self.assertEqual((Systemd(environ, {}).arena, Systemd({}, environ).arena), (-1, -1))

    def test_environment_that_another_module_has_read(self) -> None:
        """An arena is found although an import has removed the variables: the process's first environment has them."""
        fd = os.dup(arena_file(self))
        self.patch(ListenFDs, "_START", fd)
        first = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "redistill-arena"}
        self.assertEqual(Systemd({}, first).arena, fd)
        self.assertEqual(Systemd({}, {**first, "LISTEN_FDNAMES": "other"}).sockets.inheritedDescriptors(), [fd])
        os.close(fd)

    def test_first_environment(self) -> None:
        """It is that of the start, without what was changed later."""
        code = (
            "import os; os.environ['LISTEN_FDS'] = '2'; os.environ['MORE'] = ''; del os.environ['X'];"
            " from redistill.lifetime.systemd import original_environment as it; print(it())"
        )
        first = {**os.environ, "LISTEN_FDS": "1", "X": "a=b\udcff"}
        done = subprocess.run([sys.executable, "-c", code], env=first, capture_output=True, check=True, cwd=ROOT)
        found = ast.literal_eval(done.stdout.decode())
        self.assertEqual((found["LISTEN_FDS"], found["X"], "MORE" in found), ("1", "a=b\udcff", False))

    def test_lost_arena(self) -> None:
        """An arena that was passed and is assigned to another process is an error, and the new one takes its place in
        the store. Arenas that this process made are not meant."""
        manager = PlayedManager(self)
        own, passed = os.memfd_create("redistill"), os.memfd_create("redistill")
        self.addCleanup(os.close, own)
        self.addCleanup(os.close, passed)
        Systemd(manager.environ).report_lost()
        self.assertEqual(self.logged, [])
        os.set_inheritable(passed, True)
        found = Systemd({**manager.environ, "LISTEN_PID": "1"})
        found.report_lost()
        found.keep(own)
        self.assertEqual(len(self.logged), 1)
        self.assertIn(f"descriptor {passed} is a cache that was kept", self.logged[0])
        self.assertEqual(
            manager.heard(), ["FDSTOREREMOVE=1\nFDNAME=redistill-arena", "FDSTORE=1\nFDNAME=redistill-arena"]
        )

    def test_same_arena_is_not_sent_again(self) -> None:
        """An arena that is gone on with stays where it is; our own copy of it is closed."""
        manager = PlayedManager(self)
        found, (fd,) = self.inherit(manager, "redistill-arena")
        ours = os.dup(fd)
        self.addCleanup(os.close, ours)
        found.keep(ours)
        self.assertEqual((manager.heard(), found.arena), ([], -1))
        self.assertRaises(OSError, os.fstat, fd)

    def test_refused_arena_is_replaced(self) -> None:
        """The manager forgets one that cannot be used, before it gets the new one: it has room for one."""
        manager = PlayedManager(self)
        found, (fd,) = self.inherit(manager, "redistill-arena")
        found.keep(arena_file(self))
        self.assertRaises(OSError, os.fstat, fd)
        self.assertEqual(
            manager.heard(),
            ["FDSTOREREMOVE=1\nFDNAME=redistill-arena", "FDSTORE=1\nFDNAME=redistill-arena"],
        )

    def test_unused_arena_is_given_up(self) -> None:
        """With memory.arena_path the manager has nothing to keep: what it kept would only hold memory."""
        manager = PlayedManager(self)
        found, _ = self.inherit(manager, "redistill-arena")
        found.keep(-1)
        self.assertEqual(manager.heard(), ["FDSTOREREMOVE=1\nFDNAME=redistill-arena"])

    def test_other_descriptors(self) -> None:
        """Descriptors of other names are left open, for endpoints, and named in the log when there are none."""
        manager = PlayedManager(self)
        found, fds = self.inherit(manager, "redis.socket", "redistill-arena")
        self.addCleanup(os.close, fds[0])
        found.keep(-1)
        self.assertEqual((found.sockets.inheritedNamedDescriptors(), self.logged), ({"redis.socket": fds[0]}, []))
        found.warn_of_unused()
        self.assertEqual(self.logged, [f"inherited descriptor {fds[0]}, redis.socket, is not used"])
        self.assertTrue(os.get_inheritable(fds[0]))

    def test_watchdog(self) -> None:
        """The time is that of WATCHDOG_USEC, if it is about this process and there is a manager at all."""
        manager = PlayedManager(self)
        mine, other = str(os.getpid()), str(os.getppid())
        for more, seconds in (
            ({"WATCHDOG_USEC": "30000000"}, 30.0),
            ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": mine}, 0.5),
            ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": other}, 0.0),
            ({"WATCHDOG_USEC": "soon"}, 0.0),
            ({"WATCHDOG_USEC": "500000", "NOTIFY_SOCKET": ""}, 0.0),
        ):
            self.assertEqual(Systemd({**manager.environ, **more}).watchdog, seconds)


class SystemdServiceTests(SynchronousTestCase):
    """SystemdService"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.manager = PlayedManager(self)

    def service(self, listening: Deferred[object] | None = None) -> SystemdService:
        """A service that was not started."""
        found = Systemd({**self.manager.environ, "WATCHDOG_USEC": "10000000"})
        return SystemdService(self.clock, found, succeed(None) if listening is None else listening)

    def test_ready_when_listening(self) -> None:
        """READY=1 is said when clients can connect, and not before."""
        listening: Deferred[object] = Deferred()
        self.service(listening).startService()
        self.assertEqual(self.manager.heard(), ["WATCHDOG=1"])
        listening.callback(None)
        self.assertEqual(self.manager.heard(), ["READY=1\nSTATUS=Serving clients"])

    def test_not_ready_after_the_stop(self) -> None:
        """A daemon that stops before it listens is never ready."""
        listening: Deferred[object] = Deferred()
        service = self.service(listening)
        service.startService()
        service.stopService()
        listening.callback(None)
        self.assertNotIn("READY", "".join(self.manager.heard()))

    def test_watchdog(self) -> None:
        """A sign of life comes at half of the time that the manager waits for one, while the daemon drains too."""
        service = self.service()
        service.startService()
        self.manager.heard()
        self.clock.advance(4.99)
        self.assertEqual(self.manager.heard(), [])
        self.clock.advance(0.01)
        self.assertEqual(self.manager.heard(), ["WATCHDOG=1"])
        service.stopService()
        self.clock.advance(5)
        self.assertEqual(self.manager.heard()[-1], "WATCHDOG=1")

    def test_reload(self) -> None:
        """A reload is said to begin, with the time, and to end."""
        service = self.service()
        service.startService()
        self.manager.heard()
        self.patch(systemd.time, "monotonic_ns", lambda: 5_000_001_999)
        service.reloading()
        service.ready()
        self.assertEqual(
            self.manager.heard(),
            ["RELOADING=1\nMONOTONIC_USEC=5000001\nSTATUS=Reloading", "READY=1\nSTATUS=Serving clients"],
        )

    def test_refused_reload(self) -> None:
        """The status says that a reload was refused, in one line, until the next one."""
        service = self.service()
        service.startService()
        self.manager.heard()
        service.ready("f: not TOML\nREADY=0")
        service.ready()
        self.assertEqual(
            self.manager.heard(),
            [
                "READY=1\nSTATUS=Serving clients; the last reload was refused: f: not TOML READY=0",
                "READY=1\nSTATUS=Serving clients",
            ],
        )

    def test_time_to_stop(self) -> None:
        """The manager waits as long as the configuration gives clients, whatever TimeoutStopSec is, and hears once that
        they take their last replies."""
        service = self.service()
        service.startService()
        self.manager.heard()
        service.stopping(5, 60)
        service.stopService()
        again = self.service()
        again.startService()
        again.stopping(0, 0.5)
        again.stopService()
        self.assertEqual(
            [text for text in self.manager.heard() if text.startswith("STOPPING")],
            [
                "STOPPING=1\nEXTEND_TIMEOUT_USEC=75000000\nSTATUS=Stopping in 5 s",
                "STOPPING=1\nSTATUS=Clients take their last replies",
                "STOPPING=1\nEXTEND_TIMEOUT_USEC=10500000\nSTATUS=Clients take their last replies",
            ],
        )

    def test_stopping_comes_first(self) -> None:
        """As the last of its parent's services it says STOPPING=1 before the others stop."""
        parent, manager = MultiService(), self.manager  # type: ignore[no-untyped-call]
        heard: list[str] = []

        class Draining(Service):
            def stopService(self) -> None:
                heard.extend(manager.heard())

        for service in (Draining(), self.service()):
            service.setServiceParent(parent)  # type: ignore[no-untyped-call]
        parent.startService()
        manager.heard()
        self.successResultOf(parent.stopService())
        self.assertEqual(heard, ["STOPPING=1\nSTATUS=Clients take their last replies"])
