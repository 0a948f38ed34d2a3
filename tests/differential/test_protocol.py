"""Streams that are no proper RESP: the same last words, and the close, as redis-server."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from . import sides
from .peers import Peer, WirePeer, encode
from .profiles import examples
from .replies import Reply
from .scripts import cut

PING = encode([b"PING"])

# Bytes sent after a good command. Each ends the conversation with an error, or leaves a command unfinished.
MALFORMED = (
    b"*-2\r\n+PING\r\n",
    b"*-9223372036854775808\r\n",
    b"*1048577\r\n",
    b"*2147483648\r\n",
    b"*9223372036854775808\r\n",
    b"*x\r\n",
    b"*\r\n",
    b"* 1\r\n",
    b"*+1\r\n$4\r\nPING\r\n",
    b"*01\r\n$4\r\nPING\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-0\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$9223372036854775808\r\n",
    b"*1\r\n$4294967300\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n:4\r\nPING\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n\x00\r\n",
    b"*1\r\n'\r\n",
    b"*2\r\n$3\r\nGET\r\n*1\r\n$1\r\nk\r\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    b"*1\n$4\r\nPING\r\n",
    b"*1\r\n$4\nPING\r\n",
    b"*1\r\n$4\r\nPING\n\n" + PING,
    b'GET "unbalanced\r\n',
    b"GET 'unbalanced\r\n",
    b'GET "a"b\r\n',
    b"GET 'a'b\r\n",
    b'GET a"b"\r\n',
    b'PING "\\x41\\n\\q\\x4"\r\n',
    b"PING 'it\\'s'\r\n",
    b"PING\x00\r\n",
    b"\x00PING\r\n",
    b" PING \r\n",
    b"\tPING\t a\r\n",
    b"PING\r",
    b"PING",
    b"\r\r\n",
    b"*0\r\n*-1\r\n\r\n\n" + PING,
    b"*1\r\n$4\r\nPIN",
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n",
    b"*1\r\n$0\r\n\r\n",
    b'""\r\n',
    b"''\r\n" + PING,
    b"-1\r\n",
    b"$4\r\nPING\r\n",
    b"+PING\r\n",
    b"%1\r\n$1\r\na\r\n$1\r\nb\r\n",
    b"GET " + b"x" * 65600 + b"\r\n",
    b"x" * 65537,
    b"*" + b"1" * 65600 + b"\r\n",
    b"*1\r\n$" + b"1" * 65600 + b"\r\n",
    b"\xff\xfe\r\n",
    b"QUIT\r\n" + PING,
    encode([b"QUIT"]) + b"*x\r\n" + PING,
    encode([b"QUIT", b"now"]) + PING,
    b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"Host: a\r\n" + PING,
)


class MalformedTests(SynchronousTestCase):
    """Input that ends a conversation."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.oracle(), sides.ours()

    def words(self, peer: Peer, pieces: list[bytes]) -> list[Reply]:
        """All that the server says to this stream."""
        conversation = peer.open()
        try:
            return conversation.last_words(pieces)
        finally:
            conversation.close()

    def test_each(self) -> None:
        """A good command before the malformed bytes is answered, then comes the error, then the close."""
        wrong = []
        for data in MALFORMED:
            theirs, ours = self.words(self.theirs, [PING + data]), self.words(self.ours, [PING + data])
            if data in sides.streams():
                theirs = [Reply("+", b"PONG"), *(Reply("-", text.encode()) for text in sides.streams()[data][1])]
            if theirs != ours:
                wrong.append(f"{data[:60]!r}: theirs {theirs!r}, ours {ours!r}")
        self.assertEqual(wrong, [], "\n".join(wrong))

    @examples(100)
    @given(st.sampled_from(MALFORMED), st.integers(0, 3), st.integers(0, 1 << 16))
    def test_in_pieces(self, data: bytes, before: int, seed: int) -> None:
        """The replies to complete bytes do not depend on how reads cut them."""
        whole = self.words(self.ours, [PING * before + data])
        self.assertEqual(self.words(self.ours, cut(PING * before + data, random.Random(seed))), whole)

    @examples(150)
    @given(st.lists(st.sampled_from([b"*", b"$", b"1", b"2", b"-", b"\r\n", b"\r", b"\n", b"4", b"PING", b'"', b"'", b" ", b"\\x", b"0"]), max_size=25).map(b"".join))  # fmt: skip
    def test_soup(self, data: bytes) -> None:
        """RESP's own bytes in any order."""
        self.assertEqual(self.words(self.theirs, [data]), self.words(self.ours, [data]))


