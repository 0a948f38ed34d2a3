"""INFO's rdb_changes_since_last_save, which counts what each command changes."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .peers import Conversation, ask

COMMANDS = """
SET a 1
SET a 1
SET a 2 NX
SET a 2 XX GET
SET b x EX 100
SET c x PXAT 1
SETNX a 1
SETNX n 1
SETEX e 100 v
PSETEX e 1000000 v
GETSET a 5
GETDEL n
GETDEL n
GETEX a
GETEX a EX 100
GETEX a PERSIST
GETEX a PERSIST
GETEX e EXAT 1
MSET a 1 b 2 c 3
MSET a 1 a 2
MSETNX x 1 y 2
MSETNX x 1 z 2
APPEND a xyz
APPEND q ""
APPEND q ""
SETRANGE a 0 hello
SETRANGE a 0 ""
SETRANGE new 5 abc
SET num 5
INCR num
DECR num
INCRBY num 5
INCRBYFLOAT num 1.5
INCR a
SETBIT bit 7 1
SETBIT bit 7 1
SETBIT bit 7 0
SETBIT bit 100 0
SETBIT bit2 0 0
BITOP AND dest bit bit2
BITOP NOT dest none
BITOP NOT dest none
BITFIELD bf SET u8 0 1 INCRBY u8 8 1 GET u8 0
BITFIELD bf SET u8 0 1
BITFIELD bf GET u8 0
BITFIELD bf OVERFLOW FAIL INCRBY u2 0 100
BITFIELD bf2 SET u8 0 0
BITFIELD bf3 GET u8 0
PFADD h a b
PFADD h a b
PFADD h c
PFCOUNT h
PFCOUNT h
PFMERGE h2 h
PFMERGE h2 h
PFDEBUG TODENSE h
PFDEBUG GETREG h2
DEL a b c
DEL none
UNLINK x y none
SET a 1
EXPIRE a 100
EXPIRE a 100 NX
PEXPIRE a 100000
EXPIREAT a 33177117420
PERSIST a
PERSIST a
EXPIRE a -1
SET a 1
RENAME a b
RENAME b b
RENAMENX b c
SET d 1
RENAMENX c d
RENAME c d
COPY d e
COPY d e
COPY d e REPLACE
MOVE d 1
MOVE none 1
SET k 1
MOVE k 1
TOUCH k
SWAPDB 0 1
SWAPDB 0 0
SELECT 0
MULTI
SET t 1
INCR t
GET t
EXEC
FLUSHDB
SET a 1
SET b 1
FLUSHDB
FLUSHDB
SET a 1
SET b 1
FLUSHALL
FLUSHALL
SET a 1
DUMPRESTORE a r 0
DUMPRESTORE a r 0
DUMPRESTORE a r 0 REPLACE
DUMPRESTORE a r2 1 ABSTTL
DUMPRESTORE a r 1 REPLACE ABSTTL
HSET hash a 1
HSET hash a 1 b 2 a 3
HMSET hash a 1 c 2
HSETNX hash a 1
HSETNX hash d 1
HINCRBY hash n 1
HINCRBYFLOAT hash n 1.5
HINCRBY hash n x
HGETALL hash
HDEL hash a x b
HDEL hash x
COPY hash hash2
RENAME hash hash3
HDEL hash3 c d n
DEL hash2
ZADD z 1 a 2 b
ZADD z 1 a 3 b 4 c
ZADD z NX 5 a
ZADD z XX CH 6 a
ZADD z INCR 0 a
ZADD z 1 x nan y
ZINCRBY z 5 b
ZINCRBY z 0 b
ZREM z a x
ZREM z x
ZADD z 1 d 2 e 3 f 4 g 5 h 6 i 7 j
ZPOPMIN z
ZPOPMAX z 2
ZPOPMIN none
ZMPOP 2 none z MIN COUNT 2
ZREMRANGEBYRANK z 0 1
ZREMRANGEBYSCORE z 5 8
ZREMRANGEBYSCORE z 500 800
ZRANGE z 0 -1
DEL z
ZADD z 0 a 0 b 0 c
ZREMRANGEBYLEX z [a [b
ZREM z c
OBJECT ENCODING a
SET a foo IFEQ 3
SADD s a b c a
SADD s a b
SADD s a d
SREM s a x
SREM s x
SPOP s 0
SPOP s
SPOP s 1
SPOP s 100
SPOP s 100
SADD s 1 2 3 4 5 6
SPOP s 3
SREM s 1 2 3 4 5 6
SADD s a b c
SADD t b
SMOVE s t a
SMOVE s t b
SMOVE s t none
SMOVE s s c
SMOVE s t c
SMOVE none t c
SADD s 1 2 3
SINTERSTORE d s t
SINTERSTORE d s
SINTERSTORE d s none
SUNIONSTORE d s t
SUNIONSTORE d s t
SUNIONSTORE d none
SUNIONSTORE d none
SDIFFSTORE d s t
SDIFFSTORE d s s
SDIFFSTORE s s s
RPUSH l a b c
LPUSH l x
LPUSHX l y z
RPUSHX none y
LPOP l
RPOP l 2
LPOP l 0
LPOP none
LINSERT l BEFORE x w
LINSERT l BEFORE none w
LSET l 0 s
LSET l 100 s
RPUSH l p q r s
LREM l 0 s
LREM l 1 s
LTRIM l 0 -1
LTRIM l 0 -2
LTRIM l 1 1
LTRIM l 5 1
RPUSH l 1 2 3 4 5
LMOVE l m LEFT LEFT
LMOVE l l LEFT RIGHT
RPOPLPUSH l m
RPOPLPUSH none m
LMPOP 2 none l LEFT COUNT 2
LMPOP 1 none LEFT
LRANGE l 0 -1
RPOP l 10
RPUSH l a b c
LTRIM l 5 1
RPUSH l 3 1 2
SORT l
SORT l STORE m
SORT l BY weight_* GET # GET weight_* STORE m
GET a
SORT l BY weight_*
SORT none BY weight_* STORE m
SORT none BY weight_* STORE m
"""
"""A line each; `DUMPRESTORE a b ...` is RESTORE of what DUMP says of a."""

NEWER = """
SET t 1
MSETEX 2 a 1 b 2
MSETEX 2 a 1 b 2 EX 100
MSETEX 2 a 1 b 2 NX
MSETEX 2 a 1 a 2 XX KEEPTTL
MSETEX 1 c 2 EXAT 1
MSETEX 1 c 2 EX 0
DELIFEQ a 1
DELIFEQ a 2
DELIFEQ a 2
SET b 3 IFEQ 2
SET b 3 IFEQ 2
HSETEX h PXAT 1 FIELDS 1 f v
HSETEX h FIELDS 2 a 1 b 2
HSETEX h PXAT 1 FIELDS 1 f v
HSETEX h PXAT 1 FIELDS 2 f v f w
HSETEX h PXAT 1 FIELDS 3 f v a 2 a 3
HSETEX h EX 100 FNX FIELDS 1 b 3
HPEXPIREAT h 1 FIELDS 3 a b c
"""
"""Commands that redis-server 7.0 does not have."""


def changes(client: Conversation) -> int:
    """The figure, as of now."""
    found = re.search(rb"rdb_changes_since_last_save:(\d+)", ask(client, "INFO", "persistence").value)
    assert found is not None
    return int(found[1])


def counted(client: Conversation, commands: str = COMMANDS) -> list[tuple[str, int]]:
    """How many changes each command made."""
    for database in ("1", "0"):
        ask(client, "SELECT", database)
        ask(client, "FLUSHDB")
    found, before, queued = [], 0, False
    for line in commands.strip().splitlines():
        words: list[str | bytes] = ["" if word == '""' else word for word in line.split()]
        if line.startswith("DUMPRESTORE"):
            words = ["RESTORE", words[2], words[3], ask(client, "DUMP", words[1]).value, *words[4:]]
        if not queued:
            before = changes(client)
        ask(client, *words)
        queued = line == "MULTI" or (queued and line != "EXEC")
        if not queued:
            found.append((line, changes(client) - before))
    return found


class ChangesTests(SynchronousTestCase):
    """Each command's part of it."""

    def test_changes(self) -> None:
        """It is redis-server's, command by command; CONFIG RESETSTAT leaves the sum as it is."""
        theirs, ours = sides.oracle().open(), sides.ours().open()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        newer = sides.newer_oracle().open()
        self.addCleanup(newer.close)
        self.assertEqual(counted(ours), counted(theirs))
        self.assertEqual(counted(ours, NEWER), counted(newer, NEWER))
        before = changes(ours)
        ask(ours, "CONFIG", "RESETSTAT")
        self.assertEqual(changes(ours), before)
