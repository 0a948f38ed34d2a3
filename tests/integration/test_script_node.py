"""Libraries for Node that send scripts: BullMQ, rate-limiter-flexible, redlock and connect-redis."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.integration import servers
from tests.integration.workers import OnWorkers

SCRIPT = Path(__file__).with_name("node") / "scripts.js"
PACKAGES = {
    "ioredis": "5",
    "redis": "5",
    "bullmq": "5",
    "rate-limiter-flexible": "7",
    "redlock": "5.0.0-beta.2",
    "connect-redis": "9",
    "express-session": "1",
}
SAID: dict[str, Any] = {
    "doubled": 380,
    "delayed": 10,
    "again": 14,
    "bad": "no",
    "parent": 200,
    "children": [2, 4],
    "counts": {"completed": 25, "failed": 1, "waiting": 0, "active": 0, "delayed": 0, "paused": 0},
    "paused": 1,
    "points": [2, 1, 0, -1, -1],
    "rewarded": 3,
    "blocked": True,
    "second": "ExecutionError",
    "next": True,
    "session": "x",
    "sessions": [["one", "two"], 2],
    "cleared": 0,
}
"""The results, which are also those with redis-server 7.0."""


@functools.cache
def installed() -> Path:
    """A directory with the packages out of the npm registry; kept between runs where REDISTILL_NODE_MODULES says."""
    node, npm = servers.tool("node", "nodejs"), servers.tool("npm", "npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < 20:
        servers.missing("these packages need Node 20")
    kept = os.environ.get("REDISTILL_NODE_MODULES")
    place = Path(kept) / "scripts" if kept else Path(servers.directory())
    place.mkdir(parents=True, exist_ok=True)
    said = b""
    for _ in range(3):
        if all((place / "node_modules" / name / "package.json").is_file() for name in PACKAGES):
            return place
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(place), *wanted],
            cwd=place, stdin=subprocess.DEVNULL, capture_output=True, timeout=180,
        )  # fmt: skip
        said = done.stdout + done.stderr
    return servers.missing(f"npm could not install {sorted(PACKAGES)}: {said.decode(errors='replace')[-500:]}")


class OneWorkerTests(OnWorkers):
    """One worker."""

    WORKERS = 1

    def test_libraries(self) -> None:
        """Jobs with delays, retries and children, limits, locks and sessions work as with redis-server."""
        place = installed()
        server = self.start(self.WORKERS)
        done = subprocess.run(
            [servers.tool("node", "nodejs"), str(SCRIPT), str(server.port)],
            env={**os.environ, "NODE_PATH": str(place / "node_modules")},
            stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace")[-3000:])
        self.assertEqual(json.loads(done.stdout), SAID)


class TwoWorkersTests(OneWorkerTests):
    """Two workers, between which the libraries' connections are spread."""

    WORKERS = 2
