"""The context that TLS connections are made with."""

from __future__ import annotations

import dataclasses
import datetime
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from twisted.trial.unittest import SynchronousTestCase

import redistill
from redistill.config.errors import ConfigError
from redistill.config.settings import Security
from redistill.net.tls.context import TlsContext, make_context, speaks_tls
from tests.support.certificates import Certificates, pem, rsa_key

ROOT = Path(redistill.__file__).parents[1]


class ContextTests(SynchronousTestCase):
    """make_context, Context"""

    def setUp(self) -> None:
        self.certificates = Certificates(self)
        self.certificate, self.key = self.certificates.sign("server")
        self.security = Security(tls_enabled=True, tls_cert_path=self.certificate, tls_key_path=self.key)

    def problem(self, **changes: Any) -> str:
        """Why a context cannot be made."""
        security = dataclasses.replace(self.security, **changes)
        error = self.assertRaises(ConfigError, lambda: make_context(security, pem(security)))
        return str(error)

    def test_keys(self) -> None:
        """RSA and EC keys, in the form of PKCS#1 (SEC1) and of PKCS#8."""
        for key in (None, rsa_key()):
            for form in (serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8):
                certificate, path = self.certificates.sign("one", key=key, form=form)
                security = Security(tls_enabled=True, tls_cert_path=certificate, tls_key_path=path)
                context = make_context(security, pem(security))
                context.check_privatekey()

    def test_missing_file(self) -> None:
        """The setting and the path are named."""
        self.assertEqual(
            self.problem(tls_cert_path="/nowhere/c.pem"),
            "security.tls_cert_path: cannot read /nowhere/c.pem: No such file or directory",
        )

    def test_file_without_a_certificate(self) -> None:
        """The error names the setting, the path, and OpenSSL's reason."""
        words = self.problem(tls_cert_path=self.key)
        self.assertTrue(
            words.startswith(f"security.tls_cert_path: {self.key} is no certificate chain in PEM (no start line"), words
        )

    def test_key_of_another_certificate(self) -> None:
        """Certificate and key are checked as a pair."""
        _, other = self.certificates.sign("other")
        words = f"{other} is no unencrypted private key in PEM, or not that of {self.certificate} (key values mismatch)"
        self.assertEqual(self.problem(tls_key_path=other), f"security.tls_key_path: {words}")

    def test_no_memory_is_writable_and_executable(self) -> None:
        """A context is made where systemd's MemoryDenyWriteExecute= holds, which is prctl(PR_SET_MDWE)."""
        made = (
            "import ctypes\n"
            "ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)  # Linux 6.3; without it this shows nothing\n"
            "from redistill.config.config import Config\n"
            "from redistill.config.settings import Security\n"
            "from redistill.net.tls.context import TlsContext\n"
            f"security = {self.security!r}\n"
            "print(TlsContext(security, Config(security=security).with_pem().pem).subject)\n"
        )
        argv = [sys.executable, "-c", made]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout.strip(), done.stderr), ("CN=server", ""))

    def test_encrypted_key(self) -> None:
        """An encrypted key is refused, since nobody can type its password."""
        certificate, key = self.certificates.sign("one", encryption=serialization.BestAvailableEncryption(b"secret"))
        words = self.problem(tls_cert_path=certificate, tls_key_path=key)
        self.assertIn(f"security.tls_key_path: {key} is no unencrypted private key", words)

    def test_authority(self) -> None:
        """The file of the clients' authority must hold certificates."""
        self.assertIn(
            f"security.tls_ca_path: {self.key} holds no certificates in PEM",
            self.problem(tls_client_auth="required", tls_ca_path=self.key),
        )

    def test_a_bad_pair_changes_nothing(self) -> None:
        """An unusable pair raises, and the old context stays in use."""
        context = TlsContext(self.security, pem(self.security))
        before = context._context
        Path(self.key).write_text("rubbish")
        self.assertRaises(ConfigError, context.use, self.security, pem(self.security))
        self.assertIs(context._context, before)

    def test_end_of_the_certificate(self) -> None:
        """The certificate's last second, in UTC; that of a new certificate once it is read."""
        context = TlsContext(self.security, pem(self.security))
        self.assertEqual(context.expires, datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC).timestamp())
        self.certificates.sign("server", until=datetime.datetime(2030, 5, 6, 7, 8, 9))
        context.use(self.security, pem(self.security))
        self.assertEqual(context.expires, datetime.datetime(2030, 5, 6, 7, 8, 9, tzinfo=datetime.UTC).timestamp())

    def test_ports_that_speak_tls(self) -> None:
        """With tls_enabled every port; else the one of tls_port; never a UNIX socket."""
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            for security, spoken in (
                (Security(), False),
                (Security(tls_enabled=True), True),
                (Security(tls_port=port), True),
                (Security(tls_port=port ^ 1), False),
            ):
                self.assertEqual(speaks_tls(tcp, security), spoken)
                self.assertFalse(speaks_tls(unix, security))
