"""The subject of a certificate, and the user that it names."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import NameOID, ObjectIdentifier
from cryptography.x509.name import _ASN1Type
from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from redistill.net.interfaces import Certificate
from redistill.net.tls.subject import described
from tests.support.certificates import LATER, THEN


def subject_of(parts: list[tuple[ObjectIdentifier, str]], kind: _ASN1Type | None = None) -> crypto.X509:
    """A certificate with such a subject, its texts of this kind."""
    name = x509.Name([x509.NameAttribute(oid, text, kind) for oid, text in parts])
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), THEN, LATER)
    return crypto.X509.from_cryptography(builder.sign(key, hashes.SHA256()))


class SubjectTests(SynchronousTestCase):
    """described"""

    def test_names(self) -> None:
        """The names in a subject; the user's is the common name if there is one, and if it is a word."""
        name, organisation, email = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.EMAIL_ADDRESS
        for parts, subject, user in (
            ([(name, "app"), (organisation, "Example Ltd")], "CN=app,O=Example Ltd", "app"),
            ([(name, "\xe9"), (email, "a@example.com")], "CN=\xe9,emailAddress=a@example.com", "\xe9"),
            ([(organisation, "Example")], "O=Example", ""),
            ([(name, "a"), (name, "b")], "CN=a,CN=b", ""),
            ([(name, "my app")], "CN=my app", ""),
            ([(name, "my\xa0app")], "CN=my\xa0app", ""),
            ([(name, "a\0b")], "CN=a\0b", ""),
            ([(name, "a\nb")], "CN=a\nb", ""),
            ([], "", ""),
        ):
            self.assertEqual(described(subject_of(parts)), Certificate(subject, user))

    def test_kinds_of_text(self) -> None:
        """A name is text of the kind that the certificate says: bytes of one kind are no other name in another."""
        for text, kind, user in (
            ("app", _ASN1Type.BMPString, "app"),
            ("\u6170\u7070", _ASN1Type.BMPString, "\u6170\u7070"),
            ("app", _ASN1Type.UniversalString, "app"),
        ):
            self.assertEqual(described(subject_of([(NameOID.COMMON_NAME, text)], kind)).user, user)

    def test_unreadable(self) -> None:
        """An unreadable name belongs to no user, even if a user has the name with a replacement character."""
        made = subject_of([(NameOID.COMMON_NAME, "a\xe9b")], _ASN1Type.T61String)
        good = made.to_cryptography().public_bytes(serialization.Encoding.DER)
        bad = crypto.load_certificate(crypto.FILETYPE_ASN1, good.replace(b"a\xc3\xa9b", b"a\xff\xfeb"))
        self.assertEqual(described(bad).user, "")
