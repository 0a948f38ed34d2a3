"""Each kind of setting takes what it should, and refuses the rest with a reason."""

from __future__ import annotations

import tomllib

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.endpoints import MAX_DESCRIPTION, MAX_ENDPOINTS
from redistill.config.errors import BadValue
from redistill.config.lists import MAX_NAMES, MAX_PASSWORD
from redistill.config.settings import BY_NAME, SETTINGS, Kind, Value
from redistill.config.values import check, is_loopback, literal, parse, show

GIB = 2**30


def available() -> int:
    """The memory of a machine of 8 GiB."""
    return 8 * GIB


class ValueCase(SynchronousTestCase):
    """Short words for what the tests below ask."""

    def parsed(self, name: str, text: str) -> Value:
        """The value of a text."""
        return parse(BY_NAME[name], text, available)

    def checked(self, name: str, raw: object) -> Value:
        """The value of what a TOML file says."""
        return check(BY_NAME[name], raw, available)

    def refused(self, name: str, text: str) -> str:
        """The error of CONFIG SET for a bad text."""
        return self.assertRaises(BadValue, self.parsed, name, text).redis

    def refused_raw(self, name: str, raw: object) -> str:
        """The error for a bad value in a file."""
        return str(self.assertRaises(BadValue, self.checked, name, raw))


class ListTests(ValueCase):
    """Settings that are lists."""

    def test_entries_that_toml_cannot_show(self) -> None:
        """Entries that are written in base64 are read back, whatever the list is of."""
        row = BY_NAME["server.endpoints"]
        value = ("unix:/run/a\u200bb", "tcp:1")
        written = literal(row, value)
        self.assertIn("base64", written)
        self.assertEqual(check(row, tomllib.loads(f"x = {written}")["x"], available), value)


class NumberTests(ValueCase):
    """Whole numbers, sizes, and their bounds."""

    def test_bounds(self) -> None:
        """Every number is taken at its bounds and refused one step beyond them."""
        for row in SETTINGS:
            if row.kind not in (Kind.INTEGER, Kind.SIZE, Kind.MEMORY):
                continue
            for number in (row.minimum, row.maximum):
                self.assertEqual(check(row, number, available), number, row.name)
                self.assertEqual(parse(row, str(number), available), number, row.name)
            for number in (row.minimum - 1, row.maximum + 1):
                if number == 0 and row.zero:
                    continue
                self.assertRaises(BadValue, check, row, number, available)
                self.assertRaises(BadValue, parse, row, str(number), available)

    def test_zero(self) -> None:
        """Zero is taken where it has a meaning, below the lower bound too."""
        for row in SETTINGS:
            if row.zero:
                self.assertEqual(check(row, 0, available), 0, row.name)

    def test_units(self) -> None:
        """A unit with a b is a power of 1024, one without a power of 1000; case does not matter."""
        sizes = {"4000000": 4000000, "4000000b": 4000000, "2000k": 2000000, "1024kb": 2**20, "2m": 2000000}
        sizes |= {"2MB": 2 * 2**20, "1g": 10**9, "2gb": 2 * GIB, "2GB": 2 * GIB, " 1tb ": 2**40, "1t": 10**12}
        self.assertEqual({text: self.parsed("memory.max_memory", text) for text in sizes}, sizes)
        self.assertEqual({text: self.checked("memory.max_memory", text) for text in sizes}, sizes)

    def test_percentage(self) -> None:
        """A percentage is one of the memory that is there."""
        self.assertEqual(self.parsed("memory.max_memory", "75%"), 6 * GIB)
        self.assertEqual(self.checked("memory.max_memory", "100%"), 8 * GIB)

    def test_bad_sizes(self) -> None:
        """Text that is no size is refused, and so is a percentage where only sizes make sense."""
        for text in ("", "x", "-1", "1.5gb", "2gib", "2 gb", "0%", "101%", "-5%", "1e6", "٣mb", "9" * 30):
            self.assertRaises(BadValue, self.parsed, "memory.max_memory", text)
        self.assertRaises(BadValue, self.parsed, "server.buffer_size", "50%")

    def test_types(self) -> None:
        """A file's number is neither a text, nor a truth value, nor a fraction."""
        for raw in ("6379", True, 6379.0, [6379], {}):
            problem = self.refused_raw("server.port", raw)
            self.assertEqual(problem, "must be a whole number between 0 and 65535 inclusive")
        for raw in (True, 1.5, [1], {}):
            self.assertRaises(BadValue, self.checked, "memory.max_memory", raw)

    def test_words(self) -> None:
        """`auto` is a number of workers, and shows as the word again."""
        workers = BY_NAME["server.workers"]
        self.assertEqual([self.parsed("server.workers", "auto"), self.checked("server.workers", "auto")], [0, 0])
        self.assertEqual([show(workers, 0), literal(workers, 0), show(workers, 1)], ["auto", '"auto"', "1"])
        self.assertRaises(BadValue, self.checked, "server.workers", 0)

    def test_words_of_redis(self) -> None:
        """The problems with numbers are worded as Redis words them."""
        self.assertEqual(self.refused("server.port", "x"), "argument couldn't be parsed into an integer")
        self.assertEqual(self.refused("server.port", "65536"), "argument must be between 0 and 65535 inclusive")


