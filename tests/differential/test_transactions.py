"""Commands about the server and the connection in transactions: redis-server's replies, to the byte, whatever stands
before and behind them, from one worker, from two, and over a transport that is not the loop's."""

from __future__ import annotations

import random
import re
import signal
import socket
from collections.abc import Callable

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .inprocess import InProcessPeer
from .peers import encode

TWO = '[server]\nworkers = 2\n[memory]\nmax_memory = "64mb"\n[security]\nenable_debug_command = "yes"\n'
KEYS = ("a", "b", "c", "d")
HELLO = re.compile(rb"[*%]\d+\r\n\$6\r\nserver\r\n.*?\$7\r\nmodules\r\n\*0\r\n", re.S)
DENIED = re.compile(rb"(?:\$\d+\r\n)?(?:[Tt]his user|User mallory) has no permissions")  # 7.0's words, and 7.2's
KEYSPACE = re.compile(rb"[$=]\d+\r\n(?:txt:)?# Keyspace\r\n(?:db(\d+):keys=(\d+)[^\r]*\r\n|)*\r\n")

Send = Callable[[bytes, bytes], bytes]
"""Sends a request and reads until the reply ends with the second argument."""


def socket_send(sock: socket.socket) -> Send:
    """Over a connection to a server."""

    def send(request: bytes, end: bytes) -> bytes:
        sock.sendall(request)
        got = b""
        while not got.endswith(end):
            more = sock.recv(65536)
            if not more:
                return got + b"<closed>"
            got += more
        return got

    return send


def string_send(peer: InProcessPeer) -> Send:
    """Over a StringTransport."""
    client = peer.open()
    transport: StringTransport = client._transport

    def send(request: bytes, end: bytes) -> bytes:
        client._protocol.dataReceived(request)
        for _ in range(1000):
            if transport.value().endswith(end):
                break
            peer.clock.advance(0.01)
        got: bytes = transport.value()
        transport.clear()
        return got

    return send


def plain(reply: bytes) -> bytes:
    """Without what is each server's own."""

    def keyspace(match: re.Match[bytes]) -> bytes:
        return b"<keyspace %s>" % b",".join(re.findall(rb"db\d+:keys=\d+", match.group(0)))

    reply = HELLO.sub(lambda match: b"<hello %s>" % match.group(0)[:2], reply)
    return KEYSPACE.sub(keyspace, DENIED.sub(b"<denied>", reply))


def words(rng: random.Random, mute: str = "", settings: bool = True) -> list[str]:
    """One command of a transaction; `mute` is a mode of CLIENT REPLY that it may set."""
    key, other = rng.choice(KEYS), rng.choice(KEYS)
    data = [
        ["SET", key, str(rng.randrange(100))],
        ["GET", key],
        ["GET", key],
        ["INCR", key],
        ["MGET", key, other],
        ["DEL", key],
        ["SELECT", rng.choice(("0", "1", "99"))],
        ["PING"],
        ["DBSIZE"],
        ["APPEND", key, "x" * rng.randrange(200)],
        ["INCRBY", key, "nonsense"],
    ]
    control = [
        ["CLIENT", "GETNAME"],
        ["CLIENT", "SETNAME", rng.choice(("x", "y", "bad name"))],
        ["CLIENT", "NO-EVICT", rng.choice(("on", "off", "?"))],
        ["CLIENT", "GETREDIR"],
        ["CLIENT", "KILL", "ID", "999999999"],
        ["CLIENT", "UNPAUSE"],
        ["ACL", "WHOAMI"],
        ["ACL", "USERS"],
        ["ACL", "SETUSER", "t", rng.choice(("+get", "-get", "+@nosuch", "on"))],
        ["ACL", "SETUSER", "mallory", rng.choice(("-incr", "+incr", "-acl|whoami", "+acl|whoami"))],
        ["ACL", "DELUSER", "t"],
        ["ACL", "DRYRUN", "mallory", "INCR", "a"],
        ["AUTH", rng.choice(("mallory", "default")), "pw"],
        ["CONFIG", "SET", "maxmemory-samples", str(rng.randrange(1, 60))],
        ["CONFIG", "SET", "slowlog-max-len", rng.choice(("127", "128", "-x"))],
        ["CONFIG", "GET", "maxmemory-samples"],
        ["CONFIG", "GET", "slowlog-max-len"],
        ["CONFIG", "RESETSTAT"],
        ["DEBUG", "SLEEP", rng.choice(("0", "0.002"))],
        ["INFO", "keyspace"],
        ["HELLO", rng.choice(("2", "3", "9"))],
        ["WAIT", "0", "1"],
        ["COMMAND", "COUNT", "x"],
        ["SLOWLOG", "RESET"],
        ["LATENCY", "RESET"],
    ]
    if mute:
        control = [*control[:8], *[["CLIENT", "REPLY", rng.choice(("ON", mute))]] * 6]
    if not settings:
        control = [line for line in control if line[0] != "CONFIG"]
    return rng.choice(data if rng.random() < 0.5 else control)


