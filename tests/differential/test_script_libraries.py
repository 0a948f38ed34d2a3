"""The libraries cjson, cmsgpack, struct and bit in scripts, beside redis-server."""

from __future__ import annotations

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.core import script_libraries
from tests.integration import servers


def client(which: str) -> redis.Redis:
    """A client of a shared server."""
    address = servers.shared(which).address
    if isinstance(address, str):
        return redis.Redis(unix_socket_path=address, protocol=2)
    return redis.Redis(port=address[1], protocol=2)


class LibraryTests(SynchronousTestCase):
    """The calls of tests/core/script_libraries.txt, as scripts."""

    def test_results(self) -> None:
        """Each call has the results or the error that it has in redis-server."""
        ours, theirs = client("ours"), client("redis")
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        different = []
        for line in script_libraries.lines():
            theirs.eval(script_libraries.RESET, 0)
            script = script_libraries.PRELUDE + script_libraries.chunk(line)
            said = [client.eval(script, 0) for client in (ours, theirs)]
            if said[0] != said[1]:
                different.append((line, *said))
        self.assertEqual(different, [])

    def test_settings_of_a_script_end_with_it(self) -> None:
        """A setting of cjson holds until the script's end. In Redis it holds on, in all later scripts."""
        ours = client("ours")
        self.addCleanup(ours.close)
        script = "cjson.encode_number_precision(3) return cjson.encode(1/3)"
        self.assertEqual(
            (ours.eval(script, 0), ours.eval("return cjson.encode(1/3)", 0)), (b"0.333", b"0.33333333333333")
        )

    def test_libraries_cannot_be_changed(self) -> None:
        """A script cannot put a function of its own into a library."""
        ours = client("ours")
        self.addCleanup(ours.close)
        for library in ("cjson", "cmsgpack", "struct", "bit"):
            for change in (f"{library}.x = 1", f"rawset({library}, 'x', 1)", f"setmetatable({library}, {{}})"):
                with self.assertRaises(redis.ResponseError, msg=change):
                    ours.eval(change, 0)
