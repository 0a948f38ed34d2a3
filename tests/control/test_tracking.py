"""CLIENT TRACKING and its kin: which options fit together, and what is refused."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.control.tracking import overlap
from tests.support.control import Server

SWITCH = b"before disabling tracking for this client, and then re-enabling it with a different mode.\r\n"


class TrackingTests(SynchronousTestCase):
    """One client."""

    def setUp(self) -> None:
        self.server = Server()

    def test_options_that_do_not_fit(self) -> None:
        """Each is refused in Redis's words, and changes nothing."""
        for line, words in (
            ("ON PREFIX a", b"-ERR PREFIX option requires BCAST mode to be enabled\r\n"),
            ("ON BCAST OPTIN", b"-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n"),
            ("ON OPTIN OPTOUT", b"-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n"),
            ("ON REDIRECT 99", b"-ERR The client ID you want redirect to does not exist\r\n"),
            ("ON REDIRECT 99 FOO", b"-ERR The client ID you want redirect to does not exist\r\n"),
            ("ON REDIRECT x", b"-ERR value is not an integer or out of range\r\n"),
            ("ON REDIRECT", b"-ERR syntax error\r\n"),
            ("MAYBE", b"-ERR syntax error\r\n"),
            ("OFF FOO", b"-ERR syntax error\r\n"),
        ):
            self.assertEqual(self.server.run(f"CLIENT TRACKING {line}"), words, line)
        self.assertEqual(self.server.run("CLIENT GETREDIR"), b":-1\r\n")

    def test_modes_are_switched_through_off(self) -> None:
        """BCAST, OPTIN and OPTOUT hold until OFF."""
        self.assertEqual(self.server.run("CLIENT TRACKING ON OPTIN NOLOOP"), b"+OK\r\n")
        refused = b"-ERR You can't switch OPTIN/OPTOUT mode " + SWITCH
        self.assertEqual(self.server.run("CLIENT TRACKING ON OPTOUT"), refused)
        self.assertEqual(
            self.server.run("CLIENT TRACKING ON BCAST"), b"-ERR You can't switch BCAST mode on/off " + SWITCH
        )
        self.assertEqual(
            self.server.run("CLIENT CACHING NO"),
            b"-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n",
        )
        self.assertEqual(self.server.run("CLIENT CACHING YES"), b"+OK\r\n")
        self.assertIn(b"$11\r\ncaching-yes\r\n$6\r\nnoloop\r\n", self.server.run("CLIENT TRACKINGINFO"))
        self.assertEqual(self.server.run("CLIENT TRACKING OFF"), b"+OK\r\n")
        self.assertEqual(self.server.run("CLIENT TRACKING ON OPTOUT"), b"+OK\r\n")
        self.assertEqual(self.server.run("CLIENT GETREDIR"), b":0\r\n")

    def test_overlapping_prefixes(self) -> None:
        """The pair is named as in Redis; among ten thousand prefixes it is found at once."""
        self.assertEqual(self.server.run("CLIENT TRACKING ON BCAST PREFIX foo"), b"+OK\r\n")
        ending = b"Prefixes for a single client must not overlap.\r\n"
        self.assertEqual(
            self.server.run("CLIENT TRACKING ON BCAST PREFIX foobar"),
            b"-ERR Prefix 'foobar' overlaps with an existing prefix 'foo'. " + ending,
        )
        self.assertEqual(
            self.server.run("CLIENT TRACKING ON BCAST PREFIX ab PREFIX a"),
            b"-ERR Prefix 'ab' overlaps with another provided prefix 'a'. " + ending,
        )
        many = [b"%05d" % i for i in range(10000)]
        self.assertEqual(overlap([], many), b"")
        self.assertIn(b"overlaps", overlap([], [*many, b"077770"]))
        for _ in range(2):
            self.assertEqual(
                self.server.run("CLIENT TRACKING ON BCAST"), b"+OK\r\n"
            )  # each key, as in Redis without a test
