"""The daemon as it is put together: real sockets, a real arena, the reactor of the tests."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.application.service import IServiceMaker
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import capturedLogs
from twisted.plugin import getPlugins
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase, TestCase

from redistill import tap
from redistill.base.logs import Log
from redistill.config import sizing
from redistill.config.load import load
from redistill.lifetime import signals
from redistill.lifetime.systemd import Systemd
from redistill.net import sockets
from redistill.net.limits import TotalLimit
from redistill.wiring import daemon
from tests.integration import servers
from tests.support.arena import MIB


class Client(Protocol):
    """Collects what it is sent."""

    def __init__(self) -> None:
        self.received = b""
        self.wanted: Callable[[], bool] = lambda: False
        self.fired: Deferred[bytes] = Deferred()
        self.lost = False

    def ask(self, data: bytes, wanted: int) -> Deferred[bytes]:
        """Send, and wait for so many bytes more; 0: for the end."""
        self.transport.write(data)  # type: ignore[union-attr]
        return self.more(wanted)

    def more(self, wanted: int) -> Deferred[bytes]:
        """Wait for so many bytes more; 0: for the end."""
        self.fired = Deferred()
        self.wanted = lambda: self.lost or 0 < wanted <= len(self.received)
        self._check()
        return self.fired

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._check()

    def connectionLost(self, reason: object = connectionDone) -> None:
        self.lost = True
        self._check()

    def _check(self) -> None:
        if self.wanted() and not self.fired.called:
            received, self.received = self.received, b""
            self.fired.callback(received)


class DaemonTests(TestCase):
    """wire"""

    timeout = 120  # of a test that hangs; a busy machine takes its time

    def setUp(self) -> None:
        # Trial's own directories have names too long for a socket; and its signals stay its own.
        self.directory = tempfile.mkdtemp(prefix="rd-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, "s")
        self.patch(signals.SignalService, "_install", lambda self: None)

    def start(self, text: str = "", unix: bool = True) -> Any:
        """A daemon with the configuration `text`, which stops with the test."""
        file = os.path.join(self.directory, "c.toml")
        with open(file, "w", encoding="ascii") as config:
            config.write(
                f'[server]\nport = 0\nnum_shards = 16\nunix_socket = "{self.path}"\n{text}\n[memory]\nmax_memory = "16mb"\n'
            )
        service = daemon.wire(reactor, load(file, {}), Log(), Systemd({}))
        service.privilegedStartService()  # type: ignore[no-untyped-call]
        service.startService()
        self.addCleanup(lambda: service.running and service.stopService())
        return service

    def connect(self) -> Deferred[Client]:
        """A client of the daemon."""
        client: Deferred[Client] = connectProtocol(UNIXClientEndpoint(reactor, self.path), Client())
        return client

    @inlineCallbacks
    def test_it_serves(self) -> Any:
        """Commands of the core and of the control plane are answered, in order."""
        self.start()
        client = yield self.connect()
        reply = yield client.ask(b"SET k v\r\nGET k\r\nCLIENT GETNAME\r\nNOPE\r\nPING\r\n", 73)
        self.assertEqual(
            reply,
            b"+OK\r\n$1\r\nv\r\n$-1\r\n-ERR unknown command 'NOPE', with args beginning with: \r\n+PONG\r\n",
        )

    @inlineCallbacks
    def test_client_too_many_is_told(self) -> Any:
        """Beyond max_connections a client gets Redis's line; INFO counts it."""
        self.start("max_connections = 1")
        first = yield self.connect()
        yield first.ask(b"PING\r\n", 7)
        second = yield self.connect()
        refusal = yield second.more(0)
        self.assertEqual(refusal, TotalLimit.words)
        info = yield first.ask(b"INFO stats\r\nPING\r\n", 500)
        self.assertIn(b"\nrejected_connections:1\r\n", info)

    @inlineCallbacks
    def test_log_of_the_refused(self) -> Any:
        """It names the limit that refused them, also when that is another one by now."""
        self.start("workers = 1\nmax_connections = 1")
        first = yield self.connect()
        yield first.ask(b"PING\r\n", 7)
        with capturedLogs() as events:
            second = yield self.connect()
            yield second.more(0)
            yield first.ask(b"CONFIG SET maxclients 9\r\n", 5)
        said = [(event["setting"], event["limit"]) for event in events if "setting" in event]
        self.assertEqual(said, [("server.max_connections", 1)])

    @inlineCallbacks
    def test_input_without_end(self) -> Any:
        """A client that sends more than may wait for execution gets an error, is closed, and is counted."""
        self.start("query_buffer_limit = 1048576")
        endless = yield self.connect()
        reply = yield endless.ask(b"*2\r\n$4\r\nECHO\r\n$9000000\r\n" + bytes(2_000_000), 0)
        self.assertEqual(reply, b"-ERR Protocol error: query buffer limit exceeded\r\n")
        other = yield self.connect()
        info = yield other.ask(b"INFO stats\r\nPING\r\n", 500)
        self.assertIn(b"\nclient_query_buffer_limit_disconnections:1\r\n", info)

    @inlineCallbacks
    def test_limit_changes_at_run_time(self) -> Any:
        """CONFIG SET maxclients holds for the next client."""
        self.start()
        first = yield self.connect()
        reply = yield first.ask(b"CONFIG SET maxclients 1\r\n", 5)
        second = yield self.connect()
        refusal = yield second.more(0)
        self.assertEqual((reply, refusal), (b"+OK\r\n", TotalLimit.words))

    @inlineCallbacks
    def test_limit_that_the_system_does_not_allow(self) -> Any:
        """More clients than the process may have files cannot be asked for."""
        self.start()
        self.patch(sockets, "allow_files", lambda connections: min(connections, 50))
        client = yield self.connect()
        reply = yield client.ask(b"CONFIG SET maxclients 51\r\n", 40)
        self.assertTrue(reply.startswith(b"-ERR CONFIG SET failed"), reply)
        reply = yield client.ask(b"CONFIG SET maxclients 50\r\n", 5)
        self.assertEqual(reply, b"+OK\r\n")

    @inlineCallbacks
    def test_max_memory_at_run_time(self) -> Any:
        """CONFIG SET maxmemory reaches the arena."""
        self.start()
        client = yield self.connect()
        reply = yield client.ask(b"CONFIG SET maxmemory 8mb\r\nCONFIG GET maxmemory\r\n", 37)
        self.assertEqual(reply, b"+OK\r\n*2\r\n$9\r\nmaxmemory\r\n$7\r\n%d\r\n" % (8 * MIB))

    @inlineCallbacks
    def test_any_max_memory(self) -> Any:
        """Any number is taken: less than the store uses leaves it full, 0 is all that there is, and more is lowered to
        that."""
        self.start()
        client = yield self.connect()
        yield client.ask(b"CONFIG SET maxmemory-policy noeviction\r\n", 5)
        for size in (1, 100, 10000001):
            reply = yield client.ask(b"CONFIG SET maxmemory %d\r\nCONFIG GET maxmemory\r\n" % size, 30 + len(str(size)))
            self.assertEqual(reply, b"+OK\r\n*2\r\n$9\r\nmaxmemory\r\n$%d\r\n%d\r\n" % (len(str(size)), size))
            refused = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
            said = b"+OK\r\n" if size > MIB else refused
            reply = yield client.ask(b"SET k v\r\nDEL k\r\n", len(said) + 4)
            self.assertEqual(reply, said + b":%d\r\n" % (size > MIB))
        reply = yield client.ask(b"CONFIG SET maxmemory 0\r\nSET k v\r\n", 10)
        self.assertEqual(reply, b"+OK\r\n+OK\r\n")
        with capturedLogs() as events:
            reply = yield client.ask(b"CONFIG SET maxmemory 999999gb\r\nCONFIG GET maxmemory\r\n", 47)
        self.assertEqual(reply, b"+OK\r\n*2\r\n$9\r\nmaxmemory\r\n$16\r\n%d\r\n" % (999999 << 30))
        said = str(next(event["problem"] for event in events if "is lowered" in str(event.get("problem"))))
        self.assertTrue(said.startswith("memory.max_memory is lowered from 1023998976 to "), said)

    @inlineCallbacks
    def test_max_memory_is_lowered(self) -> Any:
        """At the start and at run time it is lowered to what fits; CONFIG GET says what was set, INFO what holds. So it
        is when the buffers of clients are to have more."""
        self.patch(sizing, "machine", lambda: sizing.Machine(70 * MIB, 2))
        with capturedLogs() as events:
            self.start("workers = 1")
        said = [event["problem"] for event in events if "problem" in event]
        self.assertEqual([line[:50] for line in said], ["memory.max_memory is lowered from 16 to 11 MiB: of"])
        client = yield self.connect()

        @inlineCallbacks
        def maxmemory() -> Any:
            reply = yield client.ask(b"CONFIG GET maxmemory\r\nINFO memory\r\nPING\r\n", 1000)
            while not reply.endswith(b"+PONG\r\n"):
                reply += yield client.more(1)
            found = re.search(rb"maxmemory\r\n\$\d+\r\n(\d+)\r\n.*\nmaxmemory:(\d+)\r\n", reply, re.DOTALL)
            return [round(int(number) / MIB, 1) for number in found.groups()]  # type: ignore[union-attr]

        found = yield maxmemory()
        self.assertEqual(found, [16, 12.0])
        for words, wanted in (
            (b"maxmemory 64mb", [64, 12.0]),
            (b"maxmemory-clients 2mb", [64, 19.5]),
            (b"maxmemory 18mb", [18, 18]),
            (b"maxmemory-clients 5mb", [18, 15.7]),
        ):
            reply = yield client.ask(b"CONFIG SET " + words + b"\r\n", 5)
            self.assertEqual(reply, b"+OK\r\n")
            found = yield maxmemory()
            self.assertEqual(found, wanted)

    @inlineCallbacks
    def test_port_and_bind_at_run_time(self) -> Any:
        """CONFIG SET port and bind, by each of their names, hold for those who come; who is there stays, and so does the
        UNIX socket. What is refused leaves the old sockets."""
        self.start("workers = 1")
        client = yield self.connect()

        def tcp(port: int) -> Deferred[Client]:
            coming: Deferred[Client] = connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Client())
            return coming

        old = 0
        for name in ("port", "server.port"):
            port = servers.free_port()
            reply = yield client.ask(b"CONFIG SET %s %d\r\n" % (name.encode(), port), 5)
            self.assertEqual(reply, b"+OK\r\n")
            late = yield tcp(port)
            reply = yield late.ask(b"PING\r\n", 7)
            self.assertEqual(reply, b"+PONG\r\n")
            if old:
                yield self.assertFailure(tcp(old), ConnectError)
            old = port
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            reply = yield client.ask(b"CONFIG SET timeout 5 server.port %d\r\n" % taken.getsockname()[1], 100)
        self.assertIn(b"(possibly related to argument 'server.port') - Unable to listen on this port: ", reply)
        reply = yield client.ask(b"CONFIG GET timeout port\r\n", 20)
        self.assertIn(b"\r\n%d\r\n$7\r\ntimeout\r\n$3\r\n300\r\n" % port, reply)
        for name, addresses in (("bind", b"127.0.0.2"), ("server.bind", b"127.0.0.1")):
            reply = yield client.ask(b"CONFIG SET %s %s\r\n" % (name.encode(), addresses), 5)
            self.assertEqual(reply, b"+OK\r\n")
            if name == "bind":
                yield self.assertFailure(tcp(port), ConnectError)
        late = yield tcp(port)
        # Taken back as a whole: the old socket is still there. The machine has become larger than the arena can.
        self.patch(sizing, "machine", lambda: sizing.Machine(2**50, 2))
        reply = yield late.ask(b"CONFIG SET port %d maxmemory 900tb\r\n" % servers.free_port(), 100)
        self.assertIn(b"'maxmemory'", reply)
        yield tcp(port)
        reply = yield client.ask(b"CONFIG SET bind 0.0.0.0\r\n", 100)
        self.assertIn(b"would let anybody on the network in", reply)
        reply = yield client.ask(b"CONFIG SET port 0\r\n", 5)
        self.assertEqual(reply, b"+OK\r\n")
        yield self.assertFailure(tcp(port), ConnectError)
        another = yield self.connect()
        reply = yield another.ask(b"PING\r\n", 7)
        self.assertEqual(reply, b"+PONG\r\n")

    @inlineCallbacks
    def test_drain_delay_at_run_time(self) -> Any:
        """CONFIG SET server.drain_delay_secs holds for the stop to come."""
        daemon = self.start()
        client = yield self.connect()
        yield client.ask(b"CONFIG SET server.drain_delay_secs 7\r\n", 5)
        found = next(one for one in daemon if isinstance(one, signals.SignalService))
        self.assertEqual(found._delay(), 7)

    @inlineCallbacks
    def test_password(self) -> Any:
        """With a password nothing is answered before it is given."""
        self.start('[security]\npassword = "secret"')
        client = yield self.connect()
        reply = yield client.ask(b"GET k\r\nAUTH secret\r\nGET k\r\n", 44)
        self.assertEqual(reply, b"-NOAUTH Authentication required.\r\n+OK\r\n$-1\r\n")

    @inlineCallbacks
    def test_stop_finishes_what_was_received(self) -> Any:
        """Commands sent before the stop are answered; then the connection is closed and the socket removed."""
        daemon = self.start()
        client = yield self.connect()
        client.transport.write(b"INCR n\r\n" * 5000)
        first = yield client.more(4)
        stopped = daemon.stopService()
        rest = yield client.more(0)
        yield stopped
        self.assertTrue((first + rest).endswith(b":5000\r\n"))
        self.assertFalse(os.path.exists(self.path))

    @inlineCallbacks
    def test_large_value_for_a_slow_reader(self) -> Any:
        """A value much larger than all buffers arrives whole, and the daemon serves others meanwhile."""
        self.start()
        slow = yield self.connect()
        size = 4 * MIB
        reply = yield slow.ask(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (size, b"x" * size), 5)
        slow.transport.pauseProducing()
        slow.transport.write(b"GET k\r\nPING\r\n")
        other = yield self.connect()
        yield other.ask(b"PING\r\n", 7)
        slow.transport.resumeProducing()
        value = yield slow.more(size + 19)
        self.assertEqual((reply, len(value), value[-7:]), (b"+OK\r\n", size + 19, b"+PONG\r\n"))


