"""NOPERM: the refusal of a command that its user may not run."""

from __future__ import annotations

from redistill.base import resp
from redistill.base.words import data
from redistill.config.selector import table
from redistill.control.acl.log import note
from redistill.control.arguments import text
from redistill.control.state import ServerState
from redistill.engine.permissions import Denial
from redistill.net.interfaces import Client


def no_command(user: str, command: str) -> str:
    """Redis's words for a command that `user` may not run."""
    return f"User {user} has no permissions to run the '{command}' command"


IN_EXEC = {
    "command": "execute the command or subcommand",
    "key": "touch the specified keys",
    "channel": "access one of the channels used as arguments",
}


def denied(server: ServerState, client: Client, argv: list[bytes]) -> bytes:
    """The answer to a command that the core has passed on since its user may not run it."""
    state = client.session.state
    entry = table().find(argv)
    name = entry.name if entry is not None else text(argv[0].lower())
    if state.denied == Denial.KEY:
        server.counters.denied_keys += 1
        reason, what, words = "key", client.session.argument(state.denied_at), "No permissions to access a key"
    elif state.denied == Denial.CHANNEL:
        server.counters.denied_channels += 1
        reason, what, words = "channel", client.session.argument(state.denied_at), "No permissions to access a channel"
    else:
        server.counters.denied_commands += 1
        reason, what, words = "command", data(name), no_command(client.user, name)
    note(server, client, reason, what, client.user)
    if state.in_exec:
        return resp.error(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call."
            f" This command is no longer allowed for the following reason: no permission to {IN_EXEC[reason]}"
        )
    if name == "exec":
        return resp.error(f"EXECABORT Transaction discarded because of: NOPERM {words}")
    return resp.error(f"NOPERM {words}")
