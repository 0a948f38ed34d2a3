"""How many examples the differential tests try.

`REDISTILL_EXAMPLES` multiplies the number each test states (default 1: CI's few minutes); with a value over 1 the
examples are new ones in each run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

SCALE = float(os.environ.get("REDISTILL_EXAMPLES", "1"))


def examples(count: int, *, fresh: bool = SCALE > 1) -> Callable[[Any], Any]:
    """Settings of a test that tries `count` examples in CI; `fresh` ones are others in each run."""
    return settings(
        max_examples=max(1, int(count * SCALE)),
        deadline=None,
        derandomize=not fresh,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
