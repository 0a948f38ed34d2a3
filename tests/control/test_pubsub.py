"""PUBSUB CHANNELS over all workers, and clients that no loop serves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.base import resp
from tests.support.control import Server


class ChannelsTests(SynchronousTestCase):
    """Names that clients of several workers subscribe to."""

    def setUp(self) -> None:
        self.server = Server()
        self.server.store.channels = [b"news", b"n\xff", b"other"]
        self.server.store.shard_channels = [b"s"]

    def test_names(self) -> None:
        """All names, or those that match, as bytes."""
        self.assertEqual(
            self.server.run("PUBSUB CHANNELS"), resp.array([resp.bulk(name) for name in self.server.store.channels])
        )
        found = self.server.run("PUBSUB CHANNELS n*")
        self.assertEqual(found, resp.array([resp.bulk(b"news"), resp.bulk(b"n\xff")]))
        self.assertEqual(self.server.ask("PUBSUB", "SHARDCHANNELS"), resp.array([resp.bulk(b"s")]))

    def test_arguments(self) -> None:
        """Too many arguments, in Redis's words."""
        wrong = b"-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.\r\n"
        self.assertEqual(self.server.run("PUBSUB CHANNELS a b"), wrong)

    def test_help(self) -> None:
        """Redis's text."""
        self.assertTrue(self.server.run("PUBSUB HELP").startswith(b"*14\r\n+PUBSUB <subcommand>"))


class LostChannelTests(SynchronousTestCase):
    """A change of a user's channels."""

    def test_closed(self) -> None:
        """A subscriber whose user may not have its channels any more is closed."""
        server = Server()
        server.run("ACL SETUSER bob on nopass +@all allkeys &a")
        stays, goes = server.connect(), server.connect()
        for client in (stays, goes):
            server.run("AUTH bob x", client)
        goes.session.stays = False
        server.run("ACL SETUSER bob resetchannels &b")
        self.assertEqual((stays.killed, goes.killed), (False, True))
