"""Files of commands."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.base import words
from redistill.transfer import commands
from redistill.transfer.commands import CommandSource, Keys, packed, quoted
from redistill.transfer.dump import CommandWriter, JsonWriter
from redistill.transfer.jsonlines import JsonSource
from redistill.transfer.payload import encoded_string, sealed
from redistill.transfer.records import LARGE, BadSource, Chunks, Command, Record
from tests.transfer.files import file_input, flat, pipe_input, read


def source(data: bytes, db: int = 0) -> CommandSource:
    """A file of commands."""
    return CommandSource(file_input(data), db)


class CommandTests(SynchronousTestCase):
    """The commands that are read."""

    def test_lines(self) -> None:
        """Words, quotes and escapes as redis-cli reads them; empty lines and comments are passed over."""
        data = b"\xef\xbb\xbf# warm\n\n set k v \r\nSET \"a b\\x00\\n\" 'it\\'s'\nDEL k"
        found = [(i.where, i.name, i.argv) for i in source(data).items() if isinstance(i, Command)]
        self.assertEqual(
            found,
            [
                ("line 3", "SET", [b"set", b"k", b"v"]),
                ("line 4", "SET", [b"SET", b"a b\x00\n", b"it's"]),
                ("line 5", "DEL", [b"DEL", b"k"]),
            ],
        )

    def test_resp(self) -> None:
        """RESP is passed on as it is, long arguments in pieces, and may be mixed with lines."""
        big = b"x" * (2 * LARGE)
        data = packed((b"SET", b"k", b"\r\n*")) + b"get k\n" + packed((b"SET", b"b", big))
        for made in (source(data), CommandSource(pipe_input(data))):
            found = [(i.where, i.name, i.argv, read(i.request)) for i in made.items() if isinstance(i, Command)]
            self.assertEqual(found[0], ("offset 0", "SET", [b"SET", b"k", b"\r\n*"], packed((b"SET", b"k", b"\r\n*"))))
            self.assertEqual(found[1][:3], ("offset 29", "GET", [b"get", b"k"]))
            self.assertEqual(found[2], ("offset 35", "SET", [b"SET", b"b", b""], packed((b"SET", b"b", big))))
        self.assertIsInstance([i.request for i in source(data).items() if isinstance(i, Command)][2], Chunks)

    def test_databases(self) -> None:
        """SELECT changes the database of what follows, and is no item itself."""
        found = [flat(item)[:2] for item in source(b"SET a 1\nselect 5\nSET b 1\nSELECT 0\nGET a\n", db=2).items()]
        self.assertEqual(found, [(2, "SET"), (5, "SET"), (0, "GET")])

    def test_what_cannot_be_loaded(self) -> None:
        """Commands whose replies do not follow one another, and bytes that are no commands, are named with place."""
        for data, words_ in (
            (b"SET a 1\nMONITOR\n", "line 2: MONITOR cannot be loaded"),
            (b"subscribe x\n", "line 1: SUBSCRIBE cannot be loaded"),
            (b"CLIENT REPLY OFF", "line 1: CLIENT cannot be loaded"),
            (b"AUTH x", "line 1: AUTH cannot be loaded"),
            (b'SET "a', "line 1: the quotes are not balanced"),
            (b"SELECT x", "line 1: SELECT takes the number"),
            (b"MULTI\nSELECT 1\nEXEC", "line 2: SELECT within a transaction"),
            (b"*0\r\n", "offset 0: a command without a name"),
            (b"*1\r\n$3\r\nGETxx", "offset 0: no CR LF behind an argument, at offset 11"),
            (b"*2\r\n$3\r\nGET\r\n:5\r\n", "offset 0: no RESP at offset 13"),
            (b"*9999999\r\n", "offset 0: 9999999 at offset 0 is more than 1048576"),
            (b"*1\r\n$536870913\r\n", "offset 0: 536870913 at offset 4 is more than 536870912"),
            (b"*-1\r\n", "offset 0: no RESP at offset 0"),
            (b"*1\r\n$3\r\nGE", "offset 10: the file is truncated"),
            (b"*1\r\n$3", "offset 6: the file is truncated"),
        ):
            problem = self.assertRaises(BadSource, list, source(data).items())
            self.assertTrue(str(problem).startswith(f"FILE: {words_}"), (data, str(problem)))

    def test_long_line(self) -> None:
        """A file without line ends is refused at the limit."""
        self.patch(commands, "LINE_MAX", 1 << 20)
        problem = self.assertRaises(BadSource, list, source(b"x" * (2 << 20)).items())
        self.assertIn("offset 0: the line has more than 1048576 bytes", str(problem))

    def test_position(self) -> None:
        """Behind each command it is where reading goes on; in a transaction, before MULTI."""
        data = b"SET a 1\nSELECT 3\n\nSET b 1\nMULTI\nINCR c\nEXEC\n" + packed((b"SET", b"d", b"1")) + b"GET d\n"
        whole = [flat(item) for item in source(data).items()]
        expected = [1, 2, 2, 2, 5, 6, 7]
        made = source(data)
        for item, begins in zip(made.items(), expected, strict=True):
            flat(item)
            again = source(data)
            again.resume(made.position())
            self.assertEqual([flat(one) for one in again.items()], whole[begins:])

    def test_open_transaction(self) -> None:
        """A file that ends within a transaction is noted."""
        made = source(b"MULTI\nSET a 1\n")
        list(made.items())
        self.assertIn("within a transaction", made.notes[0])

    def test_keys(self) -> None:
        """The keys of a command; its first argument if it is not known here."""
        keys = Keys()
        for argv, found in (
            ([b"MSET", b"a", b"1", b"b", b"2"], [b"a", b"b"]),
            ([b"HSET", b"h", b"f", b"v"], [b"h"]),
            ([b"PING"], []),
            ([b"GET"], []),
        ):
            self.assertEqual(keys.of(argv), found)

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
    def test_quoted(self, argv: list[bytes]) -> None:
        """Whatever the words are, the line of them is read as the same words."""
        line = b" ".join(map(quoted, argv))
        self.assertNotIn(b"\n", line)
        self.assertEqual([words.data(word) for word in words.unquoted(words.text(line)) or []], argv)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=80))
    def test_any_bytes(self, data: bytes) -> None:
        """They are commands, or refused: no other error."""
        for begin in (b"", b"*2\r\n$3\r\nGET\r\n"):
            try:
                list(source(begin + data).items())
            except BadSource as problem:
                self.assertIn("FILE: ", str(problem))


RECORDS = st.lists(
    st.builds(
        lambda db, key, string, body, at: Record(
            "", db, key, "string" if string else "list",
            payload=sealed(b"\x00" if string else b"\x01", encoded_string(body) if string else body, 10), expire_at=at,
        ),
        st.integers(0, 3), st.binary(max_size=30), st.booleans(), st.binary(min_size=1, max_size=80),
        st.none() | st.integers(1, 1 << 41),
    ),
    max_size=6,
)  # fmt: skip


class WriteTests(SynchronousTestCase):
    """Files that are written are read as they were."""

    @settings(deadline=None)
    @given(RECORDS, st.booleans())
    def test_commands(self, records: list[Record], lines: bool) -> None:
        """SET for strings, RESTORE for other types, in their database and with their expiry."""
        file = io.BytesIO()
        writer = CommandWriter(file, lines)
        for record in records:
            writer.write(record)
        writer.end()
        found = [item for item in source(file.getvalue()).items() if isinstance(item, Command)]
        self.assertEqual(len(found), len(records))
        for item, record in zip(found, records, strict=True):
            value = record.value if isinstance(record.value, bytes) else b""
            at = b"%d" % (record.expire_at or 0)
            expected = [b"SET", record.key, value, *([b"PXAT", at] if record.expire_at else [])]
            if record.type != "string":
                assert isinstance(record.payload, bytes)
                expected = [b"RESTORE", record.key, at, record.payload, b"REPLACE", b"ABSTTL"]
            self.assertEqual((item.db, item.argv), (record.db, expected))

    @settings(deadline=None)
    @given(RECORDS)
    def test_json(self, records: list[Record]) -> None:
        """Any bytes, types, databases and expiry."""
        file = io.BytesIO()
        writer = JsonWriter(file)
        for record in records:
            writer.write(record)
        writer.end()
        found = [flat(item) for item in JsonSource(file_input(file.getvalue())).items()]
        expected = [
            (r.db, r.key, r.type, r.value, None if r.type == "string" else r.payload, r.expire_at) for r in records
        ]
        self.assertEqual(found, expected)
