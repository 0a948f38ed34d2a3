"""The largest legal inputs of the control plane's commands, and some beyond what is legal, for bench/waits.

The bounds are those of redistill/core/base/base.h (RD_MAX_CONTROL_...): what is beyond them is refused, and that must
cost nothing either.
"""

from __future__ import annotations

from bench.wait_inputs import Input, Sizes, request

ARGS = 4096
"""The most arguments that most commands take."""
LIST = 131_072
"""The same for commands that take long lists."""
BYTES = 4 << 20
"""The most bytes that all arguments of a command may have."""
QUEUED = 128
"""In a transaction."""


def sent(name: str, *words: bytes, times: int = 1) -> Input:
    """A row with one command, as often as it says."""
    return Input(name, lambda sizes: [request(*words) * times], flush=False)


def filled(name: str, *words: bytes, most: int = ARGS, repeat: tuple[bytes, ...] = (b"%d",)) -> Input:
    """A row with one command that has as many arguments as it may; a %d in them is a number that differs."""
    count = (most - len(words)) // len(repeat)

    def made(sizes: Sizes) -> list[bytes]:
        numbers = range(1, count + 1)
        return [request(*words, *(word.replace(b"%d", b"%d" % number) for number in numbers for word in repeat))]

    return Input(name, made, flush=False)


def queued(name: str, *words: bytes) -> Input:
    """A row with a transaction that is full of one command."""
    count = QUEUED // len(words)
    return Input(name, lambda s: [request(b"MULTI") + request(*words) * count + request(b"EXEC")], flush=False)


def long(*words: bytes) -> bytes:
    """An argument that makes a command as long as it may be, `words` being its others."""
    return b"x" * (BYTES - sum(map(len, words)))


