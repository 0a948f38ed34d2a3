"""Commands on the connection and on the server."""

from __future__ import annotations

from hypothesis import strategies as st

from . import words as w
from .words import Args, command, key, option, optional, options, pick, value

name = pick("worker-1", "x", "", "a b", "a\nb", "\xe9", "~" * 30)

HELLO_OPTIONS = (option("SETNAME", name), option("AUTH", pick("default", "nobody"), pick("x", "")), "JUNK")
"""The options of HELLO. A script for redis-server 7.0 has one at most: 7.2 obeys all of them or none."""

CONNECTION: tuple[Args, ...] = (
    command("PING"),
    command("PING", value),
    command("ECHO", value),
    command("SELECT", w.database),
    command("AUTH", st.lists(pick("default", "nobody", "secret", ""), min_size=1, max_size=3)),
    command("HELLO", optional(pick("2", "3", "3", "4", "1", "abc", "").map(lambda x: [x])),
            optional(*HELLO_OPTIONS)),
    command("RESET"),
    command("CLIENT", pick("ID", "GETNAME", "INFO", "LIST", "HELP", "JUNK", "GETREDIR", "TRACKINGINFO", "UNPAUSE")),
    command("CLIENT", w.word("SETNAME"), name),
    command("CLIENT", w.word("LIST"), options(option("TYPE", pick("normal", "master", "replica", "pubsub", "junk")), "ID", "ID 0 abc", "JUNK")),
    command("CLIENT", w.word("NO-EVICT"), pick("on", "off", "OFF", "junk")),
    command("CLIENT", w.word("REPLY"), pick("ON", "on", "JUNK")),
    command("CLIENT", w.word("PAUSE"), pick("abc", "-1", "0"), optional("WRITE", "ALL", "JUNK")),
    command("CLIENT", w.word("KILL"), st.lists(pick("ID", "9999999", "ADDR", "1.2.3.4:5", "TYPE", "junk", "SKIPME", "yes", "abc", "LADDR", "USER", "nobody"),
                                           min_size=1, max_size=4)),
)  # fmt: skip

SERVER: tuple[Args, ...] = (
    command("TIME"),
    command("INFO", optional("server", "clients", "memory", "stats", "keyspace", "replication", "cpu", "persistence", "nosuch", "all", "server cpu")),
    command("LOLWUT", optional("VERSION 5", "VERSION abc", "JUNK")),
    command("CONFIG", w.word("GET"), st.lists(pick("maxmemory", "maxmemory-policy", "databases", "timeout", "save", "appendonly", "nosuch", "maxmem*", "MAXMEMORY"), max_size=3)),
    command("CONFIG", w.word("SET"), st.lists(pick("maxmemory-policy", "junk", "timeout", "abc", "nosuch", "-1", "slowlog-max-len"), max_size=4)),
    command("CONFIG", pick("HELP", "JUNK", "RESETSTAT", "GET", "SET")),
    command("COMMAND", pick("COUNT", "HELP", "JUNK", "GETKEYS", "GETKEYSANDFLAGS")),
    command("COMMAND", pick("INFO", "DOCS"), st.lists(pick("get", "SET", "nosuch", "config|get", "client", ""), min_size=1, max_size=3)),
    command("COMMAND", pick("LIST"), options(option("FILTERBY", pick("ACLCAT", "PATTERN", "JUNK"), pick("hyperloglog", "xyz*", "bitmap", "getra*")), most=1)),
    command("SLOWLOG", pick("LEN", "GET", "RESET", "HELP", "JUNK"), optional("0", "-1", "-2", "abc", "1 2")),
    command("LATENCY", pick("LATEST", "RESET", "HISTORY", "DOCTOR", "GRAPH", "HISTOGRAM", "HELP", "JUNK"), optional("command", "nosuch", "get set")),
    command("DEBUG", pick("SLEEP", "JUNK", "SET-ACTIVE-EXPIRE", "SLEEP", "CHANGE-REPL-ID"), optional("0", "abc")),
    command("MEMORY", pick("DOCTOR", "STATS", "PURGE", "STATS")),
    command("SHUTDOWN", pick("JUNK", "ABORT", "NOSAVE SAVE").map(bytes.split)),
    command(pick("ROLE", "LASTSAVE", "ASKING", "READONLY", "READWRITE", "ROLE", "PFSELFTEST"), optional("JUNK")),
    command("WAIT", pick("0", "-1", "1", "abc", "9223372036854775808"), pick("1", "2", "-1", "abc", "9223372036854775808")),
    command("MODULE", pick("LIST", "HELP", "JUNK", "LOAD")),
    command(pick("REPLICAOF", "SLAVEOF"), pick("NO ONE", "no one", "NO TWO", "h x", "h -1", "h 65536", "h").map(bytes.split)),
    command("FAILOVER", options("ABORT", "FORCE", "TO h 1", "TO h x", "TO h", "TIMEOUT 5", "TIMEOUT 0", "TIMEOUT x", "JUNK")),
    command("CLUSTER", pick("INFO", "NODES", "SLOTS", "SHARDS", "MYID", "KEYSLOT", "COUNTKEYSINSLOT", "HELP", "JUNK", "RESET", "MEET", "LINKS"), st.lists(pick("1", "k0"), max_size=2)),
    command(pick("BGSAVE"), pick("JUNK", "SCHEDULE JUNK").map(bytes.split)),
    command(pick("SAVE", "BGREWRITEAOF"), pick("JUNK")),
    command("NOSUCHCOMMAND", st.lists(st.one_of(key, value), max_size=4)),
    command("get\r\nx", st.lists(value, max_size=2)),
    command("", st.lists(value, max_size=2)),
    command("LPOPX", st.lists(pick("a" * 130, "b" * 60, "it's", "c"), max_size=30)),
)  # fmt: skip

GETKEYS: tuple[Args, ...] = (
    command("COMMAND", pick("GETKEYS", "GETKEYSANDFLAGS"), st.one_of(
        command("SET", key, value, options("NX", "GET", "EX 100")), command("GET", key), command("MSET", w.many(key, value)),
        command("MGET", w.keys), command("BITOP", pick("AND"), key, w.keys), command("PFMERGE", key, st.lists(key, max_size=3)),
        command("PFCOUNT", w.keys), command("COPY", key, key), command("RENAME", key, key), command("DEL", w.keys), command("LCS", key, key),
        command("BITFIELD", key, options("GET u8 0", "SET u8 0 1", most=2)), command("OBJECT", pick("ENCODING", "HELP"), key), command("SWAPDB", pick("0"), pick("1")),
        command("MEMORY", pick("USAGE"), key), command("DUMP", key), command("RESTORE", key, pick("0"), value), command("PING"), command("NOSUCH", key),
        command("GET"), command("GETEX", key, options("PERSIST")), command("WATCH", w.keys), command("SCAN", pick("0")), command("EXPIRE", key, w.seconds),
        command("MSETNX", w.many(key, value)), command("SETBIT", key, w.bit_offset, w.bit), command("GETDEL", key), command("INCR", key), command("MOVE", key, pick("1")))),
)  # fmt: skip