class OtherKindTests(ValueCase):
    """Truth values, words, addresses, paths and passwords."""

    def test_booleans(self) -> None:
        """Truth values have several names in the environment, and show as Redis's."""
        for text in ("yes", "true", "on", "1", "YES"):
            self.assertIs(self.parsed("performance.tcp_nodelay", text), True)
        for text in ("no", "false", "off", "0", "False"):
            self.assertIs(self.parsed("performance.tcp_nodelay", text), False)
        self.assertEqual([show(BY_NAME["performance.tcp_nodelay"], value) for value in (True, False)], ["yes", "no"])
        self.assertEqual(self.refused("performance.tcp_nodelay", "maybe"), "argument must be 'yes' or 'no'")
        self.assertEqual(self.refused_raw("performance.tcp_nodelay", "yes"), "must be true or false")

    def test_choices(self) -> None:
        """An unknown word is refused with the list of the known ones, and never replaced by another."""
        self.assertEqual(self.parsed("memory.eviction_policy", "volatile-ttl"), "volatile-ttl")
        self.assertEqual(
            self.refused("security.tls_client_auth", "maybe"),
            "argument(s) must be one of the following: no, optional, required",
        )
        self.assertEqual(self.refused_raw("security.tls_client_auth", True), 'must be a text in "quotes"')

    def test_words_for_the_log_level(self) -> None:
        """CONFIG SET takes Redis's words for the levels as well as ours, and CONFIG GET shows Redis's."""
        level = BY_NAME["logging.level"]
        self.assertEqual([self.parsed("logging.level", text) for text in ("notice", "info")], ["info", "info"])
        self.assertEqual(self.parsed("logging.level", "warning"), "warn")
        self.assertEqual([show(level, choice) for choice in ("debug", "info")], ["debug", "notice"])

    def test_addresses(self) -> None:
        """An address is one, or localhost."""
        for text in ("127.0.0.1", "0.0.0.0", "::", "::1", "10.1.2.3", "localhost"):
            self.assertEqual(self.checked("server.health_check_bind", text), text)
            self.assertEqual(self.checked("server.bind", text), (text,))
        for text in ("", "example.org", "127.0.0.256", "--::1", "-"):
            self.assertRaises(BadValue, self.checked, "server.bind", text)
            self.assertRaises(BadValue, self.checked, "server.health_check_bind", text)

    def test_share_of_the_maximum(self) -> None:
        """maxmemory-clients takes a size or a percentage, and says what it was given, as in Redis."""
        row = BY_NAME["server.max_client_memory"]
        self.assertEqual([self.parsed(row.name, text) for text in ("5%", "100%", "3mb", "0")], [-5, -100, 3 * 2**20, 0])
        self.assertEqual([show(row, -5), literal(row, -5), show(row, 0)], ["5%", '"5%"', "0"])
        self.assertEqual(self.checked(row.name, "5%"), -5)
        for text in ("0%", "101%", "1", "-101", "five"):
            self.assertRaises(BadValue, self.parsed, row.name, text)

    def test_names(self) -> None:
        """Host names, one or several, each once; no ports, addresses in brackets or addresses of pages."""
        hosts = "server.health_check_hosts"
        self.assertEqual(self.checked(hosts, ["cache1", "Cache.Example.com"]), ("cache1", "Cache.Example.com"))
        self.assertEqual(self.parsed(hosts, "a b a"), ("a", "b"))
        self.assertEqual(self.checked(hosts, ""), ())
        self.assertEqual(self.checked(hosts, ["a"] * MAX_NAMES), ("a",))
        for bad in ("a:80", "[::1]", "http://a/", "a/b", "b\u00fccher", "a" * 254, " ".join(["a"] * (MAX_NAMES + 1))):
            self.assertIn("host names", self.refused_raw(hosts, bad))
        self.assertRaises(BadValue, self.checked, hosts, 7)
        self.assertEqual(literal(BY_NAME[hosts], ("a", "b")), '["a", "b"]')

    def test_endpoints(self) -> None:
        """Descriptions, one or several, each once; a space within one has a backslash before it, but for a list's."""
        name = "server.endpoints"
        row = BY_NAME[name]
        self.assertEqual(self.checked(name, "tcp:1 unix:/a tcp:1"), ("tcp:1", "unix:/a"))
        self.assertEqual(self.parsed(name, r" unix:/a\ b\:c  tcp:1 "), (r"unix:/a\ b\:c", "tcp:1"))
        self.assertEqual(self.checked(name, ["unix:/a b", r"unix:/c\ d"]), (r"unix:/a\ b", r"unix:/c\ d"))
        self.assertEqual((self.checked(name, ""), self.parsed(name, ""), self.checked(name, [])), ((), (), ()))
        for value in ((), (r"unix:/a\ b",), ("tcp:1", r"unix:/a\ b")):
            self.assertEqual(self.parsed(name, show(row, value)), value)
            self.assertEqual(self.checked(name, tomllib.loads(f"key = {literal(row, value)}")["key"]), value)
        most = [f"tcp:{number}" for number in range(MAX_ENDPOINTS)]
        self.assertEqual(self.checked(name, most), tuple(most))
        for bad in ([*most, "tcp:99"], ["x" * (MAX_DESCRIPTION + 1)], [""], ["a\\\nb"], "tcp:1\\", [1], 1, None, True):
            self.assertRaises(BadValue, self.checked, name, bad)

    def test_several_addresses(self) -> None:
        """Addresses are a list in the file, and a line with spaces for CONFIG and the environment, as Redis has it."""
        bind, several = BY_NAME["server.bind"], ("127.0.0.1", "-::1")
        self.assertEqual(self.checked("server.bind", ["127.0.0.1", "-::1"]), several)
        self.assertEqual(self.parsed("server.bind", " 127.0.0.1  -::1 "), several)
        self.assertEqual([show(bind, several), literal(bind, several)], ["127.0.0.1 -::1", '["127.0.0.1", "-::1"]'])
        self.assertEqual(literal(bind, ("::1",)), '"::1"')
        self.assertEqual(self.parsed("server.bind", "* -::*"), ("0.0.0.0", "-::"))

    def test_wrong_addresses_are_named(self) -> None:
        """The error for one of several addresses names that address, and there are 16 at most."""
        self.assertIn("not 'example.org'", self.refused_raw("server.bind", ["::1", "example.org"]))
        self.assertEqual(self.refused_raw("server.bind", ["::1", "-0:0::1"]), "must name ::1 once")
        self.assertEqual(self.refused_raw("server.bind", ["localhost", "127.0.0.1"]), "must name 127.0.0.1 once")
        many = [f"127.0.0.{number}" for number in range(1, 18)]
        self.assertEqual(len(self.checked("server.bind", many[:16])), 16)  # type: ignore[arg-type]
        for wrong in (many, [], 7, ["::1", 7]):
            self.assertRaises(BadValue, self.checked, "server.bind", wrong)

    def test_loopback(self) -> None:
        """All of 127/8 and ::1 are reached by this machine only."""
        self.assertEqual([is_loopback(text) for text in ("127.0.0.1", "127.9.9.9", "::1", "localhost")], [True] * 4)
        self.assertEqual([is_loopback(text) for text in ("0.0.0.0", "::", "10.0.0.1", "::2")], [False] * 4)

    def test_passwords(self) -> None:
        """A password is a text or a list of texts; an empty text is none."""
        self.assertEqual(self.checked("security.password", ""), ())
        self.assertEqual(self.parsed("security.password", ""), ())
        self.assertEqual(self.checked("security.password", "one"), ("one",))
        self.assertEqual(self.checked("security.password", ["one", "two"]), ("one", "two"))
        for raw in (1, ["one", 2], ["one", ""], {"one": "two"}):
            self.assertRaises(BadValue, self.checked, "security.password", raw)

    def test_password_length(self) -> None:
        """A password that no client could send is refused."""
        longest = "é" * (MAX_PASSWORD // 2)
        self.assertEqual(self.checked("security.password", longest), (longest,))
        self.assertRaises(BadValue, self.checked, "security.password", longest + "x")

    def test_paths(self) -> None:
        """A path is one line of text."""
        self.assertEqual(self.checked("server.unix_socket", "/run/r edis.sock"), "/run/r edis.sock")
        for raw in ("a\0b", "a\nb", 3):
            self.assertRaises(BadValue, self.checked, "server.unix_socket", raw)

    def test_ascii(self) -> None:
        """Letters, digits and spaces are those of ASCII: nothing that only Unicode takes for them."""
        for name, raw in (
            ("memory.eviction_policy", "all\u212aeys-lru"),
            ("memory.max_memory", "10\u212ab"),
            ("memory.max_memory", "10mb\xa0"),
            ("memory.max_memory", "\uff11mb"),
            ("server.port", "\uff16379"),
            ("server.bind", "127.0.0.1\xa0127.0.0.2"),
            ("performance.tcp_nodelay", "ye\u017f"),
        ):
            self.assertRaises(BadValue, self.parsed, name, raw)
