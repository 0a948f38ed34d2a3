"""Write docs/compatibility.md: the words below, and the core's table of commands.

`make gen` runs it; `make lint` and the tests check that the file is what it would write.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterable, Iterator

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from redistill.engine.command_table import Argument, CommandEntry, CommandTable  # noqa: E402

HEAD = """\
# Compatibility with Redis

Redistill speaks RESP2 and RESP3 (`HELLO 2`, `HELLO 3`) and serves the commands of the table below with the options, the
replies and the error texts of Redis 7. Its `INFO` reports `redis_version:7.4.0`, which client libraries read, and
`redistill_version` beside it.

`redis-server` 7.0 and, for newer commands and options, Valkey 9 are the references: the tests send generated scripts of
all these commands to them and to Redistill, in both protocols, in pipelines that are cut at random places, and compare
the replies byte by byte. tests/differential/differences.py lists the permitted differences and their reasons.

## Drop-in

- Strings, bitmaps, bit fields and HyperLogLogs with every option of Redis 7. Of Valkey 9 and Redis 8.4 also `MSETEX`,
  `DELIFEQ`, `DELEX`, `DIGEST`, and the conditions `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE` of `SET`.
- Hashes, lists, sets and sorted sets with every option of Redis 7.2, and `SORT`; fields of hashes expire as in Valkey 9
  (`HEXPIRE`, `HGETEX`, `HSETEX` and their kin). `TYPE`, `SCAN ... TYPE`, `COPY`, `DUMP`, `MEMORY USAGE` and all other
  commands on keys know them.
- Streams: entries, ranges, trimming, `XREAD`, groups of consumers, `XINFO`; `DUMP` and `RESTORE` of streams with their
  groups. Of Redis 8.2 also `XDELEX`, `XACKDEL`, and `KEEPREF`, `DELREF` and `ACKED` of `XADD` and `XTRIM`, written from
  its documentation. An entry that a group was not given yet counts as not acknowledged. With `ACKED`, `XTRIM ~` looks
  at the nodes that may go as a whole, and removes those of their entries to which no group refers.
- `OBJECT ENCODING` shows Redis's names by Redis's thresholds (`hash-max-listpack-entries` and its kin, with their
  `ziplist` names), which `CONFIG SET` changes. How values are stored does not depend on them.
- Expiry in milliseconds, with the conditions of `EXPIRE key s NX|XX|GT|LT`; an expired key is never seen.
- `SCAN` returns every key that exists during the whole scan; `HSCAN`, `SSCAN` and `ZSCAN` every element.
- `MULTI`, `EXEC` and `WATCH`, atomic over all their keys.
- `DUMP` and `RESTORE` in Redis's own format, so that values can be moved from and to Redis.
- Scripts: `EVAL`, `EVALSHA`, `SCRIPT`, `FUNCTION` and `FCALL` with the libraries, the conversions and the error texts
  of Redis 7, atomic over all workers whatever keys they touch. Differences: [design/scripts.md](design/scripts.md).
- `maxmemory` and the eviction policies, by Redis's names in `CONFIG GET` and `CONFIG SET`.

## Differences

- The server answers a command that is not in the table with Redis's `ERR unknown command`, and `INFO` counts it by name
  and client library.
- `XREAD` and `XREADGROUP` that waited for several streams reply with one of them; Redis 7.2 replies with all that one
  transaction filled. `XGROUP SETID` wakes nobody in either. `DUMP` has no time of a consumer's last success (type 19).
- `XTRIM ~` may remove some entries more or fewer than Redis does from a stream whose nodes are limited by their bytes,
  or of which entries were deleted. `XINFO` counts nodes as Redis does, but a stream has no radix tree.
- A hash or set of up to about 1 KB is returned in the order of insertion, a set of integers in their order, as from
  Redis's listpacks and intsets. The order of a larger one is that of a hash, also where Redis keeps it in a listpack.
- `HLEN` does not count expired fields, which Valkey counts until it removes them. The expiry of a field may be up
  to the year 10889. `EXISTS`, `TYPE` and `SCAN` show a key whose fields have all expired until it is removed, as in
  Valkey.
- A list of elements of very different length may become a `listpack` again a little sooner than in Redis when it
  shrinks.
- `SORT` with `BY` or `GET` over more than 2,048 elements reads the other keys one after another, while other
  clients may change them, unless it is in a transaction. Elements of equal weight stay in their order. With `BY
  nosort` the members of a large set come in the order of `SMEMBERS`. A number to sort by has at most 64 KiB of
  text.
- A union or difference of many sets or sorted sets looks each member up in the others, so with hundreds of large
  ones it takes longer than in Redis.
