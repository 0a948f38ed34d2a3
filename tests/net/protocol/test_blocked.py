"""Clients whose session is blocked, and which no loop serves."""

from __future__ import annotations

from tests.support.played import PlayedCase


class BlockedTests(PlayedCase):
    """CLIENT PAUSE, and commands that block"""

    def test_held_commands_go_on_at_their_time(self) -> None:
        """A held command and what follows it are executed when the pause ends, in order; nothing polls meanwhile."""
        self.session.paused, self.session.wait = True, 0.5
        self.client.dataReceived(b"a hold b ")
        self.client.dataReceived(b"c ")
        self.clock.advance(0.499)
        self.assertEqual((self.transport.value(), self.client.blocked), (b"a ", True))
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)  # its own, and the watch of all clients
        self.session.paused = False
        self.clock.advance(0.001)
        self.assertEqual((self.transport.value(), self.client.blocked), (b"a hold b c ", False))

    def test_woken_client(self) -> None:
        """A client that is woken goes on at once, and its timer is gone; one that must wait on waits on."""
        self.session.paused, self.session.wait = True, 5.0
        self.client.dataReceived(b"hold ")
        self.client.wake()
        self.assertEqual((self.transport.value(), self.client.blocked), (b"", True))
        self.session.paused = False
        self.client.wake()
        self.assertEqual((self.transport.value(), self.client.blocked), (b"hold ", False))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_without_a_time(self) -> None:
        """A client without a time waits until it is woken."""
        self.session.paused = True
        self.client.dataReceived(b"hold ")
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.session.paused = False
        self.client.wake()
        self.assertEqual(self.transport.value(), b"hold ")

    def test_held_client_that_goes(self) -> None:
        """A client that is lost while it is held is not asked again."""
        self.session.paused, self.session.wait = True, 0.5
        self.client.dataReceived(b"hold ")
        self.lose()
        self.clock.advance(1)
        self.client.wake()
        self.assertEqual(self.transport.value(), b"")
