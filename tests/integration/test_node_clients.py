"""ioredis, node-redis and BullMQ: the clients themselves under Node, in RESP2 and RESP3, and ioredis' handshake."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.peers import WireConversation, encode

from . import servers

SCRIPTS = Path(__file__).with_name("node")
CONFIG = """
[server]
workers = {workers}
[security]
password = "secret"
[memory]
max_memory = "64mb"
"""
SAID: dict[str, Any] = {
    "set": ["OK", "v", True],
    "binary": True,
    "pipeline": [1, "ERR value is not an integer or out of range", 2],
    "many": 49_995_000,
    "watched": None,
    "types": {
        "hash": [{"f": "v", "g": "2", "h": "x"}, ["v", None], 7],
        "list": ["a", ["b", "c"], ["b", "c"]],
        "set": [["1", "2", "3"], [1, 0], 1],
        "zset": [["three", "two"], 2, 2.5],
        "scores": ["two", "2", "one", "2.5", "three", "3"],
        "scans": {
            "h": ["7", "f", "g", "h", "v", "x"],
            "s": ["2", "3"],
            "z": ["2", "2.5", "3", "one", "three", "two"],
        },
        "wrong": "WRONGTYPE Operation against a key holding the wrong kind of value",
    },
    "mget": ["v", None],
    "scan": ["a", "k", "n", "sum"],
    "errors": [
        "ERR wrong number of arguments for 'get' command",
        "ERR value is not an integer or out of range",
        "ERR unknown command 'nosuch', with args beginning with: 'x' ",
    ],
    "expired": -2,
    "role": ["master", 0, []],
    "wait": [0, 0],
    "config": {"appendonly": "no"},
    "named": True,
    "stranger": "WRONGPASS invalid username-password pair or user is disabled.",
    "again": [2, "v", 3],
    "quit": "OK",
}
"""The replies that both give, without differences of notation."""
HEARD: dict[str, Any] = {
    "subscribed": [2, 3],
    "counted": [12] * 6,
    "same": True,
    "heard": [text for i in range(6) for text in (f"news {i}", f"new? news {i}")],
    "left": [2, 1] * 6,
    "none": 0,
    "servers": 6,
    "rooms": ["socket.io#/#room1#,true"],
    "again": 6,
    "after": ["more again"],
    "expired": ["__keyevent@0__:expired session:1"],
}
"""The messages that both get."""
JOBS = ",".join(map(str, range(60)))
QUEUES: dict[str, Any] = {
    "jobs": JOBS,
    "moved": [JOBS, 66, 0],
    "scores": JOBS,
    "vain": [None, None],
    "unblocked": [1, "UNBLOCKED client unblocked via CLIENT UNBLOCK"],
}
"""The elements that consumers of both get."""
STREAMS: dict[str, Any] = {
    "busy": "BUSYGROUP Consumer Group name already exists",
    "behind": 1,
    "jobs": JOBS,
    "pending": [0, None, None, None],
    "length": 61,
    "claimed": ["0-0", [["job", "lost"]]],
    "destroyed": "NOGROUP No such key 'jobs' or consumer group 'group' in XREADGROUP with GROUP option",
    "events": [JOBS, JOBS],
}
"""The entries that ioredis' consumers and BullMQ's listeners get."""


@functools.cache
def version() -> int:
    """The version of both: the current one, or the last that runs on Node before 20."""
    node = servers.tool("node", "nodejs")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return 6 if int(said.removeprefix("v").split(".")[0]) >= 20 else 5


@functools.cache
def installed() -> Path:
    """A directory with them in it, out of the npm registry; kept between runs where REDISTILL_NODE_MODULES says."""
    npm = servers.tool("npm", "npm")
    place = Path(os.environ.get("REDISTILL_NODE_MODULES") or servers.directory())
    place.mkdir(parents=True, exist_ok=True)
    packages, said = {"ioredis": version(), "redis": version(), "bullmq": 5}, b""

    def there() -> bool:
        files = {place / "node_modules" / name / "package.json": major for name, major in packages.items()}
        return all(
            file.is_file() and json.loads(file.read_text())["version"].startswith(f"{major}.")
            for file, major in files.items()
        )

    for _ in range(3):
        if there():
            break
        wanted = [f"{name}@{major}" for name, major in packages.items()]
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(place), *wanted],
            cwd=place, stdin=subprocess.DEVNULL, capture_output=True, timeout=180,
        )  # fmt: skip
        said = done.stdout + done.stderr
    if not there():
        servers.missing(f"npm could not install {list(packages)}: {said.decode(errors='replace')[-500:]}")
    return place


class HandshakeTests(SynchronousTestCase):
    """The commands that ioredis sends when it connects."""

    def test_ready_check(self) -> None:
        """INFO is sent with the rest of the handshake in one write; it says loading:0 and the role."""
        client = WireConversation(servers.shared("ours").connect())
        self.addCleanup(client.close)
        handshake = [
            [b"client", b"SETINFO", b"LIB-NAME", b"ioredis"],
            [b"client", b"SETINFO", b"LIB-VER", b"5.6.0"],
            [b"select", b"0"],
            [b"info"],
        ]
        replies = client.exchange([b"".join(map(encode, handshake))], len(handshake))
        self.assertEqual([(reply.kind, reply.value) for reply in replies[:3]], [("+", b"OK")] * 3)
        lines = replies[3].value.split(b"\r\n")
        self.assertEqual(replies[3].kind, "$")
        self.assertIn(b"loading:0", lines)
        self.assertIn(b"role:master", lines)


class ClientTests(SynchronousTestCase):
    """The clients themselves."""

    def said(self, script: str, resp: int, workers: int = 2) -> dict[str, Any]:
        """The output of a client at a server of its own."""
        node, place = servers.tool("node", "nodejs"), installed()
        if "REDISTILL_NODE_MODULES" not in os.environ:
            self.addCleanup(installed.cache_clear)
            self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        server = servers.redistill(CONFIG.format(workers=workers), tcp=True)
        self.addCleanup(lambda: server.process.poll() is None and server.stop(signal.SIGKILL))
        shutil.copy(SCRIPTS / script, place)
        argv = [node, str(place / script), str(server.port), str(resp)]
        done = subprocess.run(argv, cwd=place, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def test_ioredis(self) -> None:
        """It becomes ready; commands, binary values, pipelines, transactions, scans, errors and expiry are as it
        expects; it is let in by its password only, and goes on when those who served it have died."""
        for resp in (2, 3) if version() > 5 else (2,):
            own = {"ready": ["ready", 1], "multi": [[None, "OK"], [None, "1"]], "resp": resp}
            self.assertEqual(self.said("ioredis.js", resp), {**SAID, **own})

    def test_node_redis(self) -> None:
        """The commands that node-redis sends when it connects."""
        for resp in (2, 3):
            own = {"ready": [True, 1], "multi": ["OK", "1"], "resp": resp}
            self.assertEqual(self.said("redis.js", resp), {**SAID, **own})

    def test_messages(self) -> None:
        """Six subscribers and six publishers of each: names, patterns, bytes, counts, events of keys; they subscribe
        again when those who served them have died."""
        for resp in (2, 3):
            self.assertEqual(self.said("redis_messages.js", resp), HEARD)
            if version() > 5 or resp == 2:
                self.assertEqual(self.said("ioredis_messages.js", resp), HEARD)

    def test_queues(self) -> None:
        """Six consumers wait in BLPOP of two lists, BLMOVE and BZPOPMIN for what four producers add, and get each
        element once; node-redis' cache answers without the server, and never with what another client has changed."""
        for resp in (2, 3):
            cache = {"cached": True} if resp == 3 else {}
            self.assertEqual(self.said("redis_queues.js", resp), {**QUEUES, **cache})
            if version() > 5 or resp == 2:
                self.assertEqual(self.said("ioredis_queues.js", resp), QUEUES)

    def test_streams(self) -> None:
        """Four consumers of a group get each entry once, also one that was left behind; BullMQ's events reach all who
        listen, with one worker and with two."""
        for workers in (1, 2):
            for resp in (2, 3) if version() > 5 else (2,):
                self.assertEqual(self.said("ioredis_streams.js", resp, workers), STREAMS)
