"""The limits where connections are accepted: real sockets and the real core; the test turns the loop."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.stats import DaemonCounters
from redistill.net import ports
from redistill.net.gate import Gate, host_of
from redistill.net.limits import AddressLimit, RateLimit, TotalLimit, packed
from redistill.net.loop import Loop
from tests.support import arena
from tests.support.served import Sockets


class Served(Protocol):
    """A client inside."""

    leaving: tuple[Any, ...] = ()


class Inner(Factory):
    """What the limits stand before."""

    protocol = Served
    raises = False

    def __init__(self) -> None:
        self.made: list[tuple[IAddress, Any]] = []
        self.on_made: Callable[[], object] = lambda: None

    def buildProtocol(self, addr: IAddress) -> Any:
        if self.raises:
            raise ValueError("odd")
        self.made.append((addr, Served()))
        self.on_made()
        return self.made[-1][1]


class GateTests(SynchronousTestCase):
    """Gate, and a port that has one"""

    def setUp(self) -> None:
        self.store = arena.opened(self)
        self.loop = Loop()
        self.addCleanup(self.loop.close)
        self.reactor = Sockets(self.loop)
        self.counters = DaemonCounters(publish=self.store.add)
        self.inner = Inner()
        admission = self.store.admission
        self.addresses = AddressLimit(self.inner, 0, self.counters, admission)
        self.total = TotalLimit(self.addresses, 0, 0, self.counters, admission)
        self.rate = RateLimit(self.total, 0, self.counters, admission, lambda: 5.0)
        self.gate = self.make_gate()

    def make_gate(self, **options: Any) -> Gate:
        return Gate(self.store.admission, self.rate, self.total, self.addresses, **options)

    def listen(self, family: int = socket.AF_INET, host: Any = ("127.0.0.1", 0), gate: Gate | None = None) -> Any:
        """The address of a port with the gate."""
        listener = socket.socket(family)
        self.addCleanup(listener.close)
        listener.bind(host)
        listener.listen(16)
        listener.setblocking(False)
        self.port: Any = ports.adopt_port(
            self.reactor, self.loop, listener.fileno(), family, self.rate, gate or self.gate
        )
        self.addCleanup(lambda port: port.connected and port.connectionLost(Failure(ConnectionError())), self.port)
        return listener.getsockname()

    def come(self, place: Any, family: int = socket.AF_INET) -> socket.socket:
        """Someone comes, and the loop has its turn."""
        client = socket.socket(family)
        self.addCleanup(client.close)
        client.settimeout(10)
        client.connect(place)
        self.reactor.turn()
        return client

    def test_shared_listeners(self) -> None:
        """Who accepts no more on a socket that listens for others, too, leaves it to them."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        for family, host in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, f"{directory.name}/s")):
            place = self.listen(family, host)
            self.port.stopListening()
            self.reactor.turn()
            self.assertFalse(self.port.connected)
            with socket.socket(family) as client:
                client.connect(place)

    def stats(self) -> dict[str, int]:
        """Those of connections, if not 0."""
        counted = self.store.counters().items()
        return {name: n for name, n in counted if n and (name.startswith("rejected") or name == "connections_received")}

    def test_who_is_let_in(self) -> None:
        """They become the factory's, with their address and the port's transport, over IPv4, IPv6 and UNIX."""
        directory = tempfile.TemporaryDirectory()  # a socket's path is short
        self.addCleanup(directory.cleanup)
        hosts = {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0), socket.AF_UNIX: f"{directory.name}/s"}
        for family, host in hosts.items():
            place = self.listen(family, host)
            client = self.come(place, family)
            addr, protocol = self.inner.made[-1]
            self.assertIs(protocol.transport.server, self.port)
            if family != socket.AF_UNIX:
                self.assertEqual((addr.host, addr.port), client.getsockname()[:2])  # type: ignore[attr-defined]
            protocol.transport.write(b"hello")
            self.assertEqual(client.recv(100), b"hello")

    def test_who_is_turned_away(self) -> None:
        """They are told why in the limit's words, counted, and the factories hear nothing of them."""
        place = self.listen()
        self.come(place)
        self.store.admission.take(1, time.monotonic() + 3600)  # nobody else may come in this second
        for limit in (self.total, self.addresses, self.rate):
            limit.limit = 1
            self.gate.apply()
            client = self.come(place)
            self.assertEqual((client.recv(100), client.recv(100)), (limit.words, b""))
            self.assertEqual(self.stats()[limit.counted_as], 1)
            limit.limit = 0
        self.assertEqual(len(self.inner.made), 1)
        self.assertEqual(self.stats()["rejected_connections"], 3)
        self.assertEqual(self.stats()["connections_received"], 3)  # the served one is counted by its protocol

    def test_kept_places(self) -> None:
        """Places that are kept for this machine are there for who comes over loopback."""
        self.total.limit, self.total.kept = 2, 1
        self.gate.apply()
        self.store.admission.enter(False, 0, 0)
        place = self.listen()
        self.come(place)
        self.assertEqual(len(self.inner.made), 1)
        self.assertEqual(self.come(place).recv(100), TotalLimit.words)

    def test_log(self) -> None:
        """One event says how many there were since the last, and who was the last of them."""
        self.total.limit = 1
        self.gate.apply()
        self.store.admission.enter(True, 0, 0)
        place = self.listen()
        with capturedLogs() as events:
            self.gate.report()
            for _ in range(3):
                self.come(place)
            self.gate.report()
            self.gate.report()
        fields = ("peer", "setting", "limit", "log_count")
        said = [tuple(event[name] for name in fields) for event in events if "setting" in event]
        self.assertEqual(said, [("127.0.0.1", "server.max_connections", 1, 3)])

    def test_silence(self) -> None:
        """Where nothing can be said the connection is just closed."""
        self.total.limit = 1
        self.store.admission.enter(True, 0, 0)
        self.assertEqual(self.come(self.listen(gate=self.make_gate(silent=True))).recv(100), b"")

    def test_who_was_let_through_may_be_refused_yet(self) -> None:
        """The factories have the last word, and say it themselves."""
        place = self.listen()
        self.total.limit = 1
        self.store.admission.enter(True, 0, 0)  # the gate was not told
        client = self.come(place)
        self.reactor.turn()
        self.assertEqual((client.recv(100), client.recv(100)), (TotalLimit.words, b""))
        self.assertEqual(self.stats()["rejected_maximum"], 1)

    def test_mistakes(self) -> None:
        """What a factory raises is logged; that connection is closed, and the next is served."""
        place = self.listen()
        self.inner.raises = True
        client = self.come(place)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(client.recv(100), b"")
        self.inner.raises = False
        self.come(place)
        self.assertEqual(len(self.inner.made), 1)

    def test_no_more_files(self) -> None:
        """Who cannot be accepted for want of a descriptor is dropped, as Twisted does, and others come in later."""
        place = self.listen()
        waiting = socket.socket()
        self.addCleanup(waiting.close)
        waiting.settimeout(10)
        waiting.connect(place)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with open(os.devnull) as highest:
            free = highest.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            self.reactor.turn()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertEqual(waiting.recv(100), b"")
        self.come(place)
        self.assertEqual(len(self.inner.made), 1)

    def test_gone_again(self) -> None:
        """Who has reset the connection before it is accepted disturbs nobody."""
        place = self.listen()
        client = socket.socket()
        client.connect(place)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        self.reactor.turn()
        self.come(place)
        self.assertEqual(len([one for one in self.inner.made if one[1].transport is not None]), 1)

    def test_stopped_meanwhile(self) -> None:
        """Who was accepted in the turn in which the port was closed is not left hanging."""
        places = [self.listen(), self.listen()]
        ports = self.loop.ports()
        self.inner.on_made = lambda: [port.stopReading() for port in ports]
        clients = [socket.create_connection(place, 10) for place in places]
        for client in clients:
            self.addCleanup(client.close)
        self.reactor.turn()
        self.assertEqual(len(self.inner.made), 1)
        self.inner.made[0][1].transport.write(b"in")
        self.assertEqual({client.recv(100) for client in clients}, {b"in", b""})

    def test_stopped(self) -> None:
        """A port that listens no more is out of the loop."""
        place = self.listen()
        self.port.stopReading()
        self.come(place)
        self.assertEqual((self.inner.made, self.loop.listeners), ([], {}))
        self.port.startReading()
        self.reactor.turn()
        self.assertEqual(len(self.inner.made), 1)

    def test_other_reactors(self) -> None:
        """When a reactor takes all that is read away the ports are among it."""
        self.listen()
        self.assertEqual(self.loop.ports(), [self.port])
        self.loop.connectionLost(Failure(ConnectionError()))
        self.assertEqual(self.loop.ports(), [])


class HostTests(SynchronousTestCase):
    """host_of"""

    def test_back_and_forth(self) -> None:
        """It is what was packed; a mapped address is the one of IPv4."""
        for host, shown in (
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ):
            addr = (IPv6Address if ":" in host else IPv4Address)("TCP", host, 1)
            self.assertEqual(host_of(packed(addr)), shown)

    def test_none(self) -> None:
        """Who comes over a UNIX socket has no address."""
        self.assertIsNone(host_of(bytes(16)))
