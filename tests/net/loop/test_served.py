"""Commands over the loop, MONITOR's lines, and pauses."""

from __future__ import annotations

import contextlib
import re
import socket

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone

from redistill.engine.interfaces import SlowEntry
from redistill.net.protocol.execution import SHARE
from tests.support import arena
from tests.support.served import ServedCase


class ServedTests(ServedCase):
    """The direct path"""

    def test_commands_do_not_come_to_python(self) -> None:
        """Commands of the core are received, answered and sent without the protocol."""
        client, peer = self.connect()
        client.stopped = client.dataReceived = None
        peer.send(b"SET k v\r\nGET k\r\n")
        self.assertEqual(self.heard(peer), b"+OK\r\n$1\r\nv\r\n")

    def test_answers_of_the_control_plane_keep_their_place(self) -> None:
        """Replies of both planes leave in the order of the requests."""
        _, peer = self.connect()
        peer.send(b"SET k v\r\nCLIENT ID\r\nGET k\r\nCLIENT ID\r\nPING\r\n")
        self.assertEqual(self.heard(peer), b"+OK\r\n:1\r\n$1\r\nv\r\n:1\r\n+PONG\r\n")

    def test_pipelines_split_anywhere(self) -> None:
        """However the bytes are cut, the replies are the same."""
        text = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nab\r\nCLIENT ID\r\nGET k\r\n"
        for cut in range(1, len(text)):
            client, peer = self.connect()
            peer.send(text[:cut])
            before = self.heard(peer, 1)
            peer.send(text[cut:])
            self.assertEqual(before + self.heard(peer), b"+OK\r\n:%d\r\n$2\r\nab\r\n" % client.client_id)

    def test_long_pipelines_of_the_control_plane_let_others_in(self) -> None:
        """After its share of answers a client waits for its next turn."""
        _, one = self.connect()
        _, two = self.connect()
        one.send(b"CLIENT ID\r\n" * (SHARE + 2))
        two.send(b"PING\r\n")
        self.loop.turn(0)
        self.assertEqual((one.recv(1000), two.recv(1000)), (b":1\r\n" * SHARE, b"+PONG\r\n"))
        self.assertEqual(self.heard(one), b":1\r\n:1\r\n")

    def test_later_answers(self) -> None:
        """Commands behind one that is answered later wait for it. Earlier replies have left, and other clients go on."""
        _, peer = self.connect()
        _, other = self.connect()
        self.later = Deferred()
        peer.send(b"PING\r\nCLIENT ID\r\nPING a\r\n")
        self.assertEqual(self.heard(peer), b"+PONG\r\n")
        peer.send(b"PING b\r\n")
        other.send(b"PING\r\n")
        self.assertEqual((self.heard(peer), self.heard(other)), (b"", b"+PONG\r\n"))
        self.later.callback(b":9\r\n")
        self.assertEqual(self.heard(peer), b":9\r\n$1\r\na\r\n$1\r\nb\r\n")

    def test_half_close(self) -> None:
        """A client that ends its direction gets the replies to what it sent, then the end."""
        _, peer = self.connect()
        peer.send(b"SET k v\r\nCLIENT ID\r\nGET k\r\nGE")
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(self.heard(peer), b"+OK\r\n:1\r\n$1\r\nv\r\n<end>")
        self.assertEqual((self.lost[0].type, self.clients), (ConnectionDone, {}))

    def test_half_close_while_an_answer_is_pending(self) -> None:
        """A client that ends its direction gets a later answer too, then the end."""
        _, peer = self.connect()
        self.later = Deferred()
        peer.send(b"CLIENT ID\r\nPING\r\n")
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(self.heard(peer), b"")
        self.later.callback(b":9\r\n")
        self.assertEqual(self.heard(peer), b":9\r\n+PONG\r\n<end>")

    def test_quit(self) -> None:
        """QUIT is answered, later commands are not executed, the connection is closed."""
        _, peer = self.connect()
        peer.send(b"QUIT\r\nSET k v\r\n")
        self.assertEqual(self.heard(peer), b"+OK\r\n<end>")
        self.assertEqual(self.store.count(0), 0)

    def test_protocol_error(self) -> None:
        """A client that does not speak RESP gets an error, and is closed."""
        _, peer = self.connect()
        peer.send(b"PING\r\n*1\r\n%1\r\n")
        self.assertEqual(self.heard(peer), b"+PONG\r\n-ERR Protocol error: expected '$', got '%'\r\n<end>")

    def test_slow_commands(self) -> None:
        """A slow command reaches the control plane with its client."""
        self.store.set_slow_threshold(0)
        _, one = self.connect()
        _, two = self.connect()
        one.send(b"SET k 1\r\n")
        two.send(b"GET k\r\n")
        self.heard(two)
        said = sorted((number, entry.argv) for number, entry in self.control.slow_ones)
        self.assertEqual(said, [(1, [b"SET", b"k", b"1"]), (2, [b"GET", b"k"])])
        self.assertIsInstance(self.control.slow_ones[0][1], SlowEntry)

    def test_large_values(self) -> None:
        """Values of all sizes arrive whole in both directions."""
        _, peer = self.connect()
        for size in (1, 4095, 16384, 65536, 3_000_000):
            request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size + b"v" * size + b"\r\nGET k\r\n"
            got = b""
            while request:
                with contextlib.suppress(BlockingIOError):
                    request = request[peer.send(request) :]
                self.reactor.turn()
            got = self.heard(peer, 10)
            self.assertEqual(
                (len(got), got[:5], got[-3:]), (size + len(b"+OK\r\n$%d\r\n\r\n" % size), b"+OK\r\n", b"v\r\n")
            )

    def test_a_thousand_clients(self) -> None:
        """A thousand clients are all served in a few turns."""
        peers = [self.connect()[1] for _ in range(1000)]
        for peer in peers:
            peer.send(b"INCR n\r\nCLIENT ID\r\n")
        self.reactor.turn(12)
        said = [peer.recv(100) for peer in peers]
        self.assertEqual(sorted(int(one.split(b"\r\n")[0][1:]) for one in said), list(range(1, 1001)))
        self.assertEqual([int(one.split(b"\r\n")[1][1:]) for one in said], list(range(1, 1001)))


