"""PUBSUB, as far as it concerns names, which each worker knows of its own clients; and subscribers that do not read.

The core subscribes, publishes and counts (core/session/subscribed.h).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from redistill.base import resp
from redistill.control.arguments import surplus
from redistill.control.peers import Question, over_all
from redistill.engine.glob import glob_match
from redistill.net.interfaces import Client, Command, Reply

if TYPE_CHECKING:
    from redistill.control.state import ServerState

log = Logger()

HELP = """\
PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CHANNELS [<pattern>]
    Return the currently active channels matching a <pattern> (default: '*').
NUMPAT
    Return number of subscriptions to patterns.
NUMSUB [<channel> ...]
    Return the number of subscribers for the specified channels, excluding
    pattern subscriptions(default: no channels).
SHARDCHANNELS [<pattern>]
    Return the currently active shard level channels matching a <pattern> (default: '*').
SHARDNUMSUB [<shardchannel> ...]
    Return the number of subscribers for the specified shard level channel(s)
HELP
    Prints this help.""".splitlines()


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "pubsub|help": lambda client, argv: resp.lines(HELP),
        "pubsub|channels": lambda client, argv: channels(server, client, argv, shard=False),
        "pubsub|shardchannels": lambda client, argv: channels(server, client, argv, shard=True),
    }


def questions(server: ServerState) -> Mapping[str, Question]:
    """The question to each worker: the channels of its clients."""
    return {"channels": lambda wanted: found(server, wanted)}


def channels(server: ServerState, client: Client, argv: list[bytes], *, shard: bool) -> Reply:
    """PUBSUB CHANNELS [pattern] and PUBSUB SHARDCHANNELS [pattern]. The order means nothing."""
    if len(argv) > 3:
        return surplus(argv)
    wanted = {"shard": shard, "pattern": argv[2].decode("latin-1") if len(argv) > 2 else None}

    def reply(answers: list[list[str]]) -> bytes:
        names = dict.fromkeys(name for answer in answers for name in answer)
        return resp.array([resp.bulk(name.encode("latin-1")) for name in names])

    return over_all(server, client, "channels", wanted, reply)


def found(server: ServerState, wanted: Mapping[str, Any]) -> Iterator[list[str]]:
    """The channels of this worker's clients that match, some a step; a character stands for a byte."""
    pattern = None if wanted["pattern"] is None else wanted["pattern"].encode("latin-1")
    for names in server.store.subscribed_channels(wanted["shard"]):
        yield [name.decode("latin-1") for name in names if pattern is None or glob_match(pattern, name)]


def hand_on(server: ServerState) -> None:
    """Send messages to the clients that no loop serves, and wake those of them that are to go on, after this turn."""
    if not server.hands_on:
        server.hands_on = True
        server.reactor.callLater(0, _hand_on, server)


def _hand_on(server: ServerState) -> None:
    server.hands_on = False
    if server.store.deliver():
        hand_on(server)
    for number in server.store.pushed():
        client = server.clients.get(number)
        if client is not None:
            client.send_pushed()
    for number in server.store.woken():
        client = server.clients.get(number)
        if client is not None:
            client.wake()


def enforce(server: ServerState) -> None:
    """Once a second: end the subscribers that have not read for too long."""
    if server.store.end_slow_subscribers():
        log.error("messages to this worker were lost, since it did not read them in time: its subscribers are closed")
    server.store.enforce_pause()
    _hand_on(server)
