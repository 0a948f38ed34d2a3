"""Replies and lines that the tests of users share."""

from __future__ import annotations

from hashlib import sha256

OK = b"+OK\r\n"
WRONGPASS = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
BOB = f"user bob on #{sha256(b'pw').hexdigest()} ~a* resetchannels -@all +get"


def bulks(*texts: str) -> bytes:
    """An array of strings."""
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one.encode()) for one in texts)
