"""Replies that describe the server: not the same values as redis-server's, but the same names, types and order."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from . import sides
from .compare import settled
from .peers import Conversation, ask
from .replies import Reply, as_pairs, shape

# Sections and fields of INFO that clients, exporters and dashboards read.
INFO_FIELDS = {
    "Server": "redis_version redis_mode os arch_bits process_id tcp_port uptime_in_seconds uptime_in_days hz run_id server_time_usec",
    "Clients": "connected_clients maxclients blocked_clients client_recent_max_input_buffer client_recent_max_output_buffer",
    "Memory": "used_memory used_memory_human used_memory_rss used_memory_peak used_memory_peak_human maxmemory maxmemory_human "
    "maxmemory_policy mem_fragmentation_ratio used_memory_dataset used_memory_overhead total_system_memory mem_allocator",
    "Persistence": "loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time aof_enabled",
    "Stats": "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes "
    "total_net_output_bytes rejected_connections expired_keys evicted_keys keyspace_hits keyspace_misses total_error_replies "
    "pubsub_channels latest_fork_usec",
    "Replication": "role connected_slaves master_replid master_repl_offset",
    "CPU": "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children",
    "Keyspace": "db0",
}


def sections(reply: Reply) -> dict[str, dict[str, str]]:
    """INFO's text as section -> field -> value."""
    found: dict[str, dict[str, str]] = {}
    text = reply.value.decode().removeprefix("txt:")
    for line in text.split("\r\n"):
        if line.startswith("# "):
            found[line[2:]] = {}
        elif line:
            name, _, value = line.partition(":")
            found[list(found)[-1]][name] = value
    return found


def without_notes(reply: Reply) -> Reply:
    """Key specifications without their notes, whose words are each server's own."""
    if reply.kind == "%":
        return Reply("%", tuple((k, without_notes(v)) for k, v in reply.value if k.value != b"notes"))
    if reply.kind in "*~":
        return Reply(reply.kind, tuple(without_notes(item) for item in reply.value))
    return reply


