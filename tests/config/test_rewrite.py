"""CONFIG REWRITE changes the lines of what was changed, and no others."""

from __future__ import annotations

import os
import pathlib
import stat
import tomllib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from redistill.base import words
from redistill.config.config import Config
from redistill.config.errors import BadValue, ConfigError
from redistill.config.load import load
from redistill.config.rewrite import rewrite, rewritten
from redistill.config.settings import BY_NAME
from redistill.config.values import check

AWKWARD = st.lists(
    st.sampled_from(
        [b"\\", b"u", b"x", b'"', b"'", b"#", b"[", b"\n", b"\r", b"\0", b"\x7f", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff"]
    ),
    min_size=1,
    max_size=8,
).map(b"".join)


class TextTests(SynchronousTestCase):
    """`rewritten`."""

    def test_setting_in_place(self) -> None:
        """A setting that stands in the file keeps its line; comments and order stay."""
        old = "# mine\n[memory]\n#max_memory = 0\nmax_memory = 1 # why\n\n[server] # here\nport=1\n"
        new = "# mine\n[memory]\n#max_memory = 0\nmax_memory = 2097152\n\n[server] # here\nport = 7000\n"
        self.assertEqual(rewritten(old, {"memory.max_memory": 2097152, "server.port": 7000}), new)

    def test_same_key_elsewhere(self) -> None:
        """A key of the same name in another table is left alone."""
        old = "[other]\nport = 1\n[server]\nbind = '::1'\n[more]\nport = 2\n"
        new = "[other]\nport = 1\n[server]\nbind = '::1'\nport = 7000\n[more]\nport = 2\n"
        self.assertEqual(rewritten(old, {"server.port": 7000}), new)

    def test_new_table(self) -> None:
        """A table that is not there is added at the end."""
        self.assertEqual(rewritten("", {"logging.level": "warn"}), '[logging]\nlevel = "warn"\n')
        old, new = "[server]\nport = 1\n", '[server]\nport = 1\n\n[security]\npassword = ["a", "b"]\n'
        self.assertEqual(rewritten(old, {"security.password": ("a", "b")}), new)

    def test_what_it_does_not_understand(self) -> None:
        """A value over several lines is refused rather than torn."""
        old = '[security]\npassword = [\n  "a",\n  "b",\n]\n'
        self.assertRaises(ConfigError, rewritten, old, {"security.password": ("c",)})

    @given(st.lists(st.one_of(st.binary(min_size=1, max_size=8), AWKWARD), min_size=1, max_size=3))
    def test_any_password(self, secrets: list[bytes]) -> None:
        """Whatever bytes passwords consist of, the file says them, and a reader of TOML can read it."""
        passwords = tuple(map(words.text, secrets))
        written = rewritten("", {"security.password": passwords})
        path = pathlib.Path(self.mktemp())
        path.write_text(written)
        self.assertEqual(load(str(path), {}).passwords, passwords)
        self.assertEqual(list(tomllib.loads(written)), ["security"])

    def test_readable(self) -> None:
        """A text is written as text where that can be, and else as its bytes."""
        for password, said in (
            ("é \x7f", '"é \\u007f"'),
            ("a\udcff", '{ base64 = "Yf8=" }'),
            ("\u2028", '{ base64 = "4oCo" }'),
        ):
            new = f"[security]\npassword = {said}\n"
            self.assertEqual(rewritten("", {"security.password": (password,)}), new)
            self.assertEqual(rewritten(new, {"security.password": (password,)}), new)
        for bad in ('{ base64 = "?" }', "{ base64 = 1 }", '{ base64 = "YQ==", x = 1 }', '{ hex = "00" }'):
            self.assertRaises(
                BadValue, check, BY_NAME["security.password"], tomllib.loads(f"x = {bad}")["x"], lambda: 0
            )

    def test_line_ends(self) -> None:
        """A line ends with LF or CR LF, and with nothing else that Unicode knows."""
        old = "# \u2028[memory]\x85 \xa0\n[server] # \u2029\r\nport = 1\r\n"
        new = "# \u2028[memory]\x85 \xa0\n[server] # \u2029\nport = 7000\n"
        self.assertEqual(rewritten(old, {"server.port": 7000}), new)


class FileTests(SynchronousTestCase):
    """`rewrite`."""

    def setUp(self) -> None:
        """Write and load a file."""
        self.path = self.mktemp()
        pathlib.Path(self.path).write_text("[server]\nport = 7000\n")
        os.chmod(self.path, 0o640)
        self.loaded = load(self.path, {"REDIS_BATCH_SIZE": "8"})

    def test_changes_are_kept(self) -> None:
        """Changes at run time are in the file afterwards; values from the environment are not."""
        running = self.loaded.replace({"memory.eviction_policy": "noeviction"})
        rewrite(running, self.loaded)
        text = '[server]\nport = 7000\n\n[memory]\neviction_policy = "noeviction"\n'
        self.assertEqual(pathlib.Path(self.path).read_text(), text)
        self.assertEqual(load(self.path, {"REDIS_BATCH_SIZE": "8"}), running)

    def test_permissions_are_kept(self) -> None:
        """The new file has the permissions of the old one, and nothing else is left in the directory."""
        rewrite(self.loaded.replace({"server.port": 7001}), self.loaded)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)
        name = os.path.basename(self.path)
        self.assertEqual([entry for entry in os.listdir(os.path.dirname(self.path)) if name in entry], [name])

    def test_nothing_changed(self) -> None:
        """Without changes the file is not touched."""
        before = os.stat(self.path)
        rewrite(self.loaded, self.loaded)
        self.assertEqual(os.stat(self.path).st_ino, before.st_ino)

    def test_links_are_followed(self) -> None:
        """A link stays a link; the file that it points to is replaced."""
        link = self.mktemp()
        os.symlink(os.path.abspath(self.path), link)
        loaded = load(link, {})
        rewrite(loaded.replace({"server.port": 7001}), loaded)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(load(self.path, {}).server.port, 7001)

    def test_no_file(self) -> None:
        """Without a file, or when it is gone, there is an error and no file."""
        self.assertRaises(ConfigError, rewrite, Config().replace({"server.port": 1}), Config())
        os.unlink(self.path)
        self.assertRaises(ConfigError, rewrite, self.loaded.replace({"server.port": 1}), self.loaded)
        self.assertFalse(os.path.exists(self.path))

    def test_drop_ins(self) -> None:
        """A setting is written into the last file that sets it, where it holds after a restart; others into the file."""
        directory = pathlib.Path(self.mktemp())
        path, early, late = (directory / name for name in ("redistill.toml", "conf.d/1.toml", "conf.d/2.toml"))
        early.parent.mkdir(parents=True)
        path.write_text("[server]\nport = 7000\n")
        early.write_text("[server]\nport = 7001\n[memory]\neviction_sample_size = 7\n")
        loaded = load(str(path), {})
        late.write_text("[server]\nport = 7001\n")  # and a reload since
        running = loaded.replace(
            {"server.port": 7003, "memory.eviction_sample_size": 8, "performance.tcp_keepalive": 90}
        )
        rewrite(running, loaded)
        self.assertEqual(path.read_text(), "[server]\nport = 7000\n\n[performance]\ntcp_keepalive = 90\n")
        self.assertEqual(early.read_text(), "[server]\nport = 7001\n[memory]\neviction_sample_size = 8\n")
        self.assertEqual(late.read_text(), "[server]\nport = 7003\n")
        self.assertEqual(load(str(path), {}), running)

    def test_broken_drop_in(self) -> None:
        """When one of the files cannot be read, none is changed."""
        directory = pathlib.Path(self.mktemp())
        (directory / "conf.d").mkdir(parents=True)
        path, late = directory / "redistill.toml", directory / "conf.d/2.toml"
        path.write_text("[server]\nport = 7000\n")
        loaded = load(str(path), {})
        for text in ("port = = 1", "server = 1"):
            late.write_text(text)
            self.assertRaises(ConfigError, rewrite, loaded.replace({"server.port": 7001}), loaded)
            self.assertEqual((path.read_text(), late.read_text()), ("[server]\nport = 7000\n", text))
