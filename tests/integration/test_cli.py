"""redis-cli and redis-benchmark as they come with Debian."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from . import servers

COLLECTION_TESTS = (
    *("lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd", "zpopmin"),
    *("lrange_100", "lrange_300", "lrange_500", "lrange_600"),
)
STRING_TESTS = ("ping", "ping_inline", "ping_mbulk", "set", "get", "incr", "mset")


class Case(SynchronousTestCase):
    """A program against a server that listens on a port."""

    def setUp(self) -> None:
        self.server = servers.shared("ours")
        self.cli("FLUSHALL")

    def run_tool(
        self, name: str, *argv: str, given: bytes = b"", seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run the tool against our port."""
        program = servers.tool(name, "redis-tools")
        done = subprocess.run(
            [program, "-p", str(self.server.port), *argv],
            input=given,
            capture_output=True,
            timeout=seconds,
            cwd=self.server.directory,
        )
        return subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())

    def cli(self, *argv: str, given: bytes = b"", seconds: float = 60) -> str:
        """redis-cli's output; it must not fail nor complain."""
        done = self.run_tool("redis-cli", *argv, given=given, seconds=seconds)
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"redis-cli {argv}: {done}")
        return done.stdout

    def fill(self, count: int) -> None:
        """Set so many keys."""
        self.cli(given=b"".join(b"SET key:%d %d\n" % (n, n) for n in range(count)))


