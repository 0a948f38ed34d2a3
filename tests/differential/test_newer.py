"""What redis-server 7.0 does not have yet, compared with valkey-server 9."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from . import sides
from . import words as w
from .profiles import examples
from .scripts import Script, scripts
from .strings import expiries
from .words import command, key, option, options, pick, value

NEWER = st.one_of(
    command(
        "SET",
        key,
        pick("1", "2", "v"),
        options(option("IFEQ", pick("1", "2", "v", "")), "GET", "KEEPTTL", "NX", "XX", *expiries),
    ),
    command("SET", key, pick("1", "2", "v"), option("IFEQ", pick("1", "2", "v", ""))),
    command("SET", key, value),
    command("GET", key),
    command("DEL", key),
    command(
        "CLIENT",
        w.word("SETINFO"),
        pick("lib-name", "LIB-NAME", "lib-ver", "junk"),
        pick("redis-py", "1.2.3", "a b", "", "x\n"),
    ),
    command("CLIENT", w.word("SETINFO"), pick("lib-name")),
    command("CLIENT", w.word("NO-TOUCH"), pick("on", "off", "junk")),
    command("CLIENT", w.word("NO-TOUCH")),
)


class NewerTests(SynchronousTestCase):
    """Scripts of what came after 7.0."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.newer_oracle(), sides.ours()

    @examples(100)
    @given(scripts(NEWER))
    def test_same_replies(self, script: Script) -> None:
        """SET IFEQ, CLIENT SETINFO and CLIENT NO-TOUCH."""
        script.commands[:] = [argv for argv in script.commands if argv[0].lower() not in (b"multi", b"exec")]
        found = sides.differing(script, self.theirs, self.ours, sides.known())
        self.assertFalse(found, sides.explain(script, found))
