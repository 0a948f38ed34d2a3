"""Events of expired keys: each command meets one, and publishes what redis-server publishes, but for named differences."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers

from .test_pubsub import Talk

SAME = """XADD {} 5-1 f v|XADD {} NOMKSTREAM 5-1 f v|XDEL {} 1-1|XTRIM {} MAXLEN 0|XSETID {} 9-9|XLEN {}|XRANGE {} - +
XREADGROUP GROUP g c STREAMS {} >|XGROUP CREATE {} g 0|XGROUP CREATE {} g 0 MKSTREAM|XGROUP SETID {} g 0|XGROUP DESTROY {} g
XGROUP CREATECONSUMER {} g c|XACK {} g 1-1|XPENDING {} g|XCLAIM {} g c 0 1-1|XAUTOCLAIM {} g c 0 0|XINFO STREAM {}
GEOADD {} 13 38 a|GEOADD {} XX 13 38 a|GEOPOS {} a|GEODIST {} a b|GEOSEARCH {} FROMLONLAT 1 1 BYRADIUS 1 km
GEOSEARCHSTORE {} {} FROMLONLAT 1 1 BYRADIUS 1 km|GEOSEARCHSTORE d {} FROMLONLAT 1 1 BYRADIUS 1 km|GEORADIUS {} 1 1 1 km STORE d
GEOSEARCHSTORE {} none FROMLONLAT 1 1 BYRADIUS 1 km|SCAN 0|SCAN 0 COUNT 1000|SCAN 0 MATCH expired|KEYS *|OBJECT FREQ {}
OBJECT ENCODING {}|MSET {} 1 q 2|MSETNX q 1 {} 2|RESTORE {} 0 D|RESTORE {} 1 D REPLACE ABSTTL|COPY {} q|COPY string {}
COPY string {} REPLACE|RENAME string {}|RENAMENX string {}|RENAME {} q|RENAME {} {}|MOVE {} 1|SORT {} STORE q
SORT list STORE {}|SORT list BY {} STORE q|LMOVE list {} LEFT LEFT|RPOPLPUSH list {}|SMOVE set {} a|BLMOVE list {} LEFT LEFT 1
BLPOP {} list 1|BITOP AND {} string string|BITOP AND {} none none|BITOP AND q {} string|SUNIONSTORE {} set|SUNIONSTORE {} none
ZUNIONSTORE {} 1 sorted|ZUNIONSTORE {} 1 none|ZRANGESTORE {} sorted 0 -1|ZRANGESTORE {} none 0 -1|ZADD {} 1 a|LPUSH {} a
SADD {} a|HSET {} a b|LPUSHX {} a|PFMERGE {} none|PFMERGE q {}|PFCOUNT {}|PFCOUNT {} q|DEL {}|UNLINK {}|EXISTS {}|TOUCH {}
TYPE {}|DUMP {}|TTL {}|PERSIST {}|EXPIRE {} 10|GETEX {}|GETDEL {}|SUBSTR {} 0 1|BITFIELD_RO {} GET u8 0|BITPOS {} 1|LCS {} {}
HGETALL {}|HSCAN {} 0|SSCAN {} 0|ZSCAN {} 0|SET {} 5|SET {} 5 GET|SET {} 5 XX|SET {} 5 NX|SETNX {} 1|GETSET {} 1|APPEND {} 1
INCR {}|SETRANGE {} 0 x|SETRANGE {} 0 ''|SETBIT {} 1 1|SINTERCARD 1 {}|ZMPOP 1 {} MIN|LMPOP 2 {} list LEFT|ZRANDMEMBER {}
HRANDFIELD {}|SRANDMEMBER {}|SPOP {} 1|SPOP {}|LINSERT {} BEFORE a b""".replace("\n", "|").split("|")
EXPIRED, MISS = ("expired", "expired"), ("keymiss", "expired")
NEW, RESTORE = ("new", "expired"), ("restore", "expired")
OTHER_NEW, OTHER_SET, SET = ("new", "q"), ("set", "q"), ("set", "expired")
DIFFERENT: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "XREAD STREAMS {} 0": ([EXPIRED, MISS, MISS], [EXPIRED, MISS]),  # Redis looks twice for the key
    "WATCH {}": ([], [EXPIRED]),
    "MEMORY USAGE {}": ([], [EXPIRED]),  # Redis shows the size of the expired value
    "MSET q 1 {} 2": ([OTHER_NEW, OTHER_SET, EXPIRED, NEW, SET], [EXPIRED, OTHER_NEW, OTHER_SET, NEW, SET]),
    "RESTORE {} 0 D REPLACE": ([NEW, RESTORE], [EXPIRED, NEW, RESTORE]),
}
"""Commands with the events of Redis and of Redistill; docs/design/messages.md has the reasons."""
VALUES = ("SET string v", "RPUSH list 1 2", "SADD set a b", "ZADD sorted 1 a", "SET expired v PXAT 1")


class ExpiredKeyTests(SynchronousTestCase):
    """Both servers without their sweeps."""

    def setUp(self) -> None:
        self.both = []
        for server in (
            servers.redis_server("--enable-debug-command", "yes"),
            servers.redistill('[security]\nenable_debug_command = "local"\n'),
        ):
            self.addCleanup(server.stop)
            client, subscriber = Talk(server, 2), Talk(server, 3)
            self.addCleanup(client.close)
            self.addCleanup(subscriber.close)
            for text in ("DEBUG SET-ACTIVE-EXPIRE 0", "CONFIG SET notify-keyspace-events EAnm"):
                client.send(text.split())
                self.assertEqual(client.value(), b"+OK\r\n")
            subscriber.send(["PSUBSCRIBE", "__key*"])
            subscriber.value()
            self.both.append((client, subscriber))
        client = self.both[0][0]
        client.send(["SET", "a", "x"], ["DUMP", "a"])
        client.value()
        self.payload = client.value().decode("latin-1")

    def events(self, command: str) -> list[list[tuple[str, str]]]:
        """The events of both servers for a command that meets an expired key."""
        found = []
        for client, subscriber in self.both:
            for text in ("RESET", "FLUSHALL", *VALUES):
                client.send(text.split())
                client.value()
            subscriber.until("before")
            client.send([{"{}": "expired", "''": "", "D": self.payload}.get(w, w) for w in command.split()])
            client.value()
            messages = subscriber.until("after")
            found.append([(value[3].decode().partition("__:")[2], value[4].decode()) for value in messages])
        return found

    def test_most_commands(self) -> None:
        """Commands of every type publish the same, `expired` among it; SCAN removes expired keys, KEYS does not."""
        for command in SAME:
            theirs, ours = self.events(command)
            self.assertEqual(ours, theirs, command)

    def test_named_differences(self) -> None:
        """A key that has expired is removed here wherever it is met, and that is published."""
        for command, wanted in DIFFERENT.items():
            self.assertEqual(tuple(self.events(command)), wanted, command)

    def test_randomkey(self) -> None:
        """RANDOMKEY removes the expired keys that it picks."""
        for client, subscriber in self.both:
            client.send(["FLUSHALL"])
            client.value()
            for number in range(50):
                client.send(["SET", f"k{number}", "v", "PXAT", "1"])
                client.value()
            client.send(["SET", "stays", "v"])
            client.value()
            subscriber.until("before")
            picked = []
            for _ in range(20):
                client.send(["RANDOMKEY"])
                picked.append(client.value())
            self.assertEqual(set(picked), {b"stays"})
            expired = [value for value in subscriber.until("after") if value[3].endswith(b"expired")]
            self.assertTrue(expired)
            client.send(["DBSIZE"])
            self.assertEqual(client.value(), b":%d\r\n" % (51 - len(expired)))