class UnauthenticatedTests(SynchronousTestCase):
    """Before AUTH a client may say little: no data, ten arguments, 16 KiB each."""

    def setUp(self) -> None:
        self.theirs = servers.redis_server("--requirepass", "secret")
        self.addCleanup(self.theirs.stop)
        self.ours = {
            "redistill": lambda: servers.redistill('[security]\npassword = "secret"\n'),
            "valkey": lambda: servers.valkey_server("--requirepass", "secret"),
        }[sides.OURS]()
        self.addCleanup(self.ours.stop)

    def both(self, *pieces: bytes) -> None:
        """Both servers say the same to this stream of a new client."""
        answers = []
        for server in (self.theirs, self.ours):
            conversation = WirePeer(server).open()
            answers.append(conversation.last_words(list(pieces)))
            conversation.close()
        self.assertEqual(answers[0], answers[1], f"{pieces!r}")

    def test_commands(self) -> None:
        """Every command but the few that a client needs to log in is refused with NOAUTH."""
        for argv in (
            [b"GET", b"k"], [b"SET", b"k", b"v"], [b"PING"], [b"ECHO", b"x"], [b"SELECT", b"1"], [b"CLIENT", b"SETNAME", b"x"],
            [b"COMMAND", b"COUNT"], [b"INFO"], [b"DBSIZE"], [b"FLUSHALL"], [b"MULTI"], [b"EXEC"], [b"NOSUCH"], [b"GET"], [b"CONFIG", b"GET", b"*"],
            [b"HELLO"], [b"HELLO", b"3"], [b"HELLO", b"4"], [b"HELLO", b"abc"], [b"RESET"], [b"QUIT"], [b"AUTH"], [b"AUTH", b"wrong"],
            [b"AUTH", b"default", b"wrong"], [b"AUTH", b"nobody", b"secret"], [b"AUTH", b"a", b"b", b"c"], [b"AUTH", b""],
            [b"HELLO", b"3", b"AUTH", b"default", b"wrong"], [b"HELLO", b"3", b"SETNAME", b"x"], [b"CLIENT", b"NOSUCH"], [b"SHUTDOWN"], [b"DEBUG", b"SLEEP", b"0"],
        ):  # fmt: skip
            self.both(encode(argv))

    def test_login(self) -> None:
        """After AUTH, with or without the user's name, data is served; RESET logs out again; a failed AUTH changes nothing."""
        get, good = encode([b"GET", b"k"]), encode([b"AUTH", b"secret"])
        self.both(get, good, get)
        self.both(encode([b"AUTH", b"default", b"secret"]), get)
        self.both(good, encode([b"AUTH", b"wrong"]), get)
        self.both(good, encode([b"RESET"]), get)
        self.both(good, encode([b"HELLO", b"3", b"AUTH", b"default", b"wrong"]), get)
        self.both(good, encode([b"MULTI"]), encode([b"AUTH", b"wrong"]), get, encode([b"EXEC"]))

    def test_limits(self) -> None:
        """Ten arguments and 16 KiB pass, one more ends the conversation."""
        self.both(encode([b"ECHO"] + [b"x"] * 9))
        self.both(encode([b"ECHO"] + [b"x"] * 10))
        self.both(b"*11\r\n")
        self.both(encode([b"ECHO", b"x" * 16384]))
        self.both(encode([b"ECHO", b"x" * 16385]))
        self.both(b"*2\r\n$4\r\nECHO\r\n$16385\r\n")
        self.both(encode([b"AUTH", b"secret"]), encode([b"ECHO"] + [b"x"] * 10), encode([b"ECHO", b"x" * 16385]))

    def test_no_answer_after_the_close(self) -> None:
        """Commands behind malformed bytes are not executed."""
        self.both(b"*11\r\n" + encode([b"AUTH", b"secret"]))
