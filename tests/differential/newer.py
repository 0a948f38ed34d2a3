"""Commands and options that Valkey 9 has and redis-server 7.0 does not."""

from __future__ import annotations

from . import words as w
from .strings import expiries
from .words import Args, command, option, options, pick

set_of_several = options("NX", "XX", "KEEPTTL", *expiries)

NEWER: tuple[Args, ...] = (
    command(
        "SET",
        w.few_keys,
        pick("1", "2", "v"),
        options(option("IFEQ", pick("1", "2", "v", "")), "GET", "KEEPTTL", "NX", "XX", *expiries),
    ),
    command("SET", w.few_keys, pick("1", "2", "v"), option("IFEQ", pick("1", "2", "v", ""))),
    command("SET", w.few_keys, pick("", "value", "\x00\xff", "10", "-1", "1e3")),
    command("GET", w.few_keys),
    command("DEL", w.few_keys),
    command("TTL", w.few_keys),
    command("LPUSH", w.few_keys, pick("1")),
    command("DELIFEQ", w.few_keys, pick("1", "2", "v", "")),
    command("MSETEX", pick("1"), w.few_keys, pick("1", "2", "v"), set_of_several),
    command("MSETEX", pick("2"), w.few_keys, pick("1", "2", "v"), w.few_keys, pick("1", "v"), set_of_several),
    command("MSETEX", pick("0", "1", "2", "3", "-1", "x", "2147483648"), w.few_keys, pick("1"), set_of_several),
    command(
        "CLIENT",
        w.word("SETINFO"),
        pick("lib-name", "LIB-NAME", "lib-ver", "junk"),
        pick("redis-py", "1.2.3", "a b", "", "x\n"),
    ),
    command("CLIENT", w.word("SETINFO"), pick("lib-name")),
    command("CLIENT", w.word("NO-TOUCH"), pick("on", "off", "junk")),
    command("CLIENT", w.word("NO-TOUCH")),
    command("WAITAOF", pick("0", "1", "2", "-1", "x"), pick("0", "1", "-1", "x"), pick("1", "2", "-1", "x")),
    command("WAIT", pick("0", "1", "x"), pick("1", "9223372036854775807", "x")),
)
