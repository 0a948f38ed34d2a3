"""TIME, LOLWUT, SHUTDOWN, and the parts of MEMORY that are about the whole server."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.logger import Logger

from redistill import __version__
from redistill.base import resp
from redistill.control.arguments import integer
from redistill.control.info import snapshot
from redistill.control.sections.fields import human
from redistill.control.state import REDIS_VERSION, ServerState
from redistill.net.interfaces import Client, Command

log = Logger()

MEMORY_HELP = """\
MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
DOCTOR
    Return memory problems reports.
PURGE
    Attempt to purge dirty pages for reclamation by the allocator.
STATS
    Return information about the memory usage of the server.
USAGE <key> [SAMPLES <count>]
    Return memory in bytes used by <key> and its value. Nested values are
    sampled up to <count> times (default: 5, 0 means sample all).
HELP
    Prints this help.""".splitlines()

SYNTAX = resp.error("ERR syntax error")

MUCH = 64 * 1024 * 1024

STILL = r"""
            _______
           (_______)
            |     |___________
            |     |________   \
           /       \       \   |
          /  o   o  \       |  |
         (     o     )      |  |
          \_________/     __|  |__
           ) ) ( ( (     |  o o   |
          ( ( ) ) ) )    |________|
"""
"""LOLWUT's picture: a still."""


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "time": lambda client, argv: time(server),
        "lolwut": lolwut,
        "shutdown": lambda client, argv: shutdown(server, client, argv),
        "memory|stats": lambda client, argv: memory_stats(server, client),
        "memory|doctor": lambda client, argv: resp.verbatim(memory_doctor(server), client.session.state.resp),
        "memory|purge": lambda client, argv: resp.OK,  # empty regions go back to the system by themselves
        "memory|help": lambda client, argv: resp.lines(MEMORY_HELP),
    }


def time(server: ServerState) -> bytes:
    """TIME: seconds since the epoch, and the microseconds beyond them"""
    seconds, microseconds = divmod(int(server.wall() * 1_000_000), 1_000_000)
    return resp.array([resp.bulk(str(seconds)), resp.bulk(str(microseconds))])


def lolwut(client: Client, argv: list[bytes]) -> bytes:
    """LOLWUT [VERSION version] [...]: a picture, and the version in the last line"""
    if len(argv) > 2 and argv[1].lower() == b"version" and integer(argv[2]) is None:
        return resp.error("ERR value is not an integer or out of range")
    text = f"{STILL}\nRedis ver. {REDIS_VERSION}\nRedistill ver. {__version__}\n"
    return resp.verbatim(text, client.session.state.resp)


def shutdown(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]

    A shutdown that begins is not answered; the connection closes. SAVE is refused unless it is FORCEd, since there is
    nothing that could save. A shutdown cannot be aborted: it is past all waiting when it could be.
    """
    options = {word.lower() for word in argv[1:]}
    if options - {b"nosave", b"save", b"now", b"force", b"abort"} or options >= {b"nosave", b"save"}:
        return SYNTAX
    if b"abort" in options:
        return resp.error("ERR No shutdown in progress.") if options == {b"abort"} else SYNTAX
    if b"save" in options and b"force" not in options:
        log.error("SHUTDOWN SAVE is refused: this cache does not write to disk. Use SHUTDOWN NOSAVE.")
        return resp.error("ERR Errors trying to SHUTDOWN. Check logs.")
    log.info("SHUTDOWN by {peer}", peer=client.peer)
    client.session.state.close_after_reply = True
    server.shutdown(b"now" in options)
    return b""


def memory_stats(server: ServerState, client: Client) -> bytes:
    """MEMORY STATS: Redis's fields, of the arena"""
    now, version = snapshot(server), client.session.state.resp
    used, committed = now.used_memory, now.committed_memory
    fixed = now.fixed_memory
    dataset = max(0, used - fixed)

    def ratio(number: float) -> bytes:
        return resp.double(number, version)

    fields: list[tuple[str, bytes]] = [
        ("peak.allocated", resp.integer(now.peak_memory)),
        ("total.allocated", resp.integer(used)),
        ("startup.allocated", resp.integer(fixed)),
        ("replication.backlog", resp.integer(0)),
        ("clients.slaves", resp.integer(0)),
        ("clients.normal", resp.integer(now.clients.memory)),
        ("cluster.links", resp.integer(0)),
        ("aof.buffer", resp.integer(0)),
        ("lua.caches", resp.integer(0)),
        ("functions.caches", resp.integer(0)),
        *((f"db.{database.number}", _database(version)) for database in now.databases),
        ("overhead.total", resp.integer(fixed + now.clients.memory)),
        ("keys.count", resp.integer(now.keys)),
        ("keys.bytes-per-key", resp.integer(dataset // now.keys if now.keys else 0)),
        ("dataset.bytes", resp.integer(dataset)),
        ("dataset.percentage", ratio(100 * dataset / max(used, 1))),
        ("peak.percentage", ratio(100 * used / max(now.peak_memory, 1))),
        ("allocator.allocated", resp.integer(used)),
        ("allocator.active", resp.integer(committed)),
        ("allocator.resident", resp.integer(committed)),
        ("allocator-fragmentation.ratio", ratio(committed / max(used, 1))),
        ("allocator-fragmentation.bytes", resp.integer(committed - used)),
        ("allocator-rss.ratio", ratio(1.0)),
        ("allocator-rss.bytes", resp.integer(0)),
        ("rss-overhead.ratio", ratio(now.resident_memory / max(committed, 1))),
        ("rss-overhead.bytes", resp.integer(now.resident_memory - committed)),
        ("fragmentation", ratio(committed / max(used, 1))),
        ("fragmentation.bytes", resp.integer(committed - used)),
    ]
    return resp.mapping([(resp.bulk(name), value) for name, value in fields], version)


def _database(version: int) -> bytes:
    """A database's tables. They lie in the arena, whose memory is counted elsewhere, so they count as 0."""
    return resp.mapping(
        [
            (resp.bulk("overhead.hashtable.main"), resp.integer(0)),
            (resp.bulk("overhead.hashtable.expires"), resp.integer(0)),
            (resp.bulk("overhead.hashtable.slot-to-keys"), resp.integer(0)),
        ],
        version,
    )


def memory_doctor(server: ServerState) -> str:
    """The report of MEMORY DOCTOR about the figures."""
    now = snapshot(server)
    free = now.committed_memory - now.used_memory
    full = 0 < 0.9 * now.max_memory < now.used_memory
    found = []
    if now.counters.get("oom_errors", 0):
        found.append(
            f"{now.counters['oom_errors']} commands were refused for want of memory: raise maxmemory, or choose an"
            " allkeys policy."
        )
    if full and now.hit_ratio < 0.8 and now.hits + now.misses > 1000:
        found.append(
            f"Memory is full ({human(now.used_memory)} of {human(now.max_memory)}) and only"
            f" {100 * now.hit_ratio:.1f} % of the reads find their key: a larger maxmemory, or another"
            " maxmemory-policy, may help."
        )
    if free > max(now.used_memory, MUCH):
        found.append(f"{human(free)} of the regions in use are free, and are filled with time.")
    if now.counters.get("shards_lost", 0):
        found.append(
            f"{now.counters['shards_lost']} shards were emptied: damaged, or a process died while it changed them."
        )
    if not found:
        return "No problem found.\n"
    return "".join(f"- {line}\n" for line in found)
