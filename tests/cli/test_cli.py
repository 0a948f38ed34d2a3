"""The parts of the redistill command that need no server; `tests.integration.test_command` has the rest."""

from __future__ import annotations

import datetime
import errno
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner
from rich.console import Console
from twisted.trial.unittest import SynchronousTestCase

from redistill import __version__
from redistill.cli import main
from redistill.cli.connection import Target, fields, local
from redistill.cli.secrets import Secret, as_text, read
from redistill.cli.top import Look, percentiles, rate, short, size, view
from redistill.config import load, sizing
from tests.support.certificates import Certificates
from tests.support.manager import PlayedManager

reloading = importlib.import_module("redistill.cli.reload")  # the package has commands of these names
draining = importlib.import_module("redistill.cli.drain")
ROOT = Path(__file__).resolve().parents[2]
INFO = {
    "redistill_version": "9.9",
    "uptime_in_seconds": "93784",
    "connected_clients": "5",
    "maxclients": "10",
    "used_memory": "1048576",
    "maxmemory": "2097152",
    "db0": "keys=1500,expires=0,avg_ttl=0",
}


class TargetTests(SynchronousTestCase):
    """Where a subcommand connects to, and as whom."""

    def target(self, text: str, environ: dict[str, str] | None = None, **options: Any) -> Target:
        """From a configuration file and options."""
        path = Path(self.mktemp())
        path.write_text(text)
        return Target.of(environ or {}, config=str(path), **options)

    def test_from_the_configuration(self) -> None:
        """The server's own address and first password."""
        found = self.target('[server]\nbind = "0.0.0.0"\nport = 7000\n[security]\npassword = ["a", "b"]')
        self.assertEqual((found.address, found.password, found.tls), ("127.0.0.1:7000", "a", False))
        found = self.target('[server]\nport = 0\nunix_socket = "/run/r.sock"')
        self.assertEqual((found.address, found.is_local), ("/run/r.sock", True))

    def test_tls(self) -> None:
        """The port that speaks TLS where that is asked for, or all there is."""
        text = '[server]\nport = {port}\n[security]\ntls_port = 7001\ntls_cert_path = "/c"\ntls_key_path = "/k"'
        plain = self.target(text.format(port=7000))
        self.assertEqual((plain.port, plain.tls, plain.cacert), (7000, False, ""))
        for found in (self.target(text.format(port=7000), tls=True), self.target(text.format(port=0))):
            self.assertEqual((found.port, found.tls, found.cacert), (7001, True, "/c"))

    def test_options(self) -> None:
        """They take precedence; the password of the environment does, too."""
        text = '[security]\npassword = "a"'
        found = self.target(text, {"REDISTILL_PASSWORD": "x"}, host="::1", port=1, user="bob")
        self.assertEqual((found.host, found.port, found.user, found.password), ("::1", 1, "bob", "x"))
        self.assertEqual(self.target(text, {"REDISCLI_AUTH": "y"}).password, "y")
        self.assertEqual(self.target(text, user="bob").password, "")  # the default user's is not bob's
        self.assertEqual(self.target(text, socket="/s").address, "/s")

    def test_port_that_speaks_tls(self) -> None:
        """Whoever names a port gets what the configuration says of it, and of another port plain connections."""
        text = '[server]\nport = 7000\n[security]\ntls_port = 7001\ntls_cert_path = "/c"\ntls_key_path = "/k"'
        found = [self.target(text, port=port) for port in (7000, 7001, 7002)]
        self.assertEqual([one.tls for one in found], [False, True, False])
        self.assertEqual([one.named for one in found], [False, False, True])
        found = [self.target('[server]\nport = 0\nunix_socket = "/s"', port=port) for port in (None, 7000)]
        self.assertEqual([(one.socket, one.port, one.tls) for one in found], [("/s", 0, False), ("", 7000, False)])

    def test_no_port(self) -> None:
        """A server without a port is an error that says so."""
        text = '[security]\ntls_enabled = {}\ntls_cert_path = "/c"\ntls_key_path = "/k"'
        for configured, kind in (("true", "connections without TLS"), ("false", "TLS")):
            problem = self.assertRaises(
                click.ClickException, self.target, text.format(configured), tls=configured == "false"
            )
            self.assertTrue(problem.message.endswith(f" has no port for {kind}; name it with --port"), problem.message)

    def test_password_is_for_its_server(self) -> None:
        """That of the configuration is not sent to whoever --host names, unless --config names the file as well."""
        path = Path(self.mktemp())
        path.write_text('[security]\npassword = "a"')
        environ = {"REDISTILL_CONFIG": str(path)}
        given = ({}, {"host": "localhost"}, {"host": "cache.example"}, {"host": "cache.example", "config": str(path)})
        found = [Target.of(environ, **options) for options in given]
        self.assertEqual([one.password for one in found], ["a", "a", "", "a"])
        self.assertEqual([one.is_local for one in found], [True, True, False, False])
        self.assertEqual([one.named for one in found], [False, True, True, True])

    def test_mistake(self) -> None:
        """An error in the configuration is one line."""
        problem = self.assertRaises(click.ClickException, self.target, "[server]\nport = true")
        self.assertIn("server.port", problem.message)

    def test_local(self) -> None:
        """Any address is reached by this machine's own."""
        for bind, host in (
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("-::1", "::1"),
            ("10.0.0.1", "10.0.0.1"),
            ("", "127.0.0.1"),
        ):
            self.assertEqual(local(bind), host)

    def test_fields(self) -> None:
        """The fields of a line of INFO; text that is no field is left out."""
        self.assertEqual(fields("a=1,b=x y,junk"), {"a": "1", "b": "x y"})


