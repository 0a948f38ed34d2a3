"""`twistd --uid --gid` as root: what needs root is done before, all else works without."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import redis
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.integration import servers
from tests.support.certificates import Certificates

USER = "nobody"
CONFIG = """
[server]
port = {port}
unix_socket = "{own}/s"
workers = {workers}
num_shards = 16
[security]
tls_port = {tls_port}
tls_cert_path = "{certificate}"
tls_key_path = "{key}"
[memory]
max_memory = "{memory}"
arena_path = "{place}/arena"
[logging]
file = "{own}/log"
"""
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def privileged_port() -> int:
    """One below 1024 that nobody listens on."""
    for port in range(1023, 600, -1):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise SkipTest("no port below 1024 is free")


class PrivilegesTests(SynchronousTestCase):
    """A daemon that gives its privileges up"""

    def setUp(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root can become somebody else")
        self.user = pwd.getpwnam(USER)
        self.place = servers.directory()
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.place.chmod(0o755)
        self.own = self.place / "own"
        self.own.mkdir()
        os.chown(self.own, self.user.pw_uid, self.user.pw_gid)
        paths = os.pathsep.join((str(servers.ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
        self.environ = servers.environment({"PYTHONPATH": paths})
        self.python = self.interpreter()
        self.certificates = Certificates(self)
        self.certificate, self.key = self.certificates.sign("server")
        os.chmod(self.key, 0o600)
        self.port, self.tls_port = privileged_port(), servers.free_port()

    def as_user(self, *argv: str) -> int:
        """The exit status of a program that the user runs."""
        user, group = self.user.pw_uid, self.user.pw_gid
        done = subprocess.run(
            argv, user=user, group=group, extra_groups=[], env=self.environ, cwd="/", capture_output=True
        )
        return done.returncode

    def interpreter(self) -> str:
        """A Python that the user can run too: the tests' own may be in a home of somebody else's."""
        for path in (sys.executable, f"/usr/bin/python{sysconfig.get_python_version()}"):
            with contextlib.suppress(OSError):
                if self.as_user(path, "-c", "import redistill._core, twisted") == 0:
                    return path
        raise SkipTest(f"{USER} can run no Python {sysconfig.get_python_version()}, or not read {servers.ROOT}")

    def configure(self, workers: int, memory: str) -> None:
        """Write the configuration."""
        text = CONFIG.format(
            port=self.port,
            tls_port=self.tls_port,
            own=self.own,
            place=self.place,
            workers=workers,
            memory=memory,
            certificate=self.certificate,
            key=self.key,
        )
        (self.place / "r.toml").write_text(text)

    def start(self, workers: int) -> servers.Server:
        """The daemon, as root starts it."""
        self.configure(workers, "64mb")
        argv = [self.python, str(Path(sys.executable).with_name("twistd")), "--reactor", servers.REACTOR, "-n"]
        argv += ["--uid", USER, "--gid", grp.getgrgid(self.user.pw_gid).gr_name, "--rundir", str(self.place)]
        argv += [f"--pidfile={self.own}/pid", "redistill", "--config", str(self.place / "r.toml")]
        run = servers.directory()
        server = servers.start(argv, ("127.0.0.1", self.port), run, self.environ)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def processes(self, server: servers.Server) -> list[int]:
        """The ids of the daemon's processes."""
        found = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
        return [server.pid, *map(int, found.split())]

    def logged(self) -> str:
        """The daemon's log."""
        return (self.own / "log").read_text()

    def answers(self) -> tuple[bytes | None, bytes | None]:
        """A key's value, in the clear and over TLS."""
        with (
            redis.Redis(port=self.port, socket_timeout=20) as plain,
            redis.Redis(
                port=self.tls_port,
                ssl=True,
                ssl_ca_certs=self.certificates.authority,
                ssl_check_hostname=False,
                socket_timeout=20,
            ) as tls,
        ):
            return plain.get("key"), tls.get("key")

    def settled(self) -> bool:
        """Whether it answers as it should."""
        try:
            return self.answers() == (b"value",) * 2
        except redis.ConnectionError:
            return False

    def check(self, workers: int) -> None:
        """A life of the daemon: it starts, loses a worker, reloads, rotates its log, and ends."""
        server = self.start(workers)
        for pid in self.processes(server):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(("Uid:", "Gid:")):
                    number = self.user.pw_uid if line.startswith("Uid") else self.user.pw_gid
                    self.assertEqual(line.split()[1:], [str(number)] * 4, pid)
        with redis.Redis(port=self.port, socket_timeout=20) as client:
            if workers == 2:
                client.set("key", "value")
            # The arena's file, its owner's only, outlives the daemon.
            self.assertEqual(self.answers(), (b"value",) * 2)
            if workers > 1:
                os.kill(
                    next(one["pid"] for one in client.info("workers").values() if isinstance(one, dict)), signal.SIGKILL
                )
        if workers > 1:
            servers.until(lambda: "killed by SIGKILL" in self.logged(), 30, "its end is noticed")
        servers.until(self.settled, 30, "there is another worker, which has the key")
        self.assertEqual(self.as_user(self.python, "-c", CONNECT, f"{self.own}/s"), 0)
        self.configure(workers, "60mb")
        os.kill(server.pid, signal.SIGHUP)
        servers.until(lambda: "reloaded" in self.logged(), 30, "the reload has ended")
        self.assertIn("configuration reloaded; changed: memory.max_memory", self.logged())
        servers.until(self.settled, 30, "it serves after the reload")
        (self.own / "log").rename(self.own / "log.1")
        os.kill(server.pid, signal.SIGUSR1)
        servers.until(lambda: (self.own / "log").exists(), 30, "the log is opened again")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(sorted(path.name for path in self.own.iterdir()), ["log", "log.1"])

    def test_a_life_without_privileges(self) -> None:
        """A port below 1024, a key that only root can read, the arena, the UNIX socket, the log and the pid file: all of
        it goes on to work as another user, through the death of a worker, a reload, and the end."""
        self.check(2)
        self.check(1)
