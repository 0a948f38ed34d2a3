"""Effects of a connection on itself and on others: CLIENT REPLY, KILL and PAUSE, RESET, HELLO in a pipeline."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.servers import until

from . import sides
from .peers import Conversation, Peer, ask, encode
from .replies import CLOSED, Reply


def lines(text: str) -> list[bytes]:
    """A command a line, encoded."""
    return [encode([word.encode() for word in line.split()]) for line in text.strip().splitlines()]


class PipelineTests(SynchronousTestCase):
    """One connection sends all at once and hangs up; all that comes back is the same."""

    def check(self, text: str) -> None:
        """Both servers answer the script `text` alike."""
        self.check_requests(lines(text))

    def check_requests(self, requests: list[bytes]) -> None:
        """Both servers answer the bytes of `requests` alike."""
        said = []
        for peer in (sides.oracle(), sides.ours()):
            client = peer.open()
            said.append(client.last_words(requests))
            client.close()
        self.assertEqual(said[0], said[1])

    def test_skip_and_empty_requests(self) -> None:
        """An empty request is the one that CLIENT REPLY SKIP leaves without a reply; after others it is nothing."""
        skip, ping = lines("CLIENT REPLY SKIP\nPING")
        for empty in (b"\r\n", b"\n", b"*0\r\n", b"*-1\r\n", b"   \r\n", b"\r\n*0\r\n"):
            self.check_requests([skip, empty, ping, ping])
            self.check_requests([skip + empty + ping + ping])
            self.check_requests([skip + ping + empty + ping])
            self.check_requests([skip, ping, empty + ping])
            self.check_requests([*lines("CLIENT REPLY OFF"), empty, ping, *lines("CLIENT REPLY ON"), empty, ping])

    def test_reply(self) -> None:
        """CLIENT REPLY silences what Redis silences, itself and errors included."""
        self.check(
            """
            CLIENT REPLY SKIP
            PING
            ECHO a
            CLIENT REPLY OFF
            ECHO b
            CLIENT REPLY ON
            ECHO c
            CLIENT REPLY SKIP
            CLIENT REPLY ON
            ECHO d
            CLIENT REPLY OFF
            CLIENT REPLY SKIP
            ECHO e
            CLIENT REPLY foo
            NOSUCH
            GET
            CLIENT REPLY ON
            CLIENT REPLY SKIP
            CLIENT REPLY SKIP
            ECHO f
            ECHO g
            CLIENT REPLY SKIP
            NOSUCH
            ECHO h
            """
        )

    def test_reset(self) -> None:
        """RESET leaves MULTI, the database, RESP3 and the name behind."""
        self.check(
            """
            SELECT 3
            CLIENT SETNAME a
            CLIENT SETNAME b
            MULTI
            SET reset:a 1
            RESET
            CLIENT GETNAME
            EXEC
            GET reset:a
            """
        )

    def test_transactions(self) -> None:
        """Commands about the connection are queued like others, and answered in their places."""
        self.check(
            """
            MULTI
            CLIENT SETNAME k
            CLIENT GETNAME
            CLIENT GETREDIR
            CLIENT TRACKINGINFO
            CONFIG GET save
            AUTH x
            CONFIG SET maxmemory-samples x
            CLIENT KILL ID 0
            EXEC
            CLIENT GETNAME
            MULTI
            CLIENT ID foo
            EXEC
            MULTI
            CONFIG FOO
            EXEC
            MULTI
            SHUTDOWN NOSAVE
            EXEC
            MULTI
            NOSUCH a b
            EXEC
            """
        )


class TwoTests(SynchronousTestCase):
    """Two connections."""

    def pair(self, peer: Peer) -> tuple[Conversation, Conversation]:
        """Two of them, to be closed at the end."""
        pair = peer.open(), peer.open()
        for client in pair:
            self.addCleanup(client.close)
        return pair

    def killed(self, peer: Peer, line: str) -> list[Reply]:
        """The reply to the client that kills, and the data that the killed one gets."""
        one, other = self.pair(peer)
        number = ask(other, "CLIENT", "ID").value
        mine = ask(one, "CLIENT", "ID").value
        replies = [ask(one, *line.format(other=number, mine=mine).split())]
        for client in (other, one):
            try:
                replies.append(ask(client, "PING"))
            except OSError:
                replies.append(CLOSED)
        return replies

    def test_kill(self) -> None:
        """A killed client is closed, the others go on."""
        for line in (
            "CLIENT KILL ID {other}",
            "CLIENT KILL ID {other} TYPE pubsub",
            "CLIENT KILL ID {mine}",
            "CLIENT KILL ID {mine} SKIPME no",
            "CLIENT KILL ID {other} USER default",
            "CLIENT KILL ID {other} ADDR nowhere:0",
        ):
            self.assertEqual(self.killed(sides.oracle(), line), self.killed(sides.ours(), line), line)

    def paused(self, peer: Peer) -> list[Reply]:
        """Reads go on while writes are held; the end of the pause lets them through, in order."""
        one, other = self.pair(peer)
        self.addCleanup(ask, one, "DEL", "pause:a")
        replies = [ask(one, "CLIENT", "PAUSE", "20000", "WRITE"), ask(other, "GET", "pause:a")]
        other.exchange(lines("SET pause:a 1\nINCR pause:a\nGET pause:a"), 0)
        replies += [ask(one, "GET", "pause:a"), ask(one, "CLIENT", "UNPAUSE")]
        return replies + other.exchange([], 3)

    def test_pause(self) -> None:
        """CLIENT PAUSE WRITE and UNPAUSE."""
        self.assertEqual(self.paused(sides.oracle()), self.paused(sides.ours()))

    def test_what_a_pause_of_writes_holds(self) -> None:
        """PFCOUNT, which may change its key, and a transaction with it wait; what only reads does not."""
        answers = []
        for peer in (sides.oracle(), sides.ours()):
            one, other = self.pair(peer)
            self.addCleanup(ask, one, "DEL", "pause:h")
            ask(one, "PFADD", "pause:h", "a")
            ask(one, "CLIENT", "PAUSE", "20000", "WRITE")
            other.exchange(lines("PFCOUNT pause:h"), 0)
            until(lambda one=one: blocked(one) == 1, 10, "PFCOUNT waits")
            replies = [ask(one, "GETRANGE", "pause:h", "0", "3"), ask(one, "CLIENT", "UNPAUSE")]
            replies += other.exchange([], 1)
            until(lambda one=one: blocked(one) == 0, 10, "nobody waits")
            answers.append(replies)
        self.assertEqual(answers[0], answers[1])

    def test_keys_that_expire_in_a_pause(self) -> None:
        """They are not seen, and stay until the pause has ended."""
        for peer in (sides.oracle(), sides.ours()):
            one, other = self.pair(peer)
            ask(one, "DEBUG", "SET-ACTIVE-EXPIRE", "1")  # other tests of these servers may have left it at 0
            ask(one, "SELECT", "9")
            ask(one, "FLUSHDB")
            ask(one, "SET", "pause:x", "v", "PX", "50")
            ask(one, "SET", "pause:y", "v", "PX", "50")
            ask(one, "CLIENT", "PAUSE", "20000", "WRITE")
            before = counter(other, "expired_keys")
            until(lambda one=one: ask(one, "GET", "pause:x").value is None, 10, "the key has expired")
            sweeps = counter(other, "uptime_in_seconds") + 2
            until(lambda other=other, sweeps=sweeps: counter(other, "uptime_in_seconds") >= sweeps, 10, "some sweeps")
            self.assertEqual((ask(one, "DBSIZE").value, ask(one, "EXISTS", "pause:y").value), (2, 0), peer)
            self.assertEqual(counter(other, "expired_keys"), before)
            ask(one, "CLIENT", "UNPAUSE")
            until(lambda one=one: ask(one, "DBSIZE").value == 0, 20, "the keys are gone")


def counter(client: Conversation, name: str) -> int:
    """A number that INFO tells."""
    said = ask(client, "INFO", "everything").value
    assert isinstance(said, bytes)
    return int(said.split(name.encode() + b":")[1].split(b"\r\n")[0])


def blocked(client: Conversation) -> int:
    """How many clients wait."""
    return counter(client, "blocked_clients")
