"""The subject of a certificate, and the user that it names."""

from __future__ import annotations

from cryptography.x509 import NameOID
from OpenSSL.crypto import X509

from redistill.net.interfaces import Certificate

NAMES = {NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber"}
"""Usual names of a subject's parts for which RFC 4514 has none."""


def described(certificate: X509) -> Certificate:
    """A certificate's subject and user name. The user name is empty if the subject has several common names, has
    one that is no word, or cannot be read. Each name is text of the kind that the certificate names (ASN.1)."""
    try:
        subject = certificate.to_cryptography().subject
        parts = [(NAMES.get(one.oid, one.rfc4514_attribute_name), one.value) for one in subject]
    except ValueError:
        return Certificate("unreadable", "")
    names = [value for kind, value in parts if kind == "CN"]
    name = names[0] if len(names) == 1 else ""
    user = name if isinstance(name, str) and name.isprintable() and " " not in name else ""
    return Certificate(",".join(f"{kind}={_shown(value)}" for kind, value in parts), user)


def _shown(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()
