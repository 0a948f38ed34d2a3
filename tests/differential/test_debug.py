"""DEBUG OBJECT, beside redis-server."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .peers import ask

VALUES = (
    *(
        ["SET", "k", text]
        for text in ("", "hello", "12", "-129", "70000", "3000000000", "12345678901", "0123456789abcdef")
    ),
    ["RPUSH", "k", "a", "1", "c" * 70],
    ["RPUSH", "k", *(f"element:{n}" for n in range(100))],
    ["SADD", "k", "1", "2", "3"],
    ["SADD", "k", "1", "70000", "-5000000000"],
    ["SADD", "k", *(f"m{n}" for n in range(700))],
    ["ZADD", "k", "1", "a", "2.5", "b", "-7", "c"],
    ["ZADD", "k", *(word for n in range(200) for word in (f"{n / 3}", f"m{n}"))],
    ["HSET", "k", "a", "b", "n", "17"],
    ["HSET", "k", *(word for n in range(600) for word in (f"f{n}", "v"))],
    ["HSET", "k", "large", "0123456789abcdef" * 10],
)


class DebugObjectTests(SynchronousTestCase):
    """The fields that clients read."""

    def test_serialized_length(self) -> None:
        """It is the length of the value in an RDB file, for every type; strings that Redis compresses are not here."""
        said = []
        for peer in (sides.oracle(), sides.ours()):
            client = peer.open()
            self.addCleanup(client.close)
            ask(client, "CONFIG", "SET", "rdbcompression", "no")
            lengths = []
            for command in VALUES:
                ask(client, "DEL", "k")
                ask(client, *command)
                text = ask(client, "DEBUG", "OBJECT", "k").value.decode()
                found = re.match(
                    r"Value at:0x[0-9a-f]+ refcount:\d+ encoding:\w+ serializedlength:(\d+) lru:\d+ lru_seconds_idle:",
                    text,
                )
                assert found is not None, text
                lengths.append(int(found[1]))
            ask(client, "CONFIG", "SET", "rdbcompression", "yes")
            said.append(lengths)
        self.assertEqual(said[0], said[1])
