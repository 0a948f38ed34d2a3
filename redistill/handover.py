"""Connections that change hands: a worker gives them to another one at a command's end, and no client notices.

What goes over is the socket itself and, as bytes, what is known of its client: a head in JSON, and the session as the
core saves it (core/handover.h).
"""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import Logger

from redistill.protocol import RespProtocol

log = Logger()

WINDOW = 32
"""Connections that are on their way at the same time."""
AGAIN = 0.005
"""Seconds until clients that are in the middle of something are looked at again."""


def packed(client: RespProtocol, session: bytes) -> bytes:
    """What another process needs to go on with `client`."""
    now = client.factory.clock.seconds()
    head = {
        "id": client.client_id,
        "peer": client.peer,
        "local": client.local,
        "name": client.name.decode("ascii"),
        "lib_name": client.lib_name.decode("ascii"),
        "lib_ver": client.lib_ver.decode("ascii"),
        "user": client.user,
        "age": now - client.connected_at,
        "idle": now - client.last_active,
    }
    data = json.dumps(head).encode("ascii")
    return len(data).to_bytes(4, "little") + data + session


def unpacked(state: bytes) -> tuple[dict[str, Any], bytes]:
    """The head and the session."""
    end = 4 + int.from_bytes(state[:4], "little")
    return json.loads(state[4:end]), state[end:]
