"""RDB files: what is read from them, how damage is told, and how they are written."""

from __future__ import annotations

import io
import os
import resource
import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.engine.codec import crc64
from redistill.transfer import payload
from redistill.transfer import rdb as rdb_module
from redistill.transfer.rdb import RdbSource, RdbWriter, Seen
from redistill.transfer.records import LARGE, BadSource, Record
from tests.transfer.files import VALUES, file_input, flat, pipe_input, rdb, read, source, string

ALL = [
    string(b"first", b"1"),
    *(bytes((kind,)) + b"\x01k" + body for kind, body in VALUES.items()),
    string(b"last", b"2"),
]


def seal(data: bytes, version: int) -> bytes:
    """A payload of DUMP."""
    whole = data + struct.pack("<H", version)
    return whole + struct.pack("<Q", crc64(whole))


class ReadTests(SynchronousTestCase):
    """Files that are in order."""

    def items(self, data: bytes) -> list[tuple[object, ...]]:
        """The compared parts of the items, which a pipe yields as well."""
        found = [flat(item) for item in source(data).items()]
        self.assertEqual([flat(item) for item in source(data, pipe=True).items()], found)
        return found

    def test_strings(self) -> None:
        """Short, long, numbers and compressed ones are read as their text."""
        for body, value in (
            (b"\x00", b""),
            (b"\x03abc", b"abc"),
            (b"\x41\x00" + b"x" * 256, b"x" * 256),
            (b"\x80\x00\x00\x00\x01z", b"z"),
            (b"\x81\x00\x00\x00\x00\x00\x00\x00\x01z", b"z"),
            (b"\xc0\xff", b"-1"),
            (b"\xc1\x00\x80", b"-32768"),
            (b"\xc2\xff\xff\xff\x7f", b"2147483647"),
            (b"\xc3\x05\x0a\x00a\xe0\x00\x00", b"a" * 10),  # one literal, and nine bytes from one byte back
        ):
            self.assertEqual(self.items(rdb(b"\x00\x01k" + body)), [(0, b"k", "string", value, None, None)])

    def test_types(self) -> None:
        """Every other type is passed on as the payload of DUMP, of the lowest version that has it."""
        for kind, body in VALUES.items():
            value = bytes((kind,)) + body
            ((_, key, name, plain, sealed, _),) = self.items(rdb(bytes((kind,)) + b"\x01k" + body))
            self.assertEqual((key, plain, sealed), (b"k", None, seal(value, payload.version_for(kind, 12))))
            self.assertEqual(name, "module AQIDBAUGB" if kind == 7 else payload.TYPES[kind])
        hash2 = b"\x16\x01k\x01\x01f\x01v" + b"\xff" * 8
        ((_, _, name, _, sealed, _),) = self.items(rdb(hash2, version=80, magic=b"VALKEY080"))
        self.assertEqual((name, sealed), ("hash", seal(b"\x16" + hash2[3:], 80)))

    def test_expiry_and_use(self) -> None:
        """Expiry in seconds and milliseconds, idle time and frequency belong to the next key only."""
        data = rdb(
            b"\xfd" + struct.pack("<i", 1000) + string(b"a", b""),
            b"\xfc" + struct.pack("<q", 1001) + b"\xf8\x41\x00" + string(b"b", b""),
            b"\xf9\x07" + string(b"c", b""),
            string(b"d", b""),
        )
        found = [(r.expire_at, r.idle, r.freq) for r in source(data).items() if isinstance(r, Record)]
        self.assertEqual(found, [(1000000, None, None), (1001, 256, None), (None, None, 7), (None, None, None)])

    def test_what_is_no_key(self) -> None:
        """Databases are changed; figures are passed over; functions and modules' data are noted."""
        made = source(
            rdb(
                b"\xfa\x09redis-ver\x057.0.1\xfa\x05ctime\xc0\x05",
                b"\xfe\x00\xfb\x01\x00" + string(b"a", b""),
                b"\xf5\x03lua\xf5\x03lua",
                b"\xf7" + VALUES[7],
                b"\xf4\x01\x02\x03",
                b"\xfe\x41\x00" + string(b"b", b""),
            )
        )
        self.assertEqual([flat(item)[:2] for item in made.items()], [(0, b"a"), (256, b"b")])
        self.assertEqual(made.notes[0], "written by redis 7.0.1")
        self.assertIn("module AQIDBAUGB", made.notes[1])
        self.assertTrue(made.notes[2].startswith("2 function libraries were skipped"))

    def test_checksum(self) -> None:
        """A wrong one is an error behind the last key; none, and a file before version 5, are taken."""
        for data, error, note in (
            (rdb(string(b"k", b"v"), checksum=7), True, None),
            (rdb(string(b"k", b"v"), checksum=0), False, "rdbchecksum"),
            (rdb(string(b"k", b"v"), version=4), False, None),
            (rdb(version=13), False, "newer than 12"),
        ):
            made = source(data)
            items = made.items()
            if error:
                self.assertEqual(flat(next(items))[:2], (0, b"k"))
                problem = self.assertRaises(BadSource, next, items)
                self.assertIn(f"offset {len(data) - 8}: the checksum is wrong", str(problem))
            else:
                list(items)
            self.assertEqual([note in one for one in made.notes], [True] if note else [])

    def test_what_follows(self) -> None:
        """The commands behind the end, in an append-only file, are not ignored: the error says how to load them."""
        for version in (4, 12):
            data = rdb(string(b"k", b"v"), version=version)
            problem = self.assertRaises(BadSource, list, source(data + b"*1\r\n").items())
            self.assertIn(f"tail -c +{len(data) + 1} FILE", str(problem))

    def test_large_values(self) -> None:
        """They are passed on in pieces, from files and from pipes; those that are not wanted are passed over."""
        big = bytes(range(256)) * (LARGE // 256) + b"end"
        listed = b"\x01" + b"\x01L" + b"\x05" + b"".join(payload.encoded_string(big) for _ in range(5))
        lzf = b"\x1f" + b"x" * 32
        packed = lzf * (payload.INFLATED_MAX // 32 + 1)
        whole = len(packed) // 33 * 32
        compressed = b"\x00\x01Z\xc3" + payload.encoded_length(len(packed)) + payload.encoded_length(whole) + packed
        data = rdb(string(b"S", big), listed, compressed, string(b"last", b""))
        for pipe in (False, True):
            for skipping in (False, True):
                found = []
                for item in source(data, pipe=pipe).items():
                    assert isinstance(item, Record)
                    if skipping:
                        item.drain()
                    else:
                        found.append((item.key, read(item.value), read(item.payload)))
                expected = [
                    (b"S", big, None),
                    (b"L", None, seal(listed[:1] + listed[3:], 6)),
                    (b"Z", None, seal(compressed[:1] + compressed[3:], 6)),
                    (b"last", b"", None),
                ]
                self.assertEqual(found, [] if skipping else expected)

    def test_position(self) -> None:
        """Behind each key it is where reading can begin again, the checksum included; within one, before it."""
        data = rdb(b"\xfe\x03", *ALL)
        for pipe in (False, True):
            made = source(data, pipe=pipe)
            whole = [flat(item) for item in source(data).items()]
            for number, item in enumerate(made.items(), 1):
                flat(item)
                again = source(data, pipe=pipe)
                again.resume(made.position())
                self.assertEqual([flat(item) for item in again.items()], whole[number:])

    def test_position_within_a_key(self) -> None:
        """After damage it is the one before the key that could not be read."""
        data = rdb(string(b"a", b"1"), b"\x00\x01b\xc4")
        made = source(data)
        items = made.items()
        next(items)
        before = made.position()
        self.assertRaises(BadSource, next, items)
        self.assertEqual((made.position(), before["offset"]), (before, 14))

    def test_magic(self) -> None:
        """A file that is none is refused, and so is a position that it does not have."""
        for data in (b"", b"REDIS", b"REDIS00x1abc", b"VALKEY80_", b"redis0010"):
            self.assertIn("an RDB file begins with", str(self.assertRaises(BadSource, source, data)))
        made = source(rdb())
        problem = self.assertRaises(BadSource, made.resume, {"offset": 99, "crc": 0, "db": 0, "functions": 0})
        self.assertIn("has only 18 bytes", str(problem))


class DamageTests(SynchronousTestCase):
    """Files that are damaged: the error names an offset, and the keys before are read."""

    def test_truncated_anywhere(self) -> None:
        """Whatever byte is the last, the keys before are read and the error names the end."""
        data = rdb(*ALL)
        whole = [flat(item) for item in source(data).items()]
        for end in range(9, len(data)):
            found = []

            def run(end: int = end, found: list[tuple[object, ...]] = found) -> None:
                for item in source(data[:end]).items():
                    found.append(flat(item))

            problem = self.assertRaises(BadSource, run)
            self.assertIn(f"offset {end}: the file is truncated", str(problem))
            self.assertEqual(found, whole[: len(found)])

    def test_what_is_wrong_is_named(self) -> None:
        """With its offset; no memory is taken on the word of a length."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for part, offset, words in (
            (b"\x0a\x01k\x80\xff\xff\xff\xff", 12, "a string of 4294967295 bytes"),
            (b"\x00\x01k\x81" + b"\xff" * 8, 12, "a string of 18446744073709551615 bytes"),
            (b"\x00\x01k\x82", 12, "0x82 begins no length"),
            (b"\x00\x01k\xc4", 12, "unknown encoding 0xc4"),
            (b"\x00\x01k\xc3\x01\x0a\xff", 12, "a compressed string is damaged"),
            (b"\x00\x01k\xc3\x03\x80\x01\x00\x00\x00\x00a\x00", 12, "a compressed string is damaged"),
            (b"\x00\x01k\xc3\x03\x80\x7f\x00\x00\x00\x00a\x00", 12, "a string of 2130706432 bytes"),
            (b"\x01\x01k\xc1\x00\x00", 12, "a length is expected"),
            (b"\x00\x80\x04\x00\x00\x01", 10, "at most 67108864 are allowed"),
            (b"\x00\xc3\x03\x80\x04\x00\x00\x01\x00a\x00", 10, "at most 67108864 are allowed"),
            (b"\x1a\x01k", 9, "unknown type 26"),
            (b"\x06\x01k\x00", 12, "whose length is not known"),
            (b"\xf0", 10, "unknown type 240"),
            (b"\xf3\x00", 9, "unknown mark 243"),
            (b"\xf6\x00", 9, "unknown mark 246"),
            (b"\x07\x01k\x00\x09", 14, "unknown kind 9"),
            (b"\xfe\x80\xff\xff\xff\xff", 10, "database 4294967295"),
            (b"\xfa\x01a\x80\x00\x20\x00\x00", 12, "at most 1048576 are allowed"),
        ):
            problem = self.assertRaises(BadSource, list, source(rdb(part) + bytes(99)).items())
            self.assertTrue(str(problem).startswith("FILE: offset "), problem)
            self.assertIn(words, str(problem))
            self.assertLessEqual(abs(int(str(problem).split()[2].rstrip(":")) - offset), 2, (part, str(problem)))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        self.assertLess(grown, 64 << 10)

    def test_counts_without_elements(self) -> None:
        """A count of 2^63 elements ends with the file."""
        for kind in (1, 2, 3, 4, 5, 14, 15, 18, 19, 21, 24):
            head = bytes(8) if kind == 24 else b""
            part = bytes((kind,)) + b"\x01k" + head + b"\x81\x7f" + b"\xff" * 7
            self.assertRaises(BadSource, list, source(b"REDIS0012" + part).items())

    def test_payload_beyond_restore(self) -> None:
        """A value that no server takes by RESTORE is counted, and the next key is read."""
        self.patch(rdb_module, "VALUE_MAX", 100)
        big, small = bytes(200), bytes(10)
        data = rdb(b"\x0a\x01k" + payload.encoded_string(big), b"\x0a\x01l" + payload.encoded_string(small))
        first, second = source(data).items()
        self.assertEqual(flat(first), (0, "its payload has 213 bytes, and RESTORE takes 100"))
        self.assertEqual(flat(second)[1], b"l")

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=400))
    @example(b"\xff")
    def test_any_bytes(self, data: bytes) -> None:
        """They are read, or refused as damaged: no other error."""
        for version in (b"REDIS0012", b"VALKEY080", b"REDIS0003"):
            try:
                for item in source(version + data).items():
                    flat(item)
            except BadSource as problem:
                self.assertIn("FILE: offset ", str(problem))

    @settings(deadline=None, max_examples=300)
    @given(st.data())
    def test_changed_bytes(self, data: st.DataObject) -> None:
        """A file with some bytes changed, removed or doubled is refused, by its checksum if by nothing else; from a
        file and from a pipe the same is read."""
        whole = bytearray(rdb(*ALL))
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(9, len(whole) - 1))
            how = data.draw(st.integers(0, 2))
            if how == 0:
                whole[at] ^= data.draw(st.integers(1, 255))
            elif how == 1:
                del whole[at : at + data.draw(st.integers(1, 9))]
            else:
                whole[at:at] = whole[at : at + data.draw(st.integers(1, 9))]
        results = []
        for made in (file_input(bytes(whole), "x"), pipe_input(bytes(whole))):
            found: list[object] = []
            reader = RdbSource(made)
            try:
                for item in reader.items():
                    found.append(flat(item))
                found.append(tuple(reader.notes))
            except BadSource as problem:
                found.append(str(problem).partition(":")[2])
            results.append(found)
        self.assertEqual(results[0], results[1])


class WriteTests(SynchronousTestCase):
    """RDB files that are written."""

    def test_round_trip(self) -> None:
        """Written items are read back; a key is written once in each database."""
        file = io.BytesIO()
        writer = RdbWriter(file)
        records = [
            Record("", db, key, "", payload=seal(value, 10), expire_at=expire_at)
            for db, key, value, expire_at in (
                (0, b"a", b"\x00\xc0\x05", None),
                (0, b"b" * 300, b"\x01" + VALUES[1], 5000),
                (7, b"a", b"\x00\x01x", 1 << 50),
            )
        ]
        self.assertEqual([writer.write(one) for one in (*records, records[0])], [True, True, True, False])
        writer.end()
        self.assertEqual(
            [flat(item) for item in source(file.getvalue()).items()],
            [
                (0, b"a", "string", b"5", None, None),
                (0, b"b" * 300, "list", None, seal(b"\x01" + VALUES[1], 6), 5000),
                (7, b"a", "string", b"x", None, 1 << 50),
            ],
        )
        self.assertEqual(file.getvalue()[:9], b"REDIS0010")

    def test_versions(self) -> None:
        """The file has the version of the first payload; one without keys that of Redis 7.0."""
        for version, magic in ((11, b"REDIS0011"), (80, b"VALKEY080")):
            file = io.BytesIO()
            writer = RdbWriter(file)
            writer.write(Record("", 0, b"k", "", payload=seal(b"\x00\x00", version)))
            writer.end()
            self.assertEqual((file.getvalue()[:9], len(list(source(file.getvalue()).items()))), (magic, 1))
        file = io.BytesIO()
        RdbWriter(file).end()
        self.assertEqual((file.getvalue()[:9], list(source(file.getvalue()).items())), (b"REDIS0010", []))

    def test_version_that_rises(self) -> None:
        """The head is corrected when a key needs Valkey's version; a pipe's cannot be."""
        plain = Record("", 0, b"k", "", payload=seal(b"\x00\x01v", 10))
        timed = Record("", 0, b"h", "", payload=seal(b"\x16\x01\x01f\x01v" + b"\xff" * 8, 80))
        file = io.BytesIO()
        writer = RdbWriter(file)
        for record in (plain, timed, Record("", 0, b"l", "", payload=seal(b"\x00\x01v", 10))):
            writer.write(record)
        writer.end()
        read = list(source(file.getvalue()).items())
        self.assertEqual(
            (file.getvalue()[:9], [flat(item)[2] for item in read]), (b"VALKEY080", ["string", "hash", "string"])
        )
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        with open(writing, "wb") as pipe:
            writer = RdbWriter(pipe)
            writer.write(plain)
            self.assertRaises(BadSource, writer.write, timed)

    def test_seen(self) -> None:
        """A set that grows, and knows each key of each database."""
        seen = Seen()
        keys = [(db, b"%d" % n) for db in (0, 1) for n in range(10000)]
        self.assertTrue(all(seen.add(*key) for key in keys))
        self.assertFalse(any(seen.add(*key) for key in keys))


class PayloadTests(SynchronousTestCase):
    """Payloads of DUMP."""

    def test_string(self) -> None:
        """The text of a string's payload; None for any other, and for one that is damaged."""
        for body, value in (
            (b"\x00\x03abc", b"abc"),
            (b"\x00\x00", b""),
            (b"\x00\xc1\xff\xff", b"-1"),
            (b"\x00\x41\x00" + bytes(256), bytes(256)),
            (b"\x00\xc3\x05\x0a\x00a\xe0\x00\x00", b"a" * 10),
            (b"\x00\x04abc", None),
            (b"\x00\x02abc", None),
            (b"\x00\xc1\xff", None),
            (b"\x00\xc4\x00", None),
            (b"\x00\xc3\x05\x0b\x00a\xe0\x00\x00", None),
            (b"\x00\xc3\x05\x80\x7f\xff\xff\xff\x00a\xe0\x00\x00", None),
            (b"\x01\x01\x01a", None),
        ):
            self.assertEqual(payload.string_of(seal(body, 10)), value, body)
        for length in (0, 9, 10, 11):
            self.assertIs(payload.string_of(bytes(length)), None)

    @settings(deadline=None)
    @given(st.binary(max_size=40))
    def test_any_payload(self, data: bytes) -> None:
        """No payload raises."""
        payload.string_of(b"\x00" + data)

    def test_lengths(self) -> None:
        """Each length is read as it was written."""
        for number in (0, 63, 64, 16383, 16384, (1 << 32) - 1, 1 << 32):
            self.assertEqual(payload.Values(file_input(payload.encoded_length(number))).length(), number)
