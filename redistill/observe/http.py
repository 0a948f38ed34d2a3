"""HTTP for the health port, with a bound on the input, the connections and the work of clients.

The process that answers here also supervises workers, or serves clients of the cache. Its turns stay short, however
many requests arrive: it answers requests for `TURN` seconds a turn of the reactor, a request and the reading of its
reply have `REQUEST_SECONDS` each, and one read gets one answer (no pipelining).

At the limit of connections a new one replaces one that has not sent a whole request, or does not read its reply. Slow
connections, however many, therefore keep no client out.
"""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HttpRequest
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

REQUEST_SECONDS = 10
"""Seconds for a whole request, from the connection or from the reply before; and again for reading the reply."""
LINGER = 2
"""Seconds from the end of `REQUEST_SECONDS` until the connection is aborted, even if output waits."""
CONNECTIONS = 128
"""Connections that may be open at the same time."""
PER_ADDRESS = 112
"""Connections of one address that may be open at the same time."""
NOT_LOCAL = 120
"""Connections from other machines that may be open at the same time; the rest is for probes on this machine."""
TURN = 0.002
"""Seconds of answering in one turn of the reactor; the last request is finished."""
TOO_LARGE = b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

Refuse = Callable[[HttpRequest], "tuple[int, bytes] | None"]
"""The status and text of a refusal; None if the request is answered."""


class Turns:
    """Answers requests in the order of arrival, for `TURN` seconds a turn of the reactor."""

    def __init__(self, reactor: Any, ticks: Callable[[], float] = time.perf_counter) -> None:
        self._reactor = reactor
        self._ticks = ticks
        self._waiting: deque[Callable[[], None]] = deque()
        self._due = False

    def add(self, answer: Callable[[], None]) -> None:
        """Call `answer` in a later turn."""
        self._waiting.append(answer)
        if not self._due:
            self._due = True
            self._reactor.callLater(0, self._next)

    def _next(self) -> None:
        end = self._ticks() + TURN
        while self._waiting:
            self._waiting.popleft()()
            if self._ticks() >= end:
                break
        self._due = bool(self._waiting)
        if self._due:
            self._reactor.callLater(0, self._next)


class BoundedRequest(Request):
    """A request without a body, answered in its turn. A body is refused at its head, and none of it is stored."""

    channel: Any
    _gone = False

    def gotLength(self, length: int | None) -> None:
        if length or (length is None and self.requestHeaders.hasHeader("transfer-encoding")):
            self.channel.write(TOO_LARGE)
            self.channel.loseConnection()
            self.requestHeaders.removeHeader(b"expect")  # otherwise the client would get 100 Continue
        super().gotLength(0)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        """Drop the chunk."""

    def process(self) -> None:
        self.channel.answering = True
        self.channel.site.turns.add(self._answer)

    def _answer(self) -> None:
        if self._gone:
            return
        refused = self.channel.site.refuse(self)
        if refused is None:
            super().process()  # type: ignore[no-untyped-call]
            return
        status, text = refused
        self.setResponseCode(status, b"Misdirected Request" if status == 421 else None)
        self.responseHeaders.setRawHeaders(b"content-type", [b"text/plain; charset=utf-8"])
        self.responseHeaders.setRawHeaders(b"content-length", [b"%d" % len(text)])
        self.write(text)  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure) -> None:
        self._gone = True
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


