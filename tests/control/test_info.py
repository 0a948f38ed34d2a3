"""INFO: Redis's sections and fields over the snapshot."""

from __future__ import annotations

import pathlib

from twisted.trial.unittest import SynchronousTestCase

from redistill import __version__
from redistill.control.sections.commands import percentile
from redistill.control.sections.fields import human
from redistill.engine.counters import CommandCount
from tests.support.control import MIB, NOW, Server

DEFAULT = "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Workers Cluster Keyspace"
ALL = (
    "Server Clients Memory Persistence Stats Replication CPU Modules Commandstats Errorstats Latencystats"
    " Workers Unknowncommands Secrets Cluster Keyspace"
)


class InfoTests(SynchronousTestCase):
    """INFO."""

    def setUp(self) -> None:
        self.server = Server()
        self.store = self.server.store

    def sections(self, line: str = "INFO") -> dict[str, dict[str, str]]:
        """The reply, parsed as clients do."""
        found: dict[str, dict[str, str]] = {}
        for text in self.server.run(line).decode().split("\r\n")[1:]:
            if text.startswith("# "):
                fields = found.setdefault(text[2:], {})
            elif text:
                name, _, value = text.partition(":")
                fields[name] = value
        return found

    def test_clock_that_is_set(self) -> None:
        """The uptime, and the time of the start, do not jump with the wall clock."""
        server = Server()
        server.clock.advance(100)
        said = []
        for shift in (0, -600, 86400):
            server.state.wall = lambda shift=shift: NOW + 100 + shift  # type: ignore[misc]
            lines = server.run("INFO").decode().split("\r\n")
            said.append([line for line in lines if line.startswith(("uptime_in_seconds", "rdb_last_save_time"))])
        self.assertEqual(said, [["uptime_in_seconds:100", f"rdb_last_save_time:{int(NOW)}"]] * 3)

    def test_sections(self) -> None:
        """INFO has Redis's sections in its order; the costly ones only when they, or all, are asked for."""
        for line, names in (
            ("INFO", DEFAULT),
            ("INFO default", DEFAULT),
            ("INFO all", ALL),
            ("INFO EVERYTHING", ALL),
            ("INFO foo everything", ALL),
            ("INFO replication Clients clients", "Clients Replication"),
            ("INFO commandstats", "Commandstats"),
            ("INFO default latencystats", DEFAULT.replace("Errorstats", "Errorstats Latencystats")),
        ):
            self.assertEqual(list(self.sections(line)), names.split(), line)

    def test_shape(self) -> None:
        """Sections are separated by an empty line; an unknown one is empty text; in RESP3 it is verbatim."""
        self.assertEqual(
            self.server.run("INFO cluster keyspace modules"),
            b"$57\r\n# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n\r\n",
        )
        self.assertEqual(self.server.run("INFO foo"), b"$0\r\n\r\n")
        self.server.client.session.state.resp = 3
        self.assertEqual(self.server.run("INFO foo"), b"=4\r\ntxt:\r\n")

    def test_what_clients_read(self) -> None:
        """The fields that clients branch on are there."""
        found = self.sections()
        for section, name, value in (
            ("Server", "redis_version", "7.4.0"),
            ("Server", "redistill_version", __version__),
            ("Server", "redis_mode", "standalone"),
            ("Server", "tcp_port", "6379"),
            ("Persistence", "loading", "0"),
            ("Replication", "role", "master"),
            ("Replication", "connected_slaves", "0"),
            ("Memory", "maxmemory_policy", "allkeys-lru"),
            ("Clients", "maxclients", "10000"),
            ("Cluster", "cluster_enabled", "0"),
        ):
            self.assertEqual(found[section][name], value)

    def test_figures(self) -> None:
        """Figures are the core's and the daemon's."""
        self.store.values |= {
            "total_commands_processed": 10,
            "keyspace_hits": 3,
            "keyspace_misses": 1,
            "expired_keys": 5,
            "evicted_keys": 6,
            "total_error_replies": 7,
            "shards_lost": 1,
            "rejected_connections": 4,
            "expire_cycle_ns": 2_500_000,
        }
        self.store.errors = {"WRONGTYPE": 2, "ERR": 5}
        self.store.databases = {0: (10, 4, 1500), 9: (1, 0, 0)}
        self.server.connect()
        self.server.clock.advance(90_000)
        found = self.sections()
        expected = {
            "total_connections_received": "2",
            "total_commands_processed": "10",
            "rejected_connections": "4",
            "keyspace_hits": "3",
            "keyspace_misses": "1",
            "keyspace_hit_ratio": "0.7500",
            "expired_keys": "5",
            "evicted_keys": "6",
            "total_error_replies": "7",
            "shards_lost": "1",
            "expire_cycle_cpu_milliseconds": "2",
        }
        self.assertEqual({name: found["Stats"][name] for name in expected}, expected)
        self.assertEqual(found["Errorstats"], {"errorstat_ERR": "count=5", "errorstat_WRONGTYPE": "count=2"})
        self.assertEqual(
            found["Keyspace"], {"db0": "keys=10,expires=4,avg_ttl=1500", "db9": "keys=1,expires=0,avg_ttl=0"}
        )
        self.assertEqual(found["Clients"]["connected_clients"], "2")
        self.assertEqual((found["Server"]["uptime_in_seconds"], found["Server"]["uptime_in_days"]), ("90000", "1"))

    def test_memory(self) -> None:
        """Memory is the arena's, exact; its peak is the highest that was seen."""
        self.sections()
        self.store.used_memory = 2 * MIB
        found = self.sections()["Memory"]
        expected = {
            "used_memory": "2097152",
            "used_memory_human": "2.00M",
            "used_memory_peak": "3145728",
            "used_memory_peak_perc": "66.67%",
            "maxmemory": "67108864",
            "maxmemory_human": "64.00M",
            "allocator_active": "4194304",
        }
        self.assertEqual({name: found[name] for name in expected}, expected)

    def test_connections_are_looked_at_once_a_second(self) -> None:
        """The number of clients is that of now; their buffers are added up once a second, however many ask."""
        first = self.sections("INFO clients")["Clients"]
        self.server.connect().session.state.query_bytes = 5000
        self.server.clock.advance(0.999)
        second = self.sections("INFO clients")["Clients"]
        self.server.clock.advance(0.001)
        third = self.sections("INFO clients")["Clients"]
        name = "client_recent_max_input_buffer"
        self.assertEqual([found["connected_clients"] for found in (first, second, third)], ["1", "2", "2"])
        self.assertEqual([found[name] for found in (first, second, third)], ["26", "26", "5000"])

    def test_rates(self) -> None:
        """Rates are those of the last seconds."""
        for second in range(12):
            self.store.values = {"total_commands_processed": second * 50, "total_net_input_bytes": second * 2048}
            self.server.plane.tick()
            self.server.clock.advance(1)
        found = self.sections()["Stats"]
        self.assertEqual((found["instantaneous_ops_per_sec"], found["instantaneous_input_kbps"]), ("50", "2.00"))

    def test_commandstats(self) -> None:
        """Each command that was called or rejected has its counts and its percentiles."""
        buckets = [0] * 36
        buckets[0], buckets[3] = 98, 2
        self.store.commands = [
            CommandCount("client|list", 100, 123_456_789, 2, 3, buckets),
            CommandCount("get", 0, 0, 4, 0, [0] * 36),
        ]
        found = self.sections("INFO all")
        self.assertEqual(
            found["Commandstats"],
            {
                "cmdstat_client|list": "calls=100,usec=123456,usec_per_call=1234.57,rejected_calls=2,failed_calls=3",
                "cmdstat_get": "calls=0,usec=0,usec_per_call=0.00,rejected_calls=4,failed_calls=0",
            },
        )
        self.assertEqual(
            found["Latencystats"],
            {"latency_percentiles_usec_client|list": "p50=0.510,p99=6.000,p99.9=7.800"},
        )


