"""Commands of the control plane: answers that come later, failures, transactions."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed

from tests.support import arena
from tests.support.played import PlayedCase, Transport


class DeferredTests(PlayedCase):
    """Commands that are answered later"""

    def setUp(self) -> None:
        super().setUp()
        self.later: Deferred[bytes] = Deferred()
        self.control.deferred = self.later

    def test_later_commands_wait(self) -> None:
        """Replies before a later answer leave at once; those behind it wait, in order."""
        self.client.dataReceived(b"a ask:b c ")
        self.client.dataReceived(b"d ")
        self.assertEqual(self.transport.value(), b"a ")
        self.later.callback(b"B ")
        self.assertEqual(self.transport.value(), b"a B c d ")

    def test_waiting_is_told_at_once(self) -> None:
        """The number of waiting clients is reported whenever it changes: a client begins to wait, is answered, or disconnects."""
        self.client.dataReceived(b"ask:b ")
        self.control.deferred = Deferred(lambda cancelled: None)
        other, _, _ = self.connect()
        other.dataReceived(b"ask:b ")
        self.later.callback(b"B ")
        self.lose(other)
        self.assertEqual(self.blocked, [1, 2, 1, 0])

    def test_other_clients_do_not_wait(self) -> None:
        """Another client is served meanwhile."""
        self.client.dataReceived(b"ask:b ")
        other, transport, _ = self.connect()
        other.dataReceived(b"x ")
        self.assertEqual(transport.value(), b"x ")

    def test_reading_stops_and_goes_on(self) -> None:
        """At most one read is held; then the transport is paused until the answer is there."""
        self.client.dataReceived(b"ask:b ")
        self.assertEqual(self.transport.producerState, "producing")
        self.client.dataReceived(b"c ")
        self.assertEqual(self.transport.producerState, "paused")
        self.later.callback(b"B ")
        self.assertEqual((self.transport.producerState, self.transport.value()), ("producing", b"B c "))

    def test_answer_that_is_there_already(self) -> None:
        """A pipeline of Deferreds that have fired is answered in order, without recursion."""
        self.control.run = lambda client, argv: succeed(argv[1])  # type: ignore[assignment]
        self.client.dataReceived(b"ask:b " * 5000)
        self.clock.pump([0] * 5000)
        self.assertEqual(self.transport.value(), b"b" * 5000)

    def test_client_that_has_gone_is_not_answered(self) -> None:
        """When the connection is lost the command is cancelled, and nothing is written or logged."""
        cancelled: list[object] = []
        self.control.deferred = Deferred(cancelled.append)
        self.client.dataReceived(b"ask:b ")
        self.lose()
        self.assertEqual((len(cancelled), self.transport.value(), self.flushLoggedErrors()), (1, b"", []))

    def test_failure_later(self) -> None:
        """A Deferred that fails is logged; the client gets its earlier replies and the error, and is closed."""
        self.client.dataReceived(b"a ask:b c ")
        self.later.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"a -ERR internal error\r\n", True))


class MistakeTests(PlayedCase):
    """Mistakes of ours"""

    def test_command_that_raises(self) -> None:
        """An exception of the control plane is logged; the client is told and closed."""
        self.control.raises = ZeroDivisionError()
        self.client.dataReceived(b"a ask:b c ")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"a -ERR internal error\r\n", True))

    def test_session_that_raises(self) -> None:
        """An exception of the session is logged, does not pass dataReceived, and closes the client."""
        self.client.dataReceived(b"a bug ")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.transport.disconnecting)

    def test_others_do_not_notice(self) -> None:
        """Another client is served after the exception."""
        other, transport, _ = self.connect()
        self.client.dataReceived(b"bug ")
        other.dataReceived(b"x ")
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual((transport.value(), transport.disconnecting), (b"x ", False))

    def test_no_memory_for_a_session(self) -> None:
        """A client for which there is no session is closed, and leaves nothing behind."""

        def fail() -> Any:
            raise MemoryError

        self.factory.open_session = fail
        client, transport = self.factory.buildProtocol(None), Transport()  # type: ignore[arg-type]
        client.makeConnection(transport)
        self.assertTrue(transport.aborted)
        client.dataReceived(b"a ")
        self.lose(client)
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)
        self.assertEqual(list(self.clients), [1])


class TransactionTests(PlayedCase):
    """Commands of the control plane in a transaction of the real core"""

    def open_session(self) -> Any:
        if not hasattr(self, "store"):
            self.store = arena.opened(self)
        return arena.session(self.store)

    def test_command_that_raises(self) -> None:
        """A transaction with such a command is executed to its end, its locks are free, and the client is closed."""
        self.control.raises = ZeroDivisionError()
        self.client.dataReceived(b"MULTI\r\nSET k 1\r\nCLIENT ID\r\nINCR k\r\nEXEC\r\nPING\r\n")
        self.clock.pump([0] * 20)  # on a loaded machine the session pauses between the commands
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(
            self.transport.value(), b"+OK\r\n" + b"+QUEUED\r\n" * 3 + b"*3\r\n+OK\r\n-ERR internal error\r\n:2\r\n"
        )
        self.assertTrue(self.transport.disconnecting)
        other, transport, _ = self.connect()
        other.session.state.authenticated = True
        other.dataReceived(b"GET k\r\n")
        self.clock.pump([0] * 20)
        self.assertEqual(transport.value(), b"$1\r\n2\r\n")
