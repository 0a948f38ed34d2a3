"""The program of the fork server (`workers.forkserver`), which knows what is to be forked.

``python -m redistill.wiring.forkserver VERSION`` is not for people: supervisors start it, those of older versions too.
"""

from __future__ import annotations

import sys

from redistill.workers import forkserver

PRELOADED = ("encodings.idna", "redistill.net.reactor", "redistill.wiring.worker")
"""Modules that import, with what they import themselves, all that a worker uses."""

if __name__ == "__main__":
    forkserver.main(sys.argv, PRELOADED, "redistill.wiring.worker")
