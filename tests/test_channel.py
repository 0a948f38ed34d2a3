"""The words between supervisor and workers, on their way through AMP."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import StringTransport
from twisted.protocols.amp import AMP, Command, Integer
from twisted.trial.unittest import SynchronousTestCase

from redistill.channel import PIECE, Blob, Json


class Say(Command):
    """Both kinds of argument, beside one of AMP's own."""

    arguments = ((b"blob", Blob()), (b"number", Integer()), (b"plain", Json()))
    response = ((b"blob", Blob()), (b"plain", Json()))


class Echo(AMP):
    """Answers with what it got."""

    @Say.responder
    def say(self, blob: bytes, number: int, plain: Any) -> dict[str, Any]:
        return {"blob": blob * number, "plain": plain}


class ArgumentTests(SynchronousTestCase):
    """`Blob` and `Json`."""

    def said(self, blob: bytes, plain: Any, number: int = 1) -> tuple[bytes, Any]:
        """What comes back of a call of `Say`."""
        here, there = AMP(), Echo()
        for side in (here, there):
            side.makeConnection(StringTransport())
        answer = here.callRemote(Say, blob=blob, plain=plain, number=number)
        there.dataReceived(here.transport.value())
        here.dataReceived(there.transport.value())
        box = self.successResultOf(answer)
        return box["blob"], box["plain"]

    def test_blob_of_any_length(self) -> None:
        """Bytes arrive as they were, however many: AMP's own values end at 65,535 bytes."""
        for length in (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 1_000_000):
            blob = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
            self.assertEqual(self.said(blob, None), (blob, None))
        self.assertEqual(self.said(b"ab", None, 100_000)[0], b"ab" * 100_000)

    def test_json(self) -> None:
        """So does what JSON can hold, and text with bytes that are not UTF-8."""
        for plain in (None, 0, [], {"a": [1, "\udcff\u20ac", {"b": None}]}, "x" * 100_000):
            self.assertEqual(self.said(b"", plain), (b"", plain))
