"""AUTH, HELLO and RESET, word for word as redis-server 7."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.control import Server

WRONGPASS = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
HELLO_2 = (
    b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n"
    b"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
)
HELLO_3 = HELLO_2.replace(b"*14", b"%7").replace(b"proto\r\n:2", b"proto\r\n:3")
NOAUTH = (
    b"-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> "
    b"option can be used to authenticate the client and select the RESP protocol version at the same time\r\n"
)


def secured(*passwords: str) -> Server:
    """A server that asks for a password."""
    return Server({"security.password": passwords or ("secret",)})


class AuthTests(SynchronousTestCase):
    """AUTH."""

    def test_connection_without_password(self) -> None:
        """A client is authenticated at once where no password is set."""
        self.assertTrue(Server().client.session.state.authenticated)
        self.assertFalse(secured().client.session.state.authenticated)

    def test_password(self) -> None:
        """The password alone, or with the user default, lets the client in."""
        for line in ("AUTH secret", "auth default secret"):
            server = secured()
            self.assertEqual(server.run(line), b"+OK\r\n")
            self.assertTrue(server.client.session.state.authenticated)

    def test_wrong(self) -> None:
        """A wrong password, an unknown user, or a user in capitals gets WRONGPASS and is counted."""
        server = secured()
        lines = ("AUTH wrong", "AUTH foo secret", "AUTH DEFAULT secret", "AUTH default wrong", "AUTH default ")
        for line in lines:
            self.assertEqual(server.run(line), WRONGPASS)
        self.assertFalse(server.client.session.state.authenticated)
        self.assertEqual(server.state.counters.failed_auths, len(lines))

    def test_wrong_later(self) -> None:
        """A client that is in stays in when it then gives a wrong password."""
        server = secured()
        server.run("AUTH secret")
        self.assertEqual(server.run("AUTH wrong"), WRONGPASS)
        self.assertTrue(server.client.session.state.authenticated)

    def test_rotation(self) -> None:
        """All passwords of a list are valid at once."""
        server = secured("old", "new")
        for word in ("old", "new"):
            self.assertEqual(server.run(f"AUTH {word}"), b"+OK\r\n")

    def test_no_password_set(self) -> None:
        """Without a password, a password alone is a mistake; with the user default any will do."""
        server = Server()
        self.assertEqual(
            server.run("AUTH x"),
            b"-ERR AUTH <password> called without any password configured for the default user. "
            b"Are you sure your configuration is correct?\r\n",
        )
        self.assertEqual(server.run("AUTH default x"), b"+OK\r\n")
        self.assertEqual(server.run("AUTH default "), b"+OK\r\n")
        self.assertEqual(server.run("AUTH foo x"), WRONGPASS)

    def test_too_many_arguments(self) -> None:
        """Three words after AUTH are a syntax error."""
        self.assertEqual(secured().run("AUTH a b c"), b"-ERR syntax error\r\n")


class HelloTests(SynchronousTestCase):
    """HELLO."""

    def test_versions(self) -> None:
        """HELLO switches to the version named, and keeps the one that is there when none is."""
        server = Server()
        self.assertEqual(server.run("HELLO"), HELLO_2)
        self.assertEqual(server.run("HELLO 3"), HELLO_3)
        self.assertEqual(server.client.session.state.resp, 3)
        self.assertEqual(server.run("HELLO"), HELLO_3)
        self.assertEqual(server.run("HELLO 2"), HELLO_2)

    def test_bad_versions(self) -> None:
        """Unknown versions are NOPROTO, words are no versions; nothing changes."""
        server = Server()
        for version in ("1", "4", "-3", "0"):
            self.assertEqual(server.run(f"HELLO {version}"), b"-NOPROTO unsupported protocol version\r\n")
        for version in ("", "x", "3.0", "03", "+3", "99999999999999999999"):
            self.assertEqual(
                server.run(f"HELLO {version}"), b"-ERR Protocol version is not an integer or out of range\r\n"
            )
        self.assertEqual(server.client.session.state.resp, 2)

    def test_auth_and_name(self) -> None:
        """One HELLO lets the client in, names it and switches its protocol."""
        server = secured()
        self.assertEqual(server.run("HELLO 3 AUTH default secret SETNAME worker"), HELLO_3)
        state = server.client.session.state
        self.assertEqual((state.authenticated, state.resp, server.client.name), (True, 3, b"worker"))

    def test_without_auth(self) -> None:
        """HELLO without a password is refused where one is set, and the protocol stays."""
        server = secured()
        for line in ("HELLO", "HELLO 3", "HELLO 3 SETNAME a"):
            self.assertEqual(server.run(line), NOAUTH)
        self.assertEqual(server.client.session.state.resp, 2)

    def test_wrong_password(self) -> None:
        """A wrong password leaves version and name as they were; a mistake in what follows is told before it."""
        server = secured()
        self.assertEqual(server.run("HELLO 3 AUTH default wrong SETNAME a"), WRONGPASS)
        self.assertIn(b"Syntax error", server.run("HELLO 3 AUTH default wrong JUNK"))
        self.assertFalse(server.client.session.state.authenticated)
        self.assertEqual((server.client.session.state.resp, server.client.name), (2, b""))

    def test_mistakes(self) -> None:
        """Options that are unknown or cut short are named; a name must be visible ASCII."""
        server = Server()
        for line, option in (
            ("HELLO 3 foo", b"foo"),
            ("HELLO 3 AUTH a", b"AUTH"),
            ("HELLO 3 auth default x SETNAME", b"SETNAME"),
            ("HELLO 3 f\r\n+OK", b"f  +OK"),
        ):
            self.assertEqual(server.run(line), b"-ERR Syntax error in HELLO option '%s'\r\n" % option)
        self.assertEqual(
            server.ask("HELLO", "3", "SETNAME", "a b"),
            b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
        )
        self.assertEqual(server.client.session.state.resp, 2)


class ResetTests(SynchronousTestCase):
    """RESET."""

    def test_reset(self) -> None:
        """RESET forgets the name, the modes, the protocol and the password, but not the library."""
        server = secured()
        server.run("HELLO 3 AUTH default secret SETNAME a")
        server.run("CLIENT SETINFO LIB-NAME lib")
        server.run("CLIENT NO-TOUCH ON")
        server.run("CLIENT NO-EVICT ON")
        self.assertEqual(server.run("RESET"), b"+RESET\r\n")
        client, state = server.client, server.client.session.state
        self.assertEqual(client.session.resets, 1)
        self.assertEqual((client.name, client.lib_name), (b"", b"lib"))
        self.assertEqual((state.authenticated, state.no_touch, state.no_evict, state.resp), (False, False, False, 2))

    def test_without_password(self) -> None:
        """Without a password a client is in again after RESET."""
        server = Server()
        server.run("RESET")
        self.assertTrue(server.client.session.state.authenticated)
