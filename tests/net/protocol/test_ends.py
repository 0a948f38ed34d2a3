"""How connections end."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from redistill.net.protocol.idle import LINGER
from tests.support.played import PlayedCase


class EndTests(PlayedCase):
    """Ends of connections"""

    def test_half_closed(self) -> None:
        """A client that sends no more gets the replies to what it sent, then the connection is closed."""
        self.client.dataReceived(b"a b ")
        self.client.readConnectionLost()
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"a b ", True))

    def test_half_closed_while_it_waits(self) -> None:
        """A client that sends no more is closed after the answer that it waits for, not before."""
        self.control.deferred = later = Deferred()
        self.client.dataReceived(b"ask:b c ")
        self.client.readConnectionLost()
        self.assertFalse(self.transport.disconnecting)
        later.callback(b"B ")
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"B c ", True))

    def test_half_a_command_and_a_close(self) -> None:
        """An unfinished command is not waited for: the connection closes, and no timer is left."""
        self.client.dataReceived(b"unfinish")
        self.client.readConnectionLost()
        self.lose()
        self.assertEqual((self.transport.disconnecting, self.clock.getDelayedCalls()), (True, []))

    def test_lost_client_leaves_nothing(self) -> None:
        """When a connection is lost its session is closed, its place free, and its limits are released."""
        told: list[str] = []
        self.client.releases += (lambda: told.append("limit"),)
        self.lose()
        self.assertEqual((self.session.closed, self.clients, told), (True, {}, ["limit"]))

    def test_kill(self) -> None:
        """A killed client is closed at once; what it sent after is not executed."""
        self.client.kill()
        self.client.dataReceived(b"a ")
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"", True))

    def test_finish_of_an_idle_client(self) -> None:
        """When the server stops a client with nothing to do is closed at once."""
        self.client.finish()
        self.assertTrue(self.transport.disconnecting)

    def test_finish_waits_for_the_answer(self) -> None:
        """When the server stops a command that is being answered is still answered."""
        self.control.deferred = later = Deferred()
        self.client.dataReceived(b"ask:b ")
        self.client.finish()
        self.assertFalse(self.transport.disconnecting)
        later.callback(b"B ")
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"B ", True))

    def test_client_that_does_not_let_itself_be_closed(self) -> None:
        """A closed client that does not read its last replies is cut after LINGER seconds."""
        self.transport.room = 100
        self.client.dataReceived(b"w" * 200 + b" quit ")
        self.clock.pump([1.0] * int(LINGER - 1))
        self.assertFalse(self.transport.aborted)
        self.clock.pump([1.0] * 2)
        self.assertTrue(self.transport.aborted)
