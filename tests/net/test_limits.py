"""Limits on connections."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from redistill.engine import Store
from redistill.net.limits import (
    AddressLimit,
    RateLimit,
    TotalLimit,
    is_local,
    packed,
)
from tests.support.arena import opened

HERE = IPv4Address("TCP", "127.0.0.1", 50000)
THERE = IPv4Address("TCP", "192.0.2.1", 50000)


class FakeAdmission:
    """Counts in dictionaries, and lets whom it was told to through the rate."""

    def __init__(self) -> None:
        self.open = self.local = 0
        self.addresses: dict[bytes, int] = {}
        self.taken: list[tuple[int, float]] = []
        self.room = True

    def enter(self, local: bool, limit: int, kept: int) -> bool:
        if limit and (self.open >= limit or (not local and self.open - self.local >= limit - kept)):
            return False
        self.open += 1
        self.local += local
        return True

    def leave(self, local: bool) -> None:
        self.open -= 1
        self.local -= local

    def enter_address(self, address: bytes, limit: int) -> bool:
        count = self.addresses.get(address, 0)
        if limit and count >= limit:
            return False
        self.addresses[address] = count + 1
        return True

    def leave_address(self, address: bytes) -> None:
        self.addresses[address] -= 1

    def take(self, local: bool, per_second: int, kept: int, seconds: float) -> bool:
        self.taken.append((local, per_second, kept, seconds))
        return self.room


class Served(Protocol):
    """A client that was let through."""

    releases: tuple[Callable[[], None], ...] = ()

    def connectionLost(self, reason: object = connectionDone) -> None:
        for release in self.releases:
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

    readmit = buildProtocol


def connect(factory: Any, address: IAddress = HERE) -> tuple[Any, StringTransport]:
    """A connection from `address`: its protocol and its transport."""
    protocol, transport = factory.buildProtocol(address), StringTransport()
    protocol.makeConnection(transport)
    return protocol, transport


def refusals(store: Store) -> dict[str, int]:
    """The counters of refused connections that are not 0. No client is served, so all received ones are refused."""
    counted = store.counters().items()
    return {name: n for name, n in counted if n and (name.startswith("rejected") or name == "connections_received")}


class TotalLimitTests(SynchronousTestCase):
    """TotalLimit"""

    def setUp(self) -> None:
        self.admission = FakeAdmission()
        self.limit = TotalLimit(Inner(), 2, 0, self.admission)

    def test_limit_is_reached_and_not_passed(self) -> None:
        """As many clients as the limit says are let through, unwrapped; the next is refused."""
        kinds = [type(connect(self.limit)[0]) is Served for _ in range(3)]
        self.assertEqual(kinds, [True, True, False])

    def test_refused_client_is_told_why(self) -> None:
        """A refused client gets Redis's line, then the connection is closed."""
        for _ in range(2):
            connect(self.limit)
        _, transport = connect(self.limit)
        self.assertEqual((transport.value(), transport.disconnecting), (TotalLimit.words, True))
        self.assertEqual(TotalLimit.words, b"-ERR max number of clients reached\r\n")

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
        self.assertEqual((self.admission.open, type(connect(self.limit)[0]) is Served), (2, False))

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
        """A call of the port to the limit reaches the factory behind it."""
        inner = Inner()
        limit = TotalLimit(inner, 1, 0, self.admission)
        limit.doStart()
        limit.doStop()
        self.assertEqual(inner.log, ["start", "stop"])


class KeptTests(SynchronousTestCase):
    """Places that TotalLimit keeps for clients of this machine"""

    def setUp(self) -> None:
        self.store = opened(self)
        self.limit = TotalLimit(Inner(), 3, 1, self.store.admission)

    def served(self, address: IAddress) -> bool:
        """Whether a client from there is served."""
        return type(connect(self.limit, address)[0]) is Served

    def test_operator_gets_in_when_it_is_full(self) -> None:
        """Others are refused before the last place is taken; who comes over loopback gets it."""
        self.assertEqual([self.served(THERE) for _ in range(3)], [True, True, False])
        self.assertEqual([self.served(HERE), self.served(HERE)], [True, False])
        self.assertEqual(refusals(self.store)["rejected_maximum"], 2)

    def test_who_is_local(self) -> None:
        """Loopback of IPv4, IPv6 and of one in the other, and the UNIX socket, are this machine; no other is."""
        local = [
            HERE,
            IPv4Address("TCP", "127.8.9.10", 1),
            IPv6Address("TCP", "::1", 1),
            IPv6Address("TCP", "::ffff:127.0.0.1", 1),
            UNIXAddress(None),
            UNIXAddress(b"/run/client"),
        ]
        others = [
            THERE,
            IPv4Address("TCP", "128.0.0.1", 1),
            IPv6Address("TCP", "::2", 1),
            IPv6Address("TCP", "fe80::1%eth0", 1),
            IPv6Address("TCP", "::ffff:192.0.2.1", 1),
        ]
        self.assertEqual([is_local(one) for one in local + others], [True] * len(local) + [False] * len(others))

    def test_place_is_kept_again(self) -> None:
        """A place that a local client leaves is not given to another one."""
        self.assertEqual([self.served(THERE), self.served(THERE)], [True, True])
        operator, _ = connect(self.limit, HERE)
        operator.connectionLost()
        self.assertEqual([self.served(THERE), self.served(HERE)], [False, True])


