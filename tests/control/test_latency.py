"""LATENCY: the replies of redis-server 7, our own words where it advises."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from redistill.control.latency import SAMPLES, LatencyMonitor, Sample, graph
from redistill.engine.counters import CommandCount
from redistill.engine.interfaces import SlowEntry
from tests.support.control import NOW, Server

SECOND = int(NOW)


def histogram(**buckets: int) -> list[int]:
    """A histogram of 36 buckets, ``b3=2``: two in the bucket 3."""
    return [buckets.get(f"b{number}", 0) for number in range(36)]


class MonitorTests(SynchronousTestCase):
    """The samples of an event."""

    def setUp(self) -> None:
        self.monitor = LatencyMonitor()

    def test_worst_of_a_second(self) -> None:
        """The worst of several samples in a second is kept."""
        for milliseconds in (20, 30, 10):
            self.monitor.add("command", SECOND, milliseconds)
        self.monitor.add("command", SECOND + 1, 5)
        self.assertEqual(list(self.monitor.samples("command")), [Sample(SECOND, 30), Sample(SECOND + 1, 5)])

    def test_bound(self) -> None:
        """Only so many samples are kept; the worst of all times is remembered."""
        self.monitor.add("command", SECOND, 999)
        for number in range(SAMPLES):
            self.monitor.add("command", SECOND + 1 + number, 1)
        self.assertEqual(len(self.monitor.samples("command")), SAMPLES)
        self.assertEqual(self.monitor.worst("command"), 999)


class LatencyTests(SynchronousTestCase):
    """LATENCY's subcommands."""

    def setUp(self) -> None:
        self.server = Server({"performance.latency_monitor_threshold": 10})

    def slow(self, milliseconds: int, fast: bool = False) -> None:
        """The core reports a slow command."""
        now = int(self.server.state.wall() * 1000)
        self.server.plane.slow(self.server.client, SlowEntry(milliseconds * 1_000_000, now, [b"get"], fast))

    def test_latest_and_history(self) -> None:
        """LATEST has the last and the worst sample of each event, HISTORY all samples of one."""
        self.slow(30)
        self.server.clock.advance(1)
        self.slow(20)
        self.slow(10, fast=True)
        self.server.plane.event("expire-cycle", 12_000_000)
        self.assertEqual(
            self.server.run("LATENCY LATEST"),
            b"*3\r\n*4\r\n$7\r\ncommand\r\n:1700000001\r\n:20\r\n:30\r\n"
            b"*4\r\n$12\r\nexpire-cycle\r\n:1700000001\r\n:12\r\n:12\r\n"
            b"*4\r\n$12\r\nfast-command\r\n:1700000001\r\n:10\r\n:10\r\n",
        )
        self.assertEqual(
            self.server.run("LATENCY HISTORY command"),
            b"*2\r\n*2\r\n:1700000000\r\n:30\r\n*2\r\n:1700000001\r\n:20\r\n",
        )
        for event in ("foo", "COMMAND"):
            self.assertEqual(self.server.run(f"LATENCY HISTORY {event}"), b"*0\r\n")

    def test_threshold(self) -> None:
        """Events below the threshold are not kept, and none is when it is 0."""
        self.slow(9)
        self.server.run("CONFIG SET latency-monitor-threshold 0")
        self.slow(50)
        self.assertEqual(self.server.run("LATENCY LATEST"), b"*0\r\n")

    def test_reset(self) -> None:
        """RESET forgets the events named, or all, and says how many there were."""
        self.slow(10)
        self.slow(10, fast=True)
        self.assertEqual(self.server.run("LATENCY RESET foo command command"), b":1\r\n")
        self.assertEqual(self.server.run("LATENCY RESET"), b":1\r\n")
        self.assertEqual(self.server.run("LATENCY LATEST"), b"*0\r\n")

    def test_graph(self) -> None:
        """GRAPH draws a column a sample over its age, as redis-server does."""
        samples = [Sample(SECOND, 10), Sample(SECOND + 1, 50), Sample(SECOND + 2, 300), Sample(SECOND + 3, 200)]
        self.assertEqual(
            graph("command", samples, 300, SECOND + 3),
            "command - high 300 ms, low 10 ms (all time high 300 ms)\n" + "-" * 80 + "\n"
            "  # \n  |o\n  ||\n_o||\n    \n3210\nssss\n",
        )
        self.slow(30)
        text = b"command - high 30 ms, low 30 ms (all time high 30 ms)\n" + b"-" * 80 + b"\n \n \n \n_\n \n1\ns\n"
        self.server.clock.advance(1)
        self.assertEqual(self.server.run("LATENCY GRAPH command"), b"$%d\r\n%s\r\n" % (len(text), text))
        self.assertEqual(self.server.run("LATENCY GRAPH a\nb"), b"-ERR No samples available for event 'a b'\r\n")

    def test_ages(self) -> None:
        """Ages are in the largest unit that fits; the graph is as deep as the longest of them."""
        samples = [Sample(SECOND - age, 1) for age in (200_000, 7200, 119, 59)]
        self.assertEqual(graph("e", samples, 1, SECOND).splitlines()[-3:], ["2215", "dhm9", "   s"])

    def test_doctor(self) -> None:
        """DOCTOR reports that monitoring is off, that there were no events, or the events."""
        said = self.server.run("LATENCY DOCTOR")
        self.assertIn(b"Nothing took 10 milliseconds or longer", said)
        self.slow(30)
        self.assertIn(
            b"1 latency spikes (average 30ms, mean deviation 0ms, period 1.00 sec)", self.server.run("LATENCY DOCTOR")
        )
        self.server.clock.advance(2)
        self.slow(10)
        said = self.server.run("LATENCY DOCTOR")
        self.assertIn(
            b"1. command: 2 latency spikes (average 20ms, mean deviation 10ms, period 1.00 sec)."
            b" Worst all time event 30ms.",
            said,
        )
        self.server.run("CONFIG SET latency-monitor-threshold 0")
        self.assertIn(b"Latency monitoring is off", self.server.run("LATENCY DOCTOR"))

    def test_histogram(self) -> None:
        """HISTOGRAM is cumulative, of all commands called or of those named; a container stands for its subcommands."""
        self.server.store.commands = [
            CommandCount("get", 5, 0, 0, 0, histogram(b0=2, b3=3)),
            CommandCount("client|id", 1, 0, 0, 0, histogram(b1=1)),
            CommandCount("set", 0, 0, 4, 0, histogram()),
        ]
        get = b"$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:5\r\n$14\r\nhistogram_usec\r\n*4\r\n:1\r\n:2\r\n:8\r\n:5\r\n"
        one = b"$9\r\nclient|id\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n*2\r\n:2\r\n:1\r\n"
        for line, reply in (
            ("LATENCY HISTOGRAM", b"*4\r\n" + get + one),
            ("LATENCY HISTOGRAM GET foo set", b"*2\r\n" + get),
            ("LATENCY HISTOGRAM client", b"*2\r\n" + one),
            ("LATENCY HISTOGRAM client|ID", b"*2\r\n" + one),
            ("LATENCY HISTOGRAM foo", b"*0\r\n"),
        ):
            self.assertEqual(self.server.run(line), reply)
        self.server.run("CONFIG SET latency-tracking no")
        self.assertEqual(self.server.run("LATENCY HISTOGRAM"), b"*0\r\n")
        self.server.run("CONFIG SET latency-tracking yes")
        self.server.client.session.state.resp = 3
        self.assertEqual(
            self.server.run("LATENCY HISTOGRAM client"),
            b"%1\r\n$9\r\nclient|id\r\n%2\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n%1\r\n:2\r\n:1\r\n",
        )
