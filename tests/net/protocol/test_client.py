"""A client's commands: replies in order, and turns that others get."""

from __future__ import annotations

from redistill.engine.interfaces import SlowEntry
from redistill.net import protocol
from redistill.net.protocol.execution import SHARE
from tests.support.played import PlayedCase


class ReplyTests(PlayedCase):
    """Bytes in, replies out"""

    def test_one_read_is_one_write(self) -> None:
        """All replies to one read leave in one write."""
        self.client.dataReceived(b"a b c ")
        self.assertEqual((self.transport.value(), self.transport.writes), (b"a b c ", 1))

    def test_command_in_two_reads(self) -> None:
        """A command that comes in pieces is answered when it is whole; nothing is written before."""
        self.client.dataReceived(b"wo")
        self.assertEqual(self.transport.writes, 0)
        self.client.dataReceived(b"rd ")
        self.assertEqual(self.transport.value(), b"word ")

    def test_answers_of_the_control_plane_keep_their_place(self) -> None:
        """Replies of the core and of the control plane leave in the order of the requests, in one write."""
        self.client.dataReceived(b"a ask:b c ask:d e ")
        self.assertEqual((self.transport.value(), self.transport.writes), (b"a B c D e ", 1))
        self.assertEqual(self.control.runs, [[b"ask", b"b"], [b"ask", b"d"]])

    def test_long_pipelines_let_others_in(self) -> None:
        """After its share of answers a client waits for its next turn, in which it goes on."""
        self.client.dataReceived(b"ask:b " * (SHARE + 2) + b"c ")
        self.assertEqual(self.transport.value(), b"B " * SHARE)
        other, transport, _ = self.connect()
        other.dataReceived(b"x ")
        self.clock.advance(0)
        self.assertEqual((transport.value(), self.transport.value()), (b"x ", b"B " * (SHARE + 2) + b"c "))

    def test_long_answers_let_others_in(self) -> None:
        """A share is a time, too: an answer that took it all is the last one of the turn."""
        self.patch(protocol.execution, "SHARE_SECONDS", 0.0)
        self.client.dataReceived(b"ask:b ask:c d ")
        self.assertEqual(self.transport.value(), b"B ")
        self.clock.advance(0)
        self.assertEqual(self.transport.value(), b"B C d ")

    def test_client_that_goes_before_its_turn(self) -> None:
        """A client that is lost before its next turn does not get it."""
        self.client.dataReceived(b"ask:b " * (SHARE + 2))
        self.lose()
        self.clock.advance(0)
        self.assertEqual(self.transport.value(), b"B " * SHARE)

    def test_full_output_is_written_before_more_is_executed(self) -> None:
        """When the session stops for its output, that is written and the rest executed."""
        self.client.dataReceived(b"big:100 a big:50 b ")
        self.assertEqual(self.transport.value(), b"x" * 100 + b"a " + b"x" * 50 + b"b ")

    def test_quit_closes_after_its_reply(self) -> None:
        """After QUIT the reply is written, the connection closed, and what follows is not executed."""
        self.client.dataReceived(b"a quit b ")
        self.client.dataReceived(b"c ")
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"a bye ", True))

    def test_slow_commands_are_handed_on(self) -> None:
        """A slow command that the session reports reaches the control plane with its client."""
        entry = SlowEntry(1, 2, [b"get"], True)
        self.session.on_slow(entry)
        self.assertEqual(self.control.slow_ones, [(1, entry)])


class BusyTests(PlayedCase):
    """Sessions that have had their share of a turn"""

    def test_others_go_first(self) -> None:
        """A busy session goes on in the next turn; bytes that arrive before are kept, and reading stops."""
        self.client.dataReceived(b"a busy b ")
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"a ", "producing"))
        self.client.dataReceived(b"c ")
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"a ", "paused"))
        self.clock.advance(0)
        self.assertEqual((self.transport.value(), self.transport.producerState), (b"a b c ", "producing"))

    def test_within_a_command(self) -> None:
        """A session in the middle of a command goes on too, as often as it takes."""
        self.client.dataReceived(b"a busy:x busy:x b ")
        self.assertEqual(self.transport.value(), b"a ")
        self.clock.advance(0)
        self.assertEqual(self.transport.value(), b"a b ")

    def test_client_that_does_not_read(self) -> None:
        """A client that does not read does not go on, unless it is in the middle of a command: others may wait for its locks."""
        for word, left in ((b"busy", b"busy-not-begun "), (b"busy:x", b"")):
            self.client, self.transport, session = self.connect()
            self.transport.room = 1
            self.client.dataReceived(b"aa " + word + b" busy-not-begun ")
            self.clock.advance(0)
            self.assertEqual((self.transport.value(), session.input), (b"aa ", left))
            self.transport.room = 10**9
            self.assertEqual(self.transport.read(), b"aa ")
            self.assertEqual(self.transport.value(), b"busy-not-begun ")

    def test_client_that_goes(self) -> None:
        """No command of a disconnected client is executed."""
        for word in (b"busy", b"busy:x"):
            self.client, self.transport, _ = self.connect()
            self.client.dataReceived(word + b" b ")
            self.client.connectionLost()
            self.clock.advance(0)
            self.assertEqual(self.flushLoggedErrors(), [])

    def test_mistake(self) -> None:
        """An exception in a later turn closes the connection."""
        for word in (b"busy", b"busy:x"):
            self.client, self.transport, _ = self.connect()
            self.client.dataReceived(word + b" bug ")
            self.clock.advance(0)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            self.assertTrue(self.transport.disconnecting)