class MakeServiceTests(SynchronousTestCase):
    """makeService, and the plugin"""

    def options(self, text: str) -> tap.Options:
        """The command line that names a file with `text`."""
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        options = tap.Options()
        options.parseOptions(["--config", path])
        return options

    def test_wrong_configuration(self) -> None:
        """A configuration that cannot be used ends the start with one line."""
        raised = self.assertRaises(SystemExit, tap.makeService, self.options("[server]\nprot = 1\n"))
        text = str(raised.code)
        self.assertTrue(text.startswith("redistill: "), text)
        self.assertIn("did you mean server.port?", text)
        self.assertNotIn("\n", text)

    def test_taken_port(self) -> None:
        """A taken port does, too."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            raised = self.assertRaises(SystemExit, tap.makeService, self.options(f"[server]\nport = {port}\n"))
        self.assertIn(f"cannot listen on 127.0.0.1 port {port}: Address already in use", str(raised.code))

    def test_unknown_option(self) -> None:
        """The command line is judged by Twisted."""
        self.assertRaises(usage.UsageError, tap.Options().parseOptions, ["--nonsense"])

    def test_plugin(self) -> None:
        """twistd finds the plugin by its name, and it imports nothing of ours before it is used."""
        found = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "redistill"]
        self.assertEqual([plugin.module for plugin in found], ["redistill.tap"])