def script(seed: int, settings: bool) -> list[list[str]]:
    """A few transactions, pipelined."""
    rng = random.Random(seed)
    mute = rng.choice(("OFF", "SKIP")) if rng.random() < 0.2 else ""
    lines: list[list[str]] = [["HELLO", rng.choice("23")]]
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.2:
            lines.append(["WATCH", rng.choice(KEYS)])
            lines += [["SET", rng.choice(KEYS), "changed"]] * rng.randrange(2)
        lines.append(["MULTI"])
        lines += [words(rng, mute, settings) for _ in range(rng.randrange(1, 10))]
        lines.append(["EXEC"])
        lines += [words(rng) for _ in range(rng.randrange(3))]
    return lines


class TransactionTests(SynchronousTestCase):
    """Generated transactions to redis-server and to Redistill"""

    def both(self, theirs: Send, ours: Send, seeds: range, settings: bool = True) -> None:
        """Compare what they say."""
        for seed in seeds:
            lines = script(seed, settings)
            request = b"".join(encode([word.encode() for word in line]) for line in lines)
            end = b"end of %d" % seed
            request += encode([b"CLIENT", b"REPLY", b"ON"]) + encode([b"ECHO", end])
            answers = []
            for send in (theirs, ours):
                for line in (
                    "RESET",
                    "ACL SETUSER mallory reset on >pw ~* +@all",
                    "ACL DELUSER t",
                    "ACL SETUSER default nopass",
                    "CONFIG SET maxmemory-samples 5 slowlog-max-len 128",
                    "FLUSHALL",
                ):
                    send(encode(line.encode().split()), b"\r\n")
                answers.append(plain(send(request, end + b"\r\n")))
                send(encode([b"RESET"]), b"+RESET\r\n")
            if answers[0] != answers[1]:
                shown = "\n".join(map(" ".join, lines))
                self.fail(f"seed {seed}\n{shown}\n\nredis     {answers[0]!r}\nredistill {answers[1]!r}")

    def connect(self, server: servers.Server) -> Send:
        """A connection that ends with the test."""
        sock = server.connect()
        self.addCleanup(sock.close)
        return socket_send(sock)

    def test_one_worker(self) -> None:
        """One process."""
        self.both(self.connect(servers.shared("redis")), self.connect(servers.shared("ours")), range(300))

    def test_two_workers(self) -> None:
        """Two processes, in which every change has to be made. CONFIG SET is only in force behind the data commands."""
        server = servers.redistill(TWO, tcp=True)
        self.addCleanup(server.stop, signal.SIGKILL)
        self.both(self.connect(servers.shared("redis")), self.connect(server), range(300, 450), False)

    def test_other_transport(self) -> None:
        """A StringTransport."""
        peer = InProcessPeer()
        self.addCleanup(peer.close)
        self.both(self.connect(servers.shared("redis")), string_send(peer), range(450, 600))
