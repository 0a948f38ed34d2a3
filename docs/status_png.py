"""Makes docs/status.png: the status page of a server at work, in headless Chromium. From the project's directory:

PYTHONPATH=. .venv/bin/python docs/status_png.py
"""

from __future__ import annotations

import math
import random
import signal
import threading
import time
from pathlib import Path

import redis

from tests.integration import servers
from tests.integration.browser import Browser

SECONDS = 125
"""A little more than the charts show."""
CONFIG = """
[server]
workers = 2
health_check_port = {health}
[memory]
max_memory = "24mb"
"""


def load(port: int, number: int, end: float) -> None:
    """A client that reads and writes some hundreds of keys a second, at a rate that goes up and down."""
    client, chance = redis.Redis(port=port), random.Random(number)  # noqa: S311
    while time.monotonic() < end:
        many = int(60 + 40 * math.sin(time.monotonic() / 9 + number))
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(many):
                pipeline.get(f"key:{int(chance.expovariate(1 / 4000))}")
                if chance.random() < 0.3:
                    pipeline.set(
                        f"key:{int(chance.expovariate(1 / 6000))}",
                        "v" * chance.randrange(3000),
                        ex=chance.randrange(20, 200),
                    )
            pipeline.execute()
        time.sleep(0.1)
    client.close()


def main() -> None:
    """Load a server for two minutes, and take the picture."""
    health = servers.free_port()
    server = servers.redistill(CONFIG.format(health=health), tcp=True)
    browser = Browser()
    try:
        end = time.monotonic() + SECONDS
        threads = [threading.Thread(target=load, args=(server.port, number, end + 2)) for number in range(6)]
        for thread in threads:
            thread.start()
        browser.open(f"http://127.0.0.1:{health}/", width=1100, height=720)
        time.sleep(SECONDS)
        Path("docs/status.png").write_bytes(browser.screenshot())
        for thread in threads:
            thread.join()
    finally:
        browser.close()
        server.stop(signal.SIGTERM)


main()
