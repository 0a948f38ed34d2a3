"""Events of keys: random commands of every type; the sequence of events is that of redis-server, or of Valkey 9 for what
only that has, after each step."""

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
STREAMS = """XADD {t} {i} f v|XADD {t} {i} f v|XADD {t} {i} f v|XADD {t} NOMKSTREAM {i} f v|XADD {t} MAXLEN 2 {i} f v
XADD {t} MAXLEN 0 {i} f v|XADD {t} MINID 9 {i} f v|XADD {any} {i} f v|XDEL {t} {i} {i} {i}|XDEL {t} {i}|XTRIM {t} MAXLEN 1
XTRIM {t} MAXLEN 9|XTRIM {t} MINID {i}|XTRIM {t} MAXLEN 0|XSETID {t} 50-1|XSETID {t} 1-1|XLEN {t}|XRANGE {t} - +
XGROUP CREATE {t} g 0|XGROUP CREATE {t} g $ MKSTREAM|XGROUP CREATE {t} g 0 MKSTREAM|XGROUP CREATE {any} h 0 MKSTREAM
XGROUP SETID {t} g 0|XGROUP SETID {t} h $|XGROUP DESTROY {t} g|XGROUP DESTROY {t} h|XGROUP CREATECONSUMER {t} g c
XGROUP CREATECONSUMER {t} g c|XGROUP DELCONSUMER {t} g c|XGROUP DELCONSUMER {t} g d|XREADGROUP GROUP g c STREAMS {none} >|XACK {t} g {i}|XPENDING {t} g
XPENDING {t} g - + 5|XINFO STREAM {t}|XINFO GROUPS {t}|XINFO CONSUMERS {t} g|DEL {t}
COPY {t} {t} REPLACE|RENAME {t} {t}"""
PLACES = """GEOADD {z} 13 38 a|GEOADD {z} 13 38 a 14 38 b|GEOADD {z} XX CH 15 38 a|GEOADD {z} NX 15 38 a|GEOADD {any} 13 38 a
GEOPOS {z} a|GEODIST {z} a b|GEOHASH {z} a|GEOSEARCH {z} FROMLONLAT 13 38 BYRADIUS 200 km|GEORADIUS_RO {z} 13 38 200 km
GEOSEARCHSTORE {z} {z} FROMLONLAT 13 38 BYRADIUS 200 km|GEOSEARCHSTORE {any} {z} FROMLONLAT 90 38 BYRADIUS 1 km
GEOSEARCHSTORE {any} {none} FROMLONLAT 13 38 BYRADIUS 200 km|GEORADIUS {z} 13 38 200 km|GEORADIUS {z} 13 38 200 km STORE {z}
GEORADIUS {none} 13 38 200 km STORE {any}|GEORADIUS {z} 13 38 200 km STOREDIST {any}|GEORADIUSBYMEMBER {z} a 200 km STORE {z}
GEOSEARCHSTORE {z} {z} FROMMEMBER a BYBOX 200 200 km STOREDIST|GEORADIUSBYMEMBER_RO {z} a 1 km"""
FIELDS = """HSET {h} f 1|HSET {h} f 2 g 3|HSET {h} g 1|HDEL {h} f|HDEL {h} f g|HEXPIRE {h} 100 FIELDS 2 f g|HEXPIRE {h} 100 NX FIELDS 1 f
HPEXPIRE {h} 99000 GT FIELDS 1 f|HEXPIREAT {h} 99999999999 FIELDS 1 g|HPEXPIREAT {h} 99999999999999 XX FIELDS 2 f g
HEXPIRE {h} 0 FIELDS 1 f|HEXPIREAT {h} 1 FIELDS 2 f g|HPERSIST {h} FIELDS 1 f|HPERSIST {h} FIELDS 2 f g|HTTL {h} FIELDS 1 f
HPEXPIRETIME {h} FIELDS 1 g|HGETDEL {h} FIELDS 1 f|HGETDEL {h} FIELDS 2 f g|HGETEX {h} EX 100 FIELDS 1 f|HGETEX {h} FIELDS 1 f
HGETEX {h} PERSIST FIELDS 2 f g|HGETEX {h} PXAT 1 FIELDS 1 f|HSETEX {h} EX 100 FIELDS 1 f v|HSETEX {h} FIELDS 2 f v g w
HSETEX {h} FNX EX 100 FIELDS 1 f v|HSETEX {h} FXX KEEPTTL FIELDS 1 f v|HSETEX {h} PXAT 1 FIELDS 1 f v|HSETEX {any} EX 9 FIELDS 1 f v
HINCRBY {h} f 1|HINCRBYFLOAT {h} f 1|HSETNX {h} f 1|COPY {h} {h} REPLACE|RENAME {h} {h}|DEL {h}|MOVE {h} 1|HGETALL {h}"""
NEWER = """MSETEX 1 {} 1|MSETEX 2 {} 1 {} 2 EX 100|MSETEX 2 {} 1 {} 2 NX PX 99000|MSETEX 2 {} 1 {} 2 XX KEEPTTL|DELIFEQ {} 1|DELIFEQ {} 2
SET {} 2 IFEQ 1|SET {} 1 IFEQ 2 GET|SET {} 1|SET {} 2 EX 100|GETEX {} EX 50|GETEX {} PERSIST|DEL {} {}|XTRIM {t} MAXLEN 1
XCLAIM {t} g d 0 {i}|XCLAIM {t} g f 0 {i}|XCLAIM {t} g c 0 {i} FORCE|XCLAIM {t} g c 0 {i} JUSTID|XAUTOCLAIM {t} g d 0 0
XAUTOCLAIM {t} g k 0 0 COUNT 1|XREADGROUP GROUP g d STREAMS {t} >|XREADGROUP GROUP g d NOACK STREAMS {t} >
XREADGROUP GROUP g d STREAMS {t} >|XREADGROUP GROUP g c COUNT 1 STREAMS {t} {t} > >|XREADGROUP GROUP g e STREAMS {t} 0"""
"""Since Redis 7.2 XCLAIM and XREADGROUP make the consumer although they find nothing."""
GROUPS, NEWER_GROUPS = (
    [text.replace("\n", "|").split("|") for text in texts]
    for texts in (
        (STRINGS, KEYS, LISTS, SETS, SORTED, HASHES, STREAMS, PLACES),
        (FIELDS, FIELDS, NEWER, STREAMS),
    )
)
"""Commands; {} stands for a string's key, with a letter for that of another type, {any} for any, {x} for one that
may have expired, {none} for none."""
TYPED = {"": ("a", "b"), "n": ("n1",), "p": ("p1", "p2"), "l": ("l1", "l2"), "s": ("s1", "s2"), "z": ("z1", "z2")}
NAMES = {**TYPED, "h": ("h1", "h2"), "t": ("t1", "t2"), "x": ("x1", "x2"), "none": ("none",)}
NAMES["any"] = tuple(name for kind, names in NAMES.items() for name in names if kind != "none")
NAMES["i"] = tuple(f"{ms}-1" for ms in range(1, 40))  # ids in streams


