"""Two settings on one address."""

from __future__ import annotations

import itertools
import socket

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.collisions import Place, overlap
from redistill.net.sockets import StartError, listen_on
from tests.config.test_load import ConfigCase


class OverlapTests(SynchronousTestCase):
    """`overlap`"""

    def test_as_the_kernel_does(self) -> None:
        """Two addresses overlap if the kernel refuses to listen on both, whichever comes first."""
        hosts = ("127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "only ::")
        for first, second in itertools.product(hosts, repeat=2):
            with socket.socket(socket.AF_INET6) as free:
                free.bind(("::", 0))
                port = free.getsockname()[1]
            places, bound, refused = [], [], False
            try:
                for host in (first, second):
                    only_v6 = host.startswith("only ")
                    addresses = (["127.0.0.3"] * only_v6) + [host.removeprefix("only ")]
                    places.append(Place("s", addresses[-1], port, only_v6))
                    try:
                        bound += listen_on(addresses, port, nodelay=True, keepalive=0)[-1]
                    except StartError:
                        refused = True
            finally:
                for one in bound:
                    one.close()
            if "only" not in first + second:  # which listens on one more, as the server does
                self.assertEqual(overlap(*places), refused, places)
                self.assertEqual(overlap(*places[::-1]), refused, places)

    def test_only_v6(self) -> None:
        """:: does not stand for IPv4 where an address of IPv4 is named beside it."""
        v4 = Place("a", "127.0.0.1", 1)
        self.assertFalse(overlap(v4, Place("b", "::", 1, True)))
        self.assertTrue(overlap(v4, Place("b", "::", 1, False)))
        self.assertFalse(overlap(v4, Place("b", "::", 2, False)))


class CollisionTests(ConfigCase):
    """Configurations with two listeners on one address."""

    def test_refused(self) -> None:
        """The setting to change, and both addresses."""
        lines = {
            "[server]\nport = 7000\nhealth_check_port = 7000": "server.health_check_port: 127.0.0.1:7000 collides with"
            " 127.0.0.1:7000, of server.port; set another one",
            "[server]\nport = 7000\n[security]\ntls_port = 7000\ntls_cert_path = '/x'\ntls_key_path = '/x'": "security.tls_port:"
            " 127.0.0.1:7000 collides with 127.0.0.1:7000, of server.port; set another one",
            '[server]\nhealth_check_bind = "::"\nhealth_check_port = 6379': "server.health_check_port: [::]:6379"
            " collides with 127.0.0.1:6379, of server.port; set another one",
            '[server]\nendpoints = "tcp:6379:interface=127.0.0.1"': "server.endpoints: 127.0.0.1:6379 collides with"
            " 127.0.0.1:6379, of server.port; set another one",
            '[server]\nport = 7000\nendpoints = ["unix:/run/a/s", "unix:/run/a/../a/s"]': "server.endpoints: /run/a/../a/s"
            " collides with /run/a/s, of the same setting; leave one out",
            '[server]\nunix_socket = "/run/s"\nendpoints = "unix:/run/s"': "server.endpoints: /run/s collides with"
            " /run/s, of server.unix_socket; set another one",
            '[security]\npassword = "p"\n[server]\nbind = ["0.0.0.0", "127.0.0.1"]': "server.bind: 127.0.0.1:6379"
            " collides with 0.0.0.0:6379, of the same setting; leave one out",
        }
        self.assertEqual(
            {text: self.refused(text) for text in lines}, {text: f"FILE: {line}" for text, line in lines.items()}
        )

    def test_accepted(self) -> None:
        """Other ports, other addresses, a port that the system chooses, and a setting that is off."""
        for text in (
            '[server]\nhealth_check_bind = "127.0.0.2"\nhealth_check_port = 6379',
            '[server]\nhealth_check_bind = "::1"\nhealth_check_port = 6379',
            '[server]\nendpoints = ["tcp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.1"]',
            '[server]\nport = 0\nunix_socket = "/s"\nhealth_check_port = 6379',
            '[server]\nbind = ["127.0.0.1", "-::1"]\nhealth_check_port = 8080',
            '[security]\npassword = "p"\n[server]\nbind = ["0.0.0.0", "::"]',
        ):
            self.load(text)

    def test_all_in_the_second_place(self) -> None:
        """The setting that the configuration names is the one to change, though the other comes first."""
        self.assertTrue(
            self.refused("[server]\nport = 8080", {"REDIS_HEALTH_CHECK_PORT": "8080"}).startswith(
                "REDIS_HEALTH_CHECK_PORT: server.health_check_port: 127.0.0.1:8080 collides"
            )
        )