class PlayedServer:
    """Answers INFO secrets."""

    def __init__(self, text: str) -> None:
        self.text = text

    def info_text(self, *sections: str) -> str:
        return self.text


class SecretsTests(SynchronousTestCase):
    """redistill secrets."""

    def test_read(self) -> None:
        """A line a secret."""
        text = (
            "# Secrets\nsecret_00ab:user=default,source=config,last_used=7,connections=2,authentications=9,"
            "libraries=jedis 5|redis-py 8\nsecret_0a:user=,source=gone,last_used=0,connections=1,authentications=1,libraries=\n"
        )
        one = Secret("00ab", "default", "config", 7, 2, 9, ("jedis 5", "redis-py 8"))
        found = read(PlayedServer(text))  # type: ignore[arg-type]
        self.assertEqual(found, [one, Secret("0a", "", "gone", 0, 1, 1, ())])
        self.assertEqual(json.loads(as_text(found, True))[0]["libraries"], ["jedis 5", "redis-py 8"])
        lines = as_text(found, False).splitlines()
        self.assertEqual(
            lines[0].split(), ["SECRET", "USER", "FROM", "LAST", "USED", "CONNECTIONS", "LOGINS", "LIBRARIES"]
        )
        self.assertIn("jedis 5, redis-py 8", lines[1])
        self.assertEqual(lines[2].split(), ["0a", "-", "no", "longer", "valid", "never", "1", "1"])
        self.assertEqual(len({line.index(word) for line, word in zip(lines, ("CONN", "2   ", "1   "), strict=True)}), 1)
        self.assertEqual(as_text([], False), "no passwords: every client is let in")

    def test_older_server(self) -> None:
        """A server that does not know is told from one without passwords."""
        self.assertEqual(read(PlayedServer("# Secrets\n")), [])  # type: ignore[arg-type]
        self.assertRaises(click.ClickException, read, PlayedServer(""))


class PlayedTarget:
    """A server elsewhere that answers with these run ids, one after another; None: not at all."""

    address = "cache.example:6379"

    def __init__(self, *run_ids: str | None) -> None:
        self.run_ids = list(run_ids)

    @contextmanager
    def connect(self, timeout: float) -> Iterator[PlayedTarget]:
        """It, if it is there."""
        if self.run_ids[0] is None:
            raise click.ClickException("refused")
        yield self

    def info(self, *sections: str) -> dict[str, str]:
        """Its identity."""
        return {"run_id": str(self.run_ids.pop(0))}


