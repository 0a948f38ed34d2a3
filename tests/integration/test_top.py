"""``redistill top`` in a terminal, and a server that is restarted meanwhile."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

SECONDS = 60.0


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *argv: str) -> None:
        self.keyboard, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environ = {**servers.environment(), "TERM": "xterm"}
        self.process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environ,
            start_new_session=True,
            # The tests may run where SIGINT is ignored, which a program inherits.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.shown = ""

    def until(self, words: str) -> None:
        """Read what it shows until it has shown `words`, which are forgotten then."""
        end = time.monotonic() + SECONDS
        while words not in self.shown:
            ready = select.select([self.keyboard], [], [], max(0.0, end - time.monotonic()))[0]
            if not ready:
                raise AssertionError(f"{words!r} is not shown: {self.shown[-3000:]!r}")
            self.shown += os.read(self.keyboard, 65536).decode(errors="replace")
        self.shown = self.shown.rpartition(words)[2]

    def wait(self) -> int:
        """Its exit status; what it shows meanwhile is read, or it could not write on."""
        end = time.monotonic() + SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.keyboard], [], [], 0.02)[0]:
                os.read(self.keyboard, 65536)
        return self.process.wait(1)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.keyboard)
        os.close(self.theirs)


class TopTests(SynchronousTestCase):
    """The live view"""

    def start(self, port: int) -> servers.Server:
        """A server on this port."""
        place = servers.directory()
        config = f"[server]\nport = {port}\nworkers = 1\n"
        server = servers.start(servers.command_line(place, config), ("127.0.0.1", port), place, servers.environment())
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        return server

    def top(self, port: int) -> Terminal:
        """The view of it."""
        words = ("top", "--port", str(port), "--interval", "0.2")
        terminal = Terminal(sys.executable, "-m", "redistill.cli", *words)
        self.addCleanup(terminal.close)
        return terminal

    def test_restart(self) -> None:
        """It says that the server does not answer, goes on when it does, and ends at `q`, with the terminal as it
        was."""
        port = servers.free_port()
        server = self.start(port)
        top = self.top(port)
        top.until("commands/s")
        self.assertNotEqual(termios.tcgetattr(top.theirs)[3] & termios.ECHO, termios.ECHO)
        server.stop(signal.SIGKILL)
        top.until("no answer for ")
        self.start(port)
        top.until("clients 1/")
        top.until("clients 1/")
        os.write(top.keyboard, b"xq")
        self.assertEqual(top.wait(), 0)
        self.assertEqual(termios.tcgetattr(top.theirs)[3] & termios.ECHO, termios.ECHO)

    def test_ends(self) -> None:
        """Ctrl-C ends it, too, and so does `q` while the server does not answer."""
        port = servers.free_port()
        server = self.start(port)
        for key in (b"\x03", b"Q"):
            top = self.top(port)
            top.until("commands/s")
            if key == b"Q":
                server.stop(signal.SIGKILL)
                top.until("no answer for ")
            else:
                top.process.send_signal(signal.SIGINT)
            os.write(top.keyboard, key)
            self.assertEqual(top.wait(), 0)

    def test_nobody_there(self) -> None:
        """A server that does not answer at first is an error, at once."""
        top = self.top(servers.free_port())
        self.assertEqual(top.wait(), 1)
