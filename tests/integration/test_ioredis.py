"""ioredis: its handshake with the ready check, byte for byte, and the client itself under Node."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.peers import WireConversation, encode

from . import servers

SCRIPT = """
const Redis = require("ioredis");
const redis = new Redis(Number(process.argv[2]), "127.0.0.1", { lazyConnect: true, maxRetriesPerRequest: 1, retryStrategy: null });
const said = [];
redis.on("ready", () => said.push("ready"));
(async () => {
  await redis.connect();
  said.push(await redis.set("k", "v", "EX", 100));
  said.push(await redis.get("k"));
  said.push(await redis.getBuffer("k").then((b) => b.length));
  said.push(await redis.pipeline().incr("n").incr("n").exec());
  said.push(await redis.multi().set("a", 1).get("a").exec());
  said.push(await redis.mget("k", "none"));
  const keys = [];
  for await (const page of redis.scanStream({ match: "*", count: 2 })) keys.push(...page);
  said.push([...new Set(keys)].sort());
  said.push(await redis.get().catch((error) => error.message));
  said.push(await redis.incr("k").catch((error) => error.message));
  said.push(Object.keys(await redis.config("GET", "maxmemory-policy").then((flat) => ({ [flat[0]]: 1 }))));
  said.push(/lib-name=ioredis/.test(await redis.client("LIST")));
  said.push(await redis.quit());
  console.log(JSON.stringify(said));
})().catch((error) => { console.error(error); process.exit(1); });
"""


@functools.cache
def installed() -> Path:
    """A directory with ioredis in it, out of the npm registry; kept between runs where REDISTILL_NODE_MODULES says."""
    npm = servers.tool("npm", "npm")
    place = Path(os.environ.get("REDISTILL_NODE_MODULES") or servers.directory())
    place.mkdir(parents=True, exist_ok=True)
    package, said = place / "node_modules" / "ioredis", b""
    for _ in range(3):
        if package.is_dir():
            break
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(place), "ioredis@5"],
            cwd=place, stdin=subprocess.DEVNULL, capture_output=True, timeout=180,
        )  # fmt: skip
        said = done.stdout + done.stderr
    if not package.is_dir():
        servers.missing(f"npm could not install ioredis: {said.decode(errors='replace')[-500:]}")
    return place


class HandshakeTests(SynchronousTestCase):
    """What ioredis 5 sends when it connects."""

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
    """The client itself."""

    def test_client(self) -> None:
        """It becomes ready, and its commands, pipelines, transactions and scans work."""
        node = servers.tool("node", "nodejs")
        place = installed()
        if "REDISTILL_NODE_MODULES" not in os.environ:
            self.addCleanup(installed.cache_clear)
            self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        server = servers.shared("ours")
        client = WireConversation(server.connect())
        self.addCleanup(client.close)
        client.exchange([encode([b"FLUSHALL"])], 1)
        (place / "check.js").write_text(SCRIPT)
        done = subprocess.run([node, "check.js", str(server.port)], cwd=place, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        self.assertEqual(
            json.loads(done.stdout),
            [
                "ready", "OK", "v", 1, [[None, 1], [None, 2]], [[None, "OK"], [None, "1"]], ["v", None], ["a", "k", "n"],
                "ERR wrong number of arguments for 'get' command", "ERR value is not an integer or out of range",
                ["maxmemory-policy"], True, "OK",
            ],
        )  # fmt: skip
