"""The control plane and the loop, as the protocol and its factory see them."""

from __future__ import annotations

from typing import Any, Protocol

from redistill.engine.interfaces import SlowEntry
from redistill.net.interfaces import Client, Reply


class Control(Protocol):
    """The commands that are about the connection or the server; see control.ControlPlane."""

    def run(self, client: Client, argv: list[bytes]) -> Reply:
        """The reply to one command."""
        ...

    def connected(self, client: Client) -> None:
        """A client has connected; its session is new."""
        ...

    def adopted(self, client: Client) -> None:
        """A client goes on that another protocol, or another process, has served before."""
        ...

    def left(self, client: Client) -> None:
        """A client has disconnected, or moves to another process."""
        ...

    def slow(self, client: Client, entry: SlowEntry) -> None:
        """A command of this client took long."""
        ...


class ClientIdentity(Protocol):
    """A client's identity without its session: a `RespProtocol`, or the record that was kept of one."""

    client_id: int
    connected_at: float
    user: str
    secret: int
    name: bytes
    lib_name: bytes
    lib_ver: bytes


class ClientLoop(Protocol):
    """The loop, which serves clients without the protocol; see loop.Loop."""

    @property
    def behind(self) -> bool:
        """Whether a configuration was announced that this process has not applied: until it has, nobody is served."""
        ...

    def silent(self, quiet_since: float, silent_since: float) -> list[Any]:
        """The clients that were silent since `silent_since`. Those quiet since `quiet_since` give memory back."""
        ...
