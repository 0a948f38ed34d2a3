"""Whatever the arguments of a control-plane command: one reply, well formed, and no exception."""

from __future__ import annotations

from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.counters import CommandCount
from tests.differential.replies import Parser
from tests.support.control import TABLE, Server

NAMES = [entry.name for entry in TABLE.flattened() if entry.control_plane and not entry.subcommands]
PLAIN = (
    b"* [a- \\ 0 -1 1 7 9999999999999999999 1e400 nan on OFF skip yes no write all id type normal addr laddr user default"
    b" skipme maxage lib-name lib-ver auth setname version nosave now maxmemory 64mb 75% timeout requirepass save"
    b" databases maxmemory-policy stats everything command get client check sleep object log set-active-expire foo"
    b" filterby pattern aclcat module"
)
WORDS = [*PLAIN.split(), b"", b"a b", b"\xff\0\r\n-X", b"x" * 300]
ARGUMENTS = st.lists(st.sampled_from(WORDS) | st.binary(max_size=8), max_size=6)


class AnyArgumentsTests(SynchronousTestCase):
    """`ControlPlane.run`."""

    @settings(max_examples=1000, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(NAMES), ARGUMENTS, st.sampled_from((2, 3)))
    def test_one_reply(self, name: str, arguments: list[bytes], version: int) -> None:
        """A command gives one reply that parses to its last byte; only what must be silent is."""
        server = Server({"security.enable_debug_command": "yes"})
        server.store.commands = [CommandCount("get", 3, 5000, 1, 1, [1, 2] + [0] * 34)]
        server.plane.event("command", 10**10)
        server.client.session.state.resp = version
        argv = [word.encode() for word in name.split("|")] + arguments
        entry = TABLE.named(name.encode())
        assert entry is not None
        if not entry.takes(len(argv)):
            return
        reply = server.ask(*argv)
        if isinstance(reply, Deferred):
            server.clock.advance(3600)
            reply = cast(bytes, self.successResultOf(reply))
        if reply == b"":
            self.assertIn(name, ("client|reply", "shutdown"))
            return
        parser = Parser()
        parser.feed(reply)
        self.assertIsNotNone(parser.get(), reply)
        self.assertEqual(parser.rest, b"")
