"""Files of JSON lines."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.transfer import jsonlines
from redistill.transfer.jsonlines import JsonSource
from redistill.transfer.records import BadSource, Broken, Record
from tests.transfer.files import file_input, flat


def source(data: bytes, db: int = 0) -> JsonSource:
    """A file of JSON lines."""
    return JsonSource(file_input(data), db)


class JsonTests(SynchronousTestCase):
    """Lines that are read, and lines that are refused."""

    def test_records(self) -> None:
        """Texts, bytes and numbers as values; expiry; types; databases."""
        for line, expected in (
            ('{"key": "é", "value": "a\\u0000b"}', (4, "é".encode(), "string", b"a\0b", None, None)),
            ('{"key": {"base64": "/w=="}, "value": {"base64": ""}, "db": 0}', (0, b"\xff", "string", b"", None, None)),
            (
                '{"key": "n", "value": 1.50, "type": "string", "expire_at": 1.5}',
                (4, b"n", "string", b"1.50", None, 1500),
            ),
            (
                '{"key": 7, "value": 123456789012345678901, "ttl": null}',
                (4, b"7", "string", b"123456789012345678901", None, None),
            ),
            ('{"key": "l", "type": "list", "dump": {"base64": "AQ=="}}', (4, b"l", "list", None, b"\x01", None)),
        ):
            (item,) = source(line.encode(), db=4).items()
            self.assertEqual(flat(item), expected)

    def test_collections(self) -> None:
        """Arrays, objects and pairs as values; they become payloads."""
        for kind, value, body in (
            ("list", '["a", {"base64": "/w=="}, 5]', b"\x01\x03\x01a\x01\xff\x015"),
            ("set", '["a"]', b"\x02\x01\x01a"),
            ("hash", '{"base64": "v", "n": 1.50}', b"\x04\x02\x06base64\x01v\x01n\x041.50"),
            ("hash", '[[{"base64": "/w=="}, "v"]]', b"\x04\x01\x01\xff\x01v"),
            ("zset", '{"a": 1.5}', b"\x05\x01\x01a" + struct.pack("<d", 1.5)),
            ("zset", '[["a", "-inf"]]', b"\x05\x01\x01a" + struct.pack("<d", float("-inf"))),
        ):
            (item,) = source(f'{{"key": "k", "type": "{kind}", "value": {value}}}'.encode()).items()
            assert isinstance(item, Record) and isinstance(item.payload, bytes)
            self.assertEqual((item.type, item.value, item.payload[:-10]), (kind, None, body))

    def test_time_to_live(self) -> None:
        """It is counted from the time at which the line was read."""
        (item,) = source(b'{"key": "a", "value": "", "ttl": 60.25}').items()
        assert isinstance(item, Record)
        left = item.left()
        self.assertEqual((item.ttl, item.expire_at), (60250, None))
        assert left is not None
        self.assertTrue(0 < left <= 60250)

    def test_wrong_lines(self) -> None:
        """Each is counted with its number and the reason, and the others are read."""
        for line, reason in (
            ("{", "not JSON: "),
            ("[]", "not an object"),
            ("{}", "no key"),
            ('{"key": "a"}', "either a value or a dump"),
            ('{"key": "a", "value": "b", "dump": "c"}', "either a value or a dump"),
            ('{"key": "a", "value": ["b"]}', "value is a text"),
            ('{"key": "a", "value": true}', "value is a text"),
            ('{"key": "a", "value": {"base64": "?"}}', "value is not base64"),
            ('{"key": "a", "value": "\\ud800"}', "lone surrogate"),
            ('{"key": "a", "value": "b", "key": "c"}', "given twice"),
            ('{"key": "a", "value": "b", "tll": 5}', "unknown field tll"),
            ('{"key": "a", "value": "b", "ttl": "5"}', "ttl is a number of seconds"),
            ('{"key": "a", "value": "b", "ttl": 1e99}', "ttl is a number of seconds"),
            ('{"key": "a", "value": "b", "ttl": NaN}', "NaN is not JSON"),
            ('{"key": "a", "value": "b", "ttl": 5, "expire_at": 7}', "both ttl and expire_at"),
            ('{"key": "a", "value": "b", "db": -1}', "db is the number"),
            ('{"key": "a", "value": "b", "db": 1.0}', "db is the number"),
            ('{"key": "a", "value": "b", "type": "hash"}', "the value of a hash is an object"),
            ('{"key": "a", "value": [["f"]], "type": "hash"}', "the value of a hash is an object"),
            ('{"key": "a", "value": {"f": []}, "type": "hash"}', "a value is a text"),
            ('{"key": "a", "value": {}, "type": "hash"}', "an empty hash"),
            ('{"key": "a", "value": {"a": "b"}, "type": "list"}', "the value of a list is an array"),
            ('{"key": "a", "value": [null], "type": "list"}', "an element is a text"),
            ('{"key": "a", "value": ["1", 1], "type": "set"}', "a set in which something is twice"),
            ('{"key": "a", "value": {"m": "1"}, "type": "zset"}', "a score is a number"),
            ('{"key": "a", "value": [["m", 1], ["m", 2]], "type": "zset"}', "a zset in which something is twice"),
            ('{"key": "a", "value": [], "type": "stream"}', "a stream has its value as dump"),
            ('{"key": "a", "value": "b", "type": 1}', "type is a text" if False else "a 1 has its value as dump"),
            ("[" * 100000, "nested too deeply"),
        ):
            data = line.encode() + b'\n\n{"key": "good", "value": ""}\n'
            bad, good = source(data).items()
            assert isinstance(bad, Broken)
            self.assertEqual((bad.where, good.where), ("line 1", "line 3"))
            self.assertIn(reason, bad.reason)
        (bad,) = source(b'{"key": "\xff"}').items()
        self.assertEqual(flat(bad), (0, "not UTF-8 at byte 9"))

    def test_long_line(self) -> None:
        """A line beyond the limit ends the load."""
        self.patch(jsonlines, "LINE_MAX", 1 << 20)
        problem = self.assertRaises(BadSource, list, source(b'{"key": "' + b"x" * (2 << 20)).items())
        self.assertIn("offset 0: the line has more than 1048576 bytes", str(problem))

    def test_position(self) -> None:
        """Behind each line it is where reading goes on."""
        data = b'\xef\xbb\xbf{"key": "a", "value": "1"}\n\nnonsense\n{"key": "b", "value": "2"}'
        whole = [flat(item) for item in source(data).items()]
        self.assertEqual(len(whole), 3)
        made = source(data)
        for number, _ in enumerate(made.items(), 1):
            again = source(data)
            again.resume(made.position())
            self.assertEqual([flat(item) for item in again.items()], whole[number:])

    @settings(deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*jsonlines.FIELDS, "base64"]), inner),
        )
    )
    def test_any_json(self, read: object) -> None:
        """Any JSON is a record, or one line that is counted."""
        import json

        (item,) = source(json.dumps(read).encode()).items()
        self.assertIsInstance(item, (Record, Broken))
