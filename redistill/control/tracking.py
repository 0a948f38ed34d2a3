"""CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: client-side caching.

The core notes what clients read and tells them of changes (core/session/tracking.h); this module parses and refuses.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redistill.base import resp
from redistill.control.arguments import integer
from redistill.control.peers import Question, over_all
from redistill.engine.interfaces import Tracking
from redistill.net.interfaces import Client, Command, Reply

if TYPE_CHECKING:
    from redistill.control.state import ServerState

SYNTAX = resp.error("ERR syntax error")
NO_CLIENT = resp.error("ERR The client ID you want redirect to does not exist")
NO_MEMORY = resp.error("OOM no memory to track this client's keys")
SWITCH = "before disabling tracking for this client, and then re-enabling it with a different mode."
COMPARED = 64
"""Prefixes of one command up to which an overlap is reported for the same pair as by Redis; of more, for some pair."""


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "client|tracking": lambda client, argv: tracking(server, client, argv),
        "client|caching": caching,
        "client|trackinginfo": tracking_info,
        "client|getredir": get_redirection,
    }


def questions(server: ServerState) -> Mapping[str, Question]:
    """The question to each worker: whether it has the client that is to get invalidations."""
    return {"redirect": lambda number: receives(server, number)}


def receives(server: ServerState, number: int) -> bool:
    """Whether the client is here; if so, it gets the messages of others that redirect to it."""
    client = server.clients.get(number)
    return client is not None and client.session.receive_redirected()


@dataclass
class Wanted:
    """The arguments of CLIENT TRACKING."""

    words: set[bytes] = field(default_factory=set)
    redirect: int | None = None
    prefixes: list[bytes] = field(default_factory=list)
    refusal: bytes = b""
    """The first error; if there is a `redirect`, that client's absence comes first."""


def parse(argv: list[bytes]) -> Wanted:
    """The options behind ON or OFF."""
    wanted, i = Wanted(), 3
    while i < len(argv):
        word, more = argv[i].lower(), i + 1 < len(argv)
        if word == b"redirect" and more:
            number = integer(argv[i + 1])
            if wanted.redirect is not None:
                wanted.refusal = resp.error("ERR A client can only redirect to a single other client")
            elif number is None:
                wanted.refusal = resp.error("ERR value is not an integer or out of range")
            else:
                wanted.redirect = number
            i += 1
        elif word == b"prefix" and more:
            wanted.prefixes.append(argv[i + 1])
            i += 1
        elif word in (b"bcast", b"optin", b"optout", b"noloop"):
            wanted.words.add(word)
        else:
            wanted.refusal = SYNTAX
        if wanted.refusal:
            return wanted
        i += 1
    return wanted


def tracking(server: ServerState, client: Client, argv: list[bytes]) -> Reply:
    """CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]"""
    wanted = parse(argv)
    if wanted.redirect is None:
        return wanted.refusal or switch(client, argv[2], wanted)
    if wanted.redirect in server.clients:
        return reply_to(client, argv[2], wanted, receives(server, wanted.redirect))
    return over_all(
        server,
        client,
        "redirect",
        wanted.redirect,
        lambda answers: reply_to(client, argv[2], wanted, any(answers)),
    )


def reply_to(client: Client, status: bytes, wanted: Wanted, exists: bool) -> bytes:
    """The reply to a command with REDIRECT."""
    if not exists:
        return NO_CLIENT
    return wanted.refusal or switch(client, status, wanted)


def switch(client: Client, status: bytes, wanted: Wanted) -> bytes:
    """Switch tracking on or off."""
    session = client.session
    if status.lower() == b"off":
        session.stop_tracking()
        return resp.OK
    if status.lower() != b"on":
        return SYNTAX
    now = session.tracking
    broadcasts = b"bcast" in wanted.words
    if refusal := conflict(now, wanted):
        return refusal
    prefixes = (wanted.prefixes or [b""]) if broadcasts else []
    fresh = sorted(set(prefixes) - set(now.prefixes))
    if not session.track(
        broadcasts=broadcasts,
        opt_in=b"optin" in wanted.words,
        opt_out=b"optout" in wanted.words,
        no_loop=b"noloop" in wanted.words,
        redirect=wanted.redirect or 0,
        prefixes=fresh,
    ):
        return NO_MEMORY
    return resp.OK