class FormatTests(SynchronousTestCase):
    """Numbers for people."""

    def test_human(self) -> None:
        """Sizes have two digits after the point and the largest unit that fits."""
        sizes = {0: "0B", 1023: "1023B", 1024: "1.00K", 1536: "1.50K", MIB: "1.00M", 3 * 2**40: "3.00T"}
        for size, text in sizes.items():
            self.assertEqual(human(size), text)
        self.assertEqual(human(2**61), "2048.00P")

    def test_percentile(self) -> None:
        """A percentile lies in the bucket of the call that it names; without calls it is 0."""
        empty = CommandCount("get", 0, 0, 0, 0, [0] * 36)
        self.assertEqual(percentile(empty, 0.5), 0.0)
        one = CommandCount("get", 1, 0, 0, 0, [0, 0, 0, 1])
        self.assertEqual(percentile(one, 1.0), 8.0)


class DocumentationTests(SynchronousTestCase):
    """docs/monitoring.md."""

    def test_fields(self) -> None:
        """Each field that the page explains is there, in the section that it names."""
        server = Server()
        text = (pathlib.Path(__file__).parents[2] / "docs/monitoring.md").read_text(encoding="utf-8")
        rows = [line.strip("| ").split(" | ")[:2] for line in text.splitlines() if line.startswith("| `")]
        self.assertGreater(len(rows), 10)
        for field, section in rows:
            self.assertIn("\r\n{}:".format(field.strip("`")), server.run(f"INFO {section}").decode())
