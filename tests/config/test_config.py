"""The configuration as a value, and its changes."""

from __future__ import annotations

import dataclasses
import pathlib

from twisted.trial.unittest import SynchronousTestCase

from redistill.config.config import FILES, PEM_PATHS, Config
from redistill.config.errors import ConfigError
from redistill.config.files import MAX_FILE, Pem
from redistill.config.load import load
from redistill.config.settings import Security

GIB = 2**30


class ReplaceTests(SynchronousTestCase):
    """`Config.replace`, which CONFIG SET stands on."""

    def load(self, text: str) -> Config:
        """Load a file that says `text`."""
        self.path = self.mktemp()
        pathlib.Path(self.path).write_text(text)
        return load(self.path, {})

    def test_replace(self) -> None:
        """Changes make a new configuration and leave the old one alone."""
        old = self.load("")
        new = old.replace({"memory.max_memory": GIB, "memory.eviction_policy": "volatile-ttl"})
        self.assertEqual((old.memory.max_memory, new.memory.max_memory), (0, GIB))
        self.assertEqual((new.memory.eviction_policy, new.path), ("volatile-ttl", self.path))

    def test_changes_that_do_not_fit(self) -> None:
        """Changes that do not fit the rest are refused: the last password of an open port."""
        old = self.load('[server]\nbind = "0.0.0.0"\n[security]\npassword = "secret"\n')
        problem = self.assertRaises(ConfigError, old.replace, {"security.password": ()})
        self.assertIn("would let anybody on the network in", str(problem))

    def test_password_file(self) -> None:
        """A new password file is read at once, and leaving it out forgets its passwords."""
        secrets = self.mktemp()
        pathlib.Path(secrets).write_text("one\n")
        new = self.load("").replace({"security.password_file": secrets})
        self.assertEqual(new.passwords, ("one",))
        self.assertEqual(new.replace({"security.password_file": ""}).passwords, ())

    def tls(self) -> Config:
        """A configuration with files of all kinds, which were read, and are gone."""
        paths = [pathlib.Path(self.mktemp()) for _ in range(4)]
        for path in paths:
            path.write_text(f"{path}\n")
        words, certificate, key, authority = paths
        config = self.load(
            f'[security]\npassword_file = "{words}"\ntls_port = 7000\ntls_client_auth = "optional"\n'
            f'tls_cert_path = "{certificate}"\ntls_key_path = "{key}"\ntls_ca_path = "{authority}"\n'
        ).with_pem()
        self.assertEqual(config.file_passwords, (str(words),))
        self.assertEqual(config.pem, Pem(*(f"{path}\n".encode() for path in (certificate, key, authority))))
        for path in paths:
            path.unlink()
        return config

    def test_files_are_not_read_again(self) -> None:
        """A change of another setting does not depend on files, and keeps what they held; so do those who are told."""
        old = self.tls()
        new = old.replace({"server.max_connections": 5})
        self.assertEqual((new.file_passwords, new.pem), (old.file_passwords, old.pem))
        for told in (Config.from_json(new.to_json()), Config.from_json(new.to_json(old), old)):
            self.assertEqual((told.file_passwords, told.pem), (old.file_passwords, old.pem))
        self.assertIsNone(new.to_json(old)["pem"])
        self.assertNotIn(str(new.pem.key), repr(new))

    def test_files_that_cannot_be_read(self) -> None:
        """A change that names files needs them, and so does one for which they had not been needed."""
        for name in (*PEM_PATHS, "security.tls_client_auth"):
            value = "required" if name.endswith("auth") else "/none/file"
            problem = self.assertRaises(ConfigError, self.tls().replace, {name: value})
            self.assertIn("cannot read ", str(problem))
        too_large = pathlib.Path(self.mktemp())
        too_large.write_bytes(b"x" * (MAX_FILE + 1))
        old = dataclasses.replace(self.tls(), security=Security(tls_port=1, tls_cert_path=str(too_large)))
        self.assertIn("is larger than", str(self.assertRaises(ConfigError, old.with_pem)))

    def test_what_files_hold(self) -> None:
        """Contents that another process read are used as they are; passwords of a file count for an open port."""
        new = self.tls().replace({FILES: (("new",), Pem(b"c", b"k"))})
        self.assertEqual((new.passwords, new.pem), (("new",), Pem(b"c", b"k")))
        problem = self.assertRaises(ConfigError, new.replace, {FILES: ((), Pem()), "server.bind": ("0.0.0.0",)})
        self.assertIn("would let anybody on the network in", str(problem))
