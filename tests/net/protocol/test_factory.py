"""The factory's clients, and their addresses."""

from __future__ import annotations

from twisted.internet.address import UNIXAddress

from tests.support.played import PlayedCase, Transport


class RegistryTests(PlayedCase):
    """The ids and addresses of clients"""

    def test_ids_count_up(self) -> None:
        """Each client gets a number of its own, which no later client gets."""
        self.connect()
        self.lose()
        self.connect()
        self.assertEqual((list(self.clients), self.control.came), ([2, 3], [1, 2, 3]))

    def test_names(self) -> None:
        """Peer and local address are shown as Redis shows them."""
        self.assertEqual((self.client.peer, self.client.local), ("192.168.1.1:54321", "10.0.0.1:12345"))
        self.assertEqual(self.session.shown_peer, "192.168.1.1:54321")
        client, transport = self.factory.buildProtocol(None), Transport(hostAddress=UNIXAddress("/run/s"))  # type: ignore[arg-type]
        transport.peerAddr = UNIXAddress(None)
        client.makeConnection(transport)
        self.assertEqual((client.peer, client.session.shown_peer), ("/run/s:0", "unix:/run/s"))  # type: ignore[attr-defined]
