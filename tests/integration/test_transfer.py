"""redistill load, dump and compare between real servers: ours, redis-server 7.0 and Valkey 9."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers
from tests.support.certificates import Certificates

COMMAND = [sys.executable, "-P", "-m", "redistill.cli"]
CONFIG = '[server]\nworkers = 1\n[memory]\nmax_memory = "64mb"\neviction_policy = "noeviction"\n'
PASSWORD = "a-password-of-16+"
FAR = 33177117420123


def client(server: servers.Server, db: int = 0, **options: Any) -> redis.Redis:
    """A client of a server."""
    if isinstance(server.address, str):
        return redis.Redis(unix_socket_path=server.address, db=db, **options)
    return redis.Redis(port=server.port, db=db, **options)


def url(server: servers.Server) -> str:
    """Its address."""
    return f"unix://{server.address}" if isinstance(server.address, str) else f"127.0.0.1:{server.port}"


def fill(server: servers.Server, strings: int = 300) -> int:
    """Keys of every type, some with expiry, in two databases; how many are strings."""
    made = client(server)
    with made.pipeline() as pipe:
        for n in range(strings):
            pipe.set(f"s:{n}", "v" * (n % 190), px=None if n % 3 else 3600000 + n)
        odd = {
            "int": 5, "wide": 2**40, b"bin\xff\r\n\0": bytes(range(256)), "zip": "abc" * 999999, "big": random.Random(7).randbytes(3 << 20),
        }  # fmt: skip
        for key, value in odd.items():
            pipe.set(key, value)
        collections(pipe)
        for n in range(300):
            pipe.xadd("stream", {"a": n}, id=f"{n + 1}-1")
        pipe.xgroup_create("stream", "g", "0")
        pipe.xreadgroup("g", "c", {"stream": ">"}, count=10)
        pipe.pexpire("l", 5000000)
        pipe.execute()
    made.function_load("#!lua name=mylib\nredis.register_function('f', function() return 1 end)")
    client(server, 3).set("three", "3", ex=1000)
    return strings + len(odd) + 1


def collections(made: Any) -> None:
    """Nine keys with lists, sets, sorted sets and hashes, small and large ones."""
    made.rpush("l", "a", *range(300))
    made.rpush("long", *(bytes([n]) * 9000 for n in range(250)))
    made.sadd("ints", 1, 2, 3)
    made.sadd("words", "a", "b")
    made.sadd("many", *range(1000), "x")
    made.zadd("z", {"a": 1.5, "b": float("inf")})
    made.zadd("bigz", {str(n): n / 3 for n in range(1000)})
    made.hset("h", mapping={"a": 1})
    made.hset("bigh", mapping={f"f{n}": "x" * 100 for n in range(1000)})


class Case(SynchronousTestCase):
    """The command, and servers that end with the test."""

    def setUp(self) -> None:
        self.place = servers.directory()
        self.addCleanup(shutil.rmtree, self.place)
        self.environ = servers.environment({"PYTHONPATH": str(servers.ROOT), "XDG_STATE_HOME": str(self.place)})

    def redis(self, *options: str) -> servers.Server:
        return self.ending(servers.redis_server(*options))

    def valkey(self, *options: str) -> servers.Server:
        return self.ending(servers.valkey_server(*options))

    def ours(self, config: str = CONFIG) -> servers.Server:
        return self.ending(servers.redistill(config))

    def ending(self, server: servers.Server) -> servers.Server:
        self.addCleanup(server.stop, signal.SIGKILL)
        return server

    def run_it(self, *words: str, status: int = 0, given: bytes | None = None, **environ: str) -> tuple[str, str]:
        """The output of a subcommand, stdout and stderr."""
        done = subprocess.run(
            [*COMMAND, *words], env=self.environ | environ, input=given, capture_output=True, timeout=120
        )
        self.assertEqual(done.returncode, status, (words, done.stdout[-3000:], done.stderr[-3000:]))
        return done.stdout.decode("utf-8", "replace"), done.stderr.decode()

    def to(self, server: servers.Server) -> tuple[str, str]:
        """The options that name a server."""
        return ("-s", server.address) if isinstance(server.address, str) else ("-p", str(server.port))

    def same(self, one: servers.Server, other: servers.Server) -> None:
        """They have the same keys."""
        self.assertIn("no difference", self.run_it("compare", url(one), url(other), "--all")[0])

    def peak(self, *words: str, given: Path | None = None) -> int:
        """The most memory that the command has had, which must succeed."""
        with open(given or os.devnull, "rb") as file, open(os.devnull, "wb") as null:
            process = subprocess.Popen([*COMMAND, *words], env=self.environ, stdin=file, stdout=null)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss << 10

    def saved(self, server: servers.Server) -> str:
        """Its RDB file."""
        client(server).save()
        path = self.place / f"{server.pid}.rdb"
        shutil.copy(server.directory / "dump.rdb", path)
        return str(path)

    def restarted(self, path: str, start: Any) -> servers.Server:
        """A server that has loaded the file at its start."""
        server: servers.Server = self.ending(start("--dir", os.path.dirname(path), "--dbfilename", Path(path).name))
        return server


class OtherServersTests(Case):
    """Between Redis, Valkey and us, in both directions."""

    def check_into_ours(self, said: tuple[str, str], strings: int) -> None:
        """All is loaded, and no value is named."""
        self.assertIn(f"loaded {strings + 10} in ", said[0])
        self.assertIn(f" (2 hash, 2 list, 3 set, 1 stream, {strings} string, 2 zset)\n", said[0])
        self.assertNotIn("not loaded", said[0])
        self.assertNotIn("stream", said[1])

    def test_rdb_file_into_ours(self) -> None:
        """A file of Redis, and one of Valkey."""
        ours = self.ours()
        for server in (self.redis(), self.valkey()):
            strings = fill(server)
            path = self.saved(server)
            said, _ = self.run_it("load", path, *self.to(ours), "--dry-run")
            self.assertTrue(said.startswith(f"would load {strings + 10} (2 hash, 2 list, 3 set, 1 stream, "), said)
            self.assertIn("1 function libraries were skipped", said)
            self.assertEqual(client(ours).dbsize(), 0)
            self.check_into_ours(self.run_it("load", path, *self.to(ours)), strings)
            self.assertEqual(client(ours).get(b"bin\xff\r\n\0"), bytes(range(256)))
            self.assertTrue(3_000_000 < client(ours).pttl("s:0") <= 3600000)
            self.assertEqual(client(ours, 3).get("three"), b"3")
            self.same(ours, server)
            said, _ = self.run_it("load", path, *self.to(ours))
            self.assertIn(f"{strings + 10} kept: the key exists", said)
            client(ours).flushall()

    def test_running_server_into_ours(self) -> None:
        """SCAN, DUMP and RESTORE, all databases; again with --replace, and only some."""
        ours = self.ours()
        for server in (self.redis(), self.valkey()):
            strings = fill(server)
            self.check_into_ours(self.run_it("load", "--from", url(server), *self.to(ours)), strings)
            self.assertTrue(3_000_000 < client(ours).pttl("s:0") <= 3600000)
            client(ours).set("s:1", "changed")
            said, _ = self.run_it("load", "--from", url(server), *self.to(ours), "--match", "s:1*")
            self.assertIn("loaded 0", said)
            said, _ = self.run_it("load", "--from", url(server), *self.to(ours), "--match", "s:1*", "--replace")
            self.assertIn("loaded 111", said)
            self.assertEqual(client(ours).get("s:1"), b"v")
            client(ours).flushall()
            self.run_it("load", "--from", url(server), *self.to(ours), "--db", "3")
            self.assertEqual((client(ours).dbsize(), client(ours, 3).dbsize()), (0, 1))
            client(ours).flushall()

    def test_ours_into_redis(self) -> None:
        """By RDB file, which redis-check-rdb approves and redis-server loads, by the other formats, and directly."""
        ours = self.ours()
        for n in range(1000):
            client(ours).set(f"k{n}", b"\xff" * n, ex=None if n % 2 else 1000)
        client(ours, 5).set("five", "5")
        collections(client(ours))
        theirs = self.redis()
        self.run_it("load", "--from", url(ours), *self.to(theirs))
        self.same(ours, theirs)
        for name in ("d.rdb", "d.jsonl", "d.txt", "d.resp"):
            path = str(self.place / name)
            _, said = self.run_it("dump", *self.to(ours), path)
            self.assertIn("dumped 1010 keys", said)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            client(theirs).flushall()
            self.run_it("load", path, *self.to(theirs))
            self.same(ours, theirs)
        check = subprocess.run(
            [servers.tool("redis-check-rdb", "redis-tools"), str(self.place / "d.rdb")], capture_output=True
        )
        self.assertIn(b"RDB looks OK", check.stdout)
        self.same(ours, self.restarted(str(self.place / "d.rdb"), servers.redis_server))

    def test_ours_into_valkey(self) -> None:
        """With a hash whose fields expire, which only Valkey's files have; and back."""
        ours = self.ours()
        collections(client(ours))
        client(ours).execute_command("HPEXPIREAT", "bigh", FAR, "FIELDS", 2, "f0", "f1")
        theirs = self.valkey()
        for name in ("d.rdb", "d.jsonl", "d.txt", "d.resp"):
            path = str(self.place / name)
            self.run_it("dump", *self.to(ours), path)
            for target in (theirs, ours):
                client(target).flushall()
                self.run_it("load", path, *self.to(target))
                self.assertEqual(
                    client(target).execute_command("HPEXPIRETIME", "bigh", "FIELDS", 2, "f1", "f2"), [FAR, -1]
                )
            self.same(ours, theirs)
        self.assertEqual((self.place / "d.rdb").read_bytes()[:9], b"VALKEY080")
        self.same(ours, self.restarted(str(self.place / "d.rdb"), servers.valkey_server))
        client(ours).flushall()
        self.run_it("load", self.saved(theirs), *self.to(ours))
        self.same(ours, theirs)
        self.assertEqual(client(ours).execute_command("HPEXPIRETIME", "bigh", "FIELDS", 1, "f1"), [FAR])

    def test_values_in_json(self) -> None:
        """Lists, sets, hashes and sorted sets that a job writes."""
        lines = b"\n".join(
            (
                b'{"key": "l", "type": "list", "value": ["a", 1, {"base64": "/w=="}], "ttl": 100}',
                b'{"key": "s", "type": "set", "value": ["a", "b"]}',
                b'{"key": "h", "type": "hash", "value": {"a": 1, "b": "x"}}',
                b'{"key": "z", "type": "zset", "value": {"a": 1.5, "b": "-inf"}}',
            )
        )
        for server in (self.ours(), self.redis()):
            said, _ = self.run_it("load", "-", *self.to(server), given=lines)
            self.assertIn("(1 hash, 1 list, 1 set, 1 zset)", said)
            made = client(server)
            self.assertEqual(made.lrange("l", 0, -1), [b"a", b"1", b"\xff"])
            self.assertTrue(90 < made.ttl("l") <= 100)
            self.assertEqual((made.smembers("s"), made.hgetall("h")), ({b"a", b"b"}, {b"a": b"1", b"b": b"x"}))
            self.assertEqual(made.zrange("z", 0, -1, withscores=True), [(b"b", float("-inf")), (b"a", 1.5)])

    def test_every_format_of_every_type(self) -> None:
        """From Redis to Redis and from Valkey to Valkey nothing is lost, whatever the way."""
        for start in (servers.redis_server, servers.valkey_server):
            one, other = self.ending(start()), self.ending(start())
            fill(one, 20)
            made = client(one)
            if start is servers.valkey_server:
                made.execute_command("HEXPIRE", "h", 1000, "FIELDS", 1, "a")
                made.hset("bigger", mapping={f"f{n}": "x" * 100 for n in range(1000)})
                made.execute_command("HEXPIRE", "bigger", 1000, "FIELDS", 1, "f1")
            self.run_it("load", "--from", url(one), *self.to(other))
            self.same(one, other)
            for name in ("d.rdb", "d.jsonl", "d.txt", "d.resp"):
                client(other).flushall()
                path = str(self.place / name)
                self.run_it("dump", *self.to(one), path)
                self.run_it("load", path, *self.to(other))
                self.same(one, other)
            client(other).flushall()
            self.run_it("load", self.saved(one), *self.to(other))
            self.same(one, other)
            self.same(one, self.restarted(str(self.place / "d.rdb"), start))

    def test_newer_into_older(self) -> None:
        """Valkey 9's values go into Redis 7.0 as far as it knows their encodings."""
        new, old = self.valkey(), self.redis()
        strings = fill(new)
        said, _ = self.run_it("load", "--from", url(new), *self.to(old), status=1)
        self.assertIn(f"{strings} string", said)
        self.assertIn("1 stream not loaded: DUMP payload version", said)

    def test_old_encodings(self) -> None:
        """Encodings that Redis 7 no longer writes: it and ours take them from a file by RESTORE."""
        ziplist = b"\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01a\x03\xf2\xff"
        body = b"".join(
            (
                b"REDIS0003\xfe\x00",
                b"\x01\x01l\x02\x01a\x011",
                b"\x04\x01h\x01\x01a\x011",
                b"\x03\x01z\x02\x01a\x031.5\x01b\xfe",
                b"\x0a\x02zl" + bytes((len(ziplist),)) + ziplist,
                b"\x09\x02zm\x09\x01\x01a\x01\x00x\xff",
                b"\xfd" + struct.pack("<I", 2000000000) + b"\x00\x01s\x01v\xff",
            )
        )
        path = self.place / "old.rdb"
        path.write_bytes(body.replace(b"\x09\x01\x01a\x01\x00x\xff", b"\x07\x01\x01a\x01\x00x\xff"))
        for server in (self.redis(), self.ours()):
            self.run_it("load", str(path), *self.to(server))
            made = client(server)
            self.assertEqual(made.lrange("l", 0, -1), [b"a", b"1"])
            self.assertEqual((made.hgetall("h"), made.hgetall("zm")), ({b"a": b"1"}, {b"a": b"x"}))
            self.assertEqual(made.zrange("z", 0, -1, withscores=True)[0], (b"a", 1.5))
            self.assertEqual((made.lrange("zl", 0, -1), made.get("s")), ([b"a", b"1"], b"v"))
            self.assertEqual(made.execute_command("EXPIRETIME", "s"), 2000000000)


