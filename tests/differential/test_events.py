"""Events of keys: random commands of every type; the sequence of events is redis-server's, after each step."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.test_pubsub import Talk
from tests.integration import servers

RUNS, STEPS = 30, 150
STRINGS = """SET {} 1|SET {} 2 EX 100|SET {} 3 NX|SET {} 3 XX KEEPTTL|SET {} 3 GET|SET {x} 1 PXAT 1|SET {} 1 PX 99000 NX
SETEX {} 99 x|PSETEX {} 99000 x|SETNX {} x|GETSET {} y|GETDEL {}|GETEX {} EX 50|GETEX {} PERSIST|GETEX {} PXAT 1|GETEX {}
APPEND {} z|INCR {n}|DECRBY {n} 2|INCRBYFLOAT {n} 0.5|SETRANGE {} 2 x|SETRANGE {} 0 ''|MSET {} 1 {} 2|MSETNX {} 1 {} 2
SETBIT {} 3 1|BITOP AND {} {} {}|BITOP OR {any} {none}|BITFIELD {} SET u8 0 1|BITFIELD {} GET u8 0|PFADD {p} a b|PFADD {p}
PFMERGE {p} {p}|PFCOUNT {p}|GET {}|MGET {} {}|STRLEN {}|GETRANGE {} 0 1|GETBIT {} 0|BITCOUNT {}|LCS {} {}"""
KEYS = """DEL {} {} {}|UNLINK {any}|EXPIRE {any} 100|EXPIRE {any} 99 NX|EXPIRE {any} 99 GT|EXPIRE {any} 0|PEXPIRE {any} 99000
EXPIREAT {any} 1|PEXPIREAT {any} 99999999999999|PERSIST {any}|EXPIRE {any} -1|RENAME {any} {any}|RENAMENX {any} {any}
COPY {any} {any} REPLACE|COPY {any} {any}|COPY {any} {any} DB 1|MOVE {any} 1|TOUCH {any}|EXISTS {any}|TYPE {any}|TTL {any}
OBJECT ENCODING {any}|DUMP {any}|SWAPDB 0 1|SELECT 1|SELECT 0|FLUSHDB|FLUSHALL ASYNC|MULTI|MULTI|EXEC|EXEC|DISCARD
SORT {l} ALPHA STORE {l}|SORT {none} STORE {any}|SORT {s} ALPHA STORE {any}|KEYS *|DBSIZE
RESTORE {p} 0 D REPLACE|RESTORE {any} 0 D|RESTORE {any} 1 D REPLACE ABSTTL|RESTORE {p} 99000 D REPLACE"""
LISTS = """LPUSH {l} a b|RPUSH {l} c|LPUSHX {l} a|RPUSHX {l} b|LPOP {l}|RPOP {l} 2|LPOP {l} 0|LMOVE {l} {l} LEFT RIGHT
RPOPLPUSH {l} {l}|LTRIM {l} 1 1|LTRIM {l} 5 9|LTRIM {l} 0 -1|LSET {l} 0 x|LREM {l} 0 x|LINSERT {l} BEFORE x y
LINSERT {l} AFTER a z|LMPOP 2 {l} {l} LEFT COUNT 2|LRANGE {l} 0 -1|LLEN {l}|LINDEX {l} 0|LPOS {l} a|LPUSH {any} q"""
SETS = """SADD {s} a b|SADD {s} a|SREM {s} a|SREM {s} a b c|SPOP {s} 9|SMOVE {s} {s} b|SINTERSTORE {s} {s} {s}
SUNIONSTORE {s} {s} {s}|SDIFFSTORE {s} {s} {s}|SUNIONSTORE {any} {none}|SMEMBERS {s}|SCARD {s}|SISMEMBER {s} a
SMISMEMBER {s} a b|SINTER {s} {s}|SINTERCARD 2 {s} {s}|SRANDMEMBER {s} 0|SADD {any} q"""
SORTED = """ZADD {z} 1 a 2 b|ZADD {z} NX 1 a|ZADD {z} XX CH 3 a|ZADD {z} GT 1 a|ZADD {z} INCR 1 a|ZINCRBY {z} 1 a|ZREM {z} a
ZREM {z} a b c|ZPOPMIN {z}|ZPOPMAX {z} 5|ZMPOP 2 {z} {z} MIN|ZUNIONSTORE {z} 1 {z}|ZINTERSTORE {z} 2 {z} {s}
ZDIFFSTORE {z} 2 {z} {z}|ZRANGESTORE {z} {z} 0 0|ZRANGESTORE {any} {z} 8 9|ZREMRANGEBYRANK {z} 0 0|ZREMRANGEBYSCORE {z} 2 9
ZREMRANGEBYLEX {z} - +|ZSCORE {z} a|ZRANGE {z} 0 -1|ZCARD {z}|ZRANK {z} a|ZCOUNT {z} 0 9|ZADD {any} 1 q"""
HASHES = """HSET {h} f 1|HSET {h} f 2 g 3|HMSET {h} f 1|HINCRBY {h} f 1|HINCRBYFLOAT {h} f 1|HDEL {h} f|HDEL {h} f g h
HSETNX {h} g 1|HGET {h} f|HGETALL {h}|HLEN {h}|HMGET {h} f g|HEXISTS {h} f|HSTRLEN {h} f|HRANDFIELD {h} 0|HSET {any} q 1"""
GROUPS = [text.replace("\n", "|").split("|") for text in (STRINGS, KEYS, LISTS, SETS, SORTED, HASHES)]
"""Commands; {} stands for a string's key, with a letter for that of another type, {any} for any, {x} for one that
may have expired, {none} for none."""
TYPED = {"": ("a", "b"), "n": ("n1",), "p": ("p1", "p2"), "l": ("l1", "l2"), "s": ("s1", "s2"), "z": ("z1", "z2")}
NAMES = {**TYPED, "h": ("h1", "h2"), "x": ("x1", "x2"), "none": ("none",)}
NAMES["any"] = tuple(name for kind, names in NAMES.items() for name in names if kind != "none")


class EventTests(SynchronousTestCase):
    """Both servers without their sweeps, so that keys expire when they are met."""

    def setUp(self) -> None:
        self.ours = servers.redistill('[server]\nworkers = 2\n[security]\nenable_debug_command = "local"\n', tcp=True)
        self.addCleanup(self.ours.stop)
        self.theirs = servers.redis_server("--enable-debug-command", "yes")
        self.addCleanup(self.theirs.stop)
        client = Talk(self.theirs, 2)
        client.send(["SET", "a", "x"])
        client.send(["DUMP", "a"])
        client.value()
        self.payload = client.value().decode("latin-1")
        client.close()

    def begin(self, server: servers.Server, letters: str) -> tuple[Talk, Talk, object]:
        """A client, a subscriber, and the letters as CONFIG GET shows them."""
        client, subscriber = Talk(server, 2), Talk(server, 3)
        for words in (
            ["FLUSHALL"],
            ["DEBUG", "SET-ACTIVE-EXPIRE", "0"],
            ["CONFIG", "SET", "notify-keyspace-events", letters],
            ["CONFIG", "GET", "notify-keyspace-events"],
        ):
            client.send(words)
            reply = client.value()
            self.assertFalse(isinstance(reply, bytes) and reply.startswith(b"-"), (words, reply))
        subscriber.send(["PSUBSCRIBE", "__key*"])
        subscriber.value()
        return client, subscriber, reply

    def command(self, dice: random.Random) -> list[str]:
        """A command with its keys."""
        words = []
        for word in dice.choice(dice.choice(GROUPS)).split():
            word = dice.choice(NAMES[word[1:-1]]) if word.startswith("{") else word
            words.append({"''": "", "D": self.payload}.get(word, word))
        return words

    def test_every_type(self) -> None:
        """The same events on the same channels in the same order, whichever classes are on."""
        for run in range(RUNS):
            dice = random.Random(run)
            letters = "KEAnm" if run % 3 == 0 else "".join(dice.sample("KEg$lshzxeAmntd", dice.randrange(3, 14)))
            both = [self.begin(server, letters) for server in (self.theirs, self.ours)]
            self.assertEqual(both[0][2], both[1][2], letters)
            for number in range(STEPS):
                words, said = self.command(dice), []
                for client, subscriber, _ in both:
                    client.send(words)
                    reply = client.value()
                    said.append((subscriber.until(f"mark {number}"), str(reply)[:5] if words == ["EXEC"] else ""))
                self.assertEqual(said[0], said[1], f"run {run}, step {number}, classes {letters}: {words}")
            for client, subscriber, _ in both:
                client.close()
                subscriber.close()
