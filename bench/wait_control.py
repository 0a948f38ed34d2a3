"""The largest legal inputs of the control plane's commands, for bench/waits."""

from __future__ import annotations

from bench.wait_inputs import Input, request

CONTROL = (
    Input("CONFIG GET, 400,000 brackets", lambda sizes: [request(b"CONFIG", b"GET", b"[" * 400_000)]),
    Input(
        "COMMAND LIST, pattern of 2.6 million stars",
        lambda sizes: [request(b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", b"*" * 2_600_000)],
    ),
)
"""Rows are added here; `Input` says what belongs into one."""
