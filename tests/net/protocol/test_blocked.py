"""CLIENT PAUSE holds clients."""

from __future__ import annotations

from tests.support.played import PlayedCase


class PauseTests(PlayedCase):
    """CLIENT PAUSE"""

    def test_held_commands_go_on_after_the_pause(self) -> None:
        """A held command and what follows it are executed soon after the pause, in order."""
        self.session.paused = True
        self.client.dataReceived(b"a hold b ")
        self.client.dataReceived(b"c ")
        self.clock.pump([0.01] * 50)
        self.assertEqual((self.transport.value(), self.blocked), (b"a ", [1]))
        self.session.paused = False
        self.clock.advance(0.01)
        self.assertEqual((self.transport.value(), self.blocked), (b"a hold b c ", [1, 0]))

    def test_all_held_clients_go_on(self) -> None:
        """When the pause has ended every client goes on, and no timer is left."""
        others = [self.connect() for _ in range(3)]
        for client, _, session in others:
            session.paused = True
            client.dataReceived(b"hold ")
        self.clock.advance(0.01)
        for _, _, session in others:
            session.paused = False
        self.clock.advance(0.01)
        self.assertEqual([transport.value() for _, transport, _ in others], [b"hold "] * 3)
        self.assertFalse(self.factory.blocked._retry.running)

    def test_held_client_that_goes(self) -> None:
        """A client that is lost while it is held is not asked again."""
        self.session.paused = True
        self.client.dataReceived(b"hold ")
        self.lose()
        self.clock.pump([0.01] * 3)
        self.assertEqual(self.transport.value(), b"")
