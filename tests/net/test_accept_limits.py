"""The limits where connections are accepted: real sockets and the real core; the test turns the loop."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
import time
from collections.abc import Callable
from typing import Any

from redistill._core import ffi, lib
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from redistill.net import ports
from redistill.net.accept_limits import AcceptLimits, host_of
from redistill.net.limits import AddressLimit, RateLimit, TotalLimit, packed
from redistill.net.loop import Loop
from tests.support import arena
from tests.support.served import Sockets

REFUSED = {TotalLimit: "rejected_maximum", AddressLimit: "rejected_address", RateLimit: "rejected_rate"}
"""The counter of each limit's refusals."""


class Served(Protocol):
    """An admitted client."""

    releases: tuple[Any, ...] = ()


class Inner(Factory):
    """The factory behind the limits."""

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


class AcceptLimitsTests(SynchronousTestCase):
    """AcceptLimits, and a port that has them"""

    def setUp(self) -> None:
        self.store = arena.opened(self)
        self.loop = Loop()
        self.addCleanup(self.loop.close)
        self.reactor = Sockets(self.loop)
        self.inner = Inner()
        admission = self.store.admission
        self.addresses = AddressLimit(self.inner, 0, admission)
        self.total = TotalLimit(self.addresses, 0, 0, admission)
        self.rate = RateLimit(self.total, 0, 0, admission, lambda: 5.0)
        self.limits = self.make_limits()

    def make_limits(self, **options: Any) -> AcceptLimits:
        return AcceptLimits(self.store.admission, self.rate, self.total, self.addresses, **options)

    def listen(
        self, family: int = socket.AF_INET, host: Any = ("127.0.0.1", 0), limits: AcceptLimits | None = None
    ) -> Any:
        """The address of a port with the limits."""
        listener = socket.socket(family)
        self.addCleanup(listener.close)
        listener.bind(host)
        listener.listen(16)
        listener.setblocking(False)
        self.port: Any = ports.adopt_port(
            self.reactor, self.loop, listener.fileno(), family, self.rate, limits or self.limits
        )
        self.addCleanup(lambda port: port.connected and port.connectionLost(Failure(ConnectionError())), self.port)
        return listener.getsockname()

    def come(self, place: Any, family: int = socket.AF_INET) -> socket.socket:
        """A client connects, and the loop has its turn."""
        client = socket.socket(family)
        self.addCleanup(client.close)
        client.settimeout(10)
        client.connect(place)
        self.reactor.turn()
        return client

    def test_shared_listeners(self) -> None:
        """A process that stops accepting on a shared listening socket leaves the socket to the others."""
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
        """The counters of connections, if not 0."""
        counted = self.store.counters().items()
        return {name: n for name, n in counted if n and (name.startswith("rejected") or name == "connections_received")}

    def test_admitted_clients(self) -> None:
        """The factory gets admitted clients, with their address and the port's transport, over IPv4, IPv6 and UNIX."""
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

    def test_refused_clients(self) -> None:
        """Refused clients get the limit's error line and are counted; the factories do not see them."""
        place = self.listen()
        self.come(place)
        self.store.admission.take(True, 1, 0, time.monotonic() + 3600)  # the rate of this second is used up
        for limit in (self.total, self.addresses, self.rate):
            limit.limit = 1
            self.limits.apply()
            client = self.come(place)
            self.assertEqual((client.recv(100), client.recv(100)), (limit.words, b""))
            self.assertEqual(self.stats()[REFUSED[type(limit)]], 1)
            limit.limit = 0
        self.assertEqual(len(self.inner.made), 1)
        self.assertEqual(self.stats()["rejected_connections"], 3)
        self.assertEqual(self.stats()["connections_received"], 3)  # the served one is counted by its protocol

    def test_kept_places(self) -> None:
        """Reserved places are left for clients over loopback."""
        self.total.limit, self.total.kept = 2, 1
        self.limits.apply()
        self.store.admission.enter(False, 0, 0)
        place = self.listen()
        self.come(place)
        self.assertEqual(len(self.inner.made), 1)
        self.assertEqual(self.come(place).recv(100), TotalLimit.words)

    def test_log(self) -> None:
        """One event says how many clients were refused since the last event, and the address of the last one."""
        self.total.limit = 1
        self.limits.apply()
        self.store.admission.enter(True, 0, 0)
        place = self.listen()
        with capturedLogs() as events:
            self.limits.report()
            for _ in range(3):
                self.come(place)
            self.limits.report()
            self.limits.report()
        fields = ("peer", "setting", "limit", "log_count")
        said = [tuple(event[name] for name in fields) for event in events if "setting" in event]
        self.assertEqual(said, [("127.0.0.1", "server.max_connections", 1, 3)])
        (event,) = (event for event in events if "setting" in event)
        self.assertEqual(
            (event["log_from"], event["log_from_more"], event["log_kind"]),
            (["127.0.0.1"], False, "server.max_connections"),
        )

    def test_log_of_addresses(self) -> None:
        """The event has the different addresses since the last event, as far as they fit, and says if there were more;
        a UNIX socket has none."""
        core = self.limits.core
        self.store.admission.enter(True, 0, 0)
        self.total.limit = 1
        self.limits.apply()
        most = lib.RD_REFUSED_ADDRESSES
        for count, more in ((2, False), (most, False), (most + 1, True), (most + 50, True)):
            hosts = [f"192.0.2.{number}" for number in range(count)]
            with capturedLogs() as events:
                for host in [*hosts, *hosts]:
                    lib.rd_refuse_early(core, packed(IPv4Address("TCP", host, 1)), 1)
                lib.rd_refuse_early(core, ffi.NULL, 1)
                self.limits.report()
            (event,) = (event for event in events if "setting" in event)
            self.assertEqual(event["log_count"], 2 * count + 1)
            self.assertEqual((event["log_from"], event["log_from_more"]), (hosts[:most], more or count == most))

    def test_silence(self) -> None:
        """Without an error line the connection is just closed."""
        self.total.limit = 1
        self.store.admission.enter(True, 0, 0)
        self.assertEqual(self.come(self.listen(limits=self.make_limits(silent=True))).recv(100), b"")

    def test_the_factories_may_still_refuse(self) -> None:
        """The factories refuse a client that exceeds a limit meanwhile, and count it in the same counters."""
        place = self.listen()
        self.total.limit = 1
        self.store.admission.enter(True, 0, 0)  # not applied at the listening socket
        client = self.come(place)
        self.reactor.turn()
        self.assertEqual((client.recv(100), client.recv(100)), (TotalLimit.words, b""))
        self.assertEqual(self.stats()["rejected_maximum"], 1)

    def test_mistakes(self) -> None:
        """An exception of a factory is logged; the connection is closed, and the next is served."""
        place = self.listen()
        self.inner.raises = True
        client = self.come(place)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(client.recv(100), b"")
        self.inner.raises = False
        self.come(place)
        self.assertEqual(len(self.inner.made), 1)

    def test_no_more_files(self) -> None:
        """A client that cannot be accepted for lack of a descriptor is dropped, as by Twisted; later ones are served."""
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
        """A client that has reset its connection before it is accepted disturbs no other."""
        place = self.listen()
        client = socket.socket()
        client.connect(place)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        self.reactor.turn()
        self.come(place)
        self.assertEqual(len([one for one in self.inner.made if one[1].transport is not None]), 1)

    def test_stopped_meanwhile(self) -> None:
        """A client that was accepted in the turn in which the port was closed gets an end."""
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
        """When a reactor removes all readers, the ports are among them."""
        self.listen()
        self.assertEqual(self.loop.ports(), [self.port])
        self.loop.connectionLost(Failure(ConnectionError()))
        self.assertEqual(self.loop.ports(), [])


class HostTests(SynchronousTestCase):
    """host_of"""

    def test_back_and_forth(self) -> None:
        """host_of returns the address that was packed; a mapped address becomes that of IPv4."""
        for host, shown in (
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ):
            addr = (IPv6Address if ":" in host else IPv4Address)("TCP", host, 1)
            self.assertEqual(host_of(packed(addr)), shown)

    def test_none(self) -> None:
        """A client over a UNIX socket has no address."""
        self.assertIsNone(host_of(bytes(16)))
