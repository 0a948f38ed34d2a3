"""Commands on keys, databases and transactions."""

from __future__ import annotations

from hypothesis import strategies as st

from . import dumps, payloads
from . import words as w
from .words import Args, command, key, option, options, pick

conditions = options("NX", "XX", "GT", "LT", "gt", "lt", "JUNK", most=2)
scan_options = options(
    option("MATCH", w.pattern),
    option("COUNT", pick("1000", "100000", "0", "-1", "abc", "")),
    option("TYPE", pick("string", "STRING", "list", "hash", "none", "junk")),
)
restore_options = options(
    "REPLACE",
    "REPLACE",
    "ABSTTL",
    option("IDLETIME", pick("0", "100", "-1", "abc")),
    option("FREQ", pick("0", "255", "256", "-1", "x")),
)
payload = st.one_of(dumps.payload, st.sampled_from(payloads.GOOD))
flush_mode = w.optional("ASYNC", "SYNC", "async", "JUNK", "SYNC ASYNC")

KEYSPACE: tuple[Args, ...] = (
    command("DEL", w.keys),
    command("UNLINK", w.keys),
    command("EXISTS", w.keys),
    command("TOUCH", w.keys),
    command("TYPE", key),
    command("KEYS", w.pattern),
    command("SCAN", pick("0", "0", "0", "abc", "-1", "", "0 ", "18446744073709551616"), scan_options),
    command("RANDOMKEY"),
    command("RENAME", key, key),
    command("RENAMENX", key, key),
    command("COPY", key, key, options("REPLACE", "REPLACE", option("DB", w.database))),
    command("MOVE", key, w.database),
    command("EXPIRE", key, w.seconds, conditions),
    command("PEXPIRE", key, w.milliseconds, conditions),
    command("EXPIREAT", key, w.at_seconds, conditions),
    command("PEXPIREAT", key, w.at_milliseconds, conditions),
    command("EXPIRE", key, w.seconds, conditions),
    command("TTL", key),
    command("PTTL", key),
    command("EXPIRETIME", key),
    command("PEXPIRETIME", key),
    command("PERSIST", key),
    command("OBJECT", pick("ENCODING", "encoding", "FREQ", "IDLETIME", "REFCOUNT"), key),
    command("OBJECT", pick("HELP", "ENCODING", "JUNK", "FREQ"), st.lists(key, max_size=3)),
    command("MEMORY", pick("USAGE", "usage"), key, options(option("SAMPLES", w.small), "JUNK", most=2)),
    command("MEMORY", pick("HELP", "JUNK", "USAGE")),
    command("DUMP", key),
    command("RESTORE", key, pick("0", "0", "100000000", "33177117420123", "-1", "abc"), payload, restore_options),
    command("DBSIZE"),
    command("SELECT", w.database),
    command("SWAPDB", w.database, w.database),
)
FLUSHES: tuple[Args, ...] = (command("FLUSHDB", flush_mode), command("FLUSHALL", flush_mode))

TRANSACTIONS: tuple[Args, ...] = (
    command("MULTI"),
    command("EXEC"),
    command("DISCARD"),
    command("WATCH", w.keys),
    command("UNWATCH"),
)
