"""The log of real servers: its file, its start, what clients cause, and journald's form."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers
from tests.integration.test_start import PING, PONG, talk


class LogFileTests(SynchronousTestCase):
    """logging.file"""

    def start(self, workers: int) -> tuple[servers.Server, Path]:
        """A server that logs to a file, and the file."""
        place = servers.directory()
        path = place / "redistill.log"
        server = servers.redistill(
            f'[server]\nworkers = {workers}\n[security]\npassword = "a secret of the owner\'s"\n'
            f'[memory]\nmax_memory = "64mb"\n[logging]\nfile = "{path}"\nformat = "json"\n'
        )
        self.addCleanup(server.stop, signal.SIGKILL)
        self.addCleanup(lambda: [one.unlink() for one in place.iterdir()] and place.rmdir())
        return server, path

    def events(self, path: Path) -> list[dict[str, object]]:
        """The contents of the file."""
        return [json.loads(line) for line in path.read_text().splitlines()]

    def fail(self, server: servers.Server) -> None:
        """A client with a wrong password."""
        with server.connect() as sock:
            talk(sock, b"AUTH guessed\r\n", 10)

    def check(self, workers: int) -> None:
        """The start is told without secrets; SIGUSR1 to all processes begins a new file, and everybody serves on."""
        server, path = self.start(workers)
        servers.until(lambda: "listening on" in path.read_text(), 20, "the server says where it listens")
        events = self.events(path)
        said = [str(event["message"]) for event in events]
        self.assertTrue(said[0].startswith("redistill 0."), said[0])
        self.assertIn(f"server.port = {server.port}, ", said[1])
        self.assertIn("security.password = (hidden), memory.max_memory = 64 MiB, ", said[1])
        self.assertTrue(said[2].startswith("scripts run with "), said[2])
        self.assertEqual(said[3].partition(" in ")[0], "new arena of 64 MiB")
        self.assertEqual(events[3]["size"], 64 << 20)
        self.assertEqual([line for line in said[4:] if not line.startswith("listening on ")], [])
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertIn(f"listening on 127.0.0.1:{server.port}", said)
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        self.assertEqual(len(children), workers + 1 if workers > 1 else 0)  # one forks the others
        moved = path.with_suffix(".1")
        path.rename(moved)
        for pid in (server.pid, *map(int, children)):
            os.kill(pid, signal.SIGUSR1)
        servers.until(path.exists, 20, "there is a new file")
        for _ in range(20):
            self.fail(server)
        servers.until(lambda: "not authenticated" in path.read_text(), 20, "a failed authentication is logged")
        logged = [event for event in self.events(path) if "not authenticated" in str(event["message"])]
        self.assertTrue(1 <= len(logged) <= workers, logged)
        self.assertNotIn("not authenticated", moved.read_text())
        whole = path.read_text() + moved.read_text() + server.logged()
        self.assertNotIn("secret of", whole)
        self.assertNotIn("guessed", whole)
        with server.connect() as sock:
            self.assertEqual(talk(sock, b'AUTH "a secret of the owner\'s"\r\n' + PING, 12), b"+OK\r\n" + PONG)

    def test_one_process(self) -> None:
        """A server that serves by itself logs to the file."""
        self.check(1)

    def test_workers(self) -> None:
        """Log lines of workers are in the same file."""
        self.check(2)

    def test_file_that_cannot_be(self) -> None:
        """A file that cannot be written to stops the start, with one line that names it."""
        status, said = servers.refused(
            f'[server]\nport = {servers.free_port()}\nworkers = 1\n[logging]\nfile = "/none/such/log"\n'
        )
        self.assertEqual(status, 1)
        self.assertEqual(
            said.strip().partition(".toml:")[2],
            "5: logging.file = '/none/such/log' cannot be: there is no directory '/none/such'; make it, or set another path",
        )
        place = servers.directory()
        self.addCleanup(lambda: [one.unlink() for one in place.iterdir()] and place.rmdir())
        (place / "log").symlink_to("/none/such")
        status, said = servers.refused(f'[server]\nport = 1\nworkers = 1\n[logging]\nfile = "{place}/log"\n')
        self.assertEqual(
            (status, said.strip()),
            (1, f"redistill: logging.file: cannot write to '{place}/log': No such file or directory; set another path"),
        )


class JournalTests(SynchronousTestCase):
    """Standard output that is journald's"""

    def test_priorities_of_all_processes(self) -> None:
        """Each line begins with its priority, those of workers too."""
        place = servers.directory()
        (place / "log").touch()
        status = (place / "log").stat()
        path = str(place / "s")
        config = servers.with_address(
            '[server]\nworkers = 2\n[security]\npassword = "short"\n', servers.free_port(), path
        )
        environ = servers.environment({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        server = servers.start(servers.command_line(place, config), path, place, environ)
        self.addCleanup(server.stop, signal.SIGKILL)
        with server.connect() as sock:
            talk(sock, b"AUTH guessed\r\n", 10)
        servers.until(lambda: "not authenticated" in server.logged(), 20, "a worker has logged")
        lines = server.logged().splitlines()
        self.assertEqual([line for line in lines if line[:3] not in ("<6>", "<4>")], [])
        (of_worker,) = [line for line in lines if "not authenticated" in line]
        self.assertRegex(of_worker, r"^<4>\[worker [01] redistill\.control\.auth#warn\] ")
        self.assertEqual(len([line for line in lines if line.startswith("<4>") and "fewer than 16" in line]), 1)
