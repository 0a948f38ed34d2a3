"""Failed authentications are answered late when they are many."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.control.guesses import BURST, INTERVAL
from tests.support.acl import OK, WRONGPASS
from tests.support.control import Server


class SlowTests(SynchronousTestCase):
    """Failed authentications are answered late when they are many."""

    def test_late(self) -> None:
        """The tenth failure is the last that is answered at once; the right password is always answered at once."""
        server = Server({"security.password": ("secret",)})
        for _ in range(BURST):
            self.assertEqual(server.run("AUTH wrong"), WRONGPASS)
        late = server.ask("AUTH", "wrong")
        assert isinstance(late, Deferred)
        self.assertNoResult(late)
        self.assertEqual(server.run("AUTH secret", server.connect()), OK)
        server.clock.advance(INTERVAL)
        self.assertEqual(self.successResultOf(late), WRONGPASS)

    def test_gone(self) -> None:
        """A client that disconnects before its late answer leaves no timer."""
        server = Server({"security.password": ("secret",)})
        for _ in range(BURST):
            server.run("HELLO 3 AUTH default wrong")
        late = server.ask("HELLO", "3", "AUTH", "default", "wrong")
        assert isinstance(late, Deferred)
        late.addErrback(lambda failure: None)
        late.cancel()
        self.assertEqual(server.clock.getDelayedCalls(), [])

    def test_too_many(self) -> None:
        """After too many failures every authentication is refused, even with the right password, and the connection is closed."""
        server = Server({"security.password": ("secret",)})
        while not server.state.guesses.refuses("127.0.0.1", server.clock.seconds()):
            server.ask("AUTH", "wrong")
        client = server.connect()
        self.assertEqual(
            server.run("AUTH secret", client),
            b"-ERR too many failed authentications from your address, try again later\r\n",
        )
        self.assertTrue(client.session.state.close_after_reply)
        server.clock.advance(1)
        self.assertEqual(server.run("AUTH secret", server.connect(peer="10.0.0.9:1")), OK)
