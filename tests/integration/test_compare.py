"""redistill compare: every kind of difference, and values of any size."""

from __future__ import annotations

from typing import Any

from .test_transfer import FAR, Case, client, collections, fill, url


class CompareTests(Case):
    """Two servers, of which one is changed."""

    def test_kinds(self) -> None:
        """Each kind of difference; 2 if a server does not answer."""
        one, other = self.redis(), self.redis()
        for server in (one, other):
            fill(server, 10)
        a, b = client(one), client(other)
        self.same(one, other)
        a.set("only-a", 1)
        b.set("only-b", 1)
        a.set("s:1", "other")
        b.delete("s:2")
        b.lpush("s:2", "x")
        b.persist("s:0")
        b.hset("h", "a", 2)
        b.setrange("big", 2 << 20, b"\0\0\0\0")
        said, _ = self.run_it("compare", url(one), url(other), "--all", status=1)
        for line in (
            'missing: db 0, key "only-a": only in A',
            'missing: db 0, key "only-b": only in B',
            'value: db 0, key "s:1": 5 and 1 bytes',
            'type: db 0, key "s:2": string in A, list in B',
            'ttl: db 0, key "s:0": 3',
            'value: db 0, key "h": hash, field "a": 1 bytes in A, 1 others in B',
            'value: db 0, key "big": 3145728 bytes, of which byte 2097152 differs',
        ):
            self.assertIn(line, said)
        self.assertIn("7 differences (2 missing, 1 ttl, 1 type, 3 value)", said)
        self.assertIn("Error: 127.0.0.1:1: ", self.run_it("compare", url(one), "127.0.0.1:1", status=2)[1])

    def differing(self, one: Any, other: Any) -> str:
        """The only difference, in database 0 and at the key k."""
        lines = self.run_it("compare", url(one), url(other), "--all", status=1)[0].splitlines()
        self.assertIn(": 1 differences ", lines.pop())
        self.assertEqual(len(lines), 1, lines)
        return lines[0].replace(" db 0, key ", " ")

    def test_elements(self) -> None:
        """The first element that differs is named, in values of a few elements and of thousands."""
        one, other = self.ours(), self.redis()
        a, b = client(one), client(other)
        for many in (10, 5000):
            for made in (a, b):
                made.flushall()
                made.rpush("list", *(b"%d" % n for n in range(many)))
                made.sadd("set", *(b"m%d" % n for n in range(many)))
                made.sadd("ints", *range(many))
                made.zadd("zset", {b"m%d" % n: n / 3 for n in range(many)})
                made.hset("hash", mapping={b"f%d" % n: n for n in range(many)})
            self.same(one, other)
            self.same(other, one)
            for key, change, back, said in (
                ("list", ("LSET", many - 1, "x"), ("LSET", many - 1, many - 1), f"list, of which element {many - 1} differs"),
                ("list", ("RPUSH", "x"), ("RPOP",), f"list of {many} and {many + 1} elements"),
                ("set", ("SADD", "x"), ("SREM", "x"), 'set, member "x": only in B'),
                ("set", ("SREM", "m7"), ("SADD", "m7"), 'set, member "m7": only in A'),
                ("ints", ("SREM", "3"), ("SADD", "3"), 'set, member "3": only in A'),
                ("zset", ("ZADD", "1.5", "m3"), ("ZADD", "1", "m3"), 'zset, member "m3": score 1 in A, 1.5 in B'),
                ("zset", ("ZADD", "1.5", "x"), ("ZREM", "x"), 'zset, member "x": only in B'),
                ("hash", ("HSET", "f5", "abc"), ("HSET", "f5", "5"), 'hash, field "f5": 1 bytes in A, 3 others in B'),
                ("hash", ("HDEL", "f5"), ("HSET", "f5", "5"), 'hash, field "f5": only in A'),
            ):  # fmt: skip
                b.execute_command(change[0], key, *change[1:])
                self.assertEqual(self.differing(one, other), f'value: "{key}": {said}')
                b.execute_command(back[0], key, *back[1:])
            self.same(one, other)

    def test_fields_that_expire(self) -> None:
        """A field's time to live is compared as a key's is: with Valkey, and with a server that knows none."""
        one, other, old = self.ours(), self.valkey(), self.redis()
        for server in (one, other, old):
            collections(client(server))
        for key, field in (("h", "a"), ("bigh", "f700")):
            for server in (one, other):
                client(server).execute_command("HPEXPIREAT", key, FAR, "FIELDS", 1, field)
            self.same(one, other)
            client(other).execute_command("HPERSIST", key, "FIELDS", 1, field)
            for none in (other, old):
                said = self.differing(one, none)
                self.assertRegex(said, rf'^ttl: "{key}": field "{field}": [0-9.]+ s in A, none in B$')
            client(other).execute_command("HPEXPIRE", key, 100_000, "FIELDS", 1, field)
            self.assertRegex(
                self.differing(other, one), rf'field "{field}": [0-9]{{2,3}}\.[0-9]+ s in A, [0-9.]+ s in B$'
            )
            client(one).execute_command("HPERSIST", key, "FIELDS", 1, field)
            client(other).execute_command("HPERSIST", key, "FIELDS", 1, field)
            self.same(one, other)

    def test_streams(self) -> None:
        """Entries, over several portions."""
        one, other = self.redis(), self.valkey()
        for server in (one, other):
            with client(server).pipeline() as pipe:
                for n in range(2500):
                    pipe.xadd("stream", {"n": n}, id=f"{n // 7}-{n % 7 + 1}")
                pipe.execute()
        self.same(one, other)
        for server, value in ((one, 1), (other, 2)):
            client(server).xadd("stream", {"n": value}, id="9000-1")
        self.assertEqual(self.differing(one, other), 'value: "stream": stream, which differs from "9000-1" on')
        client(other).xadd("stream", {"n": 1})
        self.assertEqual(self.differing(one, other), 'value: "stream": stream of 2501 and 2502 elements')

    def test_memory(self) -> None:
        """Values of 40 MB, in few large elements, do not grow the process by as much."""
        one, other = self.redis(), self.redis()
        for server in (one, other):
            client(server).set("a", 1)
        least = self.peak("compare", url(one), url(other))
        for made in (client(one), client(other)):
            for n in range(40):
                value = bytes([n]) * 1_000_000
                made.rpush("list", value)
                made.hset("hash", str(n), value)
                made.sadd("set", value)
        self.assertLess(self.peak("compare", url(one), url(other)) - least, 24 << 20)
