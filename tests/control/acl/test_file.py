"""ACL SAVE and ACL LOAD, and the file at the start."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.acl import DEFAULT_LINE
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.load import load
from tests.support.acl import BOB, OK, WRONGPASS, bulks
from tests.support.control import Server


class FileTests(SynchronousTestCase):
    """ACL SAVE and ACL LOAD, and the file at the start."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text("user bob on >pw ~a* +get\n")
        config = Path(self.mktemp())
        config.write_text(f'[security]\nacl_file = "{self.path}"\n')
        self.config_path = str(config)

    def read(self) -> Config:
        """The configuration as it is at a start."""
        return load(self.config_path, {})

    def test_start_save_and_load(self) -> None:
        """Users come from the file, go back to it, and are read again."""
        server = Server(config=self.read())
        self.assertEqual(server.run("ACL LIST"), bulks(BOB, DEFAULT_LINE))
        server.run("ACL SETUSER eve")
        self.assertEqual(server.run("ACL SAVE"), OK)
        self.assertEqual(self.path.read_text(), f"{BOB}\n{DEFAULT_LINE}\nuser eve off resetchannels -@all\n")
        server.run("ACL DELUSER eve bob")
        self.assertEqual(server.run("ACL LOAD"), OK)
        self.assertEqual(server.run("ACL USERS"), bulks("bob", "default", "eve"))

    def test_bytes(self) -> None:
        """Names, patterns and passwords are bytes, in the file too: nothing that only Unicode calls a space, a line's
        end or a letter has a meaning."""
        server = Server(config=self.read())
        name, pattern = b"b\xc2\xa0nopass\xff\xc2\x85", b"~\xff*\xc2\xa0(~*\xe2\x80\xa8+@all)\x1c"
        self.assertEqual(
            server.ask(
                "ACL", "SETUSER", name, "on", ">p\xa0\udcff".encode("utf-8", "surrogateescape"), pattern, "+get"
            ),
            OK,
        )
        listed, shown = server.run("ACL LIST"), server.ask("ACL", "GETUSER", name)
        assert isinstance(shown, bytes)
        self.assertIn(b"\r\n" + pattern + b"\r\n", shown)
        self.assertEqual(server.run("ACL SAVE"), OK)
        self.assertIn(b"user %s on #" % name, self.path.read_bytes())
        self.assertEqual(server.ask("ACL", "DELUSER", name), b":1\r\n")
        self.assertEqual(server.run("ACL LOAD"), OK)
        self.assertEqual((server.run("ACL LIST"), server.ask("ACL", "GETUSER", name)), (listed, shown))
        again = Server(config=self.read())
        self.assertEqual(again.run("ACL LIST"), listed)
        client = again.connect()
        self.assertEqual(again.ask("AUTH", name, b"x", client=client), WRONGPASS)
        self.assertEqual(again.ask("AUTH", name, b"p\xc2\xa0\xff", client=client), OK)
        self.assertEqual(again.ask("ACL", "WHOAMI", client=client), b"$%d\r\n%s\r\n" % (len(name), name))
        self.assertIn(name, again.ask("CLIENT", "LIST", client=client))
        self.assertEqual(again.ask("ACL", "DRYRUN", name, "GET", b"\xff1\xc2\xa0(~*\xe2\x80\xa8+@all)\x1c"), OK)
        self.assertIn(b"no permissions", again.ask("ACL", "DRYRUN", name, "GET", "a"))

    def test_load_without_the_caller(self) -> None:
        """Connections of users that the file no longer has are closed; the one that sent ACL LOAD gets its answer first."""
        server = Server(config=self.read())
        server.run("ACL SETUSER eve on >pw +@all")
        clients = [server.connect() for _ in range(2)]
        for client in clients:
            self.assertEqual(server.run("AUTH eve pw", client), OK)
        self.assertEqual(server.run("ACL LOAD", clients[0]), OK)
        self.assertEqual([client.killed for client in clients], [False, True])
        self.assertTrue(clients[0].session.state.close_after_reply)

    def test_load_of_a_bad_file(self) -> None:
        """A bad file changes nothing, and the error names the line."""
        server = Server(config=self.read())
        self.path.write_text("user bob off\nuser eve +nosuch\n")
        said = server.run("ACL LOAD")
        self.assertTrue(said.startswith(b"-ERR "), said)
        self.assertIn(b"line 2: '+nosuch': Unknown command or category name in ACL", said)
        self.assertEqual(server.run("ACL LIST"), bulks(BOB, DEFAULT_LINE))
        self.assertRaises(ConfigError, self.read)

    def test_unwritable(self) -> None:
        """A file that cannot be written is an error."""
        server = Server(config=self.read())
        self.path.unlink()
        self.assertTrue(server.run("ACL SAVE").startswith(b"-ERR There was an error trying to save the ACLs: "))
        self.assertRaises(ConfigError, self.read)

    def test_no_file(self) -> None:
        """Without a configured file the error has Redis's words."""
        for command in ("ACL SAVE", "ACL LOAD"):
            self.assertIn(b"is not configured to use an ACL file", Server().run(command))

    def test_between_workers(self) -> None:
        """Users go with the configuration to other processes."""
        config = self.read()
        self.assertEqual(Config.from_json(config.to_json()), config)