class BoundedChannel(HTTPChannel):
    """One connection. Its time-out is a deadline; bytes that arrive do not extend it."""

    transport: Any
    callLater: Any
    site: BoundedSite
    address = ""
    """The address under which the connection counts; see `counted_as`."""
    answering = False
    """Whether a whole request waits for its turn."""
    _cut: Any = None
    _closing = False

    def resetTimeout(self) -> None:
        """Do nothing: bytes that arrive do not extend the time."""

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.site.opened(self)

    def dataReceived(self, data: bytes) -> None:
        if not self._closing:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def loseConnection(self) -> None:
        if not self._closing:
            self._closing = True
            super().loseConnection()  # type: ignore[no-untyped-call]

    def rawDataReceived(self, data: bytes) -> None:
        """Drop bytes after a request that is not answered yet, and close the connection after its reply."""
        if not self.answering:
            super().rawDataReceived(data)
        elif data.strip():
            self.persistent = 0
            self.requests[0].responseHeaders.setRawHeaders(b"connection", [b"close"])

    def requestDone(self, request: HttpRequest) -> None:
        self.answering = False
        super().requestDone(request)  # type: ignore[no-untyped-call]
        if not self.persistent:
            self.setTimeout(REQUEST_SECONDS)  # type: ignore[no-untyped-call]

    def timeoutConnection(self) -> None:
        self.loseConnection()
        self._cut = self.callLater(LINGER, self.cut)

    def cut(self) -> None:
        """Close at once; output that was not sent is lost."""
        self._forget_cut()
        self.transport.abortConnection()

    def _forget_cut(self) -> None:
        call, self._cut = self._cut, None
        if call is not None and call.active():
            call.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._forget_cut()
        self.site.closed(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


class BoundedSite(Site):
    """The connections, and their limit. Requests are not logged, because probes come every second."""

    noisy = False
    displayTracebacks = False
    protocol: Any = BoundedChannel

    def __init__(self, reactor: Any, root: IResource, refuse: Refuse) -> None:
        super().__init__(root, requestFactory=BoundedRequest, timeout=REQUEST_SECONDS, reactor=reactor)  # type: ignore[no-untyped-call]
        self.turns = Turns(reactor)
        self.refuse = refuse
        self._open: dict[BoundedChannel, None] = {}  # the oldest first

    def log(self, request: HttpRequest) -> None:
        """Log nothing."""

    def buildProtocol(self, addr: IAddress | None) -> Any:
        address = counted_as(addr)
        if not self._make_room(address):
            return None
        channel: Any = super().buildProtocol(addr)  # type: ignore[no-untyped-call]
        channel.address = address
        return channel

    def opened(self, channel: BoundedChannel) -> None:
        """`channel` is connected."""
        self._open[channel] = None

    def closed(self, channel: BoundedChannel) -> None:
        """`channel` has ended."""
        self._open.pop(channel, None)

    def _make_room(self, address: str) -> bool:
        """Whether a further connection of `address` may open; at the limit another connection is aborted for it."""
        counts = Counter(one.address for one in self._open)
        if counts[address] >= PER_ADDRESS:
            return self._cut_one(one for one in self._open if one.address == address)
        if len(self._open) < (CONNECTIONS if address == LOCAL else NOT_LOCAL):
            return True
        return self._cut_one(sorted(self._open, key=lambda one: -counts[one.address]))

    def _cut_one(self, channels: Iterable[BoundedChannel]) -> bool:
        """Abort the first of `channels` that does not wait for its answer; False if all of them wait."""
        for channel in channels:
            if not channel.answering:
                self.closed(channel)
                channel.cut()
                return True
        return False


LOCAL = "this machine"


def counted_as(address: Any) -> str:
    """The key under which a client's connections count: its address, for IPv6 the network of 64 bits that one customer
    has, or `LOCAL` for loopback addresses."""
    if not isinstance(address, (IPv4Address, IPv6Address)):
        return LOCAL
    ip = ipaddress.ip_address(str(address.host).partition("%")[0])
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    if ip.is_loopback or (mapped is not None and mapped.is_loopback):
        return LOCAL
    if ip.version == 6 and mapped is None:
        return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
    return str(mapped or ip)


# ---- host names of requests ----

BROWSERS = ("accept-language", "cookie", "origin", "referer", "sec-fetch-mode", "sec-fetch-site")
"""Headers that browsers send by themselves, and monitoring programs do not."""


def named(headers: Headers) -> str | None:
    """The host that a request names, in lower case and without its port; "" if it names none, None if it names several,
    or an invalid one."""
    hosts = headers.getRawHeaders(b"host") or [b""]
    if len(hosts) != 1:
        return None
    try:
        text = hosts[0].decode("ascii").strip().lower()
    except UnicodeDecodeError:
        return None
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not (rest[0] == ":" and rest[1:].isdigit())):
            return None
        return host
    host, colon, port = text.partition(":")
    if (colon and port and not port.isdigit()) or (text and not host):
        return None
    return host.removesuffix(".")


def belongs(host: str, names: Iterable[str]) -> bool:
    """Whether `host` cannot be a foreign name that points at this server: it is an IP address, a loopback name, one of
    `names`, or empty (which no browser sends)."""
    if not host or host == "localhost" or host.endswith(".localhost") or host in names:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def from_browser(headers: Headers) -> bool:
    """Whether a browser sent these headers, as far as they show."""
    agent = (headers.getRawHeaders(b"user-agent") or [b""])[0]
    return b"mozilla" in agent.lower() or any(headers.hasHeader(name) for name in BROWSERS)
