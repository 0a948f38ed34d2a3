"""Every setting that can change at run time acts when it is set, by each of its names.

A worker as `wiring.clients.serve` wires it, over a real store; its clients are strings and its time is a clock.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from redistill.base.failures import Refused
from redistill.base.logs import Log
from redistill.config.config import Config
from redistill.config.settings import SETTINGS, Setting
from redistill.control.configuration import KNOWN
from redistill.control.parameters import ALIASES, OfSetting
from redistill.control.peers import Alone
from redistill.control.state import Identity
from redistill.engine import Overflow
from redistill.engine.interfaces import TypeLimits
from redistill.net.interfaces import Certificate
from redistill.net.tls.context import TlsContext, uses_tls
from redistill.wiring.clients import serve
from tests.support.arena import MIB, opened
from tests.support.certificates import Certificates

ELSEWHERE = ("server.bind", "server.port", "server.worker_timeout", "server.drain_delay_secs")
"""They are the daemon's, which asks for them whenever it needs them: see tests.net.test_listening, tests.workers.test_supervision and
tests.wiring.test_tap."""


class Client:
    """A connection from `host`."""

    def __init__(self, worker: Worker, host: str = "127.0.0.1") -> None:
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", host, 50000))
        self._worker = worker
        self.protocol: Any = worker.factory.buildProtocol(self.transport.getPeer())
        self.protocol.makeConnection(self.transport)

    def ask(self, *words: str | bytes) -> bytes:
        """The reply that a command gets at once."""
        data = [word.encode() if isinstance(word, str) else word for word in words]
        request = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in data)
        return self.feed(b"*%d\r\n%s" % (len(words), request))

    def feed(self, data: bytes) -> bytes:
        """The reply that such bytes get at once."""
        self.transport.clear()
        self.protocol.dataReceived(data)
        self._worker.turn()
        return self.transport.value()

    @property
    def closed(self) -> bool:
        """Whether the server has closed it."""
        return self.transport.disconnecting

    def go(self) -> None:
        """Hang up."""
        self.protocol.connectionLost()


class Worker:
    """A process that serves alone, on a socket that nobody connects to."""

    def __init__(self, case: SynchronousTestCase, config: Config) -> None:
        self.clock = Clock()
        self.store = opened(case, num_shards=1)
        self.listener = socket.socket()
        case.addCleanup(self.listener.close)
        self.log = io.StringIO()
        output = Log(config.logging.level, "text", clock=self.clock)
        self.observer = output.observer(self.log)
        config = config.with_pem()
        context = TlsContext(config.security, config.pem) if uses_tls(config.security) else None
        identity, stop = Identity.new(), lambda now: None
        self.serving = serve(
            self.clock, config, output, self.store, [[self.listener]], 0, Alone(), identity, stop, context
        )
        self.serving.control.opened()
        self.certificate: Any = context
        self.factory, self.limits = self.serving.server._factory_for(self.listener)

    def turn(self) -> None:
        """Run the calls that are due. A client that has used its share of the CPU, which is smaller on a busy machine, goes
        on in the next turn."""
        for _ in range(1000):
            if not any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
                return
            self.clock.advance(0)
        raise AssertionError("there is always more to do")


class ActTests(SynchronousTestCase):
    """CONFIG SET of each setting; `see_SECTION_KEY` says what it is to change, and is called for each of its names."""

    def setUp(self) -> None:
        self.begin()

    def begin(self, **changes: Any) -> None:
        """A worker of its own."""
        self.worker = Worker(
            self, Config().replace({name.replace("__", "."): value for name, value in changes.items()})
        )
        self.client = Client(self.worker)

    def set(self, name: str, value: str | int) -> None:
        """CONFIG SET."""
        self.assertEqual(self.client.ask("CONFIG", "SET", name, str(value)), b"+OK\r\n", name)

    def see_server_max_connections(self, name: str) -> None:
        self.set(name, 1)
        self.assertEqual(self.worker.limits.core.open, 1)
        self.assertTrue(Client(self.worker).closed)
        self.set(name, 2)
        self.assertFalse(Client(self.worker).closed)

    def see_server_reserved_connections(self, name: str) -> None:
        self.set("maxclients", 4)
        self.set(name, 3)
        self.assertEqual(self.worker.limits.core.kept, 3)
        self.assertTrue([Client(self.worker, "192.0.2.1") for _ in range(2)][-1].closed)
        self.set(name, 0)
        self.assertFalse(Client(self.worker, "192.0.2.1").closed)

    def see_server_max_connections_per_ip(self, name: str) -> None:
        self.set(name, 1)
        self.assertEqual(self.worker.limits.core.address, 1)
        self.assertEqual([Client(self.worker, "192.0.2.1").closed for _ in range(2)], [False, True])
        self.set(name, 0)
        self.assertFalse(Client(self.worker, "192.0.2.1").closed)

    def see_server_connection_rate_limit(self, name: str) -> None:
        self.set(name, 1)
        self.assertEqual(self.worker.limits.core.per_second, 1)
        self.assertTrue([Client(self.worker) for _ in range(3)][-1].closed)
        self.set(name, 0)
        self.assertFalse(Client(self.worker).closed)

    def see_server_connection_timeout(self, name: str) -> None:
        quiet = Client(self.worker)
        self.set(name, 5)
        for _ in range(7):
            self.worker.clock.advance(1)
            self.client.ask("PING")
        self.assertTrue(quiet.closed)
        quiet = Client(self.worker)
        self.set(name, 0)
        for _ in range(400):
            self.worker.clock.advance(1)
        self.assertFalse(quiet.closed)

    def see_server_output_limit(self, name: str) -> None:
        self.client.ask("SET", "k", bytes(2 * MIB))
        reader = Client(self.worker)
        for setting, value, closed in (
            (name, 8 * MIB, False),
            ("client-output-buffer-limit", "normal 3mb 0 0", False),
            (name, MIB, True),
        ):
            self.set(setting, value)
            self.assertEqual(
                self.worker.serving.control.state.config.server.output_limit, reader.protocol.factory.output_limit
            )
            reader.ask("GET", "k")
            self.assertEqual(reader.closed, closed, value)

    def see_server_pubsub_output_limit(self, name: str) -> None:
        for limit, closed in ((4 * MIB, False), (MIB, True)):
            subscriber = Client(self.worker)
            self.set(name, limit)
            subscriber.ask("SUBSCRIBE", "c")
            self.client.ask("PUBLISH", "c", bytes(2 * MIB))
            self.worker.turn()
            self.assertEqual(subscriber.closed, closed, limit)

    def see_server_pubsub_output_soft_limit(self, name: str) -> None:
        self.set("server.pubsub_output_soft_seconds", 0)
        for limit, over in ((4 * MIB, False), (MIB, True)):
            subscriber = Client(self.worker)
            self.set(name, limit)
            subscriber.ask("SUBSCRIBE", "c")
            subscriber.protocol.pauseProducing()
            self.client.ask("PUBLISH", "c", bytes(2 * MIB))
            self.assertEqual(self.is_ended(subscriber), over, limit)

    def see_server_pubsub_output_soft_seconds(self, name: str) -> None:
        self.set("server.pubsub_output_soft_limit", MIB)
        for seconds, over in ((60, False), (0, True)):
            subscriber = Client(self.worker)
            self.set(name, seconds)
            subscriber.ask("SUBSCRIBE", "c")
            subscriber.protocol.pauseProducing()
            self.client.ask("PUBLISH", "c", bytes(2 * MIB))
            self.assertEqual(self.is_ended(subscriber), over, seconds)

    def is_ended(self, subscriber: Client) -> bool:
        """Whether the subscriber's soft limit has ended it a second later."""
        self.worker.turn()
        self.worker.store.frozen_ms += 1000
        self.client.ask("PING")
        self.worker.store.end_slow_subscribers()
        return subscriber.protocol.session.overflowed is Overflow.PUBSUB

    def see_server_notify_keyspace_events(self, name: str) -> None:
        for letters, heard in (("", 0), ("KA", 1), ("Kl", 0), ("EK$", 2)):
            subscriber = Client(self.worker)
            self.set(name, letters)
            subscriber.ask("PSUBSCRIBE", "__key*@0__:*")
            subscriber.transport.clear()
            self.client.ask("SET", "k", "v")
            self.assertEqual(subscriber.transport.value().count(b"pmessage"), heard, letters)
            subscriber.go()

    def see_server_tracking_table_max_keys(self, name: str) -> None:
        for limit, told in ((1000, 0), (2, 3)):
            self.set(name, limit)
            reader = Client(self.worker)
            reader.ask("HELLO", "3")
            reader.ask("CLIENT", "TRACKING", "ON")
            said = b"".join(reader.ask("GET", f"key:{n}") for n in range(5)) + reader.ask("PING")
            self.assertEqual(said.count(b"invalidate"), told, limit)
            reader.go()

    def see_server_query_buffer_limit(self, name: str) -> None:
        for limit, closed in ((8 * MIB, False), (MIB, True)):
            sender = Client(self.worker)
            self.set(name, limit)
            sender.feed(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s" % (4 * MIB, bytes(2 * MIB)))
            self.assertEqual(sender.closed, closed, limit)
        # It bounds what MULTI keeps, too.
        queue = Client(self.worker)
        queue.ask("MULTI")
        for _ in range(4):
            last = queue.ask("SET", "k", bytes(MIB // 2))
        self.assertTrue(last.startswith(b"-OOM"), last)

    def see_server_max_bulk_size(self, name: str) -> None:
        self.set(name, MIB)
        self.assertEqual(self.client.ask("SETRANGE", "k", str(MIB - 1), "a"), b":%d\r\n" % MIB)
        self.assertIn(b"maximum allowed size", self.client.ask("APPEND", "k", "b"))
        self.assertIn(b"out of range", self.client.ask("SETBIT", "b", str(8 * MIB), "1"))
        self.assertEqual(
            Client(self.worker).feed(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (MIB + 1)),
            b"-ERR Protocol error: invalid bulk length\r\n",
        )
        self.set(name, 2 * MIB)
        self.assertEqual(self.client.ask("APPEND", "k", "b"), b":%d\r\n" % (MIB + 1))

    def see_server_max_client_memory(self, name: str) -> None:
        for limit, closed in (("64mb", False), ("1mb", True)):
            self.set(name, limit)
            sender = Client(self.worker)
            sender.feed(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s" % (4 * MIB, bytes(2 * MIB)))
            self.worker.serving.background._look()
            self.assertEqual(sender.closed, closed, limit)

    def see_server_shutdown_grace_period_secs(self, name: str) -> None:
        self.set(name, 7)
        self.assertEqual(self.worker.serving.server.grace, 7)

    def see_security_password(self, name: str) -> None:
        self.set(name, "secret")
        late = Client(self.worker)
        self.assertEqual(late.ask("GET", "k"), b"-NOAUTH Authentication required.\r\n")
        self.assertEqual(late.ask("AUTH", "secret"), b"+OK\r\n")
        self.set(name, "")
        self.assertEqual(Client(self.worker).ask("GET", "k"), b"$-1\r\n")

    def see_security_password_file(self, name: str) -> None:
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write("out of the file\n")
        self.set(name, path)
        late = Client(self.worker)
        self.assertEqual(late.ask("GET", "k"), b"-NOAUTH Authentication required.\r\n")
        self.assertEqual(late.ask("AUTH", "out of the file"), b"+OK\r\n")
        self.set(name, "")
        self.assertEqual(Client(self.worker).ask("GET", "k"), b"$-1\r\n")

    def see_security_acllog_max_len(self, name: str) -> None:
        for user in ("a", "b", "c"):
            self.client.ask("AUTH", user, "wrong")
        self.assertTrue(self.client.ask("ACL", "LOG").startswith(b"*3\r\n"))
        self.set(name, 1)
        self.assertTrue(self.client.ask("ACL", "LOG").startswith(b"*1\r\n"))

    def encrypted(self) -> Certificates:
        """Begin again with TLS."""
        self.certificates = Certificates(self)
        certificate, key = self.certificates.sign("server")
        self.begin(
            security__tls_port=1,  # which the listener has not, so that clients here are plain
            security__tls_cert_path=certificate,
            security__tls_key_path=key,
            security__tls_ca_path=self.certificates.authority,
        )
        return self.certificates

    def shakes(self, **options: Any) -> bool:
        """Whether a TLS client comes in; `options`: the certificate that it shows, the version that it speaks."""
        context = ssl.create_default_context(cafile=self.certificates.authority)
        if "shows" in options:
            context.load_cert_chain(*options["shows"])
        context.maximum_version = options.get("version", ssl.TLSVersion.MAXIMUM_SUPPORTED)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            server = self.worker.certificate.connection(ours)
            peer = context.wrap_socket(theirs, server_hostname="localhost", do_handshake_on_connect=False)
            with peer:
                for _ in range(6):
                    with contextlib.suppress(ssl.SSLWantReadError):
                        peer.do_handshake()
                    try:
                        server.do_handshake()
                        return True
                    except SSL.WantReadError:
                        pass
                    except SSL.Error:
                        return False
        return False

    def see_security_tls_cert_path(self, name: str) -> None:
        certificates = self.encrypted()
        before = self.worker.certificate.subject
        certificate, key = certificates.sign("other")
        self.assertEqual(self.client.ask("CONFIG", "SET", name, certificate, "security.tls_key_path", key), b"+OK\r\n")
        self.assertEqual((before, self.worker.certificate.subject), ("CN=server", "CN=other"))
        self.assertTrue(self.shakes())

    def see_security_tls_key_path(self, name: str) -> None:
        self.encrypted()
        refusal = self.client.ask("CONFIG", "SET", name, self.mktemp())
        self.assertTrue(refusal.startswith(b"-ERR CONFIG SET failed"), refusal)
        self.see_security_tls_cert_path("security.tls_cert_path")

    def see_security_tls_ca_path(self, name: str) -> None:
        shows = self.encrypted().sign("client")
        strange = Certificates(self)
        self.set("tls-auth-clients", "yes")
        self.assertTrue(self.shakes(shows=shows))
        self.set(name, strange.authority)
        self.assertFalse(self.shakes(shows=shows))

    def see_security_tls_client_auth(self, name: str) -> None:
        shows = self.encrypted().sign("client")
        self.assertTrue(self.shakes())
        self.set(name, "yes" if name == "tls-auth-clients" else "required")
        self.assertEqual((self.shakes(), self.shakes(shows=shows)), (False, True))

    def see_security_tls_auth_user(self, name: str) -> None:
        self.client.ask("ACL", "SETUSER", "app", "on", "nopass", "+@all", "~*")
        for value, user in (("cn", b"app"), ("off", b"default")):
            self.set(name, value)
            late = Client(self.worker)
            late.protocol.certificate = Certificate("CN=app", "app")
            self.worker.serving.control.connected(late.protocol)
            self.assertEqual(late.ask("ACL", "WHOAMI"), b"$%d\r\n%s\r\n" % (len(user), user))

    def see_security_tls_min_version(self, name: str) -> None:
        self.encrypted()
        old = ssl.TLSVersion.TLSv1_2
        self.assertTrue(self.shakes(version=old))
        self.set(name, "1.3")
        self.assertEqual((self.shakes(version=old), self.shakes()), (False, True))

    def see_memory_max_memory(self, name: str) -> None:
        self.set(name, "8mb")
        self.assertEqual(self.worker.store.max_memory, 8 * MIB)
        self.set("maxmemory-policy", "noeviction")
        replies = [self.client.ask("SET", f"k{i}", bytes(MIB)) for i in range(9)]
        self.assertTrue(replies[-1].startswith(b"-OOM"), replies[-1])
        self.set(name, "16mb")
        self.assertEqual(self.client.ask("SET", "more", bytes(MIB)), b"+OK\r\n")

    def see_memory_eviction_policy(self, name: str) -> None:
        self.set("maxmemory", "8mb")
        for policy, last in (("allkeys-random", b"+OK\r\n"), ("noeviction", b"-OOM")):
            self.set(name, policy)
            replies = [self.client.ask("SET", f"k{i}", bytes(MIB)) for i in range(12)]
            self.assertTrue(replies[-1].startswith(last), (policy, replies[-1]))
            self.client.ask("FLUSHALL")

    def see_memory_eviction_sample_size(self, name: str) -> None:
        asked: list[tuple[str, int]] = []
        self.patch(self.worker.store, "set_policy", lambda *given: asked.append(given))
        self.set(name, 9)
        self.assertEqual(asked, [("allkeys-lru", 9)])

    def see_memory_hll_sparse_max_bytes(self, name: str) -> None:
        for limit, encoding in ((100, b"+dense\r\n"), (3000, b"+sparse\r\n")):
            self.set(name, limit)
            self.client.ask("DEL", "h")
            for i in range(100):
                self.client.ask("PFADD", "h", str(i))
            self.assertEqual(self.client.ask("PFDEBUG", "ENCODING", "h"), encoding)
        self.set(name, 2**59)
        for i in range(10000):
            self.client.ask("PFADD", "h", str(i))
        self.assertEqual(self.client.ask("PFDEBUG", "ENCODING", "h"), b"+sparse\r\n")

    def limits(self) -> tuple[int, ...]:
        """The thresholds that this worker's core has, in the order of rd_type_limits."""
        found = self.worker.store._c.type_limits
        return tuple(getattr(found, name) for name in TypeLimits._fields)

    def shown(self, command: str, few: int | bytes, many: int | bytes) -> tuple[bytes, bytes]:
        """The encodings of two values: of so many elements that `command`, a format of their numbers, adds; or of the
        element of these bytes."""
        encodings = []
        for size in (few, many):
            self.client.ask("DEL", "k")
            for number in range(size) if isinstance(size, int) else ():
                self.client.ask(*command.format(number).split())
            if isinstance(size, bytes):
                self.client.ask(*command.split(), size)
            encodings.append(self.client.ask("OBJECT", "ENCODING", "k").split()[1])
        return encodings[0], encodings[1]

    def see_types_hash_max_listpack_entries(self, name: str) -> None:
        self.set(name, 3)
        self.assertEqual(self.shown("HSET k f{} v", 3, 4), (b"listpack", b"hashtable"))

    def see_types_hash_max_listpack_value(self, name: str) -> None:
        self.set(name, 3)
        self.assertEqual(self.shown("HSET k f", b"vvv", b"vvvv"), (b"listpack", b"hashtable"))

    def see_types_list_max_listpack_size(self, name: str) -> None:
        self.set(name, 3)
        self.assertEqual(self.shown("RPUSH k v{}", 3, 4), (b"listpack", b"quicklist"))
        for value, most in ((0, 0), (-1, 4096), (-2, 8192), (-5, 65536), (-6, 65536)):
            self.set(name, value)
            wide = (bytes(max(1, most - 100)), bytes(most + 100))
            self.assertEqual(self.shown("RPUSH k", *wide), (b"listpack", b"quicklist" if most else b"listpack"))
        for value, counts_as in ((0, 1), (-6, -5), (2**31 - 1, 2**31 - 1), (-(2**31), -5)):
            self.set(name, value)
            self.assertEqual(self.limits()[7], counts_as)
            self.assertIn(str(value).encode(), self.client.ask("CONFIG", "GET", name))

    def see_types_list_compress_depth(self, name: str) -> None:
        before = self.limits()
        self.set(name, 3)
        self.assertEqual(self.limits(), before)

    def see_types_set_max_intset_entries(self, name: str) -> None:
        self.set(name, 3)
        self.set("set-max-listpack-entries", 3)
        self.assertEqual(self.shown("SADD k {}", 3, 4), (b"intset", b"hashtable"))
        self.set(name, 2**63 - 1)
        self.assertEqual(self.limits()[2], 2**32 - 1)

    def see_types_set_max_listpack_entries(self, name: str) -> None:
        self.set(name, 3)
        self.assertEqual(self.shown("SADD k m{}", 3, 4), (b"listpack", b"hashtable"))

    def see_types_set_max_listpack_value(self, name: str) -> None:
        self.set(name, 3)
        self.assertEqual(self.shown("SADD k", b"mmm", b"mmmm"), (b"listpack", b"hashtable"))

    def see_types_zset_max_listpack_entries(self, name: str) -> None:
        self.set(name, 3)
        self.assertEqual(self.shown("ZADD k 1 m{}", 3, 4), (b"listpack", b"skiplist"))

    def see_types_zset_max_listpack_value(self, name: str) -> None:
        self.set(name, 3)
        self.assertEqual(self.shown("ZADD k 1", b"mmm", b"mmmm"), (b"listpack", b"skiplist"))

    def see_types_stream_node_max_bytes(self, name: str) -> None:
        self.set(name, 200)
        for _ in range(3):
            self.client.ask("XADD", "k", "*", "field", "v" * 90)
        self.assertEqual(self.client.ask("XTRIM", "k", "MAXLEN", "~", "1"), b":2\r\n")

    def see_types_stream_node_max_entries(self, name: str) -> None:
        self.set(name, 3)
        for _ in range(10):
            self.client.ask("XADD", "k", "*", "field", "value")
        self.assertEqual(self.client.ask("XTRIM", "k", "MAXLEN", "~", "5"), b":3\r\n")
        self.set(name, 2**63 - 1)
        self.assertEqual(self.limits()[9], 2**32 - 1)

    def see_logging_level(self, name: str) -> None:
        log = Logger(namespace="test", observer=self.worker.observer)
        for level in ("critical", "info"):
            self.set(name, {"critical": "nothing", "info": "notice"}[level] if name == "loglevel" else level)
            log.info("of level info, at {least}", least=level)
        self.assertNotIn("at critical", self.worker.log.getvalue())
        self.assertIn("at info", self.worker.log.getvalue())

    def see_performance_tcp_keepalive(self, name: str) -> None:
        def options() -> tuple[int, int]:
            listener = self.worker.listener
            return (
                listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            )

        self.set(name, 77)  # clients get the options of the socket that listens
        self.assertEqual(options(), (1, 77))
        self.set(name, 0)
        self.assertEqual(options()[0], 0)

    def see_performance_slowlog_slower_than(self, name: str) -> None:
        self.set(name, 0)
        self.client.ask("PING")
        self.assertNotEqual(self.client.ask("SLOWLOG", "LEN"), b":0\r\n")
        self.set(name, -1)
        self.client.ask("SLOWLOG", "RESET")
        self.client.ask("PING")
        self.assertEqual(self.client.ask("SLOWLOG", "LEN"), b":0\r\n")

    def see_performance_slowlog_max_len(self, name: str) -> None:
        self.set("slowlog-log-slower-than", 0)
        self.set(name, 2)
        for _ in range(5):
            self.client.ask("PING")
        self.assertEqual(self.client.ask("SLOWLOG", "LEN"), b":2\r\n")

    def see_performance_busy_reply_threshold(self, name: str) -> None:
        self.set(name, 77)
        self.assertEqual(self.worker.store._c.busy_threshold_ms, 77)
        self.set(name, 0)
        self.assertEqual(self.worker.store._c.busy_threshold_ms, 0)

    def see_performance_latency_monitor_threshold(self, name: str) -> None:
        control = self.worker.serving.control
        for threshold, kept in ((0, []), (5, [b"slow"])):
            self.set(name, threshold)
            control.event("fast", 4_999_999)
            control.event("slow", 5_000_000)
            said = self.client.ask("LATENCY", "LATEST")  # CONFIG SET itself may be in it, on a busy machine
            self.assertEqual([event for event in (b"fast", b"slow") if b"$4\r\n%s\r\n" % event in said], kept, said)

    def see_performance_latency_tracking(self, name: str) -> None:
        self.client.ask("SET", "k", "v")
        for value, shown in (("no", False), ("yes", True)):
            self.set(name, value)
            self.assertEqual(b"percentiles_usec_set" in self.client.ask("INFO", "latencystats"), shown)

    def see_performance_latency_percentiles(self, name: str) -> None:
        self.client.ask("SET", "k", "v")
        self.set(name, "1 99.99")
        line = re.search(rb"percentiles_usec_set:p1=[0-9.]+,p99.99=[0-9.]+\r", self.client.ask("INFO", "latencystats"))
        self.assertIsNotNone(line)
        self.set(name, "")
        self.assertIn(b"percentiles_usec_set:\r", self.client.ask("INFO", "latencystats"))


class RefusalTests(SynchronousTestCase):
    """A change that one object of a worker refuses."""

    CHANGES: Mapping[str, Any] = {
        "server.max_connections": 51,
        "server.max_connections_per_ip": 7,
        "server.reserved_connections": 3,
        "server.connection_rate_limit": 9,
        "server.output_limit": 300000,
        "server.connection_timeout": 77,
        "server.query_buffer_limit": 70000,
        "server.shutdown_grace_period_secs": 5,
        "memory.max_memory": 64 * MIB,
        "memory.eviction_policy": "noeviction",
        "security.password": ("new",),
        "logging.level": "error",
        "performance.slowlog_slower_than": 5,
    }

    def state(self, worker: Worker) -> dict[str, Any]:
        """The settings that the objects of a worker use."""
        serving, state = worker.serving, worker.serving.control.state
        named = {type(one).__name__: one for one in serving.objects}
        limits, factory, log = named["ConnectionLimits"], named["RespFactory"], named["Log"]
        return {
            "config": state.config,
            "limits": [(limit.limit, getattr(limit, "kept", 0)) for limit in limits._factories],
            "accept limits": [
                (one.core.open, one.core.kept, one.core.address, one.core.per_second)
                for one in (limits.plain, limits.tls)
            ],
            "factory": (factory.output_limit, factory.idle_timeout),
            "sessions": named["Sessions"]._bounds,
            "grace": serving.server.grace,
            "store": (worker.store.max_memory, worker.store.policy),
            "users": {account.user.name: (account.nopass, dict(account.sources)) for account in state.users},
            "log": log._levels.logLevelForNamespace(""),
        }

    def test_refusals(self) -> None:
        """Whichever object refuses, all others are as they were, and the configuration too."""
        worker = Worker(self, Config())
        client = Client(worker)
        state = worker.serving.control.state
        Alone().change(state, {"memory.max_memory": 32 * MIB})
        before = self.state(worker)
        for one in worker.serving.objects:
            with contextlib.ExitStack() as stack:
                self.refuse(stack, one, state.config)
                self.assertRaises(Refused, Alone().change, state, self.CHANGES)
            self.assertEqual(self.state(worker), before, type(one).__name__)
            self.assertEqual(client.ask("PING"), b"+PONG\r\n")
        Alone().change(state, self.CHANGES)
        after = self.state(worker)
        self.assertEqual([name for name in before if before[name] == after[name]], [])

    def refuse(self, stack: contextlib.ExitStack, one: Any, holds: Config) -> None:
        """Have an object refuse whatever is not in effect, after it has applied it."""
        apply = one.apply

        def refusing(config: Config) -> None:
            apply(config)
            if config is not holds:
                raise Refused("maxclients", "no")

        one.apply = refusing
        stack.callback(delattr, one, "apply")


def seen(row: Setting) -> Callable[[ActTests], None]:
    """The test of one setting."""

    def test(case: ActTests) -> None:
        see = getattr(case, "see_" + row.name.replace(".", "_"))
        names = [name for name, of in KNOWN.items() if isinstance(of, OfSetting) and of.row is row]
        older = [alias for alias, name in ALIASES.items() if name == row.wire_name]
        case.assertEqual(set(names), {row.name, row.wire_name, *older})
        for name in names:
            case.begin()
            see(name)

    test.__doc__ = f"{row.name}, by each of its names."
    return test


for _row in SETTINGS:
    if _row.reloadable and _row.name not in ELSEWHERE:
        setattr(ActTests, "test_" + _row.name.replace(".", "_"), seen(_row))
