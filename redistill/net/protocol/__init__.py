"""The Protocol and the Factory that serve clients: `RespProtocol` is one client, `RespFactory` makes and keeps them.

A client's bytes go to its session in the core (`engine.Session`), and the session's replies go back in order. A
`connection.Connection` carries both: the loop in C on our own transport (`loop.LoopConnection`), `dataReceived` on any
other of Twisted's (`FedConnection`). Parsing and executing is the core's: this package knows no command.

    client.py       one client: its connection, its identity, messages to it, and its end
    execution.py    when its commands are executed and its replies sent
    answers.py      the control plane's answers to its commands
    pushes.py       messages that wait for the end of an answer
    factory.py      all clients of this process
    blocked.py      clients that wait for the end of a pause, or for an answer
    idle.py         clients that are silent, or do not let themselves be closed
    addresses.py    addresses as Redis writes them
    interfaces.py   the control plane and the loop, as this package sees them
"""

from redistill.net.protocol.client import RespProtocol
from redistill.net.protocol.factory import RespFactory

__all__ = ["RespFactory", "RespProtocol"]
