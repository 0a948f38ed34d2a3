"""The configuration as files and the environment give it."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.base import words
from redistill.config import load as loading
from redistill.config.config import Config
from redistill.config.errors import ConfigError
from redistill.config.files import MAX_FILE
from redistill.config.load import MAX_DROP_INS, load

GIB = 2**30


class ConfigCase(SynchronousTestCase):
    """Each test has a file of its own."""

    def setUp(self) -> None:
        """Choose the file's place."""
        self.path = self.mktemp()

    def load(self, text: str, environ: Mapping[str, str] | None = None) -> Config:
        """Load a file that says `text`."""
        pathlib.Path(self.path).write_text(text)
        return load(self.path, environ or {}, lambda: 8 * GIB)

    def refused(self, text: str, environ: Mapping[str, str] | None = None) -> str:
        """The line that refuses a file which says `text`, with FILE in place of its path."""
        line = str(self.assertRaises(ConfigError, self.load, text, environ))
        self.assertNotIn("\n", line)
        return line.replace(self.path, "FILE")


class LoadTests(ConfigCase):
    """The configuration that `load` makes of valid files and environments."""

    def test_credential(self) -> None:
        """The credential that systemd has passed is the file with passwords, unless a file is set or it is blank."""
        directory = pathlib.Path(self.mktemp())
        directory.mkdir()
        environ = {"CREDENTIALS_DIRECTORY": str(directory.absolute())}
        self.assertEqual(self.load("", environ).passwords, ())
        credential = directory / "redistill.password"
        credential.write_text("\n")
        self.assertEqual(self.load("", environ).passwords, ())
        credential.write_text("secret\nother\n")
        config = self.load("", environ)
        self.assertEqual(
            (config.passwords, config.get("security.password_file")), (("secret", "other"), str(credential.absolute()))
        )
        (directory / "mine").write_text("mine\n")
        self.assertEqual(self.load(f'[security]\npassword_file = "{directory}/mine"\n', environ).passwords, ("mine",))
        self.assertEqual(self.load("", {"CREDENTIALS_DIRECTORY": ""}).passwords, ())

    def test_options(self) -> None:
        """Options of the command line stand above the environment, and are named when they are wrong."""
        self.load("[server]\nport = 1\n")
        environ = {"REDIS_PORT": "tcp://10.0.0.1:6379", "REDIS_BIND": "x"}
        given = {"server.port": "7000", "server.bind": "127.0.0.1 ::1"}
        config = load(self.path, environ, options=given)
        self.assertEqual((config.server.port, config.server.bind), (7000, ("127.0.0.1", "::1")))
        self.assertIn("server.port", config.given)
        for name, text in (("port", "x"), ("port", ""), ("port", "65536"), ("bind", "nowhere")):
            problem = self.assertRaises(ConfigError, load, self.path, {}, options={f"server.{name}": text})
            self.assertTrue(str(problem).startswith(f"--{name}: server.{name}"), problem)

    def test_empty_file(self) -> None:
        """An empty file leaves all defaults."""
        self.assertEqual(self.load(""), Config(path=self.path))

    def test_file(self) -> None:
        """Settings of a file are where their names say."""
        config = self.load(
            '[server]\nbind = "::1"\nport = 7000 # not 6379\nworkers = 1\nbuffer_size = "32kb"\n'
            '[security]\npassword = ["new", "old"]\n[memory]\nmax_memory = "75%"\n'
            '[performance]\ntcp_nodelay = false\n[logging]\nlevel = "debug"\n'
        )
        self.assertEqual((config.server.bind, config.server.port, config.server.workers), (("::1",), 7000, 1))
        self.assertEqual((config.server.buffer_size, config.memory.max_memory), (32768, 6 * GIB))
        self.assertEqual((config.passwords, config.performance.tcp_nodelay), (("new", "old"), False))
        self.assertEqual((config.logging.level, config.get("logging.level")), ("debug", "debug"))

    def test_frozen(self) -> None:
        """A configuration does not change."""
        config = self.load("")
        self.assertRaises(dataclasses.FrozenInstanceError, setattr, config.server, "port", 1)
        self.assertRaises(dataclasses.FrozenInstanceError, setattr, config, "path", "")

    def test_environment_over_file(self) -> None:
        """The environment takes precedence over the file."""
        environ = {"REDIS_PORT": "7001", "REDIS_MAX_MEMORY": "2gb", "REDIS_TCP_NODELAY": "no", "REDIS_PASSWORD": "p w"}
        config = self.load("[server]\nport = 7000\nbatch_size = 8\n", environ)
        self.assertEqual((config.server.port, config.server.batch_size), (7001, 8))
        self.assertEqual((config.memory.max_memory, config.performance.tcp_nodelay), (2 * GIB, False))
        self.assertEqual(config.passwords, ("p w",))

    def test_empty_variable(self) -> None:
        """An empty variable counts as not set: it takes away neither a password nor a port."""
        config = self.load('[security]\npassword = "secret"\n', {"REDIS_PASSWORD": "", "REDIS_PORT": ""})
        self.assertEqual((config.passwords, config.server.port), (("secret",), 6379))

    def test_other_variables(self) -> None:
        """Variables that are no settings' are left alone."""
        self.assertEqual(self.load("", {"PATH": "/bin", "REDISTILL_PORT": "tcp://10.0.0.1:80"}), self.load(""))

    def test_service_links(self) -> None:
        """Variables that Kubernetes or a container link sets for a service of a setting's name are not used, and noted;
        the file's value stays."""
        for link in ("tcp://10.0.0.1:6379", "udp://10.0.0.1:53", "sctp://[fd00::1]:6379", "tcp://fd00::1:6379"):
            environ = {"REDIS_PORT": link, "REDIS_HEALTH_CHECK_PORT": link, "REDIS_SERVICE_PORT": "6379"}
            config = self.load("[server]\nport = 7000\n", environ)
            self.assertEqual((config.server.port, config.server.health_check_port), (7000, 0))
            self.assertEqual(config.links, (f"REDIS_PORT={link}", f"REDIS_HEALTH_CHECK_PORT={link}"))

    def test_no_service_link(self) -> None:
        """The value of a variable that is no port's is never taken for a link."""
        config = self.load("", {"REDIS_PASSWORD": "tcp://10.0.0.1:6379", "REDIS_UNIX_SOCKET": "tcp://s"})
        self.assertEqual((config.passwords, config.server.unix_socket), (("tcp://10.0.0.1:6379",), "tcp://s"))
        self.assertEqual(config.links, ())

    def test_path_from_environment(self) -> None:
        """Without a path, the file is the one that REDISTILL_CONFIG names."""
        self.load("[server]\nport = 7000\n")
        self.assertEqual(load(None, {"REDISTILL_CONFIG": self.path}).server.port, 7000)

    def test_password_file(self) -> None:
        """The lines of the password file are valid beside security.password."""
        secrets = self.mktemp()
        pathlib.Path(secrets).write_text("one\r\n\ntwo words\n")
        config = self.load(f'[security]\npassword = "zero"\npassword_file = "{secrets}"\n')
        self.assertEqual(config.passwords, ("zero", "one", "two words"))

    def test_password_opens_the_network(self) -> None:
        """With a password, from wherever, any address may be bound."""
        secrets = self.mktemp()
        pathlib.Path(secrets).write_text("one\n")
        for text in ('password = "secret"', f'password_file = "{secrets}"'):
            config = self.load(f'[server]\nbind = "0.0.0.0"\n[security]\n{text}\n')
            self.assertEqual(config.server.bind, ("0.0.0.0",))


