"""The time for which a certificate is valid, in words.

A certificate that is not valid now stops no start and no reload: a client that does not verify it works, the clock may
be wrong, and a renewal needs no restart. But it is said: in the log, by `redistill check-config`, on the health port.
"""

from __future__ import annotations

import time

EXPIRY_DAYS = 14
"""Days; the log warns of a certificate that expires sooner. Programs that renew certificates do so long before."""
DAY = 86400


def problem_of(begins: float, ends: float, now: float) -> str:
    """Why the certificate is not valid at `now`, to stand after "the certificate"; empty: it is. Times are in seconds
    since the epoch."""
    if now < begins:
        return (
            f"is not valid before {date(begins)}, and it is {date(now)}: clients that verify it refuse to connect;"
            " check the clock of this machine, or install another certificate"
        )
    if now > ends:
        return f"has expired on {date(ends)}: clients that verify it refuse to connect; renew it"
    return ""


def days_left(ends: float, now: float) -> int:
    """Whole days until the certificate ends."""
    return int((ends - now) // DAY)


def date(when: float) -> str:
    """A point in time, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when))
