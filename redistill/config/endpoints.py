"""Descriptions of Twisted's endpoints, as server.endpoints has them: ``tcp:6380:interface=127.0.0.1``.

Twisted and its plugins say what a description means (`twisted.internet.endpoints.serverFromString`). Only ``systemd:``
is read here, since the descriptors that systemd has passed have other numbers in a worker.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from typing import Any, Protocol

MAX_ENDPOINTS = 16
MAX_DESCRIPTION = 4096
"""Characters of one."""
FAMILIES = {"INET": socket.AF_INET, "INET6": socket.AF_INET6, "UNIX": socket.AF_UNIX}
"""The domains of ``systemd:``."""

_PART = re.compile(r"(?:[^:\\]|\\.)*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CALLED = re.compile(r"^[\w.]+\(\) ")
"""The beginning of what Python says of wrong arguments; the rest names the argument."""


class Inherited(Protocol):
    """See twisted.python.systemd.ListenFDs, which commands that never listen do not import."""

    def inheritedDescriptors(self) -> list[int]: ...
    def inheritedNamedDescriptors(self) -> dict[str, int]: ...


class NoDescriptors:
    """systemd has passed nothing."""

    def inheritedDescriptors(self) -> list[int]:
        return []

    def inheritedNamedDescriptors(self) -> dict[str, int]:
        return {}


NO_DESCRIPTORS = NoDescriptors()


class BadEndpoint(ValueError):
    """A description that cannot be used. The text says why, in one line."""


def server_endpoint(reactor: Any, description: str, inherited: Inherited = NO_DESCRIPTORS) -> Any:
    """The IStreamServerEndpoint that `description` stands for. Raises BadEndpoint.

    `inherited` are the descriptors of ``systemd:``, which stay the caller's: each endpoint has a copy.
    """
    if kind(description) == "systemd":
        return _inherited_endpoint(reactor, description, inherited)
    # Slow to import, and of use to few.
    from twisted.internet import endpoints

    try:
        endpoint: Any = endpoints.serverFromString(reactor, description)  # type: ignore[no-untyped-call]
    except Exception as problem:  # plugins raise what they like
        raise BadEndpoint(reason_of(problem)) from None
    port = getattr(endpoint, "_port", 0)
    if isinstance(port, int) and not 0 <= port <= 65535:
        raise BadEndpoint("a port is between 0 and 65535")
    return endpoint


def systemd_family(description: str) -> socket.AddressFamily:
    """The family of a ``systemd:`` description, whose form is checked. Raises BadEndpoint."""
    _, named = _arguments(description)
    if named.get("domain") not in FAMILIES or ("index" in named) == ("name" in named) or len(named) > 2:
        raise BadEndpoint("it is systemd:domain=INET (or INET6, UNIX):index=0 (or name=...)")
    if not named.get("index", "0").isdecimal():
        raise BadEndpoint("an index is a whole number")
    return FAMILIES[named["domain"]]


def _inherited_endpoint(reactor: Any, description: str, inherited: Inherited) -> Any:
    from twisted.internet.endpoints import AdoptedStreamServerEndpoint

    fd, family = passed(description, inherited), systemd_family(description)
    return AdoptedStreamServerEndpoint(reactor, fd, family)  # type: ignore[no-untyped-call]


def passed(description: str, inherited: Inherited) -> int:
    """A copy of the descriptor that a ``systemd:`` description names. Raises BadEndpoint."""
    systemd_family(description)
    _, named = _arguments(description)
    try:
        if "index" in named:
            fd = inherited.inheritedDescriptors()[int(named["index"])]
        else:
            fd = inherited.inheritedNamedDescriptors()[named["name"]]
    except LookupError:
        raise BadEndpoint(
            f"systemd passed no such socket, and {len(inherited.inheritedDescriptors())} in all"
        ) from None
    return os.dup(fd)


def check(description: str) -> None:
    """Raise BadEndpoint for a description that cannot be used here. Sockets of systemd are not looked for."""
    if kind(description) == "systemd":
        systemd_family(description)
        return
    from twisted.internet.task import Clock

    server_endpoint(Clock(), description)


def kind(description: str) -> str:
    """The endpoint's type, the first word."""
    return description.partition(":")[0]


def is_local(description: str) -> bool:
    """Whether the endpoint is known to be reachable from this machine only. The types of plugins are not known."""
    given, named = _arguments(description)
    which = kind(description)
    if which == "unix" or (which == "systemd" and named.get("domain") == "UNIX"):
        return True
    if which not in ("tcp", "tcp4", "tcp6", "ssl"):
        return False
    interface = named.get("interface", given[1] if which != "ssl" and len(given) > 1 else "")
    try:
        return interface == "localhost" or ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return False


def address_of(description: str) -> tuple[str, int] | None:
    """The IP address and port that `description` listens on, or the path of its UNIX socket and 0; None: another kind,
    or a port that the system chooses."""
    given, named = _arguments(description)
    which = kind(description)
    if which == "unix":
        path = named.get("address", given[0] if given else "")
        return (path, 0) if path else None
    port = named.get("port", given[0] if given else "")
    if which not in ("tcp", "tcp4", "tcp6", "ssl") or not port.isdecimal() or not int(port):
        return None
    default = "::" if which == "tcp6" else "0.0.0.0"  # noqa: S104
    host = named.get("interface", given[1] if which != "ssl" and len(given) > 1 else "") or default
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ("127.0.0.1", int(port)) if host == "localhost" else None
    return host, int(port)


def _arguments(description: str) -> tuple[list[str], dict[str, str]]:
    """The arguments without a name and those with one; a backslash takes a character as it is."""
    given: list[str] = []
    named: dict[str, str] = {}
    at = len(kind(description))
    while at < len(description):
        part = _PART.match(description, at + 1)
        assert part is not None  # it matches the empty text
        name, equals, value = part[0].partition("=")
        if equals:
            named[name] = _ESCAPED.sub(r"\1", value)
        else:
            given.append(_ESCAPED.sub(r"\1", name))
        at = max(part.end(), at + 1)
    return given, named


def reason_of(problem: BaseException | None) -> str:
    """The text of an exception, in one line."""
    if isinstance(problem, OSError) and problem.strerror:
        where = f"{problem.filename}: " if problem.filename else ""
        return f"{where}{problem.strerror}"
    cause = getattr(problem, "socketError", None)
    if isinstance(cause, BaseException):  # Twisted's CannotListenError, which says the address once more
        return reason_of(cause)
    said = " ".join(str(problem).split()) or type(problem).__name__
    return _CALLED.sub("", said)