- There is no persistence and no replication. `INFO` says so in Redis's fields, `CONFIG GET save` is empty and
  `appendonly` is `no`. `ROLE` answers master without replicas, `LASTSAVE` the start of the server, and `WAIT` for a
  replica ends with its timeout. `SAVE`, `BGSAVE`, `BGREWRITEAOF`, `SYNC`, `PSYNC`, `REPLCONF`, `MODULE LOAD` and
  `REPLICAOF` of a host are refused with the reason, `CLUSTER` with the error of a Redis without cluster support.
- `maxmemory` bounds all memory that holds data: keys, values, index, expiry and allocator. `used_memory` is exact, and
  the process cannot outgrow it. With `noeviction` the server answers a write that finds no memory with `-OOM`, and the
  key is unchanged.
- Besides the eviction policies of Redis there is `allkeys-s3fifo`.
- A key may have 1 MiB, a command 1,048,576 arguments, a string or an element of a collection 512 MiB. Before `AUTH` a
  client may send 10 arguments of 16 KiB.
- A command about the server or the connection (`ACL`, `CLIENT`, `CONFIG`, `COMMAND` ...) may have 4,096 arguments of
  4 MiB together; `COMMAND INFO`, `COMMAND DOCS` and `ACL SETUSER` may have 131,072. In a transaction all of them
  together may have 128 arguments of 64 KiB. A client's name, and its library's, may have 1 KiB.
- In a transaction, a command that reports on the server or the connection (`CLIENT LIST`, `CONFIG GET`, `SLOWLOG GET`
  ...) shows the state after the transaction's data commands, unless it stands before a command that changes such state.
  `EXEC` is answered when all workers have applied the changes. In a server of several workers `CONFIG SET` takes effect
  after the transaction's data commands, `ACL` and `AUTH` at their place.
- An inline command has at most 64 KiB, however its bytes arrive. In an error text, control bytes that a client sent
  become spaces.
- `OBJECT REFCOUNT` is always 1. `DEBUG OBJECT` shows no fields of a quicklist (`ql_nodes` ...), which no list is here;
  its `serializedlength` is not compressed, and that of a collection of more than 256 KiB is the memory that it takes.
- `CONFIG` knows every parameter of Redis 7.2 and every setting of Redistill, the latter by section and key as well
  (`server.max_connections` is `maxclients`). A parameter of a feature that a cache does not have (persistence,
  replication, cluster) has a fixed value: `CONFIG SET` accepts that value and refuses any other with the reason.
- The hard limit of class `normal` in `client-output-buffer-limit` is `server.output_limit`. There is no soft limit:
  while 256 KiB of replies wait for a client, the server executes none of its commands, so its waiting replies hardly
  exceed one reply. The limits of class `pubsub` are `server.pubsub_output_limit` and its kin. There are no replicas;
  their limits are Redis's defaults, and `CONFIG SET` accepts only these.
- A client that publishes to itself gets the reply to its command or transaction before its own messages, as since
  Redis 7.2. All subscribers get the messages of one publisher in their order, and those of all in one order, unless a
  worker does not read for so long that messages to it have to wait. A client may have 65,536 subscriptions, and the
  clients of one worker 262,144 names and 1 MiB of patterns together; beyond that `SUBSCRIBE` answers `-OOM`. To
  match a channel, all patterns together take at most 32 million steps, each the same part; a pattern that needs more
  does not match. A reload keeps subscribers, except over TLS, and loses no message. Users have no channels until a rule
  gives them some (`acl-pubsub-default resetchannels`).
- Client-side caching: `SWAPDB` invalidates everything, too. A client that tracks and does not read its messages is
  closed at the limit of class `pubsub`. After a reload, or when a worker has died, clients are told that everything is
  invalid. `tracking_total_keys` and `tracking_total_prefixes` count a name once for each worker. A client of another
  worker than the writer's may get a message shortly after the writer got its reply. `CLIENT TRACKING ON REDIRECT` in a
  transaction takes effect with the end of the transaction if the client is in another worker.
- When a process dies in the middle of a change, one shard of the keyspace is emptied; no value is ever wrong or torn. A
  command on several keys, or a transaction, that was running then may be executed in part.
- `KEYS` holds no lock while it compares: it returns every key that exists during the whole command, once, and may
  return a key that is created or deleted meanwhile. A pattern matches no key whose comparison takes more than 4.2
  million steps (2,000 letters behind a star against a key of 4 KB take as many), and, as in Redis, a pattern with more
  than 1,000 stars matches nothing.
