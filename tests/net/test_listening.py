"""Listening sockets that become others while the server runs."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from redistill.base.failures import Refused
from redistill.config.config import Config
from redistill.net.listening import Listening, spread
from redistill.net.sockets import StartError, passed_sockets
from tests.integration.servers import free_port
from tests.support.certificates import Certificates

OPEN = {"security.password": ("a password that is long",)}


class ListeningTests(SynchronousTestCase):
    """Listening"""

    def setUp(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="rd-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, "s")
        self.port = free_port()

    def config(self, **changes: Any) -> Config:
        """On `port` and `path`, but for `changes` in [server]."""
        changes = {"port": self.port, "unix_socket": self.path, **changes}
        return Config().replace({**{f"server.{name}": value for name, value in changes.items()}, **OPEN})

    def listen(self, workers: int = 1, **changes: Any) -> Listening:
        """Sockets that are closed after the test."""
        listening = Listening(self.config(**changes), workers)
        self.addCleanup(listening.close)
        return listening

    def answers(self, port: int, host: str = "127.0.0.1") -> bool:
        """Whether somebody listens there."""
        with socket.socket() as client:
            client.settimeout(10)
            return client.connect_ex((host, port)) == 0

    def given(self, family: socket.AddressFamily, address: object, **options: int) -> int:
        """The descriptor of a socket that the service manager listens on."""
        made = socket.socket(family, socket.SOCK_STREAM)
        self.addCleanup(made.close)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options.get("only_v6", 0))
        made.bind(address)  # type: ignore[arg-type]
        made.listen()
        return made.fileno()

    def test_passed_sockets(self) -> None:
        """All workers accept on the sockets of the service manager for addresses that the configuration names, and these
        stay open, with their file, when the server ends."""
        tcp, v6 = self.given(socket.AF_INET, ("127.0.0.1", self.port)), self.given(socket.AF_INET6, ("::1", self.port))
        other, unix = self.given(socket.AF_INET, ("127.0.0.1", 0)), self.given(socket.AF_UNIX, self.path)
        with open(os.devnull) as file:
            passed = passed_sockets([tcp, v6, other, unix, file.fileno()])
        self.assertEqual(list(passed), [tcp, v6, other, unix])
        for workers in (1, 3):
            passed = passed_sockets([tcp, v6, other, unix])
            listening = Listening(self.config(bind=("127.0.0.1", "::1")), workers, passed)
            self.assertEqual(listening.adopted, {tcp, v6, unix})
            self.assertEqual(listening.listeners, [[passed[tcp], passed[v6], passed[unix]]] * workers)
            self.assertEqual(passed[other].fileno(), -1)
            self.assertTrue(passed[tcp].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            listening.apply(self.config(port=free_port()))
            listening.settle()
            listening.close()
            self.assertEqual(passed[tcp].fileno(), -1)
            self.assertEqual((self.answers(self.port), os.path.exists(self.path)), (True, True))

    def test_any_address_that_was_passed(self) -> None:
        """A socket for IPv4 and IPv6 is that of "::", and of nothing else: the refusal names both addresses."""
        passed = passed_sockets([self.given(socket.AF_INET6, ("::", self.port))])
        listening = Listening(self.config(bind=("::",)), 1, passed)
        self.addCleanup(listening.close)
        self.assertEqual(len(listening.adopted), 1)
        for bind in ("0.0.0.0", "127.0.0.1"):
            passed = passed_sockets(listening.adopted)
            config = self.config(bind=(bind,), unix_socket="")
            problem = self.assertRaises(StartError, Listening, config, 1, passed)
            self.assertIn(f"the .socket unit has ListenStream= [::]:{self.port}", str(problem))
            self.assertTrue(all(one.fileno() < 0 for one in passed.values()))

    def test_port(self) -> None:
        """The new port is open before the old one is closed; the UNIX socket stays the same."""
        for workers in (1, 3):
            listening = self.listen(workers)
            before, port = listening.listeners, free_port()
            listening.apply(self.config(port=port))
            self.assertEqual((self.answers(self.port), self.answers(port)), (True, True))
            listening.settle()
            self.assertEqual((self.answers(self.port), self.answers(port)), (False, True))
            self.assertEqual([len(some) for some in listening.listeners], [2] * workers)
            self.assertIs(before[0][-1], listening.listeners[0][-1])
            listening.close()
            self.assertFalse(os.path.exists(self.path))

    def test_nothing_else(self) -> None:
        """A change of other settings is none."""
        listening = self.listen()
        before = listening.listeners
        listening.apply(self.config(max_connections=5))
        self.assertIs(listening.listeners, before)

    def test_taken_port(self) -> None:
        """A change with an address that cannot be bound is refused, and its other sockets are closed again."""
        listening = self.listen(2)
        before = listening.listeners
        with socket.socket() as taken:
            taken.bind(("127.0.0.2", 0))
            taken.listen()
            port = taken.getsockname()[1]
            changed = self.config(port=port, bind=("127.0.0.3", "127.0.0.2"))
            refusal = self.assertRaises(Refused, listening.apply, changed)
            self.assertEqual(refusal.directive, "bind")
            refusal = self.assertRaises(Refused, self.listen(port=0, unix_socket=self.path + "2").apply, changed)
        self.assertIn("cannot listen on 127.0.0.2 port", str(refusal))
        self.assertIs(listening.listeners, before)
        self.assertEqual((self.answers(self.port), self.answers(port, "127.0.0.3")), (True, False))

    def test_overlap(self) -> None:
        """From one address to all of them, and back, on the same port; and what stays is the same socket."""
        for workers in (1, 3):
            listening = self.listen(workers)
            for addresses in (("0.0.0.0",), ("127.0.0.1", "127.0.0.2"), ("127.0.0.2",), ("127.0.0.1", "127.0.0.2")):
                listening.apply(self.config(bind=addresses))
                listening.settle()
                self.assertTrue(self.answers(self.port, "127.0.0.2"))
            kept = listening.listeners[0][1]
            listening.apply(self.config(bind=("127.0.0.2",)))
            self.assertIs(listening.listeners[0][0], kept)
            listening.close()

    def test_who_waits_stays(self) -> None:
        """A client in the queue of an address that stays is accepted after the change."""
        listening = self.listen()
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            listening.apply(self.config(bind=("127.0.0.1", "127.0.0.2")))
            listening.settle()
            accepted, _ = listening.listeners[0][0].accept()
            with accepted:
                self.assertEqual(accepted.getpeername(), client.getsockname())

    def test_taken_back(self) -> None:
        """Before it is settled a change can be taken back, and the sockets are those of before."""
        listening = self.listen()
        before = listening.listeners[0]
        port = free_port()
        listening.apply(self.config(port=port))
        listening.apply(self.config())
        listening.settle()
        self.assertEqual(listening.listeners[0], before)
        self.assertEqual((self.answers(self.port), self.answers(port)), (True, False))

    def test_no_port(self) -> None:
        """Port 0 leaves the UNIX socket."""
        listening = self.listen(2)
        listening.apply(self.config(port=0))
        listening.settle()
        self.assertEqual([len(some) for some in listening.listeners], [1, 1])
        self.assertFalse(self.answers(self.port))

    def test_port_for_tls_stays(self) -> None:
        """The TLS port keeps its socket when the plain port changes, and moves to another address with it."""
        tls = free_port()
        certificate, key = Certificates(self).sign("server")
        more = {"security.tls_port": tls, "security.tls_cert_path": certificate, "security.tls_key_path": key}
        listening = Listening(self.config().replace(more), 1)
        self.addCleanup(listening.close)
        kept = listening.listeners[0][1]
        listening.apply(self.config(port=free_port()).replace(more))
        self.assertIs(listening.listeners[0][1], kept)
        listening.apply(self.config(bind=("127.0.0.2",)).replace(more))
        listening.settle()
        self.assertEqual((self.answers(tls), self.answers(tls, "127.0.0.2")), (False, True))
        self.assertRaises(Refused, listening.apply, self.config(port=tls, bind=("127.0.0.2",)).replace(more))

    def test_start(self) -> None:
        """A start that fails leaves no socket behind."""
        self.assertRaises(StartError, Listening, self.config(unix_socket=self.directory), 1)
        self.assertFalse(self.answers(self.port))

    def test_spread(self) -> None:
        """Each socket comes once, with the workers that it is of."""
        listening = self.listen(2)
        one, two = listening.listeners
        self.assertEqual(spread(listening.listeners), [(one[0], [0]), (one[1], [0, 1]), (two[0], [1])])