class InterruptionTests(Case):
    """Signals, killed processes and servers that end."""

    def interrupted(self, words: list[str], ours: servers.Server, sig: int, after: int) -> subprocess.Popen[bytes]:
        """A load that got a signal when the server had executed so many commands."""
        process = subprocess.Popen(
            [*COMMAND, *words, *self.to(ours)], env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.addCleanup(process.communicate)
        made = client(ours)
        servers.until(lambda: int(made.get("n") or made.dbsize()) >= after, 60, "the load is on its way")
        process.send_signal(sig)
        process.wait(30)
        return process

    def test_commands_are_executed_once(self) -> None:
        """INCR from a file of commands, interrupted by Ctrl-C and by SIGTERM, and killed."""
        path = self.place / "commands"
        path.write_text("INCR n\n" * 3000)
        ours = self.ours()
        words = ["load", str(path), "--rate", "3000"]
        process = self.interrupted(words, ours, signal.SIGINT, 300)
        _, said = process.communicate()
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"To go on, run the same command with --resume", said)
        self.assertIn(
            "the state of another load",
            self.run_it(
                *words, "--state", str(next(self.place.glob("redistill/*"))), "--replace", *self.to(ours), status=1
            )[1],
        )
        process = self.interrupted([*words, "--resume"], ours, signal.SIGTERM, 1000)
        self.assertEqual(process.returncode, 143)
        said_, _ = self.run_it(*words[:2], "--resume", *self.to(ours))
        self.assertTrue(said_.startswith("loaded 3000 "), said_)
        self.assertEqual(client(ours).get("n"), b"3000")
        self.assertIn("no interrupted load", self.run_it(*words, "--resume", *self.to(ours), status=1)[1])

        client(ours).flushall()
        state = str(self.place / "state")
        self.interrupted([*words, "--state", state], ours, signal.SIGKILL, 300)
        unconfirmed = json.loads(Path(state).read_text())["unconfirmed"]
        extra = ()
        if unconfirmed is not None:
            done = int(client(ours).get("n") or 0)
            first = int(unconfirmed["first"].split()[1])
            self.assertIn("--unconfirmed", self.run_it(*words[:2], "--state", state, *self.to(ours), status=1)[1])
            extra = ("--unconfirmed", "skip" if done >= first else "repeat")
        self.run_it(*words[:2], "--state", state, *extra, *self.to(ours))
        self.assertEqual(client(ours).get("n"), b"3000")
        self.assertFalse(os.path.exists(state))

    def test_server_source(self) -> None:
        """SCAN goes on with its cursor; a source that was restarted is another one."""
        theirs, ours = self.redis(), self.ours()
        with client(theirs).pipeline() as pipe:
            for n in range(3000):
                pipe.set(f"k{n}", n)
            pipe.execute()
        words = ["load", "--from", url(theirs), "--rate", "3000"]
        self.interrupted(words, ours, signal.SIGINT, 1000)
        _said, complaints = self.run_it(*words, "--resume", *self.to(ours))
        self.assertIn("resuming the load that was interrupted at database 0, ", complaints)
        self.same(theirs, ours)

    def test_server_that_ends(self) -> None:
        """The load ends with its address, and can go on."""
        path = self.place / "keys.jsonl"
        path.write_text("".join(json.dumps({"key": f"k{n}", "value": "v"}) + "\n" for n in range(3000)))
        ours = self.ours()
        process = subprocess.Popen(
            [*COMMAND, "load", str(path), "--rate", "2000", "--state", str(self.place / "s"), *self.to(ours)],
            env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        servers.until(lambda: client(ours).dbsize() >= 500, 60, "the load is on its way")
        ours.process.kill()
        _, said = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"Error: " + str(ours.address).encode(), said)
        self.assertTrue(os.path.exists(self.place / "s"))

    def test_keys_that_vanish(self) -> None:
        """They are counted, and no error."""
        theirs, ours = self.redis(), self.ours()
        with client(theirs).pipeline() as pipe:
            for n in range(500):
                pipe.set(f"k{n}", n)
            pipe.execute()
        process = subprocess.Popen(
            [*COMMAND, "load", "--from", url(theirs), "--rate", "200", *self.to(ours)],
            env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        servers.until(lambda: client(ours).dbsize() >= 20, 60, "the load is on its way")
        client(theirs).flushall()
        _, complaints = process.communicate(timeout=60)
        self.assertEqual((process.returncode, complaints), (0, b""))


class BoundsTests(Case):
    """Memory, damage, and what is refused."""

    def test_memory(self) -> None:
        """Values of 64 MB in RDB files and as RESP, strings and lists, do not grow the process; nor do many keys."""
        size, theirs = 64_000_000, self.redis()
        length = b"\x80" + size.to_bytes(4, "big")
        values = {
            "string.rdb": (b"REDIS0010\x00\x01k" + length, b"\xff" + bytes(8)),
            "list.rdb": (b"REDIS0010\x01\x01k\x01" + length, b"\xff" + bytes(8)),
            "command.resp": (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size, b"\r\n"),
        }
        small = self.place / "small"
        small.write_text("SET a 1\n")
        least = self.peak("load", str(small), *self.to(theirs))
        for name, (head, tail) in values.items():
            path = self.place / name
            with path.open("wb") as file:
                file.write(head)
                file.seek(size, os.SEEK_CUR)
                file.write(tail)
            grown = self.peak("load", str(path), *self.to(theirs), "--replace") - least
            self.assertLess(grown, 16 << 20, name)
            made = client(theirs)
            self.assertGreater(made.memory_usage("k", samples=0) or 0, size)
            if name.startswith("string"):
                self.assertLess(self.peak("load", "-", *self.to(theirs), "--replace", given=path) - least, 16 << 20)
            made.flushall()
            path.unlink()
        many = self.place / "many.jsonl"
        many.write_text("".join(f'{{"key": "k{n % 100}", "value": "{n:0100}"}}\n' for n in range(100_000)))
        self.assertLess(self.peak("load", str(many), *self.to(theirs), "--replace") - least, 16 << 20)

    def test_damaged_file(self) -> None:
        """The error has the offset; the keys before are loaded."""
        theirs, ours = self.redis(), self.ours()
        for n in range(100):
            client(theirs).set(f"k{n}", "v" * n)
        path = Path(self.saved(theirs))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        said, complaints = self.run_it("load", str(path), *self.to(ours), status=1)
        self.assertIn(f"{path}: offset {len(whole) // 2}: the file is truncated", complaints)
        self.assertGreater(client(ours).dbsize(), 30)
        self.assertIn(f"loaded {client(ours).dbsize()} in", said)
        path.write_bytes(whole[:-9] + bytes((whole[-9],)) + bytes(7) + b"x")
        self.assertIn("the checksum is wrong", self.run_it("load", str(path), *self.to(ours), status=1)[1])
        self.assertEqual(client(ours).dbsize(), 100)

    def test_commands(self) -> None:
        """A file of commands as redis-cli reads it, from standard input too; errors have their line."""
        ours = self.ours()
        lines = b'SET a "x y"\nSELECT 1\nSET b 1\nINCR a b\nNOSUCH s x\nSET c 1\n'
        said, complaints = self.run_it("load", "-", *self.to(ours), given=lines, status=1)
        self.assertIn("line 4: INCR: wrong number of arguments", complaints)
        self.assertIn("line 5: NOSUCH: unknown command", complaints)
        self.assertIn("loaded 3 in", said)
        self.assertEqual((client(ours).get("a"), client(ours, 1).get("b")), (b"x y", b"1"))
        out = self.run_it("load", "/nowhere", *self.to(ours), status=1)[1]
        self.assertEqual(out, "Error: cannot read /nowhere: No such file or directory\n")
        self.run_it("load", *self.to(ours), status=2)
        _, complaints = self.run_it("load", "-", *self.to(ours), given=b'[{"key": "a"}]', status=1)
        self.assertIn("stdin is a JSON array; write one object a line", complaints)
        said, complaints = self.run_it("load", "-", *self.to(ours), given=b"ab\x1b[2Jc k\xff\n", status=1)
        self.assertNotIn("\x1b", said + complaints)
        said, complaints = self.run_it("load", "-", *self.to(ours), given=gzip.compress(b"SET a 1"), status=1)
        self.assertEqual((said, complaints), ("", "Error: stdin is compressed; write: zcat FILE | redistill load -\n"))

    def test_full_server(self) -> None:
        """Items that do not fit are refused by the server, and counted."""
        ours = self.ours(CONFIG.replace("64mb", "8mb"))
        lines = b"".join(b"SET k%d %s\n" % (n, b"x" * 50000) for n in range(300))
        said, _ = self.run_it("load", "-", *self.to(ours), given=lines, status=1)
        self.assertIn(
            "command not loaded: command not allowed when used memory > 'maxmemory'", said.replace("OOM ", "")
        )

    def test_passwords(self) -> None:
        """Each server has its own, from the environment or the address, and no message shows one."""
        secret = f'[security]\npassword = "{PASSWORD}"\n'
        ours, theirs = self.ours(CONFIG + secret), self.redis("--requirepass", "other")
        client(theirs, password="other").set("k", "v")
        words = ("load", "--from", url(theirs), *self.to(ours))
        self.assertIn("set REDISTILL_FROM_PASSWORD", self.run_it(*words, status=1)[1])
        self.assertIn("set REDISTILL_PASSWORD", self.run_it(*words, status=1, REDISTILL_FROM_PASSWORD="other")[1])
        self.run_it(*words, REDISTILL_FROM_PASSWORD="other", REDISTILL_PASSWORD=PASSWORD)
        both = {"REDISTILL_FROM_PASSWORD": "other", "REDISTILL_PASSWORD": PASSWORD}
        self.run_it("compare", url(theirs), url(ours), **both)
        said = self.run_it("compare", f"unix://:secret@{theirs.address}", url(ours), status=2, **both)
        self.assertNotIn("secret", "".join(said))

    def test_tls(self) -> None:
        """From a server with TLS, verified by the authority that the address names."""
        made = Certificates(self)
        chain, key = made.sign("localhost")
        port = servers.free_port()
        source = self.ours(
            f'{CONFIG}[security]\ntls_port = {port}\ntls_cert_path = "{chain}"\ntls_key_path = "{key}"\n'
        )
        client(source).set("k", "v")
        other = self.ours()
        where = f"rediss://127.0.0.1:{port}"
        self.assertIn("CERTIFICATE_VERIFY_FAILED", self.run_it("load", "--from", where, *self.to(other), status=1)[1])
        self.run_it(
            "load", "--from", f"{where}?ssl_ca_certs={made.authority}&ssl_check_hostname=false", *self.to(other)
        )
        self.assertEqual(client(other).get("k"), b"v")

    def test_dump_to_stdout(self) -> None:
        """JSON lines, to a pipe; a file that cannot be written is named, and nothing stays behind."""
        ours = self.ours()
        client(ours).set("k", "é")
        said, _ = self.run_it("dump", *self.to(ours), "-")
        self.assertEqual(json.loads(said), {"key": "k", "type": "string", "value": "é"})
        self.assertIn("cannot write", self.run_it("dump", *self.to(ours), "/nowhere/x", status=1)[1])
        begun = time.monotonic()
        self.run_it("dump", *self.to(ours), str(self.place / "x.rdb"), "--rate", "1000")
        self.assertLess(time.monotonic() - begun, 60)
        self.assertEqual([path.name for path in self.place.glob("*x.rdb*")], ["x.rdb"])
