"""The two sides of a comparison: something that can be connected to, and conversations with it."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Sequence
from typing import Protocol

from tests.integration.servers import Server

from .replies import CLOSED, Parser, Reply

REPLY_SECONDS = 20.0
LARGEST_REPLY = 64 << 20  # bytes; no test asks for more at once


class Conversation(Protocol):
    """One client connection."""

    def exchange(self, pieces: Sequence[bytes], count: int) -> list[Reply]:
        """Send the pieces one after another and read `count` replies; CLOSED stands for each that never came."""

    def last_words(self, pieces: Sequence[bytes]) -> list[Reply]:
        """Send the pieces, then the end of the stream; all replies until the other side hangs up."""

    def close(self) -> None:
        """Hang up."""


class Peer(Protocol):
    """A server under comparison."""

    def open(self) -> Conversation:
        """Connect a new client."""


def encode(argv: Sequence[bytes]) -> bytes:
    """A command as clients send it."""
    parts = [b"*%d\r\n" % len(argv)]
    for word in argv:
        parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(parts)


def ask(conversation: Conversation, *argv: bytes | str | int) -> Reply:
    """One command, one reply."""
    words = [w if isinstance(w, bytes) else str(w).encode() for w in argv]
    return conversation.exchange([encode(words)], 1)[0]


class WireConversation:
    """A socket. It reads while it writes, so that neither side can wait for the other for ever."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._parser = Parser()
        sock.setblocking(False)

    def exchange(self, pieces: Sequence[bytes], count: int) -> list[Reply]:
        replies: list[Reply] = []
        pending = [memoryview(piece) for piece in pieces if piece]
        pending.reverse()
        end = time.monotonic() + REPLY_SECONDS
        while pending or len(replies) < count:
            reply = self._parser.get()
            if reply is not None:
                replies.append(reply)
                continue
            if time.monotonic() > end:
                raise AssertionError(
                    f"{len(replies)} of {count} replies in {REPLY_SECONDS:g} s; unparsed {self._parser.rest[:200]!r}"
                )
            readable, writable, _ = select.select([self._sock], [self._sock] if pending else [], [], 1.0)
            if writable:
                self._write(pending)
            if readable and not self._read():
                replies += [CLOSED] * (count - len(replies))
                break
        return replies

    def last_words(self, pieces: Sequence[bytes]) -> list[Reply]:
        replies = self.exchange(pieces, 0)
        with contextlib.suppress(OSError):  # hung up already
            self._sock.shutdown(socket.SHUT_WR)
        end = time.monotonic() + REPLY_SECONDS
        self._sock.settimeout(REPLY_SECONDS)
        while self._read():
            if time.monotonic() > end:
                raise AssertionError("not closed after the end of the stream")
        return replies + list(iter(self._parser.get, None))

    def _write(self, pending: list[memoryview]) -> None:
        try:
            sent = self._sock.send(pending[-1])
        except BlockingIOError:
            return
        except OSError:
            pending.clear()  # the other side hung up; what it said before can still be read
            return
        pending[-1] = pending[-1][sent:]
        if not pending[-1]:
            pending.pop()

    def _read(self) -> bool:
        try:
            data = self._sock.recv(1 << 22)  # all that there is: a reply is parsed from its start again
        except BlockingIOError:
            return True
        except TimeoutError:
            raise AssertionError(f"nothing came for {REPLY_SECONDS:g} s") from None
        except OSError:
            return False
        self._parser.feed(data)
        if self._parser.held > LARGEST_REPLY:
            raise AssertionError(f"a reply without end: {self._parser.rest[:200]!r}")
        return bool(data)

    def close(self) -> None:
        self._sock.close()


class WirePeer:
    """A server process."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def open(self) -> WireConversation:
        return WireConversation(self.server.connect())