class ShapeTests(SynchronousTestCase):
    """One question to redis-server and to Redistill."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.oracle().open(), sides.ours().open()
        for client in (self.theirs, self.ours):
            self.addCleanup(client.close)
            ask(client, "FLUSHALL")

    def both(self, *argv: str) -> tuple[Reply, Reply]:
        """The replies of the two."""
        return ask(self.theirs, *argv), ask(self.ours, *argv)

    def test_hello(self) -> None:
        """HELLO's map has the same names in the same order, and values of the same types, in RESP2 and in RESP3."""
        for version in ("2", "3"):
            theirs, ours = self.both("HELLO", version)
            self.assertEqual(shape(theirs), shape(ours))
            names, ours_names = as_pairs(theirs), as_pairs(ours)
            self.assertEqual(list(names), list(ours_names))
            for name in (b"server", b"proto", b"mode", b"role", b"modules"):
                self.assertEqual(names[name], ours_names[name])

    def test_client_info(self) -> None:
        """CLIENT INFO's line has redis-server's fields in their order, and one line of CLIENT LIST is the same."""
        self.both("CLIENT", "SETNAME", "me")
        theirs, ours = self.both("CLIENT", "INFO")
        fields = [[pair.split(b"=")[0] for pair in reply.value.split()] for reply in (theirs, ours)]
        self.assertEqual([name for name in fields[0] if name not in fields[1]], [])
        self.assertEqual([name for name in fields[1] if name in fields[0]], fields[0])
        ours_now = dict(pair.split(b"=", 1) for pair in ours.value.split())
        theirs_now = dict(pair.split(b"=", 1) for pair in theirs.value.split())
        for name in (b"name", b"db", b"sub", b"psub", b"multi", b"cmd", b"user", b"redir", b"resp", b"flags"):
            self.assertEqual(theirs_now[name], ours_now[name], f"{name!r}")
        listed = ask(self.ours, "CLIENT", "LIST").value
        self.assertIn(b"id=%b " % ours_now[b"id"], listed)
        self.assertEqual({len(line.split()) for line in listed.splitlines()}, {len(fields[1])})

    def test_client_list_of_ids(self) -> None:
        """CLIENT LIST ID names the clients asked for, CLIENT KILL ID ends them."""
        other = sides.ours().open()
        self.addCleanup(other.close)
        number = ask(other, "CLIENT", "ID").value
        self.assertEqual(len(ask(self.ours, "CLIENT", "LIST", "ID", number).value.splitlines()), 1)
        self.assertEqual(ask(self.ours, "CLIENT", "KILL", "ID", number), Reply(":", 1))
        self.assertEqual(ask(other, "PING").kind, "closed")

    def test_info(self) -> None:
        """INFO has the sections and fields that clients and dashboards read."""
        self.both("SET", "k", "v")
        theirs, ours = (sections(reply) for reply in self.both("INFO"))
        for section, names in INFO_FIELDS.items():
            self.assertEqual(set(names.split()) - set(theirs[section]), set(), "the test's own list")
            self.assertEqual(set(names.split()) - set(ours.get(section, {})), set(), section)
        self.assertEqual(ours["Persistence"]["loading"], "0")
        self.assertEqual(ours["Replication"]["role"], "master")
        self.assertRegex(ours["Keyspace"]["db0"], r"^keys=1,expires=0,avg_ttl=0")
        self.assertEqual([name for name in theirs if name not in ours and name not in ("Modules", "Cluster")], [])

    def test_info_by_section(self) -> None:
        """One section, several, all, everything; an unknown one is empty."""
        for argv in (
            ["server"],
            ["SERVER"],
            ["server", "cpu"],
            ["nosuch"],
            ["commandstats"],
            ["errorstats"],
            ["latencystats"],
            ["keyspace"],
        ):
            self.both("GET", "k")
            theirs, ours = (sections(reply) for reply in self.both("INFO", *argv))
            self.assertEqual(list(theirs), list(ours), f"{argv}")
        for argv in (["all"], ["everything"], ["default"]):
            theirs, ours = (sections(reply) for reply in self.both("INFO", *argv))
            self.assertEqual(set(theirs) - set(ours) - {"Modules", "Cluster"}, set(), f"{argv}")

    def test_commandstats(self) -> None:
        """cmdstat and errorstat lines as exporters parse them."""
        self.both("CONFIG", "RESETSTAT")
        self.both("GET", "k")
        self.both("GET")
        self.both("NOSUCH")
        self.both("INCRBY", "k", "x")
        theirs, ours = (sections(ask(c, "INFO", "commandstats", "errorstats")) for c in (self.theirs, self.ours))
        number = r"[0-9]+(\.[0-9]+)?"
        for name in ("cmdstat_get", "cmdstat_incrby"):
            line = ours["Commandstats"][name]
            self.assertRegex(
                line,
                rf"^calls={number},usec={number},usec_per_call={number},rejected_calls=[0-9]+,failed_calls=[0-9]+$",
            )
            counts = [
                [part for part in text.split(",") if "usec" not in part]
                for text in (line, theirs["Commandstats"][name])
            ]
            self.assertEqual(counts[0], counts[1])
        self.assertEqual(theirs["Errorstats"], ours["Errorstats"])

    def test_config_get(self) -> None:
        """Parameters that clients ask for exist, are text, and come as a map in RESP3."""
        names = ["maxmemory", "maxmemory-policy", "databases", "timeout", "save", "appendonly", "maxclients", "port", "bind", "slowlog-max-len",
                 "slowlog-log-slower-than", "tcp-keepalive", "lfu-log-factor", "lfu-decay-time", "maxmemory-samples", "proto-max-bulk-len",
                 "replica-read-only", "notify-keyspace-events", "requirepass", "latency-monitor-threshold"]  # fmt: skip
        for version in ("2", "3"):
            self.both("HELLO", version)
            theirs, ours = self.both("CONFIG", "GET", *names)
            self.assertEqual(theirs.kind, ours.kind)
            self.assertEqual(set(as_pairs(theirs)) - set(as_pairs(ours)), set())
            self.assertEqual({reply.kind for reply in as_pairs(ours).values()}, {"$"})
            for name in (b"databases", b"save", b"appendonly"):
                self.assertEqual(as_pairs(ours)[name], as_pairs(theirs)[name], f"{name!r}")
        globbed = set(as_pairs(ask(self.ours, "CONFIG", "GET", "maxmem*")))
        self.assertEqual({b"maxmemory", b"maxmemory-policy", b"maxmemory-samples"} - globbed, set())
        self.assertEqual([name for name in globbed if not name.startswith(b"maxmem")], [])

    def test_config_set(self) -> None:
        """A change of maxmemory-policy and of the slow log is seen by CONFIG GET; what cannot be is refused."""
        old = as_pairs(ask(self.ours, "CONFIG", "GET", "maxmemory-policy", "slowlog-log-slower-than"))
        for name, value in ((b"maxmemory-policy", b"allkeys-lfu"), (b"slowlog-log-slower-than", b"12345")):
            self.assertEqual(ask(self.ours, "CONFIG", "SET", name, value), Reply("+", b"OK"))
            self.assertEqual(as_pairs(ask(self.ours, "CONFIG", "GET", name)), {name: Reply("$", value)})
            self.assertEqual(ask(self.ours, "CONFIG", "SET", name, old[name].value), Reply("+", b"OK"))
        for argv in (
            ["maxmemory-policy", "nosuch"],
            ["nosuch", "1"],
            ["databases", "5"],
            ["timeout", "abc"],
            ["maxmemory", "-1"],
            ["timeout"],
        ):
            theirs, ours = self.both("CONFIG", "SET", *argv)
            self.assertEqual((theirs.kind, theirs.value.split()[0]), (ours.kind, ours.value.split()[0]), f"{argv}")
        self.assertEqual(*self.both("CONFIG", "SET", "nosuch", "1"))

    def test_slow_log(self) -> None:
        """Entries have redis-server's six fields, newest first."""
        for client in (self.theirs, self.ours):
            ask(client, "CLIENT", "SETNAME", "slow")
            ask(client, "CONFIG", "SET", "slowlog-log-slower-than", "0")
            ask(client, "SLOWLOG", "RESET")
            ask(client, "SET", "k", "x" * 200)
            ask(client, "GET", "k")
        theirs, ours = self.both("SLOWLOG", "GET", "2")
        self.both("CONFIG", "SET", "slowlog-log-slower-than", "10000")
        self.assertEqual(shape(theirs), shape(ours))
        self.assertEqual([entry.value[3] for entry in theirs.value], [entry.value[3] for entry in ours.value])
        self.assertEqual([entry.value[5] for entry in ours.value], [Reply("$", b"slow")] * 2)
        self.assertGreater(ours.value[0].value[0].value, ours.value[1].value[0].value)

    def test_time(self) -> None:
        """TIME is two numbers as text, the same second within the test's own duration."""
        theirs, ours = self.both("TIME")
        self.assertEqual(shape(theirs), shape(ours))
        self.assertLess(abs(int(theirs.value[0].value) - int(ours.value[0].value)), 30)


