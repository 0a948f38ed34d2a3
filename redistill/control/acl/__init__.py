"""ACL: the commands of this group, and the questions that they ask other workers."""

from __future__ import annotations

from collections.abc import Mapping

from redistill.base import resp
from redistill.control.acl import log, tools, user_commands
from redistill.control.peers import Question
from redistill.control.state import ServerState
from redistill.net.interfaces import Command

HELP = """\
ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CAT [<category>]
    List all commands that belong to <category>, or all command categories
    when no category is specified.
DELUSER <username> [<username> ...]
    Delete a list of users.
DRYRUN <username> <command> [<arg> ...]
    Returns whether the user can execute the given command without executing the command.
GETUSER <username>
    Get the user's details.
GENPASS [<bits>]
    Generate a secure 256-bit user password. The optional `bits` argument can
    be used to specify a different size.
LIST
    Show users details in config file format.
LOAD
    Reload users from the ACL file.
LOG [<count> | RESET]
    Show the ACL log entries.
SAVE
    Save the current config to the ACL file.
SETUSER <username> <attribute> [<attribute> ...]
    Create or modify a user with the specified attributes.
USERS
    List all the registered usernames.
WHOAMI
    Return the current connection username.
HELP
    Prints this help.""".splitlines()


def commands(server: ServerState) -> Mapping[str, Command]:
    """The commands of this group, by name."""
    return {
        "acl|whoami": lambda client, argv: resp.bulk(client.user),
        "acl|list": lambda client, argv: user_commands.list_users(server, client, lambda user: user.line),
        "acl|users": lambda client, argv: user_commands.list_users(server, client, lambda user: user.name),
        "acl|getuser": lambda client, argv: user_commands.get_user(server, client, argv),
        "acl|setuser": lambda client, argv: user_commands.set_user(server, client, argv),
        "acl|deluser": lambda client, argv: user_commands.delete_users(server, client, argv),
        "acl|cat": tools.cat,
        "acl|genpass": tools.generate,
        "acl|dryrun": lambda client, argv: tools.dry_run(server, argv),
        "acl|log": lambda client, argv: log.show(server, client, argv),
        "acl|save": lambda client, argv: user_commands.save(server),
        "acl|load": lambda client, argv: user_commands.load(server, client),
        "acl|help": lambda client, argv: resp.lines(HELP),
    }


def questions(server: ServerState) -> Mapping[str, Question]:
    """The questions to each worker about the commands that it denied."""
    return {
        "acl-log": lambda count: [log.plain(entry) for entry in server.denials.first(count)],
        "acl-log-reset": lambda nothing: server.denials.clear(),
    }