class RefusalTests(ConfigCase):
    """The errors of `load`: place, setting, remedy."""

    def test_unknown_keys(self) -> None:
        """An unknown key is refused, with the one that was probably meant."""
        lines = {
            "[server]\nprot = 1": "FILE: 'server.prot' is no setting; did you mean server.port?",
            "[memory]\npolicy = 1": "FILE: 'memory.policy' is no setting; did you mean memory.eviction_policy?",
            "[server]\nmax_memory = 1": "FILE: 'server.max_memory' is no setting; did you mean memory.max_memory?",
            "port = 1": "FILE: 'port' is no setting; did you mean server.port?",
            "[memroy]\nport = 1": "FILE: 'memroy' is no setting; did you mean [memory]?",
            "[[server]]\nport = 1": "FILE: 'server' is no setting; did you mean [server]?",
            "server = 1": "FILE: 'server' is no setting; did you mean [server]?",
            "[persistence]\nx = 1": "FILE: 'persistence' is no setting; remove it",
        }
        self.assertEqual({text: self.refused(text) for text in lines}, lines)

    def test_bad_values(self) -> None:
        """A bad value is refused with its place, its name and what it should be."""
        lines = {
            '[server]\nport = "x"': "FILE: server.port = 'x' must be a whole number between 0 and 65535 inclusive",
            "[server]\nport = 65536": "FILE: server.port = 65536 must be between 0 and 65535 inclusive",
            "[server]\nnum_shards = 100": "FILE: server.num_shards = 100 must be a power of two, e.g. 64 or 128",
            '[logging]\nformat = "xml"': "FILE: logging.format = 'xml' must be one of the following: text, json",
            "[memory]\nmax_memory = 1979-05-27": "FILE: memory.max_memory = datetime.date(1979, 5, 27) must be a memory"
            " value: bytes, or a text such as 512mb, 2gb or 75%",
        }
        self.assertEqual({text: self.refused(text) for text in lines}, lines)

    def test_bad_variables(self) -> None:
        """A bad value in the environment is refused with the variable's name."""
        self.assertEqual(
            self.refused("", {"REDIS_PORT": "x"}), "REDIS_PORT: server.port = 'x' couldn't be parsed into an integer"
        )
        self.assertIn("REDIS_PORT", self.refused("", {"REDIS_PORT": "http://10.0.0.1:6379"}))

    def test_secrets_are_not_told(self) -> None:
        """A password never reaches the line that refuses it."""
        doubled = 'password = "hunter2"\n[security]'
        for text in ('password = ["hunter2", ""]', "password = {hunter2 = 1}", "password = hunter2", doubled):
            self.assertNotIn("hunter2", self.refused(f"[security]\n{text}\n"))

    def test_not_toml(self) -> None:
        """A file that is not TOML is refused with the place of the mistake."""
        quotes = 'a value is no number, and a text stands in "quotes"'
        lines = {
            "[server]\nport = 6379\nbind = 127.0.0.1\n": f"in line 3: {quotes}",
            "[memory]\nmax_memory = 2gb\n": f"in line 2: {quotes}",
            "[server]\n\n[server]\n": "in line 3: a table is there twice",
            "[server]\nport = 1\nport = 1\n": "in line 3: a key is there twice",
            "[server]\nport: 1\n": "in line 2: Expected '=' after a key in a key/value pair",
            '[server]\nbind = "::1': ": Unterminated string",
            f"[server]\nport = {'1' * 5000}\n": ": a value is too long, or too deep",
            f"[server]\nport = {'[' * 50_000}\n": ": a value is too long, or too deep",
        }
        self.assertEqual(
            {text: self.refused(text) for text in lines},
            {text: f"FILE: not TOML {line}; correct it".replace(" :", ":") for text, line in lines.items()},
        )

    def test_quotes(self) -> None:
        """A text in quotes keeps its characters: quotes and backslashes in a password stay."""
        for said, password in (
            (r'"\""', '"'),
            (r'"\"\"x\\u0041\u0000"', '""x\\u0041\0'),
            (r"'\x\u'", r"\x\u"),
            (r'["a#\\", { base64 = "/w==" }]', ("a#\\", "\udcff")),
        ):
            passwords = password if isinstance(password, tuple) else (password,)
            self.assertEqual(self.load(f"[security]\npassword = {said} # ours\n").passwords, passwords)

    def test_notations(self) -> None:
        """Editors that add a byte order mark or carriage returns do no harm, nor do dotted keys."""
        self.assertEqual(self.load("\ufeff[server]\r\nport = 1\r\n").server.port, 1)
        self.assertEqual(self.load("server.port = 1\n").server.port, 1)

    def test_unreadable_files(self) -> None:
        """A file that is not there, is a directory, is not UTF-8 or is far too long is refused."""
        os.mkdir(self.path)
        line = str(self.assertRaises(ConfigError, load, self.path, {}))
        self.assertIn("Is a directory", line)
        line = str(self.assertRaises(ConfigError, load, self.path + "/none", {}))
        self.assertIn("No such file or directory", line)
        self.assertIn(self.path + "/none", line)
        self.path += "/file"
        pathlib.Path(self.path).write_bytes(b"# \xff")
        self.assertIn("not UTF-8", str(self.assertRaises(ConfigError, load, self.path, {})))

    def test_file_size(self) -> None:
        """A file of the greatest length is read, and one byte more is refused."""
        self.assertEqual(self.load("#" + " " * (MAX_FILE - 1)).server.port, 6379)
        self.assertIn("larger than", self.refused("#" + " " * MAX_FILE))

    def test_open_network(self) -> None:
        """Without a password, only a loopback address may be bound, and the line says why."""
        self.assertEqual(
            self.refused('[server]\nbind = "0.0.0.0"'),
            "FILE: server.bind = '0.0.0.0' would let anybody on the network in; set security.password"
            " (or REDIS_PASSWORD), or bind 127.0.0.1",
        )
        self.assertTrue(self.refused("", {"REDIS_BIND": "::"}).startswith("REDIS_BIND: server.bind"))
        self.assertTrue(self.refused("", {"REDIS_BIND": "::1 -::"}).startswith("REDIS_BIND: server.bind = '::1 -::' "))

    def test_nothing_to_listen_on(self) -> None:
        """Port 0 means no TCP, as in Redis, and then there has to be a UNIX socket."""
        self.assertIn("nothing to listen on", self.refused("[server]\nport = 0"))
        config = self.load('[server]\nport = 0\nbind = "0.0.0.0"\nunix_socket = "/run/redistill.sock"')
        self.assertEqual(config.server.port, 0)

    def test_endpoints(self) -> None:
        """A description that cannot be used stops the start: the line has the setting, the description and why."""
        for description, why in (
            ("nonsense:1", "Unknown endpoint type: 'nonsense'"),
            ("6380", "Unknown endpoint type: '6380'"),
            ("tcp:many", "invalid literal for int() with base 10: 'many'"),
            ("tcp:70000", "a port is between 0 and 65535"),
            ("tcp:1:colour=red", "got an unexpected keyword argument 'colour'"),
            ("ssl:1:privateKey=/nowhere.pem", "/nowhere.pem: No such file or directory"),
            ("systemd:domain=INET", "it is systemd:domain=INET (or INET6, UNIX):index=0 (or name=...)"),
            ("systemd:domain=INET:index=x", "an index is a whole number"),
        ):
            self.assertEqual(
                self.refused(f'[server]\nendpoints = "{description}"', {"REDIS_PASSWORD": "pw"}),
                f"FILE: server.endpoints: '{description}' cannot be used: {why}; correct it",
            )

    def test_open_endpoints(self) -> None:
        """Without a password an endpoint is one that only this machine can reach for sure."""
        for local in (
            "tcp:1:interface=127.0.0.1",
            "tcp:1:interface=\\\\:\\\\:1",
            "tcp:1:127.0.0.1",
            "unix:/s",
            "tcp:1:interface=localhost",
        ):
            self.load(f'[server]\nport = 0\nendpoints = "{local}"')
        for open_one in (
            "tcp:1",
            "tcp:1:interface=0.0.0.0",
            "tcp:1:interface=host",
            "systemd:domain=INET:index=0",
            "haproxy:tcp:1",
        ):
            self.assertIn("would let anybody on the network in", self.refused(f'[server]\nendpoints = "{open_one}"'))
            config = self.load(f'[server]\nendpoints = "{open_one}"', {"REDIS_PASSWORD": "pw"})
            self.assertRaises(ConfigError, config.replace, {"security.password": ()})

    def test_password_files(self) -> None:
        """A password file that is not there or holds no password stops the start."""
        secrets = self.mktemp()
        text = f'[security]\npassword_file = "{secrets}"\n'
        self.assertIn("cannot read", self.refused(text))
        pathlib.Path(secrets).write_text("\n")
        self.assertIn("holds no password", self.refused(text))

    def test_password_file_bytes(self) -> None:
        """A password is the bytes of a line, which ends with LF or CR LF and nothing else."""
        secrets = self.mktemp()
        lines = [b"\xff\xfe", b"a\xc2\x85b", b"\xe2\x80\xa8", b"a\x0b\x0c\x1cb", " \u3000".encode()]
        with open(secrets, "wb") as file:
            file.write(b"\xef\xbb\xbf" + b"\n".join(lines[:3]) + b"\r\n" + b"\r\n\r\n".join(lines[3:]))
        config = self.load(f'[security]\npassword_file = "{secrets}"\n')
        self.assertEqual([words.data(one) for one in config.passwords], lines)

    def test_password_file_bounds(self) -> None:
        """A line of the password file that no client could send is refused, and not shown."""
        secrets = self.mktemp()
        text = f'[security]\npassword_file = "{secrets}"\n'
        pathlib.Path(secrets).write_text("x" * 16384)
        self.assertEqual(len(self.load(text).passwords[0]), 16384)
        pathlib.Path(secrets).write_text("x" * 16385)
        self.assertIn("must be of 1 to 16384 bytes each", self.refused(text))

    def test_tls_needs_its_files(self) -> None:
        """TLS without certificate or key is refused for that."""
        self.assertIn("needs security.tls_cert_path", self.refused("[security]\ntls_enabled = true"))
        text = '[security]\ntls_port = 6380\ntls_cert_path = "c.pem"'
        self.assertIn("needs security.tls_key_path", self.refused(text))
        text += '\ntls_key_path = "k.pem"\ntls_client_auth = "required"'
        self.assertIn("needs security.tls_ca_path", self.refused(text))

    @given(st.text("[]server.port=\"'\n 12#\\{},abc-:u", max_size=60))
    def test_any_text(self, text: str) -> None:
        """Whatever stands in the file, it is read or refused with a ConfigError of one line."""
        try:
            self.load(text)
        except ConfigError as problem:
            self.assertNotIn("\n", str(problem))


