"""The letters of `notify-keyspace-events`: which events of keys are published, and to which channels."""

from __future__ import annotations

from redistill.config.errors import BadValue

CLASSES = "g$lshzxetd"
"""The classes that A stands for."""
OTHERS = "nKEm"
"""Events that A does not include: of new keys (n) and of misses (m); and the channels: __keyspace@db__ (K) and
__keyevent@db__ (E)."""


def canonical(text: str) -> str:
    """The letters of `text`, each once and in Redis's order, A for all classes. Raises BadValue."""
    if not set(text) <= set("A" + CLASSES + OTHERS):
        raise BadValue("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.", "")
    classes = "A" if "A" in text or set(CLASSES) <= set(text) else "".join(one for one in CLASSES if one in text)
    return classes + "".join(one for one in OTHERS if one in text)


def shown(text: str) -> str:
    """The `canonical` letters as CONFIG GET shows them: as in Redis 7 no n beside A."""
    return text.replace("n", "") if "A" in text else text


def letters(text: str) -> str:
    """The same without A: every class by its own letter."""
    return text.replace("A", CLASSES)