class DrainTests(SynchronousTestCase):
    """How the end of a server is noticed."""

    def setUp(self) -> None:
        """Nobody waits in between."""
        self.patch(draining, "PAUSE", 0)

    def test_end_elsewhere(self) -> None:
        """It has come when nobody answers, or another server in its place; else the time is over."""
        for run_ids, seconds, ended in (
            (("a", "a", None), 60.0, True),
            (("a", "b"), 60.0, True),
            (("a", "a"), 0.0, False),
        ):
            target: Any = PlayedTarget(*run_ids)
            self.assertEqual(draining.port_ended(target, {"run_id": "a"}, seconds), ended, run_ids)

    def test_process_is_the_server(self) -> None:
        """A process of the server's number, but of another age, is another one: that of a container is not ours."""
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.addCleanup(child.communicate)
        for uptime, is_it in ((3600, False), (0, True)):
            held = draining.held({"process_id": str(child.pid), "uptime_in_seconds": str(uptime)})
            self.assertEqual(held is not None, is_it)
            if held is not None:
                self.addCleanup(os.close, held)
                self.assertFalse(draining.process_ended(held, 0))
                child.communicate()
                self.assertTrue(draining.process_ended(held, 20))
        self.assertIs(draining.held({"process_id": str(child.pid), "uptime_in_seconds": "0"}), None)

    def test_process_that_is_older(self) -> None:
        """A process that was there long before the server is another one: so is the first of this machine, when the
        server is the first in its container."""
        proc = Path(self.mktemp())
        (proc / str(os.getpid())).mkdir(parents=True)
        for age, is_it in ((draining.BEFORE_SERVING - 1, True), (draining.BEFORE_SERVING + 1, False)):
            began = int((time.clock_gettime(time.CLOCK_BOOTTIME) - 50 - age) * os.sysconf("SC_CLK_TCK"))
            (proc / str(os.getpid()) / "stat").write_text(f"1 (a) b) S {'0 ' * 18}{began} 0")
            info = {"process_id": str(os.getpid()), "uptime_in_seconds": "50"}
            held = draining.held(info, str(proc))
            self.assertEqual(held is not None, is_it)
            if held is not None:
                os.close(held)


class TopTests(SynchronousTestCase):
    """redistill top."""

    def test_numbers(self) -> None:
        """As people read them; a counter that was reset counts from 0."""
        self.assertEqual([short(n) for n in (0, 999, 1500, 2.5e6, 3e9)], ["0", "999", "1.5k", "2.5M", "3.0G"])
        self.assertEqual([size(n) for n in (5, 2048, 3 << 20, 5 << 40)], ["5 B", "2.0 KiB", "3.0 MiB", "5.0 TiB"])
        self.assertEqual([rate(10, 30, 2), rate(10, 4, 2), rate(0, 5, 0)], [10, 2, 0])

    def test_percentiles(self) -> None:
        """The percentile of the calls between two looks, by the histogram's bounds; a new bound counts."""
        two = {2: 10, 4: 20}
        for before, after, expected in (
            ({}, {}, []),
            (two, two, []),
            ({}, {1: 10}, [0.5, 0.99]),
            ({}, two, [2.0, 3.96]),
            ({4: 10}, {2: 10, 4: 20}, [1.5, 1.99]),
            (two, {2: 10, 4: 20, 512: 30}, [384.0, 509.44]),
            ({2: 500}, {2: 10}, [1.5, 1.99]),
        ):
            found = percentiles(before, after, 0.5, 0.99)
            self.assertEqual([round(one, 6) for one in found], expected, (before, after))

    def test_view(self) -> None:
        """Rates per second between two looks."""
        old = Look(
            100.0,
            {
                **INFO,
                "total_commands_processed": "1000",
                "keyspace_hits": "0",
                "keyspace_misses": "0",
                "cmdstat_get": "calls=10,usec=100,usec_per_call=10.00,rejected_calls=0,failed_calls=0",
                "worker0": "pid=1,clients=3,commands=1000,cpu_user=1.0,cpu_sys=1.0",
                "worker1": "pid=2,clients=2,commands=50,cpu_user=9.0,cpu_sys=1.0",
            },
            {"get": {1024: 10}},
        )
        new = Look(
            102.0,
            {
                **INFO,
                "total_commands_processed": "5000",
                "keyspace_hits": "300",
                "keyspace_misses": "100",
                "cmdstat_get": "calls=4010,usec=8100,usec_per_call=2.02,rejected_calls=0,failed_calls=2",
                "worker0": "pid=1,clients=3,commands=5000,cpu_user=2.0,cpu_sys=1.5",
                "worker1": "pid=7,clients=2,commands=0,cpu_user=0.1,cpu_sys=0.0",
            },
            {"get": {2: 3920, 8: 4000, 1024: 4010}},
        )
        console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        self.addCleanup(console.file.close)
        console.print(view(old, new))
        words = [line.split() for line in console.export_text().splitlines()]
        self.assertIn(["redistill", "9.9", "up", "1d", "02:03:04", "clients", "5/10"], words)
        self.assertIn(["commands/s", "2.0k", "hit", "ratio", "75.0%", "keys", "1.5k"], words)
        self.assertIn(["0", "3", "2.0k", "75%"], words)
        self.assertIn(["1", "2", "0", "0%"], words)  # another process: its predecessor's time is not its own
        self.assertIn(["get", "2.0k", "2.00", "1.5", "6.0", "1"], words)
        memory = next(line for line in words if line[:1] == ["memory"])
        self.assertEqual(" ".join(memory[-4:]), "of 2.0 MiB, 50%")


