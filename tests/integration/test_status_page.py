"""The status page in a browser: headless Chromium on a server that works."""

from __future__ import annotations

import signal
import socket
import threading

import redis
from twisted.trial.unittest import SynchronousTestCase

from tests.integration import servers
from tests.integration.browser import Browser

CONFIG = """
[server]
workers = 2
health_check_port = {health}
[memory]
max_memory = "64mb"
"""


EMPTY = "\u2013"
"""Shown where there is no figure yet."""


class StatusPageTests(SynchronousTestCase):
    """A server of two workers with a little load, and a browser."""

    def setUp(self) -> None:
        self.browser = Browser()
        self.addCleanup(self.browser.close)
        health = servers.free_port()
        self.url = f"http://127.0.0.1:{health}/"
        self.server = servers.redistill(CONFIG.format(health=health), tcp=True)
        self.addCleanup(lambda: self.server.process.poll() is None and self.server.stop(signal.SIGKILL))
        stop = threading.Event()
        thread = threading.Thread(target=self.load, args=(stop,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)

    def load(self, stop: threading.Event) -> None:
        """Half of the reads find their key."""
        client = redis.Redis(port=self.server.port)
        try:
            client.set("there", "v")
            while not stop.wait(0.02):
                client.mget("there", "missing")
        except redis.RedisError:
            pass  # a test has stopped the server
        finally:
            client.close()

    def text(self, place: str) -> str:
        """The text of an element."""
        return str(self.browser.evaluate(f"document.querySelector({place!r}).textContent"))

    def test_figures(self) -> None:
        """Status, figures, charts and workers; nothing is asked of anybody else, and nothing goes wrong."""
        browser = self.browser
        browser.open(self.url)
        browser.until("document.querySelectorAll('#latency path').length === 3", "two lines of the last chart")
        self.assertEqual(self.text("#status"), "ok")
        self.assertEqual(self.text("#hits .figure"), "50.0 %")
        self.assertGreater(float(self.text("#commands .figure")), 5)
        self.assertIn("of 64.0 MiB, 1 keys", self.text("#memory .under"))
        self.assertIn("of 10.0k", self.text("#clients .under"))
        self.assertIn("s", self.text("#latency .figure"))
        name = f"{socket.gethostname()}:{self.server.port}"
        self.assertEqual(
            (browser.evaluate("document.title"), self.text("h1")), (f"{name} - Redistill", f"Redistill {name}")
        )
        self.assertIn("of one CPU core", self.text("#commands .under"))
        for card in ("commands", "hits", "memory", "evictions", "clients", "latency"):
            labels = browser.evaluate(
                f"[...document.querySelectorAll('#{card} .y span')].map((one) => one.textContent)"
            )
            self.assertEqual((len(labels), labels[2], EMPTY in labels), (3, "0", False), (card, labels))
            self.assertTrue(self.text(f"#{card} .x").startswith("2 min ago"), card)
            self.assertTrue(self.text(f"#{card} .x").endswith("now"), card)
        memory = browser.evaluate("[...document.querySelectorAll('#memory .y span')].map((one) => one.textContent)")
        self.assertEqual(memory, ["64.0 MiB", "32.0 MiB", "0"])
        self.assertTrue(browser.evaluate("document.querySelector('#problem').hidden"))
        rows = browser.evaluate("[...document.querySelectorAll('#workers tbody tr')].map((row) => row.cells.length)")
        self.assertEqual(rows, [4, 4])
        self.assertFalse(browser.evaluate("document.querySelector('#workers').hidden"))
        asked = {one["request"]["url"] for one in browser.of("Network.requestWillBeSent")}
        self.assertLessEqual(asked, {self.url, f"{self.url}status", "data:,"})
        self.assertEqual(browser.of("Runtime.exceptionThrown"), [])
        self.assertEqual(browser.of("Log.entryAdded"), [])
        self.assertEqual(browser.of("Runtime.consoleAPICalled"), [])

    def test_messages(self) -> None:
        """The card about messages is there as soon as a client subscribes."""
        self.browser.open(self.url)
        self.browser.until("document.querySelectorAll('#commands path').length > 0", "a chart")
        self.assertTrue(self.browser.evaluate("document.querySelector('#messages').hidden"))
        client = redis.Redis(port=self.server.port)
        self.addCleanup(client.close)
        one = client.pubsub()
        self.addCleanup(one.close)
        one.subscribe("a", "b")
        one.psubscribe("c*")
        one.get_message(timeout=20)
        client.publish("a", "x")
        self.browser.until("!document.querySelector('#messages').hidden", "the card")
        self.assertIn("1 subscribers of 3 names", self.text("#messages .under"))
        self.assertEqual(self.browser.of("Runtime.exceptionThrown"), [])

    def test_clients_that_cache_and_clients_that_wait(self) -> None:
        """The card about client-side caches is there as soon as a client tracks; waiting clients stand beside others."""
        self.browser.open(self.url)
        self.browser.until("document.querySelectorAll('#commands path').length > 0", "a chart")
        self.assertTrue(self.browser.evaluate("document.querySelector('#tracking').hidden"))
        self.assertNotIn("wait", self.text("#clients .under"))
        with self.server.connect() as reader, self.server.connect() as waiter:
            reader.sendall(b"HELLO 3\r\nCLIENT TRACKING ON\r\nMGET a b\r\nSET a 1\r\n")
            waiter.sendall(b"CLIENT TRACKING ON BCAST PREFIX x\r\nBLPOP list 0\r\n")
            self.browser.until("!document.querySelector('#tracking').hidden", "the card")
            self.browser.until(
                "document.querySelector('#tracking .under').textContent === '2 clients track 1 keys and 1 prefixes'"
                " && document.querySelector('#clients .under').textContent.endsWith(', 1 wait')",
                "the figures",
            )
        self.assertEqual(self.browser.of("Runtime.exceptionThrown"), [])

    def test_color_schemes(self) -> None:
        """Light and dark as the visitor has it, readable in both."""
        seen = {}
        for scheme in ("light", "dark"):
            self.browser.open(self.url, scheme=scheme)
            self.browser.until(
                "document.querySelector('#status') && document.querySelector('#status').textContent === 'ok'",
                "a figure",
            )
            brightness = "((text) => text.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 765)"
            seen[scheme] = [
                self.browser.evaluate(f"{brightness}(getComputedStyle(document.querySelector('{place}')).{what})")
                for place, what in (("body", "backgroundColor"), ("section", "backgroundColor"), (".figure", "color"))
            ]
        (page, card, ink), (dark_page, dark_card, dark_ink) = seen["light"], seen["dark"]
        self.assertTrue(min(page, card) > 0.9 > 0.2 > ink, seen)
        self.assertTrue(max(dark_page, dark_card) < 0.2 < 0.8 < dark_ink, seen)

    def test_phone(self) -> None:
        """360 pixels wide is enough: nothing is beyond the edge, and nothing is too small to read."""
        self.browser.open(self.url, width=360, height=740)
        self.browser.until("document.querySelectorAll('#commands path').length > 0", "a chart")
        self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), 360)
        beyond = "[...document.querySelectorAll('section, header > *')].filter((one) => one.getBoundingClientRect().right > 360).length"
        self.assertEqual(self.browser.evaluate(beyond), 0)
        self.assertGreaterEqual(
            self.browser.evaluate("parseFloat(getComputedStyle(document.querySelector('.under')).fontSize)"), 12
        )

    def test_no_answer(self) -> None:
        """A server that has gone is said to be; the page does not hold on to old figures in silence."""
        self.browser.open(self.url)
        self.browser.until(
            "document.querySelector('#status') && document.querySelector('#status').textContent === 'ok'", "a figure"
        )
        self.server.stop()
        self.browser.until("document.querySelector('#status').textContent === 'no answer'", "the page has noticed")
        self.assertEqual(self.browser.evaluate("document.querySelector('#status').className"), "bad")
        self.assertIn("No answer for", self.text("#seen"))
