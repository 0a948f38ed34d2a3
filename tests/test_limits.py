"""Limits on connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from redistill.limits import TOO_FAST, TOO_MANY, TOO_MANY_OF_ADDRESS, AddressLimit, RateLimit, TotalLimit
from redistill.stats import DaemonCounters

HERE = IPv4Address("TCP", "127.0.0.1", 50000)
THERE = IPv4Address("TCP", "192.0.2.1", 50000)


class Served(Protocol):
    """A client that was let through."""

    leaving: tuple[Callable[[], None], ...] = ()

    def connectionLost(self, reason: object = connectionDone) -> None:
        for release in self.leaving:
            release()


@implementer(IProtocolFactory)
class Inner:
    """The factory that the limits stand before."""

    noisy = False

    def __init__(self) -> None:
        self.log: list[str] = []

    def doStart(self) -> None:
        self.log.append("start")

    def doStop(self) -> None:
        self.log.append("stop")

    def buildProtocol(self, addr: IAddress) -> Served:
        return Served()


def connect(factory: Any, address: IAddress = HERE) -> tuple[Any, StringTransport]:
    """A connection from `address`: its protocol and its transport."""
    protocol, transport = factory.buildProtocol(address), StringTransport()
    protocol.makeConnection(transport)
    return protocol, transport


class TotalLimitTests(SynchronousTestCase):
    """TotalLimit"""

    def setUp(self) -> None:
        self.counters = DaemonCounters()
        self.limit = TotalLimit(Inner(), 2, self.counters)

    def test_limit_is_reached_and_not_passed(self) -> None:
        """As many clients as the limit says are let through, unwrapped; the next is refused."""
        kinds = [type(connect(self.limit)[0]) is Served for _ in range(3)]
        self.assertEqual(kinds, [True, True, False])

    def test_refused_client_is_told_why(self) -> None:
        """A refused client gets Redis's line, then the connection is closed."""
        for _ in range(2):
            connect(self.limit)
        _, transport = connect(self.limit)
        self.assertEqual((transport.value(), transport.disconnecting), (TOO_MANY, True))
        self.assertEqual(TOO_MANY, b"-ERR max number of clients reached\r\n")

    def test_refused_client_is_counted(self) -> None:
        """The counters of INFO know the refused ones."""
        for _ in range(5):
            connect(self.limit)
        self.assertEqual(self.counters, DaemonCounters(connections_received=3, rejected_connections=3))

    def test_place_of_a_lost_client_is_free(self) -> None:
        """When a client is lost another is let through."""
        first, _ = connect(self.limit)
        connect(self.limit)
        first.connectionLost()
        self.assertEqual([type(connect(self.limit)[0]) is Served for _ in range(2)], [True, False])

    def test_refused_client_holds_no_place(self) -> None:
        """The end of a refused connection frees no place, for it had none."""
        for _ in range(2):
            connect(self.limit)
        refused, _ = connect(self.limit)
        refused.connectionLost(connectionDone)
        self.assertEqual((self.limit.open, type(connect(self.limit)[0]) is Served), (2, False))

    def test_zero_is_no_limit(self) -> None:
        """0 lets everybody through."""
        self.limit.limit = 0
        self.assertEqual({type(connect(self.limit)[0]) for _ in range(50)}, {Served})

    def test_lower_limit_closes_nobody(self) -> None:
        """A limit that is lowered at run time holds for those who come."""
        _, transport = connect(self.limit)
        self.limit.limit = 1
        self.assertFalse(transport.disconnecting)
        self.assertIsNot(type(connect(self.limit)[0]), Served)

    def test_inner_factory_is_started_and_stopped(self) -> None:
        """What the port tells the limit reaches the factory behind it."""
        inner = Inner()
        limit = TotalLimit(inner, 1, self.counters)
        limit.doStart()
        limit.doStop()
        self.assertEqual(inner.log, ["start", "stop"])


class AddressLimitTests(SynchronousTestCase):
    """AddressLimit"""

    def setUp(self) -> None:
        self.limit = AddressLimit(Inner(), 1, DaemonCounters())

    def test_each_address_has_its_own_count(self) -> None:
        """One address at its limit does not keep another out."""
        connect(self.limit, HERE)
        _, refused = connect(self.limit, HERE)
        served, _ = connect(self.limit, THERE)
        self.assertEqual((refused.value(), type(served)), (TOO_MANY_OF_ADDRESS, Served))

    def test_place_of_a_lost_client_is_free(self) -> None:
        """When its client is lost an address may come again, and nothing is remembered of it."""
        first, _ = connect(self.limit, HERE)
        first.connectionLost()
        self.assertEqual(self.limit._open, {})
        self.assertIs(type(connect(self.limit, HERE)[0]), Served)

    def test_ipv4_in_ipv6_is_the_same_address(self) -> None:
        """A client that comes to an IPv6 socket over IPv4 is counted with its IPv4 address."""
        connect(self.limit, HERE)
        _, refused = connect(self.limit, IPv6Address("TCP", "::ffff:127.0.0.1", 50000))
        self.assertEqual(refused.value(), TOO_MANY_OF_ADDRESS)

    def test_unix_socket_is_not_limited(self) -> None:
        """Clients of the UNIX socket have no address."""
        self.assertEqual({type(connect(self.limit, UNIXAddress(None))[0]) for _ in range(3)}, {Served})


class RateLimitTests(SynchronousTestCase):
    """RateLimit"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.limit = RateLimit(Inner(), 2, DaemonCounters(), self.clock)

    def test_more_in_a_second_are_refused(self) -> None:
        """Two may come at once, the third is told to wait."""
        connect(self.limit)
        connect(self.limit)
        _, refused = connect(self.limit)
        self.assertEqual(refused.value(), TOO_FAST)

    def test_room_comes_back_steadily(self) -> None:
        """At two a second there is room for one after half a second, and not before."""
        connect(self.limit)
        connect(self.limit)
        self.clock.advance(0.499)
        self.assertIsNot(type(connect(self.limit)[0]), Served)
        self.clock.advance(0.001)
        self.assertIs(type(connect(self.limit)[0]), Served)

    def test_room_is_not_saved_up(self) -> None:
        """After a long silence two may come at once, not more."""
        self.clock.advance(1000)
        self.assertEqual([type(connect(self.limit)[0]) is Served for _ in range(3)], [True, True, False])


class StackTests(SynchronousTestCase):
    """Limits around limits"""

    def test_refusal_within_frees_the_place_without(self) -> None:
        """Who is let through by the outer limit and refused by the inner one holds no place when it is gone."""
        counters = DaemonCounters()
        total = TotalLimit(AddressLimit(Inner(), 1, counters), 10, counters)
        connect(total)
        refused, transport = connect(total)
        self.assertEqual(transport.value(), TOO_MANY_OF_ADDRESS)
        refused.connectionLost(connectionDone)
        self.assertEqual(total.open, 1)
