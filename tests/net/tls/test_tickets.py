"""Sessions of TLS over several workers."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from redistill.net.tls.tickets import Tickets


class PlayedContext:
    """A context that makes tickets with a key of this name."""

    def __init__(self, name: bytes) -> None:
        self.name = name

    def key_name(self) -> bytes:
        return self.name


class PlayedRelay:
    """Notes what is sent."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.room = True

    def send(self, number: int, sock: socket.socket) -> bool:
        self.sent.append(number)
        return self.room


class TicketsTests(SynchronousTestCase):
    """Tickets"""

    def setUp(self) -> None:
        self.relays = [PlayedRelay() for _ in range(3)]
        self.contexts = [PlayedContext(bytes([65 + number]) * 16) for number in range(3)]
        self.there = {0, 1, 2}
        self.workers: list[Tickets] = []
        for number in range(3):
            self.begin(number)

    def begin(self, number: int) -> None:
        """A worker begins to serve, instead of the one that was there."""

        def ask(question: str, argument: Any) -> Deferred[list[Any]]:
            self.assertEqual(question, "tickets")
            others = [worker for place, worker in enumerate(self.workers) if place != number]
            return succeed([worker.note(argument) for worker in others])

        worker = Tickets(
            number,
            self.contexts[number],
            self.relays[number],  # type: ignore[arg-type]
            self.there.__contains__,
            ask,
        )
        self.workers[number : number + 1] = [worker]
        worker.announce()

    def goes(self, number: int, name: bytes) -> bool:
        """Whether a client with a ticket of that key is passed on by worker `number`."""
        ticket = name + bytes(100)
        extension = (35).to_bytes(2, "big") + len(ticket).to_bytes(2, "big") + ticket
        message = bytes(34) + b"\0" + b"\0\0" + b"\0" + len(extension).to_bytes(2, "big") + extension
        record = b"\x01" + len(message).to_bytes(3, "big") + message
        sock = socket.socket()
        self.addCleanup(sock.close)
        return self.workers[number].pass_on(sock, b"\x16\x03\x01" + len(record).to_bytes(2, "big") + record)

    def test_everybody_knows_everybody(self) -> None:
        """Whoever came first: a client with a ticket goes to the worker that made it, from any worker, and stays there."""
        for number in range(3):
            for maker, context in enumerate(self.contexts):
                self.relays[number].sent.clear()
                self.assertEqual(self.goes(number, context.name), maker != number)
                self.assertEqual(self.relays[number].sent, [maker] if maker != number else [])

    def test_strangers(self) -> None:
        """A client with an unknown ticket, or without one, stays here."""
        self.assertFalse(self.goes(0, b"X" * 16))
        self.assertFalse(self.workers[0].pass_on(socket.socket(), b"PING\r\n"))
        self.assertEqual(self.relays[0].sent, [])

    def test_worker_that_cannot_take_it(self) -> None:
        """A client stays here if its worker is gone, or has no room."""
        self.there.discard(1)
        self.assertFalse(self.goes(0, self.contexts[1].name))
        self.assertEqual(self.relays[0].sent, [])
        self.relays[0].room = False
        self.assertFalse(self.goes(0, self.contexts[2].name))

    def test_successor(self) -> None:
        """A worker that takes another's place has a key of its own; the old one is forgotten."""
        old, self.contexts[1] = self.contexts[1].name, PlayedContext(b"new" * 5 + b"!")
        self.begin(1)
        self.assertFalse(self.goes(0, old))
        self.assertTrue(self.goes(0, self.contexts[1].name))
        self.assertTrue(self.goes(1, self.contexts[0].name))

    def test_renewed(self) -> None:
        """A worker whose certificate was renewed has a new key; the old one is forgotten."""
        old = self.contexts[2].name
        self.contexts[2].name = b"renewed" + bytes(9)
        self.workers[2].announce()
        self.assertFalse(self.goes(0, old))
        self.assertTrue(self.goes(0, self.contexts[2].name))

    def test_without_tickets(self) -> None:
        """Workers that make no tickets have no key name, and get no clients."""
        for context in self.contexts:
            context.name = b""
        for worker in self.workers:
            worker.announce()
        self.assertFalse(self.goes(0, b""))
        self.assertEqual(self.relays[0].sent, [])

    def test_not_answered(self) -> None:
        """A failed question to the others is logged."""
        self.workers[0]._ask = lambda question, argument: Deferred()
        self.workers[0].announce()
        failing: Deferred[list[Any]] = Deferred()
        self.workers[0]._ask = lambda question, argument: failing
        self.workers[0].announce()
        failing.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
