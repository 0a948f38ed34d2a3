"""How a configuration is refused: the error, and the part of its text that quotes a value."""

from __future__ import annotations

from collections.abc import Callable

from redistill.config.settings import Kind, Setting


class ConfigError(Exception):
    """The configuration cannot be used. The text is one line for the operator: place, setting, remedy."""

    def __init__(self, text: str, setting: str = "") -> None:
        """`setting`: the name of the one that is to be mended, as the file has it; empty: it is none, or several."""
        super().__init__(text)
        self.setting = setting

    @property
    def place(self) -> str:
        """The file, the variable or the command with which the text begins."""
        return str(self).partition(": ")[0]


class BadValue(ValueError):
    """A value that a setting does not take. The text says what it takes, and reads on after the setting's name."""

    def __init__(self, problem: str, subject: str = "argument") -> None:
        super().__init__(problem)
        self.redis = f"{subject} {problem}".lstrip()
        """The text in the words of Redis, for CONFIG SET."""


Refuse = Callable[[ConfigError], None]
"""The action for an error of the configuration: raise it, or note it."""


def raise_error(problem: ConfigError) -> None:
    """The `Refuse` of whoever can use nothing but a good configuration."""
    raise problem from None


def quoted(row: Setting, raw: object) -> str:
    """``= 'abc' ``, unless it is a secret or long."""
    raw = " ".join(raw) if row.kind in (Kind.ADDRESSES, Kind.NAMES, Kind.ENDPOINTS) and isinstance(raw, tuple) else raw
    text = ascii(raw).lower() if isinstance(raw, bool) else ascii(raw)
    if row.name == "security.password":
        text = ""
    return f"= {text} " if 0 < len(text) <= 80 else ""