# What Redis 7.2 changed: ZRANK has WITHSCORE, and WAIT is a blocking command.
NEWER_ROWS = {(b"zrank", "arity"), (b"zrevrank", "arity"), (b"wait", "flags"), (b"wait", "categories")}


class CommandTableTests(SynchronousTestCase):
    """COMMAND describes each of our commands as redis-server does."""

    def setUp(self) -> None:
        self.theirs, self.ours = sides.oracle().open(), sides.ours().open()
        for client in (self.theirs, self.ours):
            self.addCleanup(client.close)
            ask(client, "HELLO", "3")

    def table(self, client: Conversation) -> dict[bytes, tuple[Reply, ...]]:
        """COMMAND's rows by name, subcommands among them."""
        rows, todo = {}, list(ask(client, "COMMAND").value)
        while todo:
            row = settled(todo.pop()).value
            rows[row[0].value] = row
            todo += row[9].value
        return rows

    def test_rows(self) -> None:
        """Name, arity, flags, key positions, categories, tips and key specifications agree, but for the words of notes."""
        theirs, ours = self.table(self.theirs), self.table(self.ours)
        wrong = []
        names = ("name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specs")
        for command, row in sorted(ours.items()):
            for name, t, o in zip(names, theirs.get(command, ()), row, strict=False):
                if without_notes(t) != without_notes(o) and (command, name) not in NEWER_ROWS:
                    wrong.append(f"{command.decode()}: {name}: theirs {t!r}, ours {o!r}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_docs(self) -> None:
        """COMMAND DOCS: each command has its group and first version."""
        theirs, ours = (as_pairs(ask(client, "COMMAND", "DOCS")) for client in (self.theirs, self.ours))
        for command in sorted(set(theirs) & set(ours)):
            t, o = as_pairs(theirs[command]), as_pairs(ours[command])
            for name in (b"since", b"group"):
                self.assertEqual(t[name], o[name], f"{command!r} {name!r}")
            self.assertIn(b"summary", o)

    def test_count_and_list(self) -> None:
        """COUNT and LIST speak of the same table."""
        names = {item.value for item in ask(self.ours, "COMMAND", "LIST").value}
        self.assertEqual(names, set(self.table(self.ours)))
        self.assertEqual(ask(self.ours, "COMMAND", "COUNT").value, len([name for name in names if b"|" not in name]))