class CommandTests(SynchronousTestCase):
    """The command line."""

    def run_it(self, *words: str, **options: Any) -> tuple[int, str]:
        """Exit status and output of a subcommand."""
        result = CliRunner().invoke(main, words, **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def test_version_and_help(self) -> None:
        """Every subcommand explains itself."""
        self.assertEqual(self.run_it("--version"), (0, f"redistill {__version__}\n"))
        for name in main.commands:
            status, text = self.run_it(name, "--help")
            self.assertEqual(status, 0)
            self.assertTrue(text.startswith(f"Usage: main {name}"), text)

    def test_wrong_options(self) -> None:
        """Status 2, as is usual."""
        self.assertEqual(self.run_it("nosuch")[0], 2)
        self.assertEqual(self.run_it("health", "--port", "0")[0], 2)
        self.assertEqual(self.run_it("check-config", "a", "b")[0], 2)
        self.assertEqual(self.run_it("reload", env={"MAINPID": ""})[0], 2)

    def test_configuration_that_would_be_read(self) -> None:
        """check-config without a file is about the one of the environment, or about none."""
        path = Path(self.mktemp())
        path.write_text("[server]\nprot = 1\n")
        self.assertIn(f"{path}:2: ", self.run_it("check-config", env={"REDISTILL_CONFIG": str(path)})[1])
        self.patch(load, "DEFAULT_PATH", "/none")
        environ = {"REDISTILL_CONFIG": None, "REDIS_PORT": "7000"}
        self.assertEqual(self.run_it("check-config", env=environ), (0, "the environment is valid\n"))

    def test_reload(self) -> None:
        """The manager hears of a reload before the server does, and waits; an error leaves the server alone, and is the
        status. A server that is not there is an error, too."""
        manager = PlayedManager(self)
        path = Path(self.mktemp())
        path.write_text("")
        sent: list[object] = []
        self.patch(reloading.os, "kill", lambda pid, number: sent.append((pid, number, manager.heard())))
        environ = {**manager.environ, "MAINPID": "7"}
        self.assertEqual(self.run_it("reload", "-c", str(path), env=environ), (0, f"{path} is valid\n"))
        ((pid, number, heard),) = sent  # type: ignore[misc]
        self.assertEqual((pid, number, len(heard)), (7, signal.SIGHUP, 1))
        self.assertRegex(heard[0], r"RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=Reloading$")
        path.write_text("[server]\nprot = 1\n")
        status, text = self.run_it("reload", "-c", str(path), env=environ)
        self.assertEqual((status, text.count("\n"), len(sent)), (1, 1, 1), text)
        refused = f"STATUS=Serving clients; the last reload was refused: {path} has errors"
        self.assertEqual(manager.heard(), [refused])
        path.write_text("")

        def gone(pid: int, number: int) -> None:
            raise ProcessLookupError(errno.ESRCH, "")

        self.patch(reloading.os, "kill", gone)
        status, text = self.run_it("reload", "-c", str(path), "--pid", "8")
        self.assertEqual(
            (status, text.splitlines()[-1]), (1, "redistill: cannot send SIGHUP to process 8: No such process")
        )

    def test_options_before_a_command(self) -> None:
        """They are the command's, if it has them."""
        status, text = self.run_it("--port", "0", "health")
        self.assertEqual((status, "0 is not in the range" in text), (2, True), text)
        status, text = self.run_it("--bind", "::", "info")
        self.assertEqual((status, "info has no option --bind" in text), (2, True), text)

    def checked(self, text: str, *options: str, **environ: str) -> tuple[int, list[str]]:
        """Exit status and lines of check-config, FILE in place of the path of a file that says `text`."""
        path = Path(self.mktemp())
        path.write_text(text)
        status, said = self.run_it("check-config", *options, str(path), env=environ)
        return status, said.replace(str(path), "FILE").splitlines()

    def test_each_mistake_is_named(self) -> None:
        """All that is wrong with a file has its line and its remedy; passwords are not shown."""
        status, lines = self.checked(
            '[server]\nport = 99999\n\nprot = 1\nnum_shards = 100\n[security]\npassword = ["geheim", ""]\n'
            'tls_port = 7\nacl_file = "/none/acl"\n[foo]\na = 1\n'
        )
        self.assertEqual(status, 1)
        for line, start, words in zip(
            lines,
            (
                "FILE:2: server.port",
                "FILE:4",
                "FILE:7: security.password ",
                "FILE:10",
                "FILE:5",
                *["FILE:8"] * 2,
                "FILE:9",
            ),
            (
                "= 99999 must be between",
                "did you mean server.port?",
                "must be",
                "'foo'",
                "must be a power of two, e.g. 64 or 128",
                "tls_cert_path; set it",
                "tls_key_path; set it",
                "cannot read '/none/acl'",
            ),
            strict=True,
        ):
            self.assertTrue(line.startswith(start), line)
            self.assertIn(words, line)
            self.assertNotIn("geheim", line)

    def test_directories_and_ports(self) -> None:
        """Missing directories and addresses that collide have their line. A directory below /run, which the service
        manager makes, is a warning."""
        text = '[server]\nhealth_check_port = 6379\nunix_socket = "/run/none/s"\n[logging]\nfile = "/none/log"\n'
        status, lines = self.checked(text)
        self.assertEqual((status, len(lines)), (1, 2), lines)
        self.assertTrue(lines[0].startswith("FILE:2: server.health_check_port: 127.0.0.1:6379 collides with "), lines)
        self.assertTrue(lines[1].startswith("FILE:5: logging.file = '/none/log' cannot be: there is no dir"), lines)
        status, lines = self.checked('[server]\nunix_socket = "/run/none/s"\n')
        self.assertEqual((status, lines[1:]), (0, ["FILE is valid"]))
        self.assertTrue(lines[0].startswith("FILE: warning: FILE:2: server.unix_socket = '/run/none/s' cannot"), lines)
        status, [line] = self.checked('[server]\nunix_socket = "/tmp"\n')
        self.assertTrue(status == 1 and line.startswith("FILE:2: server.unix_socket = '/tmp' is a directory"), line)
        status, [line] = self.checked(f'[server]\nunix_socket = "/tmp/{"x" * 110}"\n')
        self.assertTrue(status == 1 and " is longer than 107 bytes" in line, line)
        status, [line] = self.checked('[server]\nendpoints = "unix:/none/s"\n')
        self.assertTrue(status == 1 and "there is no directory '/none'" in line, line)

    def test_lines_of_other_notations(self) -> None:
        """A setting has its line however the file writes it."""
        for text in (
            "\nserver.port = 99999\n",
            "\n\"server\" . 'port' = 99999\n",
            "\nserver = {workers = 1, port = 99999}\n",
            '[server]\n"p\\u006frt" = 99999 # port = 1\n',
            '[server] # "\n port=99999',
        ):
            status, [line] = self.checked(text)
            self.assertTrue(status == 1 and line.startswith("FILE:2: server.port = 99999 must"), (text, line))

    def test_drop_ins(self) -> None:
        """An error in a drop-in names its file and line."""
        path = Path(self.mktemp()) / "redistill.toml"
        (path.parent / "conf.d").mkdir(parents=True)
        path.write_text("[server]\nport = 1\nnum_shards = 100\n")
        drop_in = path.parent / "conf.d" / "a.toml"
        drop_in.write_text("\n[server]\nport = 99999\n")
        status, said = self.run_it("check-config", str(path))
        self.assertEqual(status, 1)
        first, second = said.splitlines()
        self.assertTrue(first.startswith(f"{drop_in}:3: server.port = 99999 must be "), first)
        self.assertTrue(second.startswith(f"{path}:3: server.num_shards = 100 must be "), second)

    def test_memory_and_shards(self) -> None:
        """Shards that the file asks for need memory; without them any memory does, and the least is named."""
        one = "[server]\nworkers = 1\n"
        status, [line] = self.checked(f'{one}num_shards = 256\n[memory]\nmax_memory = "10mb"\n')
        self.assertTrue(line.startswith("FILE:5: memory.max_memory: 10 MiB are too little for 256 shards"), line)
        self.assertEqual(status, 1)
        self.assertEqual(self.checked(f'{one}[memory]\nmax_memory = "10mb"\n'), (0, ["FILE is valid"]))
        status, lines = self.checked(f'{one}[memory]\nmax_memory = "100"\n')
        self.assertTrue(lines[0].endswith("; less limits keys, not the system's memory"), lines)
        self.assertEqual((status, lines[1:]), (0, ["FILE is valid"]))

    def test_memory_that_does_not_fit(self) -> None:
        """A cache that is larger than what the processes leave is valid, and one line says to what it is lowered."""
        self.patch(sizing, "machine", lambda: sizing.Machine(252 << 20, 2))
        status, lines = self.checked('[server]\nworkers = 2\n[memory]\nmax_memory = "192mb"\n')
        self.assertTrue(
            lines[0].startswith("FILE: warning: memory.max_memory is lowered from 192 to 105 MiB: of the 252 MiB "),
            lines,
        )
        self.assertEqual((status, lines[1:]), (0, ["FILE is valid"]))
        self.assertEqual(
            self.checked('[server]\nworkers = 1\n[memory]\nmax_memory = "192mb"\n'), (0, ["FILE is valid"])
        )

    def test_what_follows_from_a_mistake_is_none(self) -> None:
        """A password that cannot be is not counted as none, so that each line is one thing to mend."""
        status, lines = self.checked('[server]\nbind = "0.0.0.0"\n[security]\npassword = 7\n')
        self.assertEqual((status, len(lines)), (1, 1))
        self.assertTrue(lines[0].startswith("FILE:4: security.password "), lines)
        status, lines = self.checked('[server]\nbind = "0.0.0.0"\n[security]\npassword_file = "/none/words"\n')
        self.assertEqual(
            (status, lines),
            (1, ["FILE:4: security.password_file: cannot read '/none/words': No such file or directory; correct the path or its permissions"]),
        )  # fmt: skip

    def test_mistakes_elsewhere(self) -> None:
        """In the environment, or in no line: they have no number."""
        status, lines = self.checked("[server]\nport = 1\n", REDIS_PORT="x")
        self.assertTrue(status == 1 and lines[0].startswith("REDIS_PORT: server.port = 'x' "), lines)
        status, lines = self.checked('[security]\npassword = "x"\n[server]\nbind = "0.0.0.0"\nport = = 1\n')
        self.assertTrue(status == 1 and lines[0].startswith("FILE: not TOML in line 5"), lines)
        status, text = self.run_it("check-config", "/nowhere/file")
        self.assertEqual((status, text.count("\n")), (1, 1), text)

    def test_valid_file(self) -> None:
        """It says so; what the daemon would warn of is a warning, and what is set is shown on demand."""
        text = '[server]\nport = 7000\n[security]\npassword = "{}"\n'
        self.assertEqual(self.checked(text.format("a-password-of-16+")), (0, ["FILE is valid"]))
        shown = ["FILE is valid", "server.port = 7000", 'security.password = "(redacted)"']
        self.assertEqual(self.checked(text.format("a-password-of-16+"), "--verbose"), (0, shown))
        status, lines = self.checked(text.format("short"))
        self.assertEqual((status, len(lines), lines[-1]), (0, 2, "FILE is valid"))
        self.assertIn("FILE: warning: 1 of the passwords", lines[0])

    def test_certificates(self) -> None:
        """They are read as the daemon reads them: a key of another certificate is named with its line."""
        made = Certificates(self)
        (chain, key), (_, other) = made.sign("one"), made.sign("two")
        text = f'[security]\ntls_enabled = true\ntls_cert_path = "{chain}"\ntls_key_path = "{{}}"\n'
        self.assertEqual(self.checked(text.format(key)), (0, ["FILE is valid"]))
        status, lines = self.checked(text.format(other))
        self.assertEqual((status, len(lines)), (1, 1))
        self.assertTrue(lines[0].startswith(f"FILE:4: security.tls_key_path: {other} is no "), lines)
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        for since, until, said in (
            (-10, -1, f"the certificate has expired on {now - datetime.timedelta(days=1):%Y-%m-%d %H:%M:%S} UTC"),
            (-10, 3.5, "the certificate expires in 3 days, on "),
            (2, 30, f"is not valid before {now + datetime.timedelta(days=2):%Y-%m-%d %H:%M:%S} UTC, and it is "),
        ):
            days = [now + datetime.timedelta(days=number) for number in (since, until)]
            _, key = made.sign("one", since=days[0], until=days[1])
            status, lines = self.checked(text.format(key))
            self.assertEqual((status, len(lines)), (0, 2))
            self.assertTrue(lines[0].startswith("FILE: warning: ") and said in lines[0], lines)

    def test_nobody_there(self) -> None:
        """A line, and status 1."""
        for words in (("info",), ("secrets",), ("drain",), ("top", "--once"), ("health",)):
            status, text = self.run_it(*words, "--socket", "/nowhere/redistill.sock")
            self.assertEqual((status, text.count("\n")), (1, 1), text)
            self.assertIn("/nowhere/redistill.sock", text)

    def test_completion(self) -> None:
        """For each shell."""
        for shell in ("bash", "zsh", "fish"):
            status, text = self.run_it("completion", shell)
            self.assertEqual(status, 0)
            self.assertIn(f"_REDISTILL_COMPLETE={shell}_complete", text)

    def test_completed_words(self) -> None:
        """Subcommands, options, and the sections of INFO."""

        def completed(*words: str) -> list[str]:
            environ = {"_REDISTILL_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}  # fmt: skip
            result = CliRunner().invoke(main, env=environ, prog_name="redistill")
            return [line.partition(",")[2] for line in result.output.splitlines()]

        self.assertEqual(completed("redistill", "s"), ["secrets", "serve"])
        self.assertEqual(completed("redistill", "health", "--re"), ["--ready"])
        self.assertEqual(completed("redistill", "info", "key"), ["keyspace"])

    def test_probe_is_light(self) -> None:
        """A probe over HTTP, which runs every few seconds, loads neither Twisted nor the libraries that it has no use for."""
        code = (
            "import sys\nfrom redistill.cli import main\n"
            "main(['health', '--url', 'http://127.0.0.1:1'], standalone_mode=False)\n"
        )
        heavy = ("twisted", "rich", "redis", "OpenSSL", "klein", "redistill.control", "redistill.net")
        done = subprocess.run(
            [sys.executable, "-c", f"import atexit, sys\natexit.register(lambda: print([m for m in {heavy} if m in sys.modules]))\n{code}"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stdout), (1, "[]\n"), done.stderr)

    def test_manual(self) -> None:
        """man/redistill.1 is that of the command as it is; it has every subcommand and option."""
        made = runpy.run_path(str(ROOT / "docs/gen_command.py"))["man"]()
        self.assertEqual((ROOT / "man/redistill.1").read_text(), made, "run `make gen`")
        for name, command in main.commands.items():
            self.assertIn(f".SS {name}".replace("-", "\\-"), made)
            for option in (option for one in command.params for option in one.opts if option.startswith("--")):
                self.assertIn(option.replace("-", "\\-"), made)

    def test_last_use(self) -> None:
        """It is shown in local time."""
        shown = as_text([Secret("a", "b", "acl", 86400, 1, 1, ())], False)
        self.assertIn(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(86400)), shown)
