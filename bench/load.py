"""bench/load.c, the load that every server gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.programs import TRANSPORTS
from bench.servers import Server

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent / "build" / "bench" / "load"
FILL_PIPELINE = 32
CC = os.environ.get("CC", "gcc")


def has_tls() -> bool:
    """Whether OpenSSL's headers are installed, so that the program can speak TLS."""
    probe = [CC, "-fsyntax-only", "-xc", "-"]
    return not subprocess.run(probe, input=b"#include <openssl/ssl.h>\n", stderr=subprocess.DEVNULL).returncode


def transports() -> list[str]:
    """The transports that can be measured on this machine."""
    return [name for name in TRANSPORTS if name != "tls" or has_tls()]


def build(program: Path = PROGRAM) -> None:
    """Compile it."""
    program.parent.mkdir(parents=True, exist_ok=True)
    argv = [CC, "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program)]
    argv += [*sorted(str(path) for path in HERE.glob("load*.c")), "-lpthread", "-lm"]
    subprocess.run([*argv, *(["-DLOAD_TLS", "-lssl", "-lcrypto"] if has_tls() else [])], check=True)


def run(server: Server, *options: object) -> dict[str, Any]:
    """What bench/load.c measured; it runs on the last CPU. An error ends the benchmark."""
    argv = [str(PROGRAM), *server.address(), *map(str, options)]
    for pid in server.pids():
        argv += ["--cpu-of", str(pid)]
    last = {(os.cpu_count() or 1) - 1}
    done = subprocess.run(argv, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, last))
    if done.returncode:
        sys.exit(f"{server.name}: {' '.join(argv)}: {done.stderr}{done.stdout}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def fill(server: Server, prefix: str, keys: int, value: int) -> None:
    """Set the keys 0 .. keys - 1."""
    options = ("--workload", "fill", "--prefix", prefix, "--keys", keys, "--value", value, "--seconds", 60)
    done = run(server, *options, "--pipeline", FILL_PIPELINE, "--connections", 10)["commands"]
    if done < keys:
        sys.exit(f"{server.name} took {done} of {keys} keys in the time given")
