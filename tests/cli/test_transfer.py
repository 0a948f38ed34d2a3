"""redistill load, dump and compare as far as they need no server; `tests.integration.test_transfer` has the rest."""

from __future__ import annotations

import gzip
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from redistill.cli import main
from redistill.cli.transfer import where
from redistill.transfer.server import pool, public
from tests.transfer.files import VALUES, rdb, string


class LoadTests(SynchronousTestCase):
    """redistill load."""

    def run_it(self, *words: str, given: bytes | None = None, **environ: str) -> tuple[int, str]:
        """Exit status and output of a subcommand; FILE in place of the path of a file with these bytes."""
        path = Path(self.mktemp())
        if given is not None:
            path.write_bytes(given)
        words = tuple(str(path) if word == "FILE" else word for word in words)
        result = CliRunner().invoke(main, words, env={"XDG_STATE_HOME": self.mktemp(), **environ})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output.replace(str(path), "FILE")

    def test_format(self) -> None:
        """It goes by the first bytes, unless an option says it; a dry run needs no server, and writes no state."""
        for given, options, said in (
            (rdb(string(b"a", b""), b"\x01\x01l" + VALUES[1]), (), "would load 2 (1 list, 1 string)"),
            (b'\xef\xbb\xbf {"key": "a", "value": ""}\n', (), "would load 1 (1 string)"),
            (b"\n# x\nSET a 1\nSET b 2\n", (), "would load 2 (2 command)"),
            (b"*1\r\n$4\r\nPING\r\n", (), "would load 1 (1 command)"),
            (b"", (), "would load 0"),
            (b"{\n", ("--format", "commands"), "would load 1 (1 command)"),
            (b"SET a 1\nSELECT 4\nSET b 2\n", ("--db", "3"), "would load 1 (1 command)"),
            (rdb(string(b"a", b""), string(b"b", b"")), ("--match", "b*"), "would load 1 (1 string)"),
        ):
            status, out = self.run_it("load", "FILE", "--dry-run", *options, given=given)
            self.assertEqual((status, out.splitlines()[0]), (0, said), given)

    def test_what_is_no_source(self) -> None:
        """It is named, with what to do instead."""
        for words, given, status, said in (
            (("load",), None, 2, "name either a FILE (- for stdin) or a server with --from"),
            (("load", "FILE", "--from", "x"), b"", 2, "name either a FILE"),
            (("load", "FILE"), None, 1, "cannot read FILE: No such file or directory"),
            (("load", "FILE"), gzip.compress(b"x"), 1, "FILE is compressed; write: zcat FILE | redistill load -"),
            (("load", "FILE"), b'[{"key": "a"}]', 1, "FILE is a JSON array"),
            (("load", "FILE", "--format", "rdb"), b"SET a 1\n", 1, "FILE: offset 0: an RDB file begins with"),
            (("load", "FILE", "--resume"), b"SET a 1\n", 1, "there is no interrupted load to resume"),
            (("load", "--from", "127.0.0.1:x"), None, 1, "127.0.0.1:x is no address; write redis://"),
            (("load", "--from", "redis://:ge/heim@host"), None, 1, "redis://host is no address"),
            (("load", "FILE", "--rate", "0"), b"", 2, "--rate"),
        ):
            found, out = self.run_it(*words, given=given)
            self.assertEqual(found, status, out)
            self.assertIn(said, out)

    def test_damage(self) -> None:
        """A dry run verifies a file: status 1, with the place."""
        status, out = self.run_it("load", "FILE", "--dry-run", given=rdb(string(b"a", b""))[:-9])
        self.assertEqual(status, 1)
        self.assertIn("Error: FILE: offset 13: the file is truncated, it ends here", out)
        status, out = self.run_it("load", "FILE", "--dry-run", given=b'{"key": 1}\n{"key": "a", "value": ""}\n')
        self.assertEqual(status, 1)
        self.assertIn("line 1: a record has either a value or a dump", out)
        self.assertIn("would load 1 (1 string)", out)

    def test_no_server(self) -> None:
        """A server that does not answer is named."""
        status, out = self.run_it("load", "FILE", "-p", "1", given=b"SET a 1\n")
        self.assertEqual(status, 1)
        self.assertIn("127.0.0.1:1: ", out)

    def test_positions(self) -> None:
        """As messages show them."""
        for position, text in (
            ({"offset": 5, "crc": 1}, "offset 5"),
            ({"offset": 5, "line": 2}, "line 2"),
            ({"offset": 5, "line": None}, "offset 5"),
            ({"db": 3, "cursor": 7, "done": 9}, "database 3, 9 keys"),
        ):
            self.assertEqual(where(position), text)


class AddressTests(SynchronousTestCase):
    """Addresses of servers."""

    def test_database(self) -> None:
        """That of the address."""
        for address, db in (
            ("host", None),
            ("host:7000", None),
            ("redis://host/5", 5),
            ("rediss://:secret@host:7000/12?ssl_cert_reqs=none", 12),
            ("unix:///run/redis/5", None),
            ("unix:///run/s?db=4", 4),
        ):
            made, named = pool(address, {}, "X")
            self.assertEqual(named, db)
            self.assertEqual(made.connection_kwargs.get("db") or 0, db or 0)

    def test_password(self) -> None:
        """The environment has it, unless the address does; no message shows it."""
        self.assertEqual(pool("host", {"X": "p"}, "X")[0].connection_kwargs["password"], "p")
        self.assertEqual(pool("redis://u:q@host", {"X": "p"}, "X")[0].connection_kwargs["password"], "q")
        for address, shown in (
            ("redis://u:geheim@host:1/2", "redis://host:1/2"),
            ("u:geheim@host", "host"),
            ("redis://host?password=geheim&x=1", "redis://host?password=...&x=1"),
            ("redis://:ge/he@im@host", "redis://host"),
            ("unix:///run/s", "unix:///run/s"),
            ("host:1", "host:1"),
        ):
            self.assertEqual(public(address), shown)
