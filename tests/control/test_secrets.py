"""INFO secrets: the use that is made of passwords."""

from __future__ import annotations

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from tests.support.control import Server


class SecretTests(SynchronousTestCase):
    """The use that is made of passwords."""

    def setUp(self) -> None:
        self.server = Server({"security.password": ("old", "new")})

    def lines(self) -> dict[str, str]:
        """The lines of INFO secrets, by secret."""
        text = self.server.run("INFO secrets").split(b"\r\n", 1)[1].decode()
        return dict(line.removeprefix("secret_").split(":", 1) for line in text.split("\r\n") if ":" in line)

    def test_use(self) -> None:
        """Last use, connections and their libraries, until they are gone."""
        names = [sha256(word).hexdigest()[:8] for word in (b"old", b"new")]
        never = "user=default,source=config,last_used=0,connections=0,authentications=0,place=0,libraries="
        self.assertEqual(self.lines(), dict.fromkeys(names, never))
        clients = [self.server.connect(lib_name=name, lib_ver=b"1,2") for name in (b"jedis", b"redis-py", b"")]
        for client in clients:
            self.server.run("AUTH old", client)
        self.server.run("AUTH old", clients[0])  # again: one connection, two uses
        self.server.run("AUTH new", clients[2])
        self.assertEqual(
            self.lines(),
            {
                names[0]: "user=default,source=config,last_used=1700000000,connections=2,authentications=4,"
                "place=1,libraries=jedis 1_2|redis-py 1_2",
                names[1]: "user=default,source=config,last_used=1700000000,connections=1,authentications=1,"
                "place=2,libraries=1_2",
            },
        )
        for client in clients:
            self.server.plane.left(client)
        self.assertIn("connections=0,authentications=4", self.lines()[names[0]])

    def test_list(self) -> None:
        """CLIENT LIST says which one a connection used; none is shown before."""
        self.server.run("AUTH new")
        line = self.server.run("CLIENT INFO").decode()
        self.assertIn(f" secret={sha256(b'new').hexdigest()[:8]}\n", line)
        self.server.run("RESET")
        self.assertIn(" secret=\n", self.server.run("CLIENT INFO").decode())

    def test_permission_to_see_hashes(self) -> None:
        """Digits of hashes are for those who may ask for whole ones: others find none in INFO, CLIENT LIST, ACL LOG."""
        for name in ("old", "new"):
            self.server.run(f"AUTH {name}", self.server.connect())
        digits = {sha256(word).hexdigest()[:8].encode() for word in (b"old", b"new", b"pw")}
        asked = ("INFO secrets", "INFO everything", "CLIENT LIST", "ACL LOG")
        for rights, sees in (
            ("+@all", True),
            ("+@all -acl|getuser", False),
            ("-@all +info +client|list +acl|log", False),
        ):
            self.server.run(f"ACL SETUSER eve reset on >pw {rights}")
            eve = self.server.connect()
            self.server.run("AUTH eve pw", eve)
            self.server.run("AUTH eve wrong", eve)  # for ACL LOG, whose lines describe the client
            shown = {line: any(one in self.server.run(line, eve) for one in digits) for line in asked}
            self.assertEqual(shown, dict.fromkeys(asked, sees) | {"ACL LOG": False}, rights)

    def test_gone(self) -> None:
        """A removed password is shown as long as connections are there that used it."""
        self.server.run("AUTH old")
        self.server.run("CONFIG SET requirepass new")
        name = sha256(b"old").hexdigest()[:8]
        self.assertIn("user=,source=gone", self.lines()[name])
        self.server.plane.left(self.server.client)
        self.assertNotIn(name, self.lines())

    def test_adopted(self) -> None:
        """A client that is handed over counts as a connection, and not as a use. A client whose user is deleted
        executes nothing, and is closed at its next command."""
        self.server.run("ACL SETUSER bob on >pw +get")
        number = int(sha256(b"pw").hexdigest()[:16], 16)
        bob, ghost = self.server.connect(), self.server.connect()
        for client, user in ((bob, "bob"), (ghost, "ghost")):
            client.user, client.secret = user, number
            client.session.state.authenticated = True
            self.server.plane.adopted(client)
        secrets = self.server.store.secrets
        self.assertEqual((secrets.connections, secrets.used), ({number: 1}, {}))
        self.assertIsNotNone(bob.session.permissions)
        self.assertEqual((ghost.user, ghost.secret), ("default", 0))
        state = ghost.session.state
        self.assertEqual((state.authenticated, state.close_after_reply), (False, True))
