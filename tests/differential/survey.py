"""Collect every kind of difference at once, instead of stopping at the first: `python -m tests.differential.survey 500`.

With `inside` Redistill runs in the same process. For work on the commands, and to see what a new oracle does differently. Prints one example of each kind.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter

from hypothesis import given

from . import sides
from .inprocess import InProcessPeer
from .profiles import examples
from .scripts import EVERYTHING, Script, scripts


def survey(count: int, inside: bool) -> Counter[str]:
    """Run `count` scripts; the differences by kind, each with its number and printed once."""
    seen: Counter[str] = Counter()
    theirs, ours = sides.oracle(), InProcessPeer() if inside else sides.ours()
    mix = random.Random()

    @examples(count, fresh=True)
    @given(scripts(EVERYTHING, most=60))
    def run(script: Script) -> None:
        varied = script._replace(seed=mix.randrange(1 << 30))
        for text in sides.differing(varied, theirs, ours, sides.known()):
            kind = re.sub(r"b'[^']*'|b\"[^\"]*\"|\d+", "_", text[:60]) + text.split(":")[0][:14]
            if not seen[kind]:
                sys.stdout.write(text[:700] + "\n")
            seen[kind] += 1

    run()
    return seen


if __name__ == "__main__":
    survey(int(sys.argv[1]) if len(sys.argv) > 1 else 200, "inside" in sys.argv)
