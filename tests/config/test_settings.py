"""The table of settings is whole, and what is made from it is current."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import runpy
import tomllib

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.settings import BY_NAME, SECTIONS, SETTINGS, Kind
from redistill.config.values import check, literal, parse, show
from redistill.observe import metrics

ROOT = pathlib.Path(__file__).parents[2]


def no_memory() -> int:
    """No default is a percentage, so nobody asks for the machine's memory."""
    raise AssertionError("asked for the machine's memory")


class TableTests(SynchronousTestCase):
    """`SETTINGS`."""

    def test_names_are_unique(self) -> None:
        """No two settings share a name, a name on the wire, or an environment variable."""
        for names in (
            [row.name for row in SETTINGS],
            [row.wire_name for row in SETTINGS],
            [row.environ for row in SETTINGS if row.environ],
        ):
            self.assertEqual(sorted(set(names)), sorted(names))

    def test_names_on_the_wire_are_lower_case(self) -> None:
        """CONFIG GET matches names without case, so the table has them in lower case."""
        self.assertEqual([row.wire_name for row in SETTINGS], [row.wire_name.lower() for row in SETTINGS])

    def test_sections_hold_the_defaults(self) -> None:
        """A section that is made without arguments has the defaults of the table."""
        for section, fields in SECTIONS.items():
            expected = {row.key: row.default for row in SETTINGS if row.section == section}
            self.assertEqual(dataclasses.asdict(fields()), expected)

    def test_defaults_are_good_values(self) -> None:
        """Each default passes the judgement that a configuration file's value has to pass."""
        for row in SETTINGS:
            if row.kind in (Kind.PASSWORDS, Kind.ADDRESSES, Kind.NAMES, Kind.ENDPOINTS) or row.words:
                continue  # their notation in the file is another
            self.assertEqual(check(row, row.default, no_memory), row.default, row.name)

    def test_default_survives_config_get_and_set(self) -> None:
        """CONFIG SET takes the text that CONFIG GET shows of a default, as the same value."""
        for row in SETTINGS:
            self.assertEqual(parse(row, show(row, row.default), no_memory), row.default, row.name)

    def test_default_survives_the_file(self) -> None:
        """A default that is written into the configuration file is read as the same value."""
        for row in SETTINGS:
            read = tomllib.loads(f"key = {literal(row, row.default)}")["key"]
            self.assertEqual(check(row, read, no_memory), row.default, row.name)

    def test_help_stands_alone(self) -> None:
        """No help text leans on another one: rows move, and CONFIG, check-config and the documentation show one alone."""
        leaning = re.compile(r"^(the same|of these|of them|also)\b|\b(above|below|as well|likewise)\b", re.IGNORECASE)
        for row in SETTINGS:
            self.assertIsNone(leaning.search(row.help), f"{row.name}: {row.help}")
        texts = [*metrics.COUNTERS.values(), *(text for _, text in metrics.RENAMED.values())]
        for text in texts:
            self.assertIsNone(leaning.search(text), text)
        self.assertEqual(len({row.help for row in SETTINGS}), len(SETTINGS))

    def test_help_is_one_line(self) -> None:
        """Each help text is one line that begins with a capital and ends without a full stop."""
        for row in SETTINGS:
            self.assertRegex(row.help, r"\A[A-Z].*[^.\s]\Z", row.name)
            self.assertLess(len(row.help), 110, row.name)

    def test_design_table(self) -> None:
        """The documented keys have their documented defaults and environment variables."""
        table = {
            "server.bind": (("127.0.0.1",), "REDIS_BIND"),
            "server.port": (6379, "REDIS_PORT"),
            "server.unix_socket": ("", "REDIS_UNIX_SOCKET"),
            "server.endpoints": ((), "REDISTILL_ENDPOINTS"),
            "server.workers": (0, "REDISTILL_WORKERS"),
            "server.num_shards": (256, "REDIS_NUM_SHARDS"),
            "server.batch_size": (16, "REDIS_BATCH_SIZE"),
            "server.buffer_size": (16384, "REDIS_BUFFER_SIZE"),
            "server.buffer_pool_size": (1024, "REDIS_BUFFER_POOL_SIZE"),
            "server.max_connections": (10000, "REDIS_MAX_CONNECTIONS"),
            "server.max_connections_per_ip": (0, ""),
            "server.connection_rate_limit": (0, ""),
            "server.connection_timeout": (300, ""),
            "server.health_check_port": (0, "REDIS_HEALTH_CHECK_PORT"),
            "server.health_check_bind": ("127.0.0.1", "REDIS_HEALTH_CHECK_BIND"),
            "server.shutdown_grace_period_secs": (30, "REDIS_SHUTDOWN_GRACE_SECS"),
            "security.password": ((), "REDIS_PASSWORD"),
            "security.password_file": ("", ""),
            "security.tls_enabled": (False, ""),
            "security.tls_cert_path": ("", ""),
            "security.tls_key_path": ("", ""),
            "security.tls_port": (0, ""),
            "security.tls_ca_path": ("", ""),
            "security.tls_client_auth": ("no", ""),
            "security.tls_min_version": ("1.2", ""),
            "memory.max_memory": (0, "REDIS_MAX_MEMORY"),
            "memory.eviction_policy": ("allkeys-lru", "REDIS_EVICTION_POLICY"),
            "memory.eviction_sample_size": (5, ""),
            "memory.arena_path": ("", "REDISTILL_ARENA_PATH"),
            "logging.level": ("info", ""),
            "logging.format": ("text", ""),
            "performance.tcp_nodelay": (True, "REDIS_TCP_NODELAY"),
            "performance.tcp_keepalive": (60, "REDIS_TCP_KEEPALIVE"),
        }
        self.assertEqual({name: (BY_NAME[name].default, BY_NAME[name].environ) for name in table}, table)


class GeneratedFileTests(SynchronousTestCase):
    """The files that docs/gen_configuration.py writes."""

    def setUp(self) -> None:
        """Load the generator without letting it write."""
        self.made = runpy.run_path(str(ROOT / "docs/gen_configuration.py"))

    def test_files_are_current(self) -> None:
        """The files in the tree are what `make gen` would write."""
        for path, maker in (("etc/redistill.toml", "etc"), ("man/redistill.toml.5", "man")):
            self.assertEqual((ROOT / path).read_text(), self.made[maker](), path)
        self.assertEqual((ROOT / "docs/configuration.md").read_text(), self.made["markdown"]())

    def test_example_file_shows_the_defaults(self) -> None:
        """With every setting of etc/redistill.toml uncommented, the file says the defaults."""
        lines = self.made["etc"]().splitlines()
        text = "\n".join(line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines)
        said = {
            f"{section}.{key}": check(BY_NAME[f"{section}.{key}"], raw, no_memory)
            for section, table in tomllib.loads(text).items()
            for key, raw in table.items()
        }
        self.assertEqual(said, {row.name: row.default for row in SETTINGS})