class CliTests(Case):
    """redis-cli's modes."""

    def test_plain(self) -> None:
        """Commands and their replies, errors and nulls among them."""
        self.assertEqual(self.cli("SET", "k", "v"), "OK\n")
        self.assertEqual(self.cli("GET", "k"), "v\n")
        self.assertEqual(self.cli("--no-raw", "GET", "none"), "(nil)\n")
        self.assertEqual(self.cli("--no-raw", "TTL", "k"), "(integer) -1\n")
        self.assertEqual(self.cli("INCR", "k"), "ERR value is not an integer or out of range\n\n")
        self.assertEqual(self.cli("-n", "1", "DBSIZE"), "0\n")
        self.assertEqual(self.cli("-r", "3", "PING"), "PONG\nPONG\nPONG\n")
        self.assertEqual(self.cli("-x", "SET", "in", given=b"from stdin"), "OK\n")
        self.assertEqual(self.cli("-s", str(self.server.address), "GET", "in"), "from stdin\n")

    def test_resp3(self) -> None:
        """redis-cli -3 says HELLO 3 and shows maps as maps."""
        out = self.cli("-3", "--no-raw", "CONFIG", "GET", "maxmemory-policy")
        self.assertEqual(out, '1# "maxmemory-policy" => "noeviction"\n')
        self.assertIn("resp=3", self.cli("-3", "CLIENT", "INFO"))

    def test_pipe(self) -> None:
        """--pipe loads bulk data and learns of the end by its ECHO."""
        data = b"".join(
            b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$1\r\nv\r\n" % (len(k), k) for k in (b"key:%d" % n for n in range(20000))
        )
        out = self.cli("--pipe", given=data)
        self.assertIn("errors: 0, replies: 20000", out)
        self.assertEqual(self.cli("DBSIZE"), "20000\n")

    def test_scan(self) -> None:
        """--scan lists every key once, by pattern too."""
        self.fill(500)
        self.assertEqual(sorted(self.cli("--scan").split()), sorted(f"key:{n}" for n in range(500)))
        self.assertEqual(sorted(self.cli("--scan", "--pattern", "key:1?").split()), [f"key:1{n}" for n in range(10)])

    def test_bigkeys(self) -> None:
        """--bigkeys walks the keyspace and finds the largest value."""
        self.fill(100)
        self.cli("SET", "big", "x" * 5000)
        out = self.cli("--bigkeys")
        self.assertRegex(out, r'Biggest string found "?\'?"big"?\'?"? has 5000 bytes')
        self.assertIn("Sampled 101 keys", out)

    def test_memkeys(self) -> None:
        """--memkeys asks MEMORY USAGE of each key."""
        self.fill(20)
        self.assertIn("Sampled 20 keys", self.cli("--memkeys"))

    def test_latency(self) -> None:
        """--latency measures for its interval and prints four numbers."""
        done = subprocess.run(
            [servers.tool("redis-cli", "redis-tools"), "-p", str(self.server.port), "--latency", "--raw", "-i", "1"],
            capture_output=True, timeout=30, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.assertEqual(len(done.stdout.split()), 4, done)

    def test_stat(self) -> None:
        """--stat prints a line a second out of INFO."""
        program = servers.tool("redis-cli", "redis-tools")
        with subprocess.Popen(
            [program, "-p", str(self.server.port), "--stat", "-i", "0.05"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "TERM": "dumb"},
        ) as process:  # fmt: skip
            assert process.stdout is not None
            lines = [process.stdout.readline().decode() for _ in range(5)]
            process.kill()
        self.assertIn("keys", lines[1])
        for line in lines[2:]:
            self.assertRegex(line, r"^0 +[0-9.]+[BKMG] +[0-9]+ +0 +[0-9]+ \(\+[0-9]+\) +[0-9]+")

    def test_help(self) -> None:
        """An interactive session asks COMMAND DOCS; the answer can be used."""
        self.assertIn("PONG", self.cli(given=b"PING\n"))
        self.assertIn("get", self.cli("COMMAND", "LIST").split())
        self.assertIn("summary", self.cli("COMMAND", "DOCS", "get"))

    def test_transaction(self) -> None:
        """MULTI and EXEC in one session."""
        out = self.cli(given=b"MULTI\nSET a 1\nINCR a\nEXEC\n")
        self.assertEqual(out.split(), ["OK", "QUEUED", "QUEUED", "OK", "2"])


class SurveyTests(SynchronousTestCase):
    """The modes of redis-cli that survey a server, beside redis-server: what they find is the same, as far as the same
    is to be found, whether one worker answers or two."""

    KEYS = 30

    def setUp(self) -> None:
        self.theirs = servers.redis_server()
        self.addCleanup(self.theirs.stop)
        self.ours = []
        for workers in (1, 2):
            server = servers.redistill(f'[server]\nworkers = {workers}\n[memory]\nmax_memory = "64mb"\n', tcp=True)
            self.addCleanup(server.stop)
            self.ours.append(server)
        lengths = [*(7 * n + 1 for n in range(self.KEYS - 1)), 5000]  # one that is the largest for any allocator
        data = b"".join(b"SET key:%d %s\n" % (n, b"x" * length) for n, length in enumerate(lengths))
        for server in (self.theirs, *self.ours):
            self.said(server, given=data + b"GET key:3\n" * 20)

    def said(self, server: servers.Server, *argv: str, given: bytes = b"", seconds: float | None = None) -> str:
        """The output of redis-cli; a mode that goes on for ever is ended after so many seconds."""
        where = ["-s", server.address] if isinstance(server.address, str) else ["-p", str(server.port)]
        program = [servers.tool("redis-cli", "redis-tools"), *where, *argv]
        if seconds:
            program = ["timeout", "--signal=INT", str(seconds), "stdbuf", "-o0", *program]
        done = subprocess.run(
            program,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            cwd=server.directory,
            env={**os.environ, "TERM": "dumb"},
        )
        return done.stdout.decode(errors="replace")

    def alike(self, *argv: str, given: bytes = b"", only: str = "", seconds: float | None = None) -> str:
        """All say the same, numbers aside, in the lines that match `only`; what redis-server says."""
        theirs = self.said(self.theirs, *argv, given=given, seconds=seconds)

        def shape(text: str) -> list[str]:
            """Its lines without numbers, each once."""
            lines = [re.sub(r"[0-9]+(\.[0-9]+)?", "N", line) for line in text.splitlines() if re.search(only, line)]
            return list(dict.fromkeys(lines))

        self.assertNotEqual(shape(theirs), [])
        for server in self.ours:
            self.assertEqual(shape(self.said(server, *argv, given=given, seconds=seconds)), shape(theirs), argv)
        return theirs

    def test_hot_keys(self) -> None:
        """--hotkeys wants an LFU policy, and says so in Redis's words; then it finds the key."""
        self.assertIn("An LFU maxmemory policy is not selected", self.alike("--hotkeys"))
        for server in (self.theirs, *self.ours):
            self.said(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
            self.said(server, given=b"GET key:3\n" * 200)
        self.assertIn('"key:3"', self.alike("--hotkeys", only="^(Sampled|hot key found)"))

    def test_big_keys(self) -> None:
        """--bigkeys and --memkeys find the same key, and count the same."""
        summary = "^(Sampled|Total|Biggest (string|list|hash) found '|[0-9]+ )"
        for mode in ("--bigkeys", "--memkeys"):
            self.assertIn(f'"key:{self.KEYS - 1}"', self.alike(mode, only=summary), mode)

    def test_big_keys_of_all_types(self) -> None:
        """--bigkeys finds the largest value of each type, --memkeys asks for the memory of all, and SCAN finds each
        type by its name."""
        given = b"".join(
            b"HSET hash:%d %s\nRPUSH list:%d %s\nSADD set:%d %s\nZADD zset:%d %s\n"
            % (n, b"f v " + b" ".join(b"f%d v" % i for i in range(8 * n)), n, b"e " * (2 + 9 * n),
               n, b" ".join(b"%d" % i for i in range(3 + 7 * n)), n, b" ".join(b"%d m%d" % (i, i) for i in range(4 + 6 * n)))
            for n in range(6)
        )  # fmt: skip
        for server in (self.theirs, *self.ours):
            self.assertNotIn("ERR", self.said(server, given=given))
        said = self.alike("--bigkeys", only="^(Sampled|Total|Biggest|[0-9]+ )")
        for name in ("hash", "list", "set", "zset"):
            self.assertIn(f'"{name}:5"', said)
            self.assertIn(f"6 {name}s with", said)
        for server in self.ours:
            self.assertEqual(len(re.findall(r"^6 \w+ with", self.said(server, "--memkeys"), re.MULTILINE)), 4)
            for name in ("hash", "list", "set", "zset"):
                keys = self.said(server, "SCAN", "0", "COUNT", "1000", "TYPE", name.upper()).split()[1:]
                self.assertEqual(sorted(keys), [f"{name}:{n}" for n in range(6)])

    def test_scan(self) -> None:
        """--scan finds each key once, by pattern too."""
        for argv in (("--scan",), ("--scan", "--pattern", "key:1?")):
            theirs, *ours = (sorted(self.said(server, *argv).split()) for server in (self.theirs, *self.ours))
            self.assertEqual(ours, [theirs, theirs], argv)

    def test_latency(self) -> None:
        """--latency-history prints a line each interval, --latency-dist a spectrum."""
        self.alike("--latency-history", "-i", "0.3", seconds=1.2, only="seconds range")
        for server in self.ours:
            self.assertIn("\x1b[38;5;0m", self.said(server, "--latency-dist", "-i", "0.3", seconds=1))

    def test_json(self) -> None:
        """-3 and --json show maps as maps."""
        for argv in (("-3", "--json"), ("--json",), ("-3", "--no-raw"), ("--csv",)):
            self.alike(*argv, "CONFIG", "GET", "maxmemory-samples")
            self.alike(*argv, "CLIENT", "GETREDIR")
            self.alike(*argv, "LATENCY", "LATEST", only="^$|.")

    def test_pipe(self) -> None:
        """--pipe counts the replies, and the errors among them."""
        command = b"*3\r\n$3\r\nSET\r\n$1\r\np\r\n$1\r\nv\r\n"
        said = self.alike("--pipe", given=command * 5000 + b"*2\r\n$4\r\nINCR\r\n$1\r\np\r\n", only="^(ERR|errors)")
        self.assertIn("errors: 1, replies: 5001", said)
        for server in self.ours:
            self.assertEqual(self.said(server, "GET", "p"), "v\n")

    def test_stat(self) -> None:
        """--stat prints a line each interval."""
        self.alike("--stat", "-i", "0.1", seconds=1, only="^(---|keys)")
        for server in self.ours:
            lines = [
                line for line in self.said(server, "--stat", "-i", "0.1", seconds=1).splitlines() if line[:1].isdigit()
            ]
            self.assertGreater(len(lines), 2)
            self.assertEqual({line.split()[0] for line in lines}, {str(self.KEYS)})

    def test_lru_test(self) -> None:
        """--lru-test writes and reads by a power law, and finds nearly all where nothing must go."""
        for server in (self.theirs, *self.ours):
            self.said(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self.alike("--lru-test", "1000", seconds=2.5, only="Gets/sec")

    def test_eval(self) -> None:
        """--eval runs a file with keys and arguments."""
        for server in (self.theirs, *self.ours):
            Path(server.directory, "one.lua").write_text("return {KEYS[1], ARGV[1], #ARGV}")
            self.assertEqual(self.said(server, "--eval", "one.lua", "k", ",", "a", "b"), "k\na\n2\n")

    def test_what_there_is_not(self) -> None:
        """A replica's stream and an RDB file are refused in words."""
        for server in self.ours:
            for argv in (("--replica",), ("--rdb", "dump.rdb")):
                self.assertIn("SYNC with master failed: -ERR ", self.said(server, *argv), argv)


class BenchmarkTests(Case):
    """redis-benchmark."""

    def benchmark(self, *argv: str) -> str:
        """The benchmark's output; an error reply of ours would end it."""
        done = self.run_tool("redis-benchmark", "-n", "2000", *argv, seconds=120)
        self.assertEqual(done.returncode, 0, f"{done}")
        self.assertNotIn("rror", done.stdout + done.stderr)
        return done.stdout

    def test_string_tests(self) -> None:
        """Every test on strings, one command at a time and in pipelines of 16."""
        for pipeline in ("1", "16"):
            out = self.benchmark("-q", "-P", pipeline, "-t", ",".join(STRING_TESTS))
            for name in ("PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"):
                self.assertIn(f"{name}: ", out)

    def test_collection_tests(self) -> None:
        """Every test on lists, sets, hashes and sorted sets."""
        for pipeline in ("1", "16"):
            out = self.benchmark("-q", "-r", "1000", "-P", pipeline, "-t", ",".join(COLLECTION_TESTS))
            for name in ("LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET", "SPOP", "ZADD", "ZPOPMIN"):
                self.assertIn(f"{name}: ", out)
            for count in (100, 300, 500, 600):
                self.assertIn(f"LRANGE_{count} (first {count} elements): ", out)

    def test_resp3_and_random_keys(self) -> None:
        """-3, -r and a command of one's own."""
        self.benchmark("-q", "-3", "-P", "16", "-r", "1000", "-t", "set,get")
        self.benchmark("-q", "-r", "1000", "SET", "key:__rand_int__", "v", "EX", "100")
        self.assertGreater(int(self.cli("DBSIZE")), 500)

    def test_csv(self) -> None:
        """--csv, with many clients and threads."""
        out = self.benchmark("--csv", "-c", "100", "--threads", "2", "-d", "1000", "-t", "set,get")
        self.assertEqual([line.split(",")[0] for line in out.splitlines()[-2:]], ['"SET"', '"GET"'])

    def test_no_warning(self) -> None:
        """CONFIG GET save and appendonly, which it asks first, are answered as it expects."""
        done = self.run_tool("redis-benchmark", "-n", "100", "-t", "ping")
        self.assertNotIn("WARNING", done.stdout + done.stderr)
        self.assertIn("host configuration", done.stdout)
