"""Listening on endpoints: it goes on until it can be, and what follows is what is wanted then."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from redistill.net.endpoints import LATER, PATIENCE, SOON, EndpointListener

TAKEN = CannotListenError("127.0.0.1", 1, OSError(98, "Address already in use"))


class Port:
    """A port that is closed when `closed` fires."""

    def __init__(self) -> None:
        self.stopped = 0
        self.closed: Deferred[None] = Deferred()

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 1)

    def stopListening(self) -> Deferred[None]:
        self.stopped += 1
        return self.closed


class EndpointListenerTests(SynchronousTestCase):
    """EndpointListener"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.tries = 0
        self.result: Any = None
        self.endpoint = EndpointListener(self.clock, "played:", self.listen, nodelay=True, keepalive=60)

    def listen(self) -> Any:
        self.tries += 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def test_taken_for_a_while(self) -> None:
        """A taken address is tried again soon, until a predecessor has stopped; nothing is logged."""
        self.result = fail(TAKEN)
        with capturedLogs() as events:
            self.endpoint.start()
            self.assertEqual(self.endpoint.problem, "Address already in use")
            self.result = succeed(port := Port())
            self.clock.advance(SOON)
        self.assertEqual((self.tries, self.endpoint.problem, port.stopped), (2, "", 0))
        self.assertEqual([event["log_format"] for event in events], ["listening on {endpoint}, {address}"])
        self.assertEqual((self.clock.getDelayedCalls(), events[0]["address"]), ([], "127.0.0.1:1"))

    def test_taken_for_long(self) -> None:
        """After a while it is said, once for each reason, and tried at longer intervals."""
        self.result = TAKEN
        with capturedLogs() as events:
            self.endpoint.start()
            for _ in range(round(PATIENCE / SOON) + 1):
                self.clock.advance(SOON)
            tries = self.tries
            self.clock.advance(LATER)
            self.result = ValueError("other")
            self.clock.advance(LATER)
        self.assertEqual(
            ([event["reason"] for event in events], self.tries - tries), (["Address already in use", "other"], 2)
        )
        self.endpoint.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_other_word_meanwhile(self) -> None:
        """A stop while it is about to listen closes the port that comes; a start while it closes listens again."""
        self.result = first = Deferred()
        self.endpoint.start()
        self.endpoint.stop()
        first.callback(port := Port())
        self.assertEqual(port.stopped, 1)
        self.endpoint.start()
        self.result = succeed(Port())
        self.assertEqual(self.tries, 1)
        port.closed.callback(None)
        self.assertEqual(self.tries, 2)
        self.endpoint.start()
        self.assertEqual(self.tries, 2)

    def test_no_port(self) -> None:
        """An endpoint that gives no port is tried again, and not at full speed."""
        self.result = None
        self.endpoint.start()
        self.assertEqual((self.tries, self.endpoint.problem != ""), (1, True))
        self.clock.advance(SOON)
        self.assertEqual(self.tries, 2)

    def test_stop_that_fails(self) -> None:
        """A port that cannot be closed is logged, and others can follow."""
        self.result = succeed(port := Port())
        self.endpoint.start()
        self.endpoint.stop()
        port.closed.errback(ZeroDivisionError())
        self.result = succeed(Port())
        self.endpoint.start()
        self.assertEqual((self.tries, len(self.flushLoggedErrors(ZeroDivisionError))), (2, 1))
