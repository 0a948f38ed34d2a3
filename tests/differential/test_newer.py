"""Commands that redis-server 7.0 does not have yet, compared with valkey-server 9."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .connection import HELLO_OPTIONS
from .hashes import EXPIRING_FIELDS
from .newer import NEWER
from .peers import ask, encode
from .profiles import examples
from .scripts import Script, any_of, scripts
from .words import command, options, pick


class HelloTests(SynchronousTestCase):
    """HELLO, which in 7.2 takes effect as a whole."""

    def test_options(self) -> None:
        """A mistake anywhere leaves the name as it was, and of several AUTHs and SETNAMEs the last counts."""
        for words in (
            ["2", "SETNAME", "six", "SETNAME", "bad name"],
            ["2", "SETNAME", "a", "SETNAME", "b"],
            ["2", "SETNAME", "a", "AUTH", "nobody", "x"],
            ["2", "AUTH", "nobody", "x", "AUTH", "default", "y", "SETNAME", "q"],
            ["2", "AUTH", "default", "y", "AUTH", "nobody", "x", "SETNAME", "q"],
            ["2", "AUTH", "nobody", "x", "SETNAME", "bad name"],
            ["2", "AUTH", "nobody", "x", "FOO"],
            ["2", "SETNAME", "a", "FOO"],
            ["2", "SETNAME", ""],
            ["2", "SETNAME"],
            ["4", "SETNAME", "a"],
        ):
            self.same([word.encode() for word in words])

    def same(self, words: list[bytes]) -> None:
        """Both answer alike, and the client has the same name afterwards."""
        answers = []
        for peer in (sides.newer_oracle(), sides.ours()):
            client = peer.open()
            ask(client, "CLIENT", "SETNAME", "before")
            said = client.exchange([encode([b"HELLO", *words])], 1)[0]
            answers.append((said if said.kind == "-" else said.kind, ask(client, "CLIENT", "GETNAME")))
            client.close()
        self.assertEqual(answers[0], answers[1], words)

    @examples(60)
    @given(command("HELLO", pick("2", "3"), options(*HELLO_OPTIONS, *HELLO_OPTIONS, most=4)))
    def test_several_options(self, argv: list[bytes]) -> None:
        """Several options in any order."""
        self.same(argv[1:])

    def test_getex_of_nothing(self) -> None:
        """GETEX judges its time after it has found the key, as redis-server 7.0 does and Valkey does not."""
        for peer in (sides.oracle(), sides.ours()):
            client = peer.open()
            ask(client, "DEL", "k")
            self.assertIsNone(ask(client, "GETEX", "k", "EX", "0").value)
            ask(client, "SET", "k", "v")
            self.assertEqual(ask(client, "GETEX", "k", "EX", "0").value, b"ERR invalid expire time in 'getex' command")
            client.close()


class NewerTests(SynchronousTestCase):
    """Scripts of what came after 7.0."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.newer_oracle(), sides.ours()

    @examples(100)
    @given(scripts(st.one_of(NEWER)))
    def test_same_replies(self, script: Script) -> None:
        """SET IFEQ, MSETEX, DELIFEQ, CLIENT SETINFO, CLIENT NO-TOUCH, WAITAOF, and WAIT with a timeout beyond all clocks."""
        script.commands[:] = [
            argv
            for argv in script.commands
            if argv[0].lower() not in (b"multi", b"exec")
            and [word.lower() for word in argv[:2]] != [b"scan", b"-1"]  # Valkey refuses it, redis-server 7.0 does not
        ]
        found = sides.differing(script, self.theirs, self.ours, sides.known_of_newer())
        self.assertFalse(found, sides.explain(script, found))

    @examples(150)
    @given(scripts(any_of(EXPIRING_FIELDS), most=40))
    def test_fields_that_expire(self, script: Script) -> None:
        """Hashes with fields that expire, small and large ones, beside other changes of their keys."""
        names = (b"multi", b"exec", b"copy", b"rename", b"del", b"expire", b"persist", b"ttl", b"type", b"get", b"set")
        script.commands[:] = [
            argv for argv in script.commands if argv[0].lower() in names or argv[0].lower().startswith(b"h")
        ]
        found = sides.differing(script, self.theirs, self.ours, sides.known_of_newer())
        self.assertFalse(found, sides.explain(script, found))
