"""The process that workers are forked from: it has imported all that they need, and runs no reactor.

`wiring.forkserver` is the program. The supervisor asks for a worker over a pair of sockets that keep the borders of
messages (`fork_client.ForkServer`), and sends the descriptors that the worker inherits along. So a start costs some
milliseconds, and workers share the memory of the program.

A worker is the child of a child that ends at once. The supervisor adopts orphans (PR_SET_CHILD_SUBREAPER), so it is the
parent of all workers: it hears how they end, and they die with it, while the end of this process means nothing to them.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

CONTROL = 3
"""The descriptor of our end of the socket pair."""
NAME = "rd-fork"
MOST = 253
"""Most descriptors that one message can carry (SCM_MAX_FD, unix(7))."""
MESSAGE = 4096
"""Bytes of a message, at most."""
Run = Callable[[int, int, int, Sequence[int]], None]
"""The main function of a worker: its number, and the descriptors of its channel, of the arena, and the rest."""
ORPHANED = 0.0002
"""Seconds between two looks whether the supervisor has become a worker's parent."""


def preload(modules: Iterable[str]) -> None:
    """Import what a worker uses, and load Lua, but nothing that installs a reactor: it belongs to one process."""
    for name in modules:
        importlib.import_module(name)
    from redistill.config import selector
    from redistill.engine import lua

    selector.table()
    lua.load(lua.candidates())  # the workers have it then; the daemon has logged a problem
    # All objects so far live on. The collector need not visit them, and so does not write into memory that is shared
    # with the workers.
    gc.collect()
    gc.freeze()


def serve(control: socket.socket, supervisor: int, run: Run) -> None:
    """Fork workers until the supervisor, whose process id it is, wants no more."""
    tell(control, ready=True)
    current, inherited = None, list[int]()
    while True:
        data, fds, flags, _ = socket.recv_fds(control, MESSAGE, MOST)
        if not data:
            return
        asked = json.loads(data)
        if asked["id"] != current:  # the rest of the previous request never came
            close(inherited)
            current = asked["id"]
        inherited += fds
        if flags & socket.MSG_CTRUNC:
            tell(control, id=current, problem="the fork server has too few descriptors")
        elif len(inherited) == asked["descriptors"]:
            fork(control, supervisor, run, asked, inherited)
        else:
            continue  # the rest comes with the next message
        close(inherited)


def close(descriptors: list[int]) -> None:
    """Close them all, and forget them."""
    while descriptors:
        os.close(descriptors.pop())


def fork(control: socket.socket, supervisor: int, run: Run, asked: Mapping[str, Any], inherited: Sequence[int]) -> None:
    """Fork a worker, which tells the supervisor its process id; or tell the supervisor why that failed."""
    try:
        child = os.fork()
    except OSError as problem:
        tell(control, id=asked["id"], problem=f"fork: {problem.strerror}")
        return
    if child == 0:
        fork_again(control, supervisor, run, asked, inherited)
    os.waitpid(child, 0)


def fork_again(
    control: socket.socket, supervisor: int, run: Run, asked: Mapping[str, Any], inherited: Sequence[int]
) -> NoReturn:
    """The child: make the worker, and leave it to the supervisor."""
    status = 1
    try:
        parent = os.getpid()
        try:
            child = os.fork()
        except OSError as problem:
            tell(control, id=asked["id"], problem=f"fork: {problem.strerror}")
            os._exit(1)
        if child:
            os._exit(0)
        begin(control, parent, supervisor, run, asked, inherited)
        status = 0
    except SystemExit as end:
        print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def begin(
    control: socket.socket, parent: int, supervisor: int, run: Run, asked: Mapping[str, Any], inherited: Sequence[int]
) -> None:
    """The worker, from its first instruction to its end."""
    while os.getppid() == parent:
        time.sleep(ORPHANED)
    from redistill.engine import die_with_parent

    die_with_parent()
    if os.getppid() != supervisor:  # it has ended just now, or the kernel has no such thing
        raise SystemExit("the supervisor is not the parent of its worker")
    output, link, arena, *rest = inherited
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    with control:
        tell(control, id=asked["id"], pid=os.getpid())
    run(asked["number"], link, arena, rest)


def tell(control: socket.socket, **what: Any) -> None:
    """Send the supervisor a message."""
    control.send(json.dumps(what).encode("ascii"))


def main(argv: Sequence[str], modules: Iterable[str], worker: str) -> None:
    """Run until the supervisor closes the socket. Workers run `run` of the module `worker`; `modules` are imported
    before."""
    # These signals may go to all processes of the service or of the terminal; only the supervisor acts on them.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    supervisor = os.getppid()
    from redistill.engine import die_with_parent, name_process
    from redistill.workers.channel import VERSION

    die_with_parent()
    if argv[1] != str(VERSION):
        raise SystemExit(
            f"the installed program has version {VERSION} of the channel, the supervisor version {argv[1]}:"
            " restart the server to upgrade the supervisor"
        )
    name_process(NAME)
    preload(modules)
    run: Run = importlib.import_module(worker).run
    with socket.socket(fileno=CONTROL) as control:
        serve(control, supervisor, run)
