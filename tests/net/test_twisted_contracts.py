"""Twisted's own tests of reactors and of stream transports, on ours.

They come with Twisted, which says what a reactor, a port and a TCP or UNIX transport promise. Left out:

- those of clients, connectors and datagrams alone (TCPConnectorTestsBuilder, UNIXDatagramTestsBuilder ...): that code is
  Twisted's, and nothing of ours is in it. Clients of all kinds take part in the tests that are here.
- test_lostFileDescriptor: Twisted leaves it out for its epoll reactor, by name: epoll forgets a closed descriptor silently.
- processes and PTYs: nothing is listened on or accepted there, and a minute of tests would say so.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.test import (
    test_core,
    test_fdset,
    test_socket,
    test_tcp,
    test_threads,
    test_time,
    test_tls,
    test_unix,
)

BUILDERS: list[Any] = [
    test_core.SystemEventTestsBuilder,
    test_time.TimeTestsBuilder,
    test_fdset.ReactorFDSetTestsBuilder,
    test_threads.ThreadTestsBuilder,
    test_socket.IReactorSocketVerificationTestsBuilder,
    test_socket.AdoptStreamPortErrorsTestsBuilder,
    test_socket.AdoptStreamConnectionErrorsTestsBuilder,
    test_tcp.TCP4ClientTestsBuilder,
    test_tcp.TCP6ClientTestsBuilder,
    test_tcp.TCPPortTestsBuilder,
    test_tcp.TCPFDPortTestsBuilder,
    test_tcp.TCPConnectionTestsBuilder,
    test_tcp.TCPTransportTestsBuilder,
    test_tcp.AdoptStreamConnectionTestsBuilder,
    test_tcp.AbortConnectionTests,
    test_tls.TLSPortTestsBuilder,
    test_tls.StartTLSClientTestsMixin,
    test_tls.AbortSSLConnectionTests,
    test_unix.UNIXTestsBuilder,
    test_unix.UNIXPortTestsBuilder,
    test_unix.UNIXFDPortTestsBuilder,
    test_unix.UNIXAdoptStreamConnectionTestsBuilder,
]


for builder in BUILDERS:
    changes: dict[str, Any] = {
        "_reactors": ["redistill.net.reactor.RedistillReactor"],
        "__module__": __name__,
        "timeout": 20,
    }
    bases: tuple[Any, ...] = (builder,)
    if builder is test_fdset.ReactorFDSetTestsBuilder:
        bases = builder.__bases__
        changes = {name: it for name, it in vars(builder).items() if name != "test_lostFileDescriptor"} | changes
    ours: Any = type(builder.__name__, bases, changes)
    globals().update(ours.makeTestCaseClasses())
del builder, bases, changes, ours