def conflict(now: Tracking, wanted: Wanted) -> bytes:
    """The refusal of options that do not fit together, or not to those in force; b"" if there is none."""
    words, broadcasts = wanted.words, b"bcast" in wanted.words
    if wanted.prefixes and not broadcasts:
        return resp.error("ERR PREFIX option requires BCAST mode to be enabled")
    if now.on and now.broadcasts != broadcasts:
        return resp.error(f"ERR You can't switch BCAST mode on/off {SWITCH}")
    if broadcasts and words & {b"optin", b"optout"}:
        return resp.error("ERR OPTIN and OPTOUT are not compatible with BCAST")
    if {b"optin", b"optout"} <= words:
        return resp.error("ERR You can't specify both OPTIN mode and OPTOUT mode")
    if (b"optin" in words and now.opt_out) or (b"optout" in words and now.opt_in):
        return resp.error(f"ERR You can't switch OPTIN/OPTOUT mode {SWITCH}")
    return overlap(now.prefixes, wanted.prefixes) if broadcasts else b""


def overlap(existing: list[bytes], given: list[bytes]) -> bytes:
    """The refusal of prefixes of which one begins with another one; b"" if there is none.

    In the order of their bytes, a prefix that others begin with stands right before one of them. The existing ones may
    overlap: BCAST without a prefix adds the empty one without a test.
    """
    if not given:
        return b""
    order = sorted([*existing, *given])
    pairs = [(a, b) for a, b in itertools.pairwise(order) if b.startswith(a)]
    if not pairs:
        return b""
    if len(given) <= COMPARED and len(existing) <= COMPARED * COMPARED:
        for i, one in enumerate(given):
            for other in existing:
                if one.startswith(other) or other.startswith(one):
                    return overlapping(one, "an existing", other)
            for other in given[i + 1 :]:
                if one.startswith(other) or other.startswith(one):
                    return overlapping(one, "another provided", other)
    return overlapping(pairs[0][1], "another provided", pairs[0][0])


def overlapping(one: bytes, which: str, other: bytes) -> bytes:
    """The refusal of one prefix for another one."""
    return resp.error(
        f"ERR Prefix '{resp.shown(one)}' overlaps with {which} prefix '{resp.shown(other)}'."
        " Prefixes for a single client must not overlap."
    )


def caching(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT CACHING YES | NO"""
    now, word = client.session.tracking, argv[2].lower()
    if not now.on:
        return resp.error(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode"
            " enabled"
        )
    if word not in (b"yes", b"no"):
        return SYNTAX
    if word == b"yes" and not now.opt_in:
        return resp.error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    if word == b"no" and not now.opt_out:
        return resp.error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    client.session.set_caching()
    return resp.OK


def tracking_info(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT TRACKINGINFO"""
    version, now = client.session.state.resp, client.session.tracking
    flags = [
        "on" if now.on else "off",
        *(["bcast"] if now.broadcasts else []),
        *(["optin"] if now.opt_in else []),
        *(["caching-yes"] if now.opt_in and now.caching else []),
        *(["optout"] if now.opt_out else []),
        *(["caching-no"] if now.opt_out and now.caching else []),
        *(["noloop"] if now.no_loop else []),
        *(["broken_redirect"] if now.broken else []),
    ]
    return resp.mapping(
        [
            (resp.bulk("flags"), resp.unordered([resp.bulk(flag) for flag in flags], version)),
            (resp.bulk("redirect"), resp.integer(now.redirect if now.on else -1)),
            (resp.bulk("prefixes"), resp.array([resp.bulk(prefix) for prefix in now.prefixes])),
        ],
        version,
    )


def get_redirection(client: Client, argv: list[bytes]) -> bytes:
    """CLIENT GETREDIR: the client that gets the invalidations; 0: this one; -1: it does not track"""
    now = client.session.tracking
    return resp.integer(now.redirect if now.on else -1)