- `UNLINK` and `DEL` are the same, and so are `FLUSHALL ASYNC` and `SYNC`: freeing memory never blocks other clients.
- `MONITOR`: a client that monitors gets the lines of its own pipeline or transaction after all replies to it; Redis
  writes them in between, in `EXEC` even into the array.
- `ACL` accepts only commands that Redistill has; `+select|0`, a first argument of a command without subcommands, is
  refused.
- The C core records `LATENCY` and `SLOWLOG`; `DEBUG` is off unless `security.enable_debug_command` turns it on.

## Clients and frameworks

The tests run these clients, or send the commands that they send:

| client | checked |
|---|---|
| redis-cli, redis-benchmark | interactive use, `--bigkeys`, `--memkeys`, all tests without streams |
| redis-py 8 | HELLO 3, CLIENT SETINFO, pipelines, transactions, all types, iterators, fields that expire, asyncio |
| ioredis 6, node-redis 6 | RESP2 and RESP3: ready check, pipelines, MULTI, all types, errors, AUTH, reconnecting |
| Django 5 `RedisCache` | get, set, add, get_many, set_many, incr, touch, delete_many, clear, versions, timeouts |
| django-redis 7 | all methods of its cache; `incr`, locks |
| python-redis-lock, limits, dogpile, walrus, RQ, dramatiq, Celery; redis-py `Lock` | their scripts, with two workers |
| BullMQ, rate-limiter-flexible, redlock, connect-redis | the same |
| Laravel's tagged cache | the commands of its tag sets: `ZADD`, `ZADD NX`, `ZSCAN`, `ZREMRANGEBYSCORE` |

## Commands

The version is the first version of Redis (or Valkey, from 8 on) with the command.
"""

GROUPS = {
    "string": "Strings",
    "hash": "Hashes",
    "list": "Lists",
    "set": "Sets",
    "sorted-set": "Sorted sets",
    "stream": "Streams",
    "bitmap": "Bitmaps",
    "hyperloglog": "HyperLogLog",
    "geo": "Geospatial",
    "generic": "Keys",
    "transactions": "Transactions",
    "pubsub": "Publish/subscribe",
    "scripting": "Scripts",
    "connection": "Connection",
    "server": "Server",
    "cluster": "Cluster",
}


def usage(arguments: Iterable[Argument]) -> str:
    """Arguments as one would type them: ``key [NX | XX] [EX seconds]``."""
    return " ".join(one_usage(argument) for argument in arguments)


def one_usage(argument: Argument) -> str:
    """One argument as one would type it."""
    if argument.type == "oneof":
        value = " | ".join(bare(nested) for nested in argument.arguments)
        if "optional" not in argument.flags or "multiple" in argument.flags or argument.token:
            value = f"<{value}>"
    elif argument.type == "block":
        value = usage(argument.arguments)
    elif argument.type == "pure-token":
        value = ""
    else:
        value = argument.name
    text = " ".join(part for part in (argument.token, value) if part)
    if "multiple" in argument.flags and argument.type == "oneof":
        text += " ..."
    elif "multiple" in argument.flags:
        repeated = text if "multiple_token" in argument.flags or not argument.token else value
        text += f" [{repeated} ...]"
    return f"[{text}]" if "optional" in argument.flags else text


def bare(argument: Argument) -> str:
    """An alternative; that it is optional was said by the group."""
    text = one_usage(argument)
    return text[1:-1] if "optional" in argument.flags else text


def row(entry: CommandEntry) -> str:
    """A line of the table."""
    words = entry.name.upper().replace("|", " ")
    syntax = f"{words} {usage(entry.arguments)}".strip().replace("|", "\\|")
    summary = entry.summary
    if entry.deprecated_since:
        summary += f" (deprecated since {entry.deprecated_since})"
    return f"| `{syntax}` | {entry.since} | {summary} |"


def tables(table: CommandTable) -> Iterator[str]:
    """A table for each group, its commands in alphabetical order. Containers are shown by their subcommands."""
    for group, title in GROUPS.items():
        entries = sorted((entry for entry in table.flattened() if entry.group == group), key=lambda entry: entry.name)
        if not entries:
            continue
        yield f"\n### {title}\n\n| command | since | |\n|---|---|---|\n"
        yield from (row(entry) + "\n" for entry in entries if not entry.subcommands or entry.name == "command")
    left = {entry.group for entry in table.flattened()} - set(GROUPS)
    assert not left, f"groups without a title: {left}"


def text() -> str:
    """The whole file."""
    return HEAD + "".join(tables(CommandTable()))


if __name__ == "__main__":
    (ROOT / "docs" / "compatibility.md").write_text(text())
