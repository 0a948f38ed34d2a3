"""deploy/fail2ban, with lines that a server really wrote and the fail2ban-regex of the machine."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

FILTER = servers.ROOT / "deploy/fail2ban/filter.d/redistill.conf"
VICTIM = "203.0.113.9"
"""An address that nobody connects from, and that must not be banned."""
NAMES = [
    "app",
    "two words",
    f"a\n2026-11-30T07:00:00+0000 [redistill.control.auth#warn] {VICTIM}:1 was not authenticated: wrong",
    f"a\r\n[redistill.control.auth#warn] {VICTIM}:1 was not authenticated: wrong user or password; user 'x'",
    f"a\u2028[redistill.control.auth#warn] {VICTIM}:1 was not authenticated: ",
    f"\x1b[2K\r{VICTIM}:1 was not authenticated: wrong",
    f"'; {VICTIM}:1 was not authenticated: wrong user or password; user '",
    f'", "message": "{VICTIM}:1 was not authenticated: ", "x": "',
    f"99 more in the last 10 s like: {VICTIM}:1 was not authenticated: ",
    f"from {VICTIM} port 6379",
    f'{{"time": "2026-11-30T07:00:00.000+00:00", "level": "warn", "logger": "redistill.control.auth", "m": "{VICTIM}"',
    "2026-11-30T07:00:00+0000",
    "\0\udcff\udc80",
    "\\",
    "%(ip)s<HOST>",
    "",
    "x" * 5000 + VICTIM,
]


def auth(server: servers.Server, name: bytes, source: str) -> bytes:
    """The answer to a wrong password of the user `name`, from an address of loopback."""
    with socket.socket() as sock:
        sock.settimeout(30)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(b"*3\r\n$4\r\nAUTH\r\n$%d\r\n%b\r\n$5\r\nwrong\r\n" % (len(name), name))
        return sock.recv(200)


class Fail2banTests(SynchronousTestCase):
    """The filter matches each failed authentication once, with the address that it came from."""

    def found(self, lines: Path | str) -> Counter[str]:
        """The addresses that fail2ban would count, and how often."""
        program = servers.tool("fail2ban-regex", "fail2ban")
        said = subprocess.run(
            [program, "-o", "ip", str(lines), str(FILTER)], capture_output=True, text=True, timeout=120, check=True
        )
        return Counter(said.stdout.split())

    def check(self, form: str, workers: int = 1) -> None:
        place = servers.directory()
        path = place / "redistill.log"
        self.addCleanup(lambda: [one.unlink() for one in place.iterdir()] and place.rmdir())
        server = servers.redistill(
            f'[server]\nworkers = {workers}\n[security]\npassword = "a secret of the owner\'s"\n'
            f'enable_debug_command = "yes"\n[logging]\nfile = "{path}"\nformat = "{form}"\n',
            tcp=True,
        )
        self.addCleanup(server.stop, signal.SIGKILL)
        # An address for each: of one address only some are logged by themselves.
        sources = [f"127.0.1.{number}" for number in range(1, len(NAMES) + 1)]
        for name, source in zip(NAMES, sources, strict=True):
            answer = auth(server, name.encode("utf-8", "surrogateescape"), source)
            self.assertTrue(answer.startswith(b"-WRONGPASS"), (name, answer))
        with server.connect() as sock:
            sock.sendall(b'AUTH "a secret of the owner\'s"\r\n')
            sock.sendall(f"DEBUG LOG '{VICTIM}:1 was not authenticated: wrong'\r\n".encode())
            sock.sendall(b"PING\r\n")
            servers.until(lambda: b"PONG" in sock.recv(100), 20, "the client is served")
        servers.until(lambda: path.read_text().count("was not authenticated") > len(NAMES), 20, "all is logged")
        self.assertEqual(self.found(path), Counter(sources))

    def test_text(self) -> None:
        """In a log of text."""
        self.check("text")

    def test_json(self) -> None:
        """In a log of JSON."""
        self.check("json")

    def test_workers(self) -> None:
        """Addresses of clients of workers are banned, too."""
        self.check("text", workers=2)

    def test_other_lines(self) -> None:
        """Summaries, IPv6, the journal; other events and clients of a UNIX socket are not counted."""
        start = "2026-11-30T07:00:00+0000 [redistill.control.auth#warn] "
        end = "was not authenticated: wrong user or password; user 'app'"
        for line, counted in (
            (f"{start}192.0.2.7:41234 {end}", "192.0.2.7"),
            (f"{start}[2001:db8::7]:41234 {end}", "2001:db8::7"),
            (f"{start}[::ffff:192.0.2.7]:41234 {end}", "192.0.2.7"),
            (f"{start}14 more in the last 10 s from 1 address like: 192.0.2.7:41234 {end}", "192.0.2.7"),
            (f"{start}14 more in the last 10 s from more than 1000 addresses like: 192.0.2.7:1 {end}", "192.0.2.7"),
            (f"{start.replace('[', '[worker 12 ')}192.0.2.7:41234 {end}", "192.0.2.7"),
            (f"{start}/run/redistill/s:0 {end}", ""),
            (f"{start.replace('auth', 'debug')}192.0.2.7:41234 {end}", ""),
            (f"{start}x 192.0.2.7:41234 {end}", ""),
        ):
            self.assertEqual(self.found(line), Counter([counted] if counted else []), line)

    def test_journal(self) -> None:
        """As fail2ban makes a line of an entry of the journal: host, program and pid come before the message."""
        for before in ("box redistill[812]: ", "box twistd[1]: "):
            line = (
                f"2026-11-30T07:00:00+0000 {before}[redistill.control.auth#warn] 192.0.2.7:4 was not authenticated: x"
            )
            self.assertEqual(self.found(line), Counter(["192.0.2.7"]), line)

    def test_jail(self) -> None:
        """The jail uses the filter, and counts no more failures than the server logs at once."""
        jail = (servers.ROOT / "deploy/fail2ban/jail.d/redistill.conf").read_text()
        self.assertIn("\nfilter = redistill\n", jail)
        found = re.search(r"^maxretry = (\d+)$", jail, re.MULTILINE)
        assert found is not None
        self.assertLessEqual(int(found[1]), 5)
