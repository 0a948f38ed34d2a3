"""How a configuration takes effect in one process: in all objects that have settings, or in none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.logger import Logger

from redistill.config.config import Config

log = Logger()


class HasSettings(Protocol):
    """An object that goes by settings of the configuration."""

    def apply(self, config: Config) -> None:
        """Go by `config` from now on. What it raises (Refused, ConfigError) may leave that half done: a second call,
        with the configuration of before, then undoes it. Where nothing differs, nothing happens."""
        ...


def apply_to_all(objects: Sequence[HasSettings], config: Config, before: Config) -> None:
    """Have all `objects`, which go by `before`, go by `config`, one after another. When one raises, those that came
    before it, and itself, go by `before` again, and it is raised on."""
    for count, one in enumerate(objects, 1):
        try:
            one.apply(config)
        except Exception:
            for changed in reversed(objects[:count]):
                try:
                    changed.apply(before)
                except Exception:
                    log.failure("cannot undo a change of the configuration")
            raise
