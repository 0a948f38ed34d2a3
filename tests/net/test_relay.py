"""Sockets that are passed from one worker to another."""

from __future__ import annotations

import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from redistill.net.relay import SocketRelay
from redistill.net.transport import PeerGone


class Readers:
    """A reactor that reads when it is told to."""

    def __init__(self) -> None:
        self.readers: set[Any] = set()
        self.addReader = self.readers.add
        self.removeReader = self.readers.discard


class SocketRelayTests(SynchronousTestCase):
    """SocketRelay"""

    def setUp(self) -> None:
        self.reactor = Readers()
        self.relay_ends = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        for one in (end for ends in self.relay_ends for end in ends):
            self.addCleanup(one.close)
        self.came: list[socket.socket] = []
        self.problem: Exception | None = None
        self.first, self.second = (
            SocketRelay(self.reactor, box, [filled for _, filled in self.relay_ends], self.take)
            for box, _ in self.relay_ends
        )

    def take(self, sock: socket.socket) -> None:
        self.addCleanup(sock.close)
        if self.problem is not None:
            raise self.problem
        self.came.append(sock)

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Connected sockets."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        return ours, theirs

    def test_sent(self) -> None:
        """A socket arrives at the worker that it was sent to, with its unread bytes."""
        ours, theirs = self.pair()
        theirs.send(b"hello")
        self.assertTrue(self.first.send(1, ours))
        ours.close()
        self.first.doRead()
        self.assertEqual(self.came, [])
        self.second.doRead()
        self.assertEqual(self.came[0].recv(100), b"hello")
        self.assertFalse(self.came[0].get_inheritable())
        self.came[0].send(b"hello yourself")
        self.assertEqual(theirs.recv(100), b"hello yourself")

    def test_full(self) -> None:
        """A relay whose sockets nobody takes takes no more at some time; what is in it is not lost."""
        ours, _ = self.pair()
        sent = 0
        while sent < 10_000 and self.first.send(1, ours):
            sent += 1
        self.assertTrue(0 < sent < 10_000, sent)
        before = 0
        while len(self.came) != before or before == 0:
            before = len(self.came)
            self.second.doRead()
        self.assertEqual(len(self.came), sent)

    def test_started_and_stopped(self) -> None:
        """Sockets that arrive after the end stay for the successor."""
        self.second.start()
        self.assertEqual(self.reactor.readers, {self.second})
        self.second.stop()
        self.second.stop()
        self.assertEqual(self.reactor.readers, set())

    def test_gone(self) -> None:
        """A client that has gone is no error, and ours are logged; the next one is taken all the same."""
        ours, _ = self.pair()
        for problem in (PeerGone(), OSError("ours"), ZeroDivisionError("ours"), None):
            self.problem = problem
            self.first.send(1, ours)
            self.second.doRead()
        self.assertEqual(len(self.came), 1)
        self.assertEqual(len(self.flushLoggedErrors(OSError, ZeroDivisionError)), 2)
