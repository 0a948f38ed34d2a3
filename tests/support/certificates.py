"""Certificates for tests, made as they are needed."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from twisted.trial.unittest import SynchronousTestCase

from redistill.config.config import Config
from redistill.config.files import Pem
from redistill.config.settings import Security

THEN = datetime.datetime(2020, 1, 1)
LATER = datetime.datetime(2120, 1, 1)


def pem(security: Security) -> Pem:
    """The contents of the files that these settings name."""
    return Config(security=security).with_pem().pem


class Certificates:
    """A directory with an authority, whose certificate is ``ca.pem``, and what it has signed."""

    def __init__(self, test: SynchronousTestCase) -> None:
        """Gone after the test."""
        self.directory = Path(tempfile.mkdtemp(prefix="rdt-"))
        test.addCleanup(shutil.rmtree, self.directory)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("authority")
        constraints = x509.BasicConstraints(ca=True, path_length=1)
        builder = _builder(self._name, self._name, self._key.public_key()).add_extension(constraints, critical=True)
        self.authority = self._write("ca.pem", builder.sign(self._key, hashes.SHA256()))

    def sign(
        self,
        name: str,
        *,
        since: datetime.datetime = THEN,
        until: datetime.datetime = LATER,
        key: Any = None,
        form: Any = serialization.PrivateFormat.PKCS8,
        encryption: Any = None,
    ) -> tuple[str, str]:
        """A certificate for this machine and its key: the paths of ``NAME.pem`` and ``NAME.key``, written anew."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(name), self._name, key.public_key(), until, since)
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = self._write(f"{name}.pem", builder.sign(self._key, hashes.SHA256()))
        path = self.directory / f"{name}.key"
        encryption = encryption or serialization.NoEncryption()
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
        return certificate, str(path)

    def chain(self, name: str) -> tuple[str, str]:
        """As `sign`, by another authority that ours has signed; its certificate follows in the file."""
        between = Certificates.__new__(Certificates)
        between.directory = self.directory
        between._key, between._name = ec.generate_private_key(ec.SECP256R1()), _named("between")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        builder = _builder(between._name, self._name, between._key.public_key())
        signed = builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        certificate, key = between.sign(name)
        with open(certificate, "ab") as file:
            file.write(signed.public_bytes(serialization.Encoding.PEM))
        return certificate, key

    def _write(self, name: str, certificate: x509.Certificate) -> str:
        path = self.directory / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)


def rsa_key() -> rsa.RSAPrivateKey:
    """A new one."""
    return rsa.generate_private_key(65537, 2048)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
    until: datetime.datetime = LATER,
    since: datetime.datetime = THEN,
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), since, until)