class DropInTests(SynchronousTestCase):
    """The files of conf.d."""

    def setUp(self) -> None:
        """A configuration file with two drop-ins, and files that are none."""
        self.directory = pathlib.Path(self.mktemp())
        self.path = self.directory / "redistill.toml"
        self.drop_ins = self.directory / "conf.d"
        self.drop_ins.mkdir(parents=True)
        self.path.write_text('[server]\nport = 7000\nbatch_size = 8\nbind = ["127.0.0.1", "::1"]\n')
        self.put("10-port.toml", '[server]\nport = 7001\nbind = "127.0.0.2"\n')
        self.put("20-port.toml", "[server]\nport = 7002\n")
        for name in (".30.toml", "30.toml~", "30.toml.dpkg-old", "README"):
            self.put(name, "this is not TOML")

    def put(self, name: str, text: str) -> None:
        """Write a file of conf.d."""
        (self.drop_ins / name).write_text(text)

    def load(self, environ: Mapping[str, str] | None = None) -> Config:
        """Load all of them."""
        return load(str(self.path), environ or {}, lambda: 8 * GIB)

    def refused(self) -> str:
        """The line that refuses them, with DIR in place of their directory."""
        line = str(self.assertRaises(ConfigError, self.load))
        self.assertNotIn("\n", line)
        return line.replace(str(self.directory), "DIR")

    def test_last_one_holds(self) -> None:
        """A setting of a drop-in replaces that of the file and of drop-ins whose names come before, lists as a whole."""
        server = self.load().server
        self.assertEqual((server.port, server.batch_size, server.bind), (7002, 8, ("127.0.0.2",)))
        self.assertEqual(self.load({"REDIS_PORT": "7003"}).server.port, 7003)

    def test_order_of_names(self) -> None:
        """The names decide, not the order in the directory."""
        self.put("05-port.toml", "[server]\nport = 7003\n")
        self.assertEqual(self.load().server.port, 7002)
        self.put("9.toml", "[server]\nport = 7004\n")
        self.assertEqual(self.load().server.port, 7004)
        names = [os.path.basename(path) for path in self.load().files]
        self.assertEqual(names, ["redistill.toml", "05-port.toml", "10-port.toml", "20-port.toml", "9.toml"])

    def test_no_directory(self) -> None:
        """Without conf.d there are none."""
        self.drop_ins.rename(self.directory / "other")
        self.assertEqual(self.load().server.port, 7000)

    def test_files_of_other_servers(self) -> None:
        """A file of another name in the same directory is for another server: conf.d does not belong to it."""
        other = self.directory / "other.toml"
        other.write_text("[server]\nport = 7005\n")
        self.assertEqual(load(str(other), {}).server.port, 7005)

    def test_without_the_file(self) -> None:
        """Drop-ins of the default place hold when the file itself is not there."""
        self.patch(loading, "DEFAULT_PATH", str(self.path))
        self.assertEqual(load(None, {}).server.port, 7002)
        self.path.unlink()
        config = load(None, {})
        self.assertEqual((config.server.port, config.server.batch_size, config.path), (7002, 16, ""))
        self.assertRaises(ConfigError, load, str(self.path), {})

    def test_mistakes(self) -> None:
        """A mistake in a drop-in stops the start, and the line names that file."""
        lines = {
            "[server]\nport = 99999": "DIR/conf.d/15.toml: server.port = 99999 must be between 0 and 65535 inclusive",
            "[server]\nprot = 1": "DIR/conf.d/15.toml: 'server.prot' is no setting; did you mean server.port?",
            "[server]\nport = x": "DIR/conf.d/15.toml: not TOML in line 2: a value is no number, and a text stands in"
            ' "quotes"; correct it',
            '[server]\nbind = "::"': "DIR/conf.d/15.toml: server.bind = '::' would let anybody on the network in; set"
            " security.password (or REDIS_PASSWORD), or bind 127.0.0.1",
        }
        for text, line in lines.items():
            self.put("15.toml", text)
            self.assertEqual(self.refused(), line)

    def test_password_of_a_drop_in(self) -> None:
        """Whether a password is needed is judged when all files are read."""
        self.put("15.toml", '[server]\nbind = "::"')
        self.put("30.toml", '[security]\npassword = "a password of a drop-in"')
        self.assertEqual(self.load().server.bind, ("::",))

    def test_what_cannot_be_read(self) -> None:
        """A dangling link, a directory of that name, and a conf.d that is a file are refused, not passed over."""
        link = self.drop_ins / "15.toml"
        link.symlink_to("/nowhere/file")
        self.assertIn("cannot read 'DIR/conf.d/15.toml': No such file or directory", self.refused())
        link.unlink()
        link.mkdir()
        self.assertIn("cannot read 'DIR/conf.d/15.toml': Is a directory", self.refused())
        self.drop_ins.rename(self.directory / "other")
        self.drop_ins.write_text("")
        self.assertIn("cannot read the directory 'DIR/conf.d': Not a directory", self.refused())

    def test_number(self) -> None:
        """A hundred of them are read, and one more is refused."""
        for number in range(MAX_DROP_INS - 2):
            self.put(f"{number + 30:03}.toml", "")
        self.assertEqual(len(self.load().files), MAX_DROP_INS + 1)
        self.put("one-more.toml", "")
        self.assertIn(f"has more than {MAX_DROP_INS} files", self.refused())
