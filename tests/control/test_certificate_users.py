"""Users that a client's certificate names."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.net.interfaces import Certificate
from tests.support.control import Server


class CertificateTests(SynchronousTestCase):
    """Users that a client's certificate names."""

    def setUp(self) -> None:
        self.server = Server({"security.password": ("secret",), "security.tls_auth_user": "cn"})
        self.server.run("ACL SETUSER app on +get")
        self.server.run("ACL SETUSER gone +get")

    def user_of(self, user: str, subject: str = "CN=x") -> tuple[str, bool]:
        """The user of a client with such a certificate, and whether it is authenticated."""
        client = self.server.connect(certificate=Certificate(subject, user))
        return client.user, client.session.state.authenticated

    def test_named(self) -> None:
        """A certificate authenticates an existing user that is on; any other client needs a password."""
        self.assertEqual(self.user_of("app"), ("app", True))
        for user in ("gone", "nobody", ""):
            self.assertEqual(self.user_of(user), ("default", False))

    def test_reset(self) -> None:
        """RESET makes the client the user of its certificate again."""
        client = self.server.connect(certificate=Certificate("CN=app", "app"))
        self.server.run("AUTH secret", client)
        self.assertEqual(client.user, "default")
        self.server.run("RESET", client)
        self.assertEqual((client.user, client.session.state.authenticated), ("app", True))

    def test_off(self) -> None:
        """With tls-auth-clients-user off a certificate authenticates no client."""
        self.server.run("CONFIG SET tls-auth-clients-user off")
        self.assertEqual(self.user_of("app"), ("default", False))

    def test_list(self) -> None:
        """CLIENT LIST has the subject as one word."""
        client = self.server.connect(certificate=Certificate("CN=my app,O=Å\n", ""))
        line = self.server.run("CLIENT INFO", client).decode()
        self.assertTrue(line.endswith(" tls-subject=CN=my%20app,O=%C3%85%0A\n\r\n"), line)
