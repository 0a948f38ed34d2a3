"""The lines of MONITOR: the core writes those that redis-server sends, in the same order."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from . import sides
from .inprocess import InProcessPeer
from .peers import Peer, ask, encode
from .profiles import examples
from .scripts import EVERYTHING, Script, scripts

LINE = re.compile(rb'\+\d{10}\.\d{6} \[(\d+) \S+\] (".*")\r\n')
"""Database, and arguments; the time and the address are each server's own."""
ARGUMENT = re.compile(rb'"(?:[^"\\]|\\.)*"')
END = b"the end of the script"

SCRIPT = r"""
PING
ping 'a b'
SELECT 3
SET k "\x00\x01\a\b\t\n\v\f\r\x1b \"'\\~\x7f\x80\xff"
select 99
SET n 0123
INCRBY n 100
GET
NOSUCH x
OBJECT NOSUCH
OBJECT ENCODING n
CONFIG GET maxmemory
CLIENT LIST
CLIENT SETNAME x
CLIENT REPLY NOSUCH
MULTI
SET b ""
INFO server
CONFIG GET maxmemory
SELECT 4
GET b
exec
GET b
MULTI
SET q
EXEC
WATCH b
SET b 1
MULTI
GET b
EXEC
MULTI
DISCARD
DISCARD
EXEC
MULTI
EXEC
EXEC a
UNWATCH
TIME
COMMAND COUNT
SLOWLOG LEN
LATENCY RESET
DEBUG SLEEP 0
AUTH pw
auth default pw
HELLO 2 AUTH default pw
HELLO 3 SETNAME auth AUTH default pw
HELLO 2
HELLO
RESET
FLUSHDB
FLUSHALL ASYNC
DEL k n
"""


MODE = """
FLUSHALL
MONITOR
MONITOR
MONITOR x
PING
GET k
SET k v
SET
DBSIZE
LOLWUT
SELECT 1
WATCH k
NOSUCH
MULTI
GET k
EXEC
MULTI
PING
MONITOR
EXEC
MULTI
MONITOR
DISCARD
CLIENT REPLY SKIP
PING
CLIENT REPLY OFF
PING
CLIENT REPLY ON
HELLO 2 SETNAME n
CLIENT LIST TYPE replica
CLIENT KILL TYPE replica
RESET
GET k
MONITOR
RESET
MULTI
MONITOR
EXEC
"""


class ModeTests(SynchronousTestCase):
    """The replies to a client that monitors"""

    def test_replies(self) -> None:
        """Each reply is redis-server's; its lines, which may come between others, are left out."""
        said = "".join(f"{line}\r\n" for line in MODE.strip().splitlines()) + f'ECHO "{END.decode()}"\r\n'
        heard = []
        for which in ("redis", "ours"):
            with servers.shared(which).connect() as sock:
                sock.sendall(said.encode())
                replies = LINE.sub(b"", until(sock, b"\r\n%s\r\n" % END))
            heard.append(re.sub(rb"(\$\d\r\nversion\r\n)\S+\s+\S+|(\$2\r\nid\r\n):\d+", rb"\1\2", replies))
        self.assertEqual(*heard)
        self.assertEqual(heard[0].count(b"can't interact with the keyspace"), 5)


class MonitorTests(SynchronousTestCase):
    """MONITOR of redis-server, and Store.monitored"""

    def setUp(self) -> None:
        self.theirs = sides.oracle()
        self.ours = InProcessPeer()
        self.addCleanup(self.ours.close)
        self.ours.monitor()
        self.socket = servers.shared("redis").connect()
        self.addCleanup(self.socket.close)
        self.socket.sendall(b"MONITOR\r\n")
        self.assertEqual(self.socket.recv(5), b"+OK\r\n")

    def shown(self, peer: Peer, pieces: Sequence[bytes], count: int, resp: int = 2) -> list[tuple[bytes, bytes]]:
        """The lines of a client's commands on the emptied server."""
        client = peer.open()
        try:
            ask(client, "FLUSHALL")
            ask(client, "HELLO", resp)
            client.exchange(pieces, count)
            ask(client, "RESET")
            ask(client, "ECHO", END)
        finally:
            client.close()
        lines = self.ours.store.monitored() if peer is self.ours else until(self.socket, b'"%s"\r\n' % END)
        self.assertEqual(LINE.sub(b"", lines), b"")
        return [(match[1], match[2]) for match in LINE.finditer(lines)]

    def compare(self, pieces: Sequence[bytes], count: int, resp: int = 2, text: str = "") -> int:
        """Both show the same; the number of lines."""
        theirs, ours = (self.shown(peer, pieces, count, resp) for peer in (self.theirs, self.ours))
        self.assertEqual(
            [mine if hides_more(its, mine) else its for its, mine in zip(theirs, ours, strict=False)], ours, text
        )
        self.assertEqual(len(theirs), len(ours), text)
        return len(ours)

    def test_each_kind(self) -> None:
        """The commands that MONITOR shows, with database and escapes, and their order around a transaction."""
        text = [line.encode() + b"\r\n" for line in SCRIPT.strip().splitlines()]
        self.assertGreater(self.compare(text, len(text)), 40)

    def test_every_byte(self) -> None:
        """Each byte is escaped as it is there, alone and before a digit."""
        said = [encode([b"ECHO", bytes([one]) + after]) for one in range(256) for after in (b"", b"0")]
        self.assertGreater(self.compare(said, len(said)), 512)

    @examples(100)
    @given(scripts(EVERYTHING, most=60))
    def test_any_script(self, script: Script) -> None:
        """Scripts of all commands, however they are written and cut."""
        self.compare(script.pieces(), len(script.commands), script.resp, sides.explain(script, []))


def hides_more(theirs: tuple[bytes, bytes], ours: tuple[bytes, bytes]) -> bool:
    """Whether ours is theirs without arguments of an AUTH or a HELLO that is wrong, where a password may stand."""
    said, shown = (ARGUMENT.findall(line) for _, line in (theirs, ours))
    if theirs[0] != ours[0] or said[0].lower() not in (b'"auth"', b'"hello"') or len(said) != len(shown):
        return False
    return all(mine in (its, b'"(redacted)"') for its, mine in zip(said, shown, strict=True))


def until(sock: socket.socket, end: bytes) -> bytes:
    """All that comes up to these bytes."""
    data = b""
    while not data.endswith(end):
        piece = sock.recv(65536)
        assert piece, "the server hung up"
        data += piece
    return data