class MonitorTests(ServedCase):
    """Lines of MONITOR"""

    def setUp(self) -> None:
        super().setUp()
        self.lines: list[bytes] = []
        self.loop.on_monitored = lambda: self.lines.append(self.store.monitored())

    def test_lines(self) -> None:
        """While a client monitors, the loop reports waiting lines after a turn, and after the answer to a command."""
        (monitor, _), (_, peer) = self.connect(), self.connect()
        peer.send(b"PING\r\n")
        self.assertEqual((self.heard(peer), self.lines), (b"+PONG\r\n", []))
        monitor.session.monitor()
        self.later = Deferred()
        peer.send(b"PING\r\nECHO a\r\nCLIENT ID\r\n")
        self.heard(peer)
        self.later.callback(b":5\r\n")
        self.heard(peer)
        shown = [re.sub(rb"\+\d+\.\d{6} \[0 \?:0\] ", b"", lines) for lines in self.lines]
        self.assertEqual(shown, [b'"PING"\r\n"ECHO" "a"\r\n', b'"CLIENT" "ID"\r\n'])

    def test_client_that_is_killed_in_the_turn(self) -> None:
        """The loop reports lines in the turn in which their client is killed."""
        (killer, first), (_, peer) = self.connect(), self.connect()
        killer.session.monitor()
        first.send(b"CLIENT KILL x\r\n")
        peer.send(b"PING\r\n")
        self.reactor.turn(1)
        self.assertEqual((len(self.clients), b'"PING"' in b"".join(self.lines)), (1, True))


class PauseTests(ServedCase):
    """CLIENT PAUSE, and transactions that hold up others"""

    def test_pause(self) -> None:
        """A paused client is not read, and goes on when the pause has ended."""
        client, peer = self.connect()
        self.store.set_pause(2, arena.NOW_MS + 500)
        peer.send(b"GET k\r\n")
        self.assertEqual((self.heard(peer), client.blocked), (b"", True))
        self.loop.frozen_ms += 501
        self.reactor.advance(0.011)
        self.assertEqual((self.heard(peer), client.blocked), (b"$-1\r\n", False))

    def test_transaction_that_waits(self) -> None:
        """A transaction that waits for the control plane does not hold up other clients, whose commands are executed after its data commands."""
        _, one = self.connect()
        _, two = self.connect()
        self.later = Deferred()
        one.send(b"MULTI\r\nSET k 1\r\nCLIENT ID\r\nGET k\r\nEXEC\r\nPING\r\n")
        begun = b"+OK\r\n" + b"+QUEUED\r\n" * 3 + b"*3\r\n+OK\r\n"
        self.assertEqual(self.heard(one), begun)
        two.send(b"GETSET k 2\r\n")
        self.assertEqual(self.heard(two), b"$1\r\n1\r\n")
        self.later.callback(b":9\r\n")
        self.reactor.advance(0.011)
        self.assertEqual(self.heard(one), b":9\r\n$1\r\n1\r\n+PONG\r\n")
