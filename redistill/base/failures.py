"""Failures whose text the client gets as an error."""

from __future__ import annotations


class Refused(Exception):
    """A new configuration cannot be applied, and nothing has changed. `directive` is Redis's name of the setting; the
    text has the reason."""

    def __init__(self, directive: str, reason: str) -> None:
        super().__init__(reason)
        self.directive = directive


MOST_WORDS = 1000
"""Characters of the reason that is given for a failure."""


def reason_of(problem: BaseException) -> str:
    """An unexpected exception, in words for the operator and for who asked."""
    return f"internal error: {type(problem).__name__}: {problem}"[:MOST_WORDS]