class AddressLimitTests(SynchronousTestCase):
    """AddressLimit"""

    def setUp(self) -> None:
        self.admission = FakeAdmission()
        self.limit = AddressLimit(Inner(), 1, self.admission)

    def test_each_address_has_its_own_count(self) -> None:
        """One address at its limit does not keep another out."""
        connect(self.limit, HERE)
        _, refused = connect(self.limit, HERE)
        served, _ = connect(self.limit, THERE)
        self.assertEqual((refused.value(), type(served)), (AddressLimit.words, Served))

    def test_place_of_a_lost_client_is_free(self) -> None:
        """When its client is lost an address may come again."""
        first, _ = connect(self.limit, HERE)
        first.connectionLost()
        self.assertEqual(list(self.admission.addresses.values()), [0])
        self.assertIs(type(connect(self.limit, HERE)[0]), Served)

    def test_ipv4_in_ipv6_is_the_same_address(self) -> None:
        """A client that comes to an IPv6 socket over IPv4 is counted with its IPv4 address."""
        connect(self.limit, HERE)
        _, refused = connect(self.limit, IPv6Address("TCP", "::ffff:127.0.0.1", 50000))
        self.assertEqual(refused.value(), AddressLimit.words)

    def test_unix_socket_is_not_limited(self) -> None:
        """Clients of the UNIX socket have no address."""
        self.assertEqual({type(connect(self.limit, UNIXAddress(None))[0]) for _ in range(3)}, {Served})


class RateLimitTests(SynchronousTestCase):
    """RateLimit"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.admission = FakeAdmission()
        self.limit = RateLimit(Inner(), 2, 1, self.admission, self.clock.seconds)

    def test_bucket_decides(self) -> None:
        """The bucket is asked with the limit and the time of now; without room the client is told to wait."""
        served, _ = connect(self.limit)
        self.clock.advance(7)
        self.admission.room = False
        _, refused = connect(self.limit)
        self.assertEqual((type(served), refused.value()), (Served, RateLimit.words))
        self.assertEqual(self.admission.taken, [(True, 2, 1, 0.0), (True, 2, 1, 7.0)])


def everyone() -> list[IAddress]:
    """Clients of each kind of address; two of them are the same one's, over IPv4 and over IPv6."""
    return [
        IPv4Address("TCP", "192.0.2.1", 1),
        IPv6Address("TCP", "::ffff:192.0.2.1", 2),
        IPv6Address("TCP", "2001:db8::1", 3),
        IPv6Address("TCP", "::1", 4),
        UNIXAddress(None),
    ]