class Compared(SynchronousTestCase):
    """Both servers without their sweeps, so that keys expire when they are met."""

    def compare(self, theirs: servers.Server, groups: list[list[str]]) -> None:
        """Random commands of the groups, on a server and on ours."""
        self.addCleanup(theirs.stop)
        ours = servers.redistill('[server]\nworkers = 2\n[security]\nenable_debug_command = "local"\n', tcp=True)
        self.addCleanup(ours.stop)
        client = Talk(theirs, 2)
        client.send(["SET", "a", "x"])
        client.send(["DUMP", "a"])
        client.value()
        self.payload = client.value().decode("latin-1")
        client.close()
        for run in range(RUNS):
            dice = random.Random(run)
            letters = "KEAnm" if run % 3 == 0 else "".join(dice.sample("KEg$lshzxeAmntd", dice.randrange(3, 14)))
            both = [self.begin(server, letters) for server in (theirs, ours)]
            self.assertEqual(both[0][2], both[1][2], letters)
            for number in range(STEPS):
                words, said = self.command(dice, groups), []
                for client, subscriber, _ in both:
                    client.send(words)
                    reply = client.value()
                    said.append((subscriber.until(f"mark {number}"), str(reply)[:5] if words == ["EXEC"] else ""))
                self.assertEqual(said[0], said[1], f"run {run}, step {number}, classes {letters}: {words}")
            for client, subscriber, _ in both:
                client.close()
                subscriber.close()

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

    def command(self, dice: random.Random, groups: list[list[str]]) -> list[str]:
        """A command with its keys."""
        words = []
        for word in dice.choice(dice.choice(groups)).split():
            word = dice.choice(NAMES[word[1:-1]]) if word.startswith("{") else word
            words.append({"''": "", "D": self.payload}.get(word, word))
        return words


class EventTests(Compared):
    """Both servers publish the same."""

    def test_every_type(self) -> None:
        """The same events on the same channels in the same order, whichever classes are on."""
        self.compare(servers.redis_server("--enable-debug-command", "yes"), GROUPS)

    def test_fields_that_expire_and_newer_commands(self) -> None:
        """Beside Valkey 9: HEXPIRE and its relatives, MSETEX, DELIFEQ, SET IFEQ, and streams."""
        self.compare(servers.valkey_server(), NEWER_GROUPS)