CONTROL = (
    # what grows with the number of arguments
    filled("COMMAND DOCS of 131,070 names", b"COMMAND", b"DOCS", most=LIST, repeat=(b"set",)),
    filled("COMMAND INFO of 131,070 names", b"COMMAND", b"INFO", most=LIST, repeat=(b"get",)),
    filled("COMMAND INFO of 131,070 unknown names", b"COMMAND", b"INFO", most=LIST),
    filled("COMMAND GETKEYS of 4,094 words", b"COMMAND", b"GETKEYS", b"MSET", most=ARGS - 1),
    filled("COMMAND GETKEYSANDFLAGS of 4,094 words", b"COMMAND", b"GETKEYSANDFLAGS", b"MSET", most=ARGS - 1),
    filled("CONFIG GET of 4,094 patterns", b"CONFIG", b"GET", repeat=(b"*?[%d]*" + b"a*b" * 100,)),
    filled("CONFIG GET of 4,094 stars", b"CONFIG", b"GET", repeat=(b"*",)),
    filled("CONFIG SET of 2,047 directives", b"CONFIG", b"SET", repeat=(b"d%d", b"1")),
    filled("CLIENT LIST of 4,093 ids", b"CLIENT", b"LIST", b"ID"),
    filled("CLIENT KILL with 2,047 filters", b"CLIENT", b"KILL", repeat=(b"ID", b"99999999%d")),
    filled("INFO of 4,095 sections", b"INFO", repeat=(b"section%d",)),
    filled("INFO of everything, 4,095 times", b"INFO", repeat=(b"everything",)),
    filled("LATENCY RESET of 4,094 events", b"LATENCY", b"RESET"),
    filled("LATENCY HISTOGRAM of 4,094 commands", b"LATENCY", b"HISTOGRAM"),
    filled("ACL SETUSER with 20,000 patterns", b"ACL", b"SETUSER", b"wide", most=20_003, repeat=(b"~key%d:*",)),
    sent("ACL SETUSER of the user with 20,000", b"ACL", b"SETUSER", b"wide", b"+get"),
    sent("ACL LIST with the user with 20,000", b"ACL", b"LIST"),
    filled("ACL DELUSER of 4,094 users", b"ACL", b"DELUSER", repeat=(b"user%d",)),
    filled("ACL DRYRUN of 4,092 words", b"ACL", b"DRYRUN", b"default", b"MSET"),
    filled("HELLO with 2,047 names", b"HELLO", b"3", repeat=(b"SETNAME", b"n%d")),
    filled("HELLO with 1,364 passwords", b"HELLO", b"3", repeat=(b"AUTH", b"default", b"wrong%d")),
    sent("ACL LOG", b"ACL", b"LOG", b"1000000"),
    sent("SLOWLOG GET", b"SLOWLOG", b"GET", b"-1"),
    # what grows with the bytes of one
    sent("CONFIG GET, 400,000 brackets", b"CONFIG", b"GET", b"[" * 400_000),
    sent("CONFIG GET, a star and 4 MB of brackets", b"CONFIG", b"GET", b"*" + b"[" * 4_000_000),
    sent("COMMAND LIST, pattern of 2.6 million stars", b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", b"*" * 2_600_000),
    sent("COMMAND LIST, 4 MB of brackets", b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", b"*" + b"[" * 4_000_000),
    sent("COMMAND GETKEYS of 4 MiB", b"COMMAND", b"GETKEYS", b"SET", b"k", long(b"COMMANDGETKEYSSETk")),
    sent("CONFIG SET of 4 MiB", b"CONFIG", b"SET", b"save", long(b"CONFIGSETsave")),
    sent("CLIENT SETNAME of 4 MiB", b"CLIENT", b"SETNAME", long(b"CLIENTSETNAME")),
    sent("CLIENT SETINFO of 4 MiB", b"CLIENT", b"SETINFO", b"LIB-NAME", long(b"CLIENTSETINFOLIB-NAME")),
    sent("CLIENT KILL ADDR of 4 MiB", b"CLIENT", b"KILL", b"ADDR", long(b"CLIENTKILLADDR")),
    sent("AUTH of 4 MiB", b"AUTH", b"default", long(b"AUTHdefault")),
    sent("ACL GETUSER of 4 MiB", b"ACL", b"GETUSER", long(b"ACLGETUSER")),
    sent("ACL SETUSER of 4 MiB", b"ACL", b"SETUSER", b"u", long(b"ACLSETUSERu")),
    # what is refused
    Input("CLIENT SETNAME of 512 MiB", lambda s: [request(b"CLIENT", b"SETNAME", b"x" * s.value)], flush=False),
    Input(
        "CLIENT KILL of a million words", lambda s: [request(b"CLIENT", b"KILL", *[b"1"] * (s.keys - 2))], flush=False
    ),
    Input(
        "COMMAND DOCS of a million names",
        lambda s: [request(b"COMMAND", b"DOCS", *[b"set"] * (s.keys - 2))],
        flush=False,
    ),
    Input("an unknown command of 512 MiB", lambda s: [request(b"NOSUCH", b"x" * s.value)], flush=False),
    Input("an unknown command of a million words", lambda s: [request(b"NOSUCH", *[b""] * (s.keys - 1))], flush=False),
    # what one client asks for over and over
    sent("INFO, 5,000 times in a pipeline", b"INFO", times=5000),
    sent("CONFIG GET *, 2,000 times in a pipeline", b"CONFIG", b"GET", b"*", times=2000),
    sent("COMMAND DOCS, 500 times in a pipeline", b"COMMAND", b"DOCS", times=500),
    sent("CLIENT LIST, 2,000 times in a pipeline", b"CLIENT", b"LIST", times=2000),
    queued("MULTI, 128 INFO, EXEC", b"INFO"),
    queued("MULTI, 42 CONFIG GET *, EXEC", b"CONFIG", b"GET", b"*"),
    queued("MULTI, 64 COMMAND DOCS, EXEC", b"COMMAND", b"DOCS"),
)
"""Rows are added here; `Input` says what belongs into one."""