class OrderTests(SynchronousTestCase):
    """The three limits around each other, in each order, over the counts of a real arena"""

    def setUp(self) -> None:
        self.store = opened(self)
        self.clock = Clock()
        self.inner = Inner()

    def stack(self, order: tuple[str, ...], **limits: int) -> Any:
        """The limits named in `order`, the outermost first; those that are not in `limits` are open."""
        admission = self.store.admission
        factory: Any = self.inner
        for name in reversed(order):
            limit = limits.get(name, 0)
            if name == "total":
                factory = TotalLimit(factory, limit, limits.get("kept", 0), admission)
            elif name == "address":
                factory = AddressLimit(factory, limit, admission)
            else:
                factory = RateLimit(factory, limit, 0, admission, self.clock.seconds)
        return factory

    def test_each_limit_holds_wherever_it_stands(self) -> None:
        """One limit at its bound refuses the next client with its own words and counter, the others open."""
        cases = (
            ("total", 4, TotalLimit.words, "rejected_maximum"),
            ("address", 1, AddressLimit.words, "rejected_address"),
            ("rate", 4, RateLimit.words, "rejected_rate"),
        )
        for order in itertools.permutations(("total", "address", "rate")):
            for name, limit, line, counter in cases:
                self.clock.advance(10)
                factory = self.stack(order, **{name: limit})
                self.store.reset_stats()
                came = [connect(factory, address) for address in everyone()]
                said = [transport.value() for _, transport in came if transport.value()]
                self.assertEqual(said, [line], (order, name))
                wanted = {"connections_received": 1, "rejected_connections": 1, counter: 1}
                self.assertEqual(refusals(self.store), wanted, (order, name))
                for protocol, _ in came:
                    protocol.connectionLost(connectionDone)
                self.assertEqual(self.store.workers.connections(), 0, (order, name))

    def test_all_of_them_together(self) -> None:
        """Whatever comes in whatever order: no bound is passed, each refusal is counted once and as one, and when all
        have gone every place is free again."""
        total, kept, of_address = 5, 2, 2
        for order in itertools.permutations(("total", "address", "rate")):
            for seed in range(20):
                chance = random.Random(seed)
                self.clock.advance(10)
                factory = self.stack(order, total=total, kept=kept, address=of_address, rate=9)
                self.store.reset_stats()
                inside: list[tuple[Any, IAddress]] = []
                refused = 0
                for _ in range(40):
                    if inside and chance.random() < 0.3:
                        inside.pop(chance.randrange(len(inside)))[0].connectionLost(connectionDone)
                        continue
                    address = chance.choice(everyone())
                    protocol, transport = connect(factory, address)
                    if type(protocol) is Served:
                        inside.append((protocol, address))
                    else:
                        refused += 1
                        self.assertTrue(transport.disconnecting)
                        protocol.connectionLost(connectionDone)
                    remote = [one for _, one in inside if not is_local(one)]
                    by_address = Counter(filter(None, (packed(one) for _, one in inside)))
                    self.assertLessEqual(len(inside), total)
                    self.assertLessEqual(len(remote), total - kept)
                    self.assertLessEqual(max(by_address.values(), default=0), of_address)
                    self.assertEqual(self.store.workers.connections(), len(inside))
                counted = refusals(self.store)
                self.assertEqual(counted.pop("connections_received"), refused)
                self.assertEqual(counted.pop("rejected_connections"), refused)
                self.assertEqual(sum(counted.values()), refused)
                self.assertGreater(refused, 0)
                for protocol, _ in inside:
                    protocol.connectionLost(connectionDone)
                self.assertEqual(self.store.workers.connections(), 0)
                self.assertEqual(self.store.check(), (0, ""))


class StackTests(SynchronousTestCase):
    """Limits around limits"""

    def test_refusal_within_frees_the_place_without(self) -> None:
        """A client that the outer limit admits and the inner one refuses holds no place after its close."""
        admission = FakeAdmission()
        total = TotalLimit(AddressLimit(Inner(), 1, admission), 10, 0, admission)
        connect(total)
        refused, transport = connect(total)
        self.assertEqual(transport.value(), AddressLimit.words)
        refused.connectionLost(connectionDone)
        self.assertEqual(admission.open, 1)

    def test_no_place_for_who_is_not_served(self) -> None:
        """A factory behind that gives no protocol, or fails, leaves nothing counted."""
        admission, inner = FakeAdmission(), Inner()
        limit = TotalLimit(inner, 10, 0, admission)
        self.patch(inner, "buildProtocol", lambda addr: None)
        self.assertIsNone(limit.buildProtocol(HERE))
        self.patch(inner, "buildProtocol", lambda addr: 1 // 0)
        self.assertRaises(ZeroDivisionError, limit.buildProtocol, HERE)
        self.assertEqual(admission.open, 0)

    def test_who_is_handed_over_is_counted_and_not_refused(self) -> None:
        """A connection that another worker let in counts against all limits, even beyond them; it takes no rate."""
        admission = FakeAdmission()
        addresses = AddressLimit(Inner(), 1, admission)
        limit = RateLimit(TotalLimit(addresses, 1, 0, admission), 1, 0, admission, Clock().seconds)
        connect(limit)
        moved = limit.readmit(HERE)
        self.assertEqual(
            (type(moved), admission.open, admission.taken), (Served, 2, [(True, 1, 0, 0.0), (True, 0, 0, 0.0)])
        )
        moved.connectionLost(connectionDone)  # type: ignore[union-attr]
        self.assertEqual((admission.open, list(admission.addresses.values())), (1, [1]))
